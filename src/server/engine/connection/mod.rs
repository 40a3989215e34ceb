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

mod receive;
mod respond;

use super::Context;
use super::head::Head;
use super::inbox::Inbox;
use super::limits::Limits;
use super::parser::Parser;
use super::registry::{Activity, Entry};
use super::service::Event;
use crate::client::Client;
use crate::clock;
use crate::server::catch_panic;
use crate::store::Reads;
use crate::wait::WouldBlock;
use core::fmt;
use core::time::Duration;
use respond::TOO_SLOW;
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
    /// The request that is being answered, until the first byte of its response is sent.
    request: Option<Head>,
    /// When the last request had arrived.
    received: Instant,
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
    after: AfterWrite,
}

/// What follows when all is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterWrite {
    /// The next request.
    NextRequest,
    /// The body that the client was told to send.
    ReadBody,
    /// The end, which leaves so many bytes to discard.
    Linger { left: usize, at_most: Duration },
}

/// What is to be done with a connection next.
#[derive(Debug)]
pub(super) enum Step {
    /// Answer the request that has arrived.
    Dispatch,
    /// Hand it to a worker thread: answering it would block.
    Block { may_hash: bool },
    /// Write the response.
    Write,
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

    /// Takes one step. A panic in it is a 500 where a request waits for its response, and else the end of this connection; no
    /// other connection is affected.
    pub(super) fn step(&mut self, step: impl FnOnce(&mut Self) -> Step) -> Step {
        catch_panic(|| step(self)).or_else(|| catch_panic(|| self.fail())).unwrap_or(Step::Close)
    }

    /// Answers the request: the next step is [`Step::Write`], or [`Step::Block`] where nothing has happened yet.
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

    /// Notes what the connection does now; false if it was evicted.
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
