//! The schema and its versions: what was released never changes, and leads up to what is newest.
//!
//! `tests/data/schema-N.sql` is `schema.sql` as it was when its version was N. To change the schema: a step in
//! `schema.rs`, a new version in `schema.sql`, and a copy of that as one more fixture. The older fixtures stay.

use super::schema::{APPLICATION_ID, NEWEST, VERSION, describe, migrate};
use super::*;
use std::fs;

/// `schema.sql` of that version.
fn fixture(version: i64) -> String {
    let path = format!("{}/tests/data/schema-{version}.sql", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn pragma(connection: &Connection, name: &str) -> i64 {
    connection.pragma_query_value(None, name, |row| row.get(0)).unwrap()
}

#[test]
fn the_schema_says_whose_it_is_and_which() {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(NEWEST).unwrap();
    assert_eq!(pragma(&connection, "application_id"), i64::from(u32::from_be_bytes(*b"gkey")));
    assert_eq!(pragma(&connection, "application_id"), APPLICATION_ID);
    assert_eq!(pragma(&connection, "user_version"), VERSION);
}

#[test]
fn the_newest_fixture_is_the_schema() {
    let what_to_do = "the schema differs from its fixture: see the head of this file";
    assert!(fixture(VERSION) == NEWEST, "{what_to_do}");
    let next = format!("{}/tests/data/schema-{}.sql", env!("CARGO_MANIFEST_DIR"), VERSION + 1);
    assert!(!fs::exists(next).unwrap(), "a fixture of a version that isn't yet");
}

#[test]
fn each_older_database_becomes_as_a_new_one() {
    let fresh = TestStore::new();
    for version in 1..=VERSION {
        let directory = tempfile::tempdir().unwrap();
        let old = raw(&database_in(&directory));
        old.execute_batch(&fixture(version)).unwrap();
        assert_eq!(pragma(&old, "user_version"), version);
        let insert = "INSERT INTO users (username, folded, password_hash, created_at) VALUES ('Ok', 'ok', 'the hash', 7)";
        old.execute_batch(insert).unwrap();
        drop(old);

        let store = Store::open(&database_in(&directory)).unwrap();
        let migrated = raw(&database_in(&directory));
        assert_eq!(describe(&migrated), describe(&raw(&fresh.path())), "from version {version}");
        assert_eq!(pragma(&migrated, "user_version"), VERSION);
        let user = store.find_user_by_name("Ok").unwrap().unwrap();
        assert_eq!((user.password_hash.as_str(), user.created_at), ("the hash", at(7)));
        assert!(store.is_username_taken(&name("OK")).unwrap());
    }
}

#[test]
fn the_database_keeps_the_promises_of_its_schema() {
    let test = TestStore::new();
    test.insert("ok");
    let connection = raw(&test.path());
    for (statement, refusal) in [
        ("UPDATE users SET generation = -1", "CHECK constraint failed: generation >= 0"),
        ("UPDATE users SET disabled = 2", "CHECK constraint failed: disabled IN (0, 1)"),
        ("UPDATE users SET password_hash = NULL", "NOT NULL constraint failed: users.password_hash"),
        (
            "UPDATE users SET password_hash = x'00'",
            "cannot store BLOB value in TEXT column users.password_hash",
        ),
        (
            "UPDATE users SET created_at = 'today'",
            "cannot store TEXT value in INTEGER column users.created_at",
        ),
        ("INSERT INTO realm (only) VALUES (2)", "CHECK constraint failed: only = 1"),
        ("INSERT INTO realm (only) VALUES (1)", "UNIQUE constraint failed: realm.only"),
    ] {
        assert_eq!(connection.execute_batch(statement).unwrap_err().to_string(), refusal);
    }
}

#[test]
fn commits_are_on_the_disk_before_they_are_reported() {
    let test = TestStore::new();
    let (mode, synchronous) = test
        .store
        .database
        .write(|connection| {
            let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
            Ok::<_, StoreError>((mode, pragma(connection, "synchronous")))
        })
        .unwrap();
    assert_eq!((mode.as_str(), synchronous), ("wal", 2)); // 2 is FULL
}

#[test]
fn a_database_that_became_newer_after_the_look_is_refused_all_the_same() {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(NEWEST).unwrap();
    connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
    let error = migrate(&mut connection).unwrap_err();
    assert!(
        matches!(error, StoreError::Newer { found, known: VERSION } if found == VERSION + 1),
        "{error:?}"
    );
}
