//! The type of a command: how it is called, what its help says, which options it takes, and its function.
//!
//! `commands.rs` lists all commands. A command that needs the list is given it as an argument.

use super::cli_error::CliError;
use super::config::CommandConfig;
use super::options::{Opt, OptionLists};
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

/// A command's function.
#[derive(Clone, Copy)]
pub(super) enum Run {
    /// By its options and operands.
    Plain(fn(&CommandConfig<'_>) -> Result<ExitCode, CliError>),
    /// By the list of all commands as well.
    WithCommands(fn(Commands, &CommandConfig<'_>) -> Result<ExitCode, CliError>),
}

/// A list of commands.
pub(super) type Commands = &'static [&'static Command];

/// The words that may follow these in a command's name.
pub(super) fn next_words(commands: Commands, words: &[&str]) -> Vec<&'static str> {
    let begun = commands.iter().filter(|command| command.words.starts_with(words));
    let mut next: Vec<_> = begun.filter_map(|command| command.words.get(words.len()).copied()).collect();
    next.dedup(); // a group's commands stand together
    next
}
