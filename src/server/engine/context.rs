//! What the connections of one listener share.

use super::limits::Limits;
use super::registry::Registry;
use super::service::{Event, Service};
use crate::http::ErrorCode;
use crate::server::catch_panic;
use core::sync::atomic::AtomicBool;
use core::time::Duration;

/// Pause after a system call that failed for lack of descriptors or memory.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// A parse error: the response to bytes that are not a valid request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: ErrorCode,
    pub(super) message: &'static str,
}

/// The state that all connections of one listener share.
pub(super) struct Context {
    pub(super) number: usize,
    pub(super) limits: Limits,
    pub(super) service: Box<dyn Service>,
    pub(super) registry: Registry,
    pub(super) is_stopping: AtomicBool,
}

impl Context {
    /// Reports an event to the service. Ignores a panic there, since no response depends on it.
    pub(super) fn observe(&self, event: Event<'_>) {
        let _ = catch_panic(|| self.service.observe(event));
    }
}
