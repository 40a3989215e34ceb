//! Request parser: a state machine from bytes to requests, without a socket.
//!
//! [`Parser::feed`] adds received bytes, and [`Parser::step`] parses. The requests depend on the bytes alone,
//! not on how they were split into packets. The parser never buffers more than the limits allow.

#![warn(clippy::arithmetic_side_effects)]

use super::chunked::{Chunked, Progress};
use super::context::Refusal;
use super::head::{self, Framing, Head};
use super::limits::{IDLE_BUFFER_BYTES, Limits};
use crate::http::{Body, ErrorCode, Request};

/// The next step of the connection.
#[derive(Debug)]
pub(super) enum ParserStep {
    Read(Missing),
    /// Dispatch this request. It is complete, or its body is too large.
    Request(Head),
    Refuse(Refusal),
}

/// The part of a request that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// The first byte of a request.
    Request,
    /// The rest of request line and headers.
    Head,
    /// A body or its rest. `expects_continue`: the client waits for a 100 first.
    Body { expects_continue: bool },
}

#[derive(Debug)]
pub(super) struct Parser {
    limits: Limits,
    buffer: Vec<u8>,
    /// The number of bytes of the buffer that were scanned for the end of the headers.
    scanned: usize,
    /// Whether an empty line before the request was skipped.
    skipped_line: bool,
    body: Option<Reading>,
}

#[derive(Debug)]
struct Reading {
    head: Head,
    bytes: Vec<u8>,
    rest: Rest,
}

#[derive(Debug)]
enum Rest {
    Bytes(usize),
    Chunked(Chunked),
}

impl Parser {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, buffer: Vec::new(), scanned: 0, skipped_line: false, body: None }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Parses the buffered bytes. After an error or a body that is too large, the parser must not be used
    /// again: the beginning of the next request is unknown.
    pub(super) fn step(&mut self) -> ParserStep {
        let read = match self.body.take() {
            Some(reading) => self.read_body(reading),
            None => self.read_head(),
        };
        read.unwrap_or_else(ParserStep::Refuse)
    }

    /// The request whose body is incomplete.
    pub(super) fn incomplete(&self) -> Option<&Request> {
        self.body.as_ref().map(|reading| &reading.head.request)
    }

    /// Takes the request whose body is incomplete, without the body. The parser must not be used again.
    pub(super) fn take_without_body(&mut self) -> Option<Head> {
        let Reading { mut head, .. } = self.body.take()?;
        head.keeps_alive = false;
        Some(head)
    }

    /// Whether no byte of a request is buffered.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.body.is_none()
    }

    /// Frees the memory of a large request.
    pub(super) fn shrink(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > IDLE_BUFFER_BYTES {
            self.buffer = Vec::new();
        }
    }

    /// The number of buffered bytes, with those of an incomplete body.
    #[cfg(any(test, fuzzing))]
    fn held(&self) -> usize {
        self.buffer.len().saturating_add(self.body.as_ref().map_or(0, |reading| reading.bytes.len()))
    }

    fn read_head(&mut self) -> Result<ParserStep, Refusal> {
        // RFC 9112 section 2.2: a server should ignore at least one empty line before a request. This one
        // ignores one.
        if !self.skipped_line && self.buffer.starts_with(b"\r\n") {
            self.buffer.drain(..2);
            self.skipped_line = true;
        }
        // Scanning beyond the limit would make the error depend on how much has arrived.
        let within = self.buffer.get(..self.limits.max_head).unwrap_or(&self.buffer);
        let Some(end) = head::find_end(within, self.scanned)? else { return self.await_head() };
        let head = head::parse(self.buffer.get(..end).expect("the end was found in the buffer"))?;
        self.buffer.drain(..end);
        (self.scanned, self.skipped_line) = (0, false);
        let rest = match head.framing {
            Framing::Length(0) => return Ok(ParserStep::Request(head)),
            Framing::Length(length) => {
                match usize::try_from(length).ok().filter(|length| *length <= self.limits.max_body) {
                    Some(length) => Rest::Bytes(length),
                    None => return Ok(self.too_large(head)),
                }
            }
            Framing::Chunked => Rest::Chunked(Chunked::new()),
        };
        self.read_body(Reading { head, bytes: Vec::new(), rest })
    }

    fn await_head(&mut self) -> Result<ParserStep, Refusal> {
        self.scanned = self.buffer.len();
        if self.buffer.len() > self.limits.max_head {
            return Err(self.too_long());
        }
        let nothing_yet = self.buffer.is_empty() && !self.skipped_line;
        Ok(ParserStep::Read(if nothing_yet { Missing::Request } else { Missing::Head }))
    }

    /// The error for a request line, or for headers, over the limit.
    fn too_long(&self) -> Refusal {
        let line = self.buffer.iter().position(|byte| *byte == b'\r').unwrap_or(self.buffer.len());
        if line >= self.limits.max_head {
            Refusal { code: ErrorCode::UriTooLong, message: "The request line is too long." }
        } else {
            Refusal { code: ErrorCode::HeadTooLarge, message: "The head is too long." }
        }
    }

    fn read_body(&mut self, mut reading: Reading) -> Result<ParserStep, Refusal> {
        let has_begun = !self.buffer.is_empty();
        let progress = match &mut reading.rest {
            Rest::Bytes(left) => {
                let take = (*left).min(self.buffer.len());
                reading.bytes.extend(self.buffer.drain(..take));
                *left = left.saturating_sub(take);
                if *left == 0 { Progress::Finished } else { Progress::Unfinished }
            }
            Rest::Chunked(chunked) => {
                chunked.read(&mut self.buffer, &mut reading.bytes, self.limits.max_body)?
            }
        };
        match progress {
            Progress::Finished => {
                let Reading { mut head, bytes, .. } = reading;
                head.request = head.request.with_body(Body::Complete(bytes));
                Ok(ParserStep::Request(head))
            }
            Progress::TooLarge => Ok(self.too_large(reading.head)),
            Progress::Unfinished => {
                // A client that has begun to send the body doesn't wait for a 100.
                let expects_continue = reading.head.expects_continue && !has_begun;
                reading.head.expects_continue = false;
                self.body = Some(reading);
                Ok(ParserStep::Read(Missing::Body { expects_continue }))
            }
        }
    }

    /// The routes respond, since a 404 or 401 takes precedence. The connection closes, since the body is not
    /// read.
    fn too_large(&self, mut head: Head) -> ParserStep {
        head.request = head.request.with_body(Body::TooLarge { max_bytes: self.limits.max_body });
        head.keeps_alive = false;
        ParserStep::Request(head)
    }
}

#[cfg(any(test, fuzzing))]
#[path = "parser_property_tests.rs"]
pub mod property;
#[cfg(test)]
#[path = "parser_tests.rs"]
mod tests;
