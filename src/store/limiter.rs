//! State of the rate limiter across restarts: its key, its counters, and their epoch.
//!
//! A server keeps the counters in memory and saves them regularly, as opaque bytes. A command may replace
//! them meanwhile, which raises the epoch. A save applies to one epoch only, and every login reads the epoch,
//! so that the server reloads replaced counters and never overwrites them.

use super::columns::{integer, seconds, timestamp, unsigned};
use super::error::StoreError;
use super::open::Store;
use crate::clock::UnixTime;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// Saved counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedLimiter {
    /// In the format of `src/limiter/saved.rs`.
    pub counters: Vec<u8>,
    /// Time of the save.
    pub saved_at: UnixTime,
}

impl Store {
    /// The key of the hashes of names and addresses. If there is none, `new` is stored; concurrent callers
    /// get the same.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the key has another length.
    pub fn limiter_key(&self, new: &[u8; 32]) -> Result<[u8; 32], StoreError> {
        self.database.write(|connection| {
            connection.execute("UPDATE realm SET limiter_key = ?1 WHERE limiter_key IS NULL", [new])?;
            Ok(connection.query_row("SELECT limiter_key FROM realm", [], |row| row.get(0))?)
        })
    }

    /// Reads the key, without waiting for a writer.
    pub fn find_limiter_key(&self) -> Result<Option<[u8; 32]>, StoreError> {
        let sql = "SELECT limiter_key FROM realm";
        self.database.read(|connection| connection.query_row(sql, [], |row| row.get(0)))
    }

    /// The epoch. Read it before the counters, or counters of an older epoch could be taken for those of a
    /// newer one.
    pub fn limiter_epoch(&self) -> Result<u64, StoreError> {
        let sql = "SELECT limiter_epoch FROM realm";
        self.database.read_on_writer(|connection| connection.query_row(sql, [], |row| unsigned(row, 0)))
    }

    /// Reads the saved counters.
    pub fn load_limiter(&self) -> Result<Option<SavedLimiter>, StoreError> {
        let sql = "SELECT counters, saved_at FROM limiter";
        let saved = |row: &Row<'_>| Ok(SavedLimiter { counters: row.get(0)?, saved_at: timestamp(row, 1)? });
        self.database.read_on_writer(|connection| connection.query_row(sql, [], saved).optional())
    }

    /// Saves counters, and raises [`Store::newest_time`]. False if the epoch has changed: the stored counters
    /// are newer.
    pub fn save_limiter(&self, counters: &[u8], at: UnixTime, epoch: u64) -> Result<bool, StoreError> {
        let claim = "UPDATE realm SET newest_time = max(newest_time, ?1) WHERE limiter_epoch = ?2";
        self.database.write(|connection| {
            let transaction = connection.transaction()?;
            if transaction.execute(claim, params![seconds(at), integer(epoch)])? == 0 {
                return Ok(false);
            }
            write_counters(&transaction, counters, at)?;
            transaction.commit()?;
            Ok(true)
        })
    }

    /// Replaces the counters by an administrator. The new epoch makes a running server reload them.
    pub fn replace_limiter(&self, counters: &[u8], at: UnixTime) -> Result<(), StoreError> {
        self.database.write(|connection| {
            let transaction = connection.transaction()?;
            transaction.execute("UPDATE realm SET limiter_epoch = limiter_epoch + 1", [])?;
            write_counters(&transaction, counters, at)?;
            transaction.commit()?;
            Ok(())
        })
    }
}

fn write_counters(connection: &Connection, counters: &[u8], at: UnixTime) -> rusqlite::Result<()> {
    let sql = "INSERT INTO limiter (only, saved_at, counters) VALUES (1, ?1, ?2) \
               ON CONFLICT DO UPDATE SET saved_at = excluded.saved_at, counters = excluded.counters";
    connection.execute(sql, params![seconds(at), counters])?;
    Ok(())
}
