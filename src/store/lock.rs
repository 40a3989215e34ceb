//! Directory lock: shared by processes that have the database open, exclusive for one that replaces it.
//!
//! SQLite's own locks are on the database file, so they don't protect its replacement: a process that waited
//! for them would use the old database with the new `-wal` and `-shm` files. The directory stays. The kernel
//! releases a flock(2) with its process, by kill -9 too.
//!
//! Every use of a database begins here. So this file also rejects another user's directory, if the process is
//! root, and a symbolic link in place of a database file. SQLite opens its files with `O_NOFOLLOW`, so a
//! later link is rejected too.

use super::error::StoreError;
use super::files;
use super::io_errors::NO_LOCKS;
use crate::os;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

/// Held while the database is open.
#[derive(Debug)]
pub(super) struct DirLock {
    _directory: File,
}

impl DirLock {
    /// For a process that opens the database.
    pub(super) fn shared(database: &Path) -> Result<Self, StoreError> {
        let unavailable = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::Missing,
            _ => StoreError::Unavailable(error.into()),
        };
        let directory = open_checked(database).map_err(unavailable)?;
        match directory.try_lock_shared() {
            Ok(()) => Ok(Self { _directory: directory }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Unavailable(
                "gatekey restore is at work on it; try again when it is done".into(),
            )),
            Err(TryLockError::Error(error)) if os::is_missing_locks(&error) => Err(no_locks(&error)),
            Err(TryLockError::Error(error)) => Err(unavailable(error)),
        }
    }

    /// For a process that replaces the database; `None` while another has it open.
    pub(super) fn exclusive(database: &Path) -> io::Result<Option<Self>> {
        let directory = open_checked(database)?;
        match directory.try_lock() {
            Ok(()) => Ok(Some(Self { _directory: directory })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) if os::is_missing_locks(&error) => {
                Err(io::Error::other(format!("{NO_LOCKS} ({error})")))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Opens the database's directory after the checks above.
fn open_checked(database: &Path) -> io::Result<File> {
    let directory = os::open_directory_of(database)?;
    os::refuse_directory_of_others_as_root(&directory, database)?;
    refuse_link(database)?;
    ["-wal", "-shm", "-journal"]
        .iter()
        .try_for_each(|end| refuse_irregular(&files::beside(database, end)))?;
    Ok(directory)
}

fn refuse_link(path: &Path) -> io::Result<()> {
    if path.is_symlink() { Err(os::unexpected_link(path)) } else { Ok(()) }
}

/// Refuses also a pipe or the like, for whose other end SQLite would wait; in the database's place it
/// doesn't.
fn refuse_irregular(path: &Path) -> io::Result<()> {
    refuse_link(path)?;
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => {
            Err(io::Error::other(format!("{} is not a regular file; move it away", path.display())))
        }
        _ => Ok(()),
    }
}

fn no_locks(error: &io::Error) -> StoreError {
    StoreError::Unavailable(format!("{NO_LOCKS} ({error})").into())
}

/// SQLite reports missing file locks as busy ones. So after a failure, this tries a lock on a file of its
/// own.
pub(super) fn explain(error: StoreError, database: &Path) -> StoreError {
    if !matches!(&error, StoreError::Unavailable(_)) {
        return error;
    }
    match os::try_file_lock_beside(database) {
        Err(missing) if os::is_missing_locks(&missing) => no_locks(&missing),
        _ => error,
    }
}
