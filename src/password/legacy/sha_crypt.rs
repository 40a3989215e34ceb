//! sha512_crypt and sha256_crypt of passlib and crypt(3) (Drepper, "Unix crypt using SHA-256 and SHA-512").
//!
//! ```text
//! $6$rounds=656000$aU9f/v.3DsxSwBIe$U3wyXRarB1Ri55u.ngjYLFCbtdfpZ017W6aGeU0cRAGhACmTOZRYNdZ1gal9lvAmOkuywnjfi2jKQ14l8Acqd1
//! $5$0EDOTpAoyzVI9jp9$FUH6KiGJ/FPpG4HtiaZ7CcnNGKiR6nSVuGLj7.u6pAB
//! ```
//!
//! The default is 5000 rounds. The hash has its own base64 alphabet and byte order.

use super::parse_rounds;
use crate::secret;
use sha_crypt::Params;

use super::super::stored::StoredHashError;

const FORM: &str = "$6$rounds=…$salt$hash or $5$rounds=…$salt$hash";
/// Base64 alphabet of crypt(3).
pub(super) const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Maximum length of a salt in crypt(3).
const MAX_SALT_CHARS: usize = 16;

#[derive(Clone, PartialEq, Eq)]
pub(super) struct ShaCrypt {
    is_512: bool,
    params: Params,
    salt: String,
    /// Encoded.
    hash: String,
}

impl ShaCrypt {
    /// `None` for another scheme.
    pub(super) fn parse(text: &str) -> Option<Result<Self, StoredHashError>> {
        let (is_512, rest) = match (text.strip_prefix("$6$"), text.strip_prefix("$5$")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            (None, None) => return None,
        };
        Some(Self::parse_rest(is_512, rest))
    }

    fn parse_rest(is_512: bool, rest: &str) -> Result<Self, StoredHashError> {
        let malformed = StoredHashError::Form(FORM);
        let (params, rest) = match rest.strip_prefix("rounds=") {
            Some(rest) => {
                let (rounds, rest) = rest.split_once('$').ok_or(malformed)?;
                (Params::new(parse_rounds(rounds, FORM)?).map_err(|_| malformed)?, rest)
            }
            None => (Params::default(), rest),
        };
        let (salt, hash) = rest.split_once('$').ok_or(malformed)?;
        let is_written = |text: &str| text.bytes().all(|byte| ALPHABET.contains(&byte));
        let length = if is_512 { 86 } else { 43 };
        if salt.len() <= MAX_SALT_CHARS && is_written(salt) && hash.len() == length && is_written(hash) {
            Ok(Self { is_512, params, salt: salt.into(), hash: hash.into() })
        } else {
            Err(malformed)
        }
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let salt = self.salt.as_bytes();
        let hash = if self.is_512 {
            encode_512(&sha_crypt::sha512_crypt(password, salt, self.params))
        } else {
            encode_256(&sha_crypt::sha256_crypt(password, salt, self.params))
        };
        secret::ct_eq(&hash, self.hash.as_bytes())
    }
}

/// Bytes 0, 21, 42; 22, 43, 1; 44, 2, 23; and so on; then byte 63.
fn encode_512(hash: &[u8; 64]) -> Vec<u8> {
    let groups = (0..21).map(|n| {
        let mut group = [n, n + 21, n + 42];
        group.rotate_left(n % 3);
        group.map(|place| byte(hash, place))
    });
    let mut text: Vec<u8> = groups.flat_map(|group| encode(group, 4)).collect();
    text.extend(encode([0, 0, byte(hash, 63)], 2));
    text
}

/// Bytes 0, 10, 20; 21, 1, 11; 12, 22, 2; and so on; then bytes 31, 30.
fn encode_256(hash: &[u8; 32]) -> Vec<u8> {
    let groups = (0..10).map(|n| {
        let mut group = [n, n + 10, n + 20];
        group.rotate_right(n % 3);
        group.map(|place| byte(hash, place))
    });
    let mut text: Vec<u8> = groups.flat_map(|group| encode(group, 4)).collect();
    text.extend(encode([0, byte(hash, 31), byte(hash, 30)], 3));
    text
}

fn byte(hash: &[u8], place: usize) -> u8 {
    hash.get(place).copied().expect("the place is in the hash")
}

/// Encodes three bytes, big-endian, as this many characters, lowest six bits first.
pub(super) fn encode([high, middle, low]: [u8; 3], chars: usize) -> impl Iterator<Item = u8> {
    let bits = u32::from(high) << 16 | u32::from(middle) << 8 | u32::from(low);
    (0..chars).map(move |n| byte(ALPHABET, (bits >> (6 * n)) as usize & 63))
}
