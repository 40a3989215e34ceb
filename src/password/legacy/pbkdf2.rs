//! PBKDF2 with HMAC-SHA-256 (RFC 8018 section 5.2), as Werkzeug and as Django write it.
//!
//! ```text
//! pbkdf2:sha256:150000$JVr1xx6Ym04pMpg1$b010ef33410357272270a60ad37f5bc536c826e3fca5234f9de12aebf2a7ff73
//! pbkdf2_sha256$2000$saltysalt0$VuPzErmpQLaGJW3mdbwscH8drZ63bcM8mOKkZRr0oH8=
//! ```

use super::super::StoredHashError;
use super::{is_salt, parse_hex, parse_rounds};
use crate::encoding;
use crate::secret;
use alloc::string::String;
use alloc::vec::Vec;
use pbkdf2::pbkdf2_hmac;
use pbkdf2::sha2::Sha256;

const HASH_BYTES: usize = 32;

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pbkdf2 {
    iterations: u32,
    /// Its text is the salt, not what the text might stand for.
    salt: String,
    hash: Vec<u8>,
}

impl Pbkdf2 {
    /// `None` where it is another scheme.
    pub(super) fn parse(text: &str) -> Option<Result<Self, StoredHashError>> {
        if let Some(rest) = text.strip_prefix("pbkdf2:sha256:") {
            let decode = |hash: &str| parse_hex(hash, HASH_BYTES);
            return Some(Self::parse_rest(rest, decode, "pbkdf2:sha256:…$salt$hash in hexadecimal digits"));
        }
        let rest = text.strip_prefix("pbkdf2_sha256$")?;
        let decode = |hash: &str| encoding::decode_base64(hash).ok().filter(|hash| hash.len() == HASH_BYTES);
        Some(Self::parse_rest(rest, decode, "pbkdf2_sha256$…$salt$hash in base64"))
    }

    fn parse_rest(
        rest: &str,
        decode: impl FnOnce(&str) -> Option<Vec<u8>>,
        form: &'static str,
    ) -> Result<Self, StoredHashError> {
        let malformed = StoredHashError::Form(form);
        let mut parts = rest.split('$');
        let (Some(iterations), Some(salt), Some(hash), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed);
        };
        let iterations = parse_rounds(iterations, form)?;
        let hash = decode(hash).ok_or(malformed)?;
        if is_salt(salt) { Ok(Self { iterations, salt: salt.into(), hash }) } else { Err(malformed) }
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let mut hash = [0; HASH_BYTES];
        pbkdf2_hmac::<Sha256>(password, self.salt.as_bytes(), self.iterations, &mut hash);
        secret::equal(&hash, &self.hash)
    }
}
