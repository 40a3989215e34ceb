//! Stored scrypt hash: parser and formatter of the PHC string.

#![warn(clippy::arithmetic_side_effects)]

use super::cost::Cost;
use crate::encoding;
use core::fmt;
use core::ops::RangeInclusive;
use core::str::FromStr;

const SALT_BYTES: RangeInclusive<usize> = 8..=64;
const HASH_BYTES: RangeInclusive<usize> = 16..=64;
/// Maximum length of the string, checked before decoding.
const MAX_TEXT_BYTES: usize = 256;

/// A stored hash, `$scrypt$ln=14,r=8,p=5$salt$hash`, with redacted `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredHash {
    cost: Cost,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl StoredHash {
    pub(super) fn new(cost: Cost, salt: Vec<u8>, hash: Vec<u8>) -> Self {
        Self { cost, salt, hash }
    }

    /// The cost.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.salt
    }

    pub(super) fn hash(&self) -> &[u8] {
        &self.hash
    }
}

impl fmt::Display for StoredHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (salt, hash) =
            (encoding::encode_base64_unpadded(&self.salt), encoding::encode_base64_unpadded(&self.hash));
        write!(f, "$scrypt${}${salt}${hash}", self.cost)
    }
}

impl fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredHash({}, redacted)", self.cost)
    }
}

impl FromStr for StoredHash {
    type Err = StoredHashError;

    fn from_str(text: &str) -> Result<Self, StoredHashError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(StoredHashError::TooLong);
        }
        let parts = text.strip_prefix("$scrypt$").ok_or(StoredHashError::UnknownScheme)?;
        let mut parts = parts.split('$');
        let (Some(cost), Some(salt), Some(hash), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(StoredHashError::Malformed);
        };
        let cost = cost.parse().map_err(|_| StoredHashError::Cost)?;
        let salt = encoding::decode_base64_unpadded(salt).map_err(|_| StoredHashError::Malformed)?;
        let hash = encoding::decode_base64_unpadded(hash).map_err(|_| StoredHashError::Malformed)?;
        if SALT_BYTES.contains(&salt.len()) && HASH_BYTES.contains(&hash.len()) {
            Ok(Self { cost, salt, hash })
        } else {
            Err(StoredHashError::Length)
        }
    }
}

/// Error of parsing a stored hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoredHashError {
    /// Unknown scheme.
    #[error("the stored hash is of a scheme that is not known here")]
    UnknownScheme,
    /// Parameters out of range.
    #[error("the stored hash has scrypt parameters out of range")]
    Cost,
    /// A salt not of 8 to 64 bytes, or a hash not of 16 to 64.
    #[error("the stored hash has a salt not of 8 to 64 bytes or a hash not of 16 to 64")]
    Length,
    /// More than 256 bytes.
    #[error("the stored hash has more than 256 bytes")]
    TooLong,
    /// Not three parts after the scheme, or not base64.
    #[error("the stored hash is not $scrypt$ln=…,r=…,p=…$salt$hash in base64 without padding")]
    Malformed,
    /// Malformed hash of another program; contains the expected form.
    #[error("the stored hash is not {0}")]
    Form(&'static str),
    /// Hash of another program with more work than this limit.
    #[error("the stored hash asks for more work than {0}")]
    Work(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_hash_reads_as_it_is_written() {
        let cost = Cost::DEFAULT;
        for (salt, hash) in [(16, 32), (8, 16), (64, 64)] {
            let stored = StoredHash::new(cost, vec![0xFB; salt], vec![0x7E; hash]);
            assert_eq!(stored.to_string().parse(), Ok(stored));
        }
    }

    #[test]
    fn hostile_strings_are_errors_and_not_an_allocation() {
        let salt = "c2FsdHNhbHRzYWx0c2FsdA";
        let hash = "aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
        let error = |text: String| text.parse::<StoredHash>().unwrap_err();
        for cost in ["ln=63,r=8,p=1", "ln=14,r=0,p=1", "ln=14,r=8,p=4294967295", "ln=0,r=8,p=1", ""] {
            assert_eq!(error(format!("$scrypt${cost}${salt}${hash}")), StoredHashError::Cost);
        }
        let megabyte = "c2Fs".repeat(1 << 18);
        assert_eq!(error(format!("$scrypt$ln=4,r=8,p=1${megabyte}${hash}")), StoredHashError::TooLong);
        for (salt, hash) in [("c2FsdA", hash), (salt, "aGFzaA"), ("", hash), (salt, "")] {
            assert_eq!(error(format!("$scrypt$ln=4,r=8,p=1${salt}${hash}")), StoredHashError::Length);
        }
        for text in [
            format!("$scrypt$ln=4,r=8,p=1${salt}"),
            format!("$scrypt$ln=4,r=8,p=1${salt}${hash}$"),
            format!("$scrypt$ln=4,r=8,p=1${salt}==${hash}"),
            format!("$scrypt$ln=4,r=8,p=1${salt} ${hash}"),
            "$scrypt$".into(),
        ] {
            assert_eq!(error(text), StoredHashError::Malformed);
        }
        for text in ["", "python", "$6$rounds=5001$salt$hash", "$SCRYPT$ln=4,r=8,p=1", "scrypt$ln=4"] {
            assert_eq!(error(text.into()), StoredHashError::UnknownScheme);
        }
    }

    #[test]
    fn a_stored_hashs_debug_output_is_redacted() {
        let stored = StoredHash::new(Cost::DEFAULT, vec![1; 16], vec![2; 32]);
        assert_eq!(format!("{stored:?}"), "StoredHash(ln=14,r=8,p=5, redacted)");
    }
}
