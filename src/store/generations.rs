//! Unused token generations: they revoke all tokens after a restore, an import or a clock reset.
//!
//! A backup or export doesn't contain the revocations since. So all users, and new ones
//! (`realm.first_generation`), get a generation that no token has: an old token fits neither its user nor
//! another one with the same id.
//!
//! It is above the highest known generation by more than revocations can add in the life of a database
//! ([`STEP`]), and by a random number, so that two restores of one backup get different generations.

use super::columns::{integer, unsigned};
use super::error::StoreError;
use crate::random;
use crate::user_id::{Generation, UserId};
use rusqlite::Connection;

/// More than the revocations of one user between a backup and its restore: 136 years, one a second.
const STEP: u64 = 1 << 32;
/// Number of generations that a restore picks from.
const CHOICES: u64 = 1 << 36;
/// The highest generation that an import accepts: half of all, so that enough are left.
pub(super) const MAX_IMPORTED: u64 = 1 << 52;

/// The highest generation in this database. A replaced database of an older version has no
/// `first_generation`.
pub(super) fn highest(connection: &Connection) -> rusqlite::Result<u64> {
    let number = |sql| connection.query_row(sql, [], |row| unsigned(row, 0));
    let of_users = number("SELECT ifnull(max(generation), 0) FROM users")?;
    Ok(number("SELECT first_generation FROM realm").unwrap_or(0).max(of_users))
}

/// A generation that no token has, above `highest`.
///
/// # Errors
/// [`StoreError::Unavailable`] without random numbers, or when the generations are exhausted, after about
/// 60,000 restores.
pub(super) fn unused(highest: u64) -> Result<Generation, StoreError> {
    let random: [u8; 8] = random::bytes().map_err(|error| StoreError::Unavailable(error.into()))?;
    let above = STEP + u64::from_be_bytes(random) % CHOICES;
    // Leaves as many for revocations.
    let is_used_up = |generation: &Generation| Generation::new(generation.number() + STEP).is_none();
    Generation::new(highest.saturating_add(above))
        .filter(|generation| !is_used_up(generation))
        .ok_or_else(|| StoreError::Unavailable("all generations of tokens are used up".into()))
}

/// Revokes every token and session of all users, and of users inserted later.
pub(super) fn move_all_to(connection: &Connection, at: Generation) -> rusqlite::Result<()> {
    let at = integer(at.number());
    connection.execute("UPDATE users SET generation = ?1", [at])?;
    delete_all_sessions(connection)?;
    raise_first_generation(connection, at)
}

/// Deletes every session of a user, in the transaction that raises the user's generation.
pub(super) fn delete_sessions_of(connection: &Connection, user: UserId) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM sessions WHERE user_id = ?1")?.execute([user.number()])?;
    Ok(())
}

/// Deletes every session of every user, in the transaction that revokes all tokens.
pub(super) fn delete_all_sessions(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM sessions", [])?;
    Ok(())
}

pub(super) fn raise_first_generation(connection: &Connection, at: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE realm SET first_generation = max(first_generation, ?1)";
    connection.execute(sql, [at])?;
    Ok(())
}

pub(super) fn raise_last_id(connection: &Connection, last_id: i64) -> rusqlite::Result<()> {
    let known = "SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'users'";
    let known: i64 = connection.query_row(known, [], |row| row.get(0))?;
    connection.execute("DELETE FROM sqlite_sequence WHERE name = 'users'", [])?;
    let sql = "INSERT INTO sqlite_sequence (name, seq) VALUES ('users', ?1)";
    connection.execute(sql, [last_id.max(known)])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unused_generation_is_far_above_random_and_bounded() {
        let (one, other) = (unused(7).unwrap(), unused(7).unwrap());
        assert!(one.number() > 7 + STEP && one.number() < 8 + STEP + CHOICES, "{one}");
        assert_ne!(one, other);
        assert!(unused(MAX_IMPORTED).is_ok());
        let last = Generation::new((1 << 53) - 1).unwrap().number();
        assert!(unused(last - STEP - STEP).is_err());
        assert!(unused(u64::MAX).is_err());
    }
}
