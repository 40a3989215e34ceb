//! `gatekey token …`: issue a token as an administrator; inspect a token.

use super::cli_error::{CliError, OrFail as _};
use super::command::{Command, Run};
use super::config::CommandConfig;
use super::options;
use super::{prompt, user};
use crate::chain;
use crate::clock;
use crate::data_dir::DataDir;
use crate::json::{self, Value, json};
use crate::keys;
use crate::realm::{self, Realm, RefusalReason};
use crate::server::log;
use crate::shell;
use crate::store::{Reads, StoreError};
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
              they are rate limited for example. Fails if a server that runs on this data directory would \
              reject the token: because of its --max-session, or because it has other signing keys.",
    example: "gatekey token issue alice --token-lifetime 1h",
    options: &[options::DATA_OPTIONS, &[&options::TOKEN_LIFETIME, &options::MAX_SESSION]],
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
    let issued =
        realm.issue_token(&realm.principal_for_operator(&user, now), now).or_fail("can't issue a token")?;
    writeln!(io::stdout().lock(), "{}", issued.token)?;
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
    writeln!(io::stdout().lock(), "{report}")?;
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
    let subject = match data_dir.open_store().and_then(|store| store.find_token_row(id, Reads::PerCall)) {
        Ok(subject) => subject,
        Err(StoreError::Missing) => return Value::Null,
        Err(error) => {
            log::notice(format!("the token's user is not looked up: {}", chain::describe(&error)));
            return Value::Null;
        }
    };
    let state = match realm::token_state(generation, auth_time, subject.as_ref()) {
        Ok(()) => "active",
        Err(RefusalReason::Disabled) => "disabled",
        Err(RefusalReason::UserGone) => "unknown",
        Err(_) => "revoked",
    };
    let username = subject.map(|subject| subject.username);
    json!({"id": id.number(), "username": username, "state": state})
}
