//! Credentials: parses the `Authorization` header (HTTP Basic and Bearer), and names the challenge of a 401.
//!
//! ```text
//! Authorization: Basic bWlndWVsOnB5dGhvbg==       base64 of  miguel:python   (RFC 7617)
//! Authorization: Basic ZXlKaGJHY2lP…OnVudXNlZA==  base64 of  TOKEN:unused    (the article's own way)
//! Authorization: Bearer eyJhbGciOi…               TOKEN                      (RFC 6750)
//! ```
//!
//! Scheme names are case-insensitive and followed by spaces (RFC 9110 section 11.4). The user name ends at
//! the first colon. Bytes that are not UTF-8 are ISO-8859-1, which Python's requests and older browsers send.
//!
//! Basic may carry a token as user name: **a token is ASCII and longer than 64 characters, a user name is
//! not**. So a token is never looked up as a name, nor a name verified as a token. A name of 64 characters
//! may be longer in bytes, and in NFD.
//!
//! Deviation: the Flask original parsed a missing or foreign header as an empty name and password. After a
//! registration of these, every request without credentials was authenticated. Here they are an error.

#![warn(clippy::arithmetic_side_effects)]

use crate::encoding;
use crate::secret::Secret;

/// Maximum length of a user name in characters; longer ASCII text in its place is a token.
pub const MAX_USERNAME_CHARS: usize = 64;

/// Maximum length of a header. The longest valid one is Basic with a token of 2 KiB and a password of 1 KiB,
/// in base64.
const MAX_HEADER_BYTES: usize = 8 * 1024;

/// Authentication scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// RFC 7617; also for a missing or unknown scheme.
    Basic,
    /// RFC 6750.
    Bearer,
}

impl Scheme {
    /// The `WWW-Authenticate` header of a 401.
    pub fn challenge(self) -> &'static str {
        match self {
            Self::Basic => r#"Basic realm="Authentication Required""#,
            Self::Bearer => r#"Bearer realm="Authentication Required", error="invalid_token""#,
        }
    }
}

/// The evidence of a request.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// User name and password.
    Password {
        /// As sent: it may be unknown, and no valid user name.
        username: String,
        /// As sent.
        password: Secret,
    },
    /// A token, not yet verified.
    Token(Secret),
}

/// The header has no credentials of a known scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected Basic with base64 of name:password, or Bearer with a token")]
pub struct CredentialsError;

/// Parses an `Authorization` header. Also returns the scheme, whose challenge answers a 401.
///
/// ```
/// use gatekey::credentials::{self, Credentials, Scheme};
/// let (scheme, credentials) = credentials::parse(b"Basic bWlndWVsOnB5dGhvbg==");
/// assert_eq!(scheme, Scheme::Basic);
/// let Ok(Credentials::Password { username, password }) = credentials else { panic!() };
/// assert_eq!((username.as_str(), password.expose()), ("miguel", "python"));
/// ```
pub fn parse(header: &[u8]) -> (Scheme, Result<Credentials, CredentialsError>) {
    let (name, rest) = split_scheme(header);
    if name.eq_ignore_ascii_case(b"Bearer") {
        (Scheme::Bearer, parse_bearer(rest))
    } else if name.eq_ignore_ascii_case(b"Basic") {
        (Scheme::Basic, parse_basic(rest))
    } else {
        (Scheme::Basic, Err(CredentialsError))
    }
}

/// The scheme's name, and the rest after the spaces. A rest that is too long becomes empty, which every
/// scheme rejects: the name still decides the challenge.
fn split_scheme(header: &[u8]) -> (&[u8], &[u8]) {
    let end = header.iter().position(|byte| *byte == b' ').unwrap_or(header.len());
    let (name, rest) = header.split_at(end);
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    let rest = rest.split_at(spaces).1;
    (name, if rest.len() > MAX_HEADER_BYTES { b"" } else { rest })
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
        let long = [b"Bearer ".as_slice(), &[b'a'; MAX_HEADER_BYTES + 1]].concat();
        let (scheme, credentials) = parse(&long);
        assert!(credentials.is_err());
        assert_eq!(scheme, Scheme::Bearer, "a long token is answered by its own scheme");
    }

    /// Every short sequence of a hostile vocabulary: no panic, and no name that is empty or has a colon.
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
