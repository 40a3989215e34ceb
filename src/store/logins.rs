//! Remembered addresses: where each user logged in recently, as hashes.
//!
//! An [`AddressMark`] is a keyed hash of user name and address under [`Store::limiter_key`]. It identifies an
//! address without storing it.

use super::columns::{optional_timestamp, seconds, unsigned};
use super::error::StoreError;
use super::open::Store;
use super::session::Reads;
use crate::client::AddressMark;
use crate::clock::UnixTime;
use crate::user_id::UserId;
use rusqlite::{Row, params};

/// What the rate limiter reads for a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RememberedAddress {
    /// The last login of that user at that address.
    pub seen_at: Option<UnixTime>,
    /// As [`Store::limiter_epoch`].
    pub limiter_epoch: u64,
}

/// Summary of a user's logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginHistory {
    /// Number of remembered addresses.
    pub addresses: u64,
    /// The last recorded login.
    pub newest: Option<UnixTime>,
}

/// User enumeration: it doesn't read the user and always returns one row, so that its time is the same for
/// known, unknown and disabled users.
pub(super) const FIND_REMEMBERED_ADDRESS: &str =
    "SELECT (SELECT max(seen_at) FROM remembered_addresses WHERE address = ?1), limiter_epoch FROM realm";

impl Store {
    /// Finds a remembered address: the only read before the rate limiter decides.
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

    /// Summary of a user's logins; counts only addresses seen since `since`.
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

    /// Remembers an address of a user. Deletes the user's addresses not seen since `forget_before`, and all
    /// but the last `keep`. Does nothing for a deleted user.
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
        // Among addresses of the same second, this one is kept.
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
