//! Opening: what is ours is opened, what isn't is refused with its reason, and left as it is to the byte.

use super::*;
use crate::chain;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::PathBuf;

/// How SQLite says that a database is damaged, with its own cause.
const MALFORMED: &str = "database disk image is malformed";

/// Every file of a directory, with its bytes.
fn files(directory: &TempDir) -> BTreeMap<OsString, Vec<u8>> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap()))
        .collect()
}

/// A database with some users, closed.
fn closed_database() -> TempDir {
    let test = TestStore::new();
    for number in 0..200 {
        test.insert(&format!("user {number}"));
    }
    // A reader was open too: closing is only clean if the connection that writes is the last to go.
    assert_eq!(test.store.list_users(None, 1_000).unwrap().len(), 200);
    let TestStore { store, directory } = test;
    drop(store);
    directory
}

/// The same, in SQLite's default journal mode.
fn closed_database_without_wal() -> TempDir {
    let directory = closed_database();
    raw(&database_in(&directory)).pragma_update(None, "journal_mode", "DELETE").unwrap();
    directory
}

/// Asserts that both ways of opening fail with this error and all its causes, and leave every file as it was
/// and no other beside it.
#[track_caller]
fn assert_refused(directory: &TempDir, message: &str) {
    let before = files(directory);
    for open in [Store::open, open_or_create] {
        let error = open(&database_in(directory)).unwrap_err();
        assert_eq!(chain::describe(&error), message);
        let after = files(directory);
        assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
        assert!(after == before, "the files have other bytes now");
    }
}

#[test]
fn a_closed_store_is_one_file() {
    let directory = closed_database();
    assert_eq!(files(&directory).into_keys().collect::<Vec<_>>(), ["gatekey.sqlite3"]);
}

#[test]
fn a_missing_file_is_not_created() {
    let directory = tempfile::tempdir().unwrap();
    let path = database_in(&directory);
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(&error, StoreError::Missing));
    assert_eq!(chain::describe(&error), "there is no database; see --data, or make one: gatekey serve");
    assert!(files(&directory).is_empty());
}

#[test]
fn a_newer_database_is_rejected() {
    for directory in [closed_database(), closed_database_without_wal()] {
        raw(&database_in(&directory)).pragma_update(None, "user_version", schema::VERSION + 1).unwrap();
        let message = "the database has schema version 8, made by a newer gatekey; this one knows up to 7. Use the newer one";
        assert_refused(&directory, message);
    }
}

#[test]
fn a_database_of_an_unreleased_version_is_rejected() {
    for version in 1..schema::VERSION {
        for directory in [closed_database(), closed_database_without_wal()] {
            raw(&database_in(&directory)).pragma_update(None, "user_version", version).unwrap();
            let message = format!(
                "the database has schema version {version}, of a gatekey before 0.1.0; this one uses 7. Export the users with \
                 that one (gatekey user export), import them with this one into a new directory (gatekey user import)"
            );
            assert_refused(&directory, &message);
        }
    }
}

#[test]
fn a_database_of_an_invalid_version_is_rejected() {
    for version in [0, -1] {
        let directory = closed_database();
        raw(&database_in(&directory)).pragma_update(None, "user_version", version).unwrap();
        assert_refused(&directory, "the database is not gatekey's: it is of no version that ever was");
    }
}

#[test]
fn another_programs_database_is_rejected() {
    let message = "the database is not gatekey's: it is another program's SQLite database";
    for statements in [
        "PRAGMA application_id = 252006673; CREATE TABLE users (id INTEGER)",
        "PRAGMA journal_mode = WAL; PRAGMA application_id = 252006673; CREATE TABLE users (id INTEGER)",
        "PRAGMA application_id = 252006673",
        "CREATE TABLE users (id INTEGER)",
        "PRAGMA user_version = 1",
        "PRAGMA user_version = 1; CREATE TABLE users (id INTEGER)",
    ] {
        let directory = tempfile::tempdir().unwrap();
        raw(&database_in(&directory)).execute_batch(statements).unwrap();
        assert_refused(&directory, message);
    }
    for directory in [closed_database(), closed_database_without_wal()] {
        raw(&database_in(&directory)).pragma_update(None, "application_id", 0).unwrap();
        assert_refused(&directory, message);
    }
}

#[test]
fn a_file_that_is_no_database_is_rejected() {
    let random_bytes = crate::random::bytes::<8192>().unwrap();
    let message = "the database is not gatekey's: it is not an SQLite database";
    for bytes in [
        &b"\n"[..],
        b"dear diary",
        b"SQLite format 3",
        b"SQLite format 2\0",
        "a text that is longer than a page is\n".repeat(1_000).as_bytes(),
        &random_bytes,
    ] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(database_in(&directory), bytes).unwrap();
        assert_refused(&directory, message);
    }
}

#[test]
fn a_directory_is_rejected() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(database_in(&directory)).unwrap();
    let error = open_or_create(&database_in(&directory)).unwrap_err();
    assert_eq!(chain::describe(&error), "the database is not gatekey's: it is not a regular file");
}

#[test]
fn a_truncated_database_is_corrupt() {
    for directory in [closed_database(), closed_database_without_wal()] {
        let path = database_in(&directory);
        let whole = fs::metadata(&path).unwrap().len();
        for (bytes, cause) in [
            (whole - 4096, MALFORMED),
            (8192, MALFORMED),
            (4096, MALFORMED),
            (100, MALFORMED),
            (50, MALFORMED),
            (16, "file is not a database"),
        ] {
            OpenOptions::new().write(true).open(&path).unwrap().set_len(bytes).unwrap();
            assert_refused(&directory, &format!("the database is corrupt: {cause}"));
        }
    }
}

#[test]
fn a_database_with_a_damaged_schema_is_corrupt() {
    for directory in [closed_database(), closed_database_without_wal()] {
        let path = database_in(&directory);
        // The header's 100 bytes stay, so that it still says that it is ours.
        let damage = [0xA5; 4096 - 100];
        OpenOptions::new().write(true).open(&path).unwrap().write_all_at(&damage, 100).unwrap();
        assert_refused(&directory, &format!("the database is corrupt: {MALFORMED}"));
    }
}

#[test]
fn a_database_without_a_table_or_column_is_corrupt() {
    for (statement, cause) in [
        ("DROP TABLE users", "no such table: users: Error code 1: SQL logic error"),
        (
            "ALTER TABLE users DROP COLUMN created_at",
            "no such column: created_at in SELECT id, username, folded, password_hash, generation, disabled, \
             created_at, link FROM users LIMIT 0 at offset 66: Error code 1: SQL logic error",
        ),
        ("DROP TABLE signing_keys", "no such table: signing_keys: Error code 1: SQL logic error"),
        ("DROP TABLE sessions", "no such table: sessions: Error code 1: SQL logic error"),
        ("DROP TABLE realm", "no such table: realm: Error code 1: SQL logic error"),
        ("DELETE FROM realm", "Query returned no rows"),
        ("DROP TABLE limiter", "no such table: limiter: Error code 1: SQL logic error"),
        (
            "DROP TABLE remembered_addresses",
            "no such table: remembered_addresses: Error code 1: SQL logic error",
        ),
    ] {
        for directory in [closed_database(), closed_database_without_wal()] {
            raw(&database_in(&directory)).execute_batch(statement).unwrap();
            assert_refused(&directory, &format!("the database is corrupt: {cause}"));
        }
    }
}

#[test]
fn a_path_may_have_any_bytes() {
    let directory = tempfile::tempdir().unwrap();
    for name in [&b"50%"[..], b"%41", b"a?b=c", b"a#b", b"file:a", b"a b", b"a&b\\c'\"", b"\xFF\xFE"] {
        // Two slashes in front mean the same as one, to a path.
        let mut path = OsString::from("/");
        path.push(directory.path());
        let path = PathBuf::from(path).join(OsStr::from_bytes(name));
        drop(open_or_create(&path).unwrap());
        Store::open(&path).unwrap().insert_user(&super::name("ok"), "the hash", at(1_000)).unwrap();
        Store::open(&path).unwrap().find_user_by_name("ok", Reads::PerCall).unwrap().unwrap();
    }
    assert_eq!(files(&directory).len(), 8);
}

#[test]
fn an_empty_database_is_rejected_unless_a_first_start_was_cut_short() {
    for statements in [None, Some("PRAGMA journal_mode = WAL"), Some("PRAGMA journal_mode = DELETE; VACUUM")]
    {
        let directory = tempfile::tempdir().unwrap();
        fs::write(database_in(&directory), "").unwrap();
        if let Some(statements) = statements {
            raw(&database_in(&directory)).execute_batch(statements).unwrap();
        }
        let before = files(&directory);
        assert!(matches!(Store::open(&database_in(&directory)), Err(StoreError::Empty)));
        assert!(files(&directory) == before, "the files have other bytes now");
        let store = open_or_create(&database_in(&directory)).unwrap();
        let test = TestStore { store, directory };
        let id = test.insert("ok");
        assert_eq!(test.reopen().user(id).username, "ok");
    }
}

#[test]
fn an_interrupted_transaction_is_rolled_back() {
    let directory = closed_database_without_wal();
    let path = database_in(&directory);
    let connection = raw(&path);
    // Without a cache each changed page is written at once: the journal says what stood there before.
    connection
        .execute_batch("PRAGMA cache_size = 0; BEGIN; UPDATE users SET password_hash = 'half'")
        .unwrap();
    let after_power_cut = tempfile::tempdir().unwrap();
    for (name, bytes) in files(&directory) {
        fs::write(after_power_cut.path().join(name), bytes).unwrap();
    }
    assert!(fs::metadata(after_power_cut.path().join("gatekey.sqlite3-journal")).unwrap().len() > 0);
    let store = Store::open(&database_in(&after_power_cut)).unwrap();
    for user in store.list_users(None, 1_000).unwrap() {
        assert_eq!(user.password_hash, "the hash");
    }
}

#[test]
fn a_commit_survives_a_kill() {
    let test = TestStore::new();
    let id = test.insert("ok");
    // What is on the disk while the store is open is what a killed process leaves.
    let after_kill = tempfile::tempdir().unwrap();
    for (name, bytes) in files(&test.directory) {
        fs::write(after_kill.path().join(name), bytes).unwrap();
    }
    let store = Store::open(&database_in(&after_kill)).unwrap();
    assert_eq!(store.find_user_by_id(id, Reads::PerCall).unwrap().unwrap(), test.user(id));
}

#[test]
fn the_files_have_mode_0600() {
    let test = TestStore::new();
    let id = test.insert("ok");
    test.user(id); // a reader too
    for name in ["gatekey.sqlite3", "gatekey.sqlite3-wal", "gatekey.sqlite3-shm"] {
        let metadata = fs::metadata(test.directory.path().join(name)).unwrap();
        assert_eq!(metadata.mode() & 0o7777, 0o600, "{name}");
    }
    assert_eq!(files(&test.directory).len(), 3);
}
