//! PBKDF2 with HMAC (RFC 8018 section 5.2), as Werkzeug, Django and passlib write it.
//!
//! ```text
//! pbkdf2:sha256:150000$JVr1xx6Ym04pMpg1$b010ef33410357272270a60ad37f5bc536c826e3fca5234f9de12aebf2a7ff73
//! pbkdf2_sha256$2000$saltysalt0$VuPzErmpQLaGJW3mdbwscH8drZ63bcM8mOKkZRr0oH8=
//! $pbkdf2-sha256$29000$9T7HOKc0JgRgrBWi9J4zZg$wr9nTbDFm9r0vBQewQkM5edllVz3BrA/OVFXlTFmtVA
//! ```
//!
//! | program | digests | salt | hash |
//! |---|---|---|---|
//! | Werkzeug | `pbkdf2:sha1:`, `pbkdf2:sha256:`, `pbkdf2:sha512:` | the text itself | hexadecimal digits |
//! | Django | `pbkdf2_sha1$`, `pbkdf2_sha256$` | the text itself | base64 |
//! | passlib | `$pbkdf2$` (SHA-1), `$pbkdf2-sha256$`, `$pbkdf2-sha512$` | base64, `.` for `+`, no padding | the same |

use super::super::stored::StoredHashError;
use super::{is_salt, parse_hex, parse_rounds};
use crate::encoding;
use crate::secret;
use core::ops::RangeInclusive;
use pbkdf2::pbkdf2_hmac;
use pbkdf2::sha2::{Sha256, Sha512};
use sha1::Sha1;

/// Length of passlib's salts.
const SALT_BYTES: RangeInclusive<usize> = 1..=64;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

impl Digest {
    /// Only this length is accepted: a longer hash costs the server more rounds, and an attacker none.
    const fn hash_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// The program, which decides the form.
#[derive(Clone, Copy)]
enum Program {
    Werkzeug,
    Django,
    Passlib,
}

const FORMS: [(&str, Program, Digest); 8] = [
    ("pbkdf2:sha1:", Program::Werkzeug, Digest::Sha1),
    ("pbkdf2:sha256:", Program::Werkzeug, Digest::Sha256),
    ("pbkdf2:sha512:", Program::Werkzeug, Digest::Sha512),
    ("pbkdf2_sha1$", Program::Django, Digest::Sha1),
    ("pbkdf2_sha256$", Program::Django, Digest::Sha256),
    ("$pbkdf2$", Program::Passlib, Digest::Sha1),
    ("$pbkdf2-sha256$", Program::Passlib, Digest::Sha256),
    ("$pbkdf2-sha512$", Program::Passlib, Digest::Sha512),
];

impl Program {
    const fn form(self) -> &'static str {
        match self {
            Self::Werkzeug => {
                "pbkdf2:sha256:…$salt$hash in hexadecimal digits, or the same of sha1 or sha512"
            }
            Self::Django => "pbkdf2_sha256$…$salt$hash in base64, or the same of sha1",
            Self::Passlib => {
                "$pbkdf2-sha256$…$salt$hash in passlib's base64, or the same of sha512 or SHA-1 ($pbkdf2$)"
            }
        }
    }

    fn salt(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Passlib => decode_passlib(text).filter(|salt| SALT_BYTES.contains(&salt.len())),
            Self::Werkzeug | Self::Django => is_salt(text).then(|| text.into()),
        }
    }

    fn hash(self, text: &str, length: usize) -> Option<Vec<u8>> {
        let hash = match self {
            Self::Werkzeug => parse_hex(text, length),
            Self::Django => encoding::decode_base64(text).ok(),
            Self::Passlib => decode_passlib(text),
        };
        hash.filter(|hash| hash.len() == length)
    }
}

/// Base64 without padding, with `.` for `+`.
fn decode_passlib(text: &str) -> Option<Vec<u8>> {
    if text.contains('+') { None } else { encoding::decode_base64_unpadded(text.replace('.', "+")).ok() }
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pbkdf2 {
    digest: Digest,
    iterations: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Pbkdf2 {
    /// `None` for another scheme.
    pub(super) fn parse(text: &str) -> Option<Result<Self, StoredHashError>> {
        FORMS.iter().find_map(|(prefix, program, digest)| {
            text.strip_prefix(prefix).map(|rest| Self::parse_rest(rest, *program, *digest))
        })
    }

    fn parse_rest(rest: &str, program: Program, digest: Digest) -> Result<Self, StoredHashError> {
        let malformed = StoredHashError::Form(program.form());
        let mut parts = rest.split('$');
        let (Some(iterations), Some(salt), Some(hash), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed);
        };
        let iterations = parse_rounds(iterations, program.form())?;
        let hash = program.hash(hash, digest.hash_bytes()).ok_or(malformed)?;
        let salt = program.salt(salt).ok_or(malformed)?;
        Ok(Self { digest, iterations, salt, hash })
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let mut hash = vec![0; self.hash.len()];
        let derive = match self.digest {
            Digest::Sha1 => pbkdf2_hmac::<Sha1>,
            Digest::Sha256 => pbkdf2_hmac::<Sha256>,
            Digest::Sha512 => pbkdf2_hmac::<Sha512>,
        };
        derive(password, &self.salt, self.iterations, &mut hash);
        secret::ct_eq(&hash, &self.hash)
    }
}
