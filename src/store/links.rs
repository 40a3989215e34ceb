//! One-time links: the operations on `users.link`, the number of the one link of a user that is alive.

use super::columns::{generation, integer, timestamp, unsigned, user_id};
use super::error::StoreError;
use super::open::Store;
use super::session::Reads;
use crate::clock::UnixTime;
use crate::user_id::{Generation, UserId};
use rusqlite::{OptionalExtension as _, Row, params};

/// All that decides about a link, read in one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRow {
    /// The user.
    pub id: UserId,
    /// The name, as registered.
    pub username: String,
    /// The user's generation. A link of another one is dead.
    pub generation: Generation,
    /// The number of the link that is alive.
    pub link: u64,
    /// Whether the user is disabled.
    pub disabled: bool,
    /// Links issued earlier are dead.
    pub tokens_not_before: UnixTime,
}

impl Store {
    /// The row for the links of a user.
    pub fn find_link_row(&self, id: UserId, reads: Reads<'_>) -> Result<Option<LinkRow>, StoreError> {
        let sql = "SELECT id, username, generation, link, disabled, tokens_not_before FROM users, realm WHERE id = ?1";
        self.read(reads, |connection| {
            connection.prepare_cached(sql)?.query_row([id.number()], link_row).optional()
        })
    }

    /// Ends the links of a user, and returns the row with the number of the next one. `None` if there is no
    /// such user.
    pub fn next_link(&self, id: UserId) -> Result<Option<LinkRow>, StoreError> {
        let sql = "UPDATE users SET link = link + 1 WHERE id = ?1 \
                   RETURNING id, username, generation, link, disabled, (SELECT tokens_not_before FROM realm)";
        self.database.write(|connection| {
            Ok(connection.prepare_cached(sql)?.query_row([id.number()], link_row).optional()?)
        })
    }

    /// Sets the password of a user who has this link, and ends every link, token and session of the user.
    /// False, and nothing changed, if the link is not alive any more: of two uses at once, one wins.
    pub fn use_link(&self, row: &LinkRow, hash: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE users SET password_hash = ?4, generation = generation + 1, link = link + 1 \
                   WHERE id = ?1 AND generation = ?2 AND link = ?3 AND disabled = 0";
        let (generation, link) = (integer(row.generation.number()), integer(row.link));
        self.revoke(row.id, sql, params![row.id.number(), generation, link, hash])
    }
}

fn link_row(row: &Row<'_>) -> rusqlite::Result<LinkRow> {
    Ok(LinkRow {
        id: user_id(row, 0)?,
        username: row.get(1)?,
        generation: generation(row, 2)?,
        link: unsigned(row, 3)?,
        disabled: row.get(4)?,
        tokens_not_before: timestamp(row, 5)?,
    })
}
