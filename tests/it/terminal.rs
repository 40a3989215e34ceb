//! Progress, on a terminal and elsewhere: each command that takes long, kept waiting by a locked database.

use crate::process::{Server, gatekey, run, written};
use rusqlite::Connection;
use rustix::pty::{self, OpenptFlags};
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// A terminal: our side of it, and the path of the other.
pub fn open_terminal() -> (File, PathBuf) {
    let ours = pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    pty::grantpt(&ours).unwrap();
    pty::unlockpt(&ours).unwrap();
    let name = pty::ptsname(&ours, Vec::new()).unwrap().into_bytes();
    (File::from(ours), std::ffi::OsString::from_vec(name).into())
}

/// Runs a command to its end with a terminal as its standard error: all that was drawn there.
fn on_terminal(mut command: Command) -> String {
    let (mut ours, name) = open_terminal();
    let theirs = OpenOptions::new().read(true).write(true).open(name).unwrap();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(theirs).spawn().unwrap();
    drop(command); // it holds a descriptor of theirs: as long as a process does, we would wait for more
    let (mut drawn, mut bytes) = (Vec::new(), [0; 4_096]);
    // The end of a terminal is an error.
    while let Ok(count @ 1..) = ours.read(&mut bytes) {
        drawn.extend_from_slice(&bytes[..count]);
    }
    assert_eq!(child.wait().unwrap().code(), Some(1));
    String::from_utf8(drawn).unwrap()
}

/// Runs a command with a terminal as its standard input, on which this is typed: its exit status and standard error.
fn typed(mut command: Command, keys: &str) -> (Option<i32>, String) {
    let (mut ours, name) = open_terminal();
    let theirs = OpenOptions::new().read(true).write(true).open(name).unwrap();
    ours.write_all(keys.as_bytes()).unwrap();
    let child = command.stdin(theirs).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let (code, _, message) = written(&child.wait_with_output().unwrap());
    (code, message)
}

#[test]
fn deleting_a_user_and_revoking_all_tokens_ask_on_a_terminal() {
    let server = Server::start(&[]);
    for name in ["alice", "bob"] {
        server.register(name, "python");
    }
    let command = |words: &[&str]| {
        let mut command = gatekey();
        command.args(words).arg("--data").arg(&server.data);
        command
    };
    for (words, question) in [
        (
            &["user", "delete", "alice"][..],
            "Delete the user \"alice\", with id 1? This can't be undone. [y/N] ",
        ),
        (
            &["user", "revoke", "--all"],
            "Revoke the tokens of all users? All of them must log in again. [y/N] ",
        ),
    ] {
        for no in ["\n", "n\n", "yess\n"] {
            let expected = format!("{question}gatekey: not confirmed; nothing was changed\n");
            assert_eq!(typed(command(words), no), (Some(1), expected), "{no:?}");
        }
    }
    assert_eq!(server.login("alice", "python"), 200);
    assert_eq!(typed(command(&["user", "delete", "alice"]), "y\n").0, Some(0));
    assert_eq!(typed(command(&["user", "delete", "bob", "--yes"]), ""), (Some(0), String::new()));
    assert_eq!((server.login("alice", "python"), server.login("bob", "python")), (401, 401));
    // Programs are not asked.
    server.register("carol", "python");
    assert_eq!(server.command(&["user", "delete", "carol"], "").status.code(), Some(0));
}

/// What a person sees in the end.
fn screen(drawn: &str) -> String {
    let mut lines = vec![Vec::new()];
    let mut column = 0;
    for character in drawn.chars() {
        let line = lines.last_mut().unwrap();
        match character {
            '\r' => column = 0,
            '\n' => lines.push(Vec::new()),
            _ => {
                line.resize(line.len().max(column + 1), ' ');
                line[column] = character;
                column += 1;
            }
        }
    }
    let text = |line: &Vec<char>| line.iter().collect::<String>().trim_end().to_owned() + "\n";
    lines.iter().map(text).collect::<String>().trim_end().to_owned()
}

/// No other process reads or writes this database until the connection is closed.
fn locked(database: &Path) -> Connection {
    let connection = Connection::open(database).unwrap();
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE").unwrap();
    connection.execute_batch("BEGIN EXCLUSIVE; UPDATE realm SET newest_time = newest_time").unwrap();
    connection
}

fn command(word: &str, file: &Path, data: &Path) -> Command {
    let mut command = gatekey();
    command.arg(word).arg(file).arg("--data").arg(data);
    command
}

/// SQLite waits for five seconds, so each command takes longer than the second from which on there is a line.
#[test]
fn what_takes_longer_than_a_second_is_shown_on_a_terminal_alone_and_erased() {
    let directory = tempfile::tempdir().unwrap();
    let (data, copy) = (directory.path().join("data"), directory.path().join("copy"));
    assert_eq!(Server::start_in(data.clone(), &[]).stop().0, Some(0));
    fs::copy(data.join("gatekey.sqlite3"), &copy).unwrap();
    let locks = [locked(&data.join("gatekey.sqlite3")), locked(&copy)];

    let new = directory.path().join("new");
    let back_up = || command("backup", &new, &data);
    let restore = || command("restore", &copy, &data);
    let message = |attempted: &str, path: &Path| {
        let path = path.display();
        format!("gatekey: can't {attempted}: {path}: the database can't be used now: database is locked")
    };
    let back_up_message = message("back up", &data.join("gatekey.sqlite3"));
    let restore_message = message("restore", &copy);
    thread::scope(|scope| {
        let backed_up = scope.spawn(|| on_terminal(back_up()));
        let restored = scope.spawn(|| on_terminal(restore()));
        let unseen = scope.spawn(|| written(&run(&mut back_up(), "")));
        let drawn = backed_up.join().unwrap();
        assert!(drawn.contains("\rgatekey: backing up: "), "{drawn:?}");
        assert_eq!(screen(&drawn), back_up_message);
        let drawn = restored.join().unwrap();
        assert!(drawn.contains("\rgatekey: restoring: "), "{drawn:?}");
        assert_eq!(screen(&drawn), restore_message);
        assert_eq!(unseen.join().unwrap(), (Some(1), String::new(), back_up_message + "\n"));
    });
    drop(locks);
}

#[test]
fn what_is_over_at_once_is_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    let missing = command("restore", &directory.path().join("none"), &directory.path().join("data"));
    let path = directory.path().join("none");
    let message =
        format!("gatekey: can't restore: {}: No such file or directory (os error 2)\r\n", path.display());
    assert_eq!(on_terminal(missing), message);
}
