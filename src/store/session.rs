//! Read sessions: one read transaction that serves a batch of requests.
//!
//! Beginning a transaction costs more than reading a row. An event loop that has **received** several
//! requests answers all of them from one snapshot that begins after the last arrival: for each it is as new
//! as a transaction of its own.
//!
//! ```text
//!   receive a, b, c  ->  begin  ->  answer a, b, c  ->  end  ->  write the responses, receive more
//! ```
//!
//! [`Reads`] is an argument of every operation that reads. It also says whether the caller may block: with
//! [`Reads::Batch`] it is an event loop, which may not.

use super::error::StoreError;
use super::files::OpenFiles;
use super::open::Store;
use super::sqlite::{self, Database};
use crate::wait::WouldBlock;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::time::Duration;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::PathBuf;
use std::sync::Arc;

/// What a request reads from.
#[derive(Clone, Copy, Debug)]
pub enum Reads<'a> {
    /// Each read is a transaction of its own. The caller may block.
    PerCall,
    /// All reads are from this session. The caller is an event loop, which may not block.
    Batch(&'a ReadSession<'a>),
}

impl Reads<'_> {
    /// Call it before any operation that may block, and before any side effect.
    ///
    /// # Errors
    /// [`WouldBlock`] on an event loop.
    pub fn may_block(self) -> Result<(), WouldBlock> {
        match self {
            Self::PerCall => Ok(()),
            Self::Batch(_) => Err(WouldBlock),
        }
    }
}

/// The database connection of one event loop. It never waits for a lock of another process:
/// [`StoreError::WouldBlock`].
pub struct Reader(RefCell<Inner>);

struct Inner {
    path: PathBuf,
    files: Arc<OpenFiles>,
    /// Opened on first use.
    connection: Option<Connection>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

/// A snapshot of the database, from the first read to the drop. Don't keep it while bytes are received: a
/// request may follow a change that the snapshot doesn't show.
pub struct ReadSession<'a> {
    reader: Option<&'a RefCell<Inner>>,
    has_begun: Cell<bool>,
}

impl fmt::Debug for ReadSession<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadSession").field("has_begun", &self.has_begun.get()).finish_non_exhaustive()
    }
}

impl Store {
    /// A connection for an event loop.
    pub fn reader(&self) -> Reader {
        let Database { path, files, .. } = &self.database;
        Reader(RefCell::new(Inner { path: path.clone(), files: files.clone(), connection: None }))
    }

    pub(super) fn read<T>(
        &self,
        reads: Reads<'_>,
        operation: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        match reads {
            Reads::PerCall => self.database.read(operation),
            Reads::Batch(session) => session.read(&self.database, operation),
        }
    }
}

impl Reader {
    /// A session of this database. It begins with the first read.
    pub fn session(&mut self) -> ReadSession<'_> {
        ReadSession { reader: Some(&self.0), has_begun: Cell::new(false) }
    }
}

impl Inner {
    fn begin(&mut self) -> Result<(), StoreError> {
        self.files.check_database()?;
        if self.connection.is_none() {
            let connection = sqlite::connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            connection.busy_timeout(Duration::ZERO)?;
            self.connection = Some(connection);
        }
        self.end(); // left open by a panic
        self.connection()?.prepare_cached("BEGIN")?.execute([])?;
        Ok(())
    }

    fn end(&self) {
        if let Some(connection) = self.connection.as_ref().filter(|connection| !connection.is_autocommit()) {
            // On an error SQLite has already ended the transaction.
            let _ = connection.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]));
        }
    }

    fn connection(&self) -> Result<&Connection, StoreError> {
        self.connection.as_ref().ok_or(StoreError::WouldBlock)
    }
}

impl ReadSession<'_> {
    /// A session of no database: every read is [`StoreError::WouldBlock`].
    pub fn none() -> Self {
        Self { reader: None, has_begun: Cell::new(false) }
    }

    fn read<T>(
        &self,
        database: &Database,
        operation: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let Some(reader) = &self.reader else { return Err(StoreError::WouldBlock) };
        let mut reader = reader.borrow_mut();
        assert!(Arc::ptr_eq(&reader.files, &database.files), "a session is of the store that is read");
        if !self.has_begun.get() {
            reader.begin().map_err(busy_would_block)?;
        }
        // After a panic the next read begins a new transaction.
        self.has_begun.set(false);
        let done = operation(reader.connection()?).map_err(|error| busy_would_block(error.into()));
        self.has_begun.set(true);
        done
    }
}

impl Drop for ReadSession<'_> {
    fn drop(&mut self) {
        if let Some(reader) = &self.reader {
            reader.borrow_mut().end();
        }
    }
}

/// A lock of another process is an error that a worker thread waits for.
fn busy_would_block(error: StoreError) -> StoreError {
    let is_busy = |error: &rusqlite::Error| {
        matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
    };
    match &error {
        StoreError::Unavailable(cause) if cause.downcast_ref::<rusqlite::Error>().is_some_and(is_busy) => {
            StoreError::WouldBlock
        }
        _ => error,
    }
}
