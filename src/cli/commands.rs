//! The table of commands. What each says of itself stands where it is done.

use super::options::{self, Opt};
use super::settings::Settings;
use super::{
    Failure, backup, completions, doctor, export, import, key, man, serve, throttle, token, tune, user,
    user_list,
};
use alloc::string::String;
use alloc::vec::Vec;
use std::process::ExitCode;

/// One command: how it is called, what it says of itself, what it does.
pub(super) struct Command {
    /// The words that name it.
    pub(super) words: &'static [&'static str],
    /// The operands it needs; one in brackets may be left out, and so may those behind it.
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

/// Every command, in the order in which help shows them.
pub(super) const COMMANDS: &[&Command] = &[
    &serve::SERVE,
    &user::ADD,
    &user_list::LIST,
    &user_list::SHOW,
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
    &doctor::DOCTOR,
    &tune::TUNE,
    &completions::COMPLETIONS,
    &man::MAN,
];

/// The words that may follow these in a command's name.
pub(super) fn next_words(words: &[&str]) -> Vec<&'static str> {
    let begun = COMMANDS.iter().filter(|command| command.words.starts_with(words));
    let mut next: Vec<_> = begun.filter_map(|command| command.words.get(words.len()).copied()).collect();
    next.dedup(); // a group's commands stand together
    next
}

#[cfg(test)]
#[path = "commands_tests.rs"]
mod tests;
