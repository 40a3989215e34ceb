//! Responding: encodes and sends responses, and closes after them (lingering close).

use super::{AfterWrite, Connection, Output, Step};
use crate::clock;
use crate::http::{Body, ErrorCode, KeepAlive, Response};
use crate::routes;
use crate::server::engine::context::Refusal;
use crate::server::engine::limits::{LINGER, LINGER_BYTES};
use crate::server::engine::parser::Missing;
use crate::server::engine::registry::Activity;
use crate::server::engine::service::Event;
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::io::{self, ErrorKind, Write as _};
use std::net;
use std::time::Instant;

impl Connection {
    /// Encodes the response to the request in progress, or to a malformed one. [`Connection::write`] sends
    /// it.
    pub(in super::super) fn respond(&mut self, response: &Response, now: Instant) {
        let is_stopping = self.context.is_stopping.load(Ordering::Acquire);
        let keep_alive = match &self.request {
            Some(head) if head.keeps_alive && !is_stopping => {
                if head.is_http_1_0 {
                    KeepAlive::Explicit
                } else {
                    KeepAlive::Default
                }
            }
            _ => KeepAlive::Close,
        };
        let request = self.request.as_ref().map(|head| &head.request);
        let is_body_unread = request.is_some_and(|request| matches!(request.body, Body::TooLarge { .. }))
            || matches!(self.output.after, AfterWrite::Linger { .. });
        let after = if keep_alive == KeepAlive::Close {
            let at_most = if is_body_unread { self.limits().request_timeout } else { LINGER };
            AfterWrite::Linger { left: LINGER_BYTES, at_most }
        } else {
            AfterWrite::NextRequest
        };
        let is_head = request.is_some_and(|request| request.method == "HEAD");
        let bytes = response.encode(is_head, clock::unix(), keep_alive);
        self.output = Output { bytes, written: 0, after };
        self.deadline = now + self.limits().request_timeout;
    }

    /// After a panic: responds 500 to an unanswered request, and closes the connection.
    pub(in super::super) fn fail(&mut self) -> Step {
        match &mut self.request {
            Some(head) => head.keeps_alive = false,
            None if self.output.written == 0 && self.parser.incomplete().is_some() => {}
            None => return Step::Close,
        }
        self.reject(routes::panicked(), clock::monotonic())
    }

    /// Responds 503 to a request that would block, since the worker pool is full.
    pub(in super::super) fn reject_as_busy(&mut self, now: Instant) -> Step {
        let message = "All workers are taken; try again in a moment.";
        self.reject(Response::error(ErrorCode::Busy, message).with_header("Retry-After", "1"), now)
    }

    /// Responds to a malformed request, and closes.
    pub(super) fn refuse(&mut self, refusal: Refusal, now: Instant) -> Step {
        self.reject(Response::error(refusal.code, refusal.message), now)
    }

    /// Sends a response of the engine's own, which the service only observes.
    fn reject(&mut self, mut response: Response, now: Instant) -> Step {
        if !self.set_activity(Activity::Working) {
            return Step::Close;
        }
        self.context.observe(Event::Refused(self.client, &mut response));
        self.respond(&response, now);
        self.write(now)
    }

    /// Sends as much of the response as the socket accepts. The whole response has one deadline.
    pub(in super::super) fn write(&mut self, now: Instant) -> Step {
        while let Some(rest) = self.output.bytes.get(self.output.written..).filter(|rest| !rest.is_empty()) {
            match (&self.entry.stream).write(rest) {
                Ok(count) => {
                    self.output.written += count;
                    self.request = None;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let is_admitted = self.set_activity(Activity::Writing);
                    return if is_admitted { Step::WaitToWrite } else { Step::Close };
                }
                Err(_) => return Step::Close,
            }
        }
        let after = self.output.after;
        self.output = Output { bytes: Vec::new(), written: 0, after: AfterWrite::NextRequest };
        match after {
            AfterWrite::NextRequest => self.next_request(now),
            AfterWrite::ReadBody => {
                let is_admitted = self.set_activity(Activity::PartialBody);
                if is_admitted { self.wait_to_read() } else { Step::Close }
            }
            AfterWrite::Linger { left, at_most } => self.linger(left, at_most, now),
        }
    }

    /// Continues with the next pipelined request after other connections, or waits for one.
    fn next_request(&mut self, now: Instant) -> Step {
        self.parser.shrink();
        if self.parser.is_empty() && !self.is_readable {
            return self.read_more(Missing::Request, now);
        }
        // From this activity, `advance` reads on.
        if self.set_activity(Activity::Working) { Step::Again } else { Step::Close }
    }

    /// Begins the lingering close: closing over unread input would send a reset, which can destroy the
    /// response (RFC 9112 section 9.6). Its time counts from the last byte of the response.
    fn linger(&mut self, left: usize, at_most: Duration, now: Instant) -> Step {
        if self.entry.stream.shutdown(net::Shutdown::Write).is_err()
            || !self.set_activity(Activity::Lingering)
        {
            return Step::Close;
        }
        self.deadline = now + at_most;
        self.output.after = AfterWrite::Linger { left, at_most };
        self.wait_to_read()
    }

    /// Discards unread input during the lingering close.
    pub(super) fn discard(&mut self, scratch: &mut [u8]) -> io::Result<Step> {
        let AfterWrite::Linger { left, at_most } = self.output.after else { return Ok(Step::Close) };
        if !self.is_readable {
            return Ok(Step::Wait);
        }
        Ok(match self.receive(scratch)? {
            Some(count) if count > 0 && count < left => {
                self.output.after = AfterWrite::Linger { left: left - count, at_most };
                self.wait_to_read()
            }
            Some(_) => Step::Close,
            None => Step::Wait,
        })
    }
}
