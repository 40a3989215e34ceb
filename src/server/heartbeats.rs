//! Heartbeats: detection of stalled threads that all requests depend on.

use crate::wait::lock;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// The heartbeats of the acceptor and the event loops of one process.
#[derive(Debug)]
pub struct Heartbeats {
    started: Instant,
    all: Mutex<Vec<Arc<AtomicU64>>>,
}

/// The heartbeat of one thread. Dropping it deregisters the thread.
#[derive(Debug)]
pub struct Heartbeat {
    started: Instant,
    /// The last beat, in milliseconds since the start.
    last: Arc<AtomicU64>,
}

impl Heartbeats {
    /// The maximum interval between beats of a thread.
    pub const EVERY: Duration = Duration::from_secs(1);
    /// A thread without a beat for this long is stalled.
    pub const STALLED_AFTER: Duration = Duration::from_secs(5);

    /// An empty set.
    pub fn new(now: Instant) -> Self {
        Self { started: now, all: Mutex::default() }
    }

    /// Registers a thread, with a beat now.
    pub fn add(&self, now: Instant) -> Heartbeat {
        let heartbeat = Heartbeat { started: self.started, last: Arc::default() };
        heartbeat.beat(now);
        lock(&self.all).push(heartbeat.last.clone());
        heartbeat
    }

    /// Whether no thread is stalled.
    pub fn all_beat(&self, now: Instant) -> bool {
        let mut all = lock(&self.all);
        all.retain(|last| Arc::strong_count(last) > 1); // dropped heartbeats have one reference
        let now = millis(self.started, now);
        let stalled_after = u64::try_from(Self::STALLED_AFTER.as_millis()).unwrap_or(u64::MAX);
        all.iter().all(|last| now.saturating_sub(last.load(Ordering::Relaxed)) < stalled_after)
    }
}

impl Heartbeat {
    /// Records progress.
    pub fn beat(&self, now: Instant) {
        self.last.store(millis(self.started, now), Ordering::Relaxed);
    }
}

fn millis(started: Instant, now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(started).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn one_stalled_thread_is_detected_among_others() {
        let start = clock::monotonic();
        let heartbeats = Heartbeats::new(start);
        assert!(heartbeats.all_beat(start), "without threads, none is stalled");
        let (one, other) = (heartbeats.add(start), heartbeats.add(start));
        let later = start + Heartbeats::STALLED_AFTER;
        assert!(heartbeats.all_beat(later.checked_sub(Duration::from_millis(1)).unwrap()));
        one.beat(later);
        assert!(!heartbeats.all_beat(later));
        other.beat(later);
        assert!(heartbeats.all_beat(later));
        drop(other);
        one.beat(later + Heartbeats::STALLED_AFTER);
        assert!(heartbeats.all_beat(later + Heartbeats::STALLED_AFTER), "a dropped heartbeat is not stalled");
    }
}
