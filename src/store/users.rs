//! Users: operations on the table `users`.

use super::administrators::AdministerError;
use super::columns::{generation, integer, seconds, timestamp, user_id};
use super::error::StoreError;
use super::generations;
use super::open::Store;
use super::session::Reads;
use super::sqlite::is_unique_violation;
use crate::clock::UnixTime;
use crate::user_id::{Generation, UserId};
use crate::username::Username;
use rusqlite::{Connection, OptionalExtension as _, Params, Row, params};

/// A row of `users`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Never reused.
    pub id: UserId,
    /// As registered, in NFC.
    pub username: String,
    /// PHC string, or a hash of another program ([`crate::password`]).
    pub password_hash: String,
    /// Tokens of other generations are revoked.
    pub generation: Generation,
    /// Whether the user is disabled.
    pub disabled: bool,
    /// Time of registration.
    pub created_at: UnixTime,
}

/// The columns that decide whether a token is valid, read in one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// The user.
    pub id: UserId,
    /// As registered, in NFC.
    pub username: String,
    /// The user's tokens of other generations are revoked.
    pub generation: Generation,
    /// Whether the user is disabled.
    pub disabled: bool,
    /// Tokens of all users issued before are revoked.
    pub tokens_not_before: UnixTime,
}

/// Why a user was not inserted.
#[derive(Debug, thiserror::Error)]
pub enum InsertError {
    /// A user has this name, or one with the same folded form.
    #[error("a user with this name, or one that looks the same, exists")]
    Taken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The columns of a [`User`], in the order in which [`user`] reads them.
macro_rules! select_user {
    ($rest:literal) => {
        concat!("SELECT id, username, password_hash, generation, disabled, created_at", $rest)
    };
}

/// Disables (`?2` is 1) or enables the user `?1`.
pub(super) const SET_DISABLED: &str =
    "UPDATE users SET disabled = ?2, generation = generation + ?2 WHERE id = ?1";
pub(super) const DELETE: &str = "DELETE FROM users WHERE id = ?1";

impl Store {
    /// Inserts a user, with the generation of new users.
    ///
    /// # Errors
    /// [`InsertError::Taken`], by the UNIQUE columns.
    pub fn insert_user(
        &self,
        name: &Username,
        password_hash: &str,
        at: UnixTime,
    ) -> Result<UserId, InsertError> {
        let sql = "INSERT INTO users (username, folded, password_hash, created_at, generation) \
                   SELECT ?1, ?2, ?3, ?4, first_generation FROM realm";
        self.database.write(|connection| {
            let mut statement = connection.prepare_cached(sql).map_err(StoreError::from)?;
            let id = statement.insert(params![name.as_str(), name.folded(), password_hash, seconds(at)]);
            let id = id.map_err(|error| {
                if is_unique_violation(&error) {
                    InsertError::Taken
                } else {
                    InsertError::Store(error.into())
                }
            })?;
            UserId::new(id).ok_or(InsertError::Store(StoreError::Corrupt("an id below 1".into())))
        })
    }

    /// Whether a user has this name, or one with the same folded form.
    pub fn is_username_taken(&self, name: &Username) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM users WHERE folded = ?1)";
        self.database
            .read(|connection| connection.prepare_cached(sql)?.query_row([name.folded()], |row| row.get(0)))
    }

    /// Finds the user with exactly this name.
    pub fn find_user_by_name(&self, name: &str, reads: Reads<'_>) -> Result<Option<User>, StoreError> {
        let sql = select_user!(" FROM users WHERE username = ?1");
        self.read(reads, |connection| connection.prepare_cached(sql)?.query_row([name], user).optional())
    }

    /// Finds the user with this id.
    pub fn find_user_by_id(&self, id: UserId, reads: Reads<'_>) -> Result<Option<User>, StoreError> {
        let sql = select_user!(" FROM users WHERE id = ?1");
        self.read(reads, |connection| {
            connection.prepare_cached(sql)?.query_row([id.number()], user).optional()
        })
    }

    /// Decoy hash: the stored hash of a user picked by `number`; `None` if there is no user.
    ///
    /// A number picks the same user for as long as that user exists, and all users about equally often. Its
    /// lowest bits are tried as an id: first as many as the largest id has, then one less each time, until a
    /// user has that id. So a new user changes the pick of few numbers.
    pub fn pick_decoy_hash(&self, number: u64) -> Result<Option<String>, StoreError> {
        const LARGEST: &str = "SELECT ifnull(max(id), 0) FROM users";
        const HASH: &str = "SELECT password_hash FROM users WHERE id = ?1";
        const FIRST: &str = "SELECT password_hash FROM users ORDER BY id LIMIT 1";
        self.database.read(|connection| {
            let largest: i64 = connection.prepare_cached(LARGEST)?.query_row([], |row| row.get(0))?;
            let mut statement = connection.prepare_cached(HASH)?;
            let mut mask = u64::MAX.checked_shr(largest.leading_zeros()).unwrap_or(0);
            while mask > 0 {
                let found = statement.query_row([integer(number & mask)], |row| row.get(0)).optional()?;
                if found.is_some() {
                    return Ok(found);
                }
                mask >>= 1;
            }
            connection.prepare_cached(FIRST)?.query_row([], |row| row.get(0)).optional()
        })
    }

    /// The only read of a token check.
    pub fn find_token_row(&self, id: UserId, reads: Reads<'_>) -> Result<Option<TokenRow>, StoreError> {
        let sql =
            "SELECT id, username, generation, disabled, tokens_not_before FROM users, realm WHERE id = ?1";
        self.read(reads, |connection| {
            connection.prepare_cached(sql)?.query_row([id.number()], token_row).optional()
        })
    }

    /// Up to `limit` users with ids above `after`, ordered by id.
    pub fn list_users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreError> {
        let sql = select_user!(" FROM users WHERE id > ?1 ORDER BY id LIMIT ?2");
        let after = after.map_or(0, UserId::number);
        self.database.read(|connection| {
            connection.prepare_cached(sql)?.query_map(params![after, limit], user)?.collect()
        })
    }

    /// The largest id of a user.
    pub fn last_user_id(&self) -> Result<Option<UserId>, StoreError> {
        let sql = "SELECT max(id) FROM users";
        let last = |row: &Row<'_>| row.get::<_, Option<i64>>(0);
        Ok(self.database.read(|connection| connection.query_row(sql, [], last))?.and_then(UserId::new))
    }

    /// Replaces a hash by another of the same password. False if the stored hash is not `old`: the password
    /// has changed.
    pub fn replace_password_hash(&self, id: UserId, old: &str, new: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE users SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2";
        self.change(sql, params![id.number(), old, new])
    }

    /// Changes a password and revokes the user's tokens. False if the password that was verified against
    /// `proved` may have changed since.
    pub fn change_password(&self, proved: &User, new_hash: &str) -> Result<bool, StoreError> {
        let sql = concat!(
            "UPDATE users SET password_hash = ?4, generation = generation + 1, link = link + 1",
            " WHERE id = ?1 AND disabled = 0 AND (password_hash = ?2 OR generation = ?3)"
        );
        self.revoke(
            proved.id,
            sql,
            params![proved.id.number(), proved.password_hash, integer(proved.generation.number()), new_hash],
        )
    }

    /// Deletes a user. False if the password that was verified against `proved` may have changed since.
    ///
    /// A password change changes hash *and* generation. A rehash changes only the hash, and a revocation only
    /// the generation; neither invalidates the proof. Hence the OR, here and above.
    ///
    /// # Errors
    /// [`AdministerError::LastAdministrator`] and [`AdministerError::Store`].
    pub fn delete_proved_user(&self, proved: &User) -> Result<bool, AdministerError> {
        let sql =
            "DELETE FROM users WHERE id = ?1 AND disabled = 0 AND (password_hash = ?2 OR generation = ?3)";
        let generation = integer(proved.generation.number());
        self.keep_an_administrator(proved.id, |transaction| {
            let params = params![proved.id.number(), proved.password_hash, generation];
            Ok(transaction.prepare_cached(sql)?.execute(params)? == 1)
        })
    }

    /// Sets a password by an administrator, and revokes the user's tokens.
    pub fn set_password(&self, id: UserId, hash: &str) -> Result<bool, StoreError> {
        let sql =
            "UPDATE users SET password_hash = ?2, generation = generation + 1, link = link + 1 WHERE id = ?1";
        self.revoke(id, sql, params![id.number(), hash])
    }

    /// Disables or enables a user. Disabling revokes the user's tokens.
    pub fn set_disabled(&self, id: UserId, disabled: bool) -> Result<bool, StoreError> {
        // A disabled user has no sessions, so enabling deletes none.
        self.revoke(id, SET_DISABLED, params![id.number(), disabled])
    }

    /// Revokes the tokens of a user.
    pub fn revoke_tokens(&self, id: UserId) -> Result<bool, StoreError> {
        self.revoke(id, "UPDATE users SET generation = generation + 1 WHERE id = ?1", params![id.number()])
    }

    /// Deletes a user by an administrator.
    pub fn delete_user(&self, id: UserId) -> Result<bool, StoreError> {
        self.change(DELETE, params![id.number()])
    }

    /// Runs a statement that raises a user's generation, or changes nothing, and deletes the user's sessions
    /// in the same transaction.
    pub(super) fn revoke(&self, user: UserId, sql: &str, params: impl Params) -> Result<bool, StoreError> {
        self.database.write(|connection| {
            let transaction = connection.transaction()?;
            let is_changed = transaction.prepare_cached(sql)?.execute(params)? == 1;
            if is_changed {
                generations::delete_sessions_of(&transaction, user)?;
            }
            transaction.commit()?;
            Ok(is_changed)
        })
    }

    /// Runs a statement that changes at most one row. Returns whether it did.
    pub(super) fn change(&self, sql: &str, params: impl Params) -> Result<bool, StoreError> {
        self.database
            .write(|connection: &mut Connection| Ok(connection.prepare_cached(sql)?.execute(params)? == 1))
    }
}

/// How many columns [`token_row`] reads.
pub(super) const TOKEN_COLUMNS: usize = 5;

/// The first columns of a statement that selects what decides about a token.
pub(super) fn token_row(row: &Row<'_>) -> rusqlite::Result<TokenRow> {
    Ok(TokenRow {
        id: user_id(row, 0)?,
        username: row.get(1)?,
        generation: generation(row, 2)?,
        disabled: row.get(3)?,
        tokens_not_before: timestamp(row, 4)?,
    })
}

/// Reads the columns of [`select_user`].
pub(super) fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: user_id(row, 0)?,
        username: row.get(1)?,
        password_hash: row.get(2)?,
        generation: generation(row, 3)?,
        disabled: row.get(4)?,
        created_at: timestamp(row, 5)?,
    })
}
