//! Online backup by `VACUUM INTO`, while a server writes.
//!
//! Both `VACUUM INTO` and SQLite's backup interface copy a snapshot. `VACUUM INTO` omits free pages, which
//! may contain deleted users and old hashes, and writes a single file without a `-wal`.
//!
//! The copy is written to `FILE.partial`, verified, synced and then renamed: a file with the name of a backup
//! is complete.

use super::error::StoreError;
use super::lock::DirLock;
use super::{files, schema, sqlite};
use crate::os;
use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, ValueRef};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Result of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// Number of users.
    pub users: u64,
    /// Size of the file.
    pub bytes: u64,
}

/// Error of a backup or restore. Messages begin with the file.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A database can't be read or written.
    #[error("{}: {}", .0.display(), .1)]
    Store(PathBuf, #[source] StoreError),
    /// A file can't be created, moved or inspected.
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, #[source] io::Error),
    /// The backup file exists: a backup never replaces a file.
    #[error("{} exists; give a name that is free", .0.display())]
    Exists(PathBuf),
    /// The partial file exists: another backup is running, or one was interrupted.
    #[error(
        "{} exists: another backup is being made there, or one was interrupted; in that case remove it",
        .0.display()
    )]
    PartialExists(PathBuf),
    /// A process has the database open.
    #[error("{} is in use; stop the server, and whatever else has it open, first", .0.display())]
    InUse(PathBuf),
    /// The file to restore is the database.
    #[error("{} is the database itself", .0.display())]
    IsTheDatabase(PathBuf),
}

/// Backs the database up to a new file with mode 0600. The copy is verified and durable when this returns.
/// The database stays unchanged, also one of an older version.
///
/// # Errors
/// [`CopyError`]. Then no file is left, unless only the sync of its directory failed.
pub fn back_up(database: &Path, file: &Path) -> Result<BackedUp, CopyError> {
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
    let made = fill(&source, database, &partial).and_then(|contents| {
        os::rename_to_free_name(&partial, file).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => CopyError::Exists(file.into()),
            _ => CopyError::File(file.into(), error),
        })?;
        Ok(contents)
    });
    if made.is_err() {
        let _ = fs::remove_file(&partial); // the first error matters more
    }
    let contents = made?;
    os::sync_directory_of(file).map_err(|error| CopyError::File(file.into(), error))?;
    Ok(contents)
}

pub(super) fn create(path: &Path) -> Result<(), CopyError> {
    match os::create_private_file(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(CopyError::PartialExists(path.into()))
        }
        Err(error) => Err(CopyError::File(path.into(), error)),
    }
}

/// Copies into an empty file, verifies the copy and syncs it.
fn fill(source: &Connection, database: &Path, copy: &Path) -> Result<BackedUp, CopyError> {
    copy_into(source, database, copy)?;
    let (connection, users) =
        open_verified(copy, Depth::EveryPage).map_err(|error| CopyError::Store(copy.into(), error))?;
    drop(connection);
    let bytes = sync(copy).map_err(|error| CopyError::File(copy.into(), error))?;
    Ok(BackedUp { users, bytes })
}

pub(super) fn copy_into(source: &Connection, database: &Path, copy: &Path) -> Result<(), CopyError> {
    // Absolute, since names such as ":memory:" have a meaning to SQLite.
    let path = std::path::absolute(copy).map_err(|error| CopyError::File(copy.into(), error))?;
    let path = ToSqlOutput::Borrowed(ValueRef::Text(path.as_os_str().as_bytes()));
    let copied = source.execute("VACUUM INTO ?1", [path]).map_err(StoreError::from);
    copied.map(|_| ()).map_err(|error| match error {
        StoreError::Corrupt(_) => CopyError::Store(database.into(), error),
        _ => CopyError::Store(copy.into(), error), // the disk is full, mostly
    })
}

/// Syncs a file on which no store is open. Returns its size.
pub(super) fn sync(path: &Path) -> io::Result<u64> {
    let file = File::open(path)?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Application id, version and columns.
    Schema,
    /// Every page as well.
    EveryPage,
}

/// Verifies and opens a database without changing it. Also returns the number of users.
pub(super) fn open_verified(path: &Path, depth: Depth) -> Result<(Connection, u64), StoreError> {
    schema::inspect(path)?;
    let connection = sqlite::connect_to_inspect(path)?;
    if depth == Depth::EveryPage {
        schema::reject_code(&connection)?;
        let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if found != "ok" {
            return Err(StoreError::Corrupt(found.into()));
        }
    }
    let users: i64 = connection.query_row("SELECT count(*) FROM users", [], |row| row.get(0))?;
    Ok((connection, users.unsigned_abs()))
}
