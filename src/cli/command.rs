//! The type of a command: its name, help, options and function.
//!
//! `commands.rs` lists all commands. A command that needs the list receives it as an argument.

use super::cli_error::CliError;
use super::config::CommandConfig;
use super::options::{Opt, OptionLists};
use std::process::ExitCode;

pub(super) struct Command {
    pub(super) words: &'static [&'static str],
    /// Its operands. One in brackets is optional, and so are those behind it.
    pub(super) operands: &'static [&'static str],
    /// One sentence for the list of commands.
    pub(super) summary: &'static str,
    /// The rest of its help.
    pub(super) details: &'static str,
    pub(super) example: &'static str,
    pub(super) options: OptionLists,
    pub(super) run: Run,
}

impl Command {
    pub(super) fn options(&self) -> impl Iterator<Item = &'static Opt> + use<> {
        self.options.iter().copied().flatten().copied()
    }

    pub(super) fn takes(&self, option: &Opt) -> bool {
        self.options().any(|own| own.name == option.name)
    }
}

#[derive(Clone, Copy)]
pub(super) enum Run {
    Plain(fn(&CommandConfig<'_>) -> Result<ExitCode, CliError>),
    /// For a command about commands: help, completions, manual page.
    WithCommands(fn(Commands, &CommandConfig<'_>) -> Result<ExitCode, CliError>),
}

pub(super) type Commands = &'static [&'static Command];

/// The words that can follow these in the name of a command.
pub(super) fn next_words(commands: Commands, words: &[&str]) -> Vec<&'static str> {
    let begun = commands.iter().filter(|command| command.words.starts_with(words));
    let mut next: Vec<_> = begun.filter_map(|command| command.words.get(words.len()).copied()).collect();
    next.dedup(); // the commands of a group are adjacent
    next
}
