//! `/api/verify`: a proxy asks before it passes a request on to an app that knows nothing of users (nginx's
//! `auth_request`, Caddy's `forward_auth`, Traefik's `forwardAuth`).
//!
//! The proxy sends the client's own fields, by the client's own method, and judges by the status. So there is no method
//! that this doesn't take, and none that goes unauthenticated, OPTIONS neither: a preflight is the app's to answer. Nor is
//! it refused where another site's page asked for it: what that request may change is the app's.
//!
//! Names may hold anything but controls, and fields are what proxies, apps and logs take apart: so the name goes out in
//! RFC 3986's unreserved characters, everything else percent-encoded.

use super::Call;
use super::failure::Failure;
use crate::http::{ErrorCode, Response};
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

/// 200 with `Remote-User` and `Remote-User-Id`, for whoever is authenticated and, where the query names users, is one
/// of them.
pub(super) fn verify(call: &Call<'_>) -> Result<Response, Failure> {
    let admitted = admitted(call.request.query.as_deref().unwrap_or_default())?;
    let principal = call.authenticate()?;
    if !admitted.is_empty() && !admitted.contains(&principal.username) {
        return Err(Failure::not_admitted(principal.id));
    }
    let response = Response::empty(200)
        .with_field("Remote-User", percent_encoded(&principal.username))
        .with_field("Remote-User-Id", principal.id.to_string());
    Ok(response.for_user(principal.id))
}

/// The users in a query, `user=alice&user=bob`. Anything else in it is refused: a misspelt parameter would let everybody
/// in.
fn admitted(query: &str) -> Result<Vec<String>, Failure> {
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    let users = parameters.map(|parameter| percent_decoded(parameter.strip_prefix("user=")?));
    users.collect::<Option<_>>().ok_or_else(|| {
        let message = "The query is not understood; expected nothing, or user=NAME, several with & between, percent-encoded.";
        Failure::new(ErrorCode::MalformedRequest, message)
    })
}

/// As RFC 3986 section 2.1 has it; a plus sign is itself.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' { hex(rest.next()?)? << 4 | hex(rest.next()?)? } else { byte });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// RFC 3986 section 2.3: what is unreserved stands for itself, and everything else is encoded, `%` too.
fn percent_encoded(text: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_name_goes_out_in_unreserved_characters() {
        for (name, encoded) in [
            ("alice", "alice"),
            ("a-b.c_d~1", "a-b.c_d~1"),
            ("josé", "jos%C3%A9"),
            ("a b,c;d=\"e\"", "a%20b%2Cc%3Bd%3D%22e%22"),
            ("100%", "100%25"),
        ] {
            assert_eq!(percent_encoded(name), encoded);
            assert_eq!(percent_decoded(encoded).as_deref(), Some(name));
        }
    }

    #[test]
    fn a_query_names_users_or_is_refused() {
        for (query, users) in [
            ("", vec![]),
            ("user=alice", vec!["alice"]),
            ("user=alice&user=bob&", vec!["alice", "bob"]),
            ("user=jos%c3%A9&user=a+b", vec!["josé", "a+b"]),
            ("user=", vec![""]),
        ] {
            assert_eq!(
                admitted(query).ok(),
                Some(users.iter().map(ToString::to_string).collect()),
                "{query}"
            );
        }
        for query in [
            "users=alice",
            "alice",
            "user=alice&x=1",
            "user=%",
            "user=%4",
            "user=%zz",
            "user=%+1",
            "user=%FF",
            "User=a",
        ] {
            assert!(admitted(query).is_err(), "{query}");
        }
    }
}
