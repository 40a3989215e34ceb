//! Relay: root's side of a command that a child process runs as the data directory's owner.
//!
//! With a descriptor of root's terminal, or in its session, a process could type into root's shell
//! (`TIOCSTI`), read what root types, or change its modes. So the child has pipes, and this process asks what
//! there is to ask on the terminal, copies input and output, and forwards signals. What the child writes
//! reaches a terminal without control characters, because terminals answer some of them as if the answer were
//! typed.

use super::cli_error::CliError;
use super::command::Command;
use super::config::CommandConfig;
use super::prompt;
use crate::os;
use crate::secret::SecretBytes;
use crate::signer::SigningKey;
use core::str;
use signal_hook::consts::{SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, PipeWriter, Read, Write};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{self, ChildStdout, ExitCode, ExitStatus, Stdio};
use std::thread;

/// As much as a pipe holds.
const CHUNK_BYTES: usize = 64 * 1024;

/// Writes the child's standard input, to its end.
type Feed = Box<dyn FnOnce(PipeWriter) -> io::Result<()> + Send>;

/// The child's standard input: what it reads, and where that comes from.
pub(super) struct Input {
    pub(super) stdin: OwnedFd,
    feed: Option<(PipeWriter, Feed)>,
}

impl Input {
    /// What this command reads, asked for on the terminal if there is one. Of a file or pipe, a command that
    /// reads nothing takes nothing: the rest may be for another program.
    pub(super) fn of(config: &CommandConfig<'_>, command: &Command) -> Result<Self, CliError> {
        let failed = |error: io::Error| CliError::failed("can't make a pipe", &error);
        let feed: Feed = match command.words {
            // The socket that is listened on.
            ["serve"] if os::is_socket(&io::stdin()) => {
                let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
                return Ok(Self { stdin, feed: None });
            }
            ["user", "add" | "passwd"] => line(prompt::new_password(config)?.expose()),
            ["token", "inspect"] => line(prompt::token()?.expose()),
            ["key", "add"] => {
                let mut secret = prompt::signing_secret(SigningKey::MAX_BYTES)?;
                secret.push(b'\n');
                bytes(secret)
            }
            ["user", "import"] if config.operand() == "-" => {
                Box::new(|mut to| io::copy(&mut io::stdin().lock(), &mut to).map(drop))
            }
            ["user", "delete"] => {
                let username = config.operand();
                prompt::confirm(config, &format!("Delete the user {username:?}? This can't be undone."))?;
                bytes(SecretBytes::default())
            }
            ["user", "revoke"] if config.operands.is_empty() && config.options.all => {
                prompt::confirm(config, prompt::REVOKE_ALL)?;
                bytes(SecretBytes::default())
            }
            _ => bytes(SecretBytes::default()),
        };
        let (stdin, writer) = io::pipe().map_err(failed)?;
        Ok(Self { stdin: stdin.into(), feed: Some((writer, feed)) })
    }
}

/// A line that is read as exactly this text, whatever it ends with.
fn line(text: &str) -> Feed {
    bytes(SecretBytes::new([text.as_bytes(), b"\r\n"].concat()))
}

fn bytes(bytes: SecretBytes) -> Feed {
    Box::new(move |mut to| to.write_all(&bytes))
}

/// Whether this process has a terminal, as a standard stream or as its session's.
pub(super) fn has_terminal() -> bool {
    let is_any = io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal();
    is_any || File::open("/dev/tty").is_ok()
}

/// Runs the child to its end; `take` reads its standard output.
pub(super) fn run(
    mut program: process::Command,
    input: Input,
    take: impl FnOnce(ChildStdout) -> io::Result<()>,
) -> io::Result<(ExitStatus, io::Result<()>)> {
    // Before the spawn: a signal in between would end this process and leave the child.
    let signals = Signals::new([SIGINT, SIGTERM, SIGQUIT, SIGHUP])?;
    let mut child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    drop((program, input.stdin)); // otherwise the pipe would have a reader after the child's end
    let id = child.id();
    let spawn = |name: &str| thread::Builder::new().name(name.into());
    spawn("signals").spawn(move || forward(signals, id))?;
    if let Some((writer, feed)) = input.feed {
        spawn("input").spawn(move || feed(writer))?;
    }
    let errors = child.stderr.take();
    let errors = spawn("errors").spawn(move || errors.map(|errors| copy(errors, io::stderr())))?;
    let taken = child.stdout.take().map_or(Ok(()), take);
    let _ = errors.join(); // the thread can't panic; if stderr is closed, the exit status suffices
    Ok((child.wait()?, taken))
}

/// Forwards signals to the child. Except for SIGHUP, the second kills the child and the third ends this process.
fn forward(mut signals: Signals, child: u32) {
    let mut ends = 0_u8;
    for signal in &mut signals {
        if signal != SIGHUP {
            ends = ends.saturating_add(1);
        }
        match ends {
            0 | 1 => os::send_signal(child, signal),
            2 => os::send_signal(child, SIGKILL),
            _ => process::exit(1),
        }
    }
}

/// How the command ended, for the program that started this one.
pub(super) fn exit_code(status: ExitStatus) -> Result<ExitCode, CliError> {
    match (status.code(), status.signal()) {
        (None, Some(signal)) => Err(CliError::Signaled(signal)),
        (code, _) => {
            Ok(code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
        }
    }
}

/// Ends this process as the child ended, so that a shell stops at Ctrl-C.
pub(super) fn end_by(signal: i32) -> ExitCode {
    let _ = low_level::emulate_default_handler(signal);
    ExitCode::FAILURE
}

/// Copies what a child wrote.
pub(super) fn copy(mut from: impl Read, mut to: impl Write + IsTerminal) -> io::Result<()> {
    let (mut chunk, mut begun, is_terminal) = (vec![0; CHUNK_BYTES], Vec::new(), to.is_terminal());
    loop {
        let read = match from.read(&mut chunk) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => chunk.get(..read?).unwrap_or_default(),
        };
        match read {
            [] => return Ok(()),
            read if is_terminal => to.write_all(displayable(read, &mut begun).as_bytes())?,
            read => to.write_all(read)?,
        }
        to.flush()?;
    }
}

/// The text in these bytes, without control characters but those of lines and columns. A character that ends
/// in the next bytes is kept in `begun`.
fn displayable(bytes: &[u8], begun: &mut Vec<u8>) -> String {
    begun.extend_from_slice(bytes);
    let end = match str::from_utf8(begun) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => begun.len(),
    };
    let whole: Vec<_> = begun.drain(..end).collect();
    let is_dangerous = |character: char| character.is_control() && !matches!(character, '\n' | '\r' | '\t');
    String::from_utf8_lossy(&whole).replace(is_dangerous, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_escape_sequence_reaches_a_terminal_and_every_letter_does() {
        let text = "ID\té 𝄞\r\n\u{1b}[c \u{9b}5n \u{7f}\u{7} \u{90}";
        let expected = "ID\té 𝄞\r\n\u{fffd}[c \u{fffd}5n \u{fffd}\u{fffd} \u{fffd}";
        for at_once in 1..=text.len() {
            let mut begun = Vec::new();
            let shown = text.as_bytes().chunks(at_once).map(|bytes| displayable(bytes, &mut begun));
            assert_eq!(shown.collect::<String>(), expected, "{at_once}");
        }
        // As one byte, which is no UTF-8, a terminal of another character set would take it for a C1 control
        // character.
        assert_eq!(displayable(b"\x9b5n", &mut Vec::new()), "\u{fffd}5n");
    }
}
