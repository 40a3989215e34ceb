//! Temporary directory: private, and removed in the end.

use super::Failure;
use alloc::format;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::{env, process};

/// A directory that is removed with this.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Makes one below the directory for temporary files (`TMPDIR`).
    ///
    /// # Errors
    /// [`Failure`] with what to do.
    pub(super) fn new(purpose: &str) -> Result<Self, Failure> {
        let path = env::temp_dir().join(format!("gatekey-{purpose}-{}", process::id()));
        // It fails where anything has that name, so nobody else's is used.
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| cant_write(&path, &error))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // what is left is private
    }
}

/// A failure to write a temporary file.
pub(super) fn cant_write(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!(
        "can't write {}: {error}; another directory for temporary files: TMPDIR=DIRECTORY",
        path.display()
    ))
}
