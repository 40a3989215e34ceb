//! Which owners and modes of the key file keep it secret.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

/// A file of ours whose group is simply our own was made readable for the group by accident; where root owns it,
/// or the group is another one, somebody chose so.
pub(super) fn is_private(metadata: &Metadata, (uid, gid): (u32, u32)) -> bool {
    match metadata.mode() & 0o7777 {
        0o600 | 0o400 => true,
        0o640 | 0o440 => metadata.uid() != uid || metadata.gid() != gid,
        _ => false,
    }
}

/// Docker and Kubernetes mount secrets so, and their modes can't be changed from inside.
pub(super) fn is_mounted_secret(metadata: &Metadata, is_read_only: bool) -> bool {
    is_read_only && metadata.uid() == 0 && matches!(metadata.mode() & 0o7777, 0o444 | 0o644)
}
