//! Permission check: only their owner, root or this process's user may write to the directory and the database.

use crate::os;
use crate::shell;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Another user can write to the data directory or the database, and so act as any user of the realm.
#[derive(Debug, thiserror::Error)]
pub enum PermissionsError {
    /// Group or others have write permission.
    #[error(
        "others may write to {} (mode {mode:04o}), and so act as any user; first: chmod {expected:o} {}",
        path.display(),
        shell::quote_path(path)
    )]
    Writable {
        /// The directory, or a file of the database.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// A mode that is accepted.
        expected: u32,
    },
    /// It belongs to a user who is neither root nor this process's.
    #[error(
        "{} belongs to user {owner}, who could act as any user; run gatekey as that user, not as user {own}",
        path.display()
    )]
    ForeignOwner {
        /// The directory, or a file of the database.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// This process's user.
        own: u32,
    },
}

pub(super) fn check(directory: &Path, database_files: [PathBuf; 3]) -> Result<(), PermissionsError> {
    let (own, _) = os::effective_ids();
    let files = database_files.into_iter().map(|path| (path, 0o600));
    for (path, expected) in [(directory.to_path_buf(), 0o700)].into_iter().chain(files) {
        let Ok(metadata) = fs::metadata(&path) else { continue }; // to open it reports the error
        let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
        if mode & 0o022 != 0 {
            return Err(PermissionsError::Writable { path, mode, expected });
        }
        if owner != 0 && owner != own {
            return Err(PermissionsError::ForeignOwner { path, owner, own });
        }
    }
    Ok(())
}
