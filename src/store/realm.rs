//! What holds for everybody: since when tokens count, the newest time, who spoke for others without being trusted to.

use super::columns::{seconds, timestamp, unsigned};
use super::sqlite::BUSY_TIMEOUT;
use super::{Reads, Store, StoreError, generations};
use crate::clock::UnixTime;
use core::time::Duration;
use rusqlite::{Connection, params};

/// How often who serves from a store saves the counters of failed guesses and the time: what a killed server forgets at
/// most.
pub const SAVE_INTERVAL: Duration = Duration::from_secs(10);
/// By how much the newest time in the store may be behind a running server's.
pub const MAX_UNSAVED: Duration = SAVE_INTERVAL.saturating_add(BUSY_TIMEOUT);

/// For which ids and generations tokens may have been issued: what another database needs to know that goes on with the
/// same users and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The largest id that was ever given; 0 where none was.
    pub last_id: u64,
    /// The highest generation that a user has, or that a new user would have.
    pub last_generation: u64,
}

impl Store {
    /// Tokens issued before this moment are dead, whoever they are for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn tokens_not_before(&self, reads: Reads<'_>) -> Result<UnixTime, StoreError> {
        let sql = "SELECT tokens_not_before FROM realm";
        self.read(reads, |connection| connection.prepare_cached(sql)?.query_row([], |row| timestamp(row, 0)))
    }

    /// Ends every token issued until now, whoever it is for and whatever server on this store issued it. `newest` is
    /// the newest time that the caller knows of, `now` what the clock says.
    ///
    /// Gives since when tokens count: it is later than now, and what is issued until then is dead too.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn revoke_all_tokens(&self, newest: UnixTime, now: UnixTime) -> Result<UnixTime, StoreError> {
        let sql = "SELECT newest_time FROM realm";
        self.database.write(|connection| {
            let transaction = connection.transaction()?;
            let newest = newest.max(transaction.query_row(sql, [], |row| timestamp(row, 0))?);
            let since = after_all_issued(newest, now);
            count_tokens_since(&transaction, since)?;
            generations::delete_all_sessions(&transaction)?;
            transaction.commit()?;
            Ok(since)
        })
    }

    /// For which ids and generations tokens may have been issued.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn issued(&self) -> Result<Issued, StoreError> {
        let sql = "SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'users'";
        self.database.read_on_writer(|connection| {
            let last_id = connection.query_row(sql, [], |row| unsigned(row, 0))?;
            Ok(Issued { last_id, last_generation: generations::highest(connection)? })
        })
    }

    /// Whether this database never had a user, nor was served with a key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_unused(&self) -> Result<bool, StoreError> {
        let sql = "SELECT NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'users') \
                   AND NOT EXISTS (SELECT 1 FROM signing_keys)";
        self.database.read_on_writer(|connection| connection.query_row(sql, [], |row| row.get(0)))
    }

    /// The newest time that anybody told the store: whatever the clock says, it is not earlier now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn newest_time(&self) -> Result<UnixTime, StoreError> {
        let sql = "SELECT newest_time FROM realm";
        self.database.read_on_writer(|connection| connection.query_row(sql, [], |row| timestamp(row, 0)))
    }

    /// Tells the store that it is this time. It never goes back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn raise_newest_time(&self, at: UnixTime) -> Result<(), StoreError> {
        // Where it would change nothing, nothing is written.
        let sql = "UPDATE realm SET newest_time = ?1 WHERE newest_time < ?1";
        self.database.write(|connection| {
            connection.execute(sql, [seconds(at)])?;
            Ok(())
        })
    }

    /// Notes who spoke for others without being a trusted proxy, in the place of whoever was noted before: `peer` is an
    /// address, or `unix`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn record_undeclared_proxy(&self, peer: &str, at: UnixTime) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO undeclared_proxy (only, peer, seen_at) VALUES (1, ?1, ?2)";
        self.database.write(|connection| {
            connection.execute(sql, params![peer, seconds(at)])?;
            Ok(())
        })
    }
}

/// The first second in which nothing was issued yet. What is issued in this second may be older than this timestamp, so it
/// is the next one. While the clock is behind the newest time, nobody but a running server knows how late it is, and
/// what it told the store may be a while ago.
pub(super) fn after_all_issued(newest: UnixTime, now: UnixTime) -> UnixTime {
    let unsaved = if newest > now { MAX_UNSAVED } else { Duration::ZERO };
    newest.max(now).saturating_add(unsaved).saturating_add(Duration::from_secs(1))
}

/// From this moment on tokens count. It never goes back, and who opens the store later begins there.
pub(super) fn count_tokens_since(connection: &Connection, at: UnixTime) -> rusqlite::Result<()> {
    let sql = "UPDATE realm SET newest_time = max(newest_time, ?1), \
               tokens_not_before = max(tokens_not_before, ?1)";
    connection.execute(sql, [seconds(at)])?;
    Ok(())
}
