//! `gatekey user …`: add and change users.

use super::cli_error::{CliError, OrFail as _};
use super::command::{Command, Run};
use super::config::CommandConfig;
use super::output;
use super::{data, options, progress, prompt};
use crate::clock;
use crate::hashing::Hasher;
use crate::keys::Keys;
use crate::realm::{Policy, Realm};
use crate::server::log;
use crate::store::{Store, StoreError, User};
use crate::user_id::UserId;
use std::process::ExitCode;
use std::thread;

pub(super) const ADD: Command = Command {
    words: &["user", "add"],
    operands: &["USERNAME"],
    summary: "Add a user, also while registration is closed.",
    details: "Asks for the password twice, without echo. Creates the data directory that --data \
              names if there is none.",
    example: "gatekey user add alice",
    options: &[
        options::DATA_OPTIONS,
        &[&options::NEW_DATABASE],
        options::HASH_OPTIONS,
        &[&options::MIN_PASSWORD_LENGTH, &options::PASSWORD_STDIN],
    ],
    run: Run::Plain(add),
};

fn add(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let username = config.operand();
    let (policy, hasher, data_dir) = (config.policy()?, config.hasher()?, data::named(config)?);
    let password = prompt::new_password(config)?;
    let (store, keys) = data::open_or_create(data_dir)?;
    let realm = open_realm(store, keys, hasher, policy)?;
    let added =
        realm.add_user(username, &password, clock::unix()).or_fail(format!("can't add {username:?}"))?;
    output::say(&format!("added {username:?} with id {}", added.id))
}

pub(super) const PASSWD: Command = Command {
    words: &["user", "passwd"],
    operands: &["USERNAME"],
    summary: "Set a user's password and revoke all the user's tokens.",
    details: "Asks for the new password twice, without echo.",
    example: "echo 'correct horse battery staple' | gatekey user passwd alice --password-stdin",
    options: &[
        options::DATA_OPTIONS,
        options::HASH_OPTIONS,
        &[&options::MIN_PASSWORD_LENGTH, &options::PASSWORD_STDIN],
    ],
    run: Run::Plain(passwd),
};

fn passwd(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let username = config.operand();
    let (realm, user) = open_for(config, username)?;
    let password = prompt::new_password(config)?;
    realm.set_password(&user, &password).or_fail(format!("can't set the password of {username:?}"))?;
    output::say(&format!("changed the password of {username:?}; all tokens of the user are revoked"))
}

pub(super) const DISABLE: Command = Command {
    words: &["user", "disable"],
    operands: &["USERNAME"],
    summary: "Block a user and revoke all the user's tokens.",
    details: "User, name and password are kept.",
    example: "gatekey user disable alice",
    options: &[options::DATA_OPTIONS],
    run: Run::Plain(disable),
};

fn disable(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let done = "disabled {}; all tokens of the user are revoked";
    change(config, config.operand(), done, |realm, id| {
        warn_of_last_administrator(realm, id)?;
        realm.set_disabled(id, true)
    })
}

pub(super) const ENABLE: Command = Command {
    words: &["user", "enable"],
    operands: &["USERNAME"],
    summary: "Unblock a disabled user.",
    details: "Tokens issued before stay revoked.",
    example: "gatekey user enable alice",
    options: &[options::DATA_OPTIONS],
    run: Run::Plain(enable),
};

fn enable(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    change(config, config.operand(), "enabled {}", |realm, id| realm.set_disabled(id, false))
}

pub(super) const REVOKE: Command = Command {
    words: &["user", "revoke"],
    operands: &["[USERNAME]"],
    summary: "Revoke all tokens of a user, or of all users.",
    details: "Passwords are kept. --all instead of a name revokes the tokens of all users. The command ends \
              when newly issued tokens are valid: after a second, or longer while the clock is behind the \
              newest time in the database. Users who log in meanwhile must log in again. \
              On a terminal, --all asks for confirmation first.",
    example: "gatekey user revoke alice",
    options: &[options::DATA_OPTIONS, &[&options::ALL, &options::YES]],
    run: Run::Plain(revoke),
};

fn revoke(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    match (config.operands.first(), config.options.all) {
        (Some(username), false) => change(config, username, "signed {} out everywhere", Realm::revoke_tokens),
        (None, true) => revoke_all(config),
        (None, false) | (Some(_), true) => Err(CliError::Usage(
            "user revoke: expected either USERNAME or --all; see: gatekey help user revoke".into(),
        )),
    }
}

fn revoke_all(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let realm = open(config)?;
    prompt::confirm(config, prompt::REVOKE_ALL)?;
    let revoked = realm.revoke_all_tokens(clock::now());
    let wait = revoked.or_fail("can't sign out all users")?;
    progress::watched("waiting until new tokens are valid", || thread::sleep(wait));
    output::say("signed out all users: all earlier tokens are revoked, and all users must log in again")
}

pub(super) const DELETE: Command = Command {
    words: &["user", "delete"],
    operands: &["USERNAME"],
    summary: "Delete a user.",
    details: "The name becomes free. The id is never used again. On a terminal the command asks for \
              confirmation first.",
    example: "gatekey user delete alice",
    options: &[options::DATA_OPTIONS, &[&options::YES]],
    run: Run::Plain(delete),
};

fn delete(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let username = config.operand();
    let (realm, user) = open_for(config, username)?;
    warn_of_last_administrator(&realm, user.id).or_fail("can't read the groups")?;
    prompt::confirm(
        config,
        &format!("Delete the user {username:?}, with id {}? This can't be undone.", user.id),
    )?;
    apply(&realm, &user, username, "deleted {}", Realm::delete_user)
}

fn change(
    config: &CommandConfig<'_>,
    username: &str,
    done: &str,
    change: impl FnOnce(&Realm, UserId) -> Result<(), StoreError>,
) -> Result<ExitCode, CliError> {
    let (realm, user) = open_for(config, username)?;
    apply(&realm, &user, username, done, change)
}

fn apply(
    realm: &Realm,
    user: &User,
    username: &str,
    done: &str,
    change: impl FnOnce(&Realm, UserId) -> Result<(), StoreError>,
) -> Result<ExitCode, CliError> {
    change(realm, user.id).or_fail(format!("can't change {username:?}"))?;
    output::say(&done.replace("{}", &format!("{username:?}")))
}

/// The command line may remove the last administrator, since it can make another.
pub(super) fn warn_of_last_administrator(realm: &Realm, id: UserId) -> Result<(), StoreError> {
    if realm.is_last_administrator(id)? {
        log::notice("this is the last administrator; make another: gatekey user group add NAME admin");
    }
    Ok(())
}

pub(super) fn open(config: &CommandConfig<'_>) -> Result<Realm, CliError> {
    open_with(config, config.policy()?)
}

pub(super) fn open_with(config: &CommandConfig<'_>, policy: Policy) -> Result<Realm, CliError> {
    let hasher = config.hasher()?;
    let (store, keys) = data::open(&config.data_dir)?;
    open_realm(store, keys, hasher, policy)
}

fn open_realm(store: Store, keys: Keys, hasher: Hasher, policy: Policy) -> Result<Realm, CliError> {
    Realm::open(store, keys, hasher, policy, clock::now()).or_fail("can't read the database")
}

/// Opens the realm, and finds the user, who must exist.
pub(super) fn open_for(config: &CommandConfig<'_>, username: &str) -> Result<(Realm, User), CliError> {
    let realm = open(config)?;
    let user = realm.find_user_by_name(username).or_fail(format!("can't look {username:?} up"))?;
    match user {
        Some(user) => Ok((realm, user)),
        None => Err(CliError::Failed(format!("there is no user {username:?}; see: gatekey user list"))),
    }
}
