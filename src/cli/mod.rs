//! The command line: arguments as typed, then as meant, then done.
//!
//! | file | what |
//! |---|---|
//! | `command.rs` | the type of a command |
//! | `commands.rs` | the list of all commands; each is declared beside its function |
//! | `cli_error.rs` | how a command fails, and its exit status |
//! | `options.rs`, `values.rs` | the table of options: name, type, default, help; parsers of their values |
//! | `parse.rs` | arguments as typed: which command, which options, which operands |
//! | `help.rs`, `man.rs`, `completions/` | the tables as text, as a manual page, as scripts for shells |
//! | `reference_tests.rs` | the tables as `docs/options.md`, which a test compares |
//! | `suggest.rs` | which known word somebody meant who typed an unknown one |
//! | `environment.rs`, `env_file.rs` | variables that look like ours and are nobody's; variables in a file, as systemd reads it |
//! | `listen.rs` | where the server listens: an address, a path, or standard input |
//! | `data.rs` | the data directory, opened for a command |
//! | `owner.rs`, `files.rs` | privilege drop: in another user's data directory, root runs the command as that user |
//! | `relay.rs` | root's side of that: input, output, questions and signals of the child process |
//! | `temp_dir.rs`, `private_copy.rs` | a temporary directory; a copy of a database that can't be opened in place |
//! | `serve.rs`, `user.rs`, `user_list.rs`, `token.rs`, `key.rs`, `throttle.rs`, `backup.rs` | what the commands do |
//! | `serve_tiny.rs` | `serve` with the tiny_http server |
//! | `doctor/` | what is wrong with an installation, and what to do |
//! | `tune.rs` | which cost of hashes suits this machine |
//! | `hash_time.rs` | how long a hash takes here |
//! | `import/`, `export.rs` | users come from elsewhere, and go there |
//! | `prompt.rs` | passwords and tokens from a terminal or standard input, never from arguments |
//! | `output.rs` | what commands print: columns for people, JSON for programs |
//! | `progress.rs` | how far a long piece of work is, on a terminal |
//!
//! Exit status: 0 done, 1 failed (or, for `token inspect`, not valid), 2 the command line can't be understood.

mod backup;
mod command;
mod commands;
mod completions;
mod config;
mod data;
mod doctor;
mod env_file;
mod environment;
mod export;
mod cli_error;
mod files;
mod hash_time;
mod help;
mod import;
mod key;
mod listen;
mod man;
mod options;
mod output;
mod owner;
mod parse;
mod private_copy;
mod progress;
mod prompt;
mod relay;
mod temp_dir;
mod serve;
#[cfg(feature = "tiny-http")]
mod serve_tiny;
mod suggest;
mod throttle;
mod token;
mod tune;
mod user;
mod user_list;
mod values;

#[cfg(test)]
mod reference_tests;

use crate::os;
use cli_error::CliError;
use command::{Command, Run};
use commands::COMMANDS;
use config::CommandConfig;
use files::Files;
use output::print;
use parse::Invocation;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// Runs the program: `main` without the process around it.
///
/// `arguments` are those behind the program's name; `environment` looks a variable up.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> ExitCode {
    os::make_new_files_private();
    match run_command(arguments, environment) {
        Ok(code) => code,
        Err(CliError::OutputClosed) => ExitCode::SUCCESS,
        Err(CliError::Signaled(signal)) => relay::end_by(signal),
        Err(CliError::Failed(message)) => print_error(&message, 1),
        Err(CliError::Usage(message)) => print_error(&message, 2),
    }
}

fn run_command(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<ExitCode, CliError> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    match parse::parse(arguments.iter().cloned())? {
        Invocation::Version => print(&format!("gatekey {}\n", env!("CARGO_PKG_VERSION"))),
        Invocation::Help(words) => print(&help::help(&words)?),
        Invocation::Run { command, given, operands } => {
            let files = Files::received()?;
            let config = CommandConfig::new(command.options, &given, operands, environment, &files);
            let done = config.and_then(|config| run_as_owner(config, command, &arguments));
            done.map_err(|error| environment::name_variables(error, command.options, &given, environment))
        }
    }
}

/// Runs a command, as the owner of the data directory if root runs it.
fn run_as_owner(
    config: CommandConfig<'_>,
    command: &Command,
    arguments: &[OsString],
) -> Result<ExitCode, CliError> {
    match owner::find(&config, command)? {
        None => {
            data::refuse_links(&config, command)?;
            let copy = data::copy_to_read(&config, command)?;
            let config = config.with_copy(copy.as_ref());
            match command.run {
                Run::Plain(run) => run(&config),
                Run::WithCommands(run) => run(COMMANDS, &config),
            }
        }
        Some(owner) if command.words == backup::BACK_UP.words => {
            backup::back_up_as(owner, &config, arguments)
        }
        Some(owner) => owner::run_as(owner, &config, command, arguments),
    }
}

/// Where even standard error is closed, the exit status has to do.
fn print_error(message: &str, status: u8) -> ExitCode {
    let (uid, _) = os::effective_ids();
    let who = if files::is_for_root() {
        format!(" (as user {uid}, who owns the data directory)")
    } else {
        String::new()
    };
    let _ = writeln!(io::stderr().lock(), "gatekey: {message}{who}");
    ExitCode::from(status)
}
