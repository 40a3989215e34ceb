//! Servers: loops that carry bytes to [`crate::routes::dispatch`] and back.
//!
//! A loop is given its listener, its handler, the [`Shutdown`] that ends it, and its limits; it owns no signal and no realm. It reads
//! the clock, as whoever takes a request in must: below it, time is an argument. `tiny` is the one the project was ordered with, and the first to read; `strict` is the one for an
//! open network. `metrics` counts what either does.

pub mod metrics;
#[cfg(feature = "strict")]
pub mod strict;
#[cfg(feature = "tiny-http")]
pub mod tiny;

use crate::clock;
use crate::http::{REQUEST_ID, Request, RequestIds, Response};
use crate::realm::Realm;
use crate::routes;
use core::time::Duration;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Condvar, Mutex, PoisonError};

/// What a loop calls for each request, from several threads at once.
pub type Handler = dyn Fn(&Request) -> Response + Send + Sync;

/// Answers with the realm's routes, under the request's id, and tells `log` of the answer and how long it took.
pub fn handle(
    realm: &Realm,
    ids: &RequestIds,
    request: &Request,
    log: &dyn Fn(&Request, &Response, Duration),
) -> Response {
    let now = clock::now();
    // Guarded here too, though every loop does it: the log is to have a line for the request that panicked.
    let response = guarded(request, &|request| routes::dispatch(realm, request, now));
    let response = response.with_field(REQUEST_ID, ids.of(request));
    log(request, &response, clock::monotonic().saturating_duration_since(now.monotonic));
    response
}

/// Calls a handler. A panic costs its own request a 500, and nobody else anything.
pub fn guarded(request: &Request, handler: &dyn Fn(&Request) -> Response) -> Response {
    // A realm stays whole when a thread unwinds: its locks are taken for single steps, and its facts stand in
    // the store, where a transaction that was cut off never happened.
    panic::catch_unwind(AssertUnwindSafe(|| handler(request))).unwrap_or_else(|_| routes::panicked())
}

/// Ends a loop: shared between whoever serves and whoever decides when that is over.
#[derive(Debug, Default)]
pub struct Shutdown {
    requested: Mutex<bool>,
    changed: Condvar,
}

impl Shutdown {
    /// Asks for the end. Asking twice is asking once.
    pub fn request(&self) {
        *self.requested.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits until the end is asked for.
    pub fn wait(&self) {
        let mut requested = self.requested.lock().unwrap_or_else(PoisonError::into_inner);
        while !*requested {
            requested = self.changed.wait(requested).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until the end is asked for, but no longer than this; whether it was.
    pub fn wait_for(&self, at_most: Duration) -> bool {
        let requested = self.requested.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(requested, at_most, |requested| !*requested);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
