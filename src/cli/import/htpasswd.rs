//! Parser for lines of an htpasswd file: `name:hash`. Lines that begin with `#` are comments.

use super::record::{Record, Row};
use crate::user_id::Generation;
use core::str;

/// `None` for a line without a user.
pub(super) fn parse(line: &[u8]) -> Option<Result<Record, String>> {
    if line.is_empty() || line.starts_with(b"#") {
        return None;
    }
    Some(row(line).map(Record::User))
}

fn row(line: &[u8]) -> Result<Row, String> {
    let line = str::from_utf8(line).map_err(|_| "the line is not UTF-8")?;
    let (username, rest) = line.split_once(':').ok_or("the line is not name:hash")?;
    // Apache ignores what follows a second colon.
    let password_hash = if rest.starts_with('$') { rest.split(':').next().unwrap_or(rest) } else { rest };
    Ok(Row {
        username: Some(username.into()),
        password_hash: password_hash.into(),
        id: None,
        generation: Generation::FIRST,
        disabled: false,
    })
}
