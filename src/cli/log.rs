//! What the server writes on standard error: one line a request, and what an operator should know.
//!
//! ```text
//! 2026-11-23T19:04:12Z 127.0.0.1 GET /api/token 200 31.4ms user=1
//! 2026-11-23T19:04:15Z 127.0.0.1 GET /api/resource 401 29.9ms user=- cause="no user has this name"
//! ```
//!
//! Never in it: a credential, a query string, a user name (people type passwords into the wrong field). What a
//! client chose, method and path, is cut short and has everything escaped that could break a line or colour a
//! terminal.

use super::visible;
use crate::client::Client;
use crate::clock;
use crate::http::{Request, Response};
use alloc::format;
use alloc::string::{String, ToString as _};
use core::fmt::Display;
use core::time::Duration;
use std::io::{self, Write as _};

/// A longer method or path is cut here, in characters.
const MAX_CHARS: usize = 128;

/// Whether requests are logged. Notices always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Log {
    Text,
    Off,
}

impl Log {
    /// One request, answered.
    pub(super) fn request(self, request: &Request, response: &Response, took: Duration) {
        if self == Self::Text {
            write(&line(request, response, took));
        }
    }

    /// An answer to what was no request: it has neither method nor path.
    pub(super) fn refused(self, client: Client, response: &Response) {
        if self == Self::Text {
            write(&format!("{client} - - {} 0.0ms user=-", response.status));
        }
    }
}

/// Something that an operator should know.
pub(super) fn notice(text: impl Display) {
    write(&format!("gatekey: {text}"));
}

fn line(request: &Request, response: &Response, took: Duration) -> String {
    let client = response.about.client.unwrap_or(request.peer);
    let (method, path) = (shortened(&request.method), shortened(&request.path));
    let (status, millis) = (response.status, took.as_secs_f64() * 1_000.0);
    let user = response.about.user.map_or("-".to_string(), |id| id.to_string());
    let cause = response.about.cause.as_deref().map_or(String::new(), |cause| format!(" cause={cause:?}"));
    format!("{client} {method} {path} {status} {millis:.1}ms user={user}{cause}")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS).and_then(|(end, _)| text.get(..end)) {
        Some(start) => format!("{}...", visible(start)),
        None => visible(text),
    }
}

/// One write a line, so that lines of several threads don't mix. Where nobody listens, nothing is lost that
/// could be mended: a server must not end because its standard error did.
fn write(text: &str) {
    let line = format!("{} {text}\n", clock::now().unix);
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user_id::UserId;

    fn logged(target: &str, response: &Response) -> String {
        line(&Request::new("GET", target), response, Duration::from_micros(1_250))
    }

    #[test]
    fn a_line_says_who_what_and_how_it_went() {
        let response = Response::empty(200).for_user(UserId::new(7).unwrap());
        assert_eq!(logged("/api/token", &response), "local GET /api/token 200 1.2ms user=7");
    }

    #[test]
    fn a_query_is_not_logged_and_a_path_can_not_break_the_line() {
        let response = Response::empty(404);
        assert_eq!(logged("/x?token=secret", &response), "local GET /x 404 1.2ms user=-");
        let hostile = logged("/a b\r\n\u{1b}[31m\u{202e}\\é", &response);
        assert_eq!(hostile, "local GET /a\\x20b\\r\\n\\u{1b}[31m\\u{202e}\\\\\\u{e9} 404 1.2ms user=-");
        let long = logged(&"/".repeat(1_000), &response);
        assert_eq!(long, format!("local GET {}... 404 1.2ms user=-", "/".repeat(MAX_CHARS)));
    }
}
