//! Errors of the store.

use crate::wait::WouldBlock;
use core::error::Error;
use core::fmt;

/// Error of a store operation.
#[derive(Debug)]
pub enum StoreError {
    /// The database file doesn't exist.
    Missing,
    /// The database file is empty.
    Empty,
    /// A newer gatekey created it.
    Newer {
        /// Its schema's version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// A gatekey before the first release created it: there is no migration.
    Older {
        /// Its schema's version.
        found: i64,
        /// The version that this program uses.
        known: i64,
    },
    /// The file is not a gatekey database, but this.
    Foreign(&'static str),
    /// The database is damaged.
    Corrupt(Box<dyn Error + Send + Sync>),
    /// The file, the disk or a lock prevents it. A retry may succeed.
    Unavailable(Box<dyn Error + Send + Sync>),
    /// The operation would block, and was called with [`Reads::Batch`](super::Reads::Batch). Nothing has changed.
    WouldBlock,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no database; see --data, or make one: gatekey serve"),
            Self::Empty => f.write_str(
                "the database file is empty: a first start was interrupted, or the file was truncated",
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
