//! What is counted against guessing, as it outlives a restart: the key, the counters, and whose they are.
//!
//! The counters are bytes to the store. A server keeps them in memory and saves them now and then; a command may
//! replace them meanwhile. So that the server neither overwrites what the command did nor has to read them all the
//! time, there is an epoch: each replacing adds one to it, a save is for one epoch only, and every login reads it.

use super::columns::{integer, seconds, timestamp, unsigned};
use super::{Store, StoreError};
use crate::clock::UnixTime;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// Counters that were saved, or replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedLimiter {
    /// As they were given.
    pub counters: Vec<u8>,
    /// When.
    pub saved_at: UnixTime,
}

impl Store {
    /// The key under which names and addresses are hashed. Where there is none yet, `new` becomes it; those who ask
    /// at once get the same one.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Corrupt`] where the key has another length.
    pub fn limiter_key(&self, new: &[u8; 32]) -> Result<[u8; 32], StoreError> {
        self.database.write(|connection| {
            connection.execute("UPDATE realm SET limiter_key = ?1 WHERE limiter_key IS NULL", [new])?;
            Ok(connection.query_row("SELECT limiter_key FROM realm", [], |row| row.get(0))?)
        })
    }

    /// The same key, if there is one; asks for nothing that a writer may hold.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find_limiter_key(&self) -> Result<Option<[u8; 32]>, StoreError> {
        let sql = "SELECT limiter_key FROM realm";
        self.database.read(|connection| connection.query_row(sql, [], |row| row.get(0)))
    }

    /// How often the counters were replaced. Who loads them asks for this first: the other way round, counters of an
    /// older epoch could be taken for those of the newest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn limiter_epoch(&self) -> Result<u64, StoreError> {
        let sql = "SELECT limiter_epoch FROM realm";
        self.database.read_on_writer(|connection| connection.query_row(sql, [], |row| unsigned(row, 0)))
    }

    /// The counters that were saved last, if any ever were.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn load_limiter(&self) -> Result<Option<SavedLimiter>, StoreError> {
        let sql = "SELECT counters, saved_at FROM limiter";
        let saved = |row: &Row<'_>| Ok(SavedLimiter { counters: row.get(0)?, saved_at: timestamp(row, 1)? });
        self.database.read_on_writer(|connection| connection.query_row(sql, [], saved).optional())
    }

    /// Saves a server's counters, and with them what time it is ([`Store::newest_time`]). False, and nothing changed,
    /// if the epoch is another by now: then those in the store are newer.
    ///
    /// # Errors
    /// [`StoreError`].
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

    /// Replaces the counters by an operator's word, and begins a new epoch, by which a running server finds out.
    ///
    /// # Errors
    /// [`StoreError`].
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
