//! Apache's `$apr1$` and crypt(3)'s `$1$`: MD5, a thousand times (Kamp, 1994).
//!
//! ```text
//! $apr1$2kI8PhAQ$TNlb8DIvkJkq0oZTO4qnQ0
//! ```
//!
//! Weak: millions of brute-force attempts a second. The import warns of it, and the user's next login
//! replaces it.

use super::super::stored::StoredHashError;
use super::sha_crypt::{ALPHABET, encode};
use crate::secret;
use md5::{Digest as _, Md5};

const FORM: &str = "$apr1$salt$hash or $1$salt$hash with 22 characters of hash";
const MAX_SALT_CHARS: usize = 8;
const HASH_CHARS: usize = 22;
const ROUNDS: u32 = 1000;

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Md5Crypt {
    magic: &'static str,
    salt: String,
    /// Encoded.
    hash: String,
}

impl Md5Crypt {
    /// `None` for another scheme.
    pub(super) fn parse(text: &str) -> Option<Result<Self, StoredHashError>> {
        let magic = ["$apr1$", "$1$"].into_iter().find(|magic| text.starts_with(magic))?;
        Some(Self::parse_rest(magic, text.strip_prefix(magic)?))
    }

    fn parse_rest(magic: &'static str, rest: &str) -> Result<Self, StoredHashError> {
        let malformed = StoredHashError::Form(FORM);
        let (salt, hash) = rest.split_once('$').ok_or(malformed)?;
        let is_written = |text: &str| text.bytes().all(|byte| ALPHABET.contains(&byte));
        let is_salt = (1..=MAX_SALT_CHARS).contains(&salt.len()) && is_written(salt);
        if is_salt && hash.len() == HASH_CHARS && is_written(hash) {
            Ok(Self { magic, salt: salt.into(), hash: hash.into() })
        } else {
            Err(malformed)
        }
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let hash = hash(password, self.magic.as_bytes(), self.salt.as_bytes());
        secret::ct_eq(&encode_md5(&hash), self.hash.as_bytes())
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(part);
    }
    md5.finalize().into()
}

fn hash(password: &[u8], magic: &[u8], salt: &[u8]) -> [u8; 16] {
    let inner = digest(&[password, salt, password]);
    let mut md5 = Md5::new();
    for part in [password, magic, salt] {
        md5.update(part);
    }
    // The inner digest, repeated to the password's length.
    for chunk in password.chunks(inner.len()) {
        md5.update(inner.get(..chunk.len()).expect("a chunk is at most as long as the digest"));
    }
    // For each bit of the length, lowest first: a NUL, or the password's first byte.
    let mut length = password.len();
    while length > 0 {
        md5.update(if length & 1 == 1 {
            &[0]
        } else {
            password.get(..1).expect("a password with a length has a byte")
        });
        length >>= 1;
    }
    let mut hash: [u8; 16] = md5.finalize().into();
    for round in 0..ROUNDS {
        let (first, last) = if round & 1 == 1 { (password, &hash[..]) } else { (&hash[..], password) };
        let salt = if round.is_multiple_of(3) { &[] } else { salt };
        let again = if round.is_multiple_of(7) { &[] } else { password };
        hash = digest(&[first, salt, again, last]);
    }
    hash
}

/// Bytes 0, 6, 12; 1, 7, 13; and so on; then 4, 10, 5; then byte 11.
fn encode_md5(hash: &[u8; 16]) -> Vec<u8> {
    let byte = |place: usize| hash.get(place).copied().expect("the place is in the hash");
    let groups = (0..5).map(|n| [byte(n), byte(n + 6), byte(if n == 4 { 5 } else { n + 12 })]);
    groups.flat_map(|group| encode(group, 4)).chain(encode([0, 0, byte(11)], 2)).collect()
}
