//! HTTP servers: they receive requests, pass them to [`crate::routes::dispatch`], and send the responses.
//!
//! Sockets, handler, limits and the [`Shutdown`] are arguments of a server; it owns no signals and no realm.
//! It reads the clock, and passes time on as an argument.
//!
//! `tiny` is the short server to read first, `engine` the one for open networks. `app` is the realm's routes
//! with access log and metrics. `listener` has the sockets. `descriptors`, `saver` and `signals` are what a
//! process with one server needs besides. `log` has the access log and the security events, and
//! `service_manager` notifies systemd.

pub mod heartbeats;
pub mod log;
mod log_writer;
pub mod metrics;
pub mod service_manager;
#[cfg(feature = "strict")]
pub mod engine;
#[cfg(feature = "tiny-http")]
pub mod tiny;
#[cfg(feature = "strict")]
pub mod app;
#[cfg(feature = "strict")]
pub mod listener;
#[cfg(feature = "strict")]
pub mod descriptors;
#[cfg(feature = "strict")]
pub mod saver;
#[cfg(feature = "strict")]
pub mod signals;

use crate::clock;
use crate::http::{AccessRecord, ErrorCode, REQUEST_ID, Request, RequestIds, Response};
use crate::realm::Realm;
use crate::routes;
use crate::store::Reads;
use crate::wait::WouldBlock;
use core::time::Duration;
use heartbeats::Heartbeats;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

/// What the tiny_http server calls for each request, from several threads at once.
pub type Handler = dyn Fn(&Request) -> Response + Send + Sync;

/// Answers with the realm's routes, under the request's id, and calls `log` with the response.
///
/// # Errors
/// [`WouldBlock`] on an event loop ([`Reads::Batch`]): nothing has happened, and nothing was logged.
pub fn handle(
    realm: &Realm,
    config: &routes::Config,
    ids: &RequestIds,
    heartbeats: &Heartbeats,
    request: &Request,
    reads: Reads<'_>,
    log: &dyn Fn(&Request, &Response),
) -> Result<Response, WouldBlock> {
    let now = clock::now();
    // Caught here, though every server does it too: so the log has a line for the request that panicked.
    let response = catch_panic(|| routes::dispatch_from(realm, config, request, reads, now));
    let response = response.unwrap_or_else(|| Ok(routes::panicked()))?;
    let response =
        check_heartbeats(heartbeats, now.monotonic, response).with_header(REQUEST_ID, ids.of(request));
    log(request, &response);
    Ok(response)
}

/// A server in which a thread is stalled is not healthy, though this one answers.
fn check_heartbeats(heartbeats: &Heartbeats, now: Instant, response: Response) -> Response {
    if !routes::is_healthy(&response) || heartbeats.all_beat(now) {
        return response;
    }
    let stalled = Response::error(ErrorCode::Unavailable, "A thread of the server is stalled; restart it.");
    let cause = Some("an event loop, or the acceptor, is stalled".into());
    let record = AccessRecord { cause, error: stalled.record.error, ..response.record };
    Response { record, ..stalled }
}

/// Runs `operation`; `None` if it panics.
///
/// What it used stays whole when the thread unwinds: locks are held for single steps, and facts are in the
/// store, where a transaction that was cut off never happened.
pub fn catch_panic<T>(operation: impl FnOnce() -> T) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(operation)).ok()
}

/// Shutdown signal, shared by a server and its owner.
#[derive(Debug, Default)]
pub struct Shutdown {
    requested: Mutex<bool>,
    changed: Condvar,
}

impl Shutdown {
    /// Requests the shutdown. Idempotent.
    pub fn request(&self) {
        *self.requested.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits until the shutdown is requested.
    pub fn wait(&self) {
        let mut requested = self.requested.lock().unwrap_or_else(PoisonError::into_inner);
        while !*requested {
            requested = self.changed.wait(requested).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for at most this time; true if the shutdown is requested.
    pub fn wait_for(&self, at_most: Duration) -> bool {
        let requested = self.requested.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(requested, at_most, |requested| !*requested);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
