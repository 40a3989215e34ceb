//! Heartbeats: whether every thread that all requests depend on still makes progress.

use crate::wait::lock;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Instant;

/// The heartbeats of the acceptor and the event loops of one process, shared with whoever watches them.
#[derive(Debug)]
pub struct Heartbeats {
    started: Instant,
    all: Mutex<Vec<Arc<AtomicU64>>>,
}

/// One thread's. It ends when this is dropped.
#[derive(Debug)]
pub struct Heartbeat {
    started: Instant,
    /// When it beat last, in milliseconds since the start.
    last: Arc<AtomicU64>,
}

impl Heartbeats {
    /// A thread that takes care of its heartbeat beats at least so often.
    pub const EVERY: Duration = Duration::from_secs(1);
    /// A thread that hasn't beaten for so long is stalled.
    pub const STALLED_AFTER: Duration = Duration::from_secs(5);

    /// None yet.
    pub fn new(now: Instant) -> Self {
        Self { started: now, all: Mutex::default() }
    }

    /// One more, which beats now.
    pub fn add(&self, now: Instant) -> Heartbeat {
        let heartbeat = Heartbeat { started: self.started, last: Arc::default() };
        heartbeat.beat(now);
        lock(&self.all).push(heartbeat.last.clone());
        heartbeat
    }

    /// Whether all have beaten lately.
    pub fn all_beat(&self, now: Instant) -> bool {
        let mut all = lock(&self.all);
        all.retain(|last| Arc::strong_count(last) > 1); // of the others the thread has ended
        let now = millis(self.started, now);
        let stalled_after = u64::try_from(Self::STALLED_AFTER.as_millis()).unwrap_or(u64::MAX);
        all.iter().all(|last| now.saturating_sub(last.load(Ordering::Relaxed)) < stalled_after)
    }
}

impl Heartbeat {
    /// The thread makes progress.
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
    fn one_stalled_thread_is_noticed_beside_others_that_beat() {
        let start = clock::monotonic();
        let heartbeats = Heartbeats::new(start);
        assert!(heartbeats.all_beat(start), "where there is none, none is stalled");
        let (one, other) = (heartbeats.add(start), heartbeats.add(start));
        let later = start + Heartbeats::STALLED_AFTER;
        assert!(heartbeats.all_beat(later.checked_sub(Duration::from_millis(1)).unwrap()));
        one.beat(later);
        assert!(!heartbeats.all_beat(later));
        other.beat(later);
        assert!(heartbeats.all_beat(later));
        drop(other);
        one.beat(later + Heartbeats::STALLED_AFTER);
        assert!(heartbeats.all_beat(later + Heartbeats::STALLED_AFTER), "it has ended in good order");
    }
}
