//! Sources that can't be written to: gatekey's own data and the Flask original's database, both in WAL mode, on a file system
//! mounted read-only, or in a directory of another user.

use crate::harness::CHEAP;
use crate::process::{self, Server, gatekey, gatekey_at, run, status, written};
use crate::skip::skip;
use rustix::process::geteuid;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A user with an account or without.
const READER: u32 = 54_323;
const HASH: &str = "$2b$05$eL6GoUW8rNDhmOdNFJL0O.ykUp58oVFBz/iTVou0NQClgBj22Xbrq";

/// A directory that shows another one, read-only, as long as this lives.
struct ReadOnly(PathBuf);

impl ReadOnly {
    /// `None`, said aloud, where mounting is not allowed.
    fn mount(test: &str, from: &Path, to: PathBuf) -> Option<Self> {
        fs::create_dir(&to).unwrap();
        let mount = |arguments: &[&str]| {
            let mounted = Command::new("mount").args(arguments).arg(&to).output();
            mounted.is_ok_and(|output| output.status.success())
        };
        if mount(&["--bind", from.to_str().unwrap()]) && mount(&["-o", "remount,bind,ro"]) {
            return Some(Self(to));
        }
        skip(test, "no directory can be mounted read-only; run the tests as root, where mounting is allowed");
        None
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// The binary as another user, from a place where that user finds it.
fn gatekey_as_reader(place: &Path) -> Command {
    let copy = place.join("gatekey");
    if !copy.exists() {
        fs::copy(process::binary(), &copy).unwrap();
    }
    let mut command = gatekey_at(&copy);
    command.uid(READER).gid(READER);
    command
}

/// The Flask original's database in WAL mode; what was written last is only in its `-wal` while the connection lives.
fn original(path: &Path) -> rusqlite::Connection {
    let app = rusqlite::Connection::open(path).unwrap();
    app.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT, password_hash TEXT); \
         INSERT INTO users VALUES (7, 'miguel', '{HASH}')"
    ))
    .unwrap();
    app
}

#[test]
fn only_reading_commands_work_on_a_read_only_data_directory() {
    // Killed, what was written is only in the -wal; ended in good order, there is none, and none can be made.
    for signal in ["KILL", "TERM"] {
        read_and_try_to_write(signal);
    }
}

fn read_and_try_to_write(signal: &str) {
    let test = "only_reading_commands_work_on_a_read_only_data_directory";
    let directory = tempfile::tempdir().unwrap();
    let (data, backup) = (directory.path().join("data"), directory.path().join("backup"));
    let server = Server::start_in(data.clone(), &["--scrypt", CHEAP]);
    assert_eq!(status(&server.register("ok", "python")), 201);
    server.stop_by(signal);
    let Some(mounted) = ReadOnly::mount(test, &data, directory.path().join("mounted")) else { return };
    let before = process::names_in(&data);
    let run = |words: &[&str]| written(&run(gatekey().args(words).arg("--data").arg(&mounted.0), "x\n"));
    for (words, expected) in [
        (&["user", "list"][..], " ok\n"),
        (&["user", "show", "ok"], "ok"),
        (&["user", "export"], "\"username\":\"ok\""),
        (&["key", "list"], " signs "),
        (&["throttle", "list"], ""),
        (&["backup", backup.to_str().unwrap()], "users: 1"),
    ] {
        let (code, out, message) = run(words);
        assert_eq!(code, Some(0), "{words:?}: {message}");
        assert!(out.contains(expected), "{words:?}: {out}");
    }
    assert!(run(&["token", "inspect"]).1.contains("malformed"));
    let (_, findings, _) = run(&["doctor"]);
    assert!(findings.contains("sound; users: 1"), "{findings}");
    assert!(findings.contains("the file system is read-only"), "{findings}");
    for words in [&["user", "disable", "ok"][..], &["user", "delete", "ok"], &["throttle", "clear"]] {
        let (code, _, message) = run(words);
        assert!(code == Some(1) && message.contains("read-only file system"), "{words:?}: {message}");
    }
    assert_eq!(process::names_in(&data), before);
}

#[test]
fn a_users_database_in_wal_mode_is_imported_from_where_nothing_can_be_written() {
    for is_running in [true, false] {
        import_from_read_only(is_running);
    }
}

fn import_from_read_only(is_running: bool) {
    let test = "a_users_database_in_wal_mode_is_imported_from_where_nothing_can_be_written";
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source");
    fs::create_dir(&source).unwrap();
    let app = Some(original(&source.join("db.sqlite"))).filter(|_| is_running);
    let Some(mounted) = ReadOnly::mount(test, &source, directory.path().join("mounted")) else { return };
    let mut import = gatekey();
    import
        .args(["user", "import"])
        .arg(mounted.0.join("db.sqlite"))
        .arg("--data")
        .arg(directory.path().join("data"));
    let (code, out, message) = written(&run(&mut import, ""));
    assert_eq!((code, out.as_str()), (Some(0), "imported 1 user\n"), "{message}");
    drop(app);
}

#[test]
fn a_users_database_in_another_users_directory_is_imported() {
    for is_running in [true, false] {
        import_from_another_user(is_running);
    }
}

fn import_from_another_user(is_running: bool) {
    let test = "a_users_database_in_another_users_directory_is_imported";
    if !geteuid().is_root() {
        return skip(test, "only root can start a command as another user; run the tests as root");
    }
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let (source, data) = (directory.path().join("source"), directory.path().join("data"));
    for path in [&source, &data] {
        fs::create_dir(path).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    chown(&data, Some(READER), Some(READER)).unwrap();
    let app = Some(original(&source.join("db.sqlite"))).filter(|_| is_running);
    for name in process::names_in(&source) {
        fs::set_permissions(source.join(name), Permissions::from_mode(0o644)).unwrap();
    }
    let before = process::names_in(&source);
    let mut import = gatekey_as_reader(directory.path());
    import.args(["user", "import"]).arg(source.join("db.sqlite")).arg("--data").arg(&data);
    let (code, out, message) = written(&run(&mut import, ""));
    assert_eq!((code, out.as_str()), (Some(0), "imported 1 user\n"), "{message}");
    assert_eq!(process::names_in(&source), before);
    drop(app);
}
