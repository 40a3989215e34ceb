//! File systems without hard links (exFAT, FUSE), without `RENAME_NOREPLACE` (NFS), or without locks (NFS without a lock
//! manager), as strace injects their errors.

use crate::harness::CHEAP;
use crate::process::{Server, gatekey_by, names_in, run, status, written};
use crate::skip;
use std::path::Path;
use std::process::Command;

/// What each kind of file system refuses.
const NO_LINKS: &[&str] = &["inject=link,linkat:error=EPERM"];
const NO_LINKS_NOR_NOREPLACE: &[&str] = &["inject=link,linkat:error=EPERM", "inject=renameat2:error=EINVAL"];

/// The binary under strace, which does this to its system calls; `None`, said aloud, where there is no strace that may.
pub(super) fn gatekey_with(test: &str, injections: &[&str]) -> Option<Command> {
    // -D: what is started is the binary itself, so that signals reach it.
    let mut arguments =
        vec!["-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=link,linkat,renameat2,flock,fcntl,accept4"];
    for injection in injections {
        arguments.extend(["-e", injection]);
    }
    let works = Command::new("strace").args(&arguments).arg("true").output();
    if !works.is_ok_and(|output| output.status.success()) {
        skip::skip(test, "no strace that may inject errors; install it: apt-get install strace");
        return None;
    }
    Some(gatekey_by("strace", &arguments))
}

fn command(test: &str, injections: &[&str], words: &[&str], data: &Path) -> (Option<i32>, String, String) {
    let mut command = gatekey_with(test, injections).unwrap();
    written(&run(command.args(words).arg("--data").arg(data), ""))
}

#[test]
fn without_hard_links_a_first_start_a_backup_and_a_restore_work() {
    let test = "without_hard_links_a_first_start_a_backup_and_a_restore_work";
    for injections in [NO_LINKS, NO_LINKS_NOR_NOREPLACE] {
        let Some(gatekey) = gatekey_with(test, injections) else { return };
        let directory = tempfile::tempdir().unwrap();
        let (data, backup) = (directory.path().join("data"), directory.path().join("backup"));
        let backup = backup.to_str().unwrap();
        let server = Server::start_as(gatekey, data.clone(), &["--scrypt", CHEAP]);
        assert_eq!(status(&server.register("ok", "python")), 201);
        assert_eq!(server.stop().0, Some(0));

        let done = command(test, injections, &["backup", backup], &data);
        assert_eq!(done.0, Some(0), "{injections:?}: {}", done.2);
        let taken = command(test, injections, &["backup", backup], &data);
        assert!(taken.0 == Some(1) && taken.2.contains("exists; give a name that is free"), "{}", taken.2);
        let done = command(test, injections, &["restore", backup], &data);
        assert_eq!(done.0, Some(0), "{injections:?}: {}", done.2);

        assert_eq!(names_in(directory.path()), ["backup", "data"], "nothing is left beside");
        let names = names_in(&data);
        assert_eq!([&*names[0], &*names[2]], ["gatekey.sqlite3", "signing-keys"], "{names:?}");
        assert!(names.len() == 3 && names[1].starts_with("gatekey.sqlite3.before-restore-"), "{names:?}");
        let server = Server::start_in(data, &["--scrypt", CHEAP]);
        assert_eq!(server.login("ok", "python"), 200);
    }
}

#[test]
fn two_first_starts_at_once_agree_on_one_key_without_hard_links() {
    let test = "two_first_starts_at_once_agree_on_one_key_without_hard_links";
    if gatekey_with(test, NO_LINKS).is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let servers: Vec<_> = std::thread::scope(|scope| {
        let start =
            || Server::start_as(gatekey_with(test, NO_LINKS).unwrap(), data.clone(), &["--scrypt", CHEAP]);
        let starting: Vec<_> = (0..3).map(|_| scope.spawn(start)).collect();
        starting.into_iter().map(|server| server.join().unwrap()).collect()
    });
    drop(servers);
    let (code, out, message) = command(test, NO_LINKS, &["key", "list"], &data);
    assert_eq!((code, out.lines().count()), (Some(0), 2), "a header and one key: {out}{message}");
}

#[test]
fn missing_file_locks_are_named_in_the_error() {
    let test = "missing_file_locks_are_named_in_the_error";
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    drop(Server::start_in(data.clone(), &["--scrypt", CHEAP]));
    for injections in [&["inject=flock:error=ENOLCK"], &["inject=fcntl:error=ENOLCK"]] {
        if gatekey_with(test, injections).is_none() {
            return;
        }
        let (code, _, message) = command(test, injections, &["user", "list"], &data);
        assert_eq!(code, Some(1), "{message}");
        assert!(message.contains("file locks don't work on this file system"), "{injections:?}: {message}");
    }
}
