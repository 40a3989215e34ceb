//! Connection pool: one writer, N readers. Connections for inspection and for exclusive use; SQLite errors as
//! ours.

use super::error::StoreError;
use super::files::{OpenFiles, beside};
use super::io_errors::IoError;
use crate::os;
use crate::wait::{assert_may_block, lock};
use core::num::NonZeroUsize;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Row};
use std::path::{self, Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use std::{fs, io, thread};

/// How long an operation waits for another process's lock before it is [`StoreError::Unavailable`].
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Readers: one per core, within these bounds. A read takes microseconds, so their number doesn't follow the
/// clients. Each has a page cache and two descriptors.
const MIN_READERS: usize = 4;
const MAX_READERS: usize = 16;
/// Page cache of a connection, in KiB: the hot pages are a short path from a table's root.
const CACHE_KIB: i64 = 256;

#[derive(Debug)]
pub(super) struct Database {
    pub(super) path: PathBuf,
    pub(super) files: Arc<OpenFiles>,
    readers: Arc<Pool>,
    /// Dropped after the readers, as fields are dropped in order: the last connection to close checkpoints
    /// and removes the `-wal` file, which a reader can't.
    writer: Arc<Pool>,
}

impl Database {
    /// Opens the writer and runs `migrate` on it.
    pub(super) fn open(
        path: &Path,
        migrate: impl FnOnce(&mut Connection) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let mut writer = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        use_wal(&mut writer)?;
        // FULL: a commit is durable before it returns.
        writer.pragma_update(None, "synchronous", "FULL")?;
        // For ON DELETE CASCADE; not the default of every SQLite build.
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

    /// Runs `operation` on the writer.
    pub(super) fn write<T, E: From<StoreError>>(
        &self,
        operation: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        assert_may_block(); // on another writer, and on the disk
        let mut writer = self.writer.borrow()?;
        self.files.check_all()?;
        operation(writer.connection())
    }

    /// Runs `operation`, which only reads, on the writer: reads at the start then open no reader.
    pub(super) fn read_on_writer<T>(
        &self,
        operation: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.write(|connection| Ok(operation(connection)?))
    }

    /// Runs `operation` on a reader, as a transaction of its own.
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
    /// Checkpoints a database that was moved or replaced: its `-wal` file stays behind, and the next start
    /// would apply it to the database that is there then.
    fn drop(&mut self) {
        if self.files.check_database().is_err()
            && let Ok(mut writer) = self.writer.borrow()
        {
            // A failure can't be reported from a drop.
            let _ = writer.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        }
    }
}

/// Connections of one kind, each borrowed by one thread at a time.
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
    /// Threads that wait for a connection.
    waiting: usize,
}

impl Pool {
    /// A pool with this open connection, if any. Others are readers and are opened on demand.
    fn new(path: &Path, max: usize, first: Option<Connection>) -> Arc<Self> {
        let idle: Vec<_> = first.into_iter().collect();
        let connections = Mutex::new(Connections { open: idle.len(), idle, waiting: 0 });
        Arc::new(Self { path: path.into(), max, connections, returned: Condvar::new() })
    }

    /// Waits at most [`BUSY_TIMEOUT`] in total, so that queued writers don't add up their timeouts.
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
            drop(connections); // opening takes a while
            let opened = connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY);
            opened.inspect_err(|_| {
                lock(&self.connections).open -= 1;
                self.returned.notify_one();
            })?
        };
        Ok(Borrowed { pool: self.clone(), connection: Some(connection) })
    }
}

/// A borrowed connection, returned on drop, by a panic too.
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
        // notify_one is a system call even if no thread waits.
        if has_waiters {
            self.pool.returned.notify_one();
        }
    }
}

/// Opens a connection. One thread uses it at a time, so SQLite's own mutex is off. Doesn't follow a symbolic
/// link as the last component of the path.
pub(super) fn connect(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    let connection = open(path, access)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // Plans don't depend on bound values. Otherwise this build of SQLite plans each statement anew after
    // binding, which costs more than running it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    #[cfg(test)]
    let connection = trace::recorded(connection)?;
    Ok(connection)
}

fn open(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    let access = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    // SQLite's flag also rejects links among the directories, which an administrator may have chosen.
    // Absolute, since "file:" and ":memory:" have a meaning to SQLite.
    let path = path::absolute(path).unwrap_or_else(|_| path.into());
    match (path.parent().map(fs::canonicalize), path.file_name()) {
        (Some(Ok(directory)), Some(name)) => Connection::open_with_flags(directory.join(name), access),
        _ => Connection::open_with_flags(&path, access),
    }
}

/// Pause between attempts to switch to WAL mode.
const PAUSE: Duration = Duration::from_millis(10);

/// Switches to WAL mode, which the file keeps: readers don't wait for the writer.
///
/// SQLite's busy timeout doesn't apply to the switch, so concurrent first starts retry here.
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
    // If the file system doesn't support it, SQLite keeps the old mode without an error.
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode == "wal" {
        Ok(())
    } else {
        Err(StoreError::Unavailable("the file system does not allow WAL mode".into()))
    }
}

/// Opens a connection that changes no file and leaves none behind.
///
/// Not a read-only one: in WAL mode it creates `-wal` and `-shm` files and can't remove them, while the last
/// writer to close does. If there is a `-wal` file already, closing must not checkpoint it.
pub(super) fn connect_to_inspect(path: &Path) -> Result<Connection, StoreError> {
    let has_wal = beside(path, "-wal").exists();
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_wal)?;
    Ok(connection)
}

/// Opens a connection with exclusive access. Fails while any process has the file open, even idle: each that
/// uses the `-wal` holds a lock.
pub(super) fn connect_exclusive(database: &Path) -> rusqlite::Result<Connection> {
    let has_wal = beside(database, "-wal").exists();
    let connection = open(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // As in `connect_to_inspect`.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_wal)?;
    // Before the first read, or SQLite would share the file.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.execute_batch("BEGIN EXCLUSIVE; COMMIT")?;
    Ok(connection)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ObjectKind {
    /// A table that stores its rows.
    Table,
    VirtualTable,
    View,
    /// An index, or a trigger.
    Other,
}

impl ObjectKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::VirtualTable => "virtual table",
            Self::View => "view",
            Self::Other => "trigger or index",
        }
    }

    /// From the columns `type` and `rootpage` of `sqlite_schema`.
    pub(super) fn of(kind: &str, root_page: i64) -> Self {
        match kind {
            "table" if root_page > 0 => Self::Table,
            "table" => Self::VirtualTable,
            "view" => Self::View,
            _ => Self::Other,
        }
    }
}

pub(super) fn kind_of(connection: &Connection, name: &str) -> rusqlite::Result<Option<ObjectKind>> {
    let sql = "SELECT type, ifnull(rootpage, 0) FROM main.sqlite_schema WHERE lower(name) = ?1 \
               ORDER BY type IN ('table', 'view') DESC LIMIT 1";
    let kind = |row: &Row<'_>| Ok(ObjectKind::of(row.get_ref(0)?.as_str()?, row.get(1)?));
    connection.query_row(sql, [name], kind).optional()
}

/// Creates an empty file with mode 0600, which SQLite copies to the files beside it. Keeps an existing file.
pub(super) fn create_file(path: &Path) -> Result<(), StoreError> {
    match os::create_private_file(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::Unavailable(Box::new(error))),
    }
}

impl From<rusqlite::Error> for StoreError {
    /// Damage is [`StoreError::Corrupt`]; other errors may be temporary.
    fn from(error: rusqlite::Error) -> Self {
        let damaged = match error.sqlite_error_code() {
            Some(code) => {
                // Unknown is SQLITE_ERROR: a missing table or column.
                matches!(code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown)
            }
            // A column of the wrong type.
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

pub(super) fn is_unique_violation(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE)
}

#[cfg(test)]
#[path = "tests/trace.rs"]
pub(crate) mod trace;
