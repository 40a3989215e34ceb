//! Who has the database open: everybody shares a lock on its directory, and who replaces the database takes it alone.
//!
//! SQLite's own locks are on the file itself, which is the wrong one as soon as another stands at its path: who waited
//! for them would go on with the old database and, by their names, with the new one's `-wal` and `-shm`. A directory
//! stays. flock(2), so the lock goes with whoever holds it, by kill -9 too.

use super::StoreError;
use crate::os;
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

/// Held for as long as the database is open.
#[derive(Debug)]
pub(super) struct Open {
    _directory: File,
}

impl Open {
    /// For who opens the database beside others.
    pub(super) fn with_others(database: &Path) -> Result<Self, StoreError> {
        let unavailable = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::Missing,
            _ => StoreError::Unavailable(error.into()),
        };
        let directory = os::open_directory_of(database).map_err(unavailable)?;
        match directory.try_lock_shared() {
            Ok(()) => Ok(Self { _directory: directory }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Unavailable(
                "gatekey restore is at work on it; try again when it is done".into(),
            )),
            Err(TryLockError::Error(error)) => Err(unavailable(error)),
        }
    }

    /// For who puts another in its place; `None` while anybody has it open.
    pub(super) fn alone(database: &Path) -> io::Result<Option<Self>> {
        let directory = os::open_directory_of(database)?;
        match directory.try_lock() {
            Ok(()) => Ok(Some(Self { _directory: directory })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}
