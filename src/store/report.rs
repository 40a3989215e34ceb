//! Is everything in the database sound, and what of it lies in the future.

use super::columns::{seconds, timestamp, unsigned};
use super::lock::DirLock;
use super::{StoreError, backup, schema};
use crate::clock::UnixTime;
use rusqlite::{Connection, OptionalExtension as _};
use std::path::Path;

/// What a look at the whole database found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseReport {
    /// How many users are in it.
    pub users: u64,
    /// Its schema's version.
    pub version: i64,
    /// What lies in the future.
    pub future_timestamps: FutureTimestamps,
    /// Who first spoke for others without being a trusted proxy since a server last started here, an address or `unix`,
    /// and when.
    pub undeclared_proxy: Option<(String, UnixTime)>,
}

/// What lies in the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FutureTimestamps {
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
/// [`StoreError`]: it is missing, empty, newer, foreign, damaged, or can't be read now.
pub fn report(database: &Path, at: UnixTime) -> Result<DatabaseReport, StoreError> {
    let _lock = DirLock::shared(database)?;
    let (connection, users) = backup::open_verified(database, backup::Depth::EveryPage)?;
    Ok(DatabaseReport {
        users,
        version: schema::VERSION,
        future_timestamps: future_timestamps(&connection, at)?,
        undeclared_proxy: undeclared_proxy(&connection)?,
    })
}

fn future_timestamps(connection: &Connection, at: UnixTime) -> rusqlite::Result<FutureTimestamps> {
    let sql = "SELECT newest_time, tokens_not_before, \
               (SELECT count(*) FROM remembered_addresses WHERE seen_at > ?1) \
               + (SELECT count(*) FROM signing_keys WHERE first_seen_at > ?1 OR retired_at > ?1) \
               + (SELECT count(*) FROM users WHERE created_at > ?1) FROM realm";
    connection.query_row(sql, [seconds(at)], |row| {
        let others = unsigned(row, 2)?;
        Ok(FutureTimestamps {
            newest_time: timestamp(row, 0)?,
            tokens_not_before: timestamp(row, 1)?,
            others,
        })
    })
}

fn undeclared_proxy(connection: &Connection) -> rusqlite::Result<Option<(String, UnixTime)>> {
    let sql = "SELECT peer, seen_at FROM undeclared_proxy";
    connection.query_row(sql, [], |row| Ok((row.get(0)?, timestamp(row, 1)?))).optional()
}
