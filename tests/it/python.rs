//! Python scripts, run in the environments that `tests/python-env.sh` makes.

use crate::skip;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;

/// An environment with pinned packages; `tests/data/requirements-*.txt` lists them.
#[derive(Clone, Copy)]
pub enum Venv {
    /// itsdangerous 0.24, as the article had it.
    Original,
    /// The Flask stack of the article's app.
    Flask,
    /// What is used today: itsdangerous 1.1.0, passlib, PyJWT, requests.
    Current,
    /// Django, passlib and Werkzeug, with bcrypt and argon2-cffi.
    Hashers,
    /// Caddy and Traefik: programs, in a package each.
    Proxies,
    /// schemathesis, and a validator of OpenAPI documents.
    OpenApi,
}

impl Venv {
    fn name(self) -> &'static str {
        match self {
            Self::Original => "venv-original",
            Self::Flask => "venv-flask",
            Self::Current => "venv-current",
            Self::Hashers => "venv-hashers",
            Self::Proxies => "venv-proxies",
            Self::OpenApi => "venv-openapi",
        }
    }
}

/// Runs a script with this text as its standard input, and gives its standard output; `None` if there is no such
/// environment, and then the test is [skipped](skip::skip).
///
/// # Panics
/// If the script fails, with what it wrote on standard error.
pub fn run(venv: Venv, test: &str, script: &str, input: &str) -> Option<String> {
    let python = program(venv, "python", test)?;
    // -I: nothing of the user's own Python comes in. utf8: nor does the locale.
    let output = feed(Command::new(python).args(["-I", "-X", "utf8", "-c", script]), input);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{test}: the script failed, {}:\n{errors}", output.status);
    Some(String::from_utf8(output.stdout).unwrap())
}

/// A program of an environment; `None` if there is no such environment, and then the test is [skipped](skip::skip).
pub fn program(venv: Venv, name: &str, test: &str) -> Option<PathBuf> {
    let directory = skip::target().join(venv.name());
    let program = directory.join("bin").join(name);
    // The stamp is written last: an environment without it is half made.
    if program.exists() && directory.join("stamp").exists() {
        return Some(program);
    }
    let venv = venv.name();
    let reason =
        format!("there is no target/{venv}; install python3 and python3-venv, run tests/python-env.sh");
    skip::skip(test, &reason);
    None
}

/// Writes and reads at the same time: a program that answers before it has read everything would wait for ever.
fn feed(command: &mut Command, input: &str) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || match stdin.write_all(input.as_bytes()) {
            // It stopped reading; its exit status and output say whether that was right.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            written => written.unwrap(),
        });
        child.wait_with_output().unwrap()
    })
}
