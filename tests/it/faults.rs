//! What happens to the machine, not by clients: the plug is pulled, the disk is full, the database is locked, files
//! go. What was acknowledged is there, what can't be done is said, and when the cause is gone the server goes on.
//!
//! Hazard H24 is in here (`disk.rs`, `locked.rs`, `stderr.rs`); what a client alone can do is in `hazards/`. ENFILE, the whole
//! machine out of descriptors, can't be made here without taking them from every process; it is handled as EMFILE is.

mod chroot;
mod descriptors;
mod disk;
mod file_systems;
mod files;
mod keys;
mod killed;

mod locked;
mod stderr;
mod threads;

use crate::process::{Server, body, gatekey, gatekey_by, status};
use rustix::process::{Pid, Resource, Rlimit, geteuid, getrlimit, prlimit};
use std::process::Command;

const UNAVAILABLE: &str =
    r#"{"error":"unavailable","message":"The server can't use its database now; try again later."}"#;

/// Asserts that this answer says that the database can't be used.
fn assert_unavailable(answer: &str) {
    assert_eq!((status(answer), body(answer)), (503, UNAVAILABLE));
}

/// The binary, bound by the modes of files even where the tests run as root; `None` where that can't be.
fn without_privileges() -> Option<Command> {
    const WITHOUT: [&str; 2] = ["--inh-caps=-all", "--bounding-set=-all"];
    if !geteuid().is_root() {
        return Some(gatekey());
    }
    let can = Command::new("setpriv").args(WITHOUT).arg("true").output();
    can.is_ok_and(|output| output.status.success()).then(|| gatekey_by("setpriv", &WITHOUT))
}

/// Sets a limit of the running server, or lifts it again where none is given.
fn limit(server: &Server, resource: Resource, to: Option<u64>) {
    let inherited = getrlimit(resource);
    let pid = Pid::from_raw(i32::try_from(server.pid()).unwrap());
    let limits = Rlimit { current: to.or(inherited.current), maximum: inherited.maximum };
    prlimit(pid, resource, limits).unwrap();
}
