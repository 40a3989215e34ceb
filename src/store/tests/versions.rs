//! The schema and its versions: what was released never changes, and leads up to what is newest.
//!
//! `tests/data/schema-N.sql` is `schema.sql` as it was when its version was N. To change the schema: a step,
//! `src/store/step-N.sql`, a new version in `schema.sql` and `schema.rs`, and a copy of the former as one more fixture.
//! The older fixtures stay.

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
        let user = store.find_user_by_name("Ok", Reads::PerCall).unwrap().unwrap();
        assert_eq!((user.password_hash.as_str(), user.created_at), ("the hash", at(7)));
        assert!(store.is_username_taken(&name("OK")).unwrap());
    }
}

/// A database of version 1 that was lived in, closed: two users with the ids 1 and 2, one with 3 who was deleted, a
/// moment since when tokens count, and two signing keys.
fn first_version() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let old = raw(&database_in(&directory));
    old.pragma_update(None, "journal_mode", "WAL").unwrap();
    old.execute_batch(&fixture(1)).unwrap();
    old.execute_batch(
        "INSERT INTO users (username, folded, password_hash, generation, disabled, created_at) VALUES
             ('A', 'a', 'hash a', 0, 1, 7), ('b', 'b', 'hash b', 9, 0, 8), ('c', 'c', 'hash c', 1, 0, 9);
         DELETE FROM users WHERE username = 'c';
         UPDATE realm SET tokens_not_before = 2000;
         INSERT INTO signing_keys VALUES ('old', 1, 2, 600), ('new', 2, NULL, 3600);",
    )
    .unwrap();
    directory
}

/// Asserts that the database in there is today's, holds all that [`first_version`] held, and works.
#[track_caller]
fn assert_migrated(directory: TempDir) {
    let store = Store::open(&database_in(&directory)).unwrap();
    let test = TestStore { store, directory };
    let database = raw(&test.path());
    assert_eq!(pragma(&database, "user_version"), VERSION);
    assert_eq!(describe(&database), describe(&raw(&TestStore::new().path())));
    let verdict: String = database.pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");

    let user = |id, username: &str, hash: &str, generation, disabled, created_at| User {
        id: UserId::new(id).unwrap(),
        username: username.into(),
        password_hash: hash.into(),
        generation: Generation::new(generation).unwrap(),
        disabled,
        created_at: at(created_at),
    };
    let users = [user(1, "A", "hash a", 0, true, 7), user(2, "b", "hash b", 9, false, 8)];
    assert_eq!(test.store.list_users(None, 10).unwrap(), users);
    assert_eq!(test.store.tokens_not_before(Reads::PerCall).unwrap(), at(2_000));
    let keys = "SELECT group_concat(fingerprint || first_seen_at || ifnull(retired_at, '-') || longest_lifetime) \
                FROM (SELECT * FROM signing_keys ORDER BY fingerprint)";
    let keys: String = database.query_row(keys, [], |row| row.get(0)).unwrap();
    assert_eq!(keys, "new2-3600,old12600");

    assert_eq!(test.store.newest_time().unwrap(), UnixTime::EPOCH);
    assert_eq!(test.store.load_throttle().unwrap(), None);
    assert_eq!(test.store.throttle_key(&[1; 32]).unwrap(), [1; 32]);
    assert!(test.store.save_throttle(b"counters", at(3_000), 0).unwrap());
    test.store.remember_address(users[1].id, b"at home.", at(10), 8, UnixTime::EPOCH).unwrap();
    let address = test.store.find_remembered_address(b"at home.", Reads::PerCall).unwrap();
    assert_eq!(address, RememberedAddress { seen_at: Some(at(10)), throttle_epoch: 0 });
    assert_eq!(test.insert("d"), UserId::new(4).unwrap(), "3 was given once");
}

#[test]
fn a_database_of_version_1_keeps_all_that_is_in_it() {
    assert_migrated(first_version());
}

#[test]
fn steps_that_were_cut_short_are_taken_again() {
    let directory = first_version();
    let old = raw(&database_in(&directory));
    old.pragma_update(None, "journal_mode", "DELETE").unwrap();
    let before = fs::read(database_in(&directory)).unwrap();
    // Almost without a cache (0 would be the default), what is changed is written before the commit: the journal says
    // what stood there before.
    old.execute_batch("PRAGMA cache_size = 1; BEGIN IMMEDIATE").unwrap();
    old.execute_batch(include_str!("../step-2.sql")).unwrap();
    old.pragma_update(None, "user_version", 2).unwrap();
    // More than SQLite keeps in memory in any case.
    old.execute_batch(
        "UPDATE users SET password_hash = 'half';
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
         INSERT INTO users (username, folded, password_hash, created_at)
             SELECT 'user ' || i, 'user ' || i, hex(zeroblob(500)), 0 FROM n",
    )
    .unwrap();
    let after_power_cut = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(&directory).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), after_power_cut.path().join(entry.file_name())).unwrap();
    }
    assert!(fs::metadata(after_power_cut.path().join("gatekey.sqlite3-journal")).unwrap().len() > 0);
    let half = fs::read(database_in(&after_power_cut)).unwrap();
    assert!(half != before, "some of it must have been written");
    assert_migrated(after_power_cut);
}

#[test]
fn steps_that_fail_leave_the_older_database() {
    let directory = first_version();
    // The step makes a table of this name.
    raw(&database_in(&directory)).execute_batch("CREATE TABLE throttle (only INTEGER)").unwrap();
    let before = fs::read(database_in(&directory)).unwrap();
    let error = Store::open(&database_in(&directory)).unwrap_err();
    let message = "the database is corrupt: table throttle already exists in ";
    assert!(crate::chain::describe(&error).starts_with(message), "{error:?}");
    assert!(fs::read(database_in(&directory)).unwrap() == before, "the file has other bytes now");
    raw(&database_in(&directory)).execute_batch("DROP TABLE throttle").unwrap();
    assert_migrated(directory);
}

#[test]
fn many_that_open_an_older_database_at_once_take_each_step_once() {
    for _ in 0..10 {
        let directory = first_version();
        let stores = crate::tests::at_once(4, |_| {
            Store::open(&database_in(&directory)).map_err(|error| crate::chain::describe(&error))
        });
        drop(stores.into_iter().map(|store| store.unwrap()).collect::<Vec<_>>());
        assert_migrated(directory);
    }
}

#[test]
fn the_database_keeps_the_promises_of_its_schema() {
    let test = TestStore::new();
    let id = test.insert("ok");
    test.store.remember_address(id, b"at home.", at(10), 8, UnixTime::EPOCH).unwrap();
    test.store.replace_throttle(b"counters", at(10)).unwrap();
    let connection = raw(&test.path());
    connection.pragma_update(None, "foreign_keys", true).unwrap();
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
        ("UPDATE realm SET newest_time = NULL", "NOT NULL constraint failed: realm.newest_time"),
        (
            "UPDATE realm SET throttle_key = 'a text'",
            "cannot store TEXT value in BLOB column realm.throttle_key",
        ),
        ("INSERT INTO throttle VALUES (2, 0, x'')", "CHECK constraint failed: only = 1"),
        ("UPDATE throttle SET counters = NULL", "NOT NULL constraint failed: throttle.counters"),
        ("INSERT INTO remembered_addresses VALUES (9, x'00', 0)", "FOREIGN KEY constraint failed"),
        (
            "INSERT INTO remembered_addresses SELECT * FROM remembered_addresses",
            "UNIQUE constraint failed: remembered_addresses.user_id, remembered_addresses.address",
        ),
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

/// A database of version 3 with these users: the name, and how version 3 folded it.
fn third_version(users: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let old = raw(&database_in(&directory));
    old.execute_batch(&fixture(3)).unwrap();
    for (username, folded) in users {
        let insert =
            "INSERT INTO users (username, folded, password_hash, created_at) VALUES (?1, ?2, 'of ' || ?1, 7)";
        old.execute(insert, [username, folded]).unwrap();
    }
    directory
}

#[test]
fn names_of_a_database_of_version_3_are_normalized_and_folded_anew() {
    let directory = third_version(&[("jose\u{301}", "jos\u{e9}"), ("Straße", "straße"), ("ok", "ok")]);
    let store = Store::open(&database_in(&directory)).unwrap();
    let hash =
        |name: &str| store.find_user_by_name(name, Reads::PerCall).unwrap().map(|user| user.password_hash);
    assert_eq!(hash("jos\u{e9}").as_deref(), Some("of jose\u{301}"));
    assert_eq!(hash("Straße").as_deref(), Some("of Straße"));
    for taken in ["JOSE\u{301}", "strasse", "STRAẞE", "O\u{34f}K"] {
        assert!(store.is_username_taken(&name(taken)).unwrap(), "{taken}");
    }
    assert_eq!(report(&database_in(&directory), at(10)).unwrap().colliding_names, [""; 0]);
}

#[test]
fn users_whose_names_collide_in_version_4_keep_working_and_are_counted() {
    let directory = third_version(&[
        ("admın", "admın"),
        ("admin", "admin"),
        ("straße", "straße"),
        ("STRASSE", "strasse"),
        ("ſam", "sam"),
        ("ad\u{34f}min", "ad\u{34f}min"),
        ("\u{3164}", "\u{1160}"),
        ("\u{115f}", "\u{115f}"),
    ]);
    let store = Store::open(&database_in(&directory)).unwrap();
    for username in ["admın", "admin", "straße", "STRASSE", "ſam", "ad\u{34f}min", "\u{3164}", "\u{115f}"]
    {
        let user = store.find_user_by_name(username, Reads::PerCall).unwrap().unwrap();
        assert_eq!(user.password_hash, format!("of {username}"));
    }
    for taken in ["ADMIN", "Strasse", "Sam"] {
        assert!(store.is_username_taken(&name(taken)).unwrap(), "{taken}");
    }
    let colliding = report(&database_in(&directory), at(10)).unwrap().colliding_names;
    assert_eq!(colliding, ["admın", "straße", "ad\u{34f}min", "\u{115f}"]);
}
