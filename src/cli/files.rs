//! The operator's files: input that the person at the command line names. Opened by path, unless root opened them before it
//! became the data directory's owner (`owner.rs`) and handed them over.

use super::cli_error::CliError;
use crate::json::{self, Value};
use crate::os;
use std::env;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

/// Set for a program that root became another user for; its value says whether files come on standard input.
pub(super) const FOR_ROOT: &str = "GATEKEY_FOR_ROOT";
/// The values of [`FOR_ROOT`].
pub(super) const WITH_FILES: &str = "files";
pub(super) const WITHOUT_FILES: &str = "no-files";

/// Whether root re-executed this program as the owner of the data directory.
pub(super) fn is_for_root() -> bool {
    env::var_os(FOR_ROOT).is_some()
}

/// Files that root opened, each with the path that it was named by.
#[derive(Debug)]
pub(super) struct Files(Vec<(String, File)>);

/// Where nothing was handed over.
pub(super) static NONE: Files = Files(Vec::new());

impl Files {
    /// What was handed over to this program, if anything was.
    pub(super) fn received() -> Result<Self, CliError> {
        if env::var_os(FOR_ROOT).is_none_or(|value| value != WITH_FILES) {
            return Ok(Self(Vec::new()));
        }
        let failed = |error| CliError::failed("can't receive the files that root opened", &error);
        let (note, files) = os::receive_files().map_err(failed)?;
        let note = json::parse_object(&note).map_err(|error| failed(io::Error::other(error.to_string())))?;
        let paths = note.get("paths").and_then(Value::as_array).into_iter().flatten();
        let paths = paths.map(|path| path.as_str().unwrap_or_default().to_string());
        Ok(Self(paths.zip(files.into_iter().map(File::from)).collect()))
    }

    /// Packs files into a socket, which is to be the new program's standard input.
    pub(super) fn hand_over(files: &[(String, File)]) -> io::Result<OwnedFd> {
        let paths: Vec<_> = files.iter().map(|(path, _)| path.as_str()).collect();
        let descriptors: Vec<BorrowedFd<'_>> = files.iter().map(|(_, file)| file.as_fd()).collect();
        os::send_files(&descriptors, json::json!({ "paths": paths }).to_string().as_bytes())
    }

    /// Opens a file to read.
    ///
    /// # Errors
    /// What the system reports.
    pub(super) fn open(&self, path: &Path) -> io::Result<File> {
        match self.handed_over(path) {
            Some(file) => file.try_clone(),
            None => File::open(path),
        }
    }

    /// Whether root opened this one.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.handed_over(path).is_some()
    }

    fn handed_over(&self, path: &Path) -> Option<&File> {
        self.0.iter().find(|(name, _)| Path::new(name) == path).map(|(_, file)| file)
    }
}
