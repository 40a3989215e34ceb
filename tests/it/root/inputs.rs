//! Files that root, or any user, reads in a directory where others can write.

use super::{HASH, OTHER, Place, SERVICE};
use crate::process::{gatekey, run, written};
use rusqlite::Connection;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

/// Puts a `-wal` of another user's beside a database, with a change to it.
fn plant_wal(place: &Place, database: &Path, change: &str) {
    let copy = place.path("roots/copy");
    fs::copy(database, &copy).unwrap();
    let connection = Connection::open(&copy).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0").unwrap();
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    connection.execute_batch(change).unwrap();
    let wal = database.with_extension("sqlite-wal");
    fs::copy(place.path("roots/copy-wal"), &wal).unwrap();
    chown(wal, Some(OTHER), Some(OTHER)).unwrap();
    drop(connection);
    fs::remove_file(copy).unwrap();
}

#[test]
fn what_another_user_puts_beside_a_database_is_neither_restored_nor_imported() {
    let test = "what_another_user_puts_beside_a_database_is_neither_restored_nor_imported";
    let Some(place) = Place::filled(test) else { return };
    place.make("shared", 0o755, 0);
    fs::set_permissions(place.path("shared"), Permissions::from_mode(0o1777)).unwrap();
    let (backup, app) = (place.path("shared/backup.sqlite"), place.path("shared/app.sqlite"));
    assert_eq!(place.gatekey(&["backup", backup.to_str().unwrap()], "").0, Some(0));
    let connection = Connection::open(&app).unwrap();
    connection
        .execute_batch(&format!(
            "CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT, password_hash TEXT); \
             INSERT INTO users VALUES (7, 'miguel', '{HASH}')"
        ))
        .unwrap();
    drop(connection);
    place.make("own", 0o700, 0);
    for data in ["data", "own"] {
        for (words, file, change) in [
            (&["user", "import"][..], &app, "UPDATE users SET username = 'evil'"),
            (&["restore"], &backup, "UPDATE users SET username = 'evil', folded = 'evil'"),
        ] {
            plant_wal(&place, file, change);
            let mut command = gatekey();
            command.args(words).arg(file).arg("--data").arg(place.path(data));
            let (code, out, message) = written(&run(&mut command, ""));
            let expected = "-wal belongs to user 54322, who doesn't own the database beside it";
            assert!(code == Some(1) && message.contains(expected), "{data}, {words:?}: {out} {message}");
            fs::remove_file(file.with_extension("sqlite-wal")).unwrap();
            let (code, _, message) = written(&run(&mut command, ""));
            assert_eq!(code, Some(0), "{data}, {words:?}: {message}");
        }
    }
}

#[test]
fn a_pipe_in_the_place_of_a_file_keeps_no_command_waiting() {
    let Some(place) = Place::filled("a_pipe_in_the_place_of_a_file_keeps_no_command_waiting") else { return };
    for end in ["-wal", "-shm", "-journal"] {
        let pipe = place.data(&format!("gatekey.sqlite3{end}"));
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for words in [&["user", "list"][..], &["backup", "/nonexistent/x"], &["key", "rotate"], &["doctor"]] {
            let (code, _, message) = place.gatekey_for_a_while(words, "");
            assert_ne!(code, Some(124), "{end}, {words:?}: {message}");
        }
        let (code, _, message) = place.gatekey(&["user", "list"], "");
        assert!(code == Some(1) && message.contains("is not a regular file"), "{message}");
        fs::remove_file(pipe).unwrap();
    }
}

#[test]
fn a_command_on_a_missing_directory_in_the_service_users_runs_as_that_user() {
    let test = "a_command_on_a_missing_directory_in_the_service_users_runs_as_that_user";
    let Some(place) = Place::new(test) else { return };
    // As root, it would go on as root in the directory that the user makes meanwhile.
    let mut list = gatekey();
    let (_, _, message) = written(&run(list.args(["user", "list", "--data"]).arg(place.data("missing")), ""));
    assert!(message.contains("(as user 54321, who owns the data directory)"), "{message}");
}

#[test]
fn an_endless_file_of_variables_is_refused() {
    let Some(place) = Place::filled("an_endless_file_of_variables_is_refused") else { return };
    let variables = place.data("variables");
    let file = fs::File::create(&variables).unwrap();
    file.set_len(1 << 40).unwrap();
    chown(&variables, Some(SERVICE), Some(SERVICE)).unwrap();
    let words = ["doctor", "--env-file", variables.to_str().unwrap()];
    let (code, _, message) = place.gatekey_for_a_while(&words, "");
    assert!(code == Some(1) && message.contains("longer than 1 MiB"), "{message}");
}
