//! Data directory: one database and one key file, private to their owner.
//!
//! ```text
//! gatekey-data/                 0700
//!     gatekey.sqlite3           0600   the users
//!     signing-keys              0600   the secrets that sign tokens
//! ```
//!
//! The first start creates both, the keys last: a database without keys and without a user ever is an
//! interrupted first start. After that, one without the other is an error:
//!
//! - A database without its keys would get a new key, which signs all users out.
//! - Keys without their database (missing or empty: an unmounted volume, a truncated file) would get a new
//!   database, whose users have the same ids, so that old tokens fit them.
//!
//! A symbolic link in place of one of these files is rejected. A key file elsewhere (`--key-file`) may be
//! one, as a mounted secret is. Root rejects a directory of another user; the command line acts as that user
//! first.
//!
//! A running server adds `gatekey.sqlite3-wal` and `-shm`, and `loaded-keys-…` (`keys/loaded.rs`). A restore
//! keeps the old database as `gatekey.sqlite3.before-restore-` and the Unix time.
//!
//! ```
//! use gatekey::data_dir::DataDir;
//! # let directory = tempfile::tempdir()?;
//! let data = DataDir::new(directory.path().join("gatekey-data"));
//! let (store, keys) = data.open_or_create()?;
//! assert_eq!((store.last_user_id()?, keys.ring().keys().count()), (None, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod permissions;

pub use permissions::PermissionsError;

use crate::clock::UnixTime;
use crate::keys::{self, KeyFileError, Keys};
use crate::os;
use crate::shell;
use crate::store::{self, Backup, CopyError, DatabaseReport, FirstGeneration, Restored, Store, StoreError};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// File name of the database.
pub const DATABASE: &str = "gatekey.sqlite3";
/// File name of the key file.
pub const SIGNING_KEYS: &str = "signing-keys";

/// Paths of a data directory.
#[derive(Clone, Debug)]
pub struct DataDir {
    directory: PathBuf,
    key_file: PathBuf,
    is_new: bool,
}

impl DataDir {
    /// A directory with the key file in it.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        Self { key_file: directory.join(SIGNING_KEYS), directory, is_new: false }
    }

    /// Sets the path of the key file, for instance of a mounted secret.
    #[must_use]
    pub fn with_key_file(self, key_file: impl Into<PathBuf>) -> Self {
        Self { key_file: key_file.into(), ..self }
    }

    /// Allows a new database beside existing keys: they belong to no other database.
    #[must_use]
    pub fn with_new_database(self) -> Self {
        Self { is_new: true, ..self }
    }

    /// The database's path.
    pub fn database(&self) -> PathBuf {
        self.directory.join(DATABASE)
    }

    /// The directory's path.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The database file, and SQLite's `-wal` and `-shm` beside it.
    pub fn database_files(&self) -> [PathBuf; 3] {
        ["", "-wal", "-shm"].map(|end| self.directory.join(format!("{DATABASE}{end}")))
    }

    /// The key file's path.
    pub fn key_file(&self) -> &Path {
        &self.key_file
    }

    /// Rejects symbolic links in place of the database's files and of a key file in the directory.
    ///
    /// # Errors
    /// [`DataDirError::Directory`].
    pub fn refuse_links(&self) -> Result<(), DataDirError> {
        let key_file = self.has_keys_inside().then(|| self.key_file.clone());
        let link = self.database_files().into_iter().chain(key_file).find(|path| path.is_symlink());
        link.map_or(Ok(()), |link| {
            Err(DataDirError::Directory(self.directory.clone(), os::unexpected_link(&link)))
        })
    }

    /// Whether the key file is in the data directory.
    pub fn has_keys_inside(&self) -> bool {
        let parent = self.key_file.parent().filter(|parent| *parent != Path::new(""));
        let real = |path: &Path| fs::canonicalize(path).ok();
        let inside = real(&self.directory);
        inside.is_some() && inside == real(parent.unwrap_or(Path::new(".")))
    }

    /// Opens database and keys; a first start creates them.
    ///
    /// # Errors
    /// [`DataDirError`]; `DatabaseMissing` if there are keys, but no database or an empty one, unless it is
    /// new.
    pub fn open_or_create(&self) -> Result<(Store, Keys), DataDirError> {
        self.refuse_links()?;
        let has_keys = self.has_key_file()?;
        if has_keys && (!self.is_new || self.has_database()?) {
            return self.open();
        }
        self.create_directory()?;
        // The keys may have signed tokens for users of a lost database.
        let first = if has_keys { FirstGeneration::Unused } else { FirstGeneration::One };
        let store = Store::open_or_create(&self.database(), first);
        let store = store.map_err(|error| DataDirError::Store(self.database(), error))?;
        if !has_keys {
            let is_unused = store.is_unused().map_err(|error| DataDirError::Store(self.database(), error))?;
            // Unless a concurrent first start has created them.
            if !is_unused && !self.has_key_file()? {
                return Err(self.keys_missing());
            }
            self.create_keys()?;
        }
        self.with_keys(Ok(store))
    }

    /// Checks that the database exists or may be created.
    ///
    /// # Errors
    /// [`DataDirError::DatabaseMissing`] if there are keys, but no database or an empty one, unless it is
    /// new.
    pub fn check_may_create(&self) -> Result<(), DataDirError> {
        if self.has_key_file()? && !self.is_new && !self.has_database()? {
            Err(self.database_missing())
        } else {
            Ok(())
        }
    }

    fn create_keys(&self) -> Result<(), DataDirError> {
        if !self.has_key_file()? {
            keys::create_if_missing(&self.key_file)?;
        }
        Ok(())
    }

    fn create_directory(&self) -> Result<(), DataDirError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.directory);
        // The directory may have existed: root rejects another user's.
        let checked = made.and_then(|()| os::refuse_other_owners_as_root(&self.directory));
        let synced = checked.and_then(|()| os::sync_directory_of(&self.directory));
        synced.map_err(|error| DataDirError::Directory(self.directory.clone(), error))
    }

    /// Opens an existing database and its keys.
    pub fn open(&self) -> Result<(Store, Keys), DataDirError> {
        self.with_keys(self.open_store())
    }

    /// Opens the existing database alone.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Missing`] if there is no database.
    pub fn open_store(&self) -> Result<Store, StoreError> {
        Store::open(&self.database())
    }

    fn with_keys(&self, store: Result<Store, StoreError>) -> Result<(Store, Keys), DataDirError> {
        self.refuse_links()?;
        let store = store.map_err(|error| match error {
            StoreError::Missing | StoreError::Empty if self.has_key_file().unwrap_or(false) => {
                self.database_missing()
            }
            error => DataDirError::Store(self.database(), error),
        })?;
        let keys = Keys::watched(self.key_file.clone()).map_err(|error| {
            if error.is_missing() { self.keys_missing() } else { DataDirError::Keys(error) }
        })?;
        Ok((store, keys))
    }

    fn keys_missing(&self) -> DataDirError {
        DataDirError::KeysMissing { database: self.database(), key_file: self.key_file.clone() }
    }

    fn database_missing(&self) -> DataDirError {
        DataDirError::DatabaseMissing { database: self.database(), key_file: self.key_file.clone() }
    }

    /// Restores a backup; creates a key if there is neither database nor key file, and returns whether it
    /// did.
    ///
    /// # Errors
    /// [`DataDirError`]. An invalid backup, or a directory in use, changes nothing. After a later failure, a
    /// full disk for instance, a created key stays.
    pub fn restore(&self, file: &Path, now: UnixTime) -> Result<(Restored, bool), DataDirError> {
        let backup = Backup::open(file)?;
        // The next start reports an unusable key file.
        let has_keys = self.has_key_file()?;
        self.refuse_links()?;
        if !self.has_database()? {
            self.create_directory()?;
            self.create_keys()?;
        } else if !has_keys {
            return Err(self.keys_missing());
        }
        let restored = backup.restore_to(&self.database(), now)?;
        let _ = keys::remove_abandoned(&self.directory); // left by killed servers, and harmless
        Ok((restored, !has_keys))
    }

    /// Backs the database up to a new file, also while a server writes.
    pub fn back_up(&self, file: &Path) -> Result<store::BackedUp, DataDirError> {
        self.refuse_links()?;
        if !self.has_database()? && self.has_key_file()? {
            return Err(self.database_missing());
        }
        Ok(store::back_up(&self.database(), file)?)
    }

    /// Reads the whole database, and reports what a check needs to know. `at` is the newest time that is not
    /// in the future.
    pub fn report(&self, at: UnixTime) -> Result<DatabaseReport, StoreError> {
        store::report(&self.database(), at)
    }

    /// Sets every future time in the database to now, and revokes all tokens. No server may run.
    ///
    /// # Errors
    /// [`DataDirError::Directory`] or [`DataDirError::Copy`].
    pub fn reset_clock(&self, now: UnixTime) -> Result<(), DataDirError> {
        self.refuse_links()?;
        Ok(store::reset_clock(&self.database(), now)?)
    }

    /// Rejects a directory or a database that another user can write to.
    pub fn check_permissions(&self) -> Result<(), PermissionsError> {
        permissions::check(&self.directory, self.database_files())
    }

    /// Whether the database file exists and is not empty.
    ///
    /// # Errors
    /// [`DataDirError::Directory`] if it can't be inspected.
    pub fn has_database(&self) -> Result<bool, DataDirError> {
        match self.database().symlink_metadata() {
            Ok(metadata) => Ok(metadata.len() > 0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(DataDirError::Directory(self.database(), error)),
        }
    }

    fn has_key_file(&self) -> Result<bool, DataDirError> {
        match self.key_file.symlink_metadata() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(DataDirError::Directory(self.key_file.clone(), error)),
        }
    }
}

/// Error of the data directory.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The directory can't be created or read.
    #[error("can't use {}: {}", .0.display(), .1)]
    Directory(PathBuf, #[source] io::Error),
    /// The database can't be used.
    #[error("{}: {}", .0.display(), .1)]
    Store(PathBuf, #[source] StoreError),
    /// The key file can't be used.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// A backup or restore failed.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The database exists, but not the key file.
    #[error(
        "there is a database ({}) but no key file ({}): put the file back from where you keep it, or name it \
         with --key-file; if it is lost, make a new key, which signs out all users: {}",
        database.display(),
        key_file.display(),
        new_key_command(key_file)
    )]
    KeysMissing {
        /// The existing database.
        database: PathBuf,
        /// The missing key file.
        key_file: PathBuf,
    },
    /// The key file exists, but the database is missing or empty, and not declared new.
    #[error(
        "there is a key file ({}) but no database ({} is missing or empty): put it back, or a backup in its place \
         (gatekey restore FILE); if these keys never had a database, say so with --new-database",
        key_file.display(),
        database.display()
    )]
    DatabaseMissing {
        /// The missing database.
        database: PathBuf,
        /// The existing key file.
        key_file: PathBuf,
    },
}

/// Shell command that creates a key file.
pub fn new_key_command(key_file: &Path) -> String {
    alloc::format!("(umask 077 && head -c 32 /dev/urandom | base64 > {})", shell::quote_path(key_file))
}
