//! Time never goes back, whatever the clock says.
//!
//! A device that boots before its clock is set, or whose clock somebody sets back, must not revive tokens that have
//! expired. So the realm's time is the clock's, but never less than the newest time that it has seen, and the store
//! keeps that one over restarts. While the clock is behind, time goes on from the newest by the monotonic clock: it
//! doesn't stand still, or what is issued meanwhile would outlive its time.

use crate::clock::{Now, UnixTime};
use crate::wait::lock;
use core::time::Duration;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

/// The realm's time at one reading of the clocks. What a clock said alone is a [`Now`], and may be behind.
#[derive(Clone, Copy, Debug)]
pub(super) struct RealmNow {
    pub(super) unix: UnixTime,
    pub(super) monotonic: Instant,
    /// Whether the clock is behind this time. Then another process on the same store may be ahead of this one, by what
    /// it had not saved when this one started.
    pub(super) is_clock_behind: bool,
}

/// Turns a [`Now`] into a [`RealmNow`].
#[derive(Debug)]
pub(super) struct RealmTime(Mutex<Seen>);

#[derive(Debug)]
struct Seen {
    /// From where time goes on while the clock is behind: the last reading when it wasn't, or the start.
    anchor: RealmNow,
    /// The newest time that was given out.
    newest: UnixTime,
    /// What the store has.
    saved: UnixTime,
}

impl RealmTime {
    /// The time of a realm whose store has seen this moment; also by how much the clock is behind it.
    pub(super) fn new(saved: UnixTime, now: Now) -> (Self, Duration) {
        let behind = saved.duration_since(now.unix);
        let newest = now.unix.max(saved);
        let anchor = RealmNow { unix: newest, monotonic: now.monotonic, is_clock_behind: !behind.is_zero() };
        (Self(Mutex::new(Seen { anchor, newest, saved })), behind)
    }

    /// The realm's time at this reading of the clocks; from now on it is never earlier.
    pub(super) fn advance(&self, now: Now) -> RealmNow {
        let mut seen = self.lock();
        let time = seen.time_at(now);
        // Not while the clock is behind: what is left of a second would be lost each time.
        if time.unix == now.unix && now.monotonic >= seen.anchor.monotonic {
            seen.anchor = time;
        }
        seen.newest = seen.newest.max(time.unix);
        time
    }

    /// The same, of which nothing is kept: saving what others saw is no reason to save again.
    pub(super) fn peek(&self, now: Now) -> RealmNow {
        self.lock().time_at(now)
    }

    /// The newest time, if the store doesn't have it yet.
    pub(super) fn unsaved(&self) -> Option<UnixTime> {
        let seen = self.lock();
        (seen.newest > seen.saved).then_some(seen.newest)
    }

    /// The store has this time now.
    pub(super) fn saved(&self, at: UnixTime) {
        let mut seen = self.lock();
        seen.saved = seen.saved.max(at);
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        lock(&self.0)
    }
}

impl Seen {
    /// This reading, or where the clock is behind: the anchor, and what has passed since.
    fn time_at(&self, now: Now) -> RealmNow {
        let since = now.monotonic.saturating_duration_since(self.anchor.monotonic);
        // In whole seconds: of a clock that runs as it should, this is never ahead.
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
    fn time_goes_on_from_the_newest_while_the_clock_is_behind() {
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
    fn a_clock_that_runs_as_it_should_is_believed_to_the_second() {
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
