//! Logins: from where each user logged in lately.
//!
//! An address is known by its mark, a keyed hash of the user's name and the address under [`Store::limiter_key`]: the
//! store can tell whether an address is remembered, and the file doesn't say where a user lives.

use super::columns::{optional_timestamp, seconds, unsigned};
use super::{Reads, Store, StoreError};
use crate::client::AddressMark;
use crate::clock::UnixTime;
use crate::user_id::UserId;
use rusqlite::{Row, params};

/// All that the limiter needs of the store for a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RememberedAddress {
    /// When the user of that name was last remembered at that address, if ever.
    pub seen_at: Option<UnixTime>,
    /// As [`Store::limiter_epoch`].
    pub limiter_epoch: u64,
}

/// What is noted of a user's logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginHistory {
    /// From how many addresses the user logged in lately.
    pub addresses: u64,
    /// When a login was noted last.
    pub newest: Option<UnixTime>,
}

/// It reads nothing of the user, and always gives one row. An address that isn't remembered takes the same steps for every
/// name: known, unknown or disabled.
pub(super) const FIND_REMEMBERED_ADDRESS: &str =
    "SELECT (SELECT max(seen_at) FROM remembered_addresses WHERE address = ?1), limiter_epoch FROM realm";

impl Store {
    /// Whether an address is remembered: the one read before the limiter decides.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find_remembered_address(
        &self,
        address: &AddressMark,
        reads: Reads<'_>,
    ) -> Result<RememberedAddress, StoreError> {
        let found = |row: &Row<'_>| {
            Ok(RememberedAddress { seen_at: optional_timestamp(row, 0)?, limiter_epoch: unsigned(row, 1)? })
        };
        self.read(reads, |connection| {
            connection.prepare_cached(FIND_REMEMBERED_ADDRESS)?.query_row([address], found)
        })
    }

    /// What is noted of a user's logins; only addresses seen since `since` count.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn login_history(&self, id: UserId, since: UnixTime) -> Result<LoginHistory, StoreError> {
        let sql = "SELECT count(*) FILTER (WHERE seen_at >= ?2), max(seen_at) FROM remembered_addresses \
                   WHERE user_id = ?1";
        let notes = |row: &Row<'_>| {
            Ok(LoginHistory { addresses: unsigned(row, 0)?, newest: optional_timestamp(row, 1)? })
        };
        self.database.read_on_writer(|connection| {
            connection.query_row(sql, params![id.number(), seconds(since)], notes)
        })
    }

    /// Remembers that this user logged in from this address, and forgets of the user's other addresses those not
    /// seen since `forget_before`, and all but the `keep` seen last. Of a user who is gone nothing is remembered.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remember_address(
        &self,
        id: UserId,
        address: &AddressMark,
        at: UnixTime,
        keep: usize,
        forget_before: UnixTime,
    ) -> Result<(), StoreError> {
        let remember = "INSERT INTO remembered_addresses (user_id, address, seen_at) \
                        SELECT id, ?2, ?3 FROM users WHERE id = ?1 \
                        ON CONFLICT DO UPDATE SET seen_at = max(seen_at, excluded.seen_at)";
        // Of those seen in the same second the one that is shown now comes first.
        let forget = "DELETE FROM remembered_addresses WHERE user_id = ?1 AND (seen_at < ?3 OR address NOT IN \
                      (SELECT address FROM remembered_addresses WHERE user_id = ?1 \
                      ORDER BY seen_at DESC, address = ?2 DESC LIMIT ?4))";
        let (id, keep) = (id.number(), i64::try_from(keep).unwrap_or(i64::MAX));
        self.database.write(|connection| {
            let transaction = connection.transaction()?;
            transaction.execute(remember, params![id, address, seconds(at)])?;
            transaction.execute(forget, params![id, address, seconds(forget_before), keep])?;
            transaction.commit()?;
            Ok(())
        })
    }
}
