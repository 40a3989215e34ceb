//! Credentials: what an `Authorization` field holds, and the challenge that asks for them.
//!
//! ```text
//! Authorization: Basic bWlndWVsOnB5dGhvbg==       base64 of  miguel:python   (RFC 7617)
//! Authorization: Basic ZXlKaGJHY2lP…OnVudXNlZA==  base64 of  TOKEN:unused    (the article's own way)
//! Authorization: Bearer eyJhbGciOi…               TOKEN                      (RFC 6750)
//! ```
//!
//! Scheme names are case-insensitive, one or more spaces follow (RFC 9110 section 11.4). A user name ends at
//! the first colon, so it has none, and a password may. Bytes that are not UTF-8 are read as ISO-8859-1,
//! which is what Python's requests and older browsers send.
//!
//! A token stands where a user name would, so one must be told from the other: **a token is longer than 64
//! characters, all ASCII; a user name is not**. What is a token is never looked up as a name, and the other way round.
//! (A name of 64 characters may be longer as it is sent: with its accents decomposed, in Unicode's NFD.)
//!
//! Deviation: in the original, a field that was missing, of another scheme or empty came out as an empty name
//! and an empty password, and once anybody had registered those, every request without credentials was let
//! in. Here it comes out as an error, which authenticates nobody.

#![warn(clippy::arithmetic_side_effects)]

use crate::encoding;
use crate::secret::Secret;
use core::fmt;

/// A user name has at most this many characters; longer ASCII text in its place is a token.
pub const MAX_USERNAME_CHARS: usize = 64;

/// A longer field is refused unread. The longest one that could be right is Basic's: a token of 2 KiB or a
/// name of 64 characters, and a password of 1 KiB, in base64.
const MAX_FIELD_BYTES: usize = 8 * 1024;

/// How credentials were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// RFC 7617; also stands for no scheme, and for one that we don't know.
    Basic,
    /// RFC 6750.
    Bearer,
}

impl Scheme {
    /// The `WWW-Authenticate` field that goes with a 401.
    pub fn challenge(self) -> &'static str {
        match self {
            Self::Basic => r#"Basic realm="Authentication Required""#,
            Self::Bearer => r#"Bearer realm="Authentication Required", error="invalid_token""#,
        }
    }
}

/// The evidence that somebody shows.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A name and what is claimed to be its password.
    Password {
        /// As sent; no user need have it, and it may be no user name at all.
        username: String,
        /// As sent.
        password: Secret,
    },
    /// What is claimed to be a token.
    Token(Secret),
}

/// The field holds no credentials that we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialsError;

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected Basic with base64 of name:password, or Bearer with a token")
    }
}

impl core::error::Error for CredentialsError {}

/// Reads the value of an `Authorization` field, and says which scheme's challenge answers it.
///
/// ```
/// use gatekey::credentials::{self, Credentials, Scheme};
/// let (scheme, credentials) = credentials::parse(b"Basic bWlndWVsOnB5dGhvbg==");
/// assert_eq!(scheme, Scheme::Basic);
/// let Ok(Credentials::Password { username, password }) = credentials else { panic!() };
/// assert_eq!((username.as_str(), password.expose()), ("miguel", "python"));
/// ```
pub fn parse(field: &[u8]) -> (Scheme, Result<Credentials, CredentialsError>) {
    let (name, rest) = split_scheme(field);
    if name.eq_ignore_ascii_case(b"Bearer") {
        (Scheme::Bearer, parse_bearer(rest))
    } else if name.eq_ignore_ascii_case(b"Basic") {
        (Scheme::Basic, parse_basic(rest))
    } else {
        (Scheme::Basic, Err(CredentialsError))
    }
}

/// The scheme's name, and what follows the spaces after it. What is too long becomes empty, which no scheme takes: the
/// name is needed all the same, for the challenge.
fn split_scheme(field: &[u8]) -> (&[u8], &[u8]) {
    let end = field.iter().position(|byte| *byte == b' ').unwrap_or(field.len());
    let (name, rest) = field.split_at(end);
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    let rest = rest.split_at(spaces).1;
    (name, if rest.len() > MAX_FIELD_BYTES { b"" } else { rest })
}

fn parse_bearer(token: &[u8]) -> Result<Credentials, CredentialsError> {
    match core::str::from_utf8(token) {
        Ok(token) if !token.is_empty() => Ok(Credentials::Token(Secret::new(token.into()))),
        _ => Err(CredentialsError),
    }
}

fn parse_basic(base64: &[u8]) -> Result<Credentials, CredentialsError> {
    let bytes = encoding::decode_base64(base64).map_err(|_| CredentialsError)?;
    let text =
        Secret::new(String::from_utf8(bytes).unwrap_or_else(|not_utf8| iso_8859_1(not_utf8.as_bytes())));
    match text.expose().split_once(':') {
        Some(("", _)) | None => Err(CredentialsError),
        Some((token, _)) if token.is_ascii() && token.len() > MAX_USERNAME_CHARS => {
            Ok(Credentials::Token(Secret::new(token.into())))
        }
        Some((username, password)) => {
            Ok(Credentials::Password { username: username.into(), password: Secret::new(password.into()) })
        }
    }
}

/// Every byte is the character of that number.
fn iso_8859_1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(user_pass: &[u8]) -> Result<Credentials, CredentialsError> {
        let (scheme, credentials) = parse(format!("Basic {}", encoding::encode_base64(user_pass)).as_bytes());
        assert_eq!(scheme, Scheme::Basic);
        credentials
    }

    #[track_caller]
    fn assert_password(credentials: Result<Credentials, CredentialsError>, name: &str, expected: &str) {
        let Ok(Credentials::Password { username, password }) = credentials else { panic!("{credentials:?}") };
        assert_eq!((username.as_str(), password.expose()), (name, expected));
    }

    #[test]
    fn a_user_name_ends_at_the_first_colon() {
        assert_password(basic(b"miguel:python"), "miguel", "python");
        assert_password(basic(b"miguel:a:b:"), "miguel", "a:b:");
        assert_password(basic(b"miguel:"), "miguel", "");
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_iso_8859_1() {
        assert_password(basic("josé:pässwörd".as_bytes()), "josé", "pässwörd");
        assert_password(basic(b"jos\xe9:p\xe4ssw\xf6rd"), "josé", "pässwörd");
        assert_password(basic("🔑:☃".as_bytes()), "🔑", "☃");
    }

    #[test]
    fn a_user_name_over_64_characters_is_a_token() {
        let name = "é".repeat(64);
        assert_password(basic(format!("{name}:x").as_bytes()), &name, "x");
        let ascii = "a".repeat(64);
        assert_password(basic(format!("{ascii}:x").as_bytes()), &ascii, "x");
        let token = "a".repeat(65);
        let Ok(Credentials::Token(sent)) = basic(format!("{token}:x").as_bytes()) else { panic!() };
        assert_eq!(sent.expose(), token);
        let decomposed = "e\u{301}".repeat(64);
        assert_password(basic(format!("{decomposed}:x").as_bytes()), &decomposed, "x");
    }

    #[test]
    fn schemes_are_case_insensitive_and_followed_by_spaces() {
        for field in ["Basic YTpi", "basic YTpi", "BASIC YTpi", "bAsIc    YTpi"] {
            assert_password(parse(field.as_bytes()).1, "a", "b");
        }
        for field in ["Bearer abc", "bearer abc", "BEARER   abc"] {
            let (Scheme::Bearer, Ok(Credentials::Token(token))) = parse(field.as_bytes()) else {
                panic!("{field}")
            };
            assert_eq!(token.expose(), "abc");
        }
    }

    #[test]
    fn malformed_credentials_are_rejected() {
        for (field, scheme) in [
            (&b""[..], Scheme::Basic),
            (b"Basic", Scheme::Basic),
            (b"Basic ", Scheme::Basic),
            (b"Basic Og==", Scheme::Basic),         // ":", the original's way in
            (b"Basic OnB5dGhvbg==", Scheme::Basic), // ":python"
            (b"Basic bWlndWVs", Scheme::Basic),     // "miguel", no colon
            (b"Basic YTpi=", Scheme::Basic),
            (b"Basic YTo", Scheme::Basic), // no padding
            (b"Basic YTpi YTpi", Scheme::Basic),
            (b"Basic !!!!", Scheme::Basic),
            (b"BasicYTpi", Scheme::Basic),
            (b"Basic \tYTpi", Scheme::Basic),
            (b"Digest username=\"a\"", Scheme::Basic),
            (b"Token YTpi", Scheme::Basic),
            (b"Bearer", Scheme::Bearer),
            (b"Bearer ", Scheme::Bearer),
            (b"Bearer \xff", Scheme::Bearer),
        ] {
            let (answered_by, credentials) = parse(field);
            assert!(credentials.is_err(), "{field:?}");
            assert_eq!(answered_by, scheme, "{field:?}");
        }
        let long = [b"Bearer ".as_slice(), &[b'a'; MAX_FIELD_BYTES + 1]].concat();
        let (scheme, credentials) = parse(&long);
        assert!(credentials.is_err());
        assert_eq!(scheme, Scheme::Bearer, "a long token is answered by its own scheme");
    }

    /// Every short sequence of a nasty vocabulary: whatever is sent, nothing panics, and no name is empty, too
    /// long or has a colon.
    #[test]
    fn every_short_header_is_parsed_without_a_panic() {
        let words: [&[u8]; 9] = [b"Basic", b"basic", b"Bearer", b" ", b"YTpi", b"Og==", b"=", b"\xff", b"\0"];
        for n in 0..words.len().pow(5) {
            let field: Vec<u8> =
                (0..5).flat_map(|i| words[n / words.len().pow(i) % words.len()].iter().copied()).collect();
            if let (_, Ok(Credentials::Password { username, .. })) = parse(&field) {
                assert!(!username.is_empty() && !username.contains(':'));
            }
        }
    }
}
