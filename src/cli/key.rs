//! `gatekey key …`: list, rotate, add and prune signing keys.
//!
//! The key file has the keys, the database their use. Without a database their use is unknown and not
//! recorded.

use super::cli_error::{CliError, OrFail as _};
use super::command::{Command, Run};
use super::config::CommandConfig;
use super::options::{self, Options};
use super::output::{self, table};
use super::{progress, prompt};
use crate::chain;
use crate::clock::{self, UnixTime};
use crate::json::{Value, json};
use crate::keys::{self, AcceptedRisks, Dropped, KeyFile, KeyFileError, KeyStatus, KeyUses, NewKeyError};
use crate::server::log;
use crate::signer::{KeyRing, SigningKey};
use crate::store::{Store, StoreError};
use core::time::Duration;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// The time limit for running servers to drop a removed key.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(10);

pub(super) const LIST: Command = Command {
    words: &["key", "list"],
    operands: &[],
    summary: "List the signing keys, oldest first, without their secrets.",
    details: "One line per key: its fingerprint; whether it signs or only verifies; since when it is in use, \
              and since when retired; the longest --token-lifetime while it signed, in seconds; when it may \
              be pruned; whether it is weak (under 32 bytes) or published; and how many live browser sessions and named \
              tokens it may have signed, which hold it back. With --json an array of \
              objects, times in Unix seconds. Unknown values are a dash, or null.",
    example: "gatekey key list --json",
    options: &[options::DATA_OPTIONS, &[&options::MAX_SESSION, &options::JSON]],
    run: Run::Plain(list),
};

fn list(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let (is_json, max_session) = (config.options.json, config.options.max_session);
    let ring = keys::load(config.data_dir.key_file());
    let ring = ring.map_err(|error| cant("list", &error))?;
    let (uses, now) = match open_store(config)? {
        Some(store) => (uses(&store, time(&store)?)?, time(&store)?),
        None => (KeyUses::new(), clock::unix()),
    };
    let keys = keys::statuses(&ring, &uses, max_session);
    let mut out = io::stdout().lock();
    if is_json {
        writeln!(out, "{}", Value::Array(keys.iter().map(|key| json(key, now)).collect()))?;
    } else {
        let header = ["FINGERPRINT", "ROLE", "SINCE", "RETIRED", "LIFETIME", "PRUNE", "NOTE"];
        let header = header.map(String::from).to_vec();
        let rows: Vec<_> = [header].into_iter().chain(keys.iter().map(|key| row(key, now))).collect();
        out.write_all(table(&rows).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) const ROTATE: Command = Command {
    words: &["key", "rotate"],
    operands: &[],
    summary: "Create a new signing key, which signs from now on.",
    details: "No user is signed out: older keys verify what they signed, until they are pruned. Running \
              servers use the new key within a second. If a secret may have leaked, use --compromised: it removes \
              the older keys, and returns when every server on this data directory has dropped them. It fails if \
              one has not within 10 s.",
    example: "gatekey key rotate --data /var/lib/gatekey",
    options: &[options::DATA_OPTIONS, &[&options::COMPROMISED]],
    run: Run::Plain(rotate),
};

fn rotate(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let is_compromised = config.options.compromised;
    let failed = |error: &(dyn core::error::Error + 'static)| CliError::failed("can't make a new key", error);
    let file = open(config)?;
    let secret = keys::new_secret().map_err(|error| failed(&error))?;
    let older = file.ring().keys().count();
    let ring = if is_compromised {
        file.replace_all(&secret)
    } else {
        file.check_room().map_err(|error| not_added(&error))?;
        file.rotate(&secret)
    };
    let ring = ring.map_err(|error| failed(&error))?;
    note(config, &ring, is_compromised);
    let signs = format!("the key {} signs from now on", ring.newest().fingerprint());
    output::say(&if is_compromised {
        let waited_for = await_dropped(config)?;
        format!(
            "{signs}; older keys dropped: {older}. All earlier tokens are revoked, and all users must log in \
             again. Passwords are unchanged. {waited_for}"
        )
    } else {
        format!(
            "{signs}; older keys kept: {older}. Tokens that they signed stay valid, and no user is signed \
             out. When those tokens have expired: gatekey key prune"
        )
    })
}

pub(super) const ADD: Command = Command {
    words: &["key", "add"],
    operands: &[],
    summary: "Add an existing secret from standard input, such as a Flask app's SECRET_KEY.",
    details: "The key is the exact input, less one line feed at the end; a secret that ends with a line feed \
              needs one more. It verifies tokens that were signed with it elsewhere. On a terminal, the \
              command asks for the secret, without echo.",
    example: "printf %s \"$SECRET_KEY\" | gatekey key add",
    options: &[options::DATA_OPTIONS, &[&options::SIGN, &options::WEAK, &options::FORCE]],
    run: Run::Plain(add),
};

fn add(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let Options { sign: signs, weak, force: published, .. } = config.options;
    let secret = prompt::signing_secret(SigningKey::MAX_BYTES)?;
    let key =
        keys::check_secret(&secret, AcceptedRisks { weak, published }).map_err(|error| not_added(&error))?;
    let file = open(config)?;
    file.check_new(&key).map_err(|error| not_added(&error))?;
    let (fingerprint, secret) = (key.fingerprint(), &secret);
    let ring = if signs { file.add_newest(secret) } else { file.add_oldest(secret) };
    note(config, &ring.or_fail("can't add the secret as a key")?, false);
    let role = if signs { "signs from now on" } else { "verifies from now on, and never signs" };
    output::say(&format!("added the key {fingerprint}: it {role}"))
}

pub(super) const PRUNE: Command = Command {
    words: &["key", "prune"],
    operands: &[],
    summary: "Remove the keys whose last token has expired.",
    details: "A key may be removed when it has been retired for longer than the longest --token-lifetime \
              while it signed, and the last browser session and named token that it signed have ended. A key that never \
              signed here may be removed when it has verified for \
              --max-session: set a longer one if tokens signed elsewhere live longer. If no key may be \
              removed, the command prints until when and exits with 1.",
    example: "gatekey key prune --data /var/lib/gatekey",
    options: &[options::DATA_OPTIONS, &[&options::MAX_SESSION]],
    run: Run::Plain(prune),
};

fn prune(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let max_session = config.options.max_session;
    let file = open(config)?;
    if file.ring().keys().count() == 1 {
        return output::say("there is nothing to prune: the only key signs");
    }
    let Some(store) = open_store(config)? else {
        return Err(CliError::failed("can't say which keys may go", &StoreError::Missing));
    };
    let now = time(&store)?;
    // A key without a record counts from now.
    keys::record_use(&store, file.ring(), Duration::ZERO, now).map_err(|error| cant_use(&error))?;
    let uses = uses(&store, now)?;
    let keys = keys::statuses(file.ring(), &uses, max_session);
    let (going, staying): (Vec<_>, Vec<_>) =
        keys.iter().filter(|key| !key.signs).partition(|key| key.may_be_pruned(now));
    let going: Vec<_> = going.into_iter().map(|key| key.fingerprint.clone()).collect();
    let staying: Vec<_> = staying.into_iter().map(verifies_until).collect();
    let staying = staying.join("\n");
    if going.is_empty() {
        return Err(CliError::Failed(format!(
            "no key may go yet, or tokens would die that have not expired:\n{staying}\nIf a secret may have become \
             known: gatekey key rotate --compromised"
        )));
    }
    file.retain(|key| !going.contains(&key.fingerprint())).or_fail("can't remove old keys")?;
    let waited_for = await_dropped(config)?;
    let mut removed: Vec<_> =
        going.iter().map(|fingerprint| format!("removed the key {fingerprint}")).collect();
    removed.push(waited_for);
    output::say([removed.join("\n"), staying].join("\n").trim_end())
}

/// Waits until no running server uses a removed key; returns a message that names the servers.
fn await_dropped(config: &CommandConfig<'_>) -> Result<String, CliError> {
    let data_dir = &config.data_dir;
    let waited = progress::watched("waiting until running servers have dropped the old keys", || {
        keys::await_dropped(data_dir.directory(), data_dir.key_file(), CONFIRMED_WITHIN)
    });
    let Dropped { confirmed, unconfirmed } = waited.map_err(|error| {
        CliError::failed(
            "the keys are removed, but it is not known whether running servers still use them",
            &error,
        )
    })?;
    let directory = data_dir.directory().display();
    if !unconfirmed.is_empty() {
        return Err(CliError::Failed(format!(
            "the keys are removed from the file, but after {} s these servers in {directory} may still use them: process \
             {}. Stop them or restart them now",
            CONFIRMED_WITHIN.as_secs(),
            unconfirmed.join(", ")
        )));
    }
    Ok(if confirmed.is_empty() {
        format!("No server runs in {directory}, so none had to drop a key")
    } else {
        format!("Waited until the servers in {directory} had dropped them: process {}", confirmed.join(", "))
    })
}

fn role(key: &KeyStatus<'_>) -> &'static str {
    if key.signs { "signs" } else { "verifies" }
}

fn row(key: &KeyStatus<'_>, now: UnixTime) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let prune = match key.prunable_from {
        Some(from) if from <= now => "now".into(),
        from => or_dash(from.map(|from| from.to_string())),
    };
    let sessions = held_back(key);
    let notes = [
        (key.is_published(), "published"),
        (key.key.is_weak(), "weak"),
        (key.signs_values && !key.signs, "signs links and forms"),
        (key.sessions() > 0, &sessions),
    ];
    let notes: Vec<_> = notes.iter().filter(|(is_so, _)| *is_so).map(|(_, note)| *note).collect();
    [
        key.fingerprint.clone(),
        role(key).into(),
        or_dash(key.recorded.map(|known| known.first_seen_at.to_string())),
        or_dash(key.recorded.and_then(|known| known.retired_at).map(|at| at.to_string())),
        or_dash(lifetime(key).map(|lifetime| lifetime.to_string())),
        prune,
        notes.join(", "),
    ]
    .into()
}

fn json(key: &KeyStatus<'_>, now: UnixTime) -> Value {
    json!({
        "fingerprint": key.fingerprint,
        "role": role(key),
        "first_seen_at": key.recorded.map(|known| known.first_seen_at.seconds()),
        "retired_at": key.recorded.and_then(|known| known.retired_at).map(UnixTime::seconds),
        "longest_lifetime": lifetime(key),
        "prunable_from": key.prunable_from.map(UnixTime::seconds),
        "may_be_pruned": key.may_be_pruned(now),
        "weak": key.key.is_weak(),
        "published": key.is_published(),
        "sessions": key.sessions(),
    })
}

fn held_back(key: &KeyStatus<'_>) -> String {
    let sessions = key.sessions();
    format!("{sessions} live session{}", if sessions == 1 { "" } else { "s" })
}

/// In seconds; `None` for a key that never signed here.
fn lifetime(key: &KeyStatus<'_>) -> Option<u64> {
    key.longest_lifetime().map(|lifetime| lifetime.as_secs())
}

fn verifies_until(key: &KeyStatus<'_>) -> String {
    let Some(from) = key.prunable_from else {
        return format!("the key {} signs links and forms", key.fingerprint);
    };
    let sessions = if key.sessions() > 0 { format!(": {}", held_back(key)) } else { String::new() };
    format!("the key {} may go from {from} on{sessions}", key.fingerprint)
}

fn open(config: &CommandConfig<'_>) -> Result<KeyFile, CliError> {
    KeyFile::open(config.data_dir.key_file()).map_err(|error| cant("change", &error))
}

fn cant(attempted: &str, error: &KeyFileError) -> CliError {
    let first = if error.is_missing() { "; the first start makes it: gatekey serve" } else { "" };
    CliError::Failed(format!("can't {attempted} the keys: {}{first}", chain::describe(error)))
}

fn not_added(error: &NewKeyError) -> CliError {
    let risk = ". If tokens signed with it must still be accepted for a while: --";
    CliError::Failed(match error {
        NewKeyError::Length(error) => return CliError::failed("can't add the secret as a key", error),
        NewKeyError::Published => format!("{error}{risk}force"),
        NewKeyError::Weak { .. } => format!("{error}{risk}weak"),
        NewKeyError::Present { .. } => format!("{error}; see: gatekey key list"),
        NewKeyError::Full { .. } => format!("{error}; first: gatekey key prune"),
    })
}

fn open_store(config: &CommandConfig<'_>) -> Result<Option<Store>, CliError> {
    match config.data_dir.open_store() {
        Ok(store) => Ok(Some(store)),
        Err(StoreError::Missing) => Ok(None),
        Err(error) => Err(cant_use(&error)),
    }
}

fn cant_use(error: &StoreError) -> CliError {
    CliError::failed("can't look up how the keys were used", error)
}

fn uses(store: &Store, now: UnixTime) -> Result<KeyUses, CliError> {
    store.signing_keys(now).map_err(|error| cant_use(&error))
}

/// The time for token expiry: never before the newest time in the database, even after a clock rollback.
fn time(store: &Store) -> Result<UnixTime, CliError> {
    let newest = store.newest_time().map_err(|error| cant_use(&error))?;
    Ok(newest.max(clock::unix()))
}

/// Records the use of the keys, and deletes all sessions if the keys that signed for them are gone. A
/// failure is only logged, since the key file is already changed, and the next start or a running server
/// records the keys too.
fn note(config: &CommandConfig<'_>, ring: &KeyRing, deletes_sessions: bool) {
    let noted = match config.data_dir.open_store() {
        Ok(store) => store
            .newest_time()
            .and_then(|newest| keys::record_use(&store, ring, Duration::ZERO, newest.max(clock::unix())))
            .and_then(|()| if deletes_sessions { store.delete_all_sessions() } else { Ok(()) }),
        Err(StoreError::Missing) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = noted {
        log::notice(format!("the use of the signing keys was not noted: {}", chain::describe(&error)));
    }
}
