//! What the engine serves: the interface between it and an application.

use crate::client::Client;
use crate::http::{Request, Response};
use crate::store::{Reader, Reads};
use crate::wait::WouldBlock;
use std::time::Instant;

/// An application, called by event loops and worker threads at once.
///
/// Every `Fn(&Request) -> Response` is one whose requests are all answered by worker threads, where they may block.
pub trait Service: Send + Sync {
    /// Answers a request that had arrived at `received`. With [`Reads::Batch`] an event loop calls, and blocking it stops all its clients; with
    /// [`Reads::PerCall`] a worker thread does. If it panics, the response is a 500.
    ///
    /// # Errors
    /// [`WouldBlock`], with [`Reads::Batch`] only and before any side effect: a worker thread calls again.
    fn answer(&self, request: &Request, reads: Reads<'_>, received: Instant) -> Result<Response, WouldBlock>;

    /// A database connection for one event loop; `None` where nothing is read there.
    fn reader(&self) -> Option<Reader> {
        None
    }

    /// Whether the answer to this request, of which no body has been read yet, depends on the body. Otherwise it isn't
    /// waited for: the request is answered without it, and the connection closed.
    fn needs_body(&self, _: &Request) -> bool {
        true
    }

    /// Whether answering may take a password hash: some worker threads never do, so that others don't wait for those.
    fn may_hash(&self, _: &Request) -> bool {
        false
    }

    /// Is told what happens besides requests that are answered.
    fn observe(&self, _: Event<'_>) {}
}

impl<F: Fn(&Request) -> Response + Send + Sync> Service for F {
    fn answer(&self, request: &Request, reads: Reads<'_>, _: Instant) -> Result<Response, WouldBlock> {
        reads.may_block()?;
        Ok(self(request))
    }
}

/// What a [`Service`] doesn't see by answering.
#[derive(Debug)]
pub enum Event<'a> {
    /// A response to what was not a valid request, or to one that found no place; a header may be added.
    Refused(Client, &'a mut Response),
    /// A connection was admitted.
    Connected,
    /// It has ended.
    Disconnected {
        /// Whether it was ended to make room for another.
        was_evicted: bool,
    },
}
