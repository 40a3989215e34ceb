//! Signer: HMAC-SHA-256 over bytes (RFC 2104, RFC 7518 section 3.2), key ring and key rotation.
//!
//! A [`SigningKey`] is the exact bytes of one secret. A [`KeyRing`] is all keys, oldest first: **the newest
//! signs, every key verifies**. Key rotation appends a new key; an old one is removed when its last token has
//! expired.
//!
//! ```
//! use gatekey::signer::KeyRing;
//! let ring = KeyRing::parse(b"the oldest of the secrets\nthe newest of the secrets\n")?;
//! let signature = ring.sign(b"input");
//! assert!(ring.verify(b"input", &signature) && !ring.verify(b"other", &signature));
//! # Ok::<(), gatekey::signer::KeyRingError>(())
//! ```

use crate::encoding;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// A MAC: 32 bytes.
pub type Signature = [u8; 32];

/// SHA-256 (FIPS 180-4): a checksum. It has no key, so it authenticates nothing.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Signing key. Keeps the HMAC states, not the secret; they are wiped on drop.
#[derive(Clone)]
pub struct SigningKey {
    mac: Hmac<Sha256>,
    secret_length: usize,
    /// Whether other keys are derived from it.
    is_own: bool,
}

impl SigningKey {
    /// Minimum length of a secret: a shorter one can be brute-forced offline with one token.
    pub const MIN_BYTES: usize = 16;
    /// Length of the hash, which RFC 7518 section 3.2 requires; a shorter secret is weak.
    pub const STRONG_BYTES: usize = 32;
    /// Maximum length of a secret; a longer one is some other file.
    pub const MAX_BYTES: usize = 1024;

    /// A key of these bytes.
    ///
    /// # Errors
    /// [`KeyLengthError`] below [`SigningKey::MIN_BYTES`] or above [`SigningKey::MAX_BYTES`].
    pub fn new(secret: &[u8]) -> Result<Self, KeyLengthError> {
        if secret.len() < Self::MIN_BYTES {
            return Err(KeyLengthError { bytes: secret.len(), least: Self::MIN_BYTES });
        }
        Self::new_weak(secret)
    }

    /// A key of at least one byte, for an administrator who accepts that it can be brute-forced.
    ///
    /// # Errors
    /// [`KeyLengthError`] if it is empty, or above [`SigningKey::MAX_BYTES`].
    pub fn new_weak(secret: &[u8]) -> Result<Self, KeyLengthError> {
        let error = KeyLengthError { bytes: secret.len(), least: 1 };
        if !(1..=Self::MAX_BYTES).contains(&secret.len()) {
            return Err(error);
        }
        match Hmac::new_from_slice(secret) {
            Ok(mac) => Ok(Self { mac, secret_length: secret.len(), is_own: false }),
            Err(_) => Err(error), // HMAC itself takes any length
        }
    }

    /// Whether the secret is shorter than [`SigningKey::STRONG_BYTES`].
    pub fn is_weak(&self) -> bool {
        self.secret_length < Self::STRONG_BYTES
    }

    /// Whether gatekey created it. An added key, which others know, signs and verifies access tokens only
    /// ([`KeyRing::derive`]).
    pub fn is_own(&self) -> bool {
        self.is_own
    }

    /// Marks the key as created by gatekey, if it is strong.
    #[must_use]
    pub fn made_here(self) -> Self {
        Self { is_own: !self.is_weak(), ..self }
    }

    /// Derives the key for one purpose: the MAC of its name, which has a space and so is no token's
    /// signature.
    fn derive(&self, purpose: &str) -> Self {
        let secret = self.mac.clone().chain_update(b"gatekey key for ").chain_update(purpose).finalize();
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default(); // HMAC pads its key with zeros
        block.iter_mut().zip(secret.into_bytes()).for_each(|(byte, secret)| *byte = secret);
        let mac = Hmac::new(&block);
        Self { mac, secret_length: Self::STRONG_BYTES, is_own: false }
    }

    /// The MAC of these bytes.
    pub fn sign(&self, input: &[u8]) -> Signature {
        self.mac.clone().chain_update(input).finalize().into_bytes().into()
    }

    /// The MAC of a list of fields, each after its length: injective, and without a copy. Not for tokens.
    pub fn sign_fields(&self, fields: &[&[u8]]) -> Signature {
        let with_length = |mac: Hmac<Sha256>, field: &&[u8]| {
            let length = (field.len() as u64).to_be_bytes();
            mac.chain_update(length).chain_update(field)
        };
        fields.iter().fold(self.mac.clone(), with_length).finalize().into_bytes().into()
    }

    /// Verifies the MAC of these bytes, in constant time.
    pub fn verify(&self, input: &[u8], signature: &[u8]) -> bool {
        self.mac.clone().chain_update(input).verify_slice(signature).is_ok()
    }

    /// Fingerprint: 16 characters of base64url that identify the key and reveal nothing of it.
    pub fn fingerprint(&self) -> String {
        // A token's signing input has no space, so this is no token's signature.
        let signature = self.sign(b"gatekey key fingerprint");
        encoding::encode_base64url(signature.split_at(12).0)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} bytes, redacted)", self.secret_length)
    }
}

/// The secret is too short or too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyLengthError {
    /// Its length.
    pub bytes: usize,
    /// The minimum length.
    pub least: usize,
}

impl fmt::Display for KeyLengthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, least } = self;
        write!(f, "the secret has {bytes} bytes, expected {least} to {}", SigningKey::MAX_BYTES)
    }
}

impl core::error::Error for KeyLengthError {}

/// Prefix of an added secret, which others know, in base64.
const BASE64: &[u8] = b"base64:";
/// Prefix of a secret in base64 that may be weak.
const WEAK_BASE64: &[u8] = b"weak-base64:";

/// Key ring: oldest key first, never empty.
#[derive(Clone, Debug)]
pub struct KeyRing {
    older: Vec<SigningKey>,
    newest: SigningKey,
}

impl KeyRing {
    /// Maximum number of keys: a forged signature is verified under each.
    pub const MAX_KEYS: usize = 16;

    /// A ring of one key.
    pub fn from_key(key: SigningKey) -> Self {
        Self { older: Vec::new(), newest: key }
    }

    /// Parses the file `signing-keys`: one secret a line, oldest first.
    ///
    /// A line is the exact bytes of a secret that gatekey created. A line `base64:…` is a secret that was
    /// added, in standard base64 with padding; `weak-base64:…` is the same, and may be shorter than
    /// [`SigningKey::MIN_BYTES`]. Comments and empty lines are errors, so that none is mistaken for a key.
    ///
    /// # Errors
    /// [`KeyRingError`], with the number of the line. Never the line itself.
    pub fn parse(file: &[u8]) -> Result<Self, KeyRingError> {
        let file = file.strip_suffix(b"\n").unwrap_or(file);
        if file.is_empty() {
            return Err(KeyRingError::Empty);
        }
        let mut keys = Vec::new();
        for (line, number) in file.split(|byte| *byte == b'\n').zip(1..) {
            if number > Self::MAX_KEYS {
                return Err(KeyRingError::TooMany);
            }
            keys.push(parse_line(line, number)?);
        }
        let newest = keys.pop().ok_or(KeyRingError::Empty)?;
        Ok(Self { older: keys, newest })
    }

    /// All keys, oldest first.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &SigningKey> {
        self.older.iter().chain([&self.newest])
    }

    /// The key that signs.
    pub fn newest(&self) -> &SigningKey {
        &self.newest
    }

    /// The newest key that gatekey made for itself, if there is one.
    pub fn newest_own(&self) -> Option<&SigningKey> {
        self.keys().rev().find(|key| key.is_own)
    }

    /// Derives the keys for one purpose from the keys that gatekey created. Another key, or a signature for
    /// another purpose, is of no use for it. `None` without such a key.
    pub fn derive(&self, purpose: &str) -> Option<Self> {
        let mut keys: Vec<_> = self.keys().filter(|key| key.is_own).map(|key| key.derive(purpose)).collect();
        let newest = keys.pop()?;
        Some(Self { older: keys, newest })
    }

    /// The same ring, in which keys of which this is true are not gatekey's own.
    #[must_use]
    pub fn disown(mut self, is_foreign: impl Fn(&SigningKey) -> bool) -> Self {
        for key in self.older.iter_mut().chain([&mut self.newest]) {
            key.is_own &= !is_foreign(key);
        }
        self
    }

    /// The MAC of these bytes under the newest key.
    pub fn sign(&self, input: &[u8]) -> Signature {
        self.newest.sign(input)
    }

    /// Verifies the MAC under any key; tries the newest first.
    pub fn verify(&self, input: &[u8], signature: &[u8]) -> bool {
        self.keys().rev().any(|key| key.verify(input, signature))
    }
}

fn parse_line(line: &[u8], number: usize) -> Result<SigningKey, KeyRingError> {
    let decode = |text| encoding::decode_base64(text).map_err(|_| KeyRingError::NotBase64 { line: number });
    let key = match (line.strip_prefix(BASE64), line.strip_prefix(WEAK_BASE64)) {
        (Some(text), _) => SigningKey::new(&decode(text)?),
        (_, Some(text)) => SigningKey::new_weak(&decode(text)?),
        (None, None) => SigningKey::new(line).map(SigningKey::made_here),
    };
    key.map_err(|error| KeyRingError::Length { line: number, error })
}

/// The line that [`KeyRing::parse`] reads as this secret that others may know. A secret that is too short
/// gets the line that says so.
pub fn encode_line(secret: &[u8]) -> Vec<u8> {
    let prefix = if secret.len() < SigningKey::MIN_BYTES { WEAK_BASE64 } else { BASE64 };
    [prefix, encoding::encode_base64(secret).as_bytes()].concat()
}

/// Error of [`KeyRing::parse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRingError {
    /// The file has no key.
    Empty,
    /// More than [`KeyRing::MAX_KEYS`].
    TooMany,
    /// The text after `base64:` or `weak-base64:` is not standard base64.
    NotBase64 {
        /// Counted from 1.
        line: usize,
    },
    /// The secret is too short or too long.
    Length {
        /// Counted from 1.
        line: usize,
        /// Its length and the minimum.
        error: KeyLengthError,
    },
}

impl fmt::Display for KeyRingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it holds no key, expected one secret a line"),
            Self::TooMany => write!(f, "it holds more than {} keys", KeyRing::MAX_KEYS),
            Self::NotBase64 { line } => {
                write!(f, "line {line}: expected standard base64 with padding after the colon")
            }
            Self::Length { line, error } => write!(f, "line {line}: {error}"),
        }
    }
}

impl core::error::Error for KeyRingError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    /// FIPS 180-2, appendix B.1.
    #[test]
    fn the_hash_is_sha_256() {
        let hash = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";
        assert_eq!(encoding::encode_base64url(sha256(b"abc")), hash);
    }

    /// RFC 4231 section 4.3 (test case 2) has a key of four bytes, so its case 3 and 7 serve here.
    #[test]
    fn signatures_are_hmac_sha_256() {
        let key = SigningKey::new(&[0xaa; 20]).unwrap();
        let mac = key.sign(&[0xdd; 50]);
        assert_eq!(mac.as_slice(), hex("773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"));
        let key = SigningKey::new(&[0xaa; 131]).unwrap();
        let mac = key.sign(
            b"This is a test using a larger than block-size key and a larger than block-size data. The key \
              needs to be hashed before being used by the HMAC algorithm.",
        );
        assert_eq!(mac.as_slice(), hex("9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"));
    }

    fn hex(text: &str) -> Vec<u8> {
        text.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn the_newest_key_signs_and_every_key_verifies() {
        let ring = KeyRing::parse(
            b"the oldest of the keys\nbase64:AAECAwQFBgcICQoLDA0ODw==\nthe newest of the keys\n",
        );
        let ring = ring.unwrap();
        let newest = SigningKey::new(b"the newest of the keys").unwrap();
        assert_eq!(ring.sign(b"input"), newest.sign(b"input"));
        for key in ring.keys() {
            assert!(ring.verify(b"input", &key.sign(b"input")));
        }
        assert_eq!(ring.keys().count(), 3);
        let stranger = SigningKey::new(b"the key of another app").unwrap();
        assert!(!ring.verify(b"input", &stranger.sign(b"input")));
        assert!(!ring.verify(b"input", b""));
    }

    #[test]
    fn a_secret_is_its_lines_exact_bytes() {
        let plain = KeyRing::parse(b"sixteen bytes ok").unwrap();
        let with_line_feed = KeyRing::parse(b"sixteen bytes ok\n").unwrap();
        let with_space = KeyRing::parse(b"sixteen bytes ok \n").unwrap();
        assert_eq!(plain.newest().fingerprint(), with_line_feed.newest().fingerprint());
        assert_ne!(plain.newest().fingerprint(), with_space.newest().fingerprint());
        let as_base64 = KeyRing::parse(b"base64:c2l4dGVlbiBieXRlcyBvaw==").unwrap();
        assert_eq!(plain.newest().fingerprint(), as_base64.newest().fingerprint());
    }

    #[test]
    fn a_weak_secret_is_accepted_only_as_weak_base64() {
        let error = KeyRing::parse(b"base64:dG9wIHNlY3JldCE=").unwrap_err();
        assert_eq!(error.to_string(), "line 1: the secret has 11 bytes, expected 16 to 1024");
        let ring = KeyRing::parse(b"weak-base64:dG9wIHNlY3JldCE=").unwrap();
        let key = SigningKey::new_weak(b"top secret!").unwrap();
        assert_eq!(ring.newest().fingerprint(), key.fingerprint());
        let error = KeyRing::parse(b"weak-base64:").unwrap_err();
        assert_eq!(error.to_string(), "line 1: the secret has 0 bytes, expected 1 to 1024");
    }

    #[test]
    fn an_encoded_line_parses_to_its_secret() {
        for (secret, line) in [
            (&b"sixteen bytes ok"[..], &b"base64:c2l4dGVlbiBieXRlcyBvaw=="[..]),
            (b"with\na line feed", b"base64:d2l0aAphIGxpbmUgZmVlZA=="),
            (b"with a return ..\r", b"base64:d2l0aCBhIHJldHVybiAuLg0="),
            (b"base64:sixteen..", b"base64:YmFzZTY0OnNpeHRlZW4uLg=="),
            (b"weak-base64:QUJD", b"base64:d2Vhay1iYXNlNjQ6UVVKRA=="),
            (&[0xff; 16], b"base64://///////////////////w=="),
            (b"fifteen bytes!!", b"weak-base64:ZmlmdGVlbiBieXRlcyEh"),
            (b"x", b"weak-base64:eA=="),
        ] {
            assert_eq!(encode_line(secret), line);
            let key = SigningKey::new_weak(secret).unwrap();
            assert_eq!(KeyRing::parse(line).unwrap().newest().fingerprint(), key.fingerprint());
        }
    }

    #[test]
    fn every_encoded_secret_is_one_line_that_parses_to_it() {
        const PARTS: [&[u8]; 8] =
            [b"", b"\n", b"\r", b"\0", b"base64:", b"weak-base64:", b"sixteen bytes ok", b"\xff"];
        for number in 1..8_usize.pow(4) {
            let secret =
                [number / 512, number / 64 % 8, number / 8 % 8, number % 8].map(|part| PARTS[part]).concat();
            let file = [encode_line(&secret).as_slice(), b"the neighbour of that one"].join(&b'\n');
            let ring = KeyRing::parse(&file).unwrap();
            let expected = SigningKey::new_weak(&secret).unwrap().fingerprint();
            assert_eq!((ring.keys().count(), ring.keys().next().unwrap().fingerprint()), (2, expected));
        }
    }

    #[test]
    fn a_malformed_key_file_is_an_error_that_names_the_line() {
        let error = |file: &[u8]| KeyRing::parse(file).unwrap_err().to_string();
        assert_eq!(error(b""), "it holds no key, expected one secret a line");
        assert_eq!(error(b"\n"), "it holds no key, expected one secret a line");
        assert_eq!(
            error(b"sixteen bytes ok\nfifteen bytes!!\n"),
            "line 2: the secret has 15 bytes, expected 16 to 1024"
        );
        assert_eq!(
            error(b"sixteen bytes ok\n\nsixteen bytes ok\n"),
            "line 2: the secret has 0 bytes, expected 16 to 1024"
        );
        assert_eq!(error(b"base64:!!"), "line 1: expected standard base64 with padding after the colon");
        assert_eq!(error("sixteen bytes ok\n".repeat(17).as_bytes()), "it holds more than 16 keys");
        assert_eq!(KeyRing::parse("sixteen bytes ok\n".repeat(16).as_bytes()).unwrap().keys().count(), 16);
    }

    #[test]
    fn keys_for_a_purpose_come_from_own_strong_keys_alone_and_none_fits_another_purpose() {
        let (old, new) = ([b'a'; 32], [b'b'; 32]);
        let lines =
            [&encode_line(&[b'c'; 32]), &old[..], b"sixteen bytes ok", &new, &encode_line(&[b'd'; 32])];
        let ring = KeyRing::parse(&lines.join(&b'\n')).unwrap();
        let own: Vec<_> = ring.keys().map(SigningKey::is_own).collect();
        assert_eq!(own, [false, true, false, true, false]);
        assert_eq!(ring.newest_own().unwrap().fingerprint(), SigningKey::new(&new).unwrap().fingerprint());
        let derived = ring.derive("csrf").unwrap();
        assert_eq!(derived.keys().count(), 2);
        let signature = derived.sign(b"input");
        let of_new = KeyRing::from_key(SigningKey::new(&new).unwrap().made_here());
        assert!(of_new.derive("csrf").unwrap().verify(b"input", &signature));
        for other in [&ring, &ring.derive("link").unwrap(), &derived.clone().derive("csrf").unwrap_or(of_new)]
        {
            assert!(!other.verify(b"input", &signature));
        }
        assert!(ring.disown(|_| true).derive("csrf").is_none());
    }

    #[test]
    fn sign_fields_is_injective() {
        let key = SigningKey::new(b"sixteen bytes ok").unwrap();
        let lists: [&[&[u8]]; 7] =
            [&[], &[b""], &[b"", b""], &[b"ab"], &[b"a", b"b"], &[b"ab", b""], &[b"", b"ab"]];
        for (number, list) in lists.iter().enumerate() {
            for (other_number, other) in lists.iter().enumerate() {
                let is_same = key.sign_fields(list) == key.sign_fields(other);
                assert_eq!(is_same, number == other_number, "{list:?} {other:?}");
            }
        }
        assert_eq!(key.sign_fields(&[b"ab"]), key.sign(b"\0\0\0\0\0\0\0\x02ab"));
    }

    #[test]
    fn a_keys_debug_output_is_redacted() {
        let key = SigningKey::new(b"sixteen bytes ok").unwrap();
        assert_eq!(alloc::format!("{key:?}"), "SigningKey(16 bytes, redacted)");
        assert!(key.is_weak());
        assert!(!SigningKey::new(&[7; 32]).unwrap().is_weak());
    }
}
