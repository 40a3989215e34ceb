//! One connection, from its first byte to its close.
//!
//! Between requests it lies idle, and no thread with it (`workers.rs`); what happens from the first byte of a request
//! to the last of its answer can be read here from top to bottom. Every wait is under a deadline, and deadlines are
//! absolute: a client that sends a byte now and then gains nothing by it. A request that arrives in one piece costs one
//! read and one write, and waits for nothing.

use super::head::Head;
use super::limits::{LINGER, LINGER_BYTES, Limits, MAX_STEPS, READ_BYTES};
use super::parser::{Missing, Parser, Step};
use super::registry::{Activity, Entry, Registry};
use super::stream::Stream;
use super::{Refusal, Seen, Service};
use crate::blocking;
use crate::client::Client;
use crate::clock;
use crate::http::{ErrorCode, Persistence, Response};
use crate::os;
use crate::server;
use crate::snapshot;
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net;
use std::time::Instant;

/// A connection that has a place. It gives the place back when it is dropped.
pub(super) struct Connection {
    service: Arc<Service>,
    registry: Arc<Registry>,
    entry: Arc<Entry>,
    client: Client,
    parser: Parser,
    /// What came when it was looked last, while nobody has gone on with it.
    arrived: Option<Arrived>,
    activity: Activity,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It waits for the next request.
    Idle,
    /// Nothing more.
    Over,
}

/// What one look for bytes found.
#[derive(Clone, Copy, Debug)]
enum Arrived {
    Bytes,
    Nothing,
    /// The client closed its side, or we were told to go.
    End,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({}, {:?})", self.client, self.activity)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        (self.service.watch)(Seen::Disconnected { made_room: self.entry.is_evicted() });
        self.registry.remove(&self.entry);
    }
}

impl Connection {
    pub(super) fn new(
        service: Arc<Service>,
        registry: Arc<Registry>,
        entry: Arc<Entry>,
        client: Client,
    ) -> Self {
        (service.watch)(Seen::Connected);
        // Where it can't be set, answers leave a little later.
        let _ = entry.stream.set_nodelay();
        let parser = Parser::new(service.limits);
        Self { service, registry, entry, client, parser, arrived: None, activity: Activity::Silent }
    }

    pub(super) fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    fn limits(&self) -> &Limits {
        &self.service.limits
    }

    /// Takes in what has arrived, for whoever goes on with it; unless somebody did so already, and had to hand it over.
    pub(super) fn receive(&mut self) {
        if self.arrived.is_some() {
            return;
        }
        // Errors here are the client's leaving, or its breaking off: nobody is left to be told.
        let arrived = self.read().unwrap_or(Arrived::End);
        // From here on it is not asked to make room.
        let is_here = !matches!(arrived, Arrived::Bytes) || self.turn(Activity::Working);
        self.arrived = Some(if is_here { arrived } else { Arrived::End });
    }

    /// Goes on with what was received, until nothing is left to do.
    pub(super) fn resume(&mut self) -> Next {
        match self.arrived.take() {
            Some(Arrived::Bytes) => self.answer().unwrap_or(Next::Over),
            Some(Arrived::Nothing) | None => Next::Idle,
            Some(Arrived::End) => Next::Over,
        }
    }

    fn answer(&mut self) -> io::Result<Next> {
        let mut began: Option<(Missing, Instant)> = None;
        let mut steps = 0_u32;
        loop {
            steps = steps.saturating_add(1);
            if steps == MAX_STEPS {
                blocking::announce(); // it goes on, but others must not have to wait for it
            }
            let next = match self.parser.step() {
                Step::Request(head) => {
                    began = None;
                    self.answer_one(head)?
                }
                Step::Refuse(refusal) => Some(self.refuse(refusal)?),
                Step::Read(missing @ Missing::Request) => {
                    let is_here = self.turn(activity_of(missing));
                    Some(if is_here { Next::Idle } else { Next::Over })
                }
                Step::Read(missing) => {
                    let deadline = self.deadline(missing, &mut began);
                    self.await_more(missing, deadline)?
                }
            };
            if let Some(next) = next {
                return Ok(next);
            }
        }
    }

    /// `None` where the connection goes on.
    fn answer_one(&mut self, head: Head) -> io::Result<Option<Next>> {
        if !self.turn(Activity::Working) {
            return Ok(Some(Next::Over));
        }
        let request = head.request.from_peer(self.client);
        let response = server::guarded(&request, &self.service.handler);
        let is_stopping = self.service.stopping.load(Ordering::Acquire);
        let persistence = match (head.keeps_alive && !is_stopping, head.is_http_1_0) {
            (false, _) => Persistence::Closes,
            (true, true) => Persistence::StaysAsAsked,
            (true, false) => Persistence::Stays,
        };
        self.write(&response, request.method == "HEAD", persistence)?;
        if persistence == Persistence::Closes {
            return self.linger().map(Some);
        }
        self.parser.shrink();
        Ok(None)
    }

    /// `None` where more has arrived.
    fn await_more(&mut self, missing: Missing, deadline: Instant) -> io::Result<Option<Next>> {
        if !self.turn(activity_of(missing)) {
            return Ok(Some(Next::Over));
        }
        // After the turn: whoever is told to go on is not asked to make room at once.
        if let Missing::Body { expects_continue: true } = missing {
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n", deadline)?;
        }
        loop {
            match self.read()? {
                Arrived::Bytes => return Ok(None),
                Arrived::End => return Ok(Some(Next::Over)),
                Arrived::Nothing if self.wait(deadline, os::wait_to_read)? => {}
                Arrived::Nothing => return self.refuse(TOO_SLOW).map(Some),
            }
        }
    }

    /// Until when the missing bytes of a request must be here. It counts from the first byte of a head, and anew from the
    /// first wait for a body; more bytes of the same don't move it.
    fn deadline(&self, missing: Missing, began: &mut Option<(Missing, Instant)>) -> Instant {
        let now = clock::monotonic();
        let allowed = self.limits().request_timeout;
        let kind = core::mem::discriminant(&missing);
        match began {
            Some((earlier, at)) if core::mem::discriminant(earlier) == kind => *at + allowed,
            _ => {
                *began = Some((missing, now));
                now + allowed
            }
        }
    }

    /// One look, into the parser. Whoever sent what arrives may know of changes later than all that was read before.
    fn read(&mut self) -> io::Result<Arrived> {
        snapshot::let_go();
        let mut bytes = [0; READ_BYTES];
        Ok(match self.look(&mut bytes)? {
            None => Arrived::Nothing,
            Some(0) => Arrived::End,
            Some(count) => {
                self.parser.feed(bytes.get(..count).unwrap_or_default());
                Arrived::Bytes
            }
        })
    }

    /// How many bytes are here, 0 at the end; `None` while it is neither.
    fn look(&self, bytes: &mut [u8]) -> io::Result<Option<usize>> {
        match (&self.entry.stream).read(bytes) {
            Ok(count) => Ok(Some(count)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits for the client, having said so; false when the deadline has come, or nobody else could serve meanwhile.
    fn wait(&self, deadline: Instant, until: fn(&Stream, Duration) -> io::Result<()>) -> io::Result<bool> {
        let left = deadline.saturating_duration_since(clock::monotonic());
        // The last thread there is waits for no client.
        if left.is_zero() || !blocking::announce() {
            return Ok(false);
        }
        until(&self.entry.stream, left)?;
        Ok(true)
    }

    fn write(&self, response: &Response, is_head: bool, persistence: Persistence) -> io::Result<()> {
        let now = clock::now();
        let bytes = response.encode(is_head, now.unix, persistence);
        self.send(&bytes, now.monotonic + self.limits().request_timeout)
    }

    /// One write for a client that reads, all of it under one deadline.
    fn send(&self, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
        while !bytes.is_empty() {
            match (&self.entry.stream).write(bytes) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !self.wait(deadline, os::wait_to_write)? {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says why, and closes.
    fn refuse(&mut self, refusal: Refusal) -> io::Result<Next> {
        if !self.turn(Activity::Working) {
            return Ok(Next::Over);
        }
        let mut response = Response::error(refusal.code, refusal.message);
        (self.service.watch)(Seen::Refused(self.client, &mut response));
        self.write(&response, false, Persistence::Closes)?;
        self.linger()
    }

    /// Closes so that the answer arrives: while there is unread input, closing sends a reset, and that takes the
    /// answer along (RFC 9112 section 9.6).
    fn linger(&self) -> io::Result<Next> {
        self.entry.stream.shutdown(net::Shutdown::Write)?;
        let deadline = clock::monotonic() + LINGER;
        let (mut bytes, mut total) = ([0; READ_BYTES], 0);
        while total < LINGER_BYTES {
            match self.look(&mut bytes)? {
                Some(0) => break,
                Some(count) => total += count,
                None if self.wait(deadline, os::wait_to_read)? => {}
                None => break,
            }
        }
        Ok(Next::Over)
    }

    /// Notes what the connection does now; false if it was told to go.
    fn turn(&mut self, to: Activity) -> bool {
        if self.activity == to {
            return true;
        }
        let now = self.registry.millis(clock::monotonic());
        let turned = self.entry.turn(self.activity, to, now);
        self.activity = to;
        turned
    }
}

const TOO_SLOW: Refusal =
    Refusal { code: ErrorCode::RequestTimeout, message: "The request did not arrive in time." };

/// What a connection does of which these bytes are missing.
fn activity_of(missing: Missing) -> Activity {
    match missing {
        Missing::Request => Activity::Idle,
        Missing::Head => Activity::PartialHead,
        Missing::Body { .. } => Activity::PartialBody,
    }
}
