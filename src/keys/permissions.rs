//! Owners and modes of a private key file.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

/// Group-readable is accepted only with another owner or group: otherwise it is an accident.
pub(super) fn is_private(metadata: &Metadata, (uid, gid): (u32, u32)) -> bool {
    match metadata.mode() & 0o7777 {
        0o600 | 0o400 => true,
        0o640 | 0o440 => metadata.uid() != uid || metadata.gid() != gid,
        _ => false,
    }
}

/// Docker and Kubernetes mount secrets with these modes, which can't be changed in the container.
pub(super) fn is_mounted_secret(metadata: &Metadata, is_read_only: bool) -> bool {
    is_read_only && metadata.uid() == 0 && matches!(metadata.mode() & 0o7777, 0o444 | 0o644)
}
