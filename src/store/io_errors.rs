//! Probable causes of SQLite's I/O errors.
//!
//! SQLite reports "disk I/O error" for many causes, and errno is not available without `unsafe`. The extended
//! result code names the failed call (<https://www.sqlite.org/rescode.html>), and so the probable cause.

use crate::os;
use core::error::Error;
use core::fmt;
use rusqlite::ffi;
use std::fs::File;

/// Without file locks, two processes could write to the database at once.
pub(super) const NO_LOCKS: &str = "file locks don't work on this file system, as on NFS mounted with nolock; put the data directory on a \
                                   disk of this machine";

/// A SQLite error with its probable cause.
#[derive(Debug)]
pub(super) struct IoError {
    cause: &'static str,
    error: rusqlite::Error,
}

impl IoError {
    /// Explains an error; returns it unchanged if its cause is unknown.
    pub(super) fn explain(error: rusqlite::Error) -> Result<Self, rusqlite::Error> {
        match error.sqlite_error().and_then(|error| cause(error.extended_code)) {
            Some(cause) => Ok(Self { cause, error }),
            None => Err(error),
        }
    }
}

fn cause(code: i32) -> Option<&'static str> {
    Some(match code {
        ffi::SQLITE_FULL => "no space left on device",
        ffi::SQLITE_IOERR_SHMSIZE => {
            "no space left on device for the -shm file (or a disk quota, or a limit of file sizes)"
        }
        ffi::SQLITE_IOERR_WRITE => {
            "a write failed: a limit of file sizes (ulimit -f), a disk quota, or a broken disk"
        }
        ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC | ffi::SQLITE_IOERR_TRUNCATE => {
            "what was written can't be got onto the disk; the kernel's log says why (dmesg)"
        }
        ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_FSTAT => {
            "the file can't be read; the kernel's log says why (dmesg)"
        }
        ffi::SQLITE_IOERR_LOCK
        | ffi::SQLITE_IOERR_RDLOCK
        | ffi::SQLITE_IOERR_UNLOCK
        | ffi::SQLITE_IOERR_SHMLOCK
        | ffi::SQLITE_IOERR_CHECKRESERVEDLOCK => NO_LOCKS,
        ffi::SQLITE_IOERR_SHMMAP | ffi::SQLITE_IOERR_SHMOPEN => {
            "the -shm file can't be shared in memory, which a database in WAL mode needs; put the data on a disk of this machine"
        }
        ffi::SQLITE_CANTOPEN => why_not_opened(),
        ffi::SQLITE_READONLY | ffi::SQLITE_READONLY_DIRECTORY | ffi::SQLITE_READONLY_CANTINIT => {
            "the database can't be written to: a read-only file system, or files of another user"
        }
        _ => return None,
    })
}

/// SQLite doesn't report why open(2) failed. Whether descriptors have run out shows when a directory is opened; never the
/// database itself, since closing it would release this process's locks on it.
fn why_not_opened() -> &'static str {
    let out_of_descriptors = File::open("/").err().and_then(|error| os::explain_descriptors(&error));
    out_of_descriptors.unwrap_or("no permission, a read-only file system, or no inode left (df -i)")
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.error.sqlite_error().map_or(0, |error| error.extended_code);
        let failed = if code == ffi::SQLITE_CANTOPEN { "unable to open a database file: " } else { "" };
        write!(f, "{failed}{} (SQLite error {code})", self.cause)
    }
}

impl Error for IoError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_and_other_errors_are_unchanged() {
        let of = |code| rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        let explained = |code| IoError::explain(of(code)).map(|error| error.to_string());
        assert_eq!(explained(ffi::SQLITE_FULL).unwrap(), "no space left on device (SQLite error 13)");
        assert!(
            explained(ffi::SQLITE_IOERR_SHMSIZE)
                .unwrap()
                .starts_with("no space left on device for the -shm file")
        );
        assert!(explained(ffi::SQLITE_IOERR_LOCK).unwrap().contains("file locks don't work"));
        assert!(explained(ffi::SQLITE_BUSY).is_err() && explained(ffi::SQLITE_CORRUPT).is_err());
    }
}
