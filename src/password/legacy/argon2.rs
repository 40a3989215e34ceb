//! Argon2id and Argon2i (RFC 9106) as PHC strings, and as Django writes them.
//!
//! ```text
//! $argon2id$v=19$m=19456,t=2,p=1$BwDgvNfam7OWUkqp1ZoTwg$7+TRCFzWiYzwxH5ZZw3kBlNrjj3+DOfuoujB1P3BEGk
//! argon2$argon2id$v=19$m=102400,t=2,p=8$Tzg1REFZY2E2UWRmcWg3Tk9SNnhOVw$R6172QuidWdu7BqnSzNnJ1XV5BPczw2dEHkyJHrzXDg
//! ```
//!
//! Without `v=` it is version 16. Left out: Argon2d (not for passwords), and the optional `keyid` and `data`.
//!
//! The work is memory times passes: the product has a limit here, the memory one in [`crate::hashing`].

use super::super::stored::StoredHashError;
use super::parse_rounds;
use crate::encoding;
use crate::secret;
use argon2::{Algorithm, Argon2, Params, Version};
use core::ops::RangeInclusive;

const FORM: &str = "$argon2id$v=19$m=…,t=…,p=…$salt$hash in base64 without padding";
/// Memory in KiB times passes: 2 GiB, which take about two seconds.
const MAX_KIB_TIMES_PASSES: u64 = 2 << 20;
const MAX_LANES: u32 = 255;
const SALT_BYTES: RangeInclusive<usize> = 8..=64;
const HASH_BYTES: RangeInclusive<usize> = 16..=64;

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Argon2Hash {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Argon2Hash {
    /// `None` for another scheme.
    pub(super) fn parse(text: &str) -> Option<Result<Self, StoredHashError>> {
        let text = text.strip_prefix("argon2").filter(|rest| rest.starts_with("$argon2")).unwrap_or(text);
        let (algorithm, rest) = match (text.strip_prefix("$argon2id$"), text.strip_prefix("$argon2i$")) {
            (Some(rest), _) => (Algorithm::Argon2id, rest),
            (_, Some(rest)) => (Algorithm::Argon2i, rest),
            (None, None) => return None,
        };
        Some(Self::parse_rest(algorithm, rest))
    }

    fn parse_rest(algorithm: Algorithm, rest: &str) -> Result<Self, StoredHashError> {
        let malformed = StoredHashError::Form(FORM);
        let (version, rest) = match rest.strip_prefix("v=19$") {
            Some(rest) => (Version::V0x13, rest),
            None => (Version::V0x10, rest.strip_prefix("v=16$").unwrap_or(rest)),
        };
        let mut parts = rest.split('$');
        let (Some(params), Some(salt), Some(hash), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed);
        };
        let decode = |text, range: RangeInclusive<usize>| {
            encoding::decode_base64_unpadded(text).ok().filter(|bytes| range.contains(&bytes.len()))
        };
        let salt = decode(salt, SALT_BYTES).ok_or(malformed)?;
        let hash = decode(hash, HASH_BYTES).ok_or(malformed)?;
        Ok(Self { algorithm, version, params: parse_params(params, hash.len())?, salt, hash })
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        u64::from(self.params.m_cost()).saturating_mul(1024)
    }

    /// `argon2id m=19456,t=2,p=1`.
    pub(super) fn parameters(&self) -> String {
        let (name, params) = (self.algorithm.as_str(), &self.params);
        format!("{name} m={},t={},p={}", params.m_cost(), params.t_cost(), params.p_cost())
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let mut hash = vec![0; self.hash.len()];
        let argon2 = Argon2::new(self.algorithm, self.version, self.params.clone());
        let hashed = argon2.hash_password_into(password, &self.salt, &mut hash);
        hashed.is_ok() && secret::ct_eq(&hash, &self.hash)
    }
}

/// `m=19456,t=2,p=1`.
fn parse_params(text: &str, hash_bytes: usize) -> Result<Params, StoredHashError> {
    let malformed = StoredHashError::Form(FORM);
    let mut numbers = text.split(',');
    let mut number = |prefix: &str| {
        let digits = numbers.next().and_then(|part| part.strip_prefix(prefix)).ok_or(malformed)?;
        parse_rounds(digits, FORM)
    };
    let (kib, passes, lanes) = (number("m=")?, number("t=")?, number("p=")?);
    if numbers.next().is_some() || lanes > MAX_LANES {
        return Err(malformed);
    }
    // A 32-bit machine can't address 2 GiB.
    let is_addressable = isize::try_from(u64::from(kib).saturating_mul(1024)).is_ok();
    if !is_addressable || u64::from(kib).saturating_mul(u64::from(passes)) > MAX_KIB_TIMES_PASSES {
        return Err(StoredHashError::Work("argon2's memory times passes of 2 GiB"));
    }
    Params::new(kib, passes, lanes, Some(hash_bytes)).map_err(|_| malformed)
}
