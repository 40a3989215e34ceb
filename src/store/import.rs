//! Bulk import in one transaction.
//!
//! With imported ids, tokens issued elsewhere could become valid: of deleted users, or revoked after the
//! export. So users with an id, and all later ones, get a generation that no token has (`generations.rs`).
//! Tokens without a generation are the Flask original's: its users keep generation 0 and their tokens, unless
//! they come from a gatekey export.

use super::columns::{integer, seconds};
use super::error::StoreError;
use super::generations;
use super::open::Store;
use super::realm::Issued;
use super::sqlite::is_unique_violation;
use crate::clock::UnixTime;
use crate::user_id::{Generation, UserId};
use crate::username::Username;
use core::cell::Cell;
use rusqlite::{Connection, params};

/// Page cache of an import, in KiB: each user goes to a random page of two indexes.
const CACHE_KIB: i64 = 24 * 1024;
/// The largest id that an import accepts, 2^53 - 1: larger integers are not interoperable in JSON (RFC 8259
/// section 6), and new ids come after it.
const MAX_ID: i64 = (1 << 53) - 1;

/// A user to import.
#[derive(Clone, Copy, Debug)]
pub struct ImportedUser<'a> {
    /// The name.
    pub name: &'a Username,
    /// A hash that [`crate::password`] parses.
    pub password_hash: &'a str,
    /// The id to keep; `None` for a new one.
    pub id: Option<UserId>,
    /// 0 keeps the tokens of a user of the original; any other is replaced by an unused one, if an id is
    /// kept.
    pub generation: Generation,
    /// Whether the user is disabled.
    pub disabled: bool,
    /// Time of the import.
    pub at: UnixTime,
}

/// An import in progress.
#[derive(Debug)]
pub struct Import<'a> {
    connection: &'a Connection,
    /// The largest id assigned before this import.
    last_id: i64,
    foreign: Cell<ForeignTokens>,
}

/// What is known of tokens issued elsewhere.
#[derive(Clone, Copy, Debug, Default)]
struct ForeignTokens {
    /// Whether tokens may have been issued elsewhere for the imported ids.
    may_have_tokens: bool,
    /// Whether those of generation 0 may have been revoked too.
    is_export: bool,
    /// The largest id assigned elsewhere.
    last_id: i64,
    /// The highest generation there.
    last_generation: u64,
}

impl Store {
    /// Runs `work` in one transaction. Commits if it returns `true`; otherwise, or if it fails, nothing is
    /// changed.
    ///
    /// # Errors
    /// Those of `work`, and [`StoreError`].
    pub fn import<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Import<'_>) -> Result<(bool, T), E>,
    ) -> Result<T, E> {
        self.database.write(|connection| {
            let kept_kib = connection
                .pragma_query_value(None, "cache_size", |row| row.get::<_, i64>(0))
                .map_err(StoreError::from)?;
            connection.pragma_update(None, "cache_size", -CACHE_KIB).map_err(StoreError::from)?;
            let done = in_transaction(connection, work);
            connection.pragma_update(None, "cache_size", kept_kib).map_err(StoreError::from)?;
            done
        })
    }
}

fn in_transaction<T, E: From<StoreError>>(
    connection: &mut Connection,
    work: impl FnOnce(&Import<'_>) -> Result<(bool, T), E>,
) -> Result<T, E> {
    let last_id = "SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'users'";
    let transaction = connection.transaction().map_err(StoreError::from)?;
    let last_id = transaction.query_row(last_id, [], |row| row.get(0)).map_err(StoreError::from)?;
    let import = Import { connection: &transaction, last_id, foreign: Cell::default() };
    let (is_kept, result) = work(&import)?;
    if is_kept {
        import.end_tokens_from_elsewhere()?;
        generations::delete_all_sessions(&transaction).map_err(StoreError::from)?;
        transaction.commit().map_err(StoreError::from)?;
    }
    Ok(result)
}

impl Import<'_> {
    /// Records for which ids and generations tokens were issued elsewhere.
    ///
    /// # Errors
    /// [`ImportError::IdTooLarge`] and [`ImportError::GenerationTooLarge`].
    pub fn note_issued(&self, issued: &Issued) -> Result<(), ImportError> {
        let last_id = i64::try_from(issued.last_id).ok().filter(|id| *id <= MAX_ID);
        let last_id = last_id.ok_or(ImportError::IdTooLarge)?;
        let foreign = self.foreign.get();
        let last_generation = checked_generation(issued.last_generation)?.max(foreign.last_generation);
        let last_id = last_id.max(foreign.last_id);
        self.foreign.set(ForeignTokens { may_have_tokens: true, is_export: true, last_id, last_generation });
        Ok(())
    }

    fn end_tokens_from_elsewhere(&self) -> Result<(), StoreError> {
        let ForeignTokens { may_have_tokens, is_export, last_id, last_generation } = self.foreign.get();
        if !may_have_tokens {
            return Ok(());
        }
        let highest = generations::highest(self.connection)?.max(last_generation);
        let unused = integer(generations::unused(highest)?.number());
        let sql = "UPDATE users SET generation = ?1 WHERE id > ?2 AND generation >= ?3";
        self.connection.execute(sql, params![unused, self.last_id, i64::from(!is_export)])?;
        generations::raise_first_generation(self.connection, unused)?;
        Ok(generations::raise_last_id(self.connection, last_id)?)
    }

    /// Inserts one user.
    ///
    /// # Errors
    /// [`ImportError`]. After any but [`ImportError::Store`] the import can continue.
    pub fn insert(&self, user: &ImportedUser<'_>) -> Result<(), ImportError> {
        let sql = "INSERT INTO users (id, username, folded, password_hash, generation, disabled, created_at) \
                   SELECT ?1, ?2, ?3, ?4, CASE WHEN ?5 > 0 THEN max(?5, first_generation) ELSE 0 END, ?6, ?7 \
                   FROM realm";
        let id = user.id.map(UserId::number);
        if id.is_some_and(|id| id > MAX_ID) {
            return Err(ImportError::IdTooLarge);
        }
        // Tokens of a deleted user must not fit another one.
        if id.is_some_and(|id| id <= self.last_id) {
            return Err(ImportError::IdTaken);
        }
        let foreign = self.foreign.get();
        let generation = checked_generation(user.generation.number())?;
        let mut statement = self.connection.prepare_cached(sql).map_err(StoreError::from)?;
        let inserted = statement.execute(params![
            id,
            user.name.as_str(),
            user.name.folded(),
            user.password_hash,
            integer(generation),
            user.disabled,
            seconds(user.at)
        ]);
        match inserted {
            Ok(_) => {
                self.foreign.set(ForeignTokens {
                    may_have_tokens: foreign.may_have_tokens || (id.is_some() && generation > 0),
                    last_generation: foreign.last_generation.max(generation),
                    ..foreign
                });
                Ok(())
            }
            Err(error) if is_unique_violation(&error) => Err(ImportError::NameTaken),
            Err(error) if is_id_violation(&error) => Err(ImportError::IdTaken),
            Err(error) => Err(ImportError::Store(error.into())),
        }
    }
}

fn checked_generation(generation: u64) -> Result<u64, ImportError> {
    let is_allowed = generation <= generations::MAX_IMPORTED;
    if is_allowed { Ok(generation) } else { Err(ImportError::GenerationTooLarge) }
}

fn is_id_violation(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY)
}

/// Why a user was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A user has this name, or one with the same folded form.
    #[error("a user with this name, or one that looks the same, exists")]
    NameTaken,
    /// The id is or was assigned.
    #[error("the id is taken, or was: an id is never given twice, expected a free one or none")]
    IdTaken,
    /// The id is over 2^53 - 1.
    #[error("the id is too large, expected one up to {MAX_ID}")]
    IdTooLarge,
    /// The generation is over 2^52.
    #[error("the generation is too large, expected one up to {}", generations::MAX_IMPORTED)]
    GenerationTooLarge,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
