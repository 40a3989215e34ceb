//! Connection: a non-blocking state machine.
//!
//! The state is an [`Activity`]. The owner, an event loop or a worker thread, calls the connection when its
//! socket is ready, when its deadline has passed, or to answer its request. Each call returns the next
//! [`Step`].
//!
//! ```text
//!            bytes                headers, body            answered        all sent
//!  Silent  ---------> PartialHead ---------> Working ----------> (sent) ---------> Idle, or the next request
//!  Idle               PartialBody           (dispatch)  slow       |
//!                                                       reader:    | "Connection: close", malformed
//!                                                       Writing    v
//!                                                               Lingering -------> closed
//! ```
//!
//! Every state that waits for the client has an absolute deadline, which a client can't extend by sending
//! single bytes. A connection has at most one unsent response, and reads the next request after it.

mod receive;
mod respond;

use super::context::{Context, Refusal};
use super::head::Head;
use super::inbox::Inbox;
use super::limits::Limits;
use super::parser::Parser;
use super::registry::{Activity, Entry};
use super::service::Event;
use crate::client::Client;
use crate::clock;
use crate::http::ErrorCode;
use crate::server::catch_panic;
use crate::store::Reads;
use crate::wait::WouldBlock;
use core::fmt;
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

/// The error for a request that misses its deadline.
const TOO_SLOW: Refusal =
    Refusal { code: ErrorCode::RequestTimeout, message: "The request did not arrive in time." };

/// An admitted connection. Dropping it removes it from the registry.
#[allow(clippy::struct_excessive_bools, reason = "four independent flags")]
pub(super) struct Connection {
    context: Arc<Context>,
    entry: Arc<Entry>,
    inbox: Arc<Inbox<Connection>>,
    client: Client,
    parser: Parser,
    activity: Activity,
    /// The request in progress, until the first byte of its response is sent.
    request: Option<Head>,
    /// The time when that request was complete.
    received: Instant,
    /// The deadline of the current activity.
    pub(super) deadline: Instant,
    /// Whether there may be input. Edge-triggered: stays true until a short read.
    is_readable: bool,
    /// Whether the poller has reported the end of input, which is still to be read after a short read.
    is_hung_up: bool,
    /// Whether the connection is in the event loop's queue.
    pub(super) is_queued: bool,
    /// Whether the poller reports writability.
    pub(super) watches_writes: bool,
    output: Output,
}

struct Output {
    bytes: Vec<u8>,
    written: usize,
    after: AfterWrite,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterWrite {
    NextRequest,
    /// Read the body that the client sends after a 100.
    ReadBody,
    /// Lingering close: discard `left` more bytes, for `at_most` this time.
    Linger {
        left: usize,
        at_most: Duration,
    },
}

#[derive(Debug)]
pub(super) enum Step {
    /// Answer the request that has arrived.
    Dispatch,
    /// Hand it to a worker thread: answering it would block.
    Block {
        may_hash: bool,
    },
    Write,
    /// Wait until the socket is ready or the deadline has passed.
    Wait,
    /// The same, also for writability.
    WaitToWrite,
    /// Advance again, after other connections.
    Again,
    Close,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({}, {:?})", self.client, self.activity)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.context.observe(Event::Disconnected { was_evicted: self.entry.is_evicted() });
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
        context.observe(Event::Connected);
        inbox.connection_added();
        let parser = Parser::new(context.limits);
        let output = Output { bytes: Vec::new(), written: 0, after: AfterWrite::NextRequest };
        let mut connection = Self {
            context,
            entry,
            inbox,
            client,
            parser,
            activity: Activity::Silent,
            request: None,
            received: now,
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

    /// Records the readiness that the poller has reported.
    pub(super) fn ready(&mut self, to_read: bool, is_hung_up: bool) {
        self.is_readable |= to_read || is_hung_up;
        self.is_hung_up |= is_hung_up;
    }

    /// Resets the readiness after removal from the poller.
    pub(super) fn deregistered(&mut self) {
        (self.is_readable, self.is_hung_up, self.watches_writes) = (false, false, false);
    }

    /// Takes one step, and catches a panic: an unanswered request is answered 500, and the connection is
    /// closed. No other connection is affected.
    pub(super) fn step(&mut self, step: impl FnOnce(&mut Self) -> Step) -> Step {
        catch_panic(|| step(self)).or_else(|| catch_panic(|| self.fail())).unwrap_or(Step::Close)
    }

    /// Answers the request. Returns [`Step::Write`], or [`Step::Block`] before any side effect.
    pub(super) fn answer(&mut self, reads: Reads<'_>) -> Step {
        let Some(Head { request, .. }) = &self.request else { return Step::Close };
        let service = &self.context.service;
        match service.answer(request, reads, self.received) {
            Ok(response) => {
                self.respond(&response, clock::monotonic());
                Step::Write
            }
            Err(WouldBlock) => Step::Block { may_hash: service.may_hash(request) },
        }
    }

    /// Makes progress, with at most one recv(2).
    pub(super) fn advance(&mut self, scratch: &mut [u8], now: Instant) -> Step {
        let step = match self.activity {
            Activity::Writing => return self.write(now),
            Activity::Lingering => self.discard(scratch),
            Activity::Evicted => return Step::Close,
            _ => self.read_request(scratch, now),
        };
        // Errors mean that the client has disconnected.
        step.unwrap_or(Step::Close)
    }

    pub(super) fn expire(&mut self, now: Instant) -> Step {
        match self.activity {
            Activity::PartialHead | Activity::PartialBody => self.refuse(TOO_SLOW, now),
            // It waits for the event loop, not for the client.
            Activity::Working => {
                self.deadline = now + self.limits().request_timeout;
                Step::Again
            }
            _ => Step::Close,
        }
    }

    /// Sets the activity; false if the connection was evicted.
    fn set_activity(&mut self, to: Activity) -> bool {
        if self.activity == to {
            return true;
        }
        let now = self.context.registry.millis(clock::monotonic());
        let is_changed = self.entry.change_activity(self.activity, to, now);
        self.activity = if is_changed { to } else { Activity::Evicted };
        is_changed
    }
}
