//! The data directory: one database, one key file, for their owner alone.
//!
//! ```text
//! gatekey-data/                 0700
//!     gatekey.sqlite3           0600   the users
//!     signing-keys              0600   the secrets that sign tokens
//! ```
//!
//! Both are made at the first start, the keys last and at once: a database without keys in which no user ever was is a
//! first start that was cut short, and the next one goes on from there. After that, each needs the other. A database
//! without its keys would sign everybody out by a new key that nobody asked for. And keys without their database (it is
//! missing, or its file is empty: a volume that was not mounted, a file that was truncated) would get a new one, whose
//! users would be given ids anew, and old tokens would fit those. So either is an error instead.
//!
//! A symbolic link in the place of one of these files is refused: it would have another file read or written. A key file
//! elsewhere (`--key-file`) may be one, as a mounted secret is. Root refuses a directory of another user; the command line
//! becomes that user first.
//!
//! While a server runs, SQLite keeps `gatekey.sqlite3-wal` and `-shm` here, and each server a file `loaded-keys-…`
//! (`keys/loaded.rs`).
//!
//! A restore keeps the database that stood here, as `gatekey.sqlite3.before-restore-` and the second of it.

mod permissions;

pub use permissions::PermissionsError;

use crate::clock::UnixTime;
use crate::keys::{self, KeyFileError, Keys};
use crate::os;
use crate::shell;
use crate::store::{
    self, Backup, CopyError, CopyStep, DatabaseReport, FirstGeneration, Restored, Store, StoreError,
};
use core::error::Error;
use core::fmt;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// The database's name in the data directory.
pub const DATABASE: &str = "gatekey.sqlite3";
/// The key file's name in the data directory.
pub const SIGNING_KEYS: &str = "signing-keys";

/// Where the data lies.
#[derive(Clone, Debug)]
pub struct DataDir {
    directory: PathBuf,
    key_file: PathBuf,
    is_new: bool,
}

impl DataDir {
    /// This directory, with the key file in it.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        Self { key_file: directory.join(SIGNING_KEYS), directory, is_new: false }
    }

    /// The same directory, with the key file elsewhere: a mounted secret, say.
    #[must_use]
    pub fn with_key_file(self, key_file: impl Into<PathBuf>) -> Self {
        Self { key_file: key_file.into(), ..self }
    }

    /// The same directory, of which somebody said that it is new: the keys that are there belong to no other database.
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

    /// The database, and the two files that SQLite puts beside it while it is open.
    pub fn database_files(&self) -> [PathBuf; 3] {
        ["", "-wal", "-shm"].map(|end| self.directory.join(format!("{DATABASE}{end}")))
    }

    /// The key file's path.
    pub fn key_file(&self) -> &Path {
        &self.key_file
    }

    /// Refuses symbolic links in the place of the database's files, and of a key file in the data directory.
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

    /// Opens database and keys, and makes what a first start needs.
    ///
    /// # Errors
    /// [`DataDirError`]; [`DataDirError::DatabaseMissing`] where there are keys, but no database or an empty one, unless it
    /// was said to be new.
    pub fn open_or_create(&self) -> Result<(Store, Keys), DataDirError> {
        self.refuse_links()?;
        let has_keys = self.has_key_file()?;
        if has_keys && (!self.is_new || self.has_database()?) {
            return self.open();
        }
        self.create_directory()?;
        // The keys may have signed tokens for users of a database that is gone.
        let first = if has_keys { FirstGeneration::Unused } else { FirstGeneration::One };
        let store = Store::open_or_create(&self.database(), first);
        let store = store.map_err(|error| DataDirError::Store(self.database(), error))?;
        if !has_keys {
            let is_unused = store.is_unused().map_err(|error| DataDirError::Store(self.database(), error))?;
            // Unless another first start has just made them.
            if !is_unused && !self.has_key_file()? {
                return Err(self.keys_missing());
            }
            self.create_keys()?;
        }
        self.with_keys(Ok(store))
    }

    /// Whether a new database may be made here.
    ///
    /// # Errors
    /// [`DataDirError::DatabaseMissing`] where there are keys, but no database or an empty one, unless it was said to be new.
    pub fn check_may_create(&self) -> Result<(), DataDirError> {
        if self.has_key_file()? && !self.is_new && !self.has_database()? {
            Err(self.database_missing())
        } else {
            Ok(())
        }
    }

    /// Where there is none yet.
    fn create_keys(&self) -> Result<(), DataDirError> {
        if !self.has_key_file()? {
            keys::create_if_missing(&self.key_file)?;
        }
        Ok(())
    }

    fn create_directory(&self) -> Result<(), DataDirError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.directory);
        // Whatever was found there instead of being made: root leaves other users' directories alone.
        let checked = made.and_then(|()| os::refuse_other_owners_as_root(&self.directory));
        let synced = checked.and_then(|()| os::sync_directory_of(&self.directory));
        synced.map_err(|error| DataDirError::Directory(self.directory.clone(), error))
    }

    /// Opens database and keys, which must be there.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn open(&self) -> Result<(Store, Keys), DataDirError> {
        self.with_keys(self.open_store())
    }

    /// Opens the database alone, which must be there, for what needs no keys.
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

    /// Puts a backup's users in the database's place, which it has to itself meanwhile; and, where there is neither
    /// database nor key file, makes a new key as a first start does. Says whether it did. `on_step` is called as each step
    /// begins.
    ///
    /// # Errors
    /// [`DataDirError`]. Of a file that is no sound backup, and of a directory that is in use, all stays as it was. Where it
    /// fails later, on a full disk say, a key that was made for it stays; the next restore uses it, and doesn't say that
    /// it is new.
    pub fn restore(
        &self,
        file: &Path,
        now: UnixTime,
        on_step: &dyn Fn(CopyStep<'_>),
    ) -> Result<(Restored, bool), DataDirError> {
        let backup = Backup::open(file, on_step)?;
        // A key file that is there and unusable is for the next start to complain of.
        let has_keys = self.has_key_file()?;
        self.refuse_links()?;
        if !self.has_database()? {
            self.create_directory()?;
            self.create_keys()?;
        } else if !has_keys {
            return Err(self.keys_missing());
        }
        let restored = backup.restore_to(&self.database(), now, on_step)?;
        let _ = keys::remove_abandoned(&self.directory); // left by servers that were killed; they harm nobody
        Ok((restored, !has_keys))
    }

    /// Copies the database into a new file, also while a server writes to it. `on_step` is called as each step begins.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn back_up(
        &self,
        file: &Path,
        on_step: &dyn Fn(CopyStep<'_>),
    ) -> Result<store::BackedUp, DataDirError> {
        self.refuse_links()?;
        if !self.has_database()? && self.has_key_file()? {
            return Err(self.database_missing());
        }
        Ok(store::back_up(&self.database(), file, on_step)?)
    }

    /// Reads the whole database, and reports what a check needs to know. `at` is the newest time that is not in the
    /// future.
    ///
    /// # Errors
    /// [`StoreError`].
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
    ///
    /// # Errors
    /// [`PermissionsError`].
    pub fn check_permissions(&self) -> Result<(), PermissionsError> {
        permissions::check(&self.directory, self.database_files())
    }

    /// Whether there is a database; an empty file is none.
    ///
    /// # Errors
    /// [`DataDirError::Directory`] where that can't be told.
    pub fn has_database(&self) -> Result<bool, DataDirError> {
        match self.database().symlink_metadata() {
            Ok(metadata) => Ok(metadata.len() > 0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(DataDirError::Directory(self.database(), error)),
        }
    }

    /// Whether anything stands at the key file's path, usable or not.
    fn has_key_file(&self) -> Result<bool, DataDirError> {
        match self.key_file.symlink_metadata() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(DataDirError::Directory(self.key_file.clone(), error)),
        }
    }
}

/// Why the data can't be used.
#[derive(Debug)]
pub enum DataDirError {
    /// The directory can't be made or looked into.
    Directory(PathBuf, io::Error),
    /// The database can't be used.
    Store(PathBuf, StoreError),
    /// The key file can't be used.
    Keys(KeyFileError),
    /// No backup can be made, or none restored.
    Copy(CopyError),
    /// There is a database, but no key file.
    KeysMissing {
        /// What is there.
        database: PathBuf,
        /// What isn't.
        key_file: PathBuf,
    },
    /// There is a key file, but no database or an empty one, and nobody said that it is a new one.
    DatabaseMissing {
        /// What isn't there.
        database: PathBuf,
        /// What is.
        key_file: PathBuf,
    },
}

impl From<KeyFileError> for DataDirError {
    fn from(error: KeyFileError) -> Self {
        Self::Keys(error)
    }
}

impl From<CopyError> for DataDirError {
    fn from(error: CopyError) -> Self {
        Self::Copy(error)
    }
}

impl fmt::Display for DataDirError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path, error) => write!(f, "can't use {}: {error}", path.display()),
            Self::Store(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Keys(error) => error.fmt(f),
            Self::Copy(error) => error.fmt(f),
            Self::KeysMissing { database, key_file } => write!(
                f,
                "there is a database ({}) but no key file ({}): put the file back from where you keep it, or name it \
                 with --key-file; if it is lost, make a new key, which signs everybody out: {}",
                database.display(),
                key_file.display(),
                new_key_command(key_file)
            ),
            Self::DatabaseMissing { database, key_file } => write!(
                f,
                "there is a key file ({}) but no database ({} is missing or empty): put it back, or a backup in its place \
                 (gatekey restore FILE); if these keys never had a database, say so with --new-database",
                key_file.display(),
                database.display()
            ),
        }
    }
}

/// What makes a key file by hand.
pub fn new_key_command(key_file: &Path) -> String {
    alloc::format!("(umask 077 && head -c 32 /dev/urandom | base64 > {})", shell::quote_path(key_file))
}

impl Error for DataDirError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Directory(_, error) => error.source(),
            Self::Store(_, error) => error.source(),
            Self::Keys(error) => error.source(),
            Self::Copy(error) => error.source(),
            Self::KeysMissing { .. } | Self::DatabaseMissing { .. } => None,
        }
    }
}
