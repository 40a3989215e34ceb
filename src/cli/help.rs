//! Help texts, made from the tables of commands and options.

use super::cli_error::CliError;
use super::command::Command;
use super::commands::COMMANDS;
use super::options::Opt;
use super::parse::{find_command, unknown_command};
use core::fmt::Write as _;

const WIDTH: usize = 100;

/// Help about the command with this name, about the commands that begin with these words, or about all.
pub(super) fn help(words: &[String]) -> Result<String, CliError> {
    if let Some(command) = find_command(words) {
        return Ok(on_command(command));
    }
    let begins = |command: &&Command| command.words.iter().zip(words).all(|(own, word)| own == word);
    let commands: Vec<_> = COMMANDS.iter().copied().filter(begins).collect();
    if commands.is_empty() {
        return Err(unknown_command(words));
    }
    Ok(on_all(&commands))
}

fn on_all(commands: &[&Command]) -> String {
    let mut text = String::from(
        "gatekey: accounts, logins and tokens beside your app.\n\nUsage: gatekey COMMAND [OPTIONS]\n\nCommands:\n",
    );
    for command in commands {
        let call = format!("{} {}", command.words.join(" "), command.operands.join(" "));
        let _ = writeln!(text, "  {:27}{}", call.trim_end(), command.summary);
    }
    text.push_str(
        "  help COMMAND               Say more about one.\n\n\
         Every option can be given as an environment variable too: --data as GATEKEY_DATA.\n",
    );
    text
}

fn on_command(command: &Command) -> String {
    let call = [command.words, command.operands].concat().join(" ");
    let options = if command.options.is_empty() { "" } else { " [OPTIONS]" };
    let mut text = format!("{}\n\nUsage: gatekey {call}{options}\n\n", command.summary);
    text.push_str(&wrapped(command.details, 0));
    text.push_str(if command.options.is_empty() { "" } else { "\nOptions:\n" });
    for option in command.options() {
        text.push_str(&on_option(option));
    }
    let _ = writeln!(text, "\nExample:\n  {}", command.example);
    text
}

fn on_option(option: &Opt) -> String {
    let value = option.value.map_or(String::new(), |value| format!(" {value}"));
    let default = option.default.map_or(String::new(), |default| format!(" [default: {default}]"));
    let help = format!("{} [{}]{default}", option.help, option.variable());
    format!("  --{}{value}\n{}", option.name, wrapped(&help, 8))
}

pub(super) fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let width = word.chars().count();
        if column == 0 || column + 1 + width > WIDTH {
            lines.push_str(if column == 0 { "" } else { "\n" });
            lines.push_str(&" ".repeat(indent));
            column = indent;
        } else {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += width;
    }
    lines.push('\n');
    lines
}
