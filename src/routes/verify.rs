//! Forward auth, `/api/verify`: a proxy sends a subrequest before it passes a request to an app (nginx
//! `auth_request`, Caddy `forward_auth`, Traefik `forwardAuth`, Envoy `ext_authz`).
//!
//! The subrequest has the client's method and headers; the proxy decides by the status. Therefore every
//! method is authenticated, also OPTIONS, and there is no CSRF check: state changes are the app's.
//!
//! ```text /api/verify?user=alice&user=bob              the query has the conditions
//! /api/verify/-/user=alice&user=bob/...        Envoy's `path_prefix`: the path has them, up to the next
//! slash /api/verify/...                              no conditions; path and query are the app's ```
//!
//! `Remote-User` is percent-encoded, except for unreserved characters (RFC 3986 section 2.3): usernames may
//! contain separators at which proxies, apps and logs split header values.
//!
//! Left out: `+`, which is a space in form encoding and a plus sign in RFC 3986. It is 400.

use super::RequestContext;
use super::error::ApiError;
use crate::http::{ErrorCode, Request, Response};
use crate::unicode;

/// Identity headers that a proxy copies from the response, replacing those of the client.
const SET_BY_PROXIES: [&str; 3] = ["Remote-User", "Remote-User-Id", "Remote-Groups"];

/// Whether a path is `/api/verify` or below it.
pub(super) fn is_path(path: &str) -> bool {
    suffix(path).is_some()
}

/// The rest of the path after `/api/verify`: empty, or a slash and optionally more.
fn suffix(path: &str) -> Option<&str> {
    path.strip_prefix("/api/verify").filter(|suffix| suffix.is_empty() || suffix.starts_with('/'))
}

/// 200 with `Remote-User` and `Remote-User-Id` for an authenticated user who meets the conditions.
pub(super) fn verify(context: &RequestContext<'_>) -> Result<Response, ApiError> {
    reject_spoofed_identity(context.request)?;
    let allowed = parse_conditions(conditions(context.request))?;
    let principal = context.authenticate()?;
    let is_principal = |name: &String| unicode::nfc(name) == principal.username;
    if !allowed.is_empty() && !allowed.iter().any(is_principal) {
        return Err(ApiError::not_allowed(principal.id));
    }
    let response = Response::empty(200)
        .with_header("Remote-User", percent_encoded(&principal.username))
        .with_header("Remote-User-Id", principal.id.to_string());
    Ok(response.for_user(principal.id))
}

/// Rejects spoofed identity headers in spellings that the proxy doesn't replace. CGI maps several spellings
/// to one variable (RFC 3875 section 4.1.18). The shipped configurations remove the spellings that their
/// proxy can match.
fn reject_spoofed_identity(request: &Request) -> Result<(), ApiError> {
    let is_replaced = |name: &str| SET_BY_PROXIES.iter().any(|set| set.eq_ignore_ascii_case(name));
    if request.header_names().any(|name| is_identity(name) && !is_replaced(name)) {
        let message =
            "A header's name begins like Remote-User or Remote-Groups; only the proxy may send such headers.";
        return Err(ApiError::new(ErrorCode::MalformedRequest, message));
    }
    Ok(())
}

/// Whether a header name starts with `remote-user` or `remote-groups`, in any case and with any separators.
fn is_identity(name: &str) -> bool {
    let mut words = name.split(|character: char| !character.is_ascii_alphanumeric());
    let begins = |word: &str, with: &str| {
        word.as_bytes().get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()))
    };
    words.next().is_some_and(|word| word.eq_ignore_ascii_case("remote"))
        && words
            .find(|word| !word.is_empty())
            .is_some_and(|word| begins(word, "user") || begins(word, "groups"))
}

/// The conditions: the query of `/api/verify`; in a longer path, whose query is the app's, the segment after
/// `/-/`.
fn conditions(request: &Request) -> &str {
    match suffix(&request.path) {
        None | Some("") => request.query.as_deref().unwrap_or_default(),
        Some(suffix) => {
            suffix.strip_prefix("/-/").and_then(|rest| rest.split('/').next()).unwrap_or_default()
        }
    }
}

/// Parses conditions such as `user=alice&user=bob` to usernames. Anything else is rejected: a misspelt
/// parameter would allow all users.
fn parse_conditions(conditions: &str) -> Result<Vec<String>, ApiError> {
    if conditions.contains('+') {
        let message =
            "The conditions have a +, which can mean two things; send %20 for a space, %2B for a plus sign.";
        return Err(ApiError::new(ErrorCode::MalformedRequest, message));
    }
    let parameters = conditions.split('&').filter(|parameter| !parameter.is_empty());
    let users = parameters.map(|parameter| percent_decoded(parameter.strip_prefix("user=")?));
    users.collect::<Option<_>>().ok_or_else(|| {
        let message = "The conditions are not understood; expected none, or user=NAME, several with & between, percent-encoded.";
        ApiError::new(ErrorCode::MalformedRequest, message)
    })
}

/// Decodes RFC 3986 section 2.1.
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

/// Encodes all but the unreserved characters of RFC 3986 section 2.3.
fn percent_encoded(text: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_is_percent_encoded() {
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
    fn conditions_other_than_users_are_rejected() {
        for (query, users) in [
            ("", vec![]),
            ("user=alice", vec!["alice"]),
            ("user=alice&user=bob&", vec!["alice", "bob"]),
            ("user=jos%c3%A9&user=a%2Bb&user=a%20b", vec!["josé", "a+b", "a b"]),
            ("user=", vec![""]),
        ] {
            assert_eq!(
                parse_conditions(query).ok(),
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
            "user=a+b",
            "+",
            "user=%FF",
            "User=a",
        ] {
            assert!(parse_conditions(query).is_err(), "{query}");
        }
    }

    #[test]
    fn conditions_are_in_the_query_or_in_a_path_segment() {
        for (target, expected) in [
            ("/api/verify", ""),
            ("/api/verify?user=a", "user=a"),
            ("/api/verify/?user=a", ""),
            ("/api/verify/app?user=a", ""),
            ("/api/verify/-?user=a", ""),
            ("/api/verify/-/user=a", "user=a"),
            ("/api/verify/-/user=a/", "user=a"),
            ("/api/verify/-/user=a&user=b/app/-/user=c?user=d", "user=a&user=b"),
            ("/api/verify/-//user=a", ""),
            ("/api/verify/app/-/user=a", ""),
            ("/api/verify//-/user=a", ""),
        ] {
            assert_eq!(conditions(&Request::new("GET", target)), expected, "{target}");
        }
    }

    #[test]
    fn a_spoofed_identity_header_is_detected_in_every_spelling() {
        for separator in "!#$%&'*+-.^_`|~".chars() {
            for name in ["Remote@User", "REMOTE@USER@ID", "remote@groups", "Remote@@User", "remote@username"]
            {
                let name = name.replace('@', separator.encode_utf8(&mut [0; 4]));
                assert!(is_identity(&name), "{name}");
            }
        }
        for name in
            ["X-Remote-User", "-Remote-User", "Remote", "Remote-", "RemoteUser", "Remote-Us", "Remote-Addr"]
        {
            assert!(!is_identity(name), "{name}");
        }
    }
}
