//! Rules for a secret that is added as a signing key: it is long enough, unpublished and new, and the ring
//! has room.

use super::edit::KeyFile;
use super::published::is_published;
use crate::signer::{KeyLengthError, KeyRing, SigningKey};

/// The risks of a secret that an administrator accepts.
#[derive(Clone, Copy, Debug, Default)]
pub struct AcceptedRisks {
    /// It is shorter than [`SigningKey::MIN_BYTES`].
    pub weak: bool,
    /// It is published ([`is_published`]).
    pub published: bool,
}

/// The reason for which a secret is not added.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NewKeyError {
    /// No key has this length.
    #[error(transparent)]
    Length(KeyLengthError),
    /// It is published, and that risk is not accepted.
    #[error("this secret is published: anyone can forge tokens with it")]
    Published,
    /// It has so few bytes, and that risk is not accepted.
    #[error(
        "the secret has {bytes} bytes, expected at least {}: it can be guessed from one token",
        SigningKey::MIN_BYTES
    )]
    Weak {
        /// Its length.
        bytes: usize,
    },
    /// The key with this fingerprint is in the ring already.
    #[error("the key {fingerprint} is there already")]
    Present {
        /// Its fingerprint.
        fingerprint: String,
    },
    /// The ring has this number of keys, and no room for another.
    #[error("there are {keys} keys already, and no more may be")]
    Full {
        /// The number of keys.
        keys: usize,
    },
}

/// Makes a key of a secret, unless it has a risk that is not accepted.
///
/// # Errors
/// [`NewKeyError::Length`], [`NewKeyError::Published`] or [`NewKeyError::Weak`]; the worst first.
pub fn check_secret(secret: &[u8], accepted: AcceptedRisks) -> Result<SigningKey, NewKeyError> {
    let least = if accepted.weak { 1 } else { SigningKey::MIN_BYTES };
    let key = SigningKey::new_weak(secret);
    let key = key.map_err(|error| NewKeyError::Length(KeyLengthError { least, ..error }))?;
    if is_published(&key) && !accepted.published {
        return Err(NewKeyError::Published);
    }
    if secret.len() < least {
        return Err(NewKeyError::Weak { bytes: secret.len() });
    }
    Ok(key)
}

impl KeyFile {
    /// Whether this key can be added.
    ///
    /// # Errors
    /// [`NewKeyError::Present`] or [`NewKeyError::Full`].
    pub fn check_new(&self, key: &SigningKey) -> Result<(), NewKeyError> {
        let fingerprint = key.fingerprint();
        if self.ring().keys().any(|key| key.fingerprint() == fingerprint) {
            return Err(NewKeyError::Present { fingerprint });
        }
        self.check_room()
    }

    /// Whether a key can be added.
    ///
    /// # Errors
    /// [`NewKeyError::Full`].
    pub fn check_room(&self) -> Result<(), NewKeyError> {
        let keys = self.ring().keys().count();
        if keys < KeyRing::MAX_KEYS { Ok(()) } else { Err(NewKeyError::Full { keys }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_risk_is_accepted_only_by_name() {
        let check =
            |secret: &[u8], weak, published| check_secret(secret, AcceptedRisks { weak, published }).err();
        assert_eq!(check(&[7; 16], false, false), None);
        assert_eq!(check(&[7; 15], false, true), Some(NewKeyError::Weak { bytes: 15 }));
        assert_eq!(check(&[7; 15], true, false), None);
        assert_eq!(check(b"dev", true, false), Some(NewKeyError::Published));
        assert_eq!(check(b"dev", false, false), Some(NewKeyError::Published), "the worst first");
        assert_eq!(check(b"dev", true, true), None);
        assert!(matches!(check(b"", true, true), Some(NewKeyError::Length(error)) if error.least == 1));
        assert!(matches!(check(b"", false, false), Some(NewKeyError::Length(error)) if error.least == 16));
    }
}
