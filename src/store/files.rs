//! Whether the files that are open are still the ones at their paths.
//!
//! SQLite goes on reading and writing files that were removed or moved away, and says nothing: whatever it wrote since
//! is gone when the last connection closes. It also never sees what other processes do to the files that stand there
//! now. So each operation looks first, by stat(2), which takes a microsecond and no descriptor. One that reads looks
//! at the database alone: that it is another one, or none, is what changes an answer.
//!
//! Left out: a file overwritten in place, by cp(1) say, is the same file to everybody.

use super::StoreError;
use crate::os::FileId;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The database, and the two files that SQLite keeps beside it for as long as it is open.
#[derive(Debug)]
pub(super) struct OpenFiles([OpenFile; 3]);

#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    id: FileId,
    /// What an operator can do when it is gone.
    advice: &'static str,
}

impl OpenFiles {
    /// The files of a database that has just been opened and written to, so that all three are there.
    pub(super) fn of(database: &Path) -> Result<Self, StoreError> {
        // What the other two hold is saved by whoever closes the database in good order.
        const RESTART: &str = "restart gatekey";
        let file = |end, advice| {
            let path = beside(database, end);
            identify_entry(&path).map(|id| OpenFile { path, id, advice })
        };
        let files = || Ok(Self([file("", "put it back")?, file("-wal", RESTART)?, file("-shm", RESTART)?]));
        files().map_err(|error: io::Error| StoreError::Unavailable(error.into()))
    }

    /// Whether the database is where it was.
    pub(super) fn check_database(&self) -> Result<(), StoreError> {
        let [database, ..] = &self.0;
        database.check()
    }

    /// Whether what is written will be found again.
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
            Ok(_) => unavailable(format!("another file stands at {path} now; restart gatekey")),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                unavailable(format!("{path} was removed or moved away; {}", self.advice))
            }
            Err(error) => unavailable(format!("can't look at {path}: {error}")),
        }
    }
}

/// The path of a file that SQLite puts beside the database.
pub(super) fn beside(database: &Path, end: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(end);
    path.into()
}

/// Whether two paths lead to one file.
pub(super) fn is_same_file(one: &Path, other: &Path) -> bool {
    matches!((identify(one), identify(other)), (Ok(one), Ok(other)) if one == other)
}

/// The directory's entry itself: a symbolic link is another file than the one that was opened.
fn identify_entry(path: &Path) -> io::Result<FileId> {
    fs::symlink_metadata(path).map(|metadata| FileId::of(&metadata))
}

/// Never by opening it: closing it again would lose every lock that this process has on it (POSIX wants it so).
fn identify(path: &Path) -> io::Result<FileId> {
    fs::metadata(path).map(|metadata| FileId::of(&metadata))
}
