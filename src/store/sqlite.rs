//! Connections: one that writes, a few that read, and SQLite's errors as ours.

use super::StoreError;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long an operation waits for another process's lock before it is [`StoreError::Unavailable`].
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Reads at the same time; more wait. A read takes microseconds, so this is about cores, not clients.
const MAX_READERS: usize = 4;
/// Pages that a connection keeps, in KiB: what is hot is a path of a few pages from a table's root.
const CACHE_KIB: i64 = 256;

/// The connections to one file.
#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    readers: Mutex<Readers>,
    reader_came_back: Condvar,
    /// Dropped after the readers, as fields are in their order: the last connection to close moves what stands
    /// in the `-wal` file into the database and removes it, and one that only reads can't.
    writer: Mutex<Connection>,
}

/// Readers are opened when they are first needed: a command needs one, or none.
#[derive(Debug, Default)]
struct Readers {
    idle: Vec<Connection>,
    open: usize,
}

impl Database {
    /// Opens the writer and lets `migrate` bring the schema up to date.
    pub(super) fn open(
        path: &Path,
        migrate: impl FnOnce(&mut Connection) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let mut writer = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        use_wal(&writer)?;
        // FULL: a commit is on the disk before it is reported.
        writer.pragma_update(None, "synchronous", "FULL")?;
        // What hangs on a user goes with the user. SQLite is not always built so that it looks.
        writer.pragma_update(None, "foreign_keys", true)?;
        migrate(&mut writer)?;
        Ok(Self {
            path: path.into(),
            writer: Mutex::new(writer),
            readers: Mutex::default(),
            reader_came_back: Condvar::new(),
        })
    }

    /// Runs `operation` on the one connection that writes.
    pub(super) fn write<T, E: From<StoreError>>(
        &self,
        operation: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        operation(&mut lock(&self.writer))
    }

    /// Runs `operation` on a connection that only reads.
    pub(super) fn read<T>(
        &self,
        operation: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let reader = Borrowed { database: self, connection: Some(self.borrow_reader()?) };
        let connection = reader.connection.as_ref().expect("there until it is dropped");
        Ok(operation(connection)?)
    }

    fn borrow_reader(&self) -> Result<Connection, StoreError> {
        let mut readers = lock(&self.readers);
        loop {
            if let Some(connection) = readers.idle.pop() {
                return Ok(connection);
            }
            if readers.open < MAX_READERS {
                let connection = connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
                readers.open += 1;
                return Ok(connection);
            }
            readers = self.reader_came_back.wait(readers).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A reader on loan; it comes back however the operation ends, by a panic too.
struct Borrowed<'a> {
    database: &'a Database,
    connection: Option<Connection>,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        lock(&self.database.readers).idle.extend(self.connection.take());
        self.database.reader_came_back.notify_one();
    }
}

/// A panic under a lock leaves a connection between statements, where it can go on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens one connection, which one thread uses at a time (so SQLite needs no lock of its own).
pub(super) fn connect(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// WAL: readers go on while one writes. The file remembers it.
///
/// For this, SQLite does not wait its turn as for other locks: of those who switch a new database at once, it
/// tells some at once that it is locked. So they try again here, for as long as they would wait for a lock.
fn use_wal(connection: &Connection) -> Result<(), StoreError> {
    const PAUSE: Duration = Duration::from_millis(10);
    let is_locked = |error: &rusqlite::Error| error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
    connection.busy_timeout(Duration::ZERO)?;
    let mut result = connection.pragma_update(None, "journal_mode", "WAL");
    let mut waited = Duration::ZERO;
    while result.as_ref().is_err_and(is_locked) && waited < BUSY_TIMEOUT {
        std::thread::sleep(PAUSE);
        waited += PAUSE;
        result = connection.pragma_update(None, "journal_mode", "WAL");
    }
    connection.busy_timeout(BUSY_TIMEOUT)?;
    result?;
    // Where the file system can't do it, SQLite stays as it was and calls that no error.
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode == "wal" {
        Ok(())
    } else {
        Err(StoreError::Unavailable("the file system does not allow WAL mode".into()))
    }
}

/// Opens a connection that leaves the file as it is, and nothing beside it.
///
/// Not one that only reads: of a database in WAL mode, that makes a `-wal` and a `-shm` file and can't remove
/// them. One that could write removes them when it is the last to close. Where there is a `-wal` file already,
/// that would move what stands in it into the database first; so then it is told to leave both alone.
pub(super) fn connect_to_look(path: &Path) -> Result<Connection, StoreError> {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    let has_wal = Path::new(&wal).exists();
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_wal)?;
    Ok(connection)
}

/// Makes an empty file for a new database, readable by its owner alone; SQLite gives the files that it puts
/// beside it the same mode. An existing file is left alone.
pub(super) fn create_file(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::Unavailable(Box::new(error))),
    }
}

impl From<rusqlite::Error> for StoreError {
    /// What SQLite calls damage is [`StoreError::Corrupt`]; everything else may pass.
    fn from(error: rusqlite::Error) -> Self {
        let damaged = match error.sqlite_error_code() {
            Some(code) => {
                matches!(code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown)
            }
            // A column of another type than the schema says.
            None => true,
        };
        if damaged { Self::Corrupt(Box::new(error)) } else { Self::Unavailable(Box::new(error)) }
    }
}

/// Whether an INSERT failed because a UNIQUE column has that value already.
pub(super) fn is_unique_violation(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE)
}
