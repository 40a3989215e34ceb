//! Connections: one that writes, a few that read, for those who only look, for who must be alone; and SQLite's errors as ours.

use super::StoreError;
use super::files::{OpenFiles, beside};
use super::io_errors::IoError;
use crate::os;
use crate::wait::{assert_may_block, lock};
use core::num::NonZeroUsize;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Row};
use std::fs;
use std::io;
use std::path::{self, Path, PathBuf};
use std::sync::Arc;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How long an operation waits for another process's lock before it is [`StoreError::Unavailable`].
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Reads at the same time are as many as there are cores, within these; more wait. A read takes microseconds, so it is not about
/// clients. Each connection has a cache, and two descriptors.
const MIN_READERS: usize = 4;
const MAX_READERS: usize = 16;
/// Pages that a connection keeps, in KiB: what is hot is a path of a few pages from a table's root.
const CACHE_KIB: i64 = 256;

/// The connections to one file.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) path: PathBuf,
    pub(super) files: Arc<OpenFiles>,
    readers: Arc<Pool>,
    /// Dropped after the readers, as fields are in their order: the last connection to close moves what stands
    /// in the `-wal` file into the database and removes it, and one that only reads can't.
    writer: Arc<Pool>,
}

impl Database {
    /// Opens the writer and lets `migrate` bring the schema up to date.
    pub(super) fn open(
        path: &Path,
        migrate: impl FnOnce(&mut Connection) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let mut writer = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        use_wal(&mut writer)?;
        // FULL: a commit is on the disk before it is reported.
        writer.pragma_update(None, "synchronous", "FULL")?;
        // What hangs on a user goes with the user. SQLite is not always built so that it looks.
        writer.pragma_update(None, "foreign_keys", true)?;
        migrate(&mut writer)?;
        let cores = thread::available_parallelism().map_or(MIN_READERS, NonZeroUsize::get);
        Ok(Self {
            path: path.into(),
            files: Arc::new(OpenFiles::of(path)?),
            readers: Pool::new(path, cores.clamp(MIN_READERS, MAX_READERS), None),
            writer: Pool::new(path, 1, Some(writer)),
        })
    }

    /// Runs `operation` on the one connection that writes.
    pub(super) fn write<T, E: From<StoreError>>(
        &self,
        operation: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        assert_may_block(); // on another writer, and on the disk
        let mut writer = self.writer.borrow()?;
        self.files.check_all()?;
        operation(writer.connection())
    }

    /// Runs `operation`, which only reads, on the connection that writes: what is read at the start opens no reader.
    pub(super) fn read_on_writer<T>(
        &self,
        operation: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.write(|connection| Ok(operation(connection)?))
    }

    /// Runs `operation` on a connection that only reads, in a transaction of its own.
    pub(super) fn read<T>(
        &self,
        operation: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        assert_may_block(); // on other readers, and on locks of other processes
        self.files.check_database()?;
        Ok(operation(self.readers.borrow()?.connection())?)
    }
}

impl Drop for Database {
    /// Of a database that was moved or replaced, SQLite leaves the `-wal` file where it is, and its pages would get
    /// into whatever database stands there at the next start. So they go where they belong first.
    fn drop(&mut self) {
        if self.files.check_database().is_err()
            && let Ok(mut writer) = self.writer.borrow()
        {
            // Where it fails, all is as SQLite leaves it, and nobody is there to be told.
            let _ = writer.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        }
    }
}

/// Connections of one kind, each lent to one thread at a time.
#[derive(Debug)]
struct Pool {
    path: PathBuf,
    max: usize,
    connections: Mutex<Connections>,
    returned: Condvar,
}

#[derive(Debug)]
struct Connections {
    idle: Vec<Connection>,
    open: usize,
    /// Threads that wait for one to come back.
    waiting: usize,
}

impl Pool {
    /// With a connection that is open already, or none. Those that are opened when they are first needed only
    /// read: a command needs one, or none.
    fn new(path: &Path, max: usize, first: Option<Connection>) -> Arc<Self> {
        let idle: Vec<_> = first.into_iter().collect();
        let connections = Mutex::new(Connections { open: idle.len(), idle, waiting: 0 });
        Arc::new(Self { path: path.into(), max, connections, returned: Condvar::new() })
    }

    /// Waits no longer for another request than for another process: of a hundred that want to write to a locked
    /// database, none waits for the ninety-nine before it.
    fn borrow(self: &Arc<Self>) -> Result<Borrowed, StoreError> {
        let is_exhausted =
            |connections: &mut Connections| connections.idle.is_empty() && connections.open >= self.max;
        let mut connections = lock(&self.connections);
        connections.waiting += 1;
        let waited = self.returned.wait_timeout_while(connections, BUSY_TIMEOUT, is_exhausted);
        let (mut connections, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        connections.waiting -= 1;
        if waited.timed_out() {
            return Err(StoreError::Unavailable(
                "other requests have been waiting for it all the time".into(),
            ));
        }
        let idle = connections.idle.pop();
        let connection = if let Some(connection) = idle {
            connection
        } else {
            connections.open += 1;
            drop(connections); // others need not wait for the disk
            let opened = connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY);
            opened.inspect_err(|_| {
                lock(&self.connections).open -= 1;
                self.returned.notify_one();
            })?
        };
        Ok(Borrowed { pool: self.clone(), connection: Some(connection) })
    }
}

/// A connection on loan; it comes back however the operation ends, by a panic too.
#[derive(Debug)]
struct Borrowed {
    pool: Arc<Pool>,
    connection: Option<Connection>,
}

impl Borrowed {
    fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("there until it is dropped")
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let mut connections = lock(&self.pool.connections);
        connections.idle.extend(self.connection.take());
        let has_waiters = connections.waiting > 0;
        drop(connections);
        // Waking is a system call, also where nobody sleeps.
        if has_waiters {
            self.pool.returned.notify_one();
        }
    }
}

/// Opens one connection, which one thread uses at a time (so SQLite needs no lock of its own). The path's last component is
/// not followed where it is a symbolic link.
pub(super) fn connect(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    let connection = open(path, access)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // A plan is the same whatever is looked for. Otherwise SQLite, built as it is here, plans each statement anew
    // whenever a value is bound to it, and that costs more than the statement itself.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    #[cfg(test)]
    let connection = super::tests::trace::recorded(connection)?;
    Ok(connection)
}

fn open(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    let access = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    // SQLite's flag refuses links among the directories too, which the operator may have named. An absolute path is a path: a
    // relative one that begins with "file:" would be a URI, and ":memory:" no file at all.
    let path = path::absolute(path).unwrap_or_else(|_| path.into());
    match (path.parent().map(fs::canonicalize), path.file_name()) {
        (Some(Ok(directory)), Some(name)) => Connection::open_with_flags(directory.join(name), access),
        _ => Connection::open_with_flags(&path, access),
    }
}

/// Between two tries to switch to WAL mode.
const PAUSE: Duration = Duration::from_millis(10);

/// WAL: readers go on while one writes. The file remembers it.
///
/// For this, SQLite does not wait its turn as for other locks: of those who switch a new database at once, it
/// tells some at once that it is locked. So they try again here, for as long as they would wait for a lock.
fn use_wal(connection: &mut Connection) -> Result<(), StoreError> {
    let is_locked = |error: &rusqlite::Error| error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
    connection.busy_timeout(Duration::ZERO)?;
    let mut result = connection.pragma_update(None, "journal_mode", "WAL");
    let mut waited = Duration::ZERO;
    while result.as_ref().is_err_and(is_locked) && waited < BUSY_TIMEOUT {
        thread::sleep(PAUSE);
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
pub(super) fn connect_to_inspect(path: &Path) -> Result<Connection, StoreError> {
    let has_wal = beside(path, "-wal").exists();
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_wal)?;
    Ok(connection)
}

/// Opens a connection beside which there is no other, and which lets none come. Fails while any program at all has the file open,
/// though it be idle: each that uses a `-wal` has a lock on it.
pub(super) fn connect_exclusive(database: &Path) -> rusqlite::Result<Connection> {
    let has_wal = beside(database, "-wal").exists();
    let connection = open(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // As in `connect_to_inspect`.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_wal)?;
    // Before the first look at the file, or SQLite would share it.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.execute_batch("BEGIN EXCLUSIVE; COMMIT")?;
    Ok(connection)
}

/// What a name in a database stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A table that stores its rows.
    Table,
    VirtualTable,
    View,
    /// An index, or a trigger.
    Other,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::VirtualTable => "virtual table",
            Self::View => "view",
            Self::Other => "trigger or index",
        }
    }

    /// As a row of `sqlite_schema` says it: type, and where the first page of a table is.
    pub(super) fn of(kind: &str, root_page: i64) -> Self {
        match kind {
            "table" if root_page > 0 => Self::Table,
            "table" => Self::VirtualTable,
            "view" => Self::View,
            _ => Self::Other,
        }
    }
}

/// What this name stands for, if for anything.
pub(super) fn kind_of(connection: &Connection, name: &str) -> rusqlite::Result<Option<Kind>> {
    let sql = "SELECT type, ifnull(rootpage, 0) FROM main.sqlite_schema WHERE lower(name) = ?1 \
               ORDER BY type IN ('table', 'view') DESC LIMIT 1";
    let kind = |row: &Row<'_>| Ok(Kind::of(row.get_ref(0)?.as_str()?, row.get(1)?));
    connection.query_row(sql, [name], kind).optional()
}

/// Makes an empty file for a new database, readable by its owner alone; SQLite gives the files that it puts
/// beside it the same mode. An existing file is left alone.
pub(super) fn create_file(path: &Path) -> Result<(), StoreError> {
    match os::create_private_file(path) {
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
                // Unknown is SQLITE_ERROR: a table or a column that the schema has is not there.
                matches!(code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown)
            }
            // A column of another type than the schema says.
            None => true,
        };
        if damaged {
            return Self::Corrupt(Box::new(error));
        }
        match IoError::explain(error) {
            Ok(explained) => Self::Unavailable(Box::new(explained)),
            Err(error) => Self::Unavailable(Box::new(error)),
        }
    }
}

/// Whether an INSERT failed because a UNIQUE column has that value already.
pub(super) fn is_unique_violation(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE)
}
