//! `gatekey user invite` and `gatekey user reset`: one-time links with which a user sets a password.

use super::cli_error::{CliError, OrFail as _};
use super::command::{Command, Run};
use super::config::CommandConfig;
use super::{options, user};
use crate::clock;
use crate::realm::Realm;
use crate::routes::{PublicUrl, SignInPages};
use crate::server::log;
use crate::shell;
use crate::store::MAX_GROUPS;
use crate::user_id::UserId;
use core::time::Duration;
use std::io::{self, Write as _};
use std::process::ExitCode;

const INVITATION_LIFETIME: Duration = Duration::from_secs(3 * 86_400);

pub(super) const INVITE: Command = Command {
    words: &["user", "invite"],
    operands: &["USERNAME"],
    summary: "Add a user without a password, and print a link with which the user sets one.",
    details: "The link works once, for 3 days unless --lifetime says otherwise. Needs --public-url, under which the \
              server has its sign-in pages. A newer link ends the older one: gatekey user reset.",
    example: "gatekey user invite alice --groups staff --public-url https://auth.example.org",
    options: &[
        options::DATA_OPTIONS,
        options::HASH_OPTIONS,
        &[&options::PUBLIC_URL, &options::LIFETIME, &options::GROUPS],
    ],
    run: Run::Plain(invite),
};

fn invite(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let username = config.operand();
    let (url, groups) = (pages_url(config)?, &config.options.groups);
    if groups.len() > MAX_GROUPS as usize {
        return Err(CliError::Usage(format!("--groups: a user may be in {MAX_GROUPS} groups")));
    }
    let realm = user::open(config)?;
    let invited = realm.invite_user(username, clock::unix());
    let invited = invited.map_err(|error| CliError::failed(format!("can't invite {username:?}"), &error))?;
    log::notice(format!("added {username:?} with id {}", invited.id));
    for group in groups {
        realm.add_to_group(invited.id, group).or_fail(format!("can't add {username:?} to {group}"))?;
    }
    print_link(config, &realm, url, invited.id, INVITATION_LIFETIME)
}

pub(super) const RESET: Command = Command {
    words: &["user", "reset"],
    operands: &["USERNAME"],
    summary: "Print a link with which a user sets a new password.",
    details: "The link works once, for a day unless --lifetime says otherwise, and ends the user's older links. The \
              password stays valid until the link is used. Needs --public-url, under which the server has its \
              sign-in pages.",
    example: "gatekey user reset alice --lifetime 1h --public-url https://auth.example.org",
    options: &[options::DATA_OPTIONS, &[&options::PUBLIC_URL, &options::LIFETIME]],
    run: Run::Plain(reset),
};

fn reset(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let username = config.operand();
    let url = pages_url(config)?;
    let (realm, user) = user::open_for(config, username)?;
    if user.disabled {
        let enable = shell::quote_operand(username);
        return Err(CliError::Failed(format!(
            "{username:?} is disabled; first: gatekey user enable {enable}"
        )));
    }
    print_link(config, &realm, url, user.id, Realm::LINK_LIFETIME)
}

/// The URL under which the server has its sign-in pages.
fn pages_url<'a>(config: &'a CommandConfig<'_>) -> Result<&'a PublicUrl, CliError> {
    let needed = "a link needs --public-url (GATEKEY_PUBLIC_URL), the URL of the sign-in pages";
    let url = config.options.public_url.as_ref().ok_or_else(|| CliError::Usage(needed.into()))?;
    SignInPages::new(url, SignInPages::DEFAULT_TITLE)
        .map_err(|error| CliError::Usage(format!("{needed}: {error}")))?;
    Ok(url)
}

fn print_link(
    config: &CommandConfig<'_>,
    realm: &Realm,
    url: &PublicUrl,
    user: UserId,
    default_lifetime: Duration,
) -> Result<ExitCode, CliError> {
    let lifetime = config.options.lifetime.unwrap_or(default_lifetime);
    let link = realm.make_link(user, lifetime, clock::now());
    let link = link.map_err(|error| CliError::failed("can't make a link", &error))?;
    log::notice(format!("the link works once, until {}", link.expires_at));
    writeln!(io::stdout().lock(), "{}", url.one_time_link(&link).expose())?;
    Ok(ExitCode::SUCCESS)
}
