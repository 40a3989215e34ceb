//! An event loop: one thread that receives, dispatches and writes for many connections, and never blocks.
//!
//! One iteration:
//!
//! ```text
//!   wait for readiness -> take the inbox -> receive and parse, up to 16 connections
//!        ^                                       |
//!        |                                       v
//!   write the responses <- end it <- dispatch at most one request each <- open a read session
//! ```
//!
//! **No byte is received and no connection is taken in while the session is open.** So every request is answered from a state
//! of the database that is newer than its arrival, and of pipelined requests each is answered after the response to the one
//! before was sent, in a later session.
//!
//! A request that would block is handed, with its connection, to the worker pool; the connection comes back by the inbox.

use super::Context;
use super::connection::{Connection, Step};
use super::inbox::Inbox;
use super::limits::{BATCH, READ_BYTES, SCAN_EVERY};
use super::slab::Slab;
use super::worker_pool::{Job, WorkerPool};
use crate::clock;
use crate::os::{Poller, Readiness};
use crate::server::catch_panic;
use crate::server::heartbeats::{Heartbeat, Heartbeats};
use crate::store::{ReadSession, Reader, Reads};
use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

/// The poller's key of the inbox: no connection's, since those have an index in their lower half.
const INBOX: u64 = u64::MAX;
/// After an error of waiting that may pass (no memory).
const PAUSE: Duration = Duration::from_millis(50);
/// A connection that is queued at its deadline gets so much longer, until the loop comes to it.
const QUEUED_GRACE: Duration = Duration::from_secs(1);
/// The next scan where there is no deadline at all.
const FAR: Duration = Duration::from_secs(3_600);

/// The loop's own state: nothing in it is shared but the inbox.
pub(super) struct EventLoop {
    poller: Poller,
    inbox: Arc<Inbox<Connection>>,
    pool: Arc<WorkerPool>,
    connections: Slab<Box<Connection>>,
    /// The keys of connections that can be advanced.
    queue: VecDeque<u64>,
    /// One for each listener; `None` where its service reads nothing on event loops.
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
    /// The system has no descriptor for it.
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
            connections: Slab::default(),
            queue: VecDeque::new(),
            readers,
            scratch: vec![0; READ_BYTES],
            heartbeat,
            next_scan: clock::monotonic(),
        })
    }

    /// Runs until the inbox says that the engine ends.
    pub(super) fn run(mut self) {
        while self.iterate() {}
    }

    fn iterate(&mut self) -> bool {
        let has_messages = self.wait();
        let now = clock::monotonic();
        self.heartbeat.beat(now);
        if has_messages {
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

    /// Waits for readiness, and queues the connections that have it. Whether there are messages.
    fn wait(&mut self) -> bool {
        let at_most = if self.queue.is_empty() {
            let until_scan = self.next_scan.saturating_duration_since(clock::monotonic());
            if self.connections.is_empty() { Heartbeats::EVERY } else { until_scan.min(Heartbeats::EVERY) }
        } else {
            Duration::ZERO
        };
        let Self { poller, connections, queue, .. } = self;
        let mut has_messages = false;
        let waited = poller.wait(Some(at_most), |Readiness { key, is_readable, is_hung_up, .. }| {
            has_messages |= key == INBOX;
            // A connection that has gone meanwhile has another key than one that came into its place.
            if let Some(connection) = connections.get_mut(key) {
                connection.ready(is_readable, is_hung_up);
                enqueue(queue, key, connection);
            }
        });
        if waited.is_err() {
            thread::sleep(PAUSE);
        }
        has_messages
    }

    /// A connection is the loop's from now on.
    fn insert(&mut self, connection: Box<Connection>) {
        let key = self.connections.insert(connection);
        let Some(connection) = self.connections.get_mut(key) else { return };
        // What has arrived already is reported, since it is news to the poller.
        if self.poller.add(&connection.entry().stream, key).is_err() {
            drop(self.connections.remove(key)); // the system has no memory to watch it
            return;
        }
        self.next_scan = self.next_scan.min(connection.deadline);
        enqueue(&mut self.queue, key, connection);
    }

    /// Receives and parses, from a batch of the connections that are ready.
    fn receive(&mut self, now: Instant) -> Vec<Dispatched> {
        let mut batch = Vec::new();
        for _ in 0..self.queue.len().min(BATCH) {
            let Some(key) = self.queue.pop_front() else { break };
            let Some(mut connection) = self.connections.take(key) else { continue };
            connection.is_queued = false;
            let scratch = &mut self.scratch;
            match connection.step(|connection| connection.advance(scratch, now)) {
                step @ Step::Dispatch => batch.push(Dispatched { key, connection, step }),
                step => self.settle(key, connection, &step),
            }
        }
        batch
    }

    /// Answers what can be answered without blocking, from one session for each listener.
    fn dispatch(&mut self, batch: &mut [Dispatched]) {
        for (endpoint, reader) in self.readers.iter_mut().enumerate() {
            // After a panic of the session itself, the requests that are left are failed one by one.
            let _ = catch_panic(|| {
                let session = reader.as_mut().map_or_else(ReadSession::none, Reader::session);
                for one in batch.iter_mut().filter(|one| one.connection.endpoint() == endpoint) {
                    one.step = one.connection.step(|connection| connection.answer(Reads::Batch(&session)));
                }
            });
        }
    }

    /// Writes the response, or has a worker thread make it.
    fn finish(&mut self, Dispatched { key, mut connection, step }: Dispatched, now: Instant) {
        match step {
            Step::Block { may_hash } => self.hand_over(key, Job { connection, may_hash }, now),
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

    fn hand_over(&mut self, key: u64, mut job: Job, now: Instant) {
        let _ = self.poller.remove(&job.connection.entry().stream);
        drop(self.connections.remove(key));
        job.connection.deregistered();
        let Err(Job { mut connection, .. }) = self.pool.submit(job) else { return };
        if !matches!(connection.step(|connection| connection.reject_as_busy(now)), Step::Close) {
            self.insert(connection);
        }
    }

    /// Puts a connection back, for what it waits for; or drops it.
    fn settle(&mut self, key: u64, mut connection: Box<Connection>, step: &Step) {
        match step {
            Step::Close | Step::Dispatch | Step::Block { .. } | Step::Write => {
                drop(self.connections.remove(key));
                return;
            }
            Step::Again => enqueue(&mut self.queue, key, &mut connection),
            Step::WaitToWrite if !connection.watches_writes => {
                if self.poller.watch_writes(&connection.entry().stream, key).is_err() {
                    drop(self.connections.remove(key));
                    return;
                }
                connection.watches_writes = true;
            }
            Step::WaitToWrite | Step::Wait => {}
        }
        self.next_scan = self.next_scan.min(connection.deadline);
        self.connections.put_back(key, connection);
    }

    /// Ends what has waited until its deadline.
    fn expire(&mut self, now: Instant) {
        let mut next = now + FAR;
        self.next_scan = next;
        for key in self.connections.keys() {
            let Some(connection) = self.connections.get_mut(key) else { continue };
            if connection.deadline > now {
                next = next.min(connection.deadline);
            } else if connection.is_queued && now < connection.deadline + QUEUED_GRACE {
                next = now; // what has arrived in time is received first
            } else if let Some(mut connection) = self.connections.take(key) {
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
