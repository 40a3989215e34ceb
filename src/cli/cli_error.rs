//! Command-line errors: each has an exit status and a message for standard error.

use crate::chain;
use core::error::Error;
use core::fmt::Display;
use std::io;

#[derive(Debug)]
pub(super) enum CliError {
    /// The command line, or a value in it or in a variable, is invalid: exit status 2.
    Usage(String),
    /// The command failed: exit status 1.
    Failed(String),
    /// A signal ended the child process that ran the command, and ends this one.
    Signaled(i32),
    /// The reader of standard output is gone: exit status 0, without a message.
    OutputClosed,
}

impl CliError {
    /// The operation that failed, and the error with all its causes.
    pub(super) fn failed(attempted: impl Display, error: &(dyn Error + 'static)) -> Self {
        Self::Failed(format!("{attempted}: {}", chain::describe(error)))
    }
}

/// An error of standard output. Other errors of input and output are converted where they occur.
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::failed("can't write to standard output", &error),
        }
    }
}

/// Shorthand for [`CliError::failed`].
pub(super) trait OrFail<T> {
    fn or_fail(self, attempted: impl Display) -> Result<T, CliError>;
}

impl<T, E: Error + 'static> OrFail<T> for Result<T, E> {
    fn or_fail(self, attempted: impl Display) -> Result<T, CliError> {
        self.map_err(|error| CliError::failed(attempted, &error))
    }
}
