//! Who is connected, and who makes room when a newcomer finds no place.
//!
//! Each connection has an [`Entry`], which whoever serves it keeps up to date by single atomic steps: no lock on the
//! way of a request. The accepting thread looks through all of them only when somebody comes, or may have been idle for
//! too long.

use super::limits::{BODY_GRACE, LEAVING, Limits, MAX_LEAVING};
use super::stream::Stream;
use crate::blocking::lock_briefly;
use crate::client::{Client, Prefix};
use crate::clock;
use crate::proxies::TrustedProxies;
use alloc::collections::{BTreeMap, BinaryHeap};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use core::time::Duration;
use std::net;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Activity {
    /// Part of a head has arrived.
    PartialHead = 0,
    /// A head has arrived, and not all of its body.
    PartialBody = 1,
    /// Nothing has arrived since it was accepted.
    Silent = 2,
    /// It waits for its next request.
    Idle = 3,
    /// A request is being answered or written: never cut.
    Working = 4,
    /// It was told to make room.
    Evicted = 5,
    /// It was idle for too long.
    Expired = 6,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) stream: Stream,
    pub(super) is_trusted_proxy: bool,
    prefix: Prefix,
    /// Whether others may come in by way of it: it may have any number, and gives way last.
    is_exempt: bool,
    activity: AtomicU8,
    /// Since when, in milliseconds of the registry's life.
    since: AtomicU64,
}

impl Entry {
    /// Goes from one activity to another; false if the connection was told to make room meanwhile.
    pub(super) fn turn(&self, from: Activity, to: Activity, now: Millis) -> bool {
        self.since.store(now.0, Ordering::Relaxed);
        self.activity.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn activity(&self) -> u8 {
        self.activity.load(Ordering::Acquire)
    }

    /// Whether it was told to make room.
    pub(super) fn is_evicted(&self) -> bool {
        self.activity() == Activity::Evicted as u8
    }

    /// For how long it has done what it does.
    fn has_waited(&self, now: Millis) -> Duration {
        Duration::from_millis(now.0.saturating_sub(self.since.load(Ordering::Relaxed)))
    }

    /// Whether it was told to go.
    fn is_leaving(&self) -> bool {
        self.activity() >= Activity::Evicted as u8
    }

    /// Ends the connection if it still does that; what waits for its next bytes finds the end of them.
    fn end(&self, from: u8, to: Activity) -> bool {
        let to = to as u8;
        let is_ended = self.activity.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if is_ended {
            let _ = self.stream.shutdown(net::Shutdown::Both); // it may be closed already
        }
        is_ended
    }
}

/// A moment of the registry's life.
#[derive(Clone, Copy, Debug)]
pub(super) struct Millis(u64);

/// All connections.
#[derive(Debug)]
pub(super) struct Registry {
    limits: Limits,
    proxies: TrustedProxies,
    started: Instant,
    entries: Mutex<Vec<Arc<Entry>>>,
    changed: Condvar,
}

impl Registry {
    pub(super) fn new(limits: Limits, proxies: TrustedProxies, started: Instant) -> Self {
        Self { limits, proxies, started, entries: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn millis(&self, now: Instant) -> Millis {
        let millis = now.saturating_duration_since(self.started).as_millis();
        Millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    /// A place for a newcomer, made by another's leaving if need be; the stream back where there is none.
    pub(super) fn admit(&self, stream: Stream, peer: Client, now: Instant) -> Result<Arc<Entry>, Stream> {
        let (prefix, now) = (peer.prefix(), self.millis(now));
        let is_trusted_proxy = self.proxies.trusts(peer);
        let is_exempt = is_trusted_proxy || self.limits.exempts_local && peer.is_local();
        // Whoever is on the way out has a descriptor still, and there are no more of those than were counted on.
        let most = self.limits.max_connections.saturating_add(MAX_LEAVING);
        let is_crowded = |entries: &mut Vec<Arc<Entry>>| entries.len() >= most;
        let waited = self.changed.wait_timeout_while(self.lock(), LEAVING, is_crowded);
        let (mut entries, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(stream);
        }
        // Whoever was told to go still stands in the list until somebody has seen to it.
        let here = || entries.iter().filter(|entry| !entry.is_leaving());
        let own = || here().filter(|entry| entry.prefix == prefix);
        let over_own = !is_exempt && own().count() >= self.limits.max_connections_per_address;
        if over_own && !evict_one(&own().cloned().collect::<Vec<_>>(), now) {
            return Err(stream);
        }
        if here().count() >= self.limits.max_connections && !evict_one(&entries, now) {
            return Err(stream);
        }
        let activity = AtomicU8::new(Activity::Silent as u8);
        let since = AtomicU64::new(now.0);
        let entry = Arc::new(Entry { stream, is_trusted_proxy, prefix, is_exempt, activity, since });
        entries.push(entry.clone());
        Ok(entry)
    }

    /// Ends the connections that have been idle for too long, silently. Until when nobody else will be; `None` while
    /// nobody is connected.
    pub(super) fn expire(&self, now: Instant) -> Option<Duration> {
        let now = self.millis(now);
        let (idle, silent) = (Activity::Idle as u8, Activity::Silent as u8);
        let left = |entry: &Arc<Entry>| {
            let allowed = if entry.is_trusted_proxy {
                self.limits.proxy_idle_timeout
            } else {
                self.limits.idle_timeout
            };
            let activity = entry.activity();
            if activity != idle && activity != silent {
                return allowed; // it won't be idle for so long any earlier than that from now
            }
            let left = allowed.saturating_sub(entry.has_waited(now));
            if left.is_zero() {
                entry.end(activity, Activity::Expired);
            }
            if left.is_zero() { allowed } else { left }
        };
        self.lock().iter().map(left).min()
    }

    /// A connection has ended.
    pub(super) fn remove(&self, entry: &Arc<Entry>) {
        self.lock().retain(|other| !Arc::ptr_eq(other, entry));
        self.changed.notify_all();
    }

    /// Waits until nobody is connected, so long at most, and ends meanwhile who has been idle for too long; then ends what is
    /// left.
    pub(super) fn drain(&self, at_most: Duration) {
        let began = clock::monotonic();
        loop {
            let now = clock::monotonic();
            let left = at_most.saturating_sub(now.saturating_duration_since(began));
            let next_look = self.expire(now).map_or(left, |next| next.min(left));
            let anybody = |entries: &mut Vec<Arc<Entry>>| !entries.is_empty();
            let waited = self.changed.wait_timeout_while(self.lock(), next_look, anybody);
            let (entries, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if entries.is_empty() || left.is_zero() {
                for entry in entries.iter() {
                    let _ = entry.stream.shutdown(net::Shutdown::Both);
                }
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Entry>>> {
        lock_briefly(&self.entries)
    }
}

/// Ends the connection that can best be spared: of a proxy last, since behind it stands everybody else; then by what
/// it does; then of the address with the most; then the one that has waited longest.
fn evict_one(candidates: &[Arc<Entry>], now: Millis) -> bool {
    // Counted once: at the largest limits, counting for each would hold up whoever waits for the lock.
    let mut crowds = BTreeMap::<Prefix, usize>::new();
    for entry in candidates {
        *crowds.entry(entry.prefix).or_default() += 1;
    }
    for is_exempt in [false, true] {
        for activity in [Activity::PartialHead, Activity::PartialBody, Activity::Silent, Activity::Idle] {
            let grace = if activity == Activity::PartialBody { BODY_GRACE } else { Duration::ZERO };
            let may_yield = |entry: &Arc<Entry>| {
                entry.is_exempt == is_exempt
                    && entry.activity() == activity as u8
                    && entry.has_waited(now) >= grace
            };
            let mut waiting = BinaryHeap::new(); // not sorted, since it nearly always ends the first
            for (place, entry) in candidates.iter().enumerate().filter(|(_, entry)| may_yield(entry)) {
                let since = Reverse(entry.since.load(Ordering::Relaxed));
                waiting.push((crowds.get(&entry.prefix).copied(), since, Reverse(place)));
            }
            while let Some((_, _, Reverse(place))) = waiting.pop() {
                // One that has just begun to work is passed over.
                let entry = candidates.get(place);
                if entry.is_some_and(|entry| entry.end(activity as u8, Activity::Evicted)) {
                    return true;
                }
            }
        }
    }
    false
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
