//! `gatekey completions …`: what a shell offers behind `gatekey`, made of the tables of commands and options.
//!
//! Each script does the same: it takes the words before the cursor that are neither options nor their values, and
//! offers what may follow them: further words of commands, or a command's options, or an option's values.

mod bash;
mod fish;
mod zsh;

use super::commands::{COMMANDS, Command};
use super::options::{self, Opt};
use super::settings::Settings;
use super::{Failure, operand, print};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use std::process::ExitCode;

pub(super) const COMPLETIONS: Command = Command {
    words: &["completions"],
    operands: &["bash|zsh|fish"],
    summary: "Print what a shell needs to complete commands and options.",
    details: "What is installed has it already, for all three shells.",
    example: "gatekey completions bash > ~/.local/share/bash-completion/completions/gatekey",
    options: &[],
    run: completions,
};

fn completions(_: &Settings<'_>, operands: &[String]) -> Result<ExitCode, Failure> {
    let script = match operand(operands) {
        "bash" => bash::script(),
        "zsh" => zsh::script(),
        "fish" => fish::script(),
        other => {
            return Err(Failure::Usage(format!("unknown shell \"{other}\"; expected bash, zsh or fish")));
        }
    };
    print(&script)
}

/// What an option's value, or an operand, is taken from.
enum Values {
    /// One of these.
    Words(Vec<&'static str>),
    File,
    Directory,
    /// A number, a duration, a name: nothing to offer.
    Free,
}

/// By what the value is called: `on|off` are words, `ADDR:PORT|stdin` is not quite.
fn values(name: &'static str) -> Values {
    match name {
        "FILE" => Values::File,
        "DIR" => Values::Directory,
        words if words.contains('|') => {
            let is_word = |word: &&str| !word.contains(|c: char| c.is_ascii_uppercase());
            Values::Words(words.split('|').filter(is_word).collect())
        }
        _ => Values::Free,
    }
}

/// Every option that has a value, once.
fn options_with_values() -> BTreeMap<&'static str, Values> {
    options::all().filter_map(|option| Some((option.name, values(option.value?)))).collect()
}

/// What may follow these words of a command, with a summary: `add`, `list`, … behind `user`.
fn next_words(before: &[&str]) -> Vec<(&'static str, &'static str)> {
    let mut next: Vec<(&str, &str)> = Vec::new();
    for command in COMMANDS.iter().filter(|command| command.words.starts_with(before)) {
        let Some(word) = command.words.get(before.len()) else { continue };
        let is_last = command.words.len() == before.len() + 1;
        match next.last() {
            Some((last, _)) if last == word => {}
            _ => next.push((word, if is_last { command.summary } else { "Several commands." })),
        }
    }
    next
}

/// Every beginning of a command that isn't one: nothing, `user`, `key`, …
fn beginnings() -> Vec<Vec<&'static str>> {
    let mut beginnings: Vec<Vec<&str>> = Vec::new();
    for command in COMMANDS {
        for length in 0..command.words.len() {
            let words: Vec<_> = command.words.iter().copied().take(length).collect();
            if !beginnings.contains(&words) {
                beginnings.push(words);
            }
        }
    }
    beginnings
}

/// What a command's only operand is taken from.
fn operand_values(command: &Command) -> Values {
    command.operands.first().map_or(Values::Free, |name| values(name))
}

/// The first sentence of an option's help: what fits behind it in a list.
fn first_sentence(option: &Opt) -> &'static str {
    let help = option.help;
    let end = help.find(". ").or_else(|| help.find(": ")).unwrap_or(help.len());
    help.get(..end).unwrap_or(help).trim_end_matches('.')
}

/// A text between single quotes, as the three shells read it alike.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
