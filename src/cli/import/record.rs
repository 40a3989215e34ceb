//! Records of an imported file, their positions, and errors.

use crate::cli::cli_error::CliError;
use crate::store::{Issued, ReadError};
use crate::user_id::{Generation, UserId};
use core::fmt;
use std::io;
use std::path::Path;

/// The longest line or object of a user.
pub(super) const MAX_LINE_BYTES: u64 = 16 * 1024;
/// The longest line or object that is skipped; one may never end.
pub(super) const MAX_SKIPPED_BYTES: usize = 1 << 20;
pub(super) const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordPosition {
    /// From 1.
    Line(u64),
    /// In an array, from 1.
    Object(u64),
    /// The id of a database row.
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

/// A user as in the file; name and hash are not validated.
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

#[derive(Debug)]
pub(super) enum Record {
    User(Row),
    /// The highest id and generation for which tokens may exist.
    Issued(Issued),
}

pub(super) type Take<'a> = dyn FnMut(RecordPosition, Result<Record, String>) -> Result<(), CliError> + 'a;

#[derive(Debug)]
pub(super) enum Stopped {
    Reading(io::Error),
    /// The file is no database of the original.
    Original(ReadError),
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
