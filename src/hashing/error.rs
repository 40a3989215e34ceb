//! Errors of the hasher.

use crate::password::StoredHashError;
use crate::random::RandomError;
use core::fmt;

/// Why nothing could be hashed or verified.
#[derive(Debug)]
pub enum HashError {
    /// The stored string is not a hash of a known scheme.
    Stored(StoredHashError),
    /// One hash of this cost takes more memory than `--max-hash-memory`.
    TooMuchMemory {
        /// Its scheme and parameters.
        parameters: String,
        /// What it takes, in bytes.
        bytes: u64,
        /// The limit, in bytes.
        max_bytes: u64,
    },
    /// All slots are taken, and the queue is full, or this client's share of it. Answered 503.
    Busy,
    /// No random bytes for a salt.
    Random(RandomError),
}

impl From<StoredHashError> for HashError {
    fn from(error: StoredHashError) -> Self {
        Self::Stored(error)
    }
}

impl From<RandomError> for HashError {
    fn from(error: RandomError) -> Self {
        Self::Random(error)
    }
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored(error) => error.fmt(f),
            Self::TooMuchMemory { parameters, bytes, max_bytes } => {
                write!(f, "a hash of {parameters} takes {bytes} bytes, more than the {max_bytes} allowed")
            }
            Self::Busy => f.write_str("too many passwords are being checked at once"),
            Self::Random(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for HashError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Stored(error) => error.source(),
            Self::Random(error) => error.source(),
            Self::TooMuchMemory { .. } | Self::Busy => None,
        }
    }
}
