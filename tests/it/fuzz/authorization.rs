//! Property of the `Authorization` parser: it returns exactly the credentials that were sent.

use gatekey::credentials::{self, Credentials, MAX_USERNAME_CHARS, Scheme};
use gatekey::encoding::{decode_base64, encode_base64};

/// The bytes are taken for two things. Tells whether the first holds credentials.
///
/// 1. For a header's value: the scheme is Bearer only if the value begins so; what it holds is what [`read`] finds by
///    the definition of each scheme; and a name and a password, sent again, are read as the same.
/// 2. For what is in base64 behind `Basic`: it is read by the definition of Basic.
pub fn holds(bytes: &[u8]) -> bool {
    let in_basic = format!("bAsIc  {}", encode_base64(bytes));
    reads_as_defined(in_basic.as_bytes());
    reads_as_defined(bytes)
}

fn reads_as_defined(header: &[u8]) -> bool {
    let (scheme, credentials) = credentials::parse(header);
    let begins_with_bearer =
        header.split(|byte| *byte == b' ').next().unwrap().eq_ignore_ascii_case(b"Bearer");
    assert_eq!(scheme == Scheme::Bearer, begins_with_bearer);
    let found = read(header);
    match &credentials {
        Err(_) => assert_eq!(found, None),
        Ok(Credentials::Token(token)) => assert_eq!(found, Some((token.expose().into(), None))),
        Ok(Credentials::Password { username, password }) => {
            let password = password.expose();
            assert_eq!(found, Some((username.clone(), Some(password.into()))));
            assert!(!username.is_empty() && !username.contains(':'));
            assert!(!username.is_ascii() || username.len() <= MAX_USERNAME_CHARS);
            // Sent as UTF-8 now, whatever it was: the two spellings of base64's input mean one thing.
            let again = format!("Basic {}", encode_base64(format!("{username}:{password}")));
            assert!(again.len() > 8_000 || read(again.as_bytes()) == found);
        }
    }
    credentials.is_ok()
}

/// A second reader of the same definition: a token alone, or a name with its password.
fn read(header: &[u8]) -> Option<(String, Option<String>)> {
    let space = header.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = header.split_at(space);
    let rest = &rest[rest.iter().take_while(|byte| **byte == b' ').count()..];
    if rest.is_empty() || rest.len() > 8 * 1024 {
        return None;
    }
    if scheme.eq_ignore_ascii_case(b"Bearer") {
        return Some((String::from_utf8(rest.to_vec()).ok()?, None));
    }
    if !scheme.eq_ignore_ascii_case(b"Basic") {
        return None;
    }
    let pair = decode_base64(rest).ok()?;
    let pair =
        String::from_utf8(pair).unwrap_or_else(|e| e.as_bytes().iter().map(|b| char::from(*b)).collect());
    let colon = pair.find(':').filter(|colon| *colon > 0)?;
    let (name, password) = (pair[..colon].to_owned(), pair[colon + 1..].to_owned());
    let is_token = name.is_ascii() && name.len() > 64;
    Some((name, if is_token { None } else { Some(password) }))
}
