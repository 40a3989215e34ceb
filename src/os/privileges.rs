//! Privilege drop: a process of root's becomes another user for good, without root's terminal.

use rustix::fs::{Gid, Uid};
use rustix::process::{self, DumpableBehavior, Pid, Signal};
use std::{fs, io};

/// Puts this process into a new session, which has no controlling terminal.
///
/// # Errors
/// What setsid(2) reports.
pub fn leave_terminal() -> io::Result<()> {
    Ok(process::setsid().map(drop)?)
}

/// Becomes this user, with this group and no others. For a process that has one thread so far, because the
/// ids are a thread's.
///
/// Other processes of the user can neither trace this one nor look at its descriptors and its environment, as
/// they could if it executed a program as that user.
///
/// # Errors
/// What the system reports; the process has then to end.
pub fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    Ok(process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Ends this process by SIGTERM when its parent ends. A change of the user undoes it.
///
/// # Errors
/// What prctl(2) reports.
pub fn end_with_parent() -> io::Result<()> {
    Ok(process::set_parent_process_death_signal(Some(Signal::TERM))?)
}

/// Sends a signal to a process, which may be gone.
pub fn send_signal(process: u32, signal: i32) {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    if let Some((pid, signal)) = pid.zip(Signal::from_named_raw(signal)) {
        let _ = process::kill_process(pid, signal);
    }
}

/// A user's primary group: from /etc/passwd, else `otherwise`, else nogroup; never root's.
pub fn group_of_user(uid: u32, otherwise: u32) -> u32 {
    const NOGROUP: u32 = 65_534;
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let primary = primary_group(&accounts, uid);
    [primary, Some(otherwise)].into_iter().flatten().find(|gid| *gid != 0).unwrap_or(NOGROUP)
}

/// `name:password:uid:gid:...` (passwd(5)).
fn primary_group(accounts: &str, uid: u32) -> Option<u32> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':').skip(2);
        let is_it = fields.next()?.parse() == Ok(uid);
        is_it.then(|| fields.next()?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primary_group_is_that_of_the_account() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\nbroken\ngatekey:x:998:997::/:/bin/false\n";
        assert_eq!(primary_group(accounts, 998), Some(997));
        assert_eq!(primary_group(accounts, 5), None);
        assert_eq!(group_of_user(4_000_000_000, 0), 65_534);
        assert_eq!(group_of_user(4_000_000_000, 12), 12);
    }
}
