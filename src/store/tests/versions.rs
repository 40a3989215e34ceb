//! Schema and migrations. No version before [`VERSION`] has a step, so the mechanism is tested by a step of
//! the test's own.

use super::schema::{APPLICATION_ID, Migration, NEWEST, VERSION, create_or_migrate_by, describe, migrate};
use super::*;
use std::fs;

/// From the version before: adds the table that [`previous_version`] lacks, in the words of `schema.sql`.
const STEPS: &[Migration] = &[|connection| {
    let start = NEWEST.find("CREATE TABLE undeclared_proxy").unwrap();
    let (statement, _) = NEWEST[start..].split_once(") STRICT;").unwrap();
    connection.execute_batch(&format!("{statement}) STRICT;"))
}];

fn migrate_by_steps(directory: &TempDir) -> Result<(), StoreError> {
    let mut connection = raw(&database_in(directory));
    connection.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    create_or_migrate_by(&mut connection, None, STEPS)
}

fn pragma(connection: &Connection, name: &str) -> i64 {
    connection.pragma_query_value(None, name, |row| row.get(0)).unwrap()
}

#[test]
fn the_schema_has_our_application_id_and_version() {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(NEWEST).unwrap();
    assert_eq!(pragma(&connection, "application_id"), i64::from(u32::from_be_bytes(*b"gkey")));
    assert_eq!(pragma(&connection, "application_id"), APPLICATION_ID);
    assert_eq!(pragma(&connection, "user_version"), VERSION);
}

/// A closed database of the version before, with data: two users with the ids 1 and 2, a deleted one with 3,
/// `tokens_not_before`, and two signing keys.
fn previous_version() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let old = raw(&database_in(&directory));
    old.pragma_update(None, "journal_mode", "WAL").unwrap();
    old.execute_batch(NEWEST).unwrap();
    old.execute_batch("DROP TABLE undeclared_proxy").unwrap();
    old.pragma_update(None, "user_version", VERSION - 1).unwrap();
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

/// Migrates, and asserts that the database has the newest schema and the data of [`previous_version`], and
/// works.
#[track_caller]
fn assert_migrates(directory: TempDir) {
    migrate_by_steps(&directory).unwrap();
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
    assert_eq!(test.store.load_limiter().unwrap(), None);
    assert_eq!(test.store.limiter_key(&[1; 32]).unwrap(), [1; 32]);
    assert!(test.store.save_limiter(b"counters", at(3_000), 0).unwrap());
    test.store.remember_address(users[1].id, b"at home.", at(10), 8, UnixTime::EPOCH).unwrap();
    let address = test.store.find_remembered_address(b"at home.", Reads::PerCall).unwrap();
    assert_eq!(address, RememberedAddress { seen_at: Some(at(10)), limiter_epoch: 0 });
    assert_eq!(test.insert("d"), UserId::new(4).unwrap(), "3 was given once");
}

#[test]
fn a_migration_keeps_all_data() {
    assert_migrates(previous_version());
}

#[test]
fn a_migration_after_a_power_cut_starts_again() {
    let directory = previous_version();
    let old = raw(&database_in(&directory));
    old.pragma_update(None, "journal_mode", "DELETE").unwrap();
    let before = fs::read(database_in(&directory)).unwrap();
    // With a cache of one page (0 is the default size) SQLite writes changed pages before the commit; the
    // journal has the former ones.
    old.execute_batch("PRAGMA cache_size = 1; BEGIN IMMEDIATE").unwrap();
    STEPS[0](&old).unwrap();
    old.pragma_update(None, "user_version", VERSION).unwrap();
    // More than the cache holds in any case.
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
    assert_migrates(after_power_cut);
}

#[test]
fn a_migration_that_fails_changes_nothing() {
    let directory = previous_version();
    // The step creates a table of this name.
    raw(&database_in(&directory)).execute_batch("CREATE TABLE undeclared_proxy (only INTEGER)").unwrap();
    let before = fs::read(database_in(&directory)).unwrap();
    let error = migrate_by_steps(&directory).unwrap_err();
    let message = "the database is corrupt: table undeclared_proxy already exists in ";
    assert!(crate::chain::describe(&error).starts_with(message), "{error:?}");
    assert!(fs::read(database_in(&directory)).unwrap() == before, "the file has other bytes now");
    raw(&database_in(&directory)).execute_batch("DROP TABLE undeclared_proxy").unwrap();
    assert_migrates(directory);
}

#[test]
fn processes_that_open_an_older_database_at_once_migrate_it_once() {
    for _ in 0..10 {
        let directory = previous_version();
        let migrated = crate::tests::at_once(4, |_| {
            migrate_by_steps(&directory).map_err(|error| crate::chain::describe(&error))
        });
        assert_eq!(migrated, [const { Ok::<(), String>(()) }; 4]);
        assert_migrates(directory);
    }
}

#[test]
fn the_schemas_constraints_are_enforced() {
    let test = TestStore::new();
    let id = test.insert("ok");
    test.store.remember_address(id, b"at home.", at(10), 8, UnixTime::EPOCH).unwrap();
    test.store.replace_limiter(b"counters", at(10)).unwrap();
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
            "UPDATE realm SET limiter_key = 'a text'",
            "cannot store TEXT value in BLOB column realm.limiter_key",
        ),
        ("INSERT INTO limiter VALUES (2, 0, x'')", "CHECK constraint failed: only = 1"),
        ("UPDATE limiter SET counters = NULL", "NOT NULL constraint failed: limiter.counters"),
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
fn commits_are_durable_before_they_return() {
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
fn a_database_that_became_newer_after_inspection_is_rejected() {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(NEWEST).unwrap();
    connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
    let error = migrate(&mut connection).unwrap_err();
    assert!(
        matches!(error, StoreError::Newer { found, known: VERSION } if found == VERSION + 1),
        "{error:?}"
    );
}
