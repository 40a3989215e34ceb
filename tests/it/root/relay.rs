//! What the service user's process gets of root's: no terminal, no environment, no descriptors; and what root
//! still has of it.

use super::{DATABASE, HASH, OTHER, Place, SERVICE, Victim, user};
use crate::hazards::watch::await_that;
use crate::process::{gatekey, gatekey_by, names_in, run, written};
use crate::terminal::open_terminal;
use rusqlite::Connection;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// A command of root's in a session with a terminal.
struct Session {
    terminal: File,
    name: PathBuf,
    child: Child,
    shown: String,
}

impl Session {
    /// Runs it by way of a shell that does this first.
    fn start(place: &Place, first: &str, words: &[&str]) -> Self {
        let (terminal, name) = open_terminal();
        let open = || OpenOptions::new().read(true).write(true).open(&name).unwrap();
        let script = format!("{first}\nexec \"$0\" \"$@\"");
        let mut command = gatekey_by("setsid", &["--ctty", "sh", "-c", &script]);
        command.args(words).arg("--data").arg(place.path("data"));
        command.env("ROOTS_SECRET", "hunter2").env("GATEKEY_SCRYPT", crate::harness::CHEAP);
        let child = command.stdin(open()).stdout(open()).stderr(open()).spawn().unwrap();
        Self { terminal, name, child, shown: String::new() }
    }

    /// Reads until the terminal has shown this; false at its end.
    fn shows(&mut self, text: &str) -> bool {
        let mut bytes = [0; 4_096];
        while !self.shown.contains(text) {
            match self.terminal.read(&mut bytes) {
                Ok(count @ 1..) => self.shown += str::from_utf8(&bytes[..count]).unwrap(),
                _ => return false,
            }
        }
        true
    }

    fn answer(&mut self, question: &str, keys: &str) {
        assert!(self.shows(question), "{question:?}: {:?}", self.shown);
        self.shown.clear();
        self.terminal.write_all(keys.as_bytes()).unwrap();
    }

    /// The same, when what is typed is not shown.
    fn answer_in_secret(&mut self, question: &str, keys: &str) {
        assert!(self.shows(question), "{question:?}: {:?}", self.shown);
        assert!(await_that(|| {
            let modes = Command::new("stty").arg("-aF").arg(&self.name).output().unwrap();
            written(&modes).1.contains(" -echo ")
        }));
        self.answer(question, keys);
    }

    /// What it ended with, and what was shown since the last answer.
    fn end(mut self) -> (ExitStatus, String) {
        self.shows("\0"); // never
        (self.child.wait().unwrap(), self.shown)
    }

    /// The process of the service's user, when there is one.
    fn service_process(&self) -> u32 {
        let mut found = None;
        let is_it = |pid: &u32| {
            let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
            let parent = format!("PPid:\t{}\n", self.child.id());
            let [status, uids] = [read("status"), format!("Uid:\t{SERVICE}\t{SERVICE}\t{SERVICE}\t")];
            status.contains(&parent) && status.contains(&uids)
        };
        let pids = || names_in(Path::new("/proc")).into_iter().filter_map(|name| name.parse().ok());
        assert!(await_that(|| {
            found = pids().find(is_it);
            found.is_some()
        }));
        found.unwrap()
    }
}

/// What the service's user can do besides.
fn as_service(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).uid(SERVICE).gid(SERVICE).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn the_service_users_process_has_nothing_of_roots() {
    let Some(place) = Place::filled("the_service_users_process_has_nothing_of_roots") else { return };
    let first = format!("exec 9<'{}'", place.path("roots/users").display());
    let mut session = Session::start(&place, &first, &["user", "import", "-"]);
    let pid = session.service_process();
    let proc = |name: &str| format!("/proc/{pid}/{name}");
    let stat = fs::read_to_string(proc("stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    assert_eq!((fields[3], fields[4]), (pid.to_string().as_str(), "0"), "a session without a terminal");
    for name in names_in(Path::new(&proc("fd"))) {
        let target = fs::read_link(proc(&format!("fd/{name}"))).unwrap().display().to_string();
        assert!(!target.starts_with("/dev/") && !target.contains("roots"), "{name}: {target}");
    }
    let environment = fs::read_to_string(proc("environ")).unwrap();
    assert!(!environment.contains("hunter2") && environment.contains("GATEKEY_SCRYPT="), "{environment}");
    for name in ["environ", "fd/0", "mem"] {
        let read = as_service("head", &["-c1", &proc(name)]).status().unwrap();
        assert!(!read.success(), "another process of the user's reads {name}");
    }
    session.terminal.write_all(b"\x03").unwrap();
    let (status, shown) = session.end();
    assert_eq!(status.signal(), Some(2), "{shown}");
    assert!(!Path::new(&proc("")).exists());
}

#[test]
fn a_killed_command_of_roots_ends_the_service_users_process() {
    let Some(place) = Place::filled("a_killed_command_of_roots_ends_the_service_users_process") else {
        return;
    };
    let mut session = Session::start(&place, "", &["serve", "--listen", "127.0.0.1:0"]);
    assert!(session.shows("listening on"), "{}", session.shown);
    let pid = session.service_process();
    session.child.kill().unwrap();
    session.child.wait().unwrap();
    assert!(await_that(|| !Path::new(&format!("/proc/{pid}")).exists()));
}

#[test]
fn a_server_on_a_terminal_ends_by_its_signals() {
    let Some(place) = Place::filled("a_server_on_a_terminal_ends_by_its_signals") else { return };
    let mut session = Session::start(&place, "", &["serve", "--listen", "127.0.0.1:0"]);
    assert!(session.shows("listening on"), "{}", session.shown);
    session.terminal.write_all(b"\x03").unwrap();
    let (status, shown) = session.end();
    assert_eq!(status.code(), Some(0), "{shown}");
}

#[test]
fn questions_are_asked_on_roots_terminal() {
    let Some(place) = Place::filled("questions_are_asked_on_roots_terminal") else { return };
    let mut add = Session::start(&place, "", &["user", "add", "bob"]);
    add.answer_in_secret("New password: ", "secret word\n");
    add.answer_in_secret("The same again: ", "secret word\n");
    let (status, shown) = add.end();
    assert!(status.success() && shown.contains("added \"bob\" with id 2\r\n"), "{shown}");
    assert!(!shown.contains("secret word"), "{shown}");

    let question = "Delete the user \"bob\"? This can't be undone. [y/N] ";
    for (key, code) in [("n\n", 1), ("y\n", 0)] {
        let mut delete = Session::start(&place, "", &["user", "delete", "bob"]);
        delete.answer(question, key);
        let (status, shown) = delete.end();
        assert_eq!(status.code(), Some(code), "{shown}");
    }
    let mut revoke = Session::start(&place, "", &["user", "revoke", "--all"]);
    revoke.answer("All of them must log in again. [y/N] ", "\n");
    assert_eq!(revoke.end().0.code(), Some(1));
    let mut add = Session::start(&place, "", &["key", "add"]);
    add.answer_in_secret("Secret: ", "a secret of sixteen bytes or more\n");
    let (status, shown) = add.end();
    assert!(status.success(), "{shown}");
    let (_, listed, _) = place.gatekey(&["key", "list"], "");
    let key = gatekey::signer::SigningKey::new(b"a secret of sixteen bytes or more").unwrap();
    assert!(listed.contains(&key.fingerprint()), "{listed}");
}

#[test]
fn input_output_and_exit_status_pass_as_they_are() {
    const USERS: usize = 20_000;
    let Some(place) = Place::new("input_output_and_exit_status_pass_as_they_are") else { return };
    let users: String = (0..USERS).map(|number| user(&format!("user{number}"))).collect();
    let (code, out, message) = place.gatekey(&["user", "import", "-"], &users);
    assert_eq!((code, out), (Some(0), format!("imported {USERS} users\n")), "{message}");
    let (code, exported, _) = place.gatekey(&["user", "export"], "");
    assert_eq!((code, exported.lines().count()), (Some(0), USERS + 1));
    assert!(exported.ends_with('\n') && exported.contains("user19999"));
    let (code, out, _) = place.gatekey(&["token", "inspect"], "x\n");
    assert!(code == Some(1) && out.contains("malformed"), "{out}");
    let (code, _, message) = place.gatekey(&["user", "revoke"], "");
    assert!(code == Some(2) && message.contains("(as user 54321, who owns the data directory)"), "{message}");
    // The password ends before one line ending.
    assert_eq!(place.gatekey(&["user", "passwd", "user7", "--password-stdin"], "a\r\r\n").0, Some(0));

    let script = |text: &str| {
        let mut command = gatekey_by("sh", &["-c", text]);
        written(&run(command.arg("--data").arg(place.path("data")), "user0\nuser1\n"))
    };
    let (code, out, message) = script("while read -r name; do \"$0\" user disable \"$name\" \"$@\"; done");
    assert_eq!(code, Some(0), "{message}");
    assert!(out.contains("disabled \"user1\""), "the rest of the input is the next command's: {out}");
    let (code, _, message) = script("\"$0\" user export \"$@\" > /dev/full");
    assert!(code == Some(1) && message.contains("can't write to standard output"), "{message}");
    let (_, out, message) = script("\"$0\" user export \"$@\" | head -n 1");
    assert!(out.starts_with("{\"realm\"") && message.is_empty(), "{message}");
}

#[test]
fn nothing_that_the_service_user_wrote_controls_roots_terminal() {
    let test = "nothing_that_the_service_user_wrote_controls_roots_terminal";
    let Some(place) = Place::filled(test) else { return };
    let database = Connection::open(place.data(DATABASE)).unwrap();
    database.execute("UPDATE users SET username = 'a\u{1b}[cb\u{9b}5nc'", ()).unwrap();
    drop(database);
    let (status, shown) = Session::start(&place, "", &["user", "list"]).end();
    assert!(!shown.contains(['\u{1b}', '\u{9b}']), "{shown:?}");
    assert!(!status.success() || shown.contains("a\\u{1b}[cb\\u{9b}5nc"), "{shown:?}");
}

#[test]
fn root_makes_no_backup_where_a_link_of_another_user_leads() {
    let test = "root_makes_no_backup_where_a_link_of_another_user_leads";
    let Some(place) = Place::filled(test) else { return };
    place.make("other", 0o755, OTHER);
    place.make("secret", 0o700, 0);
    for link in [place.data("link"), place.path("other/link")] {
        symlink(place.path("secret"), &link).unwrap();
        let (code, _, message) = place.gatekey(&["backup", link.join("x").to_str().unwrap()], "");
        assert_eq!(code, Some(1), "{message}");
        assert_eq!(names_in(&place.path("secret")), [""; 0], "{message}");
    }
    // Root's own links are followed.
    symlink(place.path("secret"), place.path("link")).unwrap();
    let (code, _, message) = place.gatekey(&["backup", place.path("link/x").to_str().unwrap()], "");
    assert_eq!((code, names_in(&place.path("secret"))), (Some(0), vec!["x".into()]), "{message}");
}

#[test]
fn root_reads_no_file_that_another_user_puts_in_the_place_of_the_operators() {
    let test = "root_reads_no_file_that_another_user_puts_in_the_place_of_the_operators";
    let Some(place) = Place::filled(test) else { return };
    // The service's user, in a directory of another one, chooses a file of that one.
    place.make("other", 0o755, OTHER);
    let private = place.path("other/private");
    fs::write(&private, user("imported")).unwrap();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o600)).unwrap();
    chown(&private, Some(OTHER), Some(OTHER)).unwrap();
    symlink(&private, place.data("users")).unwrap();
    let (code, _, message) = place.gatekey(&["user", "import", place.data("users").to_str().unwrap()], "");
    assert!(code == Some(1) && message.contains("Permission denied"), "{message}");

    let secret = Victim::new(place.path("roots/secret"), &format!("SECRET=\"{HASH}"));
    let [fifo, link] = ["fifo", "variables"].map(|name| place.data(name));
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    symlink(&secret.path, &link).unwrap();
    for (variables, expected) in [(fifo, "it is no regular file"), (link, "so root does not read it")] {
        let words = ["doctor", "--env-file", variables.to_str().unwrap()];
        let (code, _, message) = place.gatekey_for_a_while(&words, "");
        assert!(code == Some(1) && message.contains(expected), "{code:?} {message}");
        secret.assert_untouched(&message);
    }
    // The data directory that a file names is the administrator's choice.
    let mut doctor = gatekey();
    let conf = place.path("roots/conf");
    fs::write(&conf, format!("GATEKEY_DATA={}\n", place.path("data").display())).unwrap();
    let (_, out, message) = written(&run(doctor.args(["doctor", "--env-file"]).arg(&conf), ""));
    assert!(out.contains(place.path("data").to_str().unwrap()), "{out} {message}");
}
