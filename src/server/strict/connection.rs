//! One connection, from its first byte to its close, in a thread of its own.
//!
//! Every wait is under a deadline, and deadlines are absolute: a client that sends a byte now and then gains
//! nothing by it. A request that arrives in one piece costs one read and one write; the sockets' timeouts are set
//! anew only where a client is slow.

use super::limits::{LINGER, LINGER_BYTES, Limits, READ_BYTES};
use super::parser::{Missing, Parser, Step};
use super::registry::{Activity, Entry, Registry};
use super::{Refusal, Seen, Service};
use crate::client::Client;
use crate::clock;
use crate::http::{ErrorCode, Persistence, Response};
use crate::server;
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::time::Instant;

/// Serves one connection until it ends.
pub(super) fn serve(service: &Service, registry: &Registry, entry: &Entry, client: Client) {
    let limits = service.limits;
    let mut connection = Connection {
        service,
        registry,
        entry,
        client,
        parser: Parser::new(limits),
        activity: Activity::Silent,
        read_timeout: None,
    };
    // Errors here are the client's leaving, or its breaking off: nobody is left to be told.
    let _ = connection.run();
}

struct Connection<'a> {
    service: &'a Service,
    registry: &'a Registry,
    entry: &'a Entry,
    client: Client,
    parser: Parser,
    activity: Activity,
    /// What the socket's timeout was last set to.
    read_timeout: Option<Duration>,
}

/// Why nothing more was read.
enum End {
    /// The client closed its side, or we were told to make room.
    Closed,
    /// The deadline has come.
    TimedOut,
}

impl Connection<'_> {
    fn limits(&self) -> &Limits {
        &self.service.limits
    }

    fn idle_timeout(&self) -> Duration {
        if self.entry.is_trusted_proxy {
            self.limits().proxy_idle_timeout
        } else {
            self.limits().idle_timeout
        }
    }

    fn run(&mut self) -> io::Result<()> {
        self.entry.stream.set_nodelay()?;
        self.entry.stream.set_write_timeout(self.limits().request_timeout)?;
        let mut began: Option<(Missing, Instant)> = None;
        loop {
            match self.parser.step() {
                Step::Request(head) => {
                    began = None;
                    if !self.turn(Activity::Working) {
                        return Ok(());
                    }
                    let request = head.request.from_client(self.client);
                    let response = server::guarded(&request, &self.service.handler);
                    let is_stopping = self.service.stopping.load(Ordering::Acquire);
                    let persistence = match (head.keeps_alive && !is_stopping, head.is_http_1_0) {
                        (false, _) => Persistence::Closes,
                        (true, true) => Persistence::StaysAsAsked,
                        (true, false) => Persistence::Stays,
                    };
                    self.write(&response, request.method == "HEAD", persistence)?;
                    if persistence == Persistence::Closes {
                        return self.linger();
                    }
                    self.parser.rest();
                }
                Step::Refuse(refusal) => return self.refuse(refusal),
                Step::Read(missing) => {
                    let deadline = self.deadline(missing, &mut began);
                    if !self.turn(activity_of(missing, self.activity)) {
                        return Ok(());
                    }
                    // After the turn: whoever is told to go on is not asked to make room at once.
                    if let Missing::Body { expects_continue: true } = missing {
                        (&self.entry.stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
                    }
                    match self.read(deadline, missing)? {
                        Ok(()) => {}
                        Err(End::Closed) => return Ok(()),
                        Err(End::TimedOut) if missing == Missing::Request => return Ok(()), // idle: closed silently
                        Err(End::TimedOut) => return self.refuse(TOO_SLOW),
                    }
                }
            }
        }
    }

    /// Until when the missing bytes must be here. It counts from the first byte of a head, and anew from the
    /// first wait for a body; more bytes of the same don't move it.
    fn deadline(&self, missing: Missing, began: &mut Option<(Missing, Instant)>) -> Instant {
        let now = clock::now().monotonic;
        let allowed = match missing {
            Missing::Request => self.idle_timeout(),
            Missing::Head | Missing::Body { .. } => self.limits().request_timeout,
        };
        let kind = core::mem::discriminant(&missing);
        match began {
            Some((earlier, at)) if core::mem::discriminant(earlier) == kind => *at + allowed,
            _ => {
                *began = Some((missing, now));
                now + allowed
            }
        }
    }

    /// One read, into the parser.
    fn read(&mut self, deadline: Instant, missing: Missing) -> io::Result<Result<(), End>> {
        let mut bytes = [0; READ_BYTES];
        loop {
            let left = deadline.saturating_duration_since(clock::now().monotonic);
            if left.is_zero() {
                return Ok(Err(End::TimedOut));
            }
            // An idle wait always takes as long, so its timeout is set once and not at each request.
            let timeout = if missing == Missing::Request { self.idle_timeout() } else { left };
            if self.read_timeout != Some(timeout) {
                self.entry.stream.set_read_timeout(timeout)?;
                self.read_timeout = Some(timeout);
            }
            match (&self.entry.stream).read(&mut bytes) {
                Ok(0) => return Ok(Err(End::Closed)),
                Ok(count) => {
                    self.parser.feed(bytes.get(..count).unwrap_or_default());
                    return Ok(Ok(()));
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    // A timeout may come a little before its time; the deadline decides.
                    if missing == Missing::Request {
                        return Ok(Err(End::TimedOut));
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// One write, all of it, under one deadline.
    fn write(&self, response: &Response, is_head: bool, persistence: Persistence) -> io::Result<()> {
        let now = clock::now();
        let bytes = response.encode(is_head, now.unix, persistence);
        let deadline = now.monotonic + self.limits().request_timeout;
        let mut left = bytes.as_slice();
        let mut is_slow = false;
        while !left.is_empty() {
            match (&self.entry.stream).write(left) {
                Ok(count) => left = left.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if !left.is_empty() {
                let time_left = deadline.saturating_duration_since(clock::now().monotonic);
                if time_left.is_zero() {
                    return Err(ErrorKind::TimedOut.into());
                }
                self.entry.stream.set_write_timeout(time_left)?;
                is_slow = true;
            }
        }
        if is_slow {
            self.entry.stream.set_write_timeout(self.limits().request_timeout)?;
        }
        Ok(())
    }

    /// Says why, and closes.
    fn refuse(&mut self, refusal: Refusal) -> io::Result<()> {
        if !self.turn(Activity::Working) {
            return Ok(());
        }
        let mut response = Response::error(refusal.code, refusal.message);
        (self.service.watch)(Seen::Refused(self.client, &mut response));
        self.write(&response, false, Persistence::Closes)?;
        self.linger()
    }

    /// Closes so that the answer arrives: while there is unread input, closing sends a reset, and that takes the
    /// answer along (RFC 9112 section 9.6).
    fn linger(&mut self) -> io::Result<()> {
        self.entry.stream.shutdown(Shutdown::Write)?;
        let deadline = clock::now().monotonic + LINGER;
        let (mut bytes, mut total) = ([0; READ_BYTES], 0);
        while total < LINGER_BYTES {
            let left = deadline.saturating_duration_since(clock::now().monotonic);
            if left.is_zero() {
                break;
            }
            self.entry.stream.set_read_timeout(left)?;
            match (&self.entry.stream).read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => total += count,
                // A read under a timeout is not taken up again by itself when the process was halted meanwhile.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Notes what this thread does now; false if it was told to make room.
    fn turn(&mut self, to: Activity) -> bool {
        if self.activity == to {
            return true;
        }
        let now = self.registry.millis(clock::now().monotonic);
        let turned = self.entry.turn(self.activity, to, now);
        self.activity = to;
        turned
    }
}

const TOO_SLOW: Refusal =
    Refusal { code: ErrorCode::RequestTimeout, message: "The request did not arrive in time." };

/// What a thread does that waits for these bytes.
fn activity_of(missing: Missing, before: Activity) -> Activity {
    match missing {
        Missing::Request if before == Activity::Silent => Activity::Silent,
        Missing::Request => Activity::Idle,
        Missing::Head => Activity::PartialHead,
        Missing::Body { .. } => Activity::PartialBody,
    }
}
