//! Integrity check of the whole database, and of its times.

use super::columns::{seconds, timestamp, unsigned};
use super::error::StoreError;
use super::lock::DirLock;
use super::{backup, schema};
use crate::clock::UnixTime;
use rusqlite::{Connection, OptionalExtension as _};
use std::path::Path;

/// Result of [`report`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseReport {
    /// Number of users.
    pub users: u64,
    /// Schema version.
    pub version: i64,
    /// Times in the future.
    pub future_timestamps: FutureTimestamps,
    /// The peer (an address, or `unix`) that sent forwarding headers without being a trusted proxy, and when.
    pub undeclared_proxy: Option<(String, UnixTime)>,
}

/// Times in the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FutureTimestamps {
    /// The high-water mark, in the future or not.
    pub newest_time: UnixTime,
    /// Tokens issued before are revoked; in the future or not.
    pub tokens_not_before: UnixTime,
    /// Number of remembered addresses, signing keys and users with a time in the future.
    pub others: u64,
}

/// Reads every page of the database, also while a server writes to it. Times after `at` count as future.
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
