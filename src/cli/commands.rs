//! The list of all commands.

use super::command::Commands;
use super::{
    backup, completions, doctor, export, group, import, key, link, man, serve, throttle, token, tune, user,
    user_list,
};

/// All commands, in the order of the help.
pub(super) const COMMANDS: Commands = &[
    &serve::SERVE,
    &user::ADD,
    &link::INVITE,
    &user_list::LIST,
    &user_list::SHOW,
    &user::PASSWD,
    &link::RESET,
    &group::ADD,
    &group::REMOVE,
    &group::LIST,
    &user::DISABLE,
    &user::ENABLE,
    &user::REVOKE,
    &user::DELETE,
    &import::IMPORT,
    &export::EXPORT,
    &token::ISSUE,
    &token::INSPECT,
    &token::LIST,
    &token::REVOKE,
    &key::LIST,
    &key::ROTATE,
    &key::ADD,
    &key::PRUNE,
    &throttle::LIST,
    &throttle::CLEAR,
    &backup::BACK_UP,
    &backup::RESTORE,
    &doctor::DOCTOR,
    &tune::TUNE,
    &completions::COMPLETIONS,
    &man::MAN,
];

#[cfg(test)]
#[path = "commands_tests.rs"]
mod tests;
