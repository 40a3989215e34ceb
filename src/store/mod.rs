//! The store: users, what holds for the realm, what was counted against guessing, what is known of signing keys.
//! All SQL of gatekey stands in this folder, behind a few operations on plain values in which nothing is SQLite's.
//!
//! One file, SQLite in WAL mode with `synchronous=FULL`: an operation that returned is on the disk. One
//! connection writes, a few read; readers never wait for the writer. **The database decides**: names are unique
//! because a UNIQUE column says so, and a change that must not overwrite another is one conditional UPDATE,
//! never a look followed by a write.
//!
//! | file | what |
//! |---|---|
//! | `schema.sql` (top level) | the newest schema, whole |
//! | `schema.rs` | recognizes a database, creates the schema, migrates older versions |
//! | `sqlite.rs` | connections: that write, that read, that only look, that stand alone; and SQLite's errors as ours |
//! | `session.rs` | read sessions: one read transaction for a batch of requests |
//! | `io_errors.rs` | SQLite's input/output errors in the operating system's words |
//! | `lock.rs` | who has the database open |
//! | `files.rs` | are the files that are open still those at their paths |
//! | `columns.rs` | SQLite's integers as our numbers, and back |
//! | `generations.rs` | generations that no token has |
//! | `users.rs` | the operations on users |
//! | `sessions.rs` | signed-in browsers, their guard cookies, and named tokens |
//! | `import.rs` | many users at once |
//! | `original.rs` | the users of the Flask original's database |
//! | `watchdog.rs` | interrupts SQLite when it works on one thing for too long |
//! | `logins.rs` | from where a user logged in lately |
//! | `limiter.rs` | what is counted against guessing: the key, the counters, whose they are |
//! | `realm.rs` | what holds for everybody |
//! | `signing_keys.rs` | what is known of signing keys |
//! | `backup.rs` | a copy of the database, made while others write to it |
//! | `restore.rs` | a copy takes the database's place, and undoes no revocation |
//! | `report.rs` | is everything in the database sound, and what of it lies in the future |
//! | `reset_clock.rs` | the way back from there |

mod backup;
mod columns;
mod files;
mod generations;
mod import;
mod io_errors;
mod links;
mod lock;
mod logins;
mod original;
mod realm;
mod report;
mod reset_clock;
mod restore;
mod schema;
mod session;
mod sessions;
mod signing_keys;
mod sqlite;
mod limiter;
mod users;
mod watchdog;

pub use backup::{BackedUp, CopyError, CopyStep, back_up};
pub use import::{Import, ImportError, ImportedUser};
pub use limiter::SavedLimiter;
pub use links::LinkRow;
pub use logins::{LoginHistory, RememberedAddress};
pub use original::{OriginalUser, ReadError, read_original};
pub use realm::{Issued, MAX_UNSAVED, SAVE_INTERVAL};
pub use report::{DatabaseReport, FutureTimestamps, report};
pub use reset_clock::reset_clock;
pub use restore::{Backup, Restored};
pub use session::{ReadSession, Reader, Reads};
pub use sessions::{MAX_BROWSER_SESSIONS, MAX_NAMED_TOKENS, Session, SessionConflict, SessionKind};
pub use signing_keys::SigningKeyUse;
pub use users::{InsertError, TokenRow, User};

use crate::os;
use crate::user_id::Generation;
use crate::wait::WouldBlock;
use core::error::Error;
use core::fmt;
use lock::DirLock;
use std::path::Path;

/// An open database. Shared by reference among threads.
#[derive(Debug)]
pub struct Store {
    database: sqlite::Database,
    /// Let go after the database is closed, as fields are dropped in their order.
    _lock: DirLock,
}

impl Store {
    /// Opens the database in this file, bringing an older one up to date.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Missing`] where there is no such file, [`StoreError::Empty`] where nothing is in it.
    /// One that is empty, newer, foreign or corrupt is left as it is, to the byte.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = DirLock::shared(path)?;
        let opened = schema::inspect(path).and_then(|()| sqlite::Database::open(path, schema::migrate));
        let database = opened.map_err(|error| lock::explain(error, path))?;
        Ok(Self { database, _lock: lock })
    }

    /// Opens the database in this file, and makes it where there is none, for its owner alone, or where a first start was
    /// cut short. When this returns, the database is on the disk.
    ///
    /// # Errors
    /// As [`Store::open`], but for the two.
    pub fn open_or_create(path: &Path, first: FirstGeneration) -> Result<Self, StoreError> {
        let lock = DirLock::shared(path)?;
        sqlite::create_file(path)?;
        let first_generation = match first {
            FirstGeneration::One => Generation::FIRST,
            FirstGeneration::Unused => generations::unused(0)?,
        };
        let migrate = |connection: &mut _| schema::create_or_migrate(connection, first_generation);
        let inspected = match schema::inspect(path) {
            Err(StoreError::Empty) => Ok(()),
            inspected => inspected,
        };
        let opened = inspected.and_then(|()| sqlite::Database::open(path, migrate));
        let database = opened.map_err(|error| lock::explain(error, path))?;
        os::sync_directory_of(path).map_err(|error| StoreError::Unavailable(error.into()))?;
        Ok(Self { database, _lock: lock })
    }
}

/// Which generation the first user of a new database has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstGeneration {
    /// The first: no key has signed anything yet.
    One,
    /// One that no token has: the keys that are there may have signed tokens for users of a database that is gone.
    Unused,
}

/// Why the store can't do what it was asked.
#[derive(Debug)]
pub enum StoreError {
    /// There is no database file.
    Missing,
    /// There is nothing in the database file.
    Empty,
    /// A newer gatekey made it.
    Newer {
        /// Its schema's version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// A gatekey before the first release made it; versions 1 to 6 have no migration.
    Older {
        /// Its schema's version.
        found: i64,
        /// The version that this program uses.
        known: i64,
    },
    /// It is not a database of gatekey's.
    Foreign(&'static str),
    /// It is, but it is damaged.
    Corrupt(Box<dyn Error + Send + Sync>),
    /// The file, the disk or a lock stands in the way; later it may work.
    Unavailable(Box<dyn Error + Send + Sync>),
    /// The operation would block, and was called with [`Reads::Batch`]. Nothing has changed.
    WouldBlock,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no database; see --data, or make one: gatekey serve"),
            Self::Empty => f.write_str(
                "the database file is empty: a first start was cut short, or the file was truncated",
            ),
            Self::Newer { found, known } => write!(
                f,
                "the database has schema version {found}, made by a newer gatekey; this one knows up to {known}. Use the newer one"
            ),
            Self::Older { found, known } => write!(
                f,
                "the database has schema version {found}, of a gatekey before 0.1.0; this one uses {known}. Export the users \
                 with that one (gatekey user export), import them with this one into a new directory (gatekey user import)"
            ),
            Self::Foreign(what) => write!(f, "the database is not gatekey's: it is {what}"),
            Self::Corrupt(_) => f.write_str("the database is corrupt"),
            Self::Unavailable(_) => f.write_str("the database can't be used now"),
            Self::WouldBlock => WouldBlock.fmt(f),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Corrupt(source) | Self::Unavailable(source) => Some(&**source),
            _ => None,
        }
    }
}

impl From<WouldBlock> for StoreError {
    fn from(_: WouldBlock) -> Self {
        Self::WouldBlock
    }
}

#[cfg(test)]
pub(crate) mod tests;
