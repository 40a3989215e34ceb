//! HTTP servers, which pass requests to [`crate::routes::dispatch`], with access log, metrics and
//! supervision.
//!
//! | file | content |
//! |---|---|
//! | `engine/` | the server for an open network: acceptor, event loops, worker pool |
//! | `tiny.rs` | a server on tiny_http; the one to read first |
//! | `app.rs` | the application: routes, request ids, access log, metrics |
//! | `listener.rs` | TCP, Unix and inherited listeners |
//! | `log.rs`, `log_writer.rs` | access log and audit events |
//! | `metrics.rs` | metrics in Prometheus's text format |
//! | `heartbeats.rs` | detection of stalled threads |
//! | `service_manager.rs` | sd_notify and watchdog |
//! | `descriptors.rs`, `saver.rs`, `signals.rs` | descriptor limit, periodic saving, signals |
//!
//! A server gets its listener, its handler, its limits and the [`Shutdown`] that ends it. It reads the clock
//! when it receives a request; in lower layers, time is an argument.

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
pub mod link_command;
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

/// The handler of the tiny_http server. Several threads call it at once.
pub type Handler = dyn Fn(&Request) -> Response + Send + Sync;

/// Dispatches a request, sets the request id, and calls `log`.
///
/// # Errors
/// [`WouldBlock`] with [`Reads::Batch`], before any side effect and log line.
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
    // Servers catch panics too; here the request that panicked gets its access-log line.
    let response = catch_panic(|| routes::dispatch_from(realm, config, request, reads, now));
    let response = response.unwrap_or_else(|| Ok(routes::panicked()))?;
    let response =
        check_heartbeats(heartbeats, now.monotonic, response).with_header(REQUEST_ID, ids.of(request));
    log(request, &response);
    Ok(response)
}

/// Turns a health check into 503 if a thread is stalled, although this one responds.
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
/// State stays consistent: locks protect single steps, and the store rolls back an unfinished transaction.
pub fn catch_panic<T>(operation: impl FnOnce() -> T) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(operation)).ok()
}

/// Shutdown flag, shared by a server and the code that stops it.
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

    /// Waits until the shutdown is requested or a timeout. Returns whether it was requested.
    pub fn wait_for(&self, timeout: Duration) -> bool {
        let requested = self.requested.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(requested, timeout, |requested| !*requested);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
