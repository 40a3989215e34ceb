//! Schema and migrations: recognizes a database, creates the schema, migrates older versions.
//!
//! A new database is `schema.sql`, whole. An older one is migrated step by step in one transaction, so that a
//! power cut leaves the old version or the new one. Versions 1 to 6 were never released and are rejected.
//!
//! To change the schema after a release: raise [`VERSION`] and the version in `schema.sql`, append a step to
//! [`STEPS`], and keep the former `schema.sql` as a fixture of its test. A released step never changes.

use super::columns::integer;
use super::error::StoreError;
use super::sqlite::{ObjectKind, kind_of};
use super::{generations, sqlite};
use crate::user_id::Generation;
use rusqlite::{Connection, TransactionBehavior};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// `schema.sql`, as compiled in.
pub(super) const NEWEST: &str = include_str!("../../schema.sql");
/// The version that `schema.sql` creates.
pub(super) const VERSION: i64 = 7;
/// What `schema.sql` writes as `application_id`.
pub(super) const APPLICATION_ID: i64 = 0x676B_6579;

/// Migration step: changes tables and rows from one version to the next.
pub(super) type Migration = fn(&Connection) -> rusqlite::Result<()>;

/// The steps up to [`VERSION`], the last one last. The first one's version is the oldest that can be opened.
const STEPS: &[Migration] = &[];

/// SQLite's file header (Database File Format, section 1.3.1).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The identification in a database's header.
struct Identity {
    application_id: i64,
    version: i64,
    /// Whether it has no table.
    is_empty: bool,
}

/// Checks without changing the file that it is a gatekey database of a known version.
///
/// Only SQLite opens the file: closing any descriptor of it would release all POSIX locks that this process
/// has on it, also another store's.
///
/// # Errors
/// Every [`StoreError`] but `WouldBlock`. `Missing` and `Empty` also where SQLite would create a database.
pub(super) fn inspect(path: &Path) -> Result<(), StoreError> {
    let not_sqlite = Err(StoreError::Foreign("not an SQLite database"));
    let metadata = path.symlink_metadata().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => StoreError::Missing,
        _ => StoreError::Unavailable(error.into()),
    })?;
    if !metadata.is_file() {
        return Err(StoreError::Foreign("not a regular file"));
    }
    if metadata.len() == 0 {
        return Err(StoreError::Empty); // SQLite would remove a `-wal` beside it
    }
    // SQLite treats a file of one byte as empty.
    if (1..MAGIC.len() as u64).contains(&metadata.len()) {
        return not_sqlite;
    }
    match inspect_database(path) {
        // No store is open on a file that SQLite can't read, so no lock is lost.
        Err(StoreError::Corrupt(_)) if !begins_as_sqlite(path)? => not_sqlite,
        verdict => verdict,
    }
}

fn inspect_database(path: &Path) -> Result<(), StoreError> {
    let mut connection = sqlite::connect_to_inspect(path)?;
    // One snapshot: another process may be creating the schema.
    let connection = connection.transaction()?;
    let identity = identify(&connection)?;
    check_identity(&identity, STEPS)?;
    // The tables of an older version are checked after the steps.
    if identity.version == VERSION { check_tables(&connection) } else { Ok(()) }
}

/// Whether the file has SQLite's magic.
fn begins_as_sqlite(path: &Path) -> Result<bool, StoreError> {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut start));
    read.map_err(|error| StoreError::Unavailable(error.into()))?;
    Ok(start == MAGIC)
}

fn identify(connection: &Connection) -> Result<Identity, StoreError> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(Identity {
        application_id: number("application_id")?,
        version: number("user_version")?,
        is_empty: objects == 0,
    })
}

/// Rejects a database that is empty, not gatekey's, newer than [`VERSION`] or older than the steps.
fn check_identity(identity: &Identity, steps: &[Migration]) -> Result<(), StoreError> {
    match *identity {
        // The first start was interrupted before the schema, or the file was replaced.
        Identity { application_id: 0, version: 0, is_empty: true } => Err(StoreError::Empty),
        Identity { application_id, .. } if application_id != APPLICATION_ID => {
            Err(StoreError::Foreign("another program's SQLite database"))
        }
        Identity { version, .. } if version > VERSION => {
            Err(StoreError::Newer { found: version, known: VERSION })
        }
        Identity { version, .. } if version < 1 => Err(StoreError::Foreign("of no version that ever was")),
        Identity { version, .. } if outstanding(version, steps).is_none() => {
            Err(StoreError::Older { found: version, known: VERSION })
        }
        Identity { .. } => Ok(()),
    }
}

/// The steps that bring this version to [`VERSION`]; `None` if it is older than all of them.
fn outstanding(version: i64, steps: &[Migration]) -> Option<&[Migration]> {
    let count = usize::try_from(VERSION - version).ok()?;
    steps.len().checked_sub(count).and_then(|done| steps.get(done..))
}

pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    create_or_migrate_by(connection, None, STEPS)
}

/// Creates the schema, whose first user has this generation, or migrates an older database to [`VERSION`].
pub(super) fn create_or_migrate(
    connection: &mut Connection,
    first_generation: Generation,
) -> Result<(), StoreError> {
    create_or_migrate_by(connection, Some(first_generation), STEPS)
}

/// As [`create_or_migrate`], by these steps; creates nothing without a first generation.
pub(super) fn create_or_migrate_by(
    connection: &mut Connection,
    new: Option<Generation>,
    steps: &[Migration],
) -> Result<(), StoreError> {
    // A writer from the start: of two processes that open it at once, the second finds it migrated.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let identity = identify(&transaction)?;
    match (check_identity(&identity, steps), new) {
        (Err(StoreError::Empty), Some(first_generation)) => {
            transaction.execute_batch(NEWEST)?;
            generations::raise_first_generation(&transaction, integer(first_generation.number()))?;
        }
        (checked, _) => {
            checked?;
            for step in outstanding(identity.version, steps).unwrap_or_default() {
                step(&transaction)?;
            }
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
    }
    check_tables(&transaction)?;
    transaction.commit()?;
    Ok(())
}

/// Rejects views, triggers and virtual tables: SQLite would run them when a backup of unknown origin is
/// restored.
pub(super) fn reject_code(connection: &Connection) -> Result<(), StoreError> {
    let sql = "SELECT type, name, ifnull(rootpage, 0) FROM main.sqlite_schema WHERE type <> 'index'";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, name): (String, String) = (row.get(0)?, row.get(1)?);
        match ObjectKind::of(&kind, row.get(2)?) {
            ObjectKind::Table => {}
            ObjectKind::View => return Err(unexpected("view", &name)),
            ObjectKind::VirtualTable => return Err(unexpected("virtual table", &name)),
            ObjectKind::Other => return Err(unexpected(&kind, &name)),
        }
    }
    Ok(())
}

fn unexpected(kind: &str, name: &str) -> StoreError {
    StoreError::Corrupt(format!("it contains the {kind} {name:?}, expected nothing but tables").into())
}

/// Checks that every column exists that the operations use, so that a wrong database fails at the start and
/// not at a login. Doesn't read every page: that takes as long as the database is large.
fn check_tables(connection: &Connection) -> Result<(), StoreError> {
    const ONE_REALM: &str = "SELECT tokens_not_before, newest_time, limiter_key, limiter_epoch, first_generation FROM realm \
         WHERE only = 1";
    const TABLES: [&str; 10] = [
        "realm",
        "users",
        "sessions",
        "user_groups",
        "second_factors",
        "recovery_codes",
        "signing_keys",
        "limiter",
        "undeclared_proxy",
        "remembered_addresses",
    ];
    const COLUMNS: [&str; 9] = [
        "SELECT id, username, folded, password_hash, generation, disabled, created_at, link FROM users LIMIT 0",
        "SELECT id, user_id, kind, parent, name, auth_time, created_at, expires_at, used_at FROM sessions LIMIT 0",
        "SELECT user_id, name FROM user_groups LIMIT 0",
        "SELECT user_id, secret, last_step FROM second_factors LIMIT 0",
        "SELECT user_id, hash FROM recovery_codes LIMIT 0",
        "SELECT fingerprint, first_seen_at, retired_at, longest_lifetime FROM signing_keys LIMIT 0",
        "SELECT only, saved_at, counters FROM limiter LIMIT 0",
        "SELECT only, peer, seen_at FROM undeclared_proxy LIMIT 0",
        "SELECT user_id, address, seen_at FROM remembered_addresses LIMIT 0",
    ];
    let damaged = |error: rusqlite::Error| StoreError::Corrupt(error.into());
    for table in TABLES {
        match kind_of(connection, table).map_err(damaged)? {
            Some(ObjectKind::Table) | None => {} // SQLite's message below names a missing table
            Some(kind) => return Err(unexpected(kind.name(), table)),
        }
    }
    connection.query_row(ONE_REALM, [], |row| row.get::<_, i64>(0)).map_err(damaged)?;
    for columns in COLUMNS {
        connection.prepare(columns).map_err(damaged)?;
    }
    Ok(())
}

/// The text of every table and index without its comments, to compare two schemas by.
#[cfg(test)]
pub(super) fn describe(connection: &Connection) -> String {
    let sql = "SELECT group_concat(type || ' ' || name || ' ' || ifnull(sql, ''), char(10)) FROM \
               (SELECT * FROM sqlite_schema ORDER BY type, name)";
    let text: String = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    text.lines().flat_map(|line| [line.split("--").next().unwrap_or_default().trim_end(), "\n"]).collect()
}
