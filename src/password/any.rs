//! A stored hash of any scheme: scrypt, or that of another program.

use super::cost::Cost;
use super::hash::verify;
#[cfg(feature = "legacy-hashes")]
use super::legacy::LegacyHash;
use super::stored::{StoredHash, StoredHashError};
use crate::secret::Secret;
use core::str::FromStr;

/// A stored scrypt hash, or (feature `legacy-hashes`) a hash of another program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnyHash(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Ours(StoredHash),
    #[cfg(feature = "legacy-hashes")]
    Legacy(LegacyHash),
}

impl AnyHash {
    /// Memory of one verification in bytes; 0 for schemes that need little.
    pub fn memory_bytes(&self) -> u64 {
        match &self.0 {
            Kind::Ours(hash) => hash.cost().memory_bytes(),
            #[cfg(feature = "legacy-hashes")]
            Kind::Legacy(hash) => hash.memory_bytes(),
        }
    }

    /// Parameters of a scheme that needs memory: `ln=14,r=8,p=5`, `argon2id m=65536,t=3,p=4`.
    pub fn parameters(&self) -> String {
        match &self.0 {
            Kind::Ours(hash) => hash.cost().to_string(),
            #[cfg(feature = "legacy-hashes")]
            Kind::Legacy(hash) => hash.parameters(),
        }
    }

    /// Whether the scheme is fast: millions of brute-force attempts a second.
    pub fn is_weak(&self) -> bool {
        match &self.0 {
            Kind::Ours(_) => false,
            #[cfg(feature = "legacy-hashes")]
            Kind::Legacy(hash) => hash.is_weak(),
        }
    }

    /// Whether it has the scheme and cost of new hashes; if not, it should be replaced.
    pub fn is_current(&self, cost: Cost) -> bool {
        match &self.0 {
            Kind::Ours(hash) => hash.cost() == cost,
            #[cfg(feature = "legacy-hashes")]
            Kind::Legacy(_) => false,
        }
    }

    /// Verifies a password.
    pub fn verify(&self, password: &Secret) -> bool {
        match &self.0 {
            Kind::Ours(hash) => verify(password, hash),
            #[cfg(feature = "legacy-hashes")]
            Kind::Legacy(hash) => hash.verify(password),
        }
    }
}

impl From<StoredHash> for AnyHash {
    fn from(hash: StoredHash) -> Self {
        Self(Kind::Ours(hash))
    }
}

impl FromStr for AnyHash {
    type Err = StoredHashError;

    fn from_str(text: &str) -> Result<Self, StoredHashError> {
        match text.parse::<StoredHash>() {
            Ok(hash) => Ok(hash.into()),
            #[cfg(feature = "legacy-hashes")]
            Err(StoredHashError::UnknownScheme) => {
                LegacyHash::parse(text).map(|hash| Self(Kind::Legacy(hash)))
            }
            Err(error) => Err(error),
        }
    }
}
