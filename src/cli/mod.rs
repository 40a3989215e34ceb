//! Command line: parses the arguments, builds the configuration, runs the command.
//!
//! | file | what |
//! |---|---|
//! | `command.rs` | the type of a command |
//! | `commands.rs` | the list of all commands; each is declared beside its function |
//! | `cli_error.rs` | the error type, with exit statuses |
//! | `options.rs`, `values.rs` | the table of options: name, type, default, help; parsers of their values |
//! | `parse.rs` | parser of the command line |
//! | `help.rs`, `man.rs`, `completions.rs` | help, manual page and shell completions |
//! | `reference_tests.rs` | `docs/options.md`, which a test compares |
//! | `suggest.rs` | spelling suggestions |
//! | `environment.rs`, `env_file.rs` | misspelt variables; environment files |
//! | `listen.rs` | listeners of the server |
//! | `data.rs` | the data directory of a command |
//! | `owner.rs`, `files.rs` | privilege drop: in another user's data directory, root runs the command as that user |
//! | `relay.rs` | root's side of that: input, output, questions and signals of the child process |
//! | `temp_dir.rs`, `private_copy.rs` | a temporary directory; a copy of a database that can't be opened in place |
//! | `serve.rs`, `user.rs`, `user_list.rs`, `token.rs`, `key.rs`, `throttle.rs`, `backup.rs` | the commands |
//! | `doctor/` | `doctor`: checks of an installation |
//! | `tune.rs` | `tune`: the cost of hashes |
//! | `hash_time.rs` | benchmark of a hash |
//! | `import/`, `export.rs` | import and export of users |
//! | `prompt.rs` | prompts for secrets and confirmation |
//! | `output.rs` | tables and JSON |
//! | `progress.rs` | progress line |
//!
//! Exit status: 0 done, 1 failed (or, for `token inspect`, not valid), 2 invalid command line.

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
mod group;
mod help;
mod import;
mod key;
mod link;
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
use crate::server::log;
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

/// Runs the program, with the arguments behind its name and a lookup of environment variables.
///
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

/// If standard error is closed, only the exit status is left.
fn print_error(message: &str, status: u8) -> ExitCode {
    let (uid, _) = os::effective_ids();
    let who = if files::is_for_root() {
        format!(" (as user {uid}, who owns the data directory)")
    } else {
        String::new()
    };
    let lines: Vec<_> = message.split('\n').map(log::one_line).collect();
    let _ = writeln!(io::stderr().lock(), "gatekey: {}{who}", lines.join("\n"));
    ExitCode::from(status)
}
