//! Temporary directory: private, and removed in the end.

use super::cli_error::{CliError, OrFail as _};
use crate::encoding;
use crate::random;
use std::env;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// A directory that is removed with this.
#[derive(Debug)]
pub(super) struct TempDir(PathBuf);

impl TempDir {
    /// Makes one below the directory for temporary files (`TMPDIR`).
    ///
    /// # Errors
    /// [`CliError`] with what to do.
    pub(super) fn new(purpose: &str) -> Result<Self, CliError> {
        // A name that another user can't take first; mkdir(2) fails where anything has it.
        let name = random::bytes::<9>().or_fail("can't name a directory")?;
        let name = format!("gatekey-{purpose}-{}", encoding::encode_base64url(name));
        let path = env::temp_dir().join(name);
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| cant_write(&path, &error))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // what is left is private
    }
}

/// A failure to write a temporary file.
pub(super) fn cant_write(path: &Path, error: &io::Error) -> CliError {
    CliError::Failed(format!(
        "can't write {}: {error}; another directory for temporary files: TMPDIR=DIRECTORY",
        path.display()
    ))
}
