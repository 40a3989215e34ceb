//! One connection: a state machine without waiting.
//!
//! Its state is its [`Activity`]. A thread owns it, an event loop or a worker, and calls it when its socket is ready, when its
//! deadline has passed, or with a response. Each call does what can be done without blocking and returns the [`Step`] that is
//! next.
//!
//! ```text
//!              bytes                 head and body             answered           all written
//!  Silent  ------------>  PartialHead  ------->  Working  --------------->  (sent)  --------->  Idle, or the next request
//!  Idle                   PartialBody            (dispatch)   the client        |
//!                                                             reads slowly:     | "Connection: close", refused
//!                                                             Writing           v
//!                                                                           Lingering  ------> closed
//! ```
//!
//! Every state that waits for the client has a deadline, which is absolute: a client that sends a byte now and then gains
//! nothing by it. There is at most one response that is not written, and the next request is not read before it is.

use super::head::Head;
use super::inbox::Inbox;
use super::limits::{LINGER, LINGER_BYTES, Limits};
use super::parser::{self, Missing, Parser};
use super::registry::{Activity, Entry};
use super::service::{Event, Service};
use super::{Context, Refusal};
use crate::client::Client;
use crate::clock;
use crate::http::{Body, ErrorCode, KeepAlive, Request, Response};
use core::fmt;
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net;
use std::sync::Arc;
use std::time::Instant;

/// A connection that has a place. It gives the place back when it is dropped.
#[allow(clippy::struct_excessive_bools, reason = "four facts that change each by itself")]
pub(super) struct Connection {
    context: Arc<Context>,
    entry: Arc<Entry>,
    /// Of the event loop that it belongs to.
    inbox: Arc<Inbox<Connection>>,
    client: Client,
    parser: Parser,
    activity: Activity,
    /// By when what it waits for must have happened.
    pub(super) deadline: Instant,
    /// Whether a read may find something. Edge-triggered: it stays true until a read has found less than it asked for.
    is_readable: bool,
    /// Whether the end of the input has been announced: then a read that finds less has not found all.
    is_hung_up: bool,
    /// Whether the event loop has it in its queue.
    pub(super) is_queued: bool,
    /// Whether the event loop is told when it becomes writable.
    pub(super) watches_writes: bool,
    output: Output,
}

/// Bytes on their way to the client.
struct Output {
    bytes: Vec<u8>,
    written: usize,
    then: Then,
}

/// What follows when all is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The next request.
    Continue,
    /// The body that the client was told to send.
    ReadBody,
    /// The end, which leaves so many bytes to discard.
    Linger { left: usize, at_most: Duration },
}

/// What is to be done with a connection next.
#[derive(Debug)]
pub(super) enum Step {
    /// Answer this request.
    Dispatch(Head),
    /// Nothing, until the socket is ready or the deadline has passed.
    Wait,
    /// The same, and the socket is to become writable.
    WaitToWrite,
    /// Advance it again, after others had their turn.
    Again,
    /// Drop it.
    Close,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({}, {:?})", self.client, self.activity)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.context.service.observe(Event::Disconnected { was_evicted: self.entry.is_evicted() });
        self.inbox.connection_ended();
        self.context.registry.remove(&self.entry);
    }
}

impl Connection {
    pub(super) fn new(
        context: Arc<Context>,
        entry: Arc<Entry>,
        inbox: Arc<Inbox<Connection>>,
        client: Client,
        now: Instant,
    ) -> Self {
        context.service.observe(Event::Connected);
        inbox.connection_added();
        let parser = Parser::new(context.limits);
        let output = Output { bytes: Vec::new(), written: 0, then: Then::Continue };
        let mut connection = Self {
            context,
            entry,
            inbox,
            client,
            parser,
            activity: Activity::Silent,
            deadline: now,
            is_readable: false,
            is_hung_up: false,
            is_queued: false,
            watches_writes: false,
            output,
        };
        connection.deadline = now + connection.idle_timeout();
        connection
    }

    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }

    pub(super) fn inbox(&self) -> Arc<Inbox<Connection>> {
        self.inbox.clone()
    }

    pub(super) fn service(&self) -> &dyn Service {
        &*self.context.service
    }

    /// Which of the listeners it came in by.
    pub(super) fn endpoint(&self) -> usize {
        self.context.number
    }

    fn limits(&self) -> &Limits {
        &self.context.limits
    }

    fn idle_timeout(&self) -> Duration {
        let limits = self.limits();
        if self.entry.is_trusted_proxy { limits.proxy_idle_timeout } else { limits.idle_timeout }
    }

    /// The poller has reported this of its socket.
    pub(super) fn ready(&mut self, to_read: bool, is_hung_up: bool) {
        self.is_readable |= to_read || is_hung_up;
        self.is_hung_up |= is_hung_up;
    }

    /// Leaves the poller, which knows nothing of it any more.
    pub(super) fn deregistered(&mut self) {
        (self.is_readable, self.is_hung_up, self.watches_writes) = (false, false, false);
    }

    /// Does what can be done: at most one receive.
    pub(super) fn advance(&mut self, scratch: &mut [u8], now: Instant) -> Step {
        let step = match self.activity {
            Activity::Writing => return self.write(now),
            Activity::Lingering => self.discard(scratch),
            Activity::Evicted => return Step::Close,
            _ => self.read_request(scratch, now),
        };
        // Errors here are the client's leaving, or its breaking off.
        step.unwrap_or(Step::Close)
    }

    /// The deadline has passed.
    pub(super) fn expire(&mut self, now: Instant) -> Step {
        match self.activity {
            Activity::PartialHead | Activity::PartialBody => self.refuse(TOO_SLOW, now),
            // It waits for its turn, and not for the client.
            Activity::Working => {
                self.deadline = now + self.limits().request_timeout;
                Step::Again
            }
            _ => Step::Close,
        }
    }

    fn read_request(&mut self, scratch: &mut [u8], now: Instant) -> io::Result<Step> {
        let mut may_receive = self.is_readable;
        loop {
            let missing = match self.parser.step() {
                parser::Step::Request(head) => return Ok(self.dispatch(head)),
                parser::Step::Refuse(refusal) => return Ok(self.refuse(refusal, now)),
                parser::Step::Read(missing) => missing,
            };
            if !may_receive {
                return Ok(self.read_more(missing, now));
            }
            may_receive = false;
            match self.receive(scratch)? {
                Some(0) => return Ok(Step::Close),
                Some(count) => self.parser.feed(scratch.get(..count).unwrap_or_default()),
                None => {}
            }
        }
    }

    /// One recv(2): how many bytes, 0 at the end of the input, `None` where there is nothing yet.
    fn receive(&mut self, bytes: &mut [u8]) -> io::Result<Option<usize>> {
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

    fn dispatch(&mut self, mut head: Head) -> Step {
        if !self.turn(Activity::Working) {
            return Step::Close;
        }
        head.request = head.request.from_peer(self.client);
        Step::Dispatch(head)
    }

    /// More bytes must arrive, unless the request can be answered without.
    fn read_more(&mut self, missing: Missing, now: Instant) -> Step {
        let needs_body = |request: &Request| self.context.service.needs_body(request);
        if self.parser.incomplete().is_some_and(|request| !needs_body(request))
            && let Some(head) = self.parser.take_without_body()
        {
            self.output.then = Then::Linger { left: LINGER_BYTES, at_most: self.limits().request_timeout };
            return self.dispatch(head);
        }
        let activity = match missing {
            // Nothing has ever arrived.
            Missing::Request if self.activity == Activity::Silent => return self.wait_to_read(),
            Missing::Request => Activity::Idle,
            Missing::Head => Activity::PartialHead,
            Missing::Body { .. } => Activity::PartialBody,
        };
        if self.activity != activity {
            if !self.turn(activity) {
                return Step::Close;
            }
            // It counts from the first byte of a head, and anew for a body; more bytes of the same don't move it.
            let is_idle = activity == Activity::Idle;
            self.deadline = now + if is_idle { self.idle_timeout() } else { self.limits().request_timeout };
        }
        if missing == (Missing::Body { expects_continue: true }) {
            let bytes = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
            self.output = Output { bytes, written: 0, then: Then::ReadBody };
            return self.write(now);
        }
        self.wait_to_read()
    }

    fn wait_to_read(&self) -> Step {
        if self.is_readable { Step::Again } else { Step::Wait }
    }

    /// Encodes the response to a request that was dispatched; [`Connection::write`] follows.
    pub(super) fn respond(&mut self, head: &Head, response: &Response, now: Instant) {
        let is_stopping = self.context.is_stopping.load(Ordering::Acquire);
        let keep_alive = match (head.keeps_alive && !is_stopping, head.is_http_1_0) {
            (false, _) => KeepAlive::Close,
            (true, true) => KeepAlive::Explicit,
            (true, false) => KeepAlive::Default,
        };
        let is_body_unread = matches!(head.request.body, Body::TooLarge { .. })
            || matches!(self.output.then, Then::Linger { .. });
        let then = match (keep_alive, is_body_unread) {
            (KeepAlive::Close, true) => {
                Then::Linger { left: LINGER_BYTES, at_most: self.limits().request_timeout }
            }
            (KeepAlive::Close, false) => Then::Linger { left: LINGER_BYTES, at_most: LINGER },
            _ => Then::Continue,
        };
        self.put(response, head.request.method == "HEAD", keep_alive, then, now);
    }

    fn put(&mut self, response: &Response, is_head: bool, keep_alive: KeepAlive, then: Then, now: Instant) {
        let bytes = response.encode(is_head, clock::unix(), keep_alive);
        self.output = Output { bytes, written: 0, then };
        self.deadline = now + self.limits().request_timeout;
    }

    /// Writes what the client takes of the response; all of it under one deadline.
    pub(super) fn write(&mut self, now: Instant) -> Step {
        while let Some(rest) = self.output.bytes.get(self.output.written..).filter(|rest| !rest.is_empty()) {
            match (&self.entry.stream).write(rest) {
                Ok(count) => self.output.written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let is_here = self.turn(Activity::Writing);
                    return if is_here { Step::WaitToWrite } else { Step::Close };
                }
                Err(_) => return Step::Close,
            }
        }
        let then = self.output.then;
        self.output = Output { bytes: Vec::new(), written: 0, then: Then::Continue };
        match then {
            Then::Continue => self.next_request(now),
            Then::ReadBody => {
                let is_here = self.turn(Activity::PartialBody);
                if is_here { self.wait_to_read() } else { Step::Close }
            }
            Then::Linger { left, at_most } => self.linger(left, at_most, now),
        }
    }

    /// The next pipelined request, if there is one, has its turn after others.
    fn next_request(&mut self, now: Instant) -> Step {
        self.parser.shrink();
        if self.parser.is_empty() && !self.is_readable {
            return self.read_more(Missing::Request, now);
        }
        // From a state in which it is read on.
        if self.turn(Activity::Working) { Step::Again } else { Step::Close }
    }

    /// Responds to what is no valid request, and closes.
    fn refuse(&mut self, refusal: Refusal, now: Instant) -> Step {
        let mut response = Response::error(refusal.code, refusal.message);
        if !self.turn(Activity::Working) {
            return Step::Close;
        }
        self.context.service.observe(Event::Refused(self.client, &mut response));
        let then = Then::Linger { left: LINGER_BYTES, at_most: LINGER };
        self.put(&response, false, KeepAlive::Close, then, now);
        self.write(now)
    }

    /// Closes so that the response arrives: while there is unread input, closing sends a reset, which takes the response along
    /// (RFC 9112 section 9.6). The time counts from the last byte of the response.
    fn linger(&mut self, left: usize, at_most: Duration, now: Instant) -> Step {
        if self.entry.stream.shutdown(net::Shutdown::Write).is_err() || !self.turn(Activity::Lingering) {
            return Step::Close;
        }
        self.deadline = now + at_most;
        self.output.then = Then::Linger { left, at_most };
        self.wait_to_read()
    }

    fn discard(&mut self, scratch: &mut [u8]) -> io::Result<Step> {
        let Then::Linger { left, at_most } = self.output.then else { return Ok(Step::Close) };
        if !self.is_readable {
            return Ok(Step::Wait);
        }
        Ok(match self.receive(scratch)? {
            Some(count) if count > 0 && count < left => {
                self.output.then = Then::Linger { left: left - count, at_most };
                self.wait_to_read()
            }
            Some(_) => Step::Close,
            None => Step::Wait,
        })
    }

    /// Notes what the connection does now; false if it was evicted.
    fn turn(&mut self, to: Activity) -> bool {
        if self.activity == to {
            return true;
        }
        let now = self.context.registry.millis(clock::monotonic());
        let has_turned = self.entry.turn(self.activity, to, now);
        self.activity = if has_turned { to } else { Activity::Evicted };
        has_turned
    }
}

const TOO_SLOW: Refusal =
    Refusal { code: ErrorCode::RequestTimeout, message: "The request did not arrive in time." };
