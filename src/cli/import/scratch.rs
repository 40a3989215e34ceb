//! A dry run makes nothing that stays: where there is no database yet, it goes into an empty one elsewhere.

use crate::cli::{Failure, data};
use crate::data_dir::DataDir;
use alloc::format;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::{env, process};

/// A directory that goes away with this.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// One, if there is no database here, and might be made.
    pub(super) fn instead_of(data_dir: &DataDir) -> Result<Option<Self>, Failure> {
        if data_dir.has_database().map_err(|error| data::failed(&error))? {
            return Ok(None);
        }
        data_dir.check_may_create().map_err(|error| data::failed(&error))?;
        let path = env::temp_dir().join(format!("gatekey-dry-run-{}", process::id()));
        // It fails where anything has that name, so nobody else's is used.
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| Failure::failed(format!("can't make {}", path.display()), &error))?;
        Ok(Some(Self(path)))
    }

    pub(super) fn data_dir(&self) -> DataDir {
        DataDir::new(&self.0)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // what is left holds no more than the file that was read
    }
}
