//! Realm time: monotonic across clock rollback and restarts.
//!
//! A clock that is set back, or not set yet after boot, must not revive expired tokens. The realm's time is
//! therefore the maximum of the clock and the newest time seen (high-water mark), which the store keeps
//! across restarts. While the clock is behind, the time advances with the monotonic clock; if it stood still,
//! tokens issued meanwhile would outlive their lifetime.

use crate::clock::{Now, UnixTime};
use crate::wait::lock;
use core::time::Duration;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

/// The realm's time at one reading of the clocks. A [`Now`] is the reading itself and may be behind.
#[derive(Clone, Copy, Debug)]
pub(super) struct RealmNow {
    pub(super) unix: UnixTime,
    pub(super) monotonic: Instant,
    /// Whether the clock is behind this time. Another process on the store may then be ahead by what it had
    /// not saved when this one started.
    pub(super) is_clock_behind: bool,
}

/// Converts [`Now`] to [`RealmNow`].
#[derive(Debug)]
pub(super) struct RealmTime(Mutex<HighWater>);

#[derive(Debug)]
struct HighWater {
    /// The last reading when the clock was not behind, or the start. Time advances from here while it is
    /// behind.
    anchor: RealmNow,
    /// The newest time returned by [`RealmTime::advance`].
    newest: UnixTime,
    /// The newest time in the store.
    saved: UnixTime,
}

impl RealmTime {
    /// The time of a realm whose store has `saved`, and by how much the clock is behind it.
    pub(super) fn new(saved: UnixTime, now: Now) -> (Self, Duration) {
        let behind = saved.duration_since(now.unix);
        let newest = now.unix.max(saved);
        let anchor = RealmNow { unix: newest, monotonic: now.monotonic, is_clock_behind: !behind.is_zero() };
        (Self(Mutex::new(HighWater { anchor, newest, saved })), behind)
    }

    /// The realm's time at this reading. Later calls never return an earlier one.
    pub(super) fn advance(&self, now: Now) -> RealmNow {
        let mut high_water = self.lock();
        let time = high_water.time_at(now);
        // Not while the clock is behind: each call would drop a fraction of a second.
        if time.unix == now.unix && now.monotonic >= high_water.anchor.monotonic {
            high_water.anchor = time;
        }
        high_water.newest = high_water.newest.max(time.unix);
        time
    }

    /// The same without raising the high-water mark, for work that is not a request: otherwise each save
    /// would cause another.
    pub(super) fn peek(&self, now: Now) -> RealmNow {
        self.lock().time_at(now)
    }

    /// The newest time, if it is not in the store.
    pub(super) fn unsaved(&self) -> Option<UnixTime> {
        let high_water = self.lock();
        (high_water.newest > high_water.saved).then_some(high_water.newest)
    }

    /// Records that the store has this time.
    pub(super) fn saved(&self, at: UnixTime) {
        let mut high_water = self.lock();
        high_water.saved = high_water.saved.max(at);
    }

    fn lock(&self) -> MutexGuard<'_, HighWater> {
        lock(&self.0)
    }
}

impl HighWater {
    /// The clock, or if that is behind, the anchor plus the time elapsed since.
    fn time_at(&self, now: Now) -> RealmNow {
        let since = now.monotonic.saturating_duration_since(self.anchor.monotonic);
        // In whole seconds, so that it is never ahead of a clock that runs correctly.
        let least = self.anchor.unix.saturating_add(Duration::from_secs(since.as_secs()));
        let is_clock_behind = now.unix < least;
        RealmNow { unix: now.unix.max(least), monotonic: now.monotonic, is_clock_behind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::new(seconds).unwrap()
    }

    #[test]
    fn time_advances_from_the_high_water_mark_while_the_clock_is_behind() {
        let start = clock::monotonic();
        let reading =
            |unix, elapsed| Now { unix: at(unix), monotonic: start + Duration::from_millis(elapsed) };
        let (time, behind) = RealmTime::new(at(5_000), reading(1_000, 0));
        assert_eq!(behind, Duration::from_secs(4_000));
        assert_eq!(time.advance(reading(1_000, 0)).unix, at(5_000));
        assert_eq!(time.advance(reading(1_090, 90_900)).unix, at(5_090));
        assert_eq!(time.advance(reading(6_000, 91_000)).unix, at(6_000), "the clock was set right");
        assert_eq!(time.advance(reading(2_400, 91_500)).unix, at(6_000), "and an hour back");
        assert_eq!(time.advance(reading(2_401, 92_000)).unix, at(6_001));
        assert_eq!(time.advance(reading(7_000, 93_000)).unix, at(7_000));
    }

    #[test]
    fn a_correct_clock_is_followed_to_the_second() {
        let start = clock::now();
        let (time, behind) = RealmTime::new(start.unix, start);
        assert_eq!(behind, Duration::ZERO);
        for millis in (0..10_000_u64).step_by(7) {
            // A second of the clock may begin anywhere between two of ours.
            let unix = start.unix.saturating_add(Duration::from_secs((millis + 400) / 1_000));
            let now = Now { unix, monotonic: start.monotonic + Duration::from_millis(millis) };
            assert_eq!(time.advance(now).unix, unix);
        }
    }

    #[test]
    fn the_newest_time_is_saved_once() {
        let start = clock::now();
        let (time, _) = RealmTime::new(UnixTime::EPOCH, start);
        assert_eq!(time.unsaved(), Some(start.unix));
        time.saved(start.unix);
        assert_eq!(time.unsaved(), None);
        let later = Now { unix: start.unix.saturating_add(Duration::from_secs(1)), ..start };
        time.advance(later);
        assert_eq!(time.unsaved(), Some(later.unix));
    }
}
