//! Logins: what decides about one, read at once, and from where each user logged in lately.
//!
//! An address is known by its mark, which whoever asks makes from it under [`Store::throttle_key`]: the store
//! can tell whether an address is remembered, and nobody can read there where a user lives.

use super::columns::{optional_moment, seconds, unsigned};
use super::users::{select_user, user};
use super::{Reads, Store, StoreError, User};
use crate::client::AddressMark;
use crate::clock::UnixTime;
use crate::user_id::UserId;
use rusqlite::{Row, params};

/// All that decides about a login, read in one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginSubject {
    /// The user of exactly this name, if there is one.
    pub user: Option<User>,
    /// When that user was last remembered at this address, if ever.
    pub remembered_at: Option<UnixTime>,
    /// As [`Store::throttle_epoch`].
    pub throttle_epoch: u64,
}

/// What is noted of a user's logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginNotes {
    /// From how many addresses the user logged in lately.
    pub addresses: u64,
    /// When a login was noted last.
    pub newest: Option<UnixTime>,
}

/// As long for a name that nobody has as for any other, up to some steps down a tree: there is always one row, and
/// the look for the address takes place in both cases (no user has the id 0).
pub(super) const FIND_LOGIN_SUBJECT: &str = select_user!(
    ", seen_at, throttle_epoch FROM realm LEFT JOIN users ON username = ?1 \
     LEFT JOIN remembered_addresses ON user_id = ifnull(id, 0) AND address = ?2"
);

impl Store {
    /// All that decides about a login as this user from this address: the one read before a password is hashed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find_login_subject(
        &self,
        username: &str,
        address: &AddressMark,
        reads: Reads<'_>,
    ) -> Result<LoginSubject, StoreError> {
        self.read(reads, |connection| {
            connection
                .prepare_cached(FIND_LOGIN_SUBJECT)?
                .query_row(params![username, address], login_subject)
        })
    }

    /// What is noted of a user's logins; only addresses seen since `since` count.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn login_notes(&self, id: UserId, since: UnixTime) -> Result<LoginNotes, StoreError> {
        let sql = "SELECT count(*) FILTER (WHERE seen_at >= ?2), max(seen_at) FROM remembered_addresses \
                   WHERE user_id = ?1";
        let notes =
            |row: &Row<'_>| Ok(LoginNotes { addresses: unsigned(row, 0)?, newest: optional_moment(row, 1)? });
        self.database
            .read_once(|connection| connection.query_row(sql, params![id.number(), seconds(since)], notes))
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

fn login_subject(row: &Row<'_>) -> rusqlite::Result<LoginSubject> {
    let is_user = row.get::<_, Option<i64>>(0)?.is_some();
    Ok(LoginSubject {
        user: is_user.then(|| user(row)).transpose()?,
        remembered_at: optional_moment(row, 6)?,
        throttle_epoch: unsigned(row, 7)?,
    })
}
