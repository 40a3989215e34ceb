//! The system has no more threads.

use crate::harness::CHEAP;
use crate::process::{self, Server, gatekey_at, status, written};
use crate::skip;
use rustix::process::geteuid;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// No user of this machine, and so none with processes that count.
const OTHER_USER: u32 = 12_346;

/// As another user.
fn limit_processes(server: &Server, to: u32) {
    let mut command = Command::new("prlimit");
    if geteuid().is_root() {
        command.uid(OTHER_USER).gid(OTHER_USER);
    }
    let done =
        command.args(["--pid", &server.pid().to_string(), &format!("--nproc={to}:")]).output().unwrap();
    assert!(done.status.success(), "{:?}", written(&done));
}

#[test]
fn without_new_threads_slow_clients_block_no_others() {
    let directory = tempfile::tempdir().unwrap();
    // Where that user may find it.
    let binary = directory.path().join("gatekey");
    fs::copy(process::binary(), &binary).unwrap();
    let mut command = gatekey_at(&binary);
    if geteuid().is_root() {
        // Root may always make threads.
        if chown(directory.path(), Some(OTHER_USER), Some(OTHER_USER)).is_err() {
            return skip::skip(
                "without_new_threads_slow_clients_block_no_others",
                "no other user can be run as here; run the tests as a user with few processes",
            );
        }
        command.uid(OTHER_USER).gid(OTHER_USER);
    }
    let server = Server::start_as(command, directory.path().join("data"), &["--scrypt", CHEAP]);
    assert_eq!(status(&server.register("ok", "python")), 201);
    limit_processes(&server, 1);
    let halves: Vec<_> = (0..20)
        .map(|_| {
            let mut half = server.connect();
            half.write_all(b"GET /api/users/1 HTTP/1.1\r\n").unwrap();
            half
        })
        .collect();
    for _ in 0..4 {
        assert_eq!(status(&server.request("GET /api/users/1", &[], "")), 200);
        assert_eq!(server.login("ok", "python"), 200);
    }
    limit_processes(&server, 256);
    drop(halves);
    assert_eq!(server.login("ok", "python"), 200);
    assert_eq!(server.stop().0, Some(0));
}
