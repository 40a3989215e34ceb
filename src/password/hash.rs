//! Hashing and verifying with scrypt (RFC 7914).

use super::cost::Cost;
use super::stored::StoredHash;
use crate::random::{self, RandomError};
use crate::secret::{self, Secret};
use core::hint::black_box;

/// Length of a password in bytes of UTF-8. The maximum bounds the work of a request: scrypt reads every byte.
pub const LENGTH: core::ops::RangeInclusive<usize> = 1..=1024;

/// Length of a new salt (NIST SP 800-132 section 5.1).
const SALT_BYTES: usize = 16;
/// Length of a new hash, that of SHA-256.
const HASH_BYTES: usize = 32;

/// Hashes a password with a new random salt.
///
/// ```
/// use gatekey::{password::{self, Cost, StoredHash}, secret::Secret};
/// let cost: Cost = "ln=4,r=8,p=1".parse()?; // far too little: for examples only
/// let stored = password::hash(&Secret::new("python".into()), cost)?.to_string();
///
/// let stored: StoredHash = stored.parse()?;
/// assert!(password::verify(&Secret::new("python".into()), &stored));
/// assert!(!password::verify(&Secret::new("ruby".into()), &stored));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`RandomError`] without a salt.
pub fn hash(password: &Secret, cost: Cost) -> Result<StoredHash, RandomError> {
    let salt = random::bytes::<SALT_BYTES>()?;
    let mut hash = vec![0; HASH_BYTES];
    derive(password.expose().as_bytes(), &salt, cost, &mut hash);
    Ok(StoredHash::new(cost, salt.to_vec(), hash))
}

/// Verifies a password, with the same work for a wrong one.
///
/// Rejects a password that ends in a NUL: HMAC pads its key with NULs (RFC 2104 section 2), so `python` and
/// `python\0` have the same hash.
pub fn verify(password: &Secret, stored: &StoredHash) -> bool {
    let mut hash = vec![0; stored.hash().len()];
    derive(password.expose().as_bytes(), stored.salt(), stored.cost(), &mut hash);
    secret::ct_eq(&hash, stored.hash()) && !password.expose().ends_with('\0')
}

/// A dummy hash of random bytes that no password matches; verifying against it takes the work of this cost.
pub fn dummy(cost: Cost) -> Result<StoredHash, RandomError> {
    let (salt, hash) = (random::bytes::<SALT_BYTES>()?, random::bytes::<HASH_BYTES>()?);
    Ok(StoredHash::new(cost, salt.to_vec(), hash.to_vec()))
}

/// Password, salt, parameters, and the output to fill.
type Scrypt = fn(&[u8], &[u8], &scrypt::Params, &mut [u8]) -> Result<(), scrypt::errors::InvalidOutputLen>;

/// scrypt: derives `output` from password and salt.
pub(super) fn derive(password: &[u8], salt: &[u8], cost: Cost, output: &mut [u8]) {
    let params =
        scrypt::Params::new(cost.log_n(), cost.r(), cost.p()).expect("a Cost is within the crate's range");
    // black_box prevents inlining into this crate, which is optimized for size: a hash then took 1.4 times as
    // long.
    let scrypt: Scrypt = black_box(scrypt::scrypt);
    scrypt(password, salt, &params, output).expect("16 to 64 bytes are within the crate's range");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    }

    /// RFC 7914 section 12. Its last vector takes 1 GiB; `ln` 20 with `r` 8 is over every limit we set.
    #[test]
    fn scrypt_matches_rfc_7914() {
        for (password, salt, cost, expected) in [
            (
                "",
                "",
                "ln=4,r=1,p=1",
                "77 d6 57 62 38 65 7b 20 3b 19 ca 42 c1 8a 04 97 f1 6b 48 44 e3 07 4a e8 df df fa 3f ed e2 14 42 \
                 fc d0 06 9d ed 09 48 f8 32 6a 75 3a 0f c8 1f 17 e8 d3 e0 fb 2e 0d 36 28 cf 35 e2 0c 38 d1 89 06",
            ),
            (
                "password",
                "NaCl",
                "ln=10,r=8,p=16",
                "fd ba be 1c 9d 34 72 00 78 56 e7 19 0d 01 e9 fe 7c 6a d7 cb c8 23 78 30 e7 73 76 63 4b 37 31 62 \
                 2e af 30 d9 2e 22 a3 88 6f f1 09 27 9d 98 30 da c7 27 af b9 4a 83 ee 6d 83 60 cb df a2 cc 06 40",
            ),
            (
                "pleaseletmein",
                "SodiumChloride",
                "ln=14,r=8,p=1",
                "70 23 bd cb 3a fd 73 48 46 1c 06 cd 81 fd 38 eb fd a8 fb ba 90 4f 8e 3e a9 b5 43 f6 54 5d a1 f2 \
                 d5 43 29 55 61 3f 0f cf 62 d4 97 05 24 2a 9a f9 e6 1e 85 dc 0d 65 1e 40 df cf 01 7b 45 57 58 87",
            ),
        ] {
            let mut output = [0; 64];
            derive(password.as_bytes(), salt.as_bytes(), cost.parse().unwrap(), &mut output);
            assert_eq!(output.as_slice(), hex(expected), "{password:?} {cost}");
        }
    }

    #[test]
    fn a_salt_is_new_each_time() {
        let cost: Cost = "ln=1,r=1,p=1".parse().unwrap();
        let password = Secret::new("python".into());
        let (first, second) = (hash(&password, cost).unwrap(), hash(&password, cost).unwrap());
        assert_ne!(first.salt(), second.salt());
        assert_ne!(first.to_string(), second.to_string());
        assert!(verify(&password, &first) && verify(&password, &second));
    }

    #[test]
    fn a_password_is_compared_to_the_byte() {
        let cost: Cost = "ln=1,r=1,p=1".parse().unwrap();
        let stored = hash(&Secret::new("pässwörd".into()), cost).unwrap();
        for other in ["PÄSSWÖRD", "pa\u{308}sswo\u{308}rd", "pässwörd ", "pässwör", "", "pässwörd\0"]
        {
            assert!(!verify(&Secret::new(other.into()), &stored), "{other:?}");
        }
    }

    #[test]
    fn nothing_verifies_against_a_dummy() {
        let cost: Cost = "ln=1,r=1,p=1".parse().unwrap();
        let dummy = dummy(cost).unwrap();
        assert_eq!(dummy.cost(), cost);
        assert!(!verify(&Secret::new("python".into()), &dummy));
    }
}
