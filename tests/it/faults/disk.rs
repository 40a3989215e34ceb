//! A full disk, a file size limit, an inaccessible directory: H24.

use super::{assert_unavailable, limit, without_privileges};
use crate::harness::CHEAP;
use crate::hazards::watch::await_that;
use crate::process::{Server, gatekey, header, run, status, written};
use crate::skip;
use rustix::process::Resource;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Registers until that is refused; gives the refusal.
fn register_until_refused(server: &Server) -> String {
    let answers = (0..2_000).map(|number| server.register(&format!("user {number}"), "python"));
    answers.into_iter().find(|answer| status(answer) != 201).expect("there is no more room in the end")
}

#[test]
fn a_full_disk_is_a_503_and_the_server_goes_on_when_there_is_room_h24() {
    let test = "a_full_disk_is_a_503_and_the_server_goes_on_when_there_is_room_h24";
    let directory = tempfile::tempdir().unwrap();
    let disk = directory.path();
    let Some(mounted) = Mounted::small(disk) else {
        return skip::skip(
            test,
            "a small tmpfs can't be mounted; run the tests as root, where mounting is allowed",
        );
    };
    let server = Server::start_in(disk.join("data"), &["--scrypt", CHEAP]);
    assert_eq!(status(&server.register("ok", "python")), 201);
    let filling = disk.join("filling");
    let mut file = fs::File::create(&filling).unwrap();
    while file.write_all(&[b'x'; 4096]).is_ok() {}

    let refused = register_until_refused(&server);
    assert_unavailable(&refused);
    assert_eq!(header(&refused, "Content-Type"), Some("application/json"));
    assert_eq!(server.login("ok", "python"), 200, "who only reads is served");

    drop(file);
    fs::remove_file(filling).unwrap();
    // The kernel may take a moment to give the room back.
    assert!(await_that(|| status(&server.register("after", "python")) == 201));
    let (code, log) = server.stop();
    assert_eq!(code, Some(0));
    assert!(log.contains("cause=\"the database can't be used now: no space left on device"), "{log}");
    drop(mounted);
}

#[test]
fn commands_on_a_full_disk_name_the_missing_space() {
    let test = "commands_on_a_full_disk_name_the_missing_space";
    let directory = tempfile::tempdir().unwrap();
    let Some(mounted) = Mounted::small(directory.path()) else {
        return skip::skip(
            test,
            "a small tmpfs can't be mounted; run the tests as root, where mounting is allowed",
        );
    };
    let (disk, elsewhere) = (directory.path(), tempfile::tempdir().unwrap());
    let (data, backup) = (disk.join("data"), elsewhere.path().join("backup"));
    let run = |words: &[&str]| written(&run(gatekey().args(words).arg("--data").arg(&data), "python\n"));
    let add = ["user", "add", "ok", "--password-stdin", "--scrypt", CHEAP];
    assert_eq!(run(&add).0, Some(0));
    assert_eq!(run(&["backup", backup.to_str().unwrap()]).0, Some(0));
    let mut filling = fs::File::create(disk.join("filling")).unwrap();
    while filling.write_all(&[b'x'; 4096]).is_ok() {}
    let (backup, new_backup) = (backup.to_str().unwrap(), disk.join("new"));
    let commands: [&[&str]; 8] = [
        &["user", "list"],
        &["user", "disable", "ok"],
        &["throttle", "clear"],
        &["key", "list"],
        &["key", "rotate"],
        &["backup", new_backup.to_str().unwrap()],
        &["restore", backup],
        &["serve", "--listen", "127.0.0.1:0"],
    ];
    for words in commands {
        let (code, _, message) = run(words);
        assert_eq!(code, Some(1), "{words:?}: {message}");
        assert!(message.to_lowercase().contains("no space left on device"), "{words:?}: {message}");
        assert!(!message.contains("disk I/O error"), "{words:?}: {message}");
    }
    drop((filling, mounted));
}

/// A mounted disk, which goes also when the test fails.
pub(super) struct Mounted(pub(super) PathBuf);

impl Mounted {
    /// A disk of 1 MiB, if mounting is allowed.
    fn small(disk: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", "size=1m", "gatekey-test"]).arg(disk).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(disk.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_file_that_may_not_grow_is_a_503_and_ends_no_server() {
    let server = Server::start(&[]);
    assert_eq!(status(&server.register("ok", "python")), 201);
    // Who writes beyond this gets SIGXFSZ, which ends a process that doesn't expect it.
    limit(&server, Resource::Fsize, Some(100 * 1024));
    assert_unavailable(&register_until_refused(&server));
    assert_eq!(server.login("ok", "python"), 200, "who only reads is served");

    limit(&server, Resource::Fsize, None);
    assert_eq!(status(&server.register("after", "python")), 201, "the cause is gone");
    let (code, log) = server.stop();
    assert_eq!(code, Some(0));
    assert!(
        log.contains("cause=\"the database can't be used now: a write failed: a limit of file sizes"),
        "{log}"
    );
}

#[test]
fn an_inaccessible_data_directory_is_503_until_it_is_accessible() {
    let test = "an_inaccessible_data_directory_is_503_until_it_is_accessible";
    let Some(command) = without_privileges() else {
        return skip::skip(test, "root may look at everything; install setpriv (util-linux)");
    };
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_as(command, directory.path().join("data"), &["--scrypt", CHEAP]);
    assert_eq!(status(&server.register("ok", "python")), 201);
    let allow = |mode| fs::set_permissions(&server.data, Permissions::from_mode(mode)).unwrap();
    allow(0o000);
    assert_unavailable(&server.register("late", "python"));
    assert_unavailable(&server.request("GET /api/users/1", &[], ""));
    let database = server.data.join("gatekey.sqlite3");
    let cause = format!("can't look at {}: Permission denied", database.display());
    let lines = [" 503 ", "gatekey: a request failed: "].map(|line| (line, &cause));
    let told = || {
        lines.map(|(line, cause)| {
            server.log().lines().filter(|said| said.contains(line) && said.contains(cause)).count()
        })
    };
    assert!(await_that(|| told() == [2, 1]), "{}", server.log());

    allow(0o700);
    assert_eq!(status(&server.register("late", "python")), 201, "the cause is gone");
    assert_eq!(server.login("ok", "python"), 200);
}
