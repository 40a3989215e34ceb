//! Errors of the hasher.

use crate::password::StoredHashError;
use crate::random::RandomError;

/// Why nothing could be hashed or verified.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The stored string is not a hash of a known scheme.
    #[error(transparent)]
    Stored(#[from] StoredHashError),
    /// One hash of this cost takes more memory than `--max-hash-memory`.
    #[error("a hash of {parameters} takes {bytes} bytes, more than the {max_bytes} allowed")]
    TooMuchMemory {
        /// Its scheme and parameters.
        parameters: String,
        /// What it takes, in bytes.
        bytes: u64,
        /// The limit, in bytes.
        max_bytes: u64,
    },
    /// All slots are taken, and the queue is full, or this client's share of it. Answered 503.
    #[error("too many passwords are being checked at once")]
    Busy,
    /// No random bytes for a salt.
    #[error(transparent)]
    Random(#[from] RandomError),
}
