//! bcrypt (Provos and Mazières, "A Future-Adaptable Password Scheme", 1999), as most programs write it, and
//! as Django does.
//!
//! ```text
//! $2b$10$imHII76OEv42DvhPX6aEFeJJBFIaH3OCMXpvKhU26EUspmqu2sPGC
//! bcrypt$$2b$12$z7k1zOvyIVvX1oAZ1MAbLO/AeDvsM3kCE.6jzYT4Cg3EA4jrIpqFi
//! bcrypt_sha256$$2b$12$DM0MR4TtHmYUTOOoTaAAyOnlYrVb6FlOIGaVM6I8aYpMLUntnB7QS
//! ```
//!
//! `$2a$`, `$2b$` and `$2y$` are one algorithm today; `$2x$` marks a faulty one and is rejected.
//! `bcrypt_sha256$` hashes the password's SHA-256 in hexadecimal digits, so that all its bytes count.
//!
//! Deviation: in the other forms only the first 72 bytes of a password count, as in every bcrypt, until the
//! next login replaces the hash by scrypt.

use super::super::stored::StoredHashError;
use bcrypt::HashParts;
use pbkdf2::sha2::{Digest as _, Sha256};

const FORM: &str = "$2b$ and two digits of cost, then $ and 53 characters of salt and hash";
/// Each step doubles the work; 14 takes about a second.
const MAX_COST: u32 = 14;
/// Minimum of the algorithm.
const MIN_COST: u32 = 4;

/// A hash whose string [`Bcrypt::parse`] has checked.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Bcrypt {
    /// From `$2` on.
    text: String,
    hashes_sha256: bool,
}

impl Bcrypt {
    /// `None` for another scheme.
    pub(super) fn parse(text: &str) -> Option<Result<Self, StoredHashError>> {
        let (text, hashes_sha256) = match (text.strip_prefix("bcrypt$"), text.strip_prefix("bcrypt_sha256$"))
        {
            (Some(rest), _) => (rest, false),
            (_, Some(rest)) => (rest, true),
            (None, None) => (text, false),
        };
        let is_bcrypt = ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix));
        is_bcrypt.then(|| Self::check(text, hashes_sha256))
    }

    fn check(text: &str, hashes_sha256: bool) -> Result<Self, StoredHashError> {
        let parts: HashParts = text.parse().map_err(|_| StoredHashError::Form(FORM))?;
        match parts.get_cost() {
            MIN_COST..=MAX_COST => Ok(Self { text: text.into(), hashes_sha256 }),
            0..MIN_COST => Err(StoredHashError::Form(FORM)),
            _ => Err(StoredHashError::Work("bcrypt cost 14")),
        }
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let verified = if self.hashes_sha256 {
            let digest = Sha256::digest(password);
            let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).expect("a nibble is below 16");
            let digits: String =
                digest.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
            bcrypt::verify(digits, &self.text)
        } else {
            bcrypt::verify(password, &self.text)
        };
        verified.unwrap_or(false)
    }
}
