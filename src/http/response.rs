//! A response, and its encoding (RFC 9112 section 2.1).

use super::access_record::{AccessRecord, AuditEvent};
use super::error::ErrorCode;
use crate::clock::UnixTime;
use crate::json::{self, Value, json};
use crate::user_id::UserId;
use std::borrow::Cow;

/// A response, as plain values.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code, 200 to 599.
    pub status: u16,
    /// The headers, without [`Response::COMMON_HEADERS`] and those that [`Response::encode`] adds.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The complete body, also for a HEAD request.
    pub body: Vec<u8>,
    /// For the access log and metrics; never sent.
    pub record: AccessRecord,
}

/// Whether the connection is kept open after the response (RFC 9112 section 9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAlive {
    /// Yes, as HTTP/1.1 does by default.
    Default,
    /// Yes, because an HTTP/1.0 client asked for it. The response must say so (RFC 9112 section C.2.2).
    Explicit,
    /// No.
    Close,
}

impl Response {
    /// Headers of every response, besides `Date` and `Content-Length`.
    pub const COMMON_HEADERS: [(&'static str, &'static str); 3] =
        [("Server", "gatekey"), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")];

    /// A response without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), record: AccessRecord::default() }
    }

    /// A response with a JSON body.
    pub fn json(status: u16, value: &Value) -> Self {
        let response = Self::empty(status).with_header("Content-Type", "application/json");
        Self { body: json::to_bytes(value), ..response }
    }

    /// A 200 with this document.
    pub fn document(media_type: &'static str, document: &[u8]) -> Self {
        Self { body: document.to_vec(), ..Self::empty(200).with_header("Content-Type", media_type) }
    }

    /// An error response: `{"error":"...","message":"..."}`.
    pub fn error(code: ErrorCode, message: &str) -> Self {
        let response = Self::json(code.status(), &json!({"error": code.name(), "message": message}));
        Self { record: AccessRecord { error: Some(code), ..AccessRecord::default() }, ..response }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The value of the first header with exactly this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_ref())
    }

    /// Sets the audit event.
    #[must_use]
    pub fn with_audit_event(mut self, event: AuditEvent) -> Self {
        self.record.audit = Some(event);
        self
    }

    /// Sets the user of the access record.
    #[must_use]
    pub fn for_user(mut self, id: UserId) -> Self {
        self.record.user = Some(id);
        self
    }

    /// The bytes to send: status line, headers and, except for a HEAD request, the body.
    pub fn encode(&self, is_head: bool, date: UnixTime, keep_alive: KeepAlive) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(512 + self.body.len());
        for part in ["HTTP/1.1 ", &self.status.to_string(), " ", reason(self.status), "\r\n"] {
            bytes.extend_from_slice(part.as_bytes());
        }
        let mut line = |name: &str, value: &str| {
            for part in [name, ": ", value, "\r\n"] {
                bytes.extend_from_slice(part.as_bytes());
            }
        };
        line("Date", &date.http_date());
        for (name, value) in Self::COMMON_HEADERS {
            line(name, value);
        }
        for (name, value) in &self.headers {
            // Header injection: routes validate what they copy from a request; this is the second check.
            let breaks_line = |c: char| matches!(c, '\r' | '\n' | '\0');
            if value.contains(breaks_line) {
                line(name, &value.replace(breaks_line, " "));
            } else {
                line(name, value);
            }
        }
        match keep_alive {
            KeepAlive::Default => {}
            KeepAlive::Explicit => line("Connection", "keep-alive"),
            KeepAlive::Close => line("Connection", "close"),
        }
        if self.status != 204 {
            line("Content-Length", &self.body.len().to_string()); // RFC 9110 section 8.6: not in a 204
        }
        bytes.extend_from_slice(b"\r\n");
        if !is_head {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

/// The reason phrase (RFC 9110 section 15).
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(response: &Response, is_head: bool, keep_alive: KeepAlive) -> String {
        String::from_utf8(response.encode(is_head, UnixTime::EPOCH, keep_alive)).unwrap()
    }

    #[test]
    fn a_response_is_encoded_as_status_line_headers_and_body() {
        let response = Response::json(200, &json!({"data": "Hello, ok!"}));
        let head = "HTTP/1.1 200 OK\r\n\
                    Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
                    Server: gatekey\r\n\
                    Cache-Control: no-store\r\n\
                    X-Content-Type-Options: nosniff\r\n\
                    Content-Type: application/json\r\n\
                    Content-Length: 21\r\n\r\n";
        assert_eq!(encoded(&response, true, KeepAlive::Default), head);
        let whole = format!("{head}{{\"data\":\"Hello, ok!\"}}");
        assert_eq!(encoded(&response, false, KeepAlive::Default), whole);
    }

    #[test]
    fn a_204_has_no_content_length() {
        assert!(!encoded(&Response::empty(204), false, KeepAlive::Default).contains("Content-Length"));
    }

    #[test]
    fn the_connection_header_is_sent_only_if_keep_alive_is_not_the_default() {
        let response = Response::empty(200);
        assert!(!encoded(&response, false, KeepAlive::Default).contains("Connection"));
        assert!(encoded(&response, false, KeepAlive::Explicit).contains("\r\nConnection: keep-alive\r\n"));
        assert!(encoded(&response, false, KeepAlive::Close).contains("\r\nConnection: close\r\n"));
    }

    #[test]
    fn a_header_value_can_not_inject_a_header() {
        let response = Response::empty(201).with_header("Location", "/x\r\nSet-Cookie: a=b");
        assert!(
            encoded(&response, false, KeepAlive::Default).contains("\r\nLocation: /x  Set-Cookie: a=b\r\n")
        );
    }
}
