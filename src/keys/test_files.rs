//! Key files for the tests of this module.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

pub(super) fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Replaces the file.
pub(super) fn write(path: &Path, text: &str, mode: u32) {
    let _ = fs::remove_file(path);
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}
