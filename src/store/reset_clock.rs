//! Repair after a clock that ran ahead.
//!
//! The high-water mark keeps the realm's time in the future: tokens carry future times, future addresses
//! displace all others, and keys retired then stay until then. Lowering these times alone would revive
//! expired tokens. So [`reset_clock`] also gives every user a generation that no token has
//! (`generations.rs`), which revokes all tokens.

use super::backup::CopyError;
use super::columns::seconds;
use super::error::StoreError;
use super::lock::DirLock;
use super::{generations, schema, sqlite};
use crate::clock::UnixTime;
use rusqlite::{Connection, ErrorCode};
use std::path::Path;

/// Lowers all times to `now`, and revokes every token; migrates an older database first.
///
/// # Errors
/// [`CopyError::InUse`] while a process has the database open; [`CopyError::Store`] and [`CopyError::File`].
/// Then nothing is changed.
pub fn reset_clock(database: &Path, now: UnixTime) -> Result<(), CopyError> {
    let failed = |error: StoreError| CopyError::Store(database.into(), error);
    let locked = DirLock::exclusive(database).map_err(|error| CopyError::File(database.into(), error))?;
    let _lock = locked.ok_or_else(|| CopyError::InUse(database.into()))?;
    schema::inspect(database).map_err(failed)?;
    let mut connection =
        sqlite::connect_exclusive(database).map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy) => CopyError::InUse(database.into()),
            _ => failed(error.into()),
        })?;
    schema::migrate(&mut connection).map_err(failed)?;
    lower(&mut connection, now).map_err(failed)
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
