//! `gatekey token …`: issue tokens as an administrator, inspect one, list and revoke named tokens and browser
//! sessions.

use super::cli_error::{CliError, OrFail as _};
use super::command::{Command, Run};
use super::config::CommandConfig;
use super::output::{self, json_text, table};
use super::{options, prompt, user};
use crate::chain;
use crate::clock;
use crate::data_dir::DataDir;
use crate::json::{self, Value, json};
use crate::keys;
use crate::realm::{self, Realm, RefusalReason};
use crate::server::log;
use crate::session_id::SessionId;
use crate::shell;
use crate::store::{Reads, Session, Store, StoreError};
use crate::token::{self, SignedToken, TokenError};
use core::time::Duration;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// How long a running server may take to load a new key: twice the time within which it does.
const LOADED_WITHIN: Duration = Duration::from_secs(2);

pub(super) const ISSUE: Command = Command {
    words: &["token", "issue"],
    operands: &["USERNAME"],
    summary: "Print a new token for a user.",
    details: "Needs the signing keys, with which any token can be made. For users who can't log in, because \
              they are rate limited for example. With --name and --lifetime it is a named token for a program, \
              such as a backup: token list shows it, and token revoke ends it. Fails if a server that runs on \
              this data directory would reject the token: because of its --max-session, or because it has other \
              signing keys.",
    example: "gatekey token issue alice --name backup --lifetime 90d",
    options: &[
        options::DATA_OPTIONS,
        &[&options::TOKEN_LIFETIME, &options::MAX_SESSION, &options::MAX_TOKEN_LIFETIME],
        &[&options::NAME, &options::LIFETIME],
    ],
    run: Run::Plain(issue),
};

fn issue(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let username = config.operand();
    let (realm, user) = user::open_for(config, username)?;
    if user.disabled {
        return Err(CliError::Failed(format!(
            "{username:?} is disabled; first: gatekey user enable {}",
            shell::quote_operand(username)
        )));
    }
    let now = clock::now();
    refuse_rejected(config, &realm)?;
    realm.record_key_use(now); // with this lifetime, so that the key is kept until the token expires
    let principal = realm.principal_for_operator(&user, now);
    let failed = "can't issue a token";
    let token = match (&config.options.name, config.options.lifetime) {
        (None, None) => realm.issue_token(&principal, now).or_fail(failed)?.token,
        (Some(name), Some(lifetime)) => {
            realm.issue_named_token(&principal, name, lifetime, now).or_fail(failed)?.token.expose().into()
        }
        (Some(_), None) | (None, Some(_)) => {
            let message = "token issue: --name and --lifetime go together; see: gatekey help token issue";
            return Err(CliError::Usage(message.into()));
        }
    };
    writeln!(io::stdout().lock(), "{token}")?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses to issue a token that a running server would reject: its options may differ from this command's.
fn refuse_rejected(config: &CommandConfig<'_>, realm: &Realm) -> Result<(), CliError> {
    let (lifetime, signing) = (realm.policy().token_lifetime, realm.ring().newest().fingerprint());
    let servers = keys::await_loaded(config.data_dir.directory(), &signing, LOADED_WITHIN);
    for server in servers.or_fail("can't issue a token")? {
        let (pid, max_session) = (server.pid, server.max_session);
        if lifetime > max_session {
            return Err(CliError::Failed(format!(
                "the running server (process {pid}) would reject a token that lives {} s: its --max-session is {} s; \
                 use a shorter --token-lifetime",
                lifetime.as_secs(),
                max_session.as_secs()
            )));
        }
        if !server.has_key(&signing) {
            return Err(CliError::Failed(format!(
                "the running server (process {pid}) would reject the token: it does not have the key {signing}, which \
                 signs it; use the server's --key-file"
            )));
        }
    }
    Ok(())
}

pub(super) const LIST: Command = Command {
    words: &["token", "list"],
    operands: &["USERNAME"],
    summary: "List the named tokens and signed-in browsers of a user.",
    details: "One line each: its id, kind (token or browser), when it was made, when it expires, when it was \
              last used, to the day, and its name. Other tokens are stored nowhere. With --json an array of \
              objects, times in Unix seconds.",
    example: "gatekey token list alice",
    options: &[
        options::DATA_OPTIONS,
        &[&options::BROWSER_SESSION, &options::MAX_TOKEN_LIFETIME, &options::JSON],
    ],
    run: Run::Plain(list),
};

fn list(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let username = config.operand();
    let (realm, user) = user::open_for(config, username)?;
    let sessions = realm.list_sessions(user.id, clock::now());
    let sessions = sessions.or_fail(format!("can't list the tokens of {username:?}"))?;
    let mut out = io::stdout().lock();
    if config.options.json {
        writeln!(out, "{}", Value::Array(sessions.iter().map(object).collect()))?;
    } else {
        let header = ["ID", "KIND", "MADE", "EXPIRES", "USED", "NAME"].map(String::from).to_vec();
        let rows: Vec<_> = [header].into_iter().chain(sessions.iter().map(row)).collect();
        out.write_all(table(&rows).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn object(session: &Session) -> Value {
    json!({
        "id": session.id.to_string(),
        "kind": session.kind.as_str(),
        "name": session.name,
        "created_at": session.created_at.seconds(),
        "expires_at": session.expires_at.seconds(),
        "used_at": session.used_at.seconds(),
    })
}

/// A browser's name is its own, so it is escaped.
fn row(session: &Session) -> Vec<String> {
    let Session { id, kind, name, created_at, expires_at, used_at, .. } = session;
    let times = [created_at, expires_at, used_at].map(ToString::to_string);
    let mut cells = vec![id.to_string(), kind.to_string()];
    cells.extend(times);
    cells.push(name.escape_debug().to_string());
    cells
}

pub(super) const REVOKE: Command = Command {
    words: &["token", "revoke"],
    operands: &["USERNAME", "ID"],
    summary: "Revoke a named token of a user, or sign one browser out.",
    details: "The id is from token list. The command user revoke revokes all tokens of a user.",
    example: "gatekey token revoke alice AAECAwQFBgcICQoLDA0ODw",
    options: &[options::DATA_OPTIONS],
    run: Run::Plain(revoke),
};

fn revoke(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let (username, id) = (config.operand(), config.operands.get(1).map_or("", String::as_str));
    let (realm, user) = user::open_for(config, username)?;
    let ended = SessionId::parse(id).map_or(Ok(false), |id| realm.end_session(user.id, id));
    if ended.or_fail(format!("can't change {username:?}"))? {
        return output::say(&format!("revoked {id} of {username:?}"));
    }
    Err(CliError::Failed(format!(
        "{username:?} has no named token or browser session {id:?}; see: gatekey token list {username}"
    )))
}

pub(super) const INSPECT: Command = Command {
    words: &["token", "inspect"],
    operands: &[],
    summary: "Verify a token from standard input and print its contents.",
    details: "Prints one JSON object. \"verdict\" is ok, expired, not_yet_valid, bad_signature, malformed or \
              unsupported, by form, signature and clock alone, and \"reason\" says why. \"header\" and \"payload\" are printed if the \
              signature is valid. \"user\" is what the database knows, if there is one. Needs only the key \
              file. Exit status 0 for ok, else 1.",
    example: "printf %s \"$TOKEN\" | gatekey token inspect",
    options: &[options::DATA_OPTIONS, &[&options::MAX_SESSION, &options::AT]],
    run: Run::Plain(inspect),
};

fn inspect(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let (data_dir, options) = (&config.data_dir, &config.options);
    let ring = keys::load(data_dir.key_file()).or_fail("can't verify without the keys")?;
    let token = prompt::token()?;
    let opened = token::verify_signature(token.expose().trim(), &ring);
    let now = options.at.unwrap_or_else(clock::unix);
    let (report, is_ok) = match &opened {
        Err(error) => (report(Some(*error), Value::Null, Value::Null, Value::Null), false),
        Ok(opened) => {
            let error = opened.verify(now, options.max_session).err();
            let SignedToken { header, payload } = opened.clone();
            let user = user_of(data_dir, opened);
            (report(error, Value::Object(header), Value::Object(payload), user), error.is_none())
        }
    };
    writeln!(io::stdout().lock(), "{}", json_text(&report))?;
    Ok(if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(error: Option<TokenError>, header: Value, payload: Value, user: Value) -> Value {
    Value::Object(json::object([
        ("verdict", verdict(error).into()),
        ("reason", error.map_or(Value::Null, |error| error.to_string().into())),
        ("header", header),
        ("payload", payload),
        ("user", user),
    ]))
}

/// The verdict on form, signature and time.
fn verdict(error: Option<TokenError>) -> &'static str {
    match error {
        None => "ok",
        Some(TokenError::Malformed(_)) => "malformed",
        Some(TokenError::BadSignature) => "bad_signature",
        Some(TokenError::Unsupported(_)) => "unsupported",
        Some(TokenError::Expired(_)) => "expired",
        Some(TokenError::IssuedInFuture(_)) => "not_yet_valid",
    }
}

/// The token's user in the database; `null` without a database, or without a user in the token.
fn user_of(data_dir: &DataDir, opened: &SignedToken) -> Value {
    let (Ok(id), Ok(generation), Ok(auth_time)) = (opened.user_id(), opened.generation(), opened.auth_time())
    else {
        return Value::Null;
    };
    let session = opened.session().ok().flatten();
    let find = |store: Store| match session {
        None => store.find_token_row(id, Reads::PerCall).map(|subject| (subject, None)),
        Some(session) => store.find_session(id, session, Reads::PerCall).map(Option::unzip),
    };
    let (subject, row) = match data_dir.open_store().and_then(find) {
        Ok(found) => found,
        Err(StoreError::Missing) => return Value::Null,
        Err(error) => {
            log::notice(format!("the token's user is not looked up: {}", chain::describe(&error)));
            return Value::Null;
        }
    };
    let state = match realm::token_state(generation, auth_time, subject.as_ref()) {
        Ok(()) if session.is_some() && row.flatten().is_none() => "revoked",
        Ok(()) => "active",
        Err(RefusalReason::Disabled) => "disabled",
        Err(RefusalReason::UserGone) => "unknown",
        Err(_) => "revoked",
    };
    let username = subject.map(|subject| subject.username);
    json!({"id": id.number(), "username": username, "state": state})
}
