//! Any hash that is verified: one of ours, or one that another program made.

#[cfg(feature = "legacy-hashes")]
use super::legacy::LegacyHash;
use super::{Cost, StoredHash, StoredHashError, verify};
use crate::secret::Secret;
use core::str::FromStr;

/// A stored hash of ours, or (feature `legacy-hashes`) of another program's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnyHash(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Ours(StoredHash),
    #[cfg(feature = "legacy-hashes")]
    Legacy(LegacyHash),
}

impl AnyHash {
    /// scrypt's parameters, where it is scrypt, ours or not: what takes memory.
    pub fn scrypt_cost(&self) -> Option<Cost> {
        match &self.0 {
            Kind::Ours(hash) => Some(hash.cost()),
            #[cfg(feature = "legacy-hashes")]
            Kind::Legacy(hash) => hash.cost(),
        }
    }

    /// Whether it is of the scheme and cost that a new hash of this cost has; if not, it is to be replaced.
    pub fn is_current(&self, cost: Cost) -> bool {
        match &self.0 {
            Kind::Ours(hash) => hash.cost() == cost,
            #[cfg(feature = "legacy-hashes")]
            Kind::Legacy(_) => false,
        }
    }

    /// Whether this is the password whose hash is stored.
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
