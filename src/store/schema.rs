//! Opening: is this file ours, how old is it, and how does it become today's.
//!
//! A new database is `schema.sql`, whole. An older one goes up step by step, `step-2.sql` first; all steps are one
//! transaction, so a power cut leaves the old version or the new one, never half of one. A released step never changes.

use super::columns::integer;
use super::normalize_names::normalize_names;
use super::sqlite::{Kind, kind_of};
use super::{StoreError, generations, sqlite};
use crate::user_id::Generation;
use rusqlite::{Connection, TransactionBehavior};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// `schema.sql`, as compiled in.
pub(super) const NEWEST: &str = include_str!("../../schema.sql");
/// The version that `schema.sql` makes.
pub(super) const VERSION: i64 = 6;
/// What `schema.sql` writes as `application_id`.
pub(super) const APPLICATION_ID: i64 = 0x676B_6579;

/// `STEPS[n]` brings a database of version n + 1 to version n + 2.
const STEPS: &[fn(&Connection) -> rusqlite::Result<()>] = &[
    |connection| connection.execute_batch(include_str!("step-2.sql")),
    |connection| connection.execute_batch(include_str!("step-3.sql")),
    normalize_names,
    |connection| connection.execute_batch(include_str!("step-5.sql")),
    |connection| connection.execute_batch(include_str!("step-6.sql")),
];

/// What every SQLite database begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// What a database says of itself.
struct Identity {
    application_id: i64,
    version: i64,
    /// Whether there is anything in it at all.
    is_empty: bool,
}

/// Looks at a file without changing it, and refuses what is not ours.
///
/// SQLite looks, nobody else: were the file opened and closed here, this process would lose every lock that
/// another store in it has on the same file (POSIX wants it so).
///
/// # Errors
/// [`StoreError::Missing`] and [`StoreError::Empty`] also where SQLite would make a database of it, and what else is wrong.
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
        return Err(StoreError::Empty); // before SQLite sees it, and removes a `-wal` beside it
    }
    // SQLite takes a file of one byte for an empty one.
    if (1..MAGIC.len() as u64).contains(&metadata.len()) {
        return not_sqlite;
    }
    match inspect_database(path) {
        // No store can be open on what SQLite can't read, so here are no locks to lose.
        Err(StoreError::Corrupt(_)) if !begins_as_sqlite(path)? => not_sqlite,
        verdict => verdict,
    }
}

fn inspect_database(path: &Path) -> Result<(), StoreError> {
    let mut connection = sqlite::connect_to_inspect(path)?;
    // One transaction, so one state of the file: somebody else's first start may be at work on it.
    let connection = connection.transaction()?;
    let identity = identify(&connection)?;
    check_identity(&identity)?;
    // An older one gets its tables from the steps; they are looked at after those.
    if identity.version == VERSION { check_tables(&connection) } else { Ok(()) }
}

/// Whether the file begins as SQLite's files do.
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

/// How old it is, of a database that was looked at.
pub(super) fn version(connection: &Connection) -> Result<i64, StoreError> {
    Ok(identify(connection)?.version)
}

fn check_identity(identity: &Identity) -> Result<(), StoreError> {
    match *identity {
        // Made, but the schema never got in: the first start was cut short. Or there was one, and it is gone.
        Identity { application_id: 0, version: 0, is_empty: true } => Err(StoreError::Empty),
        Identity { application_id, .. } if application_id != APPLICATION_ID => {
            Err(StoreError::Foreign("another program's SQLite database"))
        }
        Identity { version, .. } if version > VERSION => {
            Err(StoreError::Newer { found: version, known: VERSION })
        }
        Identity { version, .. } if version < 1 => Err(StoreError::Foreign("of no version that ever was")),
        Identity { .. } => Ok(()),
    }
}

/// Brings an older database to [`VERSION`].
///
/// # Errors
/// [`StoreError::Empty`] where there is nothing in it, or what else [`inspect`] refuses.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    bring_up_to_date(connection, None)
}

/// Makes a new database, whose first user has this generation, or brings an older one to [`VERSION`].
pub(super) fn create_or_migrate(
    connection: &mut Connection,
    first_generation: Generation,
) -> Result<(), StoreError> {
    bring_up_to_date(connection, Some(first_generation))
}

fn bring_up_to_date(connection: &mut Connection, new: Option<Generation>) -> Result<(), StoreError> {
    // Taken as a writer from the start: of two processes that open it at once, the second finds it done.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let identity = identify(&transaction)?;
    match (check_identity(&identity), new) {
        (Err(StoreError::Empty), Some(first_generation)) => {
            transaction.execute_batch(NEWEST)?;
            generations::raise_first_generation(&transaction, integer(first_generation.number()))?;
        }
        (judged, _) => judged?,
    }
    if !identity.is_empty {
        let done = usize::try_from(identity.version - 1).unwrap_or(0);
        for (step, version) in STEPS.iter().zip(2_i64..).skip(done) {
            step(&transaction)?;
            transaction.pragma_update(None, "user_version", version)?;
        }
    }
    check_tables(&transaction)?;
    transaction.commit()?;
    Ok(())
}

/// Refuses what SQLite would evaluate: a backup that anyone may have made is read in full, copied and written to.
pub(super) fn reject_code(connection: &Connection) -> Result<(), StoreError> {
    let sql = "SELECT type, name, ifnull(rootpage, 0) FROM main.sqlite_schema WHERE type <> 'index'";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, name): (String, String) = (row.get(0)?, row.get(1)?);
        match Kind::of(&kind, row.get(2)?) {
            Kind::Table => {}
            Kind::View => return Err(unexpected("view", &name)),
            Kind::VirtualTable => return Err(unexpected("virtual table", &name)),
            Kind::Other => return Err(unexpected(&kind, &name)),
        }
    }
    Ok(())
}

fn unexpected(kind: &str, name: &str) -> StoreError {
    StoreError::Corrupt(format!("it contains the {kind} {name:?}, expected nothing but tables").into())
}

/// Asks for every column that the operations use: a database that says it is ours, but isn't, is found now and
/// not at somebody's login. (Whether every page of it is sound takes as long as reading it all.)
fn check_tables(connection: &Connection) -> Result<(), StoreError> {
    const ONE_REALM: &str = "SELECT tokens_not_before, newest_time, throttle_key, throttle_epoch, first_generation FROM realm \
         WHERE only = 1";
    const TABLES: [&str; 6] =
        ["realm", "users", "signing_keys", "throttle", "undeclared_proxy", "remembered_addresses"];
    const COLUMNS: [&str; 5] = [
        "SELECT id, username, folded, password_hash, generation, disabled, created_at FROM users LIMIT 0",
        "SELECT fingerprint, first_seen_at, retired_at, longest_lifetime FROM signing_keys LIMIT 0",
        "SELECT only, saved_at, counters FROM throttle LIMIT 0",
        "SELECT only, peer, seen_at FROM undeclared_proxy LIMIT 0",
        "SELECT user_id, address, seen_at FROM remembered_addresses LIMIT 0",
    ];
    let damaged = |error: rusqlite::Error| StoreError::Corrupt(error.into());
    for table in TABLES {
        match kind_of(connection, table).map_err(damaged)? {
            Some(Kind::Table) | None => {} // that one is missing is said below, as SQLite says it
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
