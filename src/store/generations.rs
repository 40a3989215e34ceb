//! Generations that no token has: every revocation that a restore or an import can't know about is made good by them.
//!
//! A backup, an export or a clock that went back can't tell which tokens were issued and revoked meanwhile, nor for
//! which ids. So every user gets a generation beyond any that was ever signed for, and new users begin there too
//! (`realm.first_generation`): an old token fits neither its own user nor another one with the same id.
//!
//! Beyond means: above the highest that is known, by more than revocations can add in the life of a database
//! ([`STEP`]), and by a random number: a database that was restored twice from one backup, on two machines that know
//! nothing of each other, gives different generations.

use super::StoreError;
use super::columns::{integer, unsigned};
use crate::random;
use crate::user_id::{Generation, UserId};
use rusqlite::Connection;

/// More than the revocations of one user between a backup and its restore: 136 years of one each second.
const STEP: u64 = 1 << 32;
/// How many different generations a restore chooses from.
const CHOICES: u64 = 1 << 36;
/// The highest generation that is taken over from elsewhere: half of all, so that enough are left above.
pub(super) const MAX_IMPORTED: u64 = 1 << 52;

/// The highest generation that stands in this database. (A database of an older version has no first generation.)
pub(super) fn highest(connection: &Connection) -> rusqlite::Result<u64> {
    let number = |sql| connection.query_row(sql, [], |row| unsigned(row, 0));
    let of_users = number("SELECT ifnull(max(generation), 0) FROM users")?;
    Ok(number("SELECT first_generation FROM realm").unwrap_or(0).max(of_users))
}

/// A generation that was never signed for, where `highest` is the highest that is known.
///
/// # Errors
/// [`StoreError::Unavailable`] without random numbers, or when the generations are used up, after some 60,000 restores.
pub(super) fn unused(highest: u64) -> Result<Generation, StoreError> {
    let random: [u8; 8] = random::bytes().map_err(|error| StoreError::Unavailable(error.into()))?;
    let above = STEP + u64::from_be_bytes(random) % CHOICES;
    // As much room is left for revocations.
    let is_used_up = |generation: &Generation| Generation::new(generation.number() + STEP).is_none();
    Generation::new(highest.saturating_add(above))
        .filter(|generation| !is_used_up(generation))
        .ok_or_else(|| StoreError::Unavailable("all generations of tokens are used up".into()))
}

/// Ends every token and session of all users, and of all users who come later.
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

/// Deletes every session of every user, in the transaction that revokes everybody's tokens.
pub(super) fn delete_all_sessions(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM sessions", [])?;
    Ok(())
}

/// Users who register from now on have this generation. It never goes back.
pub(super) fn raise_first_generation(connection: &Connection, at: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE realm SET first_generation = max(first_generation, ?1)";
    connection.execute(sql, [at])?;
    Ok(())
}

/// The next user's id will be above this one.
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
    fn an_unused_generation_is_far_above_and_never_the_same_and_ends_before_the_numbers_do() {
        let (one, other) = (unused(7).unwrap(), unused(7).unwrap());
        assert!(one.number() > 7 + STEP && one.number() < 8 + STEP + CHOICES, "{one}");
        assert_ne!(one, other);
        assert!(unused(MAX_IMPORTED).is_ok());
        let last = Generation::new((1 << 53) - 1).unwrap().number();
        assert!(unused(last - STEP - STEP).is_err());
        assert!(unused(u64::MAX).is_err());
    }
}
