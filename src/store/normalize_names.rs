//! Schema step to version 4: user names in Normalization Form C, folded as [`crate::unicode::fold`] does it now.
//!
//! The step can't fail on a name and loses none. Where two users' names fold to the same by now, the first keeps the
//! folded form and the other the one of before: each logs in under the own name, and [`colliding_names`] lists
//! the other.

use crate::unicode;
use rusqlite::{Connection, params};

/// An administrator looks at a few names at a time.
const MAX_LISTED: usize = 10;

/// Brings `username` and `folded` of every user to the forms that registration stores.
pub(super) fn normalize_names(connection: &Connection) -> rusqlite::Result<()> {
    // Few names change, so these are read before the first is written.
    let mut changed = Vec::new();
    for_each_name(connection, |id, username, folded| {
        let name = Name::new(&username);
        if name.username != username || name.folded != folded {
            changed.push((id, name));
        }
    })?;
    // Two names with one NFC had one folded form before, so no name is in another's way; OR IGNORE is for databases that
    // were edited by hand.
    let mut set_username = connection.prepare("UPDATE OR IGNORE users SET username = ?2 WHERE id = ?1")?;
    let mut set_folded = connection.prepare("UPDATE OR IGNORE users SET folded = ?2 WHERE id = ?1")?;
    for (id, name) in changed {
        set_username.execute(params![id, name.username])?;
        set_folded.execute(params![id, name.folded])?;
    }
    Ok(())
}

/// Names that fold to what an older user's name folds to: the first few.
pub(super) fn colliding_names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut colliding = Vec::new();
    for_each_name(connection, |_id, username, folded| {
        if colliding.len() < MAX_LISTED && Name::new(&username).folded != folded {
            colliding.push(username);
        }
    })?;
    Ok(colliding)
}

/// The two forms of a name that a row holds.
struct Name {
    username: String,
    folded: String,
}

impl Name {
    fn new(username: &str) -> Self {
        let username = unicode::nfc(username);
        let folded = unicode::fold(&username);
        Self { username, folded }
    }
}

fn for_each_name(connection: &Connection, mut each: impl FnMut(i64, String, String)) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT id, username, folded FROM users ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(row.get(0)?, row.get(1)?, row.get(2)?);
    }
    Ok(())
}
