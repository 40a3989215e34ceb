//! Is everything in the database sound, and what of it lies in the future; the way back from there.
//!
//! A clock that once ran ahead leaves its mark. Time never goes back for the realm, so tokens go on to carry times of
//! the future; addresses seen then push out all others; a key that was retired then is kept until then. Lowering these
//! alone would bring tokens back to life that had expired meanwhile, and let those issued then live for as long as the
//! clock was ahead. So [`reset_clock`] raises everybody's generation too: every token dies.

use super::restore::connect_alone;
use super::users::{moment, seconds, unsigned};
use super::{CopyError, StoreError, backup, lock, schema, sqlite};
use crate::clock::UnixTime;
use alloc::string::String;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _};
use std::path::Path;

/// What a look at the whole database found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckUp {
    /// How many users are in it.
    pub users: u64,
    /// Its schema's version; 0 where there is nothing in it, since a first start was cut short.
    pub version: i64,
    /// The version that the next start brings it to.
    pub newest_version: i64,
    /// What lies in the future; `None` in an older version, which the next start brings up to date.
    pub ahead: Option<Ahead>,
    /// Who last spoke for others without being a trusted proxy, an address or `unix`, and when.
    pub undeclared_proxy: Option<(String, UnixTime)>,
}

/// What lies in the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// The newest time that was ever seen, whenever that is.
    pub newest_time: UnixTime,
    /// Tokens issued before are dead, whenever that is.
    pub tokens_not_before: UnixTime,
    /// How many remembered addresses, signing keys and users have a time later than was asked for.
    pub others: u64,
}

/// Reads everything in the database and changes nothing, also while a server writes to it. What is later than `at`
/// counts as of the future.
///
/// # Errors
/// [`StoreError`]: it is missing, newer, foreign, damaged, or can't be read now.
pub fn check_up(database: &Path, at: UnixTime) -> Result<CheckUp, StoreError> {
    let _open = lock::Open::with_others(database)?;
    if is_empty(database)? {
        return Ok(CheckUp {
            users: 0,
            version: 0,
            newest_version: schema::VERSION,
            ahead: None,
            undeclared_proxy: None,
        });
    }
    let (connection, users) = backup::open_sound(database, backup::Depth::EveryPage)?;
    let version = schema::version(&connection)?;
    let is_newest = version == schema::VERSION;
    let ahead = is_newest.then(|| ahead(&connection, at)).transpose()?;
    let undeclared_proxy =
        if is_newest { undeclared_proxy(&connection).map_err(StoreError::from)? } else { None };
    Ok(CheckUp { users, version, newest_version: schema::VERSION, ahead, undeclared_proxy })
}

fn is_empty(database: &Path) -> Result<bool, StoreError> {
    schema::inspect(database)?;
    schema::is_empty(&sqlite::connect_to_look(database)?)
}

fn ahead(connection: &Connection, at: UnixTime) -> rusqlite::Result<Ahead> {
    let sql = "SELECT newest_time, tokens_not_before, \
               (SELECT count(*) FROM remembered_addresses WHERE seen_at > ?1) \
               + (SELECT count(*) FROM signing_keys WHERE first_seen_at > ?1 OR retired_at > ?1) \
               + (SELECT count(*) FROM users WHERE created_at > ?1) FROM realm";
    connection.query_row(sql, [seconds(at)], |row| {
        let others = unsigned(row, 2)?;
        Ok(Ahead { newest_time: moment(row, 0)?, tokens_not_before: moment(row, 1)?, others })
    })
}

fn undeclared_proxy(connection: &Connection) -> rusqlite::Result<Option<(String, UnixTime)>> {
    let sql = "SELECT peer, seen_at FROM undeclared_proxy";
    connection.query_row(sql, [], |row| Ok((row.get(0)?, moment(row, 1)?))).optional()
}

/// Takes back to `now` whatever is later, and ends every token; an older database is brought up to date first.
///
/// # Errors
/// [`CopyError::InUse`] while anybody has the database open, or what else stands in the way; then nothing is changed.
pub fn reset_clock(database: &Path, now: UnixTime) -> Result<(), CopyError> {
    let refused = |error: StoreError| CopyError::Store(database.into(), error);
    let alone = lock::Open::alone(database).map_err(|error| CopyError::File(database.into(), error))?;
    let _alone = alone.ok_or_else(|| CopyError::InUse(database.into()))?;
    schema::inspect(database).map_err(refused)?;
    let mut connection = connect_alone(database).map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy) => CopyError::InUse(database.into()),
        _ => refused(error.into()),
    })?;
    schema::migrate(&mut connection).map_err(refused)?;
    lower(&mut connection, now).map_err(|error| refused(error.into()))
}

fn lower(connection: &mut Connection, now: UnixTime) -> rusqlite::Result<()> {
    const CHANGES: [&str; 7] = [
        "UPDATE realm SET newest_time = min(newest_time, ?1), tokens_not_before = min(tokens_not_before, ?1)",
        "UPDATE throttle SET saved_at = min(saved_at, ?1)",
        "UPDATE undeclared_proxy SET seen_at = min(seen_at, ?1)",
        "UPDATE remembered_addresses SET seen_at = ?1 WHERE seen_at > ?1",
        "UPDATE signing_keys SET first_seen_at = min(first_seen_at, ?1), retired_at = min(retired_at, ?1)",
        "UPDATE users SET created_at = ?1 WHERE created_at > ?1",
        // Whatever the number is: each statement has one.
        "UPDATE users SET generation = generation + 1 WHERE ?1 = ?1",
    ];
    connection.pragma_update(None, "synchronous", "FULL")?;
    let transaction = connection.transaction()?;
    for change in CHANGES {
        transaction.execute(change, [seconds(now)])?;
    }
    transaction.commit()
}
