//! Parser of request line and headers (RFC 9112 sections 2 to 7).
//!
//! ```text
//! POST /api/users HTTP/1.1\r\n          request line: method SP target SP version
//! Host: auth.example.org\r\n            headers: name ":" value
//! Content-Length: 38\r\n
//! \r\n                                  the end
//! ```
//!
//! **Ambiguous requests are rejected.** If a proxy and this server read the same bytes differently, a client
//! can smuggle a request past the proxy. So every ambiguity of line ends, headers or the body's length is a
//! 400, which closes the connection.

#![warn(clippy::arithmetic_side_effects)]

use super::context::Refusal;
use super::limits::MAX_FIELDS;
use crate::http::{ASTERISK_MESSAGE as ASTERISK, ErrorCode, Request, is_valid_host};

#[derive(Debug)]
pub(super) struct Head {
    /// The request, without its body.
    pub(super) request: Request,
    pub(super) framing: Framing,
    pub(super) is_http_1_0: bool,
    /// Whether the client wants keep-alive (RFC 9112 section 9.3).
    pub(super) keeps_alive: bool,
    /// Whether the client waits for a 100 before it sends the body (RFC 9110 section 10.1.1).
    pub(super) expects_continue: bool,
}

/// Where the body ends (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// `Content-Length`, in bytes.
    Length(u64),
    /// After the last chunk.
    Chunked,
}

const fn refuse(code: ErrorCode, message: &'static str) -> Refusal {
    Refusal { code, message }
}

const fn malformed(message: &'static str) -> Refusal {
    refuse(ErrorCode::MalformedRequest, message)
}

/// The length of request line and headers at the beginning of `bytes`, with the empty line; `None` while that
/// is missing. The first `scanned` bytes were scanned before.
///
/// A bare CR or LF (RFC 9112 section 2.2) and NUL are rejected as soon as they arrive.
pub(super) fn find_end(bytes: &[u8], scanned: usize) -> Result<Option<usize>, Refusal> {
    const LINES: Refusal = malformed("A line of the head ends in a bare CR or LF, or has a NUL in it.");
    // The last three scanned bytes may begin the terminator; a LF there was checked together with its CR.
    let start = scanned.saturating_sub(3).min(bytes.len());
    let (seen, mut rest) = bytes.split_at(start);
    if seen.ends_with(b"\r") {
        rest = rest.strip_prefix(b"\n").unwrap_or(rest);
    }
    // CR is the greatest of the three, and nearly all other bytes are greater.
    while let Some(found) = rest.iter().position(|byte| *byte <= b'\r') {
        rest = match rest.get(found..).expect("it was found in the rest") {
            [b'\r', b'\n', b'\r', b'\n', after @ ..] => return Ok(bytes.len().checked_sub(after.len())),
            [b'\r', b'\n', after @ ..] => after,
            [] | [b'\r'] => break, // the LF may be the next byte
            [b'\r' | b'\n' | 0, ..] => return Err(LINES),
            [_, after @ ..] => after,
        };
    }
    Ok(None)
}

/// Parses the bytes that [`find_end`] delimits.
pub(super) fn parse(bytes: &[u8]) -> Result<Head, Refusal> {
    let (line, fields) = split_line(bytes).ok_or(malformed("The request has no request line."))?;
    let (method, target, is_http_1_0) = parse_request_line(line)?;
    let (path, authority) = parse_target(method, target)?;
    let mut request = Request::new(method, path);
    if request.path.is_empty() {
        request.path.push('/'); // RFC 9110 section 4.2.3: `http://a` and `http://a?b` mean the root
    }
    let mut storage = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let fields = parse_fields(fields, &mut storage)?;
    check_host(fields, is_http_1_0)?;
    for field in fields {
        // In absolute-form the target's own authority counts (RFC 9112 section 3.2.2).
        if authority.is_none() || !field.name.eq_ignore_ascii_case("Host") {
            request = request.with_header(field.name, field.value);
        }
    }
    if let Some(authority) = authority {
        request = request.with_header("Host", authority);
    }
    Ok(Head {
        framing: parse_framing(&request, is_http_1_0)?,
        is_http_1_0,
        keeps_alive: parse_connection(&request, is_http_1_0),
        expects_continue: parse_expect(&request, is_http_1_0)?,
        request,
    })
}

fn split_line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\r')?;
    let (line, rest) = bytes.split_at(end);
    Some((core::str::from_utf8(line).unwrap_or_default(), rest.strip_prefix(b"\r\n")?))
}

/// `method SP target SP version`, one space each (RFC 9112 section 3).
fn parse_request_line(line: &str) -> Result<(&str, &str, bool), Refusal> {
    const LINE: Refusal = malformed("The request line is not: method, space, target, space, version.");
    let (method, rest) = line.split_once(' ').ok_or(LINE)?;
    let (target, version) = rest.split_once(' ').ok_or(LINE)?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if method.is_empty() || !method.bytes().all(is_token) || target.is_empty() {
        return Err(LINE);
    }
    let digits = version.strip_prefix("HTTP/").map(str::as_bytes);
    match digits {
        Some(b"1.0") => Ok((method, target, true)),
        // RFC 9110 section 2.5: a higher minor version is compatible.
        Some([b'1', b'.', b'1'..=b'9']) => Ok((method, target, false)),
        Some([b'0'..=b'9', b'.', b'0'..=b'9']) => {
            Err(refuse(ErrorCode::VersionNotSupported, "This server speaks HTTP/1.0 and HTTP/1.1."))
        }
        _ => Err(LINE),
    }
}

/// The target's path and query, and its authority if it has one (RFC 9112 section 3.2).
fn parse_target<'a>(method: &str, target: &'a str) -> Result<(&'a str, Option<&'a str>), Refusal> {
    const TARGET: Refusal = malformed("The target is neither a path nor an http URL.");
    // No fragment. Browsers send some characters unencoded that RFC 3986 section 2 excludes (URL Standard,
    // section 1.3). They are accepted, since paths are compared without decoding.
    let path_bytes = target.find('?').unwrap_or(target.len());
    let is_allowed = |(at, byte): (usize, u8)| {
        byte.is_ascii_graphic() && !b"\"#<>".contains(&byte) && (byte != b'\\' || at > path_bytes)
    };
    if !target.bytes().enumerate().all(is_allowed) {
        return Err(malformed("The target has characters that must be percent-encoded."));
    }
    if method == "CONNECT" {
        return Err(refuse(ErrorCode::NotImplemented, "This server is no proxy."));
    }
    if target.starts_with('/') {
        return Ok((target, None));
    }
    if target == "*" {
        return if method == "OPTIONS" { Ok((target, None)) } else { Err(malformed(ASTERISK)) };
    }
    let (scheme, rest) = target.split_once("://").ok_or(TARGET)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(TARGET);
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if !is_valid_host(authority) {
        return Err(TARGET);
    }
    Ok((path, Some(authority)))
}

/// Parses the headers. httparse rejects white space before the colon, folded lines and control characters.
fn parse_fields<'a, 'b>(
    bytes: &'b [u8],
    storage: &'a mut [httparse::Header<'b>],
) -> Result<&'a [httparse::Header<'b>], Refusal> {
    match httparse::parse_headers(bytes, storage) {
        Ok(httparse::Status::Complete((_, fields))) => Ok(fields),
        Err(httparse::Error::TooManyHeaders) => {
            Err(refuse(ErrorCode::HeadTooLarge, "The head has more than 100 fields."))
        }
        Ok(httparse::Status::Partial) | Err(_) => Err(malformed("A line of the head is no field.")),
    }
}

/// Exactly one `Host` in HTTP/1.1, at most one before (RFC 9112 section 3.2); it may be empty.
fn check_host(fields: &[httparse::Header<'_>], is_http_1_0: bool) -> Result<(), Refusal> {
    let mut hosts = fields.iter().filter(|field| field.name.eq_ignore_ascii_case("Host"));
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if host.value.is_empty() => Ok(()),
        (Some(host), None) if core::str::from_utf8(host.value).is_ok_and(is_valid_host) => Ok(()),
        (None, None) if is_http_1_0 => Ok(()),
        _ => Err(malformed(
            "The request needs exactly one Host field, a name or an address and perhaps a port.",
        )),
    }
}

/// Determines where the body ends (RFC 9112 section 6.3), and rejects every ambiguity.
fn parse_framing(request: &Request, is_http_1_0: bool) -> Result<Framing, Refusal> {
    const LENGTH: Refusal = malformed("Content-Length is not one number.");
    let is_chunked =
        || request.header("Transfer-Encoding").is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"));
    let mut lengths = request.headers("Content-Length");
    match (request.headers("Transfer-Encoding").next(), lengths.next()) {
        (None, None) => Ok(Framing::Length(0)),
        (None, Some(digits)) => {
            let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
            let number = core::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
            match number.filter(|number| is_number && i64::try_from(*number).is_ok()) {
                Some(length) if lengths.next().is_none() => Ok(Framing::Length(length)),
                _ => Err(LENGTH),
            }
        }
        (Some(_), Some(_)) => Err(malformed("The request has both Content-Length and Transfer-Encoding.")),
        (Some(_), None) if is_http_1_0 => Err(malformed("HTTP/1.0 has no Transfer-Encoding.")),
        (Some(_), None) if is_chunked() => Ok(Framing::Chunked),
        (Some(_), None) => {
            Err(refuse(ErrorCode::NotImplemented, "The only transfer coding here is chunked."))
        }
    }
}

/// The values of a list header, joined by commas (RFC 9110 section 5.3).
fn joined(request: &Request, name: &str) -> String {
    let mut all = String::new();
    for value in request.headers(name) {
        if !all.is_empty() {
            all.push(',');
        }
        all.push_str(&String::from_utf8_lossy(value));
    }
    all
}

/// Keep-alive: in HTTP/1.1 unless `Connection` has `close`, in HTTP/1.0 if it has `keep-alive`.
fn parse_connection(request: &Request, is_http_1_0: bool) -> bool {
    let options = joined(request, "Connection");
    let has = |wanted: &str| options.split(',').any(|option| option.trim().eq_ignore_ascii_case(wanted));
    !has("close") && (!is_http_1_0 || has("keep-alive"))
}

/// `Expect`: only `100-continue` is supported (RFC 9110 section 10.1.1). HTTP/1.0 has no expectations.
fn parse_expect(request: &Request, is_http_1_0: bool) -> Result<bool, Refusal> {
    let expectation = joined(request, "Expect");
    if expectation.is_empty() || is_http_1_0 {
        Ok(false)
    } else if expectation.eq_ignore_ascii_case("100-continue") {
        Ok(true)
    } else {
        Err(refuse(ErrorCode::ExpectationFailed, "The only expectation met here is 100-continue."))
    }
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
