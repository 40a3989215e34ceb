//! `gatekey user list` and `gatekey user show`: users in the database, without their hashes.

use super::cli_error::CliError;
use super::command::{Command, Run};
use super::config::CommandConfig;
use super::output::{List, json_text, table};
use super::{options, user};
use crate::clock::{self, UnixTime};
use crate::json::{self, Object, Value, json};
use crate::password::{AnyHash, StoredHash};
use crate::server::log;
use crate::store::{LoginHistory, User};
use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;

/// Page size: not all users are in memory at once.
pub(super) const PAGE: u32 = 1_000;
pub(super) const MOMENT_WIDTH: usize = "2026-11-23T18:56:46Z".len();

pub(super) const LIST: Command = Command {
    words: &["user", "list"],
    operands: &[],
    summary: "List all users.",
    details: "One line per user: id, state, when added, name. With --json an array of objects, times in Unix \
              seconds.",
    example: "gatekey user list --data /var/lib/gatekey",
    options: &[options::DATA_OPTIONS, &[&options::JSON]],
    run: Run::Plain(list),
};

fn list(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let is_json = config.options.json;
    let failed = |error| CliError::failed("can't list users", &error);
    let realm = user::open(config)?;
    let out = BufWriter::new(io::stdout().lock());
    let mut list = if is_json {
        List::of_json(out)?
    } else {
        let id_width = realm.last_user_id().map_err(failed)?.map_or(0, |id| id.to_string().len());
        let columns = [("ID", id_width), ("STATE", "disabled".len()), ("ADDED", MOMENT_WIDTH), ("NAME", 0)];
        List::of_lines(out, &columns)
    };
    let mut after = None;
    loop {
        let users = realm.list_users(after, PAGE).map_err(failed)?;
        for user in &users {
            list.push(|| cells(user), || Value::Object(object(user)))?;
        }
        match users.last() {
            Some(user) => after = Some(user.id),
            None => break,
        }
    }
    if list.end()? && !is_json {
        log::notice("there are no users yet; see: gatekey help user add");
    }
    Ok(ExitCode::SUCCESS)
}

/// A user name has no control characters or line breaks.
fn cells(user: &User) -> Vec<String> {
    vec![user.id.to_string(), state(user).into(), user.created_at.to_string(), user.username.clone()]
}

fn state(user: &User) -> &'static str {
    if user.disabled { "disabled" } else { "active" }
}

fn object(user: &User) -> Object {
    json::object([
        ("id", json!(user.id.number())),
        ("username", json!(user.username)),
        ("state", json!(state(user))),
        ("generation", json!(user.generation.number())),
        ("created_at", json!(user.created_at.seconds())),
    ])
}

pub(super) const SHOW: Command = Command {
    words: &["user", "show"],
    operands: &["USERNAME"],
    summary: "Show what is known about a user, except the password hash.",
    details: "The generation is what the user's tokens must carry. A password change, signing out and \
              disabling increment it. Of the hash only the parameters are shown. Logins are recorded while \
              rate limiting is on, once a day for each address; the addresses themselves are not stored. \
              Tokens issued before \"tokens since\" are revoked, for all users. Unknown values are a dash, \
              or null. With --json an object, times in Unix seconds.",
    example: "gatekey user show alice",
    options: &[options::DATA_OPTIONS, &[&options::JSON]],
    run: Run::Plain(show),
};

fn show(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let (username, is_json) = (config.operand(), config.options.json);
    let failed = |error| CliError::failed(format!("can't look {username:?} up"), &error);
    let (realm, user) = user::open_for(config, username)?;
    let notes = realm.login_history(user.id, clock::now()).map_err(failed)?;
    let tokens_since = realm.tokens_not_before().map_err(failed)?;
    let shown = Shown { user, notes, tokens_since: (tokens_since > UnixTime::EPOCH).then_some(tokens_since) };
    let text = if is_json { format!("{}\n", json_text(&shown.json())) } else { shown.lines() };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// A user, with logins and token revocation.
struct Shown {
    user: User,
    notes: LoginHistory,
    tokens_since: Option<UnixTime>,
}

impl Shown {
    fn lines(&self) -> String {
        let Self { user, notes, tokens_since } = self;
        let or_dash = |at: &Option<UnixTime>| at.map_or_else(|| "-".into(), |at| at.to_string());
        let hash = self.hash().unwrap_or_else(|error| format!("can't be verified: {error}"));
        let lines = [
            ("id", user.id.to_string()),
            ("name", user.username.clone()),
            ("state", state(user).into()),
            ("generation", user.generation.number().to_string()),
            ("added", user.created_at.to_string()),
            ("password hash", hash),
            ("remembered addresses", notes.addresses.to_string()),
            ("last noted login", or_dash(&notes.newest)),
            ("tokens since", or_dash(tokens_since)),
        ];
        table(&lines.map(|(name, value)| vec![format!("{name}:"), value]))
    }

    fn json(&self) -> Value {
        let mut object = object(&self.user);
        let members = [
            ("password_hash", json!(self.hash().ok())),
            ("remembered_addresses", json!(self.notes.addresses)),
            ("last_noted_login_at", json!(self.notes.newest.map(UnixTime::seconds))),
            ("tokens_not_before", json!(self.tokens_since.map(UnixTime::seconds))),
        ];
        object.extend(members.map(|(name, value)| (name.into(), value)));
        Value::Object(object)
    }

    /// The scheme and parameters of the password hash, without salt and hash; or why it can't be verified.
    fn hash(&self) -> Result<String, String> {
        let text = &self.user.password_hash;
        match (text.parse::<StoredHash>(), text.parse::<AnyHash>()) {
            (Ok(ours), _) => Ok(format!("scrypt {}", ours.cost())),
            (Err(_), Ok(_)) => Ok("another program's, replaced at the next login".into()),
            (Err(_), Err(error)) => Err(error.to_string()),
        }
    }
}
