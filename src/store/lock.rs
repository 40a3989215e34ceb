//! Who has the database open: everybody shares a lock on its directory, and who replaces the database takes it alone.
//!
//! SQLite's own locks are on the file itself, which is the wrong one as soon as another stands at its path: who waited
//! for them would go on with the old database and, by their names, with the new one's `-wal` and `-shm`. A directory
//! stays. flock(2), so the lock goes with whoever holds it, by kill -9 too.
//!
//! As every use of a database begins here, two checks are here as well: root refuses another user's directory, and a symbolic link
//! is refused in the place of a database file. SQLite opens all of its files with `O_NOFOLLOW`, so a link that comes later is
//! refused too.

use super::io_errors::NO_LOCKS;
use super::{StoreError, files};
use crate::os;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

/// Held for as long as the database is open.
#[derive(Debug)]
pub(super) struct DirLock {
    _directory: File,
}

impl DirLock {
    /// For who opens the database beside others.
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
            Err(TryLockError::Error(error)) if is_unsupported(&error) => Err(no_locks(&error)),
            Err(TryLockError::Error(error)) => Err(unavailable(error)),
        }
    }

    /// For who puts another in its place; `None` while anybody has it open.
    pub(super) fn exclusive(database: &Path) -> io::Result<Option<Self>> {
        let directory = open_checked(database)?;
        match directory.try_lock() {
            Ok(()) => Ok(Some(Self { _directory: directory })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) if is_unsupported(&error) => {
                Err(io::Error::other(format!("{NO_LOCKS} ({error})")))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Opens the database's directory, if this process may work there.
fn open_checked(database: &Path) -> io::Result<File> {
    let directory = os::open_directory_of(database)?;
    os::refuse_directory_of_others_as_root(&directory, database)?;
    ["", "-wal", "-shm", "-journal"].iter().try_for_each(|end| refuse_link(&files::beside(database, end)))?;
    Ok(directory)
}

/// A symbolic link in the place of one of our files would have another file read, or written.
fn refuse_link(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
        return Err(os::unexpected_link(path));
    }
    Ok(())
}

/// What lock calls report where the file system, or the server behind it, has no locks.
fn is_unsupported(error: &io::Error) -> bool {
    os::is_missing_locks(error)
}

fn no_locks(error: &io::Error) -> StoreError {
    StoreError::Unavailable(format!("{NO_LOCKS} ({error})").into())
}

/// SQLite takes missing locks for busy ones. So where it can't go on, a lock is tried on a file that nobody else has.
pub(super) fn explain(error: StoreError, database: &Path) -> StoreError {
    if !matches!(&error, StoreError::Unavailable(_)) {
        return error;
    }
    match os::try_file_lock_beside(database) {
        Err(missing) if is_unsupported(&missing) => no_locks(&missing),
        _ => error,
    }
}
