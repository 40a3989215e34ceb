//! New names for users: JSON lines with the name or id of a row, and its new name.
//!
//! ```text
//! {"username":"a:b","to":"a-b"}
//! {"id":7,"to":"nameless"}
//! ```

use super::record::RecordPosition;
use super::rows;
use crate::cli::cli_error::CliError;
use crate::cli::files::Files;
use crate::json::{self, Object, Value};
use crate::user_id::UserId;
use crate::username::Username;
use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::Path;

#[derive(Debug, Default)]
pub(super) struct Renames {
    by_id: BTreeMap<UserId, String>,
    by_name: BTreeMap<String, String>,
}

enum Rename {
    OfId(UserId, String),
    OfName(String, String),
}

impl Renames {
    pub(super) fn read(path: &Path, files: &Files) -> Result<Self, CliError> {
        let mut renames = Self::default();
        let failed = |error| CliError::failed(format!("can't read {}", path.display()), &error);
        let mut file = BufReader::new(files.open(path).map_err(failed)?);
        let mut take = |position: RecordPosition, rename: Result<Rename, String>| {
            let complaint = |text: &str| CliError::Failed(format!("{}, {position}: {text}", path.display()));
            let earlier = match rename.map_err(|error| complaint(&error))? {
                Rename::OfId(id, to) => renames.by_id.insert(id, to),
                Rename::OfName(name, to) => renames.by_name.insert(name, to),
            };
            if earlier.is_some() { Err(complaint("it was given another name before")) } else { Ok(()) }
        };
        rows::read_lines(&mut file, parse, &mut take).map_err(|error| error.on(path))?;
        Ok(renames)
    }

    /// The name of a row after renaming. An entry for its id wins.
    pub(super) fn apply<'a>(&'a self, id: Option<UserId>, username: Option<&'a str>) -> Option<&'a str> {
        let of_id = id.and_then(|id| self.by_id.get(&id));
        let of_name = || username.and_then(|name| self.by_name.get(name));
        of_id.or_else(of_name).map(String::as_str).or(username)
    }
}

fn parse(line: &[u8]) -> Option<Result<Rename, String>> {
    if line.is_empty() {
        return None;
    }
    let object = json::parse_object(line).map_err(|error| error.to_string());
    Some(object.and_then(|object| rename(&object)))
}

fn rename(object: &Object) -> Result<Rename, String> {
    let malformed = "expected {\"username\":…,\"to\":…} or {\"id\":…,\"to\":…}";
    let to = object.get("to").and_then(Value::as_str).ok_or(malformed)?;
    let to = Username::parse(to).map_err(|error| format!("{to:?}: {error}"))?.to_string();
    let id = object.get("id").and_then(Value::as_i64).and_then(UserId::new);
    let name = object.get("username").and_then(Value::as_str);
    match (id, name, object.len()) {
        (Some(id), None, 2) => Ok(Rename::OfId(id, to)),
        (None, Some(name), 2) => Ok(Rename::OfName(name.into(), to)),
        _ => Err(malformed.into()),
    }
}
