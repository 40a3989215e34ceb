//! A record of an imported file, and why reading the file stopped.

use crate::cli::cli_error::CliError;
use crate::store::{Issued, ReadError};
use crate::user_id::{Generation, UserId};
use core::fmt;
use std::io;
use std::path::Path;

/// A longer line or object is no user's.
pub(super) const MAX_LINE_BYTES: u64 = 16 * 1024;
/// No longer line or object is skipped: it may never end.
pub(super) const MAX_SKIPPED_BYTES: usize = 1 << 20;
/// What some editors put before UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Where a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordPosition {
    /// From 1.
    Line(u64),
    /// Of an array, from 1.
    Object(u64),
    /// Of a table's row.
    Id(i64),
}

impl fmt::Display for RecordPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(f, "line {number}"),
            Self::Object(number) => write!(f, "object {number}"),
            Self::Id(id) => write!(f, "id {id}"),
        }
    }
}

/// A user, as the file has it.
#[derive(Debug)]
pub(super) struct Row {
    /// Not checked yet.
    pub(super) username: Option<String>,
    /// Not checked yet.
    pub(super) password_hash: String,
    pub(super) id: Option<UserId>,
    pub(super) generation: Generation,
    pub(super) disabled: bool,
}

/// What a line or a table's row holds.
#[derive(Debug)]
pub(super) enum Record {
    User(Row),
    /// For which ids and generations tokens may have been issued where the users come from.
    Issued(Issued),
}

/// Takes a record, or what is wrong with it.
pub(super) type Take<'a> = dyn FnMut(RecordPosition, Result<Record, String>) -> Result<(), CliError> + 'a;

/// Why the reading of a file stopped.
#[derive(Debug)]
pub(super) enum Stopped {
    /// It can't be read on.
    Reading(io::Error),
    /// It is not the original's database.
    Original(ReadError),
    /// Whoever took the rows takes no more.
    Taking(CliError),
}

impl Stopped {
    pub(super) fn on(self, path: &Path) -> CliError {
        let attempted = format!("can't read {}", path.display());
        match self {
            Self::Reading(error) => CliError::failed(attempted, &error),
            Self::Original(error) => CliError::failed(attempted, &error),
            Self::Taking(failure) => failure,
        }
    }
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Reading(error)
    }
}

impl From<ReadError> for Stopped {
    fn from(error: ReadError) -> Self {
        Self::Original(error)
    }
}
