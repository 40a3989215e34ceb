//! Prompts: secrets and answers from the terminal or standard input, never from arguments, which other
//! users can see.

use super::cli_error::{CliError, OrFail as _};
use super::config::CommandConfig;
use crate::secret::{Secret, SecretBytes};
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

/// Longer input is neither a password nor a token.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// Reads a new password: from the terminal, twice, or the first line of standard input.
pub(super) fn new_password(config: &CommandConfig<'_>) -> Result<Secret, CliError> {
    if config.options.password_stdin || !io::stdin().is_terminal() {
        return first_line("the password");
    }
    let first = ask("New password: ")?;
    let second = ask("The same again: ")?;
    if first.expose() == second.expose() {
        Ok(first)
    } else {
        Err(CliError::Failed("the two passwords differ; nothing was changed".into()))
    }
}

/// Reads a signing key's secret: from the terminal, or all of standard input without one line feed at its
/// end. Stops shortly after `max_bytes`.
pub(super) fn signing_secret(max_bytes: usize) -> Result<SecretBytes, CliError> {
    if io::stdin().is_terminal() {
        let secret = ask("Secret: ")?;
        return Ok(SecretBytes::new(secret.expose().as_bytes().to_vec()));
    }
    let mut bytes = SecretBytes::default();
    let limit = (max_bytes as u64).saturating_add(2);
    io::stdin()
        .lock()
        .take(limit)
        .read_to_end(&mut bytes)
        .or_fail("can't read the secret from standard input")?;
    if bytes.ends_with(b"\n") {
        bytes.pop();
    }
    Ok(bytes)
}

/// A token: the first line of standard input.
pub(super) fn token() -> Result<Secret, CliError> {
    if io::stdin().is_terminal() {
        let _ = writeln!(io::stderr(), "The token, from standard input:");
    }
    first_line("the token")
}

pub(super) const REVOKE_ALL: &str = "Revoke the tokens of all users? All of them must log in again.";

/// Asks for confirmation on a terminal, unless --yes is set. Without a terminal it is not needed.
pub(super) fn confirm(config: &CommandConfig<'_>, question: &str) -> Result<(), CliError> {
    if config.options.yes || !io::stdin().is_terminal() {
        return Ok(());
    }
    let mut terminal = io::stderr();
    let _ = write!(terminal, "{question} [y/N] ").and_then(|()| terminal.flush()); // without a question the answer is no
    let answer = first_line("the answer")?;
    if ["y", "yes"].contains(&answer.expose().trim().to_ascii_lowercase().as_str()) {
        Ok(())
    } else {
        Err(CliError::Failed("not confirmed; nothing was changed".into()))
    }
}

fn ask(question: &str) -> Result<Secret, CliError> {
    let answer = rpassword::prompt_password(question);
    answer.map(Secret::new).or_fail("can't ask for a password on the terminal")
}

/// The first line of standard input, without its line ending.
fn first_line(what: &str) -> Result<Secret, CliError> {
    let mut line = String::new();
    let read = io::stdin().lock().take(MAX_LINE_BYTES).read_line(&mut line);
    let line = Secret::new(line);
    read.or_fail(format!("can't read {what} from standard input"))?;
    let text = line.expose();
    let text = text.strip_suffix('\n').unwrap_or(text);
    Ok(Secret::new(text.strip_suffix('\r').unwrap_or(text).into()))
}
