//! Acceptor: one thread that accepts connections from all listeners, and hands each to the event loop with
//! the fewest connections.

use super::connection::Connection;
use super::context::{Context, PAUSE};
use super::inbox::Inbox;
use super::limits::{LINGER, MAX_BACKLOG, MAX_REJECTED, READ_BYTES, RECEIVE_BUFFER_BYTES};
use super::service::Event;
use super::stream::{Listener, Stream};
use crate::client::Client;
use crate::clock;
use crate::http::{ErrorCode, KeepAlive, Response};
use crate::os::{self, Waker};
use crate::server::heartbeats::{Heartbeat, Heartbeats};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Between two reports that connections can't be accepted.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

pub(super) struct Acceptor<'a> {
    pub(super) listeners: Vec<(Listener, Arc<Context>)>,
    pub(super) inboxes: &'a [Arc<Inbox<Connection>>],
    pub(super) heartbeat: Heartbeat,
}

impl Acceptor<'_> {
    /// Accepts until it is woken, and then the connections in the backlog: for their clients, they are
    /// established.
    ///
    /// It waits by poll(2), which is level-triggered. While a new process takes over a shared socket from an
    /// old one, both are woken for a connection, and one of them finds it accepted.
    pub(super) fn run(&self, wake: &Waker) {
        let listeners = self.listeners.iter().map(|(listener, _)| listener.as_fd());
        let descriptors: Vec<_> = [wake.as_fd()].into_iter().chain(listeners).collect();
        let mut rejected = Rejected::default();
        loop {
            let ready = os::wait_to_read(&descriptors, Some(Heartbeats::EVERY));
            let now = clock::monotonic();
            self.heartbeat.beat(now);
            rejected.close_until(now);
            let Ok(ready) = ready else {
                thread::sleep(PAUSE); // out of memory
                continue;
            };
            if ready.first() == Some(&0) {
                for (listener, context) in &self.listeners {
                    let mut backlog = 0..MAX_BACKLOG;
                    while backlog.next().is_some() && self.accept(listener, context, &mut rejected) {}
                }
                return;
            }
            for (listener, context) in ready.iter().filter_map(|position| self.listeners.get(position - 1)) {
                self.accept(listener, context, &mut rejected);
            }
        }
    }

    /// Accepts one connection; false if there is none.
    fn accept(&self, listener: &Listener, context: &Arc<Context>, rejected: &mut Rejected) -> bool {
        match listener.accept() {
            Ok((stream, client)) => {
                self.admit(stream, client, context, rejected);
                true
            }
            // The client is gone.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {
                true
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            // Out of descriptors or memory, until a connection ends.
            Err(error) => {
                let now = clock::monotonic();
                if rejected.reported_at.is_none_or(|at| now.saturating_duration_since(at) >= REPORT_INTERVAL)
                {
                    context.observe(Event::AcceptFailed(&error));
                    rejected.reported_at = Some(now);
                }
                rejected.connections.clear();
                thread::sleep(PAUSE);
                false
            }
        }
    }

    fn admit(&self, stream: Stream, client: Client, context: &Arc<Context>, rejected: &mut Rejected) {
        let now = clock::monotonic();
        let entry = match context.registry.admit(stream, client, now) {
            Ok(entry) => entry,
            Err(stream) => return rejected.add(context, stream, client, now),
        };
        let Some(inbox) = self.inboxes.iter().min_by_key(|inbox| inbox.connections()) else { return };
        let connection = Connection::new(context.clone(), entry, inbox.clone(), client, now);
        inbox.send(Box::new(connection));
    }
}

/// Rejected connections, oldest first. Each stays open for [`LINGER`], so that its request arrives before it
/// is closed: closing over unread input, or before it arrives, sends a reset, which can destroy the response.
#[derive(Default)]
struct Rejected {
    connections: VecDeque<(Instant, Stream)>,
    reported_at: Option<Instant>,
}

impl Rejected {
    /// Responds 503: at the limit, and no connection can be evicted.
    fn add(&mut self, context: &Context, stream: Stream, client: Client, now: Instant) {
        let mut response =
            Response::error(ErrorCode::Busy, "All connections are taken; try again in a moment.")
                .with_header("Retry-After", "1");
        context.observe(Event::Refused(client, &mut response));
        let bytes = response.encode(false, clock::unix(), KeepAlive::Close);
        // A small write into an empty buffer. If it fails, the client only sees the close.
        let _ = (&stream).write_all(&bytes);
        let _ = stream.shutdown(Shutdown::Write);
        if self.connections.len() == MAX_REJECTED {
            self.close_oldest();
        }
        self.connections.push_back((now + LINGER, stream));
    }

    fn close_until(&mut self, now: Instant) {
        while self.connections.front().is_some_and(|(deadline, _)| *deadline <= now) {
            self.close_oldest();
        }
    }

    fn close_oldest(&mut self) {
        let Some((_, stream)) = self.connections.pop_front() else { return };
        let mut bytes = [0; READ_BYTES];
        // The kernel doubles the size of the buffer.
        for _ in 0..2 * RECEIVE_BUFFER_BYTES / READ_BYTES {
            if !(&stream).read(&mut bytes).is_ok_and(|count| count > 0) {
                return;
            }
        }
    }
}
