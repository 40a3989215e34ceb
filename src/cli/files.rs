//! The operator's files: input that the person at the command line names. Opened by path, unless root opened
//! them for a child process that runs as the data directory's owner (`owner.rs`).

use super::cli_error::{CliError, OrFail as _};
use crate::json::{self, Value};
use crate::os::{self, PathOwners};
use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::{env, io};

/// Set for a program that root started to run as another user: [`ON_TERMINAL`] where what it writes to
/// standard error is shown on a terminal.
pub(super) const FOR_ROOT: &str = "GATEKEY_FOR_ROOT";
pub(super) const ON_TERMINAL: &str = "terminal";

/// The user that root becomes for a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

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
    /// Receives what was handed over to this program, if root started it for another user, and becomes that
    /// user.
    pub(super) fn received() -> Result<Self, CliError> {
        if env::var_os(FOR_ROOT).is_none() || os::effective_ids().0 != 0 {
            return Ok(Self(Vec::new()));
        }
        Self::receive().or_fail("can't become the data directory's owner")
    }

    fn receive() -> io::Result<Self> {
        let (note, files) = os::receive_files()?;
        let note = json::parse_object(&note).map_err(|error| io::Error::other(error.to_string()))?;
        let id = |name| note.get(name).and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
        let (uid, gid) = id("uid").zip(id("gid")).ok_or(io::ErrorKind::InvalidData)?;
        let is_child = note.get("is_child") == Some(&Value::Bool(true));
        if is_child {
            os::leave_terminal()?; // before the user's other processes can have any hold on this one
        }
        os::become_user(uid, gid)?;
        if is_child {
            os::end_with_parent()?;
        }
        let paths = note.get("paths").and_then(Value::as_array).into_iter().flatten();
        let paths = paths.map(|path| path.as_str().unwrap_or_default().to_string());
        Ok(Self(paths.zip(files.into_iter().map(File::from)).collect()))
    }

    /// Packs files into a socket, which is to be the standard input of a program that runs as this user.
    pub(super) fn hand_over(
        files: &[(String, File)],
        stdin: BorrowedFd<'_>,
        Owner { uid, gid }: Owner,
        is_child: bool,
    ) -> io::Result<OwnedFd> {
        let paths: Vec<_> = files.iter().map(|(path, _)| path.as_str()).collect();
        let descriptors: Vec<BorrowedFd<'_>> = files.iter().map(|(_, file)| file.as_fd()).collect();
        let note = json::json!({ "uid": uid, "gid": gid, "is_child": is_child, "paths": paths });
        os::send_files(stdin, &descriptors, note.to_string().as_bytes())
    }

    pub(super) fn open(&self, path: &Path) -> io::Result<File> {
        match self.handed_over(path) {
            Some(file) => file.try_clone(),
            None => File::open(path),
        }
    }

    /// The same, but root opens it only if root and the file's owner alone decide what the path leads to.
    ///
    /// # Errors
    /// What the system reports, or why root doesn't open it.
    pub(super) fn open_safely(&self, path: &Path) -> io::Result<File> {
        if os::effective_ids().0 == 0 { open_safely(path) } else { self.open(path) }
    }

    /// Whether root opened this one.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.handed_over(path).is_some()
    }

    fn handed_over(&self, path: &Path) -> Option<&File> {
        self.0.iter().find(|(name, _)| Path::new(name) == path).map(|(_, file)| file)
    }
}

/// Opens a file that root and the file's owner alone decide on: another user who controls its path could choose any.
///
/// # Errors
/// What the system reports, or that another user controls the path.
pub(super) fn open_safely(path: &Path) -> io::Result<File> {
    let owners = PathOwners::of(path)?;
    if !owners.last.is_whole_path {
        return Err(io::ErrorKind::NotFound.into());
    }
    let file = os::open_only_regular_file(&owners.real)?;
    let owner = file.metadata()?.uid();
    match owners.users.iter().find(|user| **user != owner) {
        None => Ok(file),
        Some(user) => {
            let why = format!("user {user} controls its path, so root does not read it");
            Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
        }
    }
}
