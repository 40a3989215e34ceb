//! The server engine: an acceptor, event loops and a worker pool, for open networks (`gatekey serve --loop
//! strict`). Every wait has a deadline, and every number a limit.
//!
//! ```text
//!              accepts             the fewest connections             would block
//!  listeners ----------> acceptor -----------------------> event loops ----------> worker pool
//!                                                             ^                         |
//!                                                             '------- response --------'
//! ```
//!
//! | file | what |
//! |---|---|
//! | `limits.rs` | every limit and timeout, with its reason |
//! | `head.rs` | parser of request line and headers |
//! | `chunked.rs` | decoder of the chunked transfer coding |
//! | `parser.rs` | request parser: bytes to requests, without a socket |
//! | `stream.rs` | TCP and Unix sockets |
//! | `service.rs` | the trait that an application implements |
//! | `context.rs` | what all connections of a listener share |
//! | `registry.rs` | admission and eviction of connections |
//! | `inbox.rs` | queue through which other threads hand connections to an event loop |
//! | `connection/` | state machine of one connection: receiving and responding |
//! | `worker_pool.rs` | threads for requests that block |
//! | `event_loop.rs` | a thread that serves many connections and never blocks |
//! | `acceptor.rs` | accepts connections and hands them to the event loops |
//!
//! **A connection has one owner at each moment**: an event loop, or a worker thread that answers its request.
//!
//! - One thread per connection would wake a thread for each request. For a token check, which takes
//!   microseconds, that costs more than the check.
//! - Event loops alone would block on a password hash, a write and a locked database. Such an operation
//!   returns [`WouldBlock`](crate::wait::WouldBlock) before any side effect, and a worker thread answers the
//!   request from the beginning.

mod acceptor;
mod chunked;
mod connection;
mod context;
mod event_loop;
mod head;
mod inbox;
mod limits;
mod parser;
mod registry;
mod service;
mod stream;
mod worker_pool;

pub use limits::Limits;
#[cfg(fuzzing)]
#[doc(hidden)]
pub use parser::property;
pub use service::{Event, Service};
pub use stream::Listener;

use super::Shutdown;
use super::heartbeats::Heartbeats;
use crate::clock;
use crate::os::Waker;
use crate::proxies::TrustedProxies;
use crate::wait::EVENT_LOOP;
use acceptor::Acceptor;
use connection::Connection;
use context::Context;
use core::fmt;
use core::num::NonZeroUsize;
use core::sync::atomic::{AtomicBool, Ordering};
use event_loop::EventLoop;
use inbox::Inbox;
use limits::{CLOSE, DRAIN, MIN_EVENT_LOOPS, STACK_BYTES};
use registry::Registry;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Instant;
use std::{io, thread};
use worker_pool::{Bounds, WorkerPool};

/// A listener and the service behind it.
pub struct Endpoint {
    /// The listening socket.
    pub listener: Listener,
    /// The limits of its connections.
    pub limits: Limits,
    /// Proxies that are exempt from the limit of connections per address.
    pub proxies: TrustedProxies,
    /// The application.
    pub service: Box<dyn Service>,
}

impl Endpoint {
    /// An endpoint with the default limits and without trusted proxies.
    pub fn new(listener: impl Into<Listener>, service: impl Service + 'static) -> Self {
        let (limits, proxies) = (Limits::default(), TrustedProxies::default());
        Self { listener: listener.into(), limits, proxies, service: Box::new(service) }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// Serves until the shutdown is requested; then drains connections for at most 10 seconds. `event_loops` is
/// the number of event loops, by default [`default_event_loops`].
///
/// # Errors
/// A socket does not listen, the system has no thread or descriptor left, or an event loop has panicked or is
/// stalled.
pub fn run(
    endpoints: Vec<Endpoint>,
    event_loops: Option<NonZeroUsize>,
    heartbeats: &Heartbeats,
    shutdown: &Arc<Shutdown>,
) -> io::Result<()> {
    let max_connections = endpoints.iter().map(|endpoint| endpoint.limits.max_connections).sum();
    let listeners = endpoints.into_iter().enumerate().map(|(number, endpoint)| prepare(number, endpoint));
    let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
    let contexts: Vec<_> = listeners.iter().map(|(_, context)| context.clone()).collect();
    let pool = WorkerPool::new(Bounds::new(max_connections))?;
    let count = event_loops.unwrap_or_else(default_event_loops);
    let threads = Threads::start(count, pool, &contexts, heartbeats, shutdown)?;
    let wake = wake_on(shutdown)?;
    let heartbeat = heartbeats.add(clock::monotonic());
    Acceptor { listeners, inboxes: &threads.inboxes, heartbeat }.run(&wake);
    // The listeners are closed: clients that connect now are refused at once, unless another process shares
    // the socket.
    for context in &contexts {
        context.is_stopping.store(true, Ordering::Release);
    }
    let deadline = clock::monotonic() + DRAIN;
    for context in &contexts {
        context.registry.drain(deadline);
    }
    threads.close(clock::monotonic() + CLOSE)
}

/// The number of event loops where none is configured: one for each core, at least 2.
pub fn default_event_loops() -> NonZeroUsize {
    thread::available_parallelism().map_or(MIN_EVENT_LOOPS, |cores| cores.max(MIN_EVENT_LOOPS))
}

fn prepare(number: usize, endpoint: Endpoint) -> io::Result<(Listener, Arc<Context>)> {
    let Endpoint { listener, limits, proxies, service } = endpoint;
    listener.prepare()?;
    let registry = Registry::new(limits, proxies, clock::monotonic());
    let is_stopping = AtomicBool::new(false);
    Ok((listener, Arc::new(Context { number, limits, service, registry, is_stopping })))
}

/// The worker threads and the event loops. Dropping this ends them.
struct Threads {
    pool: Arc<WorkerPool>,
    inboxes: Vec<Arc<Inbox<Connection>>>,
    /// Receives a message from each event loop that ends without a panic.
    ended: Receiver<()>,
}

impl Threads {
    fn start(
        count: NonZeroUsize,
        pool: Arc<WorkerPool>,
        contexts: &[Arc<Context>],
        heartbeats: &Heartbeats,
        shutdown: &Arc<Shutdown>,
    ) -> io::Result<Self> {
        let (ends, ended) = mpsc::channel();
        let mut threads = Self { pool, inboxes: Vec::new(), ended };
        for _ in 0..count.get() {
            let inbox = Arc::new(Inbox::new()?);
            let heartbeat = heartbeats.add(clock::monotonic());
            let event_loop = EventLoop::new(inbox.clone(), threads.pool.clone(), contexts, heartbeat)?;
            let (ends, shutdown) = (ends.clone(), shutdown.clone());
            let run = move || {
                // Without this event loop, its connections would never be served again.
                let _requests_shutdown = RequestAtEnd(shutdown);
                event_loop.run();
                let _ = ends.send(());
            };
            let builder = thread::Builder::new().name(EVENT_LOOP.into()).stack_size(STACK_BYTES);
            builder.spawn(run)?;
            threads.inboxes.push(inbox);
        }
        Ok(threads)
    }

    /// Ends the threads, and waits for the event loops until the deadline.
    fn close(self, deadline: Instant) -> io::Result<()> {
        self.end();
        for _ in &self.inboxes {
            let left = deadline.saturating_duration_since(clock::monotonic());
            self.ended.recv_timeout(left).map_err(|error| match error {
                RecvTimeoutError::Disconnected => io::Error::other("an event loop has panicked"),
                RecvTimeoutError::Timeout => io::Error::other("an event loop is stalled"),
            })?;
        }
        Ok(())
    }

    fn end(&self) {
        self.inboxes.iter().for_each(|inbox| inbox.close());
        self.pool.close();
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.end();
    }
}

/// Requests the shutdown when dropped, also by a panic.
struct RequestAtEnd(Arc<Shutdown>);

impl Drop for RequestAtEnd {
    fn drop(&mut self) {
        self.0.request();
    }
}

/// A descriptor that becomes readable when the shutdown is requested.
fn wake_on(shutdown: &Arc<Shutdown>) -> io::Result<Arc<Waker>> {
    let waker = Arc::new(Waker::new()?);
    let (shutdown, at_shutdown) = (shutdown.clone(), waker.clone());
    let wait = move || {
        shutdown.wait();
        at_shutdown.wake();
    };
    thread::Builder::new().name("shutdown".into()).spawn(wait)?;
    Ok(waker)
}

#[cfg(test)]
mod tests;
