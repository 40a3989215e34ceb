//! `--link-command`: hands the links of `/forgot-password` to a program, which sends them to their users.
//!
//! One thread takes the requests from the queue, one at a time. For a user who exists and isn't disabled it runs the
//! program without a shell: the link is one line on standard input, and the environment is `PATH` and
//! `GATEKEY_USERNAME`. The program has no other descriptor of the server's, a process group of its own, and 10 s.

use super::Shutdown;
use super::app::App;
use super::log;
use crate::clock;
use crate::os;
use crate::realm::{LinkError, Realm};
use crate::routes::PublicUrl;
use core::time::Duration;
use std::env;
use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};

/// How long the program may run.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may run on once the server shuts down.
const TIMEOUT_AT_SHUTDOWN: Duration = Duration::from_secs(1);
/// How often the thread checks whether the program has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How much of the program's standard error is read, in bytes, and logged, in characters. Far less is logged, so that no
/// link is cut before it is replaced.
const MAX_READ: u64 = 8_192;
const MAX_LOGGED: usize = 512;
/// `PATH`, unless the server has one.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkCommand {
    program: PathBuf,
    arguments: Vec<String>,
}

impl LinkCommand {
    /// Splits a command at white space. The program is a path, or is searched in `PATH`.
    ///
    /// # Errors
    /// [`LinkCommandError`] if there is no such program, or it is not executable.
    pub fn parse(text: &str) -> Result<Self, LinkCommandError> {
        let mut words = text.split_whitespace().map(String::from);
        let name = words.next().ok_or(LinkCommandError::Empty)?;
        let candidates = if name.contains('/') {
            vec![PathBuf::from(&name)]
        } else {
            env::split_paths(&path()).map(|directory| directory.join(&name)).collect()
        };
        let program = candidates.into_iter().find(|program| is_executable(program));
        let program = program.and_then(|program| std::path::absolute(program).ok());
        Ok(Self { program: program.ok_or(LinkCommandError::NoProgram(name))?, arguments: words.collect() })
    }

    fn run(&self, username: &str, link: &str, shutdown: &Shutdown) -> Result<(), Failure> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .env("PATH", path())
            .env("GATEKEY_USERNAME", username)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        // A pipe holds more than a link, so this doesn't block. The program may also end without reading it.
        let _ = child.stdin.take().map(|mut input| writeln!(input, "{link}"));
        let ended = wait(&mut child, shutdown);
        // What the program started, and left behind, ends too.
        os::kill_process_group(child.id());
        match ended? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(Failure::Status(status, error_text(&mut child, link))),
            None => {
                let _ = child.wait();
                Err(Failure::TimedOut)
            }
        }
    }
}

fn path() -> OsString {
    env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into())
}

fn is_executable(program: &Path) -> bool {
    program.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Waits until the program ends; `None` if it takes too long.
fn wait(child: &mut Child, shutdown: &Shutdown) -> io::Result<Option<ExitStatus>> {
    let mut end = clock::monotonic() + TIMEOUT;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let now = clock::monotonic();
        if now >= end {
            return Ok(None);
        }
        if shutdown.wait_for(POLL_INTERVAL) {
            end = end.min(now + TIMEOUT_AT_SHUTDOWN);
            thread::sleep(POLL_INTERVAL);
        }
    }
}

/// The beginning of what the program wrote to standard error, without the link or its token. Doesn't wait for more: a process that it left behind may
/// hold the pipe.
fn error_text(child: &mut Child, link: &str) -> String {
    let Some(stderr) = child.stderr.take() else { return String::new() };
    let mut text = Vec::new();
    if os::set_nonblocking(&stderr).is_ok() {
        let _ = stderr.take(MAX_READ).read_to_end(&mut text); // ends with WouldBlock if the pipe is still held
    }
    let token = link.rsplit_once('=').map_or(link, |(_, token)| token);
    let text = String::from_utf8_lossy(&text).replace(link, "LINK").replace(token, "TOKEN");
    text.trim().chars().take(MAX_LOGGED).collect()
}

/// Why the command did not send a link.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the link command did not run: {0}")]
    Io(#[from] io::Error),
    #[error("the link command ended with {0}{separator}{1}", separator = if .1.is_empty() { "" } else { ": " })]
    Status(ExitStatus, String),
    #[error("the link command ran for over {} s and was killed", TIMEOUT.as_secs())]
    TimedOut,
}

/// Takes the requests from the queue, and sends links by a command.
#[derive(Debug)]
pub struct LinkSender {
    /// The command.
    pub command: LinkCommand,
    /// The URL with which links begin.
    pub url: PublicUrl,
    /// The realm whose users ask.
    pub realm: Arc<Realm>,
    /// The application that counts the links.
    pub app: Arc<App>,
    /// The shutdown that ends the thread.
    pub shutdown: Arc<Shutdown>,
}

impl LinkSender {
    /// Starts the thread, which ends at the shutdown.
    ///
    /// # Errors
    /// The system has no thread.
    pub fn spawn(self, queue: Receiver<String>) -> io::Result<JoinHandle<()>> {
        os::close_descriptors_on_exec();
        thread::Builder::new().name("links".into()).spawn(move || self.serve(&queue))
    }

    fn serve(&self, queue: &Receiver<String>) {
        while !self.shutdown.wait_for(Duration::ZERO) {
            match queue.recv_timeout(Duration::from_millis(200)) {
                Ok(username) => self.send(&username),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            os::reap_orphans();
        }
    }

    /// Sends a link to the user of this name, if there is one.
    fn send(&self, username: &str) {
        let user = match self.realm.find_user_by_name(username) {
            Ok(Some(user)) if !user.disabled => user,
            Ok(_) => return,
            Err(error) => return log::notice(format!("no link was sent: {error}")),
        };
        let sent = match self.realm.make_requested_link(user.id, clock::now()) {
            Ok(link) => {
                let link = self.url.one_time_link(&link);
                let ran = self.command.run(&user.username, link.expose(), &self.shutdown);
                ran.map_err(|failure| failure.to_string())
            }
            Err(LinkError::Dead) => return, // disabled or deleted meanwhile
            Err(error) => Err(error.to_string()),
        };
        self.app.count_link(sent.is_ok());
        if let Err(failure) = sent {
            log::notice(format!("no link was sent to user {}: {failure}", user.id));
        }
    }
}

/// Why a text is not a command.
#[derive(Debug, thiserror::Error)]
pub enum LinkCommandError {
    /// No words.
    #[error("expected a program, and perhaps arguments")]
    Empty,
    /// The program.
    #[error("there is no executable program {0:?}; give its path, or a name in PATH")]
    NoProgram(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_at_white_space_and_its_program_is_found() {
        let command = LinkCommand::parse("  sh -c\t'exit 0' ").unwrap();
        assert!(command.program.is_absolute() && command.program.ends_with("sh"));
        assert_eq!(command.arguments, ["-c", "'exit", "0'"], "no shell, no quotes");
        for (text, expected) in [
            (" ", "expected a program"),
            ("/dev/null x", "no executable program \"/dev/null\""),
            ("/etc/passwd", "no executable program"),
            ("/", "no executable program"),
            ("no-such-program-here", "a name in PATH"),
        ] {
            let error = LinkCommand::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
