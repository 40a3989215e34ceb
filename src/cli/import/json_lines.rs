//! Parser for JSON lines as `gatekey user export` writes them:
//! `{"username":"ok","password_hash":"$scrypt$…"}`, optionally with `id`, `generation` and `disabled`. The
//! first line is `{"realm":{"last_generation":1,"last_id":7}}`.

use super::record::{Record, Row};
use crate::json::{self, Object, Value};
use crate::store::Issued;
use crate::user_id::{Generation, UserId};

/// `None` for an empty line.
pub(super) fn parse(line: &[u8]) -> Option<Result<Record, String>> {
    if line.is_empty() {
        return None;
    }
    let object = json::parse_object(line).map_err(|error| error.to_string());
    Some(object.and_then(|object| match object.get("realm") {
        Some(realm) if object.len() == 1 => issued(realm).map(Record::Issued),
        _ => row(object).map(Record::User),
    }))
}

fn issued(realm: &Value) -> Result<Issued, String> {
    let number = |name| realm.get(name).and_then(Value::as_u64);
    match (number("last_id"), number("last_generation")) {
        (Some(last_id), Some(last_generation)) => Ok(Issued { last_id, last_generation }),
        _ => Err("realm has not the numbers last_id and last_generation, as gatekey user export writes them"
            .into()),
    }
}

fn row(mut object: Object) -> Result<Row, String> {
    let id = match object.remove("id") {
        None | Some(Value::Null) => None,
        Some(id) => Some(id.as_i64().and_then(UserId::new).ok_or_else(|| bad_id("id", &id))?),
    };
    let generation = take(&mut object, "generation", "a whole number from 0", |value| {
        value.as_u64().and_then(Generation::new)
    })?;
    let disabled = take(&mut object, "disabled", "true or false", Value::as_bool)?;
    let text = |value: &Value| value.as_str().map(String::from);
    let username = take(&mut object, "username", "a text", text)?;
    let password_hash = take(&mut object, "password_hash", "a text", text)?;
    if let Some(name) = object.keys().next() {
        return Err(format!(
            "there is a member {name:?}, expected username and password_hash, and at most id, generation and disabled"
        ));
    }
    // The original's tokens have an id and no generation: with a new id, they would authenticate as another
    // user.
    if id.is_none() && generation == Some(Generation::IMPORTED) {
        return Err("generation is 0 and there is no id: expected an id, or a generation from 1".into());
    }
    Ok(Row {
        username,
        password_hash: password_hash.ok_or("there is no password_hash, expected a text")?,
        id,
        generation: generation.unwrap_or(Generation::FIRST),
        disabled: disabled.unwrap_or(false),
    })
}

pub(super) fn bad_id(name: &str, id: &Value) -> String {
    let hint = if id.is_string() { ", it is a text; without an id the user gets a new one" } else { "" };
    format!("{name} is not a whole number above 0{hint}")
}

/// Removes and converts a member; null counts as absent.
fn take<T>(
    object: &mut Object,
    name: &str,
    expected: &str,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Result<Option<T>, String> {
    match object.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match read(&value) {
            Some(read) => Ok(Some(read)),
            None => Err(format!("{name} is not {expected}")),
        },
    }
}
