//! Request ids: they correlate a response, its access-log line and the log of a proxy.
//!
//! The response has the id as `X-Request-Id`. An id that the request already has, from a proxy or an app, is
//! kept if it is 1 to 64 letters, digits and hyphens, so that it can't inject a log line or a header. Any
//! client can send one, so an id is not evidence.

use super::request::Request;
use crate::random::{self, RandomError};
use core::sync::atomic::{AtomicU64, Ordering};

/// The name of the header.
pub const REQUEST_ID: &str = "X-Request-Id";

/// The longest id that is accepted from a request.
const MAX_LENGTH: usize = 64;

/// Generates ids such as `3f2a91c0-1f`: a random number of the process, and a counter.
#[derive(Debug)]
pub struct RequestIds {
    prefix: u32,
    next: AtomicU64,
}

impl RequestIds {
    /// A generator with 32 random bits, which tell processes apart.
    ///
    /// # Errors
    /// [`RandomError`] if the system has no random numbers.
    pub fn new() -> Result<Self, RandomError> {
        Ok(Self { prefix: u32::from_be_bytes(random::bytes()?), next: AtomicU64::new(1) })
    }

    /// The id of the request, or a new one.
    pub fn of(&self, request: &Request) -> String {
        let sent = request.header(REQUEST_ID).filter(|id| is_id(id)).and_then(|id| str::from_utf8(id).ok());
        sent.map_or_else(|| self.next(), String::from)
    }

    /// A new id.
    pub fn next(&self) -> String {
        format!("{:08x}-{:x}", self.prefix, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

fn is_id(id: &[u8]) -> bool {
    (1..=MAX_LENGTH).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(sent: &[&str]) -> String {
        let ids = RequestIds { prefix: 0x3f, next: AtomicU64::new(31) };
        let request = Request::new("GET", "/");
        ids.of(&sent.iter().fold(request, |request, id| request.with_header("x-request-id", id)))
    }

    #[test]
    fn a_valid_request_id_is_kept() {
        let longest = "a".repeat(64);
        for id in ["1", "-", "01234567-89ab-CDEF-ghij-XYZ", &longest] {
            assert_eq!(given(&[id]), id);
        }
    }

    #[test]
    fn an_invalid_or_repeated_request_id_is_replaced() {
        let too_long = "a".repeat(65);
        for sent in [&[][..], &[""], &["a b"], &["a\"b"], &["a_b"], &["\u{e9}"], &[&too_long], &["a", "a"]] {
            assert_eq!(given(sent), "0000003f-1f", "{sent:?}");
        }
    }

    #[test]
    fn generated_request_ids_are_unique() {
        let ids = RequestIds { prefix: 0xdead_beef, next: AtomicU64::new(1) };
        assert_eq!([ids.next(), ids.next()], ["deadbeef-1", "deadbeef-2"]);
    }
}
