//! File descriptor limit: a server that can't accept is down for all clients, so connections leave
//! descriptors free.

use super::engine::{self, Limits};
use super::log;
use crate::os;
use core::num::NonZeroUsize;

/// Descriptors of the process but for connections and event loops: the database, the listeners, the standard
/// streams, and connections that were evicted or rejected and are not closed yet. With two event loops, 64 in
/// all.
const RESERVED: u64 = 54;
/// Descriptors of an event loop: its poller, its waker, and its connection to the database (the file, its
/// WAL, its index).
const PER_EVENT_LOOP: u64 = 5;

/// The number of descriptors that are not for connections, with so many event loops (`None` for the default).
pub fn reserved_descriptors(event_loops: Option<NonZeroUsize>) -> u64 {
    RESERVED + PER_EVENT_LOOP * event_loops.unwrap_or_else(engine::default_event_loops).get() as u64
}

impl Limits {
    /// The same limits, with no more connections than the process has descriptors for; logs if these are
    /// fewer.
    #[must_use]
    pub fn within_descriptors(self, event_loops: Option<NonZeroUsize>) -> Self {
        let (Some(descriptors), reserved) = (os::max_descriptors(), reserved_descriptors(event_loops)) else {
            return self;
        };
        let spare = usize::try_from(descriptors.saturating_sub(reserved).max(1));
        let Some(max_connections) = spare.ok().filter(|spare| *spare < self.max_connections) else {
            return self;
        };
        log::notice(format!(
            "serving {max_connections} connections at once, not {}: this process may open {descriptors} descriptors \
             (ulimit -n), and {reserved} are reserved",
            self.max_connections
        ));
        Self { max_connections, ..self }
    }
}
