//! The table of commands. What each says of itself stands where it is done.

use super::options::{self, Opt};
use super::settings::Settings;
use super::{Failure, backup, export, import, key, serve, throttle, token, user};
use alloc::string::String;
use std::process::ExitCode;

/// One command: how it is called, what it says of itself, what it does.
pub(super) struct Command {
    /// The words that name it.
    pub(super) words: &'static [&'static str],
    /// The operands it needs, every one of them.
    pub(super) operands: &'static [&'static str],
    /// What it does, in a sentence.
    pub(super) summary: &'static str,
    /// What one should know besides.
    pub(super) details: &'static str,
    /// One way to use it.
    pub(super) example: &'static str,
    /// The options it takes.
    pub(super) options: &'static [&'static Opt],
    pub(super) run: fn(&Settings<'_>, &[String]) -> Result<ExitCode, Failure>,
}

/// What opens the data.
pub(super) const DATA: [&Opt; 2] = [&options::DATA, &options::KEY_FILE];

/// What opens the data and makes a new password.
pub(super) const NEW_PASSWORD: [&Opt; 6] = [
    &options::DATA,
    &options::KEY_FILE,
    &options::SCRYPT,
    &options::MAX_HASH_MEMORY,
    &options::MIN_PASSWORD_LENGTH,
    &options::PASSWORD_STDIN,
];

/// Every command, in the order in which help shows them.
pub(super) const COMMANDS: &[&Command] = &[
    &serve::SERVE,
    &user::ADD,
    &user::LIST,
    &user::PASSWD,
    &user::DISABLE,
    &user::ENABLE,
    &user::REVOKE,
    &user::DELETE,
    &import::IMPORT,
    &export::EXPORT,
    &token::ISSUE,
    &token::INSPECT,
    &key::LIST,
    &key::ROTATE,
    &key::ADD,
    &key::PRUNE,
    &throttle::LIST,
    &throttle::CLEAR,
    &backup::BACK_UP,
    &backup::RESTORE,
];
