//! Columns: SQLite's integers as our numbers, and back. A number that can't be is an error, not another number.

use crate::clock::UnixTime;
use crate::user_id::{Generation, UserId};
use rusqlite::Row;
use rusqlite::types::ValueRef;

/// A column of users' ids.
pub(super) fn user_id(row: &Row<'_>, column: usize) -> rusqlite::Result<UserId> {
    UserId::new(row.get(column)?).ok_or(out_of_range(column))
}

/// A column of users' generations.
pub(super) fn generation(row: &Row<'_>, column: usize) -> rusqlite::Result<Generation> {
    Generation::new(unsigned(row, column)?).ok_or(out_of_range(column))
}

/// A column of Unix seconds.
pub(super) fn timestamp(row: &Row<'_>, column: usize) -> rusqlite::Result<UnixTime> {
    UnixTime::new(unsigned(row, column)?).ok_or(out_of_range(column))
}

/// A column of Unix seconds that may be NULL.
pub(super) fn optional_timestamp(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<UnixTime>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => timestamp(row, column).map(Some),
    }
}

/// A column of a number that is not negative.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(|_| out_of_range(column))
}

/// The column has a number that can't be.
fn out_of_range(column: usize) -> rusqlite::Error {
    rusqlite::Error::IntegralValueOutOfRange(column, -1)
}

/// A moment as SQLite's integer.
pub(super) fn seconds(at: UnixTime) -> i64 {
    integer(at.seconds())
}

/// Times and generations end at 2^53 - 1, and nobody counts an epoch that far: nothing is lost.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
