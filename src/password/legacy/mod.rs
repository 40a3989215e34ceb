//! Hashes of other programs: verified, and replaced by scrypt at the user's next login.
//!
//! | file | scheme | programs |
//! |---|---|---|
//! | `sha_crypt.rs` | `$6$…`, `$5$…` | passlib, as in the article; crypt(3) |
//! | `pbkdf2.rs` | `pbkdf2:sha256:…`, `pbkdf2_sha256$…`, `$pbkdf2-sha256$…`, and of other digests | Werkzeug, Django, passlib |
//! | `scrypt.rs` | `scrypt:…`, `scrypt$…` | Werkzeug 3, Django |
//! | `bcrypt.rs` | `$2a$`, `$2b$`, `$2y$`, `bcrypt$…`, `bcrypt_sha256$…` | bcrypt, PHP, htpasswd, Django |
//! | `argon2.rs` | `$argon2id$…`, `$argon2i$…`, `argon2$…` | argon2, PHP, passlib, Django |
//! | `md5_crypt.rs` | `$apr1$…`, `$1$…` | htpasswd, crypt(3) |
//!
//! Parsing limits the work, since an untrusted string chooses it. A password over [`MAX_PASSWORD_BYTES`] is
//! wrong, since the work of crypt schemes grows with the length; its check takes the work of the first bytes.
//! A password with a NUL is wrong: crypt and bcrypt end there, and PBKDF2 ignores one at the end.

mod argon2;
mod bcrypt;
mod md5_crypt;
mod pbkdf2;
mod scrypt;
mod sha_crypt;

use self::argon2::Argon2Hash;
use self::bcrypt::Bcrypt;
use self::md5_crypt::Md5Crypt;
use self::pbkdf2::Pbkdf2;
use self::scrypt::ForeignScrypt;
use self::sha_crypt::ShaCrypt;
use super::stored::StoredHashError;
use crate::secret::Secret;
use core::fmt;

/// Maximum length of a password for these schemes.
pub const MAX_PASSWORD_BYTES: usize = 256;
/// Maximum number of rounds or iterations, which take sha512_crypt seconds.
pub const MAX_ROUNDS: u32 = 5_000_000;

const MAX_TEXT_BYTES: usize = 256;
const MAX_SALT_BYTES: usize = 64;

/// A parsed hash of another program.
#[derive(Clone, PartialEq, Eq)]
pub struct LegacyHash(Scheme);

#[derive(Clone, PartialEq, Eq)]
enum Scheme {
    ShaCrypt(ShaCrypt),
    Pbkdf2(Pbkdf2),
    Scrypt(ForeignScrypt),
    Bcrypt(Bcrypt),
    Argon2(Argon2Hash),
    Md5Crypt(Md5Crypt),
}

impl LegacyHash {
    /// Parses a string of any of the schemes.
    pub fn parse(text: &str) -> Result<Self, StoredHashError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(StoredHashError::TooLong);
        }
        let scheme = if let Some(parsed) = ShaCrypt::parse(text) {
            Scheme::ShaCrypt(parsed?)
        } else if let Some(parsed) = Pbkdf2::parse(text) {
            Scheme::Pbkdf2(parsed?)
        } else if let Some(parsed) = ForeignScrypt::parse(text) {
            Scheme::Scrypt(parsed?)
        } else if let Some(parsed) = Bcrypt::parse(text) {
            Scheme::Bcrypt(parsed?)
        } else if let Some(parsed) = Argon2Hash::parse(text) {
            Scheme::Argon2(parsed?)
        } else if let Some(parsed) = Md5Crypt::parse(text) {
            Scheme::Md5Crypt(parsed?)
        } else {
            return Err(StoredHashError::UnknownScheme);
        };
        Ok(Self(scheme))
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        match &self.0 {
            Scheme::Scrypt(hash) => hash.cost().memory_bytes(),
            Scheme::Argon2(hash) => hash.memory_bytes(),
            Scheme::ShaCrypt(_) | Scheme::Pbkdf2(_) | Scheme::Bcrypt(_) | Scheme::Md5Crypt(_) => 0,
        }
    }

    pub(super) fn parameters(&self) -> String {
        match &self.0 {
            Scheme::Scrypt(hash) => hash.cost().to_string(),
            Scheme::Argon2(hash) => hash.parameters(),
            Scheme::ShaCrypt(_) | Scheme::Pbkdf2(_) | Scheme::Bcrypt(_) | Scheme::Md5Crypt(_) => {
                String::new()
            }
        }
    }

    pub(super) fn is_weak(&self) -> bool {
        matches!(self.0, Scheme::Md5Crypt(_))
    }

    pub(super) fn verify(&self, password: &Secret) -> bool {
        let password = password.expose().as_bytes();
        let (shown, rest) = password.split_at_checked(MAX_PASSWORD_BYTES).unwrap_or((password, &[]));
        let is_equal = match &self.0 {
            Scheme::ShaCrypt(hash) => hash.verify(shown),
            Scheme::Pbkdf2(hash) => hash.verify(shown),
            Scheme::Scrypt(hash) => hash.verify(shown),
            Scheme::Bcrypt(hash) => hash.verify(shown),
            Scheme::Argon2(hash) => hash.verify(shown),
            Scheme::Md5Crypt(hash) => hash.verify(shown),
        };
        is_equal && rest.is_empty() && !password.contains(&0)
    }
}

impl fmt::Debug for LegacyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LegacyHash(redacted)")
    }
}

/// A number of rounds or iterations: digits without a leading zero, from 1 to [`MAX_ROUNDS`].
fn parse_rounds(text: &str, form: &'static str) -> Result<u32, StoredHashError> {
    let is_number =
        text.starts_with(|c: char| matches!(c, '1'..='9')) && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return Err(StoredHashError::Form(form));
    }
    match text.parse() {
        Ok(rounds) if rounds <= MAX_ROUNDS => Ok(rounds),
        _ => Err(StoredHashError::Work("5000000 rounds or iterations")),
    }
}

fn is_salt(text: &str) -> bool {
    (1..=MAX_SALT_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Decodes lower-case hexadecimal digits of `length` bytes.
fn parse_hex(text: &str, length: usize) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(byte.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    let bytes: Vec<u8> = pairs.iter().map(byte).collect::<Option<_>>()?;
    (rest.is_empty() && bytes.len() == length).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: &str = "saltysalt0";

    fn error(text: &str) -> StoredHashError {
        LegacyHash::parse(text).unwrap_err()
    }

    fn verifies(hash: &str, password: &str) -> bool {
        LegacyHash::parse(hash).unwrap().verify(&Secret::new(password.into()))
    }

    #[test]
    fn work_over_the_limit_is_rejected() {
        let (hex, base64) = ("0".repeat(64), format!("{}=", "A".repeat(43)));
        let (sha512, sha256, bcrypt) = ("a".repeat(86), format!("{}.", "a".repeat(42)), ".".repeat(53));
        let rounds = StoredHashError::Work("5000000 rounds or iterations");
        for (largest, over) in [
            (format!("$6$rounds=5000000${SALT}${sha512}"), rounds),
            (format!("$5$rounds=5000000${SALT}${sha256}"), rounds),
            (format!("pbkdf2:sha256:5000000${SALT}${hex}"), rounds),
            (format!("pbkdf2_sha256$5000000${SALT}${base64}"), rounds),
            (format!("$2b$14${bcrypt}"), StoredHashError::Work("bcrypt cost 14")),
        ] {
            assert!(LegacyHash::parse(&largest).is_ok(), "{largest}");
            for more in ["5000001", "99999999999999999999"] {
                assert_eq!(error(&largest.replace("5000000", more).replace("$14$", "$15$")), over);
            }
        }
        let costly = format!("scrypt:2097152:8:1${SALT}${}", "0".repeat(128));
        assert_eq!(error(&costly), StoredHashError::Cost);
        let costly = format!("scrypt$2097152${SALT}$8$1${}==", "A".repeat(86));
        assert_eq!(error(&costly), StoredHashError::Cost);
        let argon2 = |params| format!("$argon2id$v=19${params}$c2FsdHNhbHQ${}", "A".repeat(22));
        for largest in ["m=2097152,t=1,p=1", "m=65536,t=32,p=4"] {
            assert!(LegacyHash::parse(&argon2(largest)).is_ok(), "{largest}");
        }
        let work = StoredHashError::Work("argon2's memory times passes of 2 GiB");
        for over in ["m=2097153,t=1,p=1", "m=65536,t=33,p=4", "m=4999999,t=4999999,p=1"] {
            assert_eq!(error(&argon2(over)), work, "{over}");
        }
        assert_eq!(error(&argon2("m=65536,t=5000001,p=4")), rounds);
        assert_eq!(error(&format!("$6${}", "a".repeat(256))), StoredHashError::TooLong);
    }

    #[test]
    fn malformed_hashes_are_rejected() {
        let hex = "0".repeat(64);
        for text in [
            "$6$",
            "$6$salt",
            "$6$salt$short",
            "$6$rounds=05000$salt$x",
            "$6$rounds=999$salt$x",
            "$5$salt$x$",
            "$2b$10$short",
            "$2b$1$",
            "pbkdf2:sha256:1000$salt",
            &format!("pbkdf2:sha256:0${SALT}${hex}"),
            &format!("pbkdf2:sha256:+1${SALT}${hex}"),
            &format!("pbkdf2:sha256:1000$${hex}"),
            &format!("pbkdf2:sha256:1000${SALT}${}", hex.replace('0', "A")),
            "pbkdf2_sha256$1000$salt$AAAA",
            "scrypt:32768:8:1$salt$00",
            "scrypt:32767:8:1$salt$00",
            "scrypt$16384$salt$8$1$AAAA",
            "scrypt$16384$salt$8$AAAA",
            "pbkdf2:sha1:1$s$0",
            "pbkdf2:sha512:1$s$0",
            "$pbkdf2-sha256$1$c2FsdA$AAAA",
            "$pbkdf2-sha512$1$c2FsdA",
            "bcrypt$$2b$10$short",
            "bcrypt_sha256$$2b$10$short",
            "$argon2id$v=19$m=19456,t=2$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=19456,t=2,p=0$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=7,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=19456,t=2,p=1$c2Fs$AAAAAAAAAAAAAAAAAAAAAA",
            "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAA",
            "argon2$argon2i$",
            "$apr1$salt$hash",
            "$1$saltysalt$TNlb8DIvkJkq0oZTO4qnQ0",
        ] {
            assert!(matches!(error(text), StoredHashError::Form(_)), "{text}: {:?}", error(text));
        }
        for text in
            ["", "python", "{SHA}x", "$2x$10$", "pbkdf2:md5:1$s$0", "$argon2d$v=19$m=8,t=1,p=1$", "md5$s$0"]
        {
            assert_eq!(error(text), StoredHashError::UnknownScheme, "{text}");
        }
    }

    #[test]
    fn a_password_over_256_bytes_is_wrong_whatever_its_hash() {
        // Python: hashlib.pbkdf2_hmac('sha256', b'x' * 256, b'saltysalt0', 1).hex(), and the same of 257.
        let of_256 = "34ae8b97912cad972ef84af3ed14257c3c4e1930b524c37e8e3e0197a5113fe6";
        let of_257 = "3cca9f492ac1f52789ff3557e5b9cb9999746dc51ec3a7799d68cdca099bac9a";
        let hash = |hex: &str| format!("pbkdf2:sha256:1${SALT}${hex}");
        let (longest, longer) = ("x".repeat(256), "x".repeat(257));
        assert!(verifies(&hash(of_256), &longest));
        assert!(!verifies(&hash(of_257), &longer));
        assert!(!verifies(&hash(of_256), &longer));
    }

    #[test]
    fn a_password_with_a_nul_is_wrong_whatever_its_hash() {
        let hash = "$2b$05$eL6GoUW8rNDhmOdNFJL0O.ykUp58oVFBz/iTVou0NQClgBj22Xbrq";
        let password = "correct horse battery staple";
        assert!(verifies(hash, password));
        // To bcrypt a password is a text that begins again behind each NUL.
        assert!(!verifies(hash, &format!("{password}\0{password}")));
        assert!(!verifies(hash, &format!("{password}\0")));
    }

    #[test]
    fn a_legacy_hashs_debug_output_is_redacted() {
        let hash = LegacyHash::parse("$2b$05$eL6GoUW8rNDhmOdNFJL0O.ykUp58oVFBz/iTVou0NQClgBj22Xbrq").unwrap();
        assert_eq!(format!("{hash:?}"), "LegacyHash(redacted)");
    }
}
