//! Temporary directory: private, and removed on drop.

use super::cli_error::{CliError, OrFail as _};
use crate::encoding;
use crate::random;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::{env, io};

#[derive(Debug)]
pub(super) struct TempDir(PathBuf);

impl TempDir {
    /// Creates one below the directory for temporary files (`TMPDIR`).
    ///
    /// # Errors
    /// [`CliError`] with what to do.
    pub(super) fn new(purpose: &str) -> Result<Self, CliError> {
        // Another user can't predict the name, and mkdir(2) fails if it exists.
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
        let _ = fs::remove_dir_all(&self.0); // the rest is private
    }
}

pub(super) fn cant_write(path: &Path, error: &io::Error) -> CliError {
    CliError::Failed(format!(
        "can't write {}: {error}; another directory for temporary files: TMPDIR=DIRECTORY",
        path.display()
    ))
}
