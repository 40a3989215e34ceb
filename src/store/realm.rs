//! What holds for everybody, and what is known of signing keys.

use super::sqlite::BUSY_TIMEOUT;
use super::users::{moment, optional_moment, seconds, unsigned};
use super::{Store, StoreError};
use crate::clock::UnixTime;
use alloc::collections::BTreeMap;
use alloc::string::String;
use core::time::Duration;
use rusqlite::{Connection, Row, params};

/// How often who serves from a store saves the counters of failed guesses and the time: what a killed server forgets at
/// most.
pub const SAVE_EVERY: Duration = Duration::from_secs(10);
/// By how much the newest time in the store may be too old.
const UNSAVED: Duration = SAVE_EVERY.saturating_add(BUSY_TIMEOUT);

/// How a signing key was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigningKeyUse {
    /// Since when it is known.
    pub first_seen_at: UnixTime,
    /// Since when another key signs; `None` while this one does.
    pub retired_at: Option<UnixTime>,
    /// The longest lifetime of tokens that were served under it; zero if it never signed here.
    pub longest_lifetime: Duration,
}

impl Store {
    /// Tokens issued before this moment are dead, whoever they are for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn tokens_not_before(&self) -> Result<UnixTime, StoreError> {
        let sql = "SELECT tokens_not_before FROM realm";
        self.database.read(|connection| connection.query_row(sql, [], |row| moment(row, 0)))
    }

    /// Ends every token issued until now, whoever it is for and whatever server on this store issued it. `newest` is
    /// the newest time that the caller knows of, `now` what the clock says.
    ///
    /// Gives since when tokens count: it is later than now, and what is issued until then is dead too.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn end_all_tokens(&self, newest: UnixTime, now: UnixTime) -> Result<UnixTime, StoreError> {
        let sql = "SELECT newest_time FROM realm";
        self.database.write(|connection| {
            let transaction = connection.transaction()?;
            let newest = newest.max(transaction.query_row(sql, [], |row| moment(row, 0))?);
            let since = after_all_issued(newest, now);
            count_tokens_since(&transaction, since)?;
            transaction.commit()?;
            Ok(since)
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

    /// Notes who spoke for others without being a trusted proxy: `peer` is an address, or `unix`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_undeclared_proxy(&self, peer: &str, at: UnixTime) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO undeclared_proxy (only, peer, seen_at) VALUES (1, ?1, ?2)";
        self.database.write(|connection| {
            connection.execute(sql, params![peer, seconds(at)])?;
            Ok(())
        })
    }

    /// Notes that these keys, oldest first, are in use, and that the newest signs tokens of this lifetime.
    ///
    /// Every other key, whether it still stands there or not, is retired from now on, unless it was already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_signing_keys<'a>(
        &self,
        fingerprints: impl Iterator<Item = &'a str>,
        lifetime: Duration,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let insert =
            "INSERT INTO signing_keys (fingerprint, first_seen_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        let sign = "UPDATE signing_keys SET retired_at = NULL, longest_lifetime = max(longest_lifetime, ?2) \
                    WHERE fingerprint = ?1";
        let retire = "UPDATE signing_keys SET retired_at = ?2 WHERE fingerprint <> ?1 AND retired_at IS NULL";
        let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        self.database.write(|connection| {
            let transaction = connection.transaction()?;
            let mut newest = None;
            for fingerprint in fingerprints {
                transaction.execute(insert, params![fingerprint, seconds(now)])?;
                newest = Some(fingerprint);
            }
            transaction.execute(sign, params![newest, lifetime])?;
            transaction.execute(retire, params![newest, seconds(now)])?;
            transaction.commit()?;
            Ok(())
        })
    }

    /// What is known of every signing key that was ever noted, by its fingerprint.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn signing_keys(&self) -> Result<BTreeMap<String, SigningKeyUse>, StoreError> {
        let sql = "SELECT fingerprint, first_seen_at, retired_at, longest_lifetime FROM signing_keys";
        self.database.read_once(|connection| {
            let mut statement = connection.prepare(sql)?;
            let mut rows = statement.query([])?;
            let mut uses = BTreeMap::new();
            while let Some(row) = rows.next()? {
                uses.insert(row.get(0)?, key_use(row)?);
            }
            Ok(uses)
        })
    }
}

/// The first second in which nothing was issued yet. What is issued in this second may be older than this moment, so it
/// is the next one. While the clock is behind the newest time, nobody but a running server knows how late it is, and
/// what it told the store may be a while ago.
pub(super) fn after_all_issued(newest: UnixTime, now: UnixTime) -> UnixTime {
    let unsaved = if newest > now { UNSAVED } else { Duration::ZERO };
    newest.max(now).saturating_add(unsaved).saturating_add(Duration::from_secs(1))
}

/// From this moment on tokens count. It never goes back, and who opens the store later begins there.
pub(super) fn count_tokens_since(connection: &Connection, at: UnixTime) -> rusqlite::Result<()> {
    let sql = "UPDATE realm SET newest_time = max(newest_time, ?1), \
               tokens_not_before = max(tokens_not_before, ?1)";
    connection.execute(sql, [seconds(at)])?;
    Ok(())
}

fn key_use(row: &Row<'_>) -> rusqlite::Result<SigningKeyUse> {
    Ok(SigningKeyUse {
        first_seen_at: moment(row, 1)?,
        retired_at: optional_moment(row, 2)?,
        longest_lifetime: Duration::from_secs(unsigned(row, 3)?),
    })
}
