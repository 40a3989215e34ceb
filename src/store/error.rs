//! Errors of the store.

use crate::wait::WouldBlock;
use core::error::Error;

/// Error of a store operation.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database file doesn't exist.
    #[error("there is no database; see --data, or make one: gatekey serve")]
    Missing,
    /// The database file is empty.
    #[error("the database file is empty: a first start was interrupted, or the file was truncated")]
    Empty,
    /// A newer gatekey created it.
    #[error(
        "the database has schema version {found}, made by a newer gatekey; this one knows up to {known}. Use the newer one"
    )]
    Newer {
        /// Its schema's version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// A gatekey before the first release created it: there is no migration.
    #[error(
        "the database has schema version {found}, of a gatekey before 0.1.0; this one uses {known}. Export the users \
         with that one (gatekey user export), import them with this one into a new directory (gatekey user import)"
    )]
    Older {
        /// Its schema's version.
        found: i64,
        /// The version that this program uses.
        known: i64,
    },
    /// The file is not a gatekey database, but this.
    #[error("the database is not gatekey's: it is {0}")]
    Foreign(&'static str),
    /// The database is damaged.
    #[error("the database is corrupt")]
    Corrupt(#[source] Box<dyn Error + Send + Sync>),
    /// The file, the disk or a lock prevents it. A retry may succeed.
    #[error("the database can't be used now")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The operation would block, and was called with [`Reads::Batch`](super::Reads::Batch). Nothing has changed.
    #[error("{WouldBlock}")]
    WouldBlock,
}

impl From<WouldBlock> for StoreError {
    fn from(_: WouldBlock) -> Self {
        Self::WouldBlock
    }
}
