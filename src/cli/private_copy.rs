//! Private copy of an SQLite database that can't be opened in place. SQLite writes beside a database in WAL
//! mode even to read it, but the directory may not be writable, or root may have passed the database as an
//! open file.
//!
//! The copy includes the `-wal` file or the rollback journal. It is repeated if the original changes
//! meanwhile.

use super::cli_error::CliError;
use super::files::Files;
use super::temp_dir::{TempDir, cant_write};
use crate::os;
use core::time::Duration;
use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::{io, thread};

/// The suffixes of the files that are the content of a database.
const ENDS: [&str; 3] = ["", "-wal", "-journal"];
/// Attempts to copy a database that changes, and the pause between them.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// A copy in a directory of its own. Both are removed on drop.
#[derive(Debug)]
pub(super) struct PrivateCopy {
    directory: TempDir,
    name: PathBuf,
}

impl PrivateCopy {
    /// Copies the database at this path, with its `-wal` file.
    ///
    /// # Errors
    /// [`CliError`] for a path that can't be read or written, or if the database changes all the time.
    pub(super) fn of(database: &Path, files: &Files) -> Result<Self, CliError> {
        let name = PathBuf::from(database.file_name().unwrap_or_default());
        let directory = TempDir::new("copy")?;
        let copy = Self { directory, name };
        for _ in 0..TRIES {
            if copy.fill(database, files)? {
                return Ok(copy);
            }
            thread::sleep(PAUSE);
        }
        Err(CliError::Failed(format!(
            "can't copy {}: it changes all the time; stop the program that writes to it, or run this command as a user who may \
             write to its directory",
            database.display()
        )))
    }

    pub(super) fn database(&self) -> PathBuf {
        self.directory.path().join(&self.name)
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Copies all files; false if the original changed meanwhile.
    fn fill(&self, database: &Path, files: &Files) -> Result<bool, CliError> {
        let parts: Vec<_> =
            ENDS.iter().map(|end| (beside(database, end), beside(&self.database(), end))).collect();
        // A file that root didn't pass with the database didn't exist.
        let is_absent = |part: &Path| files.has(database) && !files.has(part);
        let stamp = |part: &Path| if is_absent(part) { Ok(None) } else { stamp(part, files) };
        let stamps = || parts.iter().map(|(from, _)| stamp(from)).collect::<Result<Vec<_>, _>>();
        let before = stamps()?;
        refuse_owners(&parts, &before)?;
        for ((from, to), was_there) in parts.iter().zip(&before) {
            match was_there {
                Some(_) => copy_file(open(from, files).map_err(|error| cant_read(from, &error))?, to)?,
                None => match fs::remove_file(to) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(cant_write(to, &error));
                    }
                    _ => {}
                },
            }
        }
        Ok(stamps()? == before)
    }
}

/// A copy of a database that the operator named, if it is needed.
pub(super) fn of_input(path: &Path, files: &Files) -> Result<Option<PrivateCopy>, CliError> {
    match fs::canonicalize(path) {
        _ if files.has(path) => PrivateCopy::of(path, files).map(Some),
        Ok(real) if is_needed(&real) => PrivateCopy::of(&real, files).map(Some),
        _ => Ok(None), // what is wrong with it, opening it says
    }
}

/// Whether SQLite can't write beside this database, or others can: SQLite would take their `-wal` or
/// `-journal` for part of it.
pub(super) fn is_needed(database: &Path) -> bool {
    let directory = os::directory_of(database);
    let is_shared = fs::metadata(directory)
        .is_ok_and(|found| found.mode() & 0o022 != 0 || ![0, os::effective_ids().0].contains(&found.uid()));
    is_shared || !os::may_write(directory)
}

/// Refuses a `-wal` or `-journal` that neither the database's owner made, nor root, nor this user: it would
/// replace what is in the database.
fn refuse_owners(parts: &[(PathBuf, PathBuf)], stamps: &[Option<Stamp>]) -> Result<(), CliError> {
    let owner = stamps.first().and_then(|stamp| Some(stamp.as_ref()?.uid));
    for ((path, _), stamp) in parts.iter().zip(stamps) {
        let Some(Stamp { uid, .. }) = stamp else { continue };
        if ![0, os::effective_ids().0].contains(uid) && Some(*uid) != owner {
            return Err(CliError::Failed(format!(
                "{} belongs to user {uid}, who doesn't own the database beside it, and would change what is in it; move it away",
                path.display()
            )));
        }
    }
    Ok(())
}

fn copy_file(mut from: File, to: &Path) -> Result<(), CliError> {
    let mut copy = || -> io::Result<()> {
        let mut to = File::create(to)?;
        io::Seek::rewind(&mut from)?;
        io::copy(&mut from, &mut to).map(drop)
    };
    copy().map_err(|error| cant_write(to, &error))
}

/// What changes when a file does.
#[derive(PartialEq, Eq)]
struct Stamp {
    uid: u32,
    changes: [i64; 5],
}

/// `None` where there is no such file.
fn stamp(path: &Path, files: &Files) -> Result<Option<Stamp>, CliError> {
    let of = |metadata: Metadata| {
        let (size, inode) = (metadata.size().cast_signed(), metadata.ino().cast_signed());
        let changes = [inode, size, metadata.mtime(), metadata.mtime_nsec(), metadata.ctime_nsec()];
        Stamp { uid: metadata.uid(), changes }
    };
    match open(path, files).and_then(|file| file.metadata()) {
        Ok(metadata) => Ok(Some(of(metadata))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cant_read(path, &error)),
    }
}

fn open(path: &Path, files: &Files) -> io::Result<File> {
    if files.has(path) { files.open(path) } else { os::open_regular_file(path) }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(end);
    path.into()
}

fn cant_read(path: &Path, error: &io::Error) -> CliError {
    CliError::failed(format!("can't read {}", path.display()), error)
}
