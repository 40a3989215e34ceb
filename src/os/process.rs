//! This process: umask, ids, limits, priority; and the privilege drop, by which a process of root's becomes another
//! user for good, without root's terminal.

use rustix::fs::{Gid, Mode, Uid};
use rustix::io::Errno;
use rustix::process::{self, DumpableBehavior, Pid, Resource, Signal, WaitOptions};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;

/// Sets the umask to 077: new files are private.
pub(crate) fn make_new_files_private() {
    process::umask(Mode::RWXG | Mode::RWXO);
}

/// Runs an operation under the umask for this mode. Only for a process with one thread.
pub(crate) fn with_mode_of_new_files<T>(mode: u32, create: impl FnOnce() -> T) -> T {
    let before = process::umask(Mode::from_raw_mode(0o777 & !mode));
    let created = create();
    process::umask(before);
    created
}

pub(crate) fn effective_ids() -> (u32, u32) {
    (process::geteuid().as_raw(), process::getegid().as_raw())
}

pub(crate) fn is_set_user_id() -> bool {
    process::getuid() != process::geteuid()
}

/// Sets the nice value of this thread, 0 to 19.
pub(crate) fn lower_priority_of_this_thread(niceness: i32) -> io::Result<()> {
    // On Linux the nice value is per thread.
    Ok(process::setpriority_process(Some(rustix::thread::gettid()), niceness)?)
}

/// What to do about an error that means that descriptors have run out: those of the process, or those of the whole system.
pub(crate) fn explain_descriptors(error: &io::Error) -> Option<&'static str> {
    match Errno::from_io_error(error)? {
        Errno::MFILE => Some("no descriptor left in this process (ulimit -n; in a systemd unit LimitNOFILE)"),
        Errno::NFILE => {
            Some("no descriptor left in the whole system (sysctl fs.file-max; another process may hold them)")
        }
        _ => None,
    }
}

/// How many descriptors the whole system has open, and may; `None` where /proc doesn't say.
pub(crate) fn system_descriptors() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/sys/fs/file-nr").ok()?;
    let mut numbers = text.split_whitespace().map(|number| number.parse().ok());
    let (open, _unused, max) = (numbers.next()??, numbers.next()??, numbers.next()??);
    Some((open, max))
}

pub(crate) fn max_descriptors() -> Option<u64> {
    process::getrlimit(Resource::Nofile).current
}

/// Whether the systemd journal records what this process writes to standard error: `JOURNAL_STREAM` names the
/// device and the inode of that stream (systemd.exec(5)).
pub(crate) fn stderr_is_journal() -> bool {
    let stream = || {
        let metadata = File::from(io::stderr().as_fd().try_clone_to_owned()?).metadata()?;
        Ok::<_, io::Error>(format!("{}:{}", metadata.dev(), metadata.ino()))
    };
    std::env::var("JOURNAL_STREAM").is_ok_and(|expected| stream().is_ok_and(|stream| stream == expected))
}
/// Puts this process into a new session, which has no controlling terminal.
pub(crate) fn leave_terminal() -> io::Result<()> {
    Ok(process::setsid().map(drop)?)
}

/// Becomes this user, with this group and no others. For a process that has one thread so far, because the
/// ids are a thread's.
///
/// Other processes of the user can neither trace this one nor look at its descriptors and its environment, as
/// they could if it executed a program as that user.
pub(crate) fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    Ok(process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Ends this process by SIGTERM when its parent ends. A change of the user undoes it.
pub(crate) fn end_with_parent() -> io::Result<()> {
    Ok(process::set_parent_process_death_signal(Some(Signal::TERM))?)
}

/// Sends a signal to a process, which may be gone.
pub(crate) fn send_signal(process: u32, signal: i32) {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    if let Some((pid, signal)) = pid.zip(Signal::from_named_raw(signal)) {
        let _ = process::kill_process(pid, signal);
    }
}

/// Closes all descriptors but the standard ones in programs that this process executes from now on.
#[cfg(feature = "strict")]
pub(crate) fn close_descriptors_on_exec() {
    close_fds::set_fds_cloexec(3, &[]);
}

/// Kills the processes of a group, if there are any.
pub(crate) fn kill_process_group(leader: u32) {
    if let Some(pid) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        let _ = process::kill_process_group(pid, Signal::KILL);
    }
}

/// As process 1 (in a container), reaps the processes that others left behind. Not while a child is waited for.
pub(crate) fn reap_orphans() {
    if process::getpid().is_init() {
        while let Ok(Some(_)) = process::wait(WaitOptions::NOHANG) {}
    }
}

/// A user's primary group: from /etc/passwd, else `otherwise`, else nogroup; never root's.
pub(crate) fn group_of_user(uid: u32, otherwise: u32) -> u32 {
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
