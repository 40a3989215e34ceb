//! Service: the trait that an application implements for the engine.

use crate::client::Client;
use crate::http::{Request, Response};
use crate::store::{Reader, Reads};
use crate::wait::WouldBlock;
use std::time::Instant;

/// An application. Event loops and worker threads call it concurrently.
///
/// Every `Fn(&Request) -> Response` is a service whose requests are all answered by worker threads, where
/// they may block.
pub trait Service: Send + Sync {
    /// Answers a request that was received at this time. An event loop passes [`Reads::Batch`]: blocking
    /// there stops all its clients. A worker thread passes [`Reads::PerCall`]. A panic is answered 500.
    ///
    /// # Errors
    /// [`WouldBlock`], with [`Reads::Batch`] only and before any side effect. Then a worker thread calls
    /// again.
    fn answer(&self, request: &Request, reads: Reads<'_>, received: Instant) -> Result<Response, WouldBlock>;

    /// A database connection for one event loop; `None` for a service that reads nothing there.
    fn reader(&self) -> Option<Reader> {
        None
    }

    /// Whether the response to this request depends on its body, which has not been read yet. Otherwise the
    /// request is answered without waiting for the body, and the connection is closed.
    fn needs_body(&self, _: &Request) -> bool {
        true
    }

    /// Whether answering may take a password hash. Some worker threads are reserved for requests that don't.
    fn may_hash(&self, _: &Request) -> bool {
        false
    }

    /// Observes an event, for log and metrics.
    fn observe(&self, _: Event<'_>) {}
}

impl<F: Fn(&Request) -> Response + Send + Sync> Service for F {
    fn answer(&self, request: &Request, reads: Reads<'_>, _: Instant) -> Result<Response, WouldBlock> {
        reads.may_block()?;
        Ok(self(request))
    }
}

/// An event that a [`Service`] doesn't see in [`Service::answer`].
#[derive(Debug)]
pub enum Event<'a> {
    /// The engine itself responds: to a malformed request, at a limit, or after a panic. A header may be
    /// added.
    Refused(Client, &'a mut Response),
    /// A connection can't be accepted: descriptors or memory have run out. Reported once a minute at most.
    AcceptFailed(&'a std::io::Error),
    /// A connection was admitted.
    Connected,
    /// A connection has ended.
    Disconnected {
        /// Whether it was evicted for another connection.
        was_evicted: bool,
    },
}
