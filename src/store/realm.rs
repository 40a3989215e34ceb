//! What holds for everybody, and what is known of signing keys.

use super::users::{moment, seconds};
use super::{Store, StoreError};
use crate::clock::UnixTime;
use core::time::Duration;
use rusqlite::params;

impl Store {
    /// Tokens issued before this moment are dead, whoever they are for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn tokens_not_before(&self) -> Result<UnixTime, StoreError> {
        let sql = "SELECT tokens_not_before FROM realm";
        self.database.read(|connection| connection.query_row(sql, [], |row| moment(row, 0)))
    }

    /// Ends every token issued before this moment. It never goes back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn raise_tokens_not_before(&self, at: UnixTime) -> Result<(), StoreError> {
        let sql = "UPDATE realm SET tokens_not_before = max(tokens_not_before, ?1)";
        self.database.write(|connection| {
            connection.execute(sql, [seconds(at)])?;
            Ok(())
        })
    }

    /// The newest time that anybody told the store: whatever the clock says, it is not earlier now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn newest_time(&self) -> Result<UnixTime, StoreError> {
        let sql = "SELECT newest_time FROM realm";
        self.database.read_once(|connection| connection.query_row(sql, [], |row| moment(row, 0)))
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

    /// Notes that these keys, oldest first, are in use, and that the newest signs tokens of this lifetime.
    ///
    /// A key that is no longer the newest is retired from now on, unless it was already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_signing_keys<'a>(
        &self,
        fingerprints: impl DoubleEndedIterator<Item = &'a str>,
        lifetime: Duration,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let insert =
            "INSERT INTO signing_keys (fingerprint, first_seen_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        let sign = "UPDATE signing_keys SET retired_at = NULL, longest_lifetime = max(longest_lifetime, ?2) \
                    WHERE fingerprint = ?1";
        let retire = "UPDATE signing_keys SET retired_at = ?2 WHERE fingerprint = ?1 AND retired_at IS NULL";
        let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        self.database.write(|connection| {
            let transaction = connection.transaction()?;
            for (fingerprint, is_newest) in
                fingerprints.rev().zip(core::iter::once(true).chain(core::iter::repeat(false)))
            {
                transaction.execute(insert, params![fingerprint, seconds(now)])?;
                if is_newest {
                    transaction.execute(sign, params![fingerprint, lifetime])?;
                } else {
                    transaction.execute(retire, params![fingerprint, seconds(now)])?;
                }
            }
            transaction.commit()?;
            Ok(())
        })
    }
}
