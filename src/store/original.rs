//! Reads the users of the Flask original's database, from an untrusted file.
//!
//! SQLite evaluates a file's content: a view named `users` may never end, a page may be referenced a thousand
//! times, a value may have 400 MB. So this reads only a table, no value over [`MAX_VALUE_BYTES`], ids in
//! ascending order, no more rows than fit into the file, and each row within [`ROW_TIME`]. The import locks
//! its database meanwhile.

use super::error::StoreError;
use super::files;
use super::sqlite;
use super::watchdog::Watchdog;
use core::time::Duration;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row};
use std::path::Path;

/// Longest value of a column. A password hash has a few hundred bytes.
const MAX_VALUE_BYTES: i32 = 1 << 20;
/// Time limit for one row, which takes microseconds in a sound file.
const ROW_TIME: Duration = Duration::from_secs(10);
/// Least size of a row in the file: a cell pointer, two lengths.
const LEAST_ROW_BYTES: u64 = 4;

/// A row of the original's table. Names may be missing, and not unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalUser {
    /// The id.
    pub id: i64,
    /// The name, if it is a text.
    pub username: Option<String>,
    /// The hash, if it is a text.
    pub password_hash: Option<String>,
}

/// Reads every user, in the order of their ids. Doesn't change the file.
///
/// # Errors
/// Those of `each`, and [`ReadError`].
pub fn read_original<E: From<ReadError>>(
    path: &Path,
    mut each: impl FnMut(OriginalUser) -> Result<(), E>,
) -> Result<(), E> {
    let connection = sqlite::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(ReadError::Store)?;
    let watchdog = Watchdog::new(connection.get_interrupt_handle(), ROW_TIME).map_err(ReadError::Store)?;
    check(&connection)?;
    let length = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
    let most = (length(path) + length(&files::beside(path, "-wal"))) / LEAST_ROW_BYTES;
    let sql = "SELECT id, username, password_hash FROM main.users ORDER BY id";
    let mut statement = connection.prepare(sql).map_err(ReadError::expect_columns)?;
    let mut rows = statement.query([]).map_err(ReadError::from)?;
    let (mut last, mut count) = (i64::MIN, 0);
    while let Some(row) = rows.next().map_err(|error| ReadError::after(last, error))? {
        if !matches!(row.get_ref(0).map_err(ReadError::from)?, ValueRef::Integer(_)) {
            return Err(ReadError::IdNotANumber.into());
        }
        let user = original_user(row).map_err(|error| ReadError::after(last, error))?;
        count += 1;
        if user.id < last || count > most {
            return Err(ReadError::Disordered { after: last }.into());
        }
        last = user.id;
        watchdog.pause(|| each(user))?;
    }
    Ok(())
}

/// Checks that the file is not a gatekey database, and that `users` is a table.
fn check(connection: &Connection) -> Result<(), ReadError> {
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    let owner: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if owner == super::schema::APPLICATION_ID {
        return Err(ReadError::Ours);
    }
    match sqlite::kind_of(connection, "users")? {
        None => Err(ReadError::NotTheOriginals),
        Some(sqlite::ObjectKind::Table) => Ok(()),
        Some(kind) => Err(ReadError::NotATable(kind.name())),
    }
}

fn original_user(row: &Row<'_>) -> rusqlite::Result<OriginalUser> {
    // Some programs write the bytes of a text as a BLOB.
    let text = |column| {
        let bytes = row.get_ref(column)?.as_bytes().ok();
        Ok::<_, rusqlite::Error>(bytes.and_then(|bytes| str::from_utf8(bytes).ok()).map(String::from))
    };
    Ok(OriginalUser { id: row.get(0)?, username: text(1)?, password_hash: text(2)? })
}

const EXPECTED: &str = "expected a table users with the columns id, username and password_hash";

/// Error of [`read_original`].
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is a gatekey database.
    #[error("it is gatekey's own database; export from it first: gatekey user export")]
    Ours,
    /// It has no table `users`.
    #[error("{EXPECTED}")]
    NotTheOriginals,
    /// `users` is not a table that stores its rows, but this.
    #[error("users is a {0}; {EXPECTED}")]
    NotATable(&'static str),
    /// An id is not an integer.
    #[error(
        "an id in the table users is not a whole number, and ids here are; write the users as JSON lines without \
         ids, and gatekey gives each a new one"
    )]
    IdNotANumber,
    /// The rows are out of order, or more than fit into the file: it is damaged.
    #[error("the database is corrupt: the row after id {after} is not where it belongs")]
    Disordered {
        /// The previous id.
        after: i64,
    },
    /// A row has a value over 1 MiB.
    #[error("a value in the row after id {after} is over {MAX_VALUE_BYTES} bytes long")]
    ValueTooLong {
        /// The previous id.
        after: i64,
    },
    /// The time limit for a row is exceeded.
    #[error(
        "the next row was not found within {} s; the file is damaged, or made to hold up the import",
        ROW_TIME.as_secs()
    )]
    TooSlow,
    /// SQLite failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ReadError {
    fn expect_columns(error: rusqlite::Error) -> Self {
        match Self::from(error) {
            Self::TooSlow => Self::TooSlow,
            _ => Self::NotTheOriginals,
        }
    }

    fn after(id: i64, error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::TooBig) => Self::ValueTooLong { after: id.max(0) },
            _ => Self::from(error),
        }
    }
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Self::TooSlow,
            _ => Self::Store(error.into()),
        }
    }
}
