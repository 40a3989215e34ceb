//! bcrypt (Provos and Mazières, "A Future-Adaptable Password Scheme", 1999), as most programs write it.
//!
//! ```text
//! $2b$10$imHII76OEv42DvhPX6aEFeJJBFIaH3OCMXpvKhU26EUspmqu2sPGC
//! ```
//!
//! `$2a$`, `$2b$` and `$2y$` are one algorithm today; `$2x$`, which marks hashes of a mistaken one, is not taken.
//!
//! Deviation: of a password, only the first 72 bytes count here, as in every bcrypt. It is replaced by scrypt, which reads
//! all that was typed, at the next login.

use super::super::StoredHashError;
use alloc::string::String;
use bcrypt::HashParts;

const FORM: &str = "$2b$ and two digits of cost, then $ and 53 characters of salt and hash";
/// Each step doubles the work; 14 takes about a second.
const MAX_COST: u32 = 14;
/// The least that the algorithm has.
const MIN_COST: u32 = 4;

/// The whole string, which [`Bcrypt::parse`] has checked.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Bcrypt(String);

impl Bcrypt {
    /// `None` where it is another scheme.
    pub(super) fn parse(text: &str) -> Option<Result<Self, StoredHashError>> {
        let is_bcrypt = ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix));
        is_bcrypt.then(|| Self::check(text))
    }

    fn check(text: &str) -> Result<Self, StoredHashError> {
        let parts: HashParts = text.parse().map_err(|_| StoredHashError::Form(FORM))?;
        match parts.get_cost() {
            MIN_COST..=MAX_COST => Ok(Self(text.into())),
            0..MIN_COST => Err(StoredHashError::Form(FORM)),
            _ => Err(StoredHashError::Work("bcrypt cost 14")),
        }
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        bcrypt::verify(password, &self.0).unwrap_or(false)
    }
}
