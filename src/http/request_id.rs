//! The id of a request, by which its answer, its line in the log and what the proxy logged are found together.
//!
//! The client gets it as `X-Request-Id`. A proxy in front, or an app, may have given it one already: that is kept if
//! it is 1 to 64 letters, digits and hyphens, so that it can't break a line or a header, nor be long. Anybody may send
//! one, so it names a request and proves nothing.

use super::Request;
use crate::random::{self, RandomError};
use core::sync::atomic::{AtomicU64, Ordering};

/// The header's name.
pub const REQUEST_ID: &str = "X-Request-Id";

/// A longer id that was sent is not kept.
const MAX_LENGTH: usize = 64;

/// Makes ids: `3f2a91c0-1f`, a number of the process, drawn at its start, and one of the request in it.
#[derive(Debug)]
pub struct RequestIds {
    prefix: u32,
    next: AtomicU64,
}

impl RequestIds {
    /// Ids that no other process has given, as far as 32 random bits can say.
    ///
    /// # Errors
    /// [`RandomError`].
    pub fn new() -> Result<Self, RandomError> {
        Ok(Self { prefix: u32::from_be_bytes(random::bytes()?), next: AtomicU64::new(1) })
    }

    /// The id that the request came with, or a new one.
    pub fn of(&self, request: &Request) -> String {
        let sent = request.header(REQUEST_ID).filter(|id| is_id(id)).and_then(|id| str::from_utf8(id).ok());
        sent.map_or_else(|| self.next(), String::from)
    }

    /// A new one.
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
    fn an_id_that_was_sent_is_kept() {
        let longest = "a".repeat(64);
        for id in ["1", "-", "01234567-89ab-CDEF-ghij-XYZ", &longest] {
            assert_eq!(given(&[id]), id);
        }
    }

    #[test]
    fn what_is_no_id_or_two_is_replaced_by_an_own_one() {
        let too_long = "a".repeat(65);
        for sent in [&[][..], &[""], &["a b"], &["a\"b"], &["a_b"], &["\u{e9}"], &[&too_long], &["a", "a"]] {
            assert_eq!(given(sent), "0000003f-1f", "{sent:?}");
        }
    }

    #[test]
    fn no_id_is_given_twice() {
        let ids = RequestIds { prefix: 0xdead_beef, next: AtomicU64::new(1) };
        assert_eq!([ids.next(), ids.next()], ["deadbeef-1", "deadbeef-2"]);
    }
}
