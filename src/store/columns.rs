//! Integer columns to checked types, and back. A value out of range is an error.

use crate::clock::UnixTime;
use crate::user_id::{Generation, UserId};
use rusqlite::Row;
use rusqlite::types::ValueRef;

pub(super) fn user_id(row: &Row<'_>, column: usize) -> rusqlite::Result<UserId> {
    UserId::new(row.get(column)?).ok_or(out_of_range(column))
}

pub(super) fn generation(row: &Row<'_>, column: usize) -> rusqlite::Result<Generation> {
    Generation::new(unsigned(row, column)?).ok_or(out_of_range(column))
}

pub(super) fn timestamp(row: &Row<'_>, column: usize) -> rusqlite::Result<UnixTime> {
    UnixTime::new(unsigned(row, column)?).ok_or(out_of_range(column))
}

/// `None` for NULL.
pub(super) fn optional_timestamp(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<UnixTime>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => timestamp(row, column).map(Some),
    }
}

pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(|_| out_of_range(column))
}

fn out_of_range(column: usize) -> rusqlite::Error {
    rusqlite::Error::IntegralValueOutOfRange(column, -1)
}

pub(super) fn seconds(at: UnixTime) -> i64 {
    integer(at.seconds())
}

/// Lossless: times and generations end at 2^53 - 1.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
