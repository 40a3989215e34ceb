//! `gatekey user group …`: the groups of a user.

use super::cli_error::{CliError, OrFail as _};
use super::command::{Command, Run};
use super::config::CommandConfig;
use super::output;
use super::{options, user};
use crate::group_name::GroupName;
use crate::realm::Realm;
use crate::store::{ADMIN_GROUP, MAX_GROUPS, Reads, User};
use std::process::ExitCode;

pub(super) const ADD: Command = Command {
    words: &["user", "group", "add"],
    operands: &["USERNAME", "GROUP"],
    summary: "Add a user to a group.",
    details: "Guards read the groups at the next request: /api/verify?group=staff admits the group staff. A name has 1 \
              to 32 characters of a-z, 0-9, _ . and -. A user may be in 32 groups.",
    example: "gatekey user group add alice staff",
    options: &[options::DATA_OPTIONS],
    run: Run::Plain(add),
};

fn add(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let (realm, user, group) = open(config)?;
    let name = &user.username;
    if !realm.add_to_group(user.id, &group).or_fail(format!("can't change {name:?}"))? {
        return Err(CliError::Failed(format!(
            "{name:?} is in {MAX_GROUPS} groups already, which is the limit"
        )));
    }
    output::say(&format!("{name:?} is in the group {group}"))
}

pub(super) const REMOVE: Command = Command {
    words: &["user", "group", "remove"],
    operands: &["USERNAME", "GROUP"],
    summary: "Remove a user from a group.",
    details: "Guards that ask for the group reject the user from the next request on.",
    example: "gatekey user group remove alice staff",
    options: &[options::DATA_OPTIONS],
    run: Run::Plain(remove),
};

fn remove(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let (realm, user, group) = open(config)?;
    let name = &user.username;
    if group.as_str() == ADMIN_GROUP {
        user::warn_of_last_administrator(&realm, user.id).or_fail("can't read the groups")?;
    }
    if !realm.remove_from_group(user.id, &group).or_fail(format!("can't change {name:?}"))? {
        return Err(CliError::Failed(format!("{name:?} is not in the group {group}")));
    }
    output::say(&format!("{name:?} is not in the group {group} any more"))
}

pub(super) const LIST: Command = Command {
    words: &["user", "group", "list"],
    operands: &["USERNAME"],
    summary: "Print the groups of a user, one a line.",
    details: "",
    example: "gatekey user group list alice",
    options: &[options::DATA_OPTIONS],
    run: Run::Plain(list),
};

fn list(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let (realm, user) = user::open_for(config, config.operand())?;
    let groups = realm.groups_of(user.id, Reads::PerCall).or_fail("can't read the groups")?;
    groups.iter().try_for_each(|group| output::say(group).map(drop))?;
    Ok(ExitCode::SUCCESS)
}

fn open(config: &CommandConfig<'_>) -> Result<(Realm, User, GroupName), CliError> {
    let group = config.operands.get(1).map_or("", String::as_str);
    let group = GroupName::parse(group).map_err(|error| CliError::Usage(format!("{group:?}: {error}")))?;
    let (realm, user) = user::open_for(config, config.operand())?;
    Ok((realm, user, group))
}
