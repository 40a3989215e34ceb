//! Realm state: revocation of all tokens, the high-water mark of the clock, and the undeclared proxy.

use super::columns::{seconds, timestamp, unsigned};
use super::error::StoreError;
use super::generations;
use super::open::Store;
use super::session::Reads;
use super::sqlite::BUSY_TIMEOUT;
use crate::clock::UnixTime;
use core::time::Duration;
use rusqlite::{Connection, params};

/// How often a server saves the rate limiter's counters and the time: what a killed server loses at most.
pub const SAVE_INTERVAL: Duration = Duration::from_secs(10);
/// How far the stored high-water mark may be behind a running server's.
pub const MAX_UNSAVED: Duration = SAVE_INTERVAL.saturating_add(BUSY_TIMEOUT);

/// The ids and generations for which tokens may have been issued, for a database that continues with the same
/// keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The largest id ever assigned, or 0.
    pub last_id: u64,
    /// The highest generation of a user, or of new users.
    pub last_generation: u64,
}

impl Store {
    /// Tokens of all users issued before this time are revoked.
    pub fn tokens_not_before(&self, reads: Reads<'_>) -> Result<UnixTime, StoreError> {
        let sql = "SELECT tokens_not_before FROM realm";
        self.read(reads, |connection| connection.prepare_cached(sql)?.query_row([], |row| timestamp(row, 0)))
    }

    /// Revokes every token and session of all users. `newest` is the caller's high-water mark, `now` the
    /// clock.
    ///
    /// Returns the new `tokens_not_before`. It is later than now, and tokens issued until then are revoked
    /// too.
    pub fn revoke_all_tokens(&self, newest: UnixTime, now: UnixTime) -> Result<UnixTime, StoreError> {
        let sql = "SELECT newest_time FROM realm";
        self.database.write(|connection| {
            let transaction = connection.transaction()?;
            let newest = newest.max(transaction.query_row(sql, [], |row| timestamp(row, 0))?);
            let since = after_all_issued(newest, now);
            raise_tokens_not_before(&transaction, since)?;
            generations::delete_all_sessions(&transaction)?;
            transaction.commit()?;
            Ok(since)
        })
    }

    /// The ids and generations for which tokens may have been issued.
    pub fn issued(&self) -> Result<Issued, StoreError> {
        let sql = "SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'users'";
        self.database.read_on_writer(|connection| {
            let last_id = connection.query_row(sql, [], |row| unsigned(row, 0))?;
            Ok(Issued { last_id, last_generation: generations::highest(connection)? })
        })
    }

    /// Whether this database never had a user or a signing key.
    pub fn is_unused(&self) -> Result<bool, StoreError> {
        let sql = "SELECT NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'users') \
                   AND NOT EXISTS (SELECT 1 FROM signing_keys)";
        self.database.read_on_writer(|connection| connection.query_row(sql, [], |row| row.get(0)))
    }

    /// The high-water mark of the clock.
    pub fn newest_time(&self) -> Result<UnixTime, StoreError> {
        let sql = "SELECT newest_time FROM realm";
        self.database.read_on_writer(|connection| connection.query_row(sql, [], |row| timestamp(row, 0)))
    }

    /// Raises the high-water mark of the clock.
    pub fn raise_newest_time(&self, at: UnixTime) -> Result<(), StoreError> {
        // The condition avoids a write that changes nothing.
        let sql = "UPDATE realm SET newest_time = ?1 WHERE newest_time < ?1";
        self.database.write(|connection| {
            connection.execute(sql, [seconds(at)])?;
            Ok(())
        })
    }

    /// Records the peer (an address, or `unix`) that sent forwarding headers and is not a trusted proxy.
    pub fn record_undeclared_proxy(&self, peer: &str, at: UnixTime) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO undeclared_proxy (only, peer, seen_at) VALUES (1, ?1, ?2)";
        self.database.write(|connection| {
            connection.execute(sql, params![peer, seconds(at)])?;
            Ok(())
        })
    }
}

/// The first second in which no token was issued: the next one, since tokens of this second exist. While the
/// clock is behind the high-water mark, a running server may have issued tokens up to [`MAX_UNSAVED`] later.
pub(super) fn after_all_issued(newest: UnixTime, now: UnixTime) -> UnixTime {
    let unsaved = if newest > now { MAX_UNSAVED } else { Duration::ZERO };
    newest.max(now).saturating_add(unsaved).saturating_add(Duration::from_secs(1))
}

/// Raises `tokens_not_before`, and the high-water mark with it.
pub(super) fn raise_tokens_not_before(connection: &Connection, at: UnixTime) -> rusqlite::Result<()> {
    let sql = "UPDATE realm SET newest_time = max(newest_time, ?1), \
               tokens_not_before = max(tokens_not_before, ?1)";
    connection.execute(sql, [seconds(at)])?;
    Ok(())
}
