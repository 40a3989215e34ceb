//! Detects that an open file was removed, moved or replaced.
//!
//! SQLite continues to use a file that was removed or moved, and its writes are lost when the last connection
//! closes. It doesn't see the file that replaced it either. So each operation first compares the files at the
//! paths by stat(2), which takes a microsecond. A read compares the database file alone.
//!
//! Left out: a file that is overwritten in place, by cp(1) for instance.

use super::error::StoreError;
use crate::os::FileId;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The database file, and the `-wal` and `-shm` files beside it.
#[derive(Debug)]
pub(super) struct OpenFiles([OpenFile; 3]);

#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    id: FileId,
    /// What an administrator can do when it is missing.
    advice: &'static str,
}

impl OpenFiles {
    /// The files of a database that was just opened and written to, so that all three exist.
    pub(super) fn of(database: &Path) -> Result<Self, StoreError> {
        // Closing the database in good order saves the contents of the other two.
        const RESTART: &str = "restart gatekey";
        let file = |end, advice| {
            let path = beside(database, end);
            identify_entry(&path).map(|id| OpenFile { path, id, advice })
        };
        let files = || Ok(Self([file("", "put it back")?, file("-wal", RESTART)?, file("-shm", RESTART)?]));
        files().map_err(|error: io::Error| StoreError::Unavailable(error.into()))
    }

    pub(super) fn check_database(&self) -> Result<(), StoreError> {
        let [database, ..] = &self.0;
        database.check()
    }

    /// Checks all three files, before a write.
    pub(super) fn check_all(&self) -> Result<(), StoreError> {
        self.0.iter().try_for_each(OpenFile::check)
    }
}

impl OpenFile {
    fn check(&self) -> Result<(), StoreError> {
        let path = self.path.display();
        let unavailable = |cause: String| Err(StoreError::Unavailable(cause.into()));
        match identify_entry(&self.path) {
            Ok(found) if found == self.id => Ok(()),
            Ok(_) => unavailable(format!("{path} was replaced by another file; restart gatekey")),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                unavailable(format!("{path} was removed or moved away; {}", self.advice))
            }
            Err(error) => unavailable(format!("can't look at {path}: {error}")),
        }
    }
}

/// The path with a suffix, as SQLite names the files beside a database.
pub(super) fn beside(database: &Path, end: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(end);
    path.into()
}

pub(super) fn is_same_file(one: &Path, other: &Path) -> bool {
    matches!((identify(one), identify(other)), (Ok(one), Ok(other)) if one == other)
}

/// Follows no symbolic link: a link is another file than the one that was opened.
fn identify_entry(path: &Path) -> io::Result<FileId> {
    fs::symlink_metadata(path).map(|metadata| FileId::of(&metadata))
}

/// Never opens the file: closing it would release all POSIX locks that this process has on it.
fn identify(path: &Path) -> io::Result<FileId> {
    fs::metadata(path).map(|metadata| FileId::of(&metadata))
}
