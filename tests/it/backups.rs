//! Backup and restore: beside a running server, without reviving revoked tokens or reusing user ids.

use crate::harness::CHEAP;
use crate::process::{Server, body, gatekey, gatekey_by, header, names_in, run, status, written};
use gatekey::json;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tempfile::TempDir;

/// A directory for a data directory and backups of it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.path("data")
    }

    fn database(&self) -> PathBuf {
        self.path("data/gatekey.sqlite3")
    }

    fn serve(&self) -> Server {
        Server::start_in(self.data(), &["--scrypt", CHEAP])
    }

    /// A command on the data directory with this file: how it ended, what it wrote and what it complained of.
    fn command(&self, word: &str, file: &Path) -> (Option<i32>, String, String) {
        self.command_as(gatekey(), word, file)
    }

    /// The same, by a command other than [`gatekey`].
    fn command_as(&self, mut gatekey: Command, word: &str, file: &Path) -> (Option<i32>, String, String) {
        written(&run(gatekey.arg(word).arg(file).arg("--data").arg(self.data()), ""))
    }

    /// A command that must succeed: what it wrote.
    #[track_caller]
    fn done(&self, word: &str, file: &Path) -> String {
        let (code, out, message) = self.command(word, file);
        assert_eq!((code, message.as_str()), (Some(0), ""), "{word}");
        out
    }

    /// A command that must fail, and change nothing: what it complained of.
    #[track_caller]
    fn refused(&self, word: &str, file: &Path) -> String {
        self.refused_as(gatekey(), word, file)
    }

    #[track_caller]
    fn refused_as(&self, gatekey: Command, word: &str, file: &Path) -> String {
        let before = self.files();
        let (code, out, message) = self.command_as(gatekey, word, file);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{word}");
        assert_eq!(self.files().keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
        assert!(self.files() == before, "a file has other bytes now");
        message
    }

    /// Every file, with its bytes. Not while a server runs, whose files change.
    fn files(&self) -> BTreeMap<OsString, Vec<u8>> {
        let folders = [self.0.path().to_owned(), self.data()];
        let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
        files.map(|entry| (entry.path().into(), fs::read(entry.path()).unwrap())).collect()
    }

    /// The names of the files in the data directory.
    fn names(&self) -> Vec<String> {
        names_in(&self.data())
    }

    /// Where the database is that stood here before the one restore.
    fn kept(&self) -> PathBuf {
        let kept: Vec<_> =
            self.names().into_iter().filter(|name| name.contains(".before-restore-")).collect();
        assert_eq!(kept.len(), 1, "{kept:?}");
        self.data().join(&kept[0])
    }
}

/// Registers a user with the password `python`: the new id.
#[track_caller]
fn register(server: &Server, name: &str) -> u64 {
    let answer = server.register(name, "python");
    assert_eq!(status(&answer), 201);
    header(&answer, "Location").unwrap().rsplit('/').next().unwrap().parse().unwrap()
}

fn token(server: &Server, name: &str) -> String {
    let authorization = format!("Authorization: {}", crate::harness::basic(name, "python"));
    let answer = server.request("GET /api/token", &[&authorization], "");
    json::parse_object(body(&answer).as_bytes()).unwrap()["token"].as_str().unwrap().into()
}

fn bearer(server: &Server, token: &str) -> u16 {
    status(&server.request("GET /api/resource", &[&format!("Authorization: Bearer {token}")], ""))
}

fn usernames(database: &Path) -> Vec<String> {
    let connection = Connection::open(database).unwrap();
    let mut statement = connection.prepare("SELECT username FROM users ORDER BY id").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(|name| name.unwrap()).collect()
}

fn change(database: &Path, sql: &str) {
    Connection::open(database).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn a_backup_has_every_user_acknowledged_before_it_began() {
    let place = Place::new();
    let server = place.serve();
    register(&server, "first");
    let (acknowledged, is_over) = (Mutex::new(vec!["first".to_owned()]), AtomicBool::new(false));
    let enough = |more: usize| {
        let before = acknowledged.lock().unwrap().len();
        while acknowledged.lock().unwrap().len() < before + more {
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let name = format!("user {number}");
                register(&server, &name);
                acknowledged.lock().unwrap().push(name);
            }
        });
        for number in 0..4 {
            enough(10);
            let before = acknowledged.lock().unwrap().clone();
            let file = place.path(&format!("backup-{number}"));
            let said = place.done("backup", &file);
            let inside = usernames(&file);
            assert_eq!(inside.get(..before.len()), Some(&before[..]));
            assert!(said.contains(&format!(": users: {}, bytes: ", inside.len())), "{said}");
            let metadata = fs::metadata(&file).unwrap();
            assert_eq!(metadata.mode() & 0o7777, 0o600);
            let connection = Connection::open(&file).unwrap();
            let found: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!(found, "ok");
            assert!(!place.path(&format!("backup-{number}.partial")).exists());
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_backup_says_what_is_in_it_and_never_replaces_a_file() {
    let place = Place::new();
    let server = place.serve();
    register(&server, "ok");
    assert_eq!(server.stop().0, Some(0));
    let (file, before) = (place.path("backup"), fs::read(place.database()).unwrap());
    let said = place.done("backup", &file);
    let (bytes, keys) = (fs::metadata(&file).unwrap().len(), place.data().join("signing-keys"));
    let expected = format!(
        "backed up to {}: users: 1, bytes: {bytes}\n\
         In it are password hashes: keep it as safe as the database.\n\
         The signing keys are not: keep a copy of {} somewhere else. Without them every token dies, and whatever \
         verifies tokens by itself needs the new key; passwords don't need them.\n",
        file.display(),
        keys.display()
    );
    assert_eq!(said, expected);
    assert_eq!(place.names(), ["gatekey.sqlite3", "signing-keys"]);
    assert!(fs::read(place.database()).unwrap() == before, "the database is as it was");
    let secret = fs::read_to_string(&keys).unwrap();
    assert!(!String::from_utf8_lossy(&fs::read(&file).unwrap()).contains(secret.trim()), "no key is in it");

    let file_name = file.display();
    let exists = format!("gatekey: can't back up: {file_name} exists; give a name that is free\n");
    assert_eq!(place.refused("backup", &file), exists);
    fs::rename(&file, place.path("backup.partial")).unwrap();
    let exists = format!(
        "gatekey: can't back up: {file_name}.partial exists: another backup is being made there, or one was interrupted; \
         in that case remove it\n"
    );
    assert_eq!(place.refused("backup", &file), exists);
    let nowhere = place.path("nowhere/backup");
    let message =
        format!("gatekey: can't back up: {}: No such file or directory (os error 2)\n", nowhere.display());
    assert_eq!(place.refused("backup", &nowhere), message);
}

#[test]
fn a_deleted_users_hash_is_in_no_backup() {
    let place = Place::new();
    let server = place.serve();
    for number in 10..30 {
        register(&server, &format!("user {number}"));
    }
    assert_eq!(written(&server.command(&["user", "delete", "user 20"], "")).0, Some(0));
    assert_eq!(server.stop().0, Some(0));
    let file = place.path("backup");
    place.done("backup", &file);
    // A row: the name, the name folded, the hash.
    let has = |file: &Path, row: &str| {
        fs::read(file).unwrap().windows(row.len()).any(|window| window == row.as_bytes())
    };
    let (deleted, other) = ("user 20user 20$scrypt$", "user 21user 21$scrypt$");
    assert!(
        has(&place.database(), deleted) && has(&place.database(), other),
        "SQLite wipes nothing by itself"
    );
    assert!(has(&file, other) && !has(&file, deleted));
}

#[test]
fn a_restore_fails_while_the_database_is_open() {
    let place = Place::new();
    let server = place.serve();
    register(&server, "ok");
    let file = place.path("backup");
    place.done("backup", &file);
    register(&server, "later");
    let in_use = format!(
        "gatekey: can't restore: {} is in use; stop the server, and whatever else has it open, first\n",
        place.database().display()
    );
    assert_eq!(place.command("restore", &file), (Some(1), String::new(), in_use.clone()));
    assert_eq!((server.login("ok", "python"), server.login("later", "python")), (200, 200));
    assert_eq!(status(&server.register("last", "python")), 201);
    assert_eq!(server.stop().0, Some(0));

    // Another program, which reads now and then.
    let other = Connection::open(place.database()).unwrap();
    other.query_row("SELECT count(*) FROM users", [], |_| Ok(())).unwrap();
    assert_eq!(place.command("restore", &file), (Some(1), String::new(), in_use));
    drop(other);
    assert_eq!(usernames(&place.database()), ["ok", "later", "last"]);
    place.done("restore", &file);
    assert_eq!(usernames(&place.database()), ["ok"]);
}

#[test]
fn a_restore_revives_no_revoked_token() {
    let place = Place::new();
    let server = place.serve();
    register(&server, "ok");
    register(&server, "other");
    let (revoked, kept) = (token(&server, "ok"), token(&server, "other"));
    let file = place.path("backup");
    place.done("backup", &file);
    assert_eq!(written(&server.command(&["user", "revoke", "ok"], "")).0, Some(0));
    assert_eq!((bearer(&server, &revoked), bearer(&server, &kept)), (401, 200));
    assert_eq!(server.stop().0, Some(0));

    let said = place.done("restore", &file);
    let expected = format!(
        "restored {}: users: 2\n\
         Passwords, groups, disabled users and deletions are those of the backup: repeat later changes.\n\
         All users must log in again, so that no token revoked since is valid.\n\
         New users get ids above 2.\n\
         The old database is now {}; remove it when all is well.\n",
        file.display(),
        place.kept().display()
    );
    assert_eq!(said, expected);
    let metadata = fs::metadata(place.database()).unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o600);
    let server = place.serve();
    assert_eq!((bearer(&server, &revoked), bearer(&server, &kept)), (401, 401));
    let new = token(&server, "ok");
    assert_eq!(bearer(&server, &new), 200, "what is issued after the restore lives");
    let (_, log) = server.stop();
    assert!(!log.contains("the clock is"), "{log}");
}

#[test]
fn a_user_id_is_not_reused_after_a_restore() {
    let place = Place::new();
    // With a throttle there is a key by which a realm is known.
    let serve = || Server::start_in(place.data(), &["--scrypt", CHEAP, "--throttle", "on"]);
    let server = serve();
    assert_eq!((register(&server, "a"), register(&server, "b")), (1, 2));
    let file = place.path("backup");
    place.done("backup", &file);
    assert_eq!((register(&server, "c"), register(&server, "d")), (3, 4));
    assert_eq!(written(&server.command(&["user", "delete", "d"], "")).0, Some(0));
    assert_eq!(server.stop().0, Some(0));
    place.done("restore", &file);
    let server = serve();
    assert_eq!(register(&server, "e"), 5);
    assert_eq!((server.login("a", "python"), server.login("c", "python")), (200, 401));
    assert_eq!(server.stop().0, Some(0));
    // And once more: what the first restore knew is not forgotten by the second.
    fs::remove_file(place.kept()).unwrap();
    place.done("restore", &file);
    assert_eq!(register(&serve(), "f"), 6);
}

#[test]
fn a_restore_skips_many_ids_if_the_used_ones_are_unknown() {
    let (old, new) = (Place::new(), Place::new());
    let server = old.serve();
    register(&server, "ok");
    let file = old.path("backup");
    old.done("backup", &file);
    assert_eq!(register(&server, "later"), 2);

    // A new machine on which nothing is yet, and one on which the server was started too early.
    for is_quick in [false, true] {
        if is_quick {
            fs::remove_dir_all(new.data()).unwrap();
            assert_eq!(new.serve().stop().0, Some(0));
        }
        let said = new.done("restore", &file);
        let above = "New users get ids above 1000001, with a wide gap: the ids assigned since the backup are not known.\n";
        assert!(said.contains(above), "{said}");
        assert_eq!(said.contains("There were no signing keys, so a new one was made: "), !is_quick, "{said}");
        assert_eq!(said.contains("The old database is now "), is_quick, "{said}");
        let server = new.serve();
        assert_eq!((server.login("ok", "python"), register(&server, "new")), (200, 1_000_002));
        assert_eq!(server.stop().0, Some(0));
    }
}

#[test]
fn a_database_without_its_keys_is_not_restored_over() {
    let place = Place::new();
    let server = place.serve();
    register(&server, "ok");
    assert_eq!(server.stop().0, Some(0));
    let file = place.path("backup");
    place.done("backup", &file);
    fs::remove_file(place.data().join("signing-keys")).unwrap();
    let message = place.refused("restore", &file);
    assert!(message.starts_with("gatekey: can't restore: there is a database ("), "{message}");
    assert!(message.contains("put the file back from where you keep it"), "{message}");
}

#[test]
fn an_invalid_backup_is_rejected_without_changes() {
    let place = Place::new();
    let server = place.serve();
    for number in 0..200 {
        register(&server, &format!("user {number}"));
    }
    assert_eq!(server.stop().0, Some(0));
    let good = place.path("good");
    place.done("backup", &good);
    let spoilt = place.path("spoilt");
    let refused = |message: &str| {
        let expected = format!("gatekey: can't restore: {}: {message}", spoilt.display());
        let said = place.refused("restore", &spoilt);
        assert!(said.starts_with(&expected), "{said}");
    };
    refused("No such file or directory (os error 2)\n");
    fs::write(&spoilt, "").unwrap();
    refused("the database file is empty: a first start was interrupted, or the file was truncated\n");
    fs::write(&spoilt, "some text that is no database").unwrap();
    refused("the database is not gatekey's: it is not an SQLite database\n");
    for (sql, message) in [
        (
            "PRAGMA application_id = 7",
            "the database is not gatekey's: it is another program's SQLite database\n",
        ),
        ("PRAGMA user_version = 6", "the database has schema version 6, of a gatekey before 0.1.0"),
        ("PRAGMA user_version = 99", "the database has schema version 99, made by a newer gatekey"),
        ("DROP TABLE realm", "the database is corrupt: no such table: realm"),
        (
            "DROP TABLE realm; CREATE VIEW realm AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
             SELECT i AS tokens_not_before FROM n",
            "the database is corrupt: it contains the view \"realm\", expected nothing but tables\n",
        ),
        (
            "CREATE TRIGGER again AFTER UPDATE ON users BEGIN UPDATE users SET generation = 1; END",
            "the database is corrupt: it contains the trigger \"again\", expected nothing but tables\n",
        ),
    ] {
        fs::copy(&good, &spoilt).unwrap();
        change(&spoilt, sql);
        refused(message);
    }
    let bytes = fs::read(&good).unwrap();
    fs::write(&spoilt, &bytes[..bytes.len() - 4096]).unwrap();
    refused("the database is corrupt");
    // A name that is another one in the table than in its index: every page can be read.
    let mut damaged = bytes.clone();
    let row = b"user 150user 150$scrypt$";
    let at = damaged.windows(row.len()).position(|window| window == row).unwrap();
    damaged[at] = b'U';
    fs::write(&spoilt, damaged).unwrap();
    refused("the database is corrupt: row ");
    fs::remove_file(&spoilt).unwrap();
    let itself = place.database();
    let message = format!("gatekey: can't restore: {} is the database itself\n", itself.display());
    assert_eq!(place.refused("restore", &itself), message);
}

#[test]
fn a_restore_keeps_the_replaced_database() {
    let place = Place::new();
    let server = place.serve();
    register(&server, "ok");
    let file = place.path("backup");
    place.done("backup", &file);
    register(&server, "in the log of SQLite");
    server.stop_by("KILL");
    assert!(fs::metadata(place.path("data/gatekey.sqlite3-wal")).unwrap().len() > 0);
    fs::write(place.path("data/gatekey.sqlite3.restoring"), "of a restore that was cut short").unwrap();
    place.done("restore", &file);
    let kept = place.kept();
    let name = kept.file_name().unwrap().to_str().unwrap();
    assert_eq!(place.names(), ["gatekey.sqlite3", name, "signing-keys"]);
    assert_eq!(usernames(&place.database()), ["ok"]);

    // It was the wrong file: back again.
    place.done("restore", &kept);
    let server = place.serve();
    assert_eq!((server.login("in the log of SQLite", "python"), register(&server, "new")), (200, 3));
}

#[test]
fn a_damaged_database_is_replaced_and_kept_with_its_log() {
    let place = Place::new();
    let server = place.serve();
    register(&server, "ok");
    let file = place.path("backup");
    place.done("backup", &file);
    assert_eq!(server.stop().0, Some(0));
    fs::write(place.database(), "the disk's last words").unwrap();
    for end in ["-wal", "-shm"] {
        fs::write(place.path(&format!("data/gatekey.sqlite3{end}")), "stale").unwrap();
    }
    let said = place.done("restore", &file);
    assert!(said.contains("New users get ids above 1000001, with a wide gap"), "{said}");
    let kept = place.names().into_iter().filter(|name| name.contains(".before-restore-"));
    let kept: Vec<_> = kept.map(|name| fs::read_to_string(place.data().join(name)).unwrap()).collect();
    assert_eq!(kept, ["the disk's last words", "stale"]);
    assert!(
        !place.path("data/gatekey.sqlite3-wal").exists() && !place.path("data/gatekey.sqlite3-shm").exists()
    );
    let server = place.serve();
    assert_eq!((server.login("ok", "python"), register(&server, "new")), (200, 1_000_002));
}

#[test]
fn a_backup_or_restore_without_space_leaves_no_partial_file() {
    let place = Place::new();
    let server = place.serve();
    register(&server, "ok");
    assert_eq!(server.stop().0, Some(0));
    let (small, large) = (place.path("small"), place.path("large"));
    place.done("backup", &small);
    let many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) \
                INSERT INTO users (username, folded, password_hash, created_at) SELECT i, i, 'hash', 1 FROM n";
    fs::copy(&small, &large).unwrap();
    change(&large, many);
    // No file may get longer than 64 KiB.
    let cramped = || gatekey_by("sh", &["-c", "trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\""]);

    let message = place.refused_as(cramped(), "restore", &large);
    let staged = place.path("data/gatekey.sqlite3.restoring");
    let start = format!("gatekey: can't restore: {}: the database can't be used now: ", staged.display());
    assert!(message.starts_with(&start), "{message}");
    assert_eq!(usernames(&place.database()), ["ok"]);

    change(&place.database(), many);
    let (code, out, message) = place.command_as(cramped(), "backup", &place.path("new"));
    let partial = place.path("new.partial");
    let start = format!("gatekey: can't back up: {}: the database can't be used now: ", partial.display());
    assert_eq!((code, out.as_str(), message.starts_with(&start)), (Some(1), "", true), "{message}");
    assert!(!partial.exists() && !place.path("new").exists());
}
