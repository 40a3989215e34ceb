//! Administrators, the enabled members of the group [`ADMIN_GROUP`]: changes by them, and the check that one remains.
//!
//! Check and change are one transaction, which locks the database for writing before it reads. So of two
//! administrators who remove each other at once, one remains.
//!
//! Known limitation: an invited member who has not set a password yet counts, since the stored hash doesn't show it.

use super::columns::integer;
use super::error::StoreError;
use super::generations;
use super::groups::{self, MAX_GROUPS};
use super::open::Store;
use super::users::{self, User};
use crate::group_name::GroupName;
use crate::user_id::UserId;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

/// The group whose enabled members are administrators.
pub const ADMIN_GROUP: &str = "admin";

/// A change of a user by an administrator. The default changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserChanges {
    /// Disables, which revokes the user's tokens and sessions, or enables.
    pub disabled: Option<bool>,
    /// Adds the user to these groups, after the removals.
    pub groups_add: Vec<GroupName>,
    /// Removes the user from these groups, also if the user is not in them.
    pub groups_remove: Vec<GroupName>,
}

/// Why a change that needs an administrator, or could remove one, was not made.
#[derive(Debug, thiserror::Error)]
pub enum AdministerError {
    /// The actor is no administrator any more, or the password that was verified may have changed.
    #[error("the actor is not an administrator")]
    NotAdministrator,
    /// There is no such user.
    #[error("there is no such user")]
    NoSuchUser,
    /// No administrator would remain.
    #[error("the user is the last administrator")]
    LastAdministrator,
    /// The user would be in more than [`MAX_GROUPS`] groups.
    #[error("the user would be in more than {MAX_GROUPS} groups")]
    TooManyGroups,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for AdministerError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// Changes a user by the administrator whose password was verified against `actor`.
    ///
    /// # Errors
    /// [`AdministerError`]; then nothing is changed.
    pub fn administer(
        &self,
        actor: &User,
        target: UserId,
        changes: &UserChanges,
    ) -> Result<(), AdministerError> {
        self.keep_an_administrator(target, |transaction| {
            check_actor(transaction, actor)?;
            change(transaction, target, changes)
        })
    }

    /// Deletes a user by the administrator whose password was verified against `actor`.
    ///
    /// # Errors
    /// [`AdministerError`]; then nothing is changed.
    pub fn delete_user_by(&self, actor: &User, target: UserId) -> Result<(), AdministerError> {
        self.keep_an_administrator(target, |transaction| {
            check_actor(transaction, actor)?;
            let deleted = transaction.prepare_cached(users::DELETE)?.execute([target.number()])?;
            if deleted == 1 { Ok(()) } else { Err(AdministerError::NoSuchUser) }
        })
    }

    /// Whether this user is the only administrator.
    pub fn is_last_administrator(&self, id: UserId) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) = 1 AND max(id) = ?1 FROM users JOIN user_groups ON user_id = id \
                   WHERE disabled = 0 AND name = ?2";
        let is_last = |connection: &Connection| {
            let row = connection.query_row(sql, params![id.number(), ADMIN_GROUP], |row| row.get(0));
            row.map(|is_last: Option<bool>| is_last == Some(true))
        };
        self.database.read(is_last)
    }

    /// Runs a change of `target` in a transaction that is rolled back if it removes the last administrator.
    pub(super) fn keep_an_administrator<T>(
        &self,
        target: UserId,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, AdministerError>,
    ) -> Result<T, AdministerError> {
        let is_administrator = "SELECT EXISTS (SELECT 1 FROM users JOIN user_groups ON user_id = id \
                                WHERE id = ?1 AND disabled = 0 AND name = ?2)";
        let has_administrator = "SELECT EXISTS (SELECT 1 FROM users JOIN user_groups ON user_id = id \
                                 WHERE disabled = 0 AND name = ?1)";
        self.database.write(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let is_one: bool = transaction
                .prepare_cached(is_administrator)?
                .query_row(params![target.number(), ADMIN_GROUP], |row| row.get(0))?;
            let changed = change(&transaction)?;
            if is_one
                && !transaction
                    .prepare_cached(has_administrator)?
                    .query_row([ADMIN_GROUP], |row| row.get::<_, bool>(0))?
            {
                return Err(AdministerError::LastAdministrator);
            }
            transaction.commit()?;
            Ok(changed)
        })
    }
}

/// Checks that the actor is still an administrator, with the password that was verified.
fn check_actor(transaction: &Transaction<'_>, actor: &User) -> Result<(), AdministerError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM users JOIN user_groups ON user_id = id WHERE id = ?1 \
               AND disabled = 0 AND (password_hash = ?2 OR generation = ?3) AND name = ?4)";
    let generation = integer(actor.generation.number());
    let params = params![actor.id.number(), actor.password_hash, generation, ADMIN_GROUP];
    let is_administrator = transaction.prepare_cached(sql)?.query_row(params, |row| row.get(0))?;
    if is_administrator { Ok(()) } else { Err(AdministerError::NotAdministrator) }
}

fn change(
    transaction: &Transaction<'_>,
    target: UserId,
    changes: &UserChanges,
) -> Result<(), AdministerError> {
    let id = target.number();
    let exists = "SELECT EXISTS (SELECT 1 FROM users WHERE id = ?1)";
    if !transaction.prepare_cached(exists)?.query_row([id], |row| row.get::<_, bool>(0))? {
        return Err(AdministerError::NoSuchUser);
    }
    if let Some(disabled) = changes.disabled {
        transaction.prepare_cached(users::SET_DISABLED)?.execute(params![id, disabled])?;
        generations::delete_sessions_of(transaction, target)?; // a disabled user has none
    }
    for group in &changes.groups_remove {
        transaction.prepare_cached(groups::REMOVE)?.execute(params![id, group.as_str()])?;
    }
    for group in &changes.groups_add {
        let added =
            transaction.prepare_cached(groups::ADD)?.execute(params![id, group.as_str(), MAX_GROUPS])?;
        if added == 0 {
            return Err(AdministerError::TooManyGroups);
        }
    }
    Ok(())
}
