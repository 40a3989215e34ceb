//! A copy of the database, made while others write to it.
//!
//! By `VACUUM INTO`, not by SQLite's backup interface: both copy what one moment's reader sees, but this one leaves
//! out the free pages, in which deleted users and old hashes still stand; it writes one file that needs no `-wal`
//! beside it; and it needs no further part of rusqlite. It takes the memory of one connection's pages.
//!
//! The copy is made under another name, `FILE.partial`, and gets its own when it was read again, whole, and is on the
//! disk: so whatever has the name of a backup is one.

use super::lock::DirLock;
use super::{StoreError, files, schema, sqlite};
use crate::os;
use core::error::Error;
use core::fmt;
use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, ValueRef};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// What a new backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// How many users.
    pub users: u64,
    /// The file's size.
    pub bytes: u64,
}

/// What is being done to a copy, for whoever waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyStep<'a> {
    /// Everything is copied into this file, which gets about as long as `bytes`, not longer.
    Copying {
        /// It grows meanwhile.
        to: &'a Path,
        /// As long as what is copied.
        bytes: u64,
    },
    /// All of a copy is read.
    Checking,
}

/// Why no backup can be made, or none restored. The file comes first in every message.
#[derive(Debug)]
pub enum CopyError {
    /// This one can't be read, or not be written, as a database.
    Store(PathBuf, StoreError),
    /// This one can't be made, moved or looked at.
    File(PathBuf, io::Error),
    /// A backup never replaces a file.
    Exists(PathBuf),
    /// Left by a backup that was cut short, or another is being made.
    PartialExists(PathBuf),
    /// Somebody has this database open.
    InUse(PathBuf),
    /// The file to restore is the database.
    IsTheDatabase(PathBuf),
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(path, error) => write!(f, "{}: {error}", path.display()),
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Exists(path) => write!(f, "{} exists; give a name that is free", path.display()),
            Self::PartialExists(path) => write!(
                f,
                "{} exists: another backup is being made there, or one was cut short; in that case remove it",
                path.display()
            ),
            Self::InUse(path) => write!(
                f,
                "{} is in use; stop the server, and whatever else has it open, first",
                path.display()
            ),
            Self::IsTheDatabase(path) => write!(f, "{} is the database itself", path.display()),
        }
    }
}

impl Error for CopyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Store(_, error) => error.source(),
            Self::File(_, error) => error.source(),
            Self::Exists(_) | Self::PartialExists(_) | Self::InUse(_) | Self::IsTheDatabase(_) => None,
        }
    }
}

/// Copies the database into a new file, for its owner alone; when this returns, the copy was checked and is on the
/// disk. The database stays as it is, also if it is an older gatekey's. `told` is called as each step begins.
///
/// # Errors
/// [`CopyError`]; no file is left behind then, unless only its directory could not be synced.
pub fn back_up(database: &Path, file: &Path, told: &dyn Fn(CopyStep<'_>)) -> Result<BackedUp, CopyError> {
    let unreadable = |error| CopyError::Store(database.into(), error);
    let _lock = DirLock::shared(database).map_err(unreadable)?;
    let (source, _) = open_verified(database, Depth::Schema).map_err(unreadable)?;
    if file.symlink_metadata().is_ok() {
        return Err(CopyError::Exists(file.into()));
    }
    let partial = files::beside(file, ".partial");
    create(&partial).map_err(|error| match error {
        CopyError::File(_, error) => CopyError::File(file.into(), error), // the name that was given
        error => error,
    })?;
    let made = fill(&source, database, &partial, told).and_then(|contents| {
        os::rename_to_free_name(&partial, file).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => CopyError::Exists(file.into()),
            _ => CopyError::File(file.into(), error),
        })?;
        Ok(contents)
    });
    if made.is_err() {
        let _ = fs::remove_file(&partial); // what went wrong is said, and matters more
    }
    let contents = made?;
    os::sync_directory_of(file).map_err(|error| CopyError::File(file.into(), error))?;
    Ok(contents)
}

/// An empty file, for its owner alone.
pub(super) fn create(path: &Path) -> Result<(), CopyError> {
    match os::create_private_file(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(CopyError::PartialExists(path.into()))
        }
        Err(error) => Err(CopyError::File(path.into(), error)),
    }
}

/// Copies into an empty file, reads the copy again and gets it onto the disk.
fn fill(
    source: &Connection,
    database: &Path,
    copy: &Path,
    told: &dyn Fn(CopyStep<'_>),
) -> Result<BackedUp, CopyError> {
    copy_into(source, database, copy, told)?;
    told(CopyStep::Checking);
    let (connection, users) =
        open_verified(copy, Depth::EveryPage).map_err(|error| CopyError::Store(copy.into(), error))?;
    drop(connection);
    let bytes = sync(copy).map_err(|error| CopyError::File(copy.into(), error))?;
    Ok(BackedUp { users, bytes })
}

/// Copies what a database holds into an empty file.
pub(super) fn copy_into(
    source: &Connection,
    database: &Path,
    copy: &Path,
    told: &dyn Fn(CopyStep<'_>),
) -> Result<(), CopyError> {
    let bytes = bytes_in_use(source).map_err(|error| CopyError::Store(database.into(), error.into()))?;
    told(CopyStep::Copying { to: copy, bytes });

    // Absolute: SQLite takes some names, such as ":memory:", for other things than files.
    let path = std::path::absolute(copy).map_err(|error| CopyError::File(copy.into(), error))?;
    let path = ToSqlOutput::Borrowed(ValueRef::Text(path.as_os_str().as_bytes()));
    let copied = source.execute("VACUUM INTO ?1", [path]).map_err(StoreError::from);
    copied.map(|_| ()).map_err(|error| match error {
        StoreError::Corrupt(_) => CopyError::Store(database.into(), error),
        _ => CopyError::Store(copy.into(), error), // the disk is full, mostly
    })
}

/// What the pages of a database take in which anything stands.
fn bytes_in_use(connection: &Connection) -> rusqlite::Result<u64> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = number("page_count")?.saturating_sub(number("freelist_count")?);
    Ok(pages.saturating_mul(number("page_size")?).unsigned_abs())
}

/// Gets a file that no store is open on onto the disk; its size.
pub(super) fn sync(path: &Path) -> io::Result<u64> {
    let file = File::open(path)?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

/// How much of a database is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Whose it is, how old, and whether all columns are there.
    Schema,
    /// And everything in it.
    EveryPage,
}

/// Opens a database that has been looked at, leaving it as it is; also how many users are in it.
pub(super) fn open_verified(path: &Path, depth: Depth) -> Result<(Connection, u64), StoreError> {
    schema::inspect(path)?;
    let connection = sqlite::connect_to_inspect(path)?;
    if depth == Depth::EveryPage {
        schema::reject_code(&connection)?;
    }
    if depth == Depth::EveryPage {
        let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if found != "ok" {
            return Err(StoreError::Corrupt(found.into()));
        }
    }
    let users: i64 = connection.query_row("SELECT count(*) FROM users", [], |row| row.get(0))?;
    Ok((connection, users.unsigned_abs()))
}
