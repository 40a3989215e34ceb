//! The disk is full.

use super::UNAVAILABLE;
use crate::harness::CHEAP;
use crate::process::{Server, body, field, status};
use crate::skip;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

#[test]
fn a_full_disk_is_a_503_and_the_server_goes_on_when_there_is_room() {
    let test = "a_full_disk_is_a_503_and_the_server_goes_on_when_there_is_room";
    let directory = tempfile::tempdir().unwrap();
    let disk = directory.path();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "gatekey-test"]).arg(disk).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        return skip::skip(
            test,
            "a small tmpfs can't be mounted; run the tests as root, where mounting is allowed",
        );
    }
    let mounted = Mounted(disk.to_owned());
    let server = Server::start_in(disk.join("data"), &["--scrypt", CHEAP]);
    assert_eq!(status(&server.register("ok", "python")), 201);
    let filling = disk.join("filling");
    let mut file = fs::File::create(&filling).unwrap();
    while file.write_all(&[b'x'; 4096]).is_ok() {}

    let mut refused = None;
    for number in 0..2_000 {
        let answer = server.register(&format!("user {number}"), "python");
        if status(&answer) != 201 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("the disk is full in the end");
    assert_eq!((status(&refused), body(&refused)), (503, UNAVAILABLE));
    assert_eq!(field(&refused, "Content-Type"), Some("application/json"));
    assert_eq!(server.login("ok", "python"), 200, "who only reads is served");

    drop(file);
    fs::remove_file(filling).unwrap();
    assert_eq!(status(&server.register("after", "python")), 201);
    let (code, log) = server.stop();
    assert_eq!(code, Some(0));
    assert!(log.contains("database or disk is full"), "{log}");
    drop(mounted);
}

/// A mounted disk, which goes also when the test fails.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
