//! Receiving: reads bytes from the socket and parses requests.

use super::{AfterWrite, Connection, Output, Step};
use crate::http::Request;
use crate::server::engine::head::Head;
use crate::server::engine::limits::LINGER_BYTES;
use crate::server::engine::parser::{self, Missing};
use crate::server::engine::registry::Activity;
use std::io::{self, ErrorKind, Read as _};
use std::time::Instant;

impl Connection {
    pub(super) fn read_request(&mut self, scratch: &mut [u8], now: Instant) -> io::Result<Step> {
        let mut may_receive = self.is_readable;
        loop {
            let missing = match self.parser.step() {
                parser::ParserStep::Request(head) => return Ok(self.dispatch(head, now)),
                parser::ParserStep::Refuse(refusal) => return Ok(self.refuse(refusal, now)),
                parser::ParserStep::Read(missing) => missing,
            };
            if !may_receive {
                return Ok(self.read_more(missing, now));
            }
            may_receive = false;
            match self.receive(scratch)? {
                Some(0) => return Ok(Step::Close),
                Some(count) => self.parser.feed(scratch.get(..count).expect("recv fills at most the buffer")),
                None => {}
            }
        }
    }

    /// One recv(2): the number of bytes, 0 at the end of input, `None` if it would block.
    pub(super) fn receive(&mut self, bytes: &mut [u8]) -> io::Result<Option<usize>> {
        match (&self.entry.stream).read(bytes) {
            Ok(count) => {
                self.is_readable = count == bytes.len() || self.is_hung_up;
                Ok(Some(count))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.is_readable = false;
                Ok(None)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn dispatch(&mut self, mut head: Head, now: Instant) -> Step {
        if !self.set_activity(Activity::Working) {
            return Step::Close;
        }
        head.request = head.request.from_peer(self.client);
        (self.request, self.received) = (Some(head), now);
        Step::Dispatch
    }

    /// Waits for more bytes, unless the request can be answered without its body.
    pub(super) fn read_more(&mut self, missing: Missing, now: Instant) -> Step {
        let needs_body = |request: &Request| self.context.service.needs_body(request);
        if self.parser.incomplete().is_some_and(|request| !needs_body(request))
            && let Some(head) = self.parser.take_without_body()
        {
            self.output.after =
                AfterWrite::Linger { left: LINGER_BYTES, at_most: self.limits().request_timeout };
            return self.dispatch(head, now);
        }
        let activity = match missing {
            // No byte was received yet.
            Missing::Request if self.activity == Activity::Silent => return self.wait_to_read(),
            Missing::Request => Activity::Idle,
            Missing::Head => Activity::PartialHead,
            Missing::Body { .. } => Activity::PartialBody,
        };
        if self.activity != activity {
            if !self.set_activity(activity) {
                return Step::Close;
            }
            // A new deadline at the first byte of the headers, and at the body; further bytes don't extend
            // it.
            let is_idle = activity == Activity::Idle;
            self.deadline = now + if is_idle { self.idle_timeout() } else { self.limits().request_timeout };
        }
        if missing == (Missing::Body { expects_continue: true }) {
            let bytes = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
            self.output = Output { bytes, written: 0, after: AfterWrite::ReadBody };
            return self.write(now);
        }
        self.wait_to_read()
    }

    pub(super) fn wait_to_read(&self) -> Step {
        if self.is_readable { Step::Again } else { Step::Wait }
    }
}
