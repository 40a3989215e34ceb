//! Paths with characters that mean something to SQLite, to a shell or to the parser of options.

use crate::harness::CHEAP;
use crate::process::{Server, gatekey, names_in, run, written};
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

/// SQLite takes "file:" for the beginning of a URI, in which `?` and `%` have a meaning, and ":memory:" for no file at all.
const NAMES: [&str; 6] = ["file:a?mode=memory&x#", "a%20b c", "it's \"so\"", "-dash", ":memory:", "é\n"];

#[test]
fn a_path_is_a_path_whatever_characters_it_has() {
    for name in NAMES {
        let directory = tempfile::tempdir().unwrap();
        let command = |words: &[&str]| {
            let mut command = gatekey();
            command.current_dir(directory.path()).env("GATEKEY_SCRYPT", CHEAP);
            let (operand, words) = words.split_last().unwrap();
            command.args(words).arg(format!("--data={name}")).args(["--", operand]);
            let (code, out, message) = written(&run(&mut command, "python\n"));
            assert_eq!(code, Some(0), "{name:?} {words:?}: {message}");
            out
        };
        command(&["user", "add", "ok"]);
        let backup = format!("{name}.backup");
        for words in [["backup", &backup], ["restore", &backup]] {
            command(&words);
            assert_eq!(names_in(directory.path()), [name.to_owned(), backup.clone()]);
        }
        assert!(command(&["user", "show", "ok"]).contains("ok"));
        let data = names_in(&directory.path().join(name));
        assert!(
            data.contains(&"gatekey.sqlite3".into()) && data.contains(&"signing-keys".into()),
            "{data:?}"
        );
        let mut serve = gatekey();
        serve.current_dir(directory.path());
        drop(Server::start_as(serve, format!("./{name}").into(), &[]));
    }
}

#[test]
fn a_suggested_command_can_be_pasted_whatever_the_path() {
    for name in NAMES {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join(name);
        fs::create_dir(&data).unwrap();
        fs::set_permissions(&data, Permissions::from_mode(0o777)).unwrap();
        let mut serve = gatekey();
        serve.current_dir(directory.path()).args(["serve", "--listen", "127.0.0.1:0", "--data", name]);
        let (code, _, message) = written(&run(&mut serve, ""));
        let suggested = message.split_once("first: ").unwrap().1;
        assert_eq!(code, Some(1));
        // With bash, for what only $'...' can quote.
        let pasted = Command::new("bash").args(["-c", suggested]).current_dir(directory.path()).status();
        assert!(pasted.unwrap().success(), "{suggested}");
        assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700, "{suggested}");
    }
}

#[test]
fn a_path_that_is_not_utf_8_is_refused_and_nothing_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let name = OsStr::from_bytes(b"not\xFFutf-8");
    let (mut by_argument, mut by_variable) = (gatekey(), gatekey());
    by_argument.args(["user", "add", "ok", "--data"]).arg(name);
    by_variable.args(["user", "add", "ok"]).env("GATEKEY_DATA", name);
    for (mut command, expected) in [
        (by_argument, "gatekey: an argument is not UTF-8; paths and names must be\n"),
        (by_variable, "gatekey: GATEKEY_DATA is not UTF-8\n"),
    ] {
        let (code, _, message) = written(&run(command.current_dir(directory.path()), "python\n"));
        assert_eq!((code, message.as_str()), (Some(2), expected));
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
