//! Permission check: only their owner, root or this process's user may write to the directory and the database.

use crate::os;
use crate::shell;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Another user can write to the data directory or the database, and so act as any user of the realm.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PermissionsError(String);

pub(super) fn check(directory: &Path, database_files: [PathBuf; 3]) -> Result<(), PermissionsError> {
    let (own, _) = os::effective_ids();
    let files = database_files.into_iter().map(|path| (path, 0o600));
    for (path, expected) in [(directory.to_path_buf(), 0o700)].into_iter().chain(files) {
        let Ok(metadata) = fs::metadata(&path) else { continue }; // to open it reports the error
        let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
        let (name, argument) = (path.display(), shell::quote_path(&path));
        if mode & 0o022 != 0 {
            return Err(PermissionsError(format!(
                "others may write to {name} (mode {mode:04o}), and so act as any user; first: chmod {expected:o} {argument}"
            )));
        }
        if owner != 0 && owner != own {
            return Err(PermissionsError(format!(
                "{name} belongs to user {owner}, who could act as any user; run gatekey as that user, not as user {own}"
            )));
        }
    }
    Ok(())
}
