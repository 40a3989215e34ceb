//! `gatekey completions`: completion scripts for bash, zsh and fish, made from the tables of commands and
//! options.
//!
//! | file | what |
//! |---|---|
//! | `positions.rs` | the positions in a command line, and what completes each |
//! | `bash.rs`, `zsh.rs`, `fish.rs` | the script for each |
//!
//! All scripts work alike. A function walks over the words before the cursor, skips options and their
//! values, and so finds the position: the command words typed so far. The script has a list of completions
//! for each position.

mod bash;
mod fish;
mod positions;
mod zsh;

use super::cli_error::CliError;
use super::command::{Command, Commands, Run};
use super::config::CommandConfig;
use super::output::print;
use super::suggest;
use std::process::ExitCode;

pub(super) const COMPLETIONS: Command = Command {
    words: &["completions"],
    operands: &["bash|zsh|fish"],
    summary: "Print the completion script for a shell.",
    details: "For bash (4 or newer) save it as /etc/bash_completion.d/gatekey, or source it in ~/.bashrc. \
              For zsh save it as _gatekey in a directory of $fpath, or source it after compinit. For fish \
              save it as ~/.config/fish/completions/gatekey.fish.",
    example: "gatekey completions bash > /etc/bash_completion.d/gatekey",
    options: &[],
    run: Run::WithCommands(completions),
};

type Script = fn(Commands) -> String;

const SHELLS: [(&str, Script); 3] = [("bash", bash::script), ("zsh", zsh::script), ("fish", fish::script)];

fn completions(commands: Commands, config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let shell = config.operand();
    if let Some((_, script)) = SHELLS.iter().find(|(name, _)| *name == shell) {
        return print(&script(commands));
    }
    let hint = match suggest::nearest(shell, SHELLS.map(|(name, _)| name)) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("expected one of: {}", SHELLS.map(|(name, _)| name).join(", ")),
    };
    Err(CliError::Usage(format!("unknown shell {shell:?}; {hint}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operand_names_every_shell() {
        assert_eq!(COMPLETIONS.operands, [SHELLS.map(|(name, _)| name).join("|")]);
    }
}
