//! The way back from a clock that once ran ahead.
//!
//! It leaves its mark. Time never goes back for the realm, so tokens go on to carry times of the future; addresses seen
//! then push out all others; a key that was retired then is kept until then. Lowering these alone would bring tokens back
//! to life that had expired meanwhile, and let those issued then live for as long as the clock was ahead. So
//! [`reset_clock`] gives every user a generation that no token has (`generations.rs`): every token dies.

use super::columns::seconds;
use super::lock::DirLock;
use super::{CopyError, StoreError, generations, schema, sqlite};
use crate::clock::UnixTime;
use rusqlite::{Connection, ErrorCode};
use std::path::Path;

/// Takes back to `now` whatever is later, and ends every token; an older database is brought up to date first.
///
/// # Errors
/// [`CopyError::InUse`] while anybody has the database open, or what else stands in the way; then nothing is changed.
pub fn reset_clock(database: &Path, now: UnixTime) -> Result<(), CopyError> {
    let refused = |error: StoreError| CopyError::Store(database.into(), error);
    let locked = DirLock::exclusive(database).map_err(|error| CopyError::File(database.into(), error))?;
    let _lock = locked.ok_or_else(|| CopyError::InUse(database.into()))?;
    schema::inspect(database).map_err(refused)?;
    let mut connection =
        sqlite::connect_exclusive(database).map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy) => CopyError::InUse(database.into()),
            _ => refused(error.into()),
        })?;
    schema::migrate(&mut connection).map_err(refused)?;
    lower(&mut connection, now).map_err(refused)
}

fn lower(connection: &mut Connection, now: UnixTime) -> Result<(), StoreError> {
    const CHANGES: [&str; 6] = [
        "UPDATE realm SET newest_time = min(newest_time, ?1), tokens_not_before = min(tokens_not_before, ?1)",
        "UPDATE limiter SET saved_at = min(saved_at, ?1)",
        "UPDATE undeclared_proxy SET seen_at = min(seen_at, ?1)",
        "UPDATE remembered_addresses SET seen_at = ?1 WHERE seen_at > ?1",
        "UPDATE signing_keys SET first_seen_at = min(first_seen_at, ?1), retired_at = min(retired_at, ?1)",
        "UPDATE users SET created_at = ?1 WHERE created_at > ?1",
    ];
    connection.pragma_update(None, "synchronous", "FULL")?;
    let transaction = connection.transaction()?;
    for change in CHANGES {
        transaction.execute(change, [seconds(now)])?;
    }
    let unused = generations::unused(generations::highest(&transaction)?)?;
    generations::move_all_to(&transaction, unused)?;
    transaction.commit()?;
    Ok(())
}
