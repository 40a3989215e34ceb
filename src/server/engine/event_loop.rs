//! Event loop: a thread that receives, dispatches and responds for many connections, and never blocks.
//!
//! One iteration:
//!
//! ```text
//!   wait for readiness -> take the inbox -> receive and parse, up to 16 connections
//!        ^                                       |
//!        |                                       v
//!   send the responses <- end it <- dispatch at most one request each <- open a read session
//! ```
//!
//! **While the session is open, no byte is received and the inbox is not read.** So every request is answered
//! from a snapshot of the database that is newer than its arrival. A pipelined request is answered in a later
//! session than the one before it.
//!
//! The worker pool takes a request that would block, together with its connection. The connection returns
//! through the inbox.

use super::connection::{Connection, Step};
use super::context::{Context, PAUSE};
use super::inbox::Inbox;
use super::limits::{BATCH, FAR, READ_BYTES, SCAN_EVERY};
use super::worker_pool::{Job, WorkerPool};
use crate::clock;
use crate::os::{Poller, Readiness};
use crate::server::catch_panic;
use crate::server::heartbeats::{Heartbeat, Heartbeats};
use crate::store::{ReadSession, Reader, Reads};
use core::time::Duration;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;
use std::{io, thread};

/// The poller's key of the inbox. Connections are numbered.
const INBOX: u64 = u64::MAX;
/// Extension of the deadline of a queued connection: what it received in time is handled first.
const QUEUED_GRACE: Duration = Duration::from_secs(1);

/// The state of an event loop. Only the inbox and the worker pool are shared.
pub(super) struct EventLoop {
    poller: Poller,
    inbox: Arc<Inbox<Connection>>,
    pool: Arc<WorkerPool>,
    /// Without the connections of this batch.
    connections: HashMap<u64, Box<Connection>>,
    next_key: u64,
    /// The keys of connections that are ready to advance.
    queue: VecDeque<u64>,
    /// The database connection of each listener's service; `None` if it reads nothing on event loops.
    readers: Vec<Option<Reader>>,
    scratch: Vec<u8>,
    heartbeat: Heartbeat,
    next_scan: Instant,
}

/// A connection whose request is dispatched in this iteration, and its next step.
struct Dispatched {
    key: u64,
    connection: Box<Connection>,
    step: Step,
}

impl EventLoop {
    /// # Errors
    /// The system has no descriptor left.
    pub(super) fn new(
        inbox: Arc<Inbox<Connection>>,
        pool: Arc<WorkerPool>,
        contexts: &[Arc<Context>],
        heartbeat: Heartbeat,
    ) -> io::Result<Self> {
        let poller = Poller::new()?;
        poller.add(inbox.waker(), INBOX)?;
        let readers = contexts.iter().map(|context| context.service.reader()).collect();
        Ok(Self {
            poller,
            inbox,
            pool,
            connections: HashMap::new(),
            next_key: 0,
            queue: VecDeque::new(),
            readers,
            scratch: vec![0; READ_BYTES],
            heartbeat,
            next_scan: clock::monotonic(),
        })
    }

    pub(super) fn run(mut self) {
        while self.iterate() {}
    }

    fn iterate(&mut self) -> bool {
        let is_inbox_ready = self.wait();
        let now = clock::monotonic();
        self.heartbeat.beat(now);
        if is_inbox_ready {
            let Some(connections) = self.inbox.take() else { return false };
            for connection in connections {
                self.insert(connection);
            }
        }
        let mut batch = self.receive(now);
        self.dispatch(&mut batch);
        for dispatched in batch {
            self.finish(dispatched, now);
        }
        if now >= self.next_scan {
            self.expire(now);
        }
        true
    }

    /// Waits for readiness, and queues the connections that are ready; true if the inbox is.
    fn wait(&mut self) -> bool {
        let at_most = if self.queue.is_empty() {
            let until_scan = self.next_scan.saturating_duration_since(clock::monotonic());
            if self.connections.is_empty() { Heartbeats::EVERY } else { until_scan.min(Heartbeats::EVERY) }
        } else {
            Duration::ZERO
        };
        let Self { poller, connections, queue, .. } = self;
        let mut is_inbox_ready = false;
        let waited = poller.wait(Some(at_most), |Readiness { key, is_readable, is_hung_up, .. }| {
            is_inbox_ready |= key == INBOX;
            if let Some(connection) = connections.get_mut(&key) {
                connection.ready(is_readable, is_hung_up);
                enqueue(queue, key, connection);
            }
        });
        if waited.is_err() {
            thread::sleep(PAUSE);
        }
        is_inbox_ready
    }

    /// Takes ownership of a connection.
    fn insert(&mut self, mut connection: Box<Connection>) {
        let key = self.next_key;
        self.next_key += 1;
        // The poller also reports what arrived before.
        if self.poller.add(&connection.entry().stream, key).is_err() {
            return; // out of memory
        }
        self.next_scan = self.next_scan.min(connection.deadline);
        enqueue(&mut self.queue, key, &mut connection);
        self.connections.insert(key, connection);
    }

    /// Receives and parses for a batch of the queued connections; returns those with a request.
    fn receive(&mut self, now: Instant) -> Vec<Dispatched> {
        let mut batch = Vec::new();
        for _ in 0..self.queue.len().min(BATCH) {
            let Some(key) = self.queue.pop_front() else { break };
            let Some(mut connection) = self.connections.remove(&key) else { continue };
            connection.is_queued = false;
            let scratch = &mut self.scratch;
            match connection.step(|connection| connection.advance(scratch, now)) {
                step @ Step::Dispatch => batch.push(Dispatched { key, connection, step }),
                step => self.settle(key, connection, &step),
            }
        }
        batch
    }

    /// Answers the requests that don't block, with one read session per listener.
    fn dispatch(&mut self, batch: &mut [Dispatched]) {
        for (endpoint, reader) in self.readers.iter_mut().enumerate() {
            // If the session itself panics, the remaining requests stay `Step::Dispatch`: a 500.
            let _ = catch_panic(|| {
                let session = reader.as_mut().map_or_else(ReadSession::none, Reader::session);
                for one in batch.iter_mut().filter(|one| one.connection.endpoint() == endpoint) {
                    one.step = one.connection.step(|connection| connection.answer(Reads::Batch(&session)));
                }
            });
        }
    }

    /// Sends the response, or hands the request to the worker pool.
    fn finish(&mut self, Dispatched { key, mut connection, step }: Dispatched, now: Instant) {
        match step {
            Step::Block { may_hash } => self.hand_over(Job { connection, may_hash }, now),
            Step::Write => {
                let step = connection.step(|connection| connection.write(now));
                self.settle(key, connection, &step);
            }
            Step::Dispatch => {
                let step = connection.step(Connection::fail);
                self.settle(key, connection, &step);
            }
            step => self.settle(key, connection, &step),
        }
    }

    fn hand_over(&mut self, mut job: Job, now: Instant) {
        let _ = self.poller.remove(&job.connection.entry().stream);
        job.connection.deregistered();
        let Err(Job { mut connection, .. }) = self.pool.submit(job) else { return };
        if !matches!(connection.step(|connection| connection.reject_as_busy(now)), Step::Close) {
            self.insert(connection);
        }
    }

    /// Puts a connection back until its next event, or drops it.
    fn settle(&mut self, key: u64, mut connection: Box<Connection>, step: &Step) {
        match step {
            Step::Close | Step::Dispatch | Step::Block { .. } | Step::Write => return,
            Step::Again => enqueue(&mut self.queue, key, &mut connection),
            Step::WaitToWrite if !connection.watches_writes => {
                if self.poller.watch_writes(&connection.entry().stream, key).is_err() {
                    return;
                }
                connection.watches_writes = true;
            }
            Step::WaitToWrite | Step::Wait => {}
        }
        self.next_scan = self.next_scan.min(connection.deadline);
        self.connections.insert(key, connection);
    }

    /// Expires connections whose deadline has passed.
    fn expire(&mut self, now: Instant) {
        let mut next = now + FAR;
        self.next_scan = next;
        for key in self.connections.keys().copied().collect::<Vec<_>>() {
            let Some(connection) = self.connections.get_mut(&key) else { continue };
            if connection.deadline > now {
                next = next.min(connection.deadline);
            } else if connection.is_queued && now < connection.deadline + QUEUED_GRACE {
                next = now;
            } else if let Some(mut connection) = self.connections.remove(&key) {
                let step = connection.step(|connection| connection.expire(now));
                self.settle(key, connection, &step);
            }
        }
        self.next_scan = self.next_scan.min(next).max(now + SCAN_EVERY);
    }
}

fn enqueue(queue: &mut VecDeque<u64>, key: u64, connection: &mut Connection) {
    if !connection.is_queued {
        connection.is_queued = true;
        queue.push_back(key);
    }
}

#[cfg(test)]
#[path = "tests/event_loop.rs"]
mod tests;
