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

use super::connection::{Connection, Step};
use super::head::Head;
use super::inbox::{Inbox, Message};
use super::limits::{BATCH, READ_BYTES, SCAN_EVERY};
use super::slab::Slab;
use super::worker_pool::{Job, WorkerPool};
use super::{Context, Event};
use crate::clock;
use crate::http::{ErrorCode, Response};
use crate::os::{Poller, Readiness};
use crate::server;
use crate::server::heartbeats::{Heartbeat, Heartbeats};
use crate::store::{ReadSession, Reader, Reads};
use crate::wait::WouldBlock;
use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::panic::{self, AssertUnwindSafe};
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

/// A request that waits to be answered, with its connection.
struct Pending {
    key: u64,
    connection: Box<Connection>,
    head: Head,
    answer: Result<Response, WouldBlock>,
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
        if has_messages && !self.take_inbox() {
            return false;
        }
        let pending = self.receive(now);
        let pending = self.dispatch(pending);
        for answered in pending {
            self.finish(answered, now);
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

    /// False where the engine ends.
    fn take_inbox(&mut self) -> bool {
        for message in self.inbox.take() {
            match message {
                Message::Admitted(connection) | Message::Returned(connection) => self.insert(connection),
                Message::Close => return false,
            }
        }
        true
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
    fn receive(&mut self, now: Instant) -> Vec<Pending> {
        let mut pending = Vec::new();
        for _ in 0..self.queue.len().min(BATCH) {
            let Some(key) = self.queue.pop_front() else { break };
            let Some(mut connection) = self.connections.take(key) else { continue };
            connection.is_queued = false;
            let scratch = &mut self.scratch;
            match guarded(|| connection.advance(scratch, now)) {
                Step::Dispatch(head) => {
                    pending.push(Pending { key, connection, head, answer: Err(WouldBlock) });
                }
                step => self.settle(key, connection, &step),
            }
        }
        pending
    }

    /// Answers what can be answered without blocking, from one session for each listener.
    fn dispatch(&mut self, mut pending: Vec<Pending>) -> Vec<Pending> {
        for (endpoint, reader) in self.readers.iter_mut().enumerate() {
            let session = reader.as_mut().map_or_else(ReadSession::none, Reader::session);
            let session = &session;
            for one in pending.iter_mut().filter(|one| one.connection.endpoint() == endpoint) {
                let service = one.connection.service();
                one.answer = server::guarded(|| service.answer(&one.head.request, Reads::Batch(session)));
            }
        }
        pending
    }

    /// Writes the response, or has a worker thread make it.
    fn finish(&mut self, Pending { key, mut connection, head, answer }: Pending, now: Instant) {
        match answer {
            Ok(response) => {
                connection.respond(&head, &response, now);
                let step = connection.write(now);
                self.settle(key, connection, &step);
            }
            Err(WouldBlock) => self.hand_over(key, connection, head, now),
        }
    }

    fn hand_over(&mut self, key: u64, mut connection: Box<Connection>, head: Head, now: Instant) {
        let _ = self.poller.remove(&connection.entry().stream);
        drop(self.connections.remove(key));
        connection.deregistered();
        let Err(job) = self.pool.submit(Job::new(connection, head)) else { return };
        let Job { mut connection, head, .. } = *job;
        let mut response = Response::error(ErrorCode::Busy, "All workers are taken; try again in a moment.")
            .with_header("Retry-After", "1");
        connection.service().observe(Event::Refused(head.request.peer, &mut response));
        connection.respond(&head, &response, now);
        if !matches!(connection.write(now), Step::Close) {
            self.insert(connection);
        }
    }

    /// Puts a connection back, for what it waits for; or drops it.
    fn settle(&mut self, key: u64, mut connection: Box<Connection>, step: &Step) {
        match step {
            Step::Close | Step::Dispatch(_) => {
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
                let step = guarded(|| connection.expire(now));
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

/// A panic ends one connection, and no other.
fn guarded(advance: impl FnOnce() -> Step) -> Step {
    panic::catch_unwind(AssertUnwindSafe(advance)).unwrap_or(Step::Close)
}
