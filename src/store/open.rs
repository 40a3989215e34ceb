//! Opening a database: the directory lock, inspection, creation and migration.

use super::error::StoreError;
use super::lock::{self, DirLock};
use super::{generations, schema, sqlite};
use crate::os;
use crate::user_id::Generation;
use std::path::Path;

/// An open database, shared by reference among threads.
#[derive(Debug)]
pub struct Store {
    pub(super) database: sqlite::Database,
    /// Released after the database is closed: fields are dropped in order.
    _lock: DirLock,
}

impl Store {
    /// Opens a database and migrates an older one.
    ///
    /// # Errors
    /// Every [`StoreError`] but `WouldBlock`. A file that is empty, newer, older, foreign or corrupt stays
    /// unchanged.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = DirLock::shared(path)?;
        let opened = schema::inspect(path).and_then(|()| sqlite::Database::open(path, schema::migrate));
        let database = opened.map_err(|error| lock::explain(error, path))?;
        Ok(Self { database, _lock: lock })
    }

    /// Opens a database; creates it with mode 0600 if the file is missing or empty. It is durable when this
    /// returns.
    ///
    /// # Errors
    /// As [`Store::open`], but for `Missing` and `Empty`.
    pub fn open_or_create(path: &Path, first: FirstGeneration) -> Result<Self, StoreError> {
        let lock = DirLock::shared(path)?;
        sqlite::create_file(path)?;
        let first_generation = match first {
            FirstGeneration::One => Generation::FIRST,
            FirstGeneration::Unused => generations::unused(0)?,
        };
        let migrate = |connection: &mut _| schema::create_or_migrate(connection, first_generation);
        let inspected = match schema::inspect(path) {
            Err(StoreError::Empty) => Ok(()),
            inspected => inspected,
        };
        let opened = inspected.and_then(|()| sqlite::Database::open(path, migrate));
        let database = opened.map_err(|error| lock::explain(error, path))?;
        os::sync_directory_of(path).map_err(|error| StoreError::Unavailable(error.into()))?;
        Ok(Self { database, _lock: lock })
    }
}

/// Token generation of the first user of a new database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstGeneration {
    /// The first: no key has signed a token yet.
    One,
    /// A generation that no token has: the keys may have signed tokens for users of a lost database.
    Unused,
}
