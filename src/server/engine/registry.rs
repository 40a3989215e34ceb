//! Connection registry: admits new connections, and evicts others for them at the limit.
//!
//! Each connection has an [`Entry`]. Its owner updates the entry's [`Activity`] atomically, so a request
//! takes no lock. Only the acceptor evicts: by compare-and-swap on the activity and then shutdown(2), which
//! the owner sees as end of input. A request that is being answered is never evicted.

use super::limits::{BODY_GRACE, EVICTION_TIMEOUT, Limits, MAX_CLOSING};
use super::stream::Stream;
use crate::client::{Client, Prefix};
use crate::clock;
use crate::proxies::TrustedProxies;
use crate::wait::lock;
use core::cmp::Reverse;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use core::time::Duration;
use std::collections::{BTreeMap, BinaryHeap};
use std::net;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The state of a connection, for eviction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Activity {
    /// The last response was sent; unread input is discarded.
    Lingering = 0,
    /// The client reads the response too slowly for the socket's buffer.
    Writing = 1,
    /// Request line and headers are incomplete.
    PartialHead = 2,
    /// The body is incomplete.
    PartialBody = 3,
    /// Nothing was received since it was accepted.
    Silent = 4,
    /// Keep-alive, between requests.
    Idle = 5,
    /// A request is being answered. Never evicted.
    Working = 6,
    /// Evicted, but not closed yet.
    Evicted = 7,
}

/// The order of eviction.
const EVICTABLE: [Activity; 6] = [
    Activity::Lingering,
    Activity::Writing,
    Activity::PartialHead,
    Activity::PartialBody,
    Activity::Silent,
    Activity::Idle,
];

/// The registry's view of one connection.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) stream: Stream,
    pub(super) is_trusted_proxy: bool,
    prefix: Prefix,
    /// Whether the client may be a reverse proxy: exempt from the limit per address, and evicted last.
    is_exempt: bool,
    activity: AtomicU8,
    /// The time of the last change of `activity`.
    since: AtomicU64,
}

impl Entry {
    /// Changes the activity; false if the connection was evicted meanwhile.
    pub(super) fn change_activity(&self, from: Activity, to: Activity, now: MillisSinceStart) -> bool {
        self.since.store(now.0, Ordering::Relaxed);
        self.activity.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn activity(&self) -> u8 {
        self.activity.load(Ordering::Acquire)
    }

    pub(super) fn is_evicted(&self) -> bool {
        self.activity() == Activity::Evicted as u8
    }

    fn has_waited(&self, now: MillisSinceStart) -> Duration {
        Duration::from_millis(now.0.saturating_sub(self.since.load(Ordering::Relaxed)))
    }

    /// Evicts the connection if its activity is unchanged. The owner sees the end of input.
    fn evict(&self, from: Activity) -> bool {
        let (from, to) = (from as u8, Activity::Evicted as u8);
        let is_evicted =
            self.activity.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if is_evicted {
            let _ = self.stream.shutdown(net::Shutdown::Both); // it may be closed already
        }
        is_evicted
    }
}

/// Monotonic time in milliseconds since the registry was created.
#[derive(Clone, Copy, Debug)]
pub(super) struct MillisSinceStart(u64);

/// The connections of one listener.
#[derive(Debug)]
pub(super) struct Registry {
    limits: Limits,
    proxies: TrustedProxies,
    started: Instant,
    entries: Mutex<Entries>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Entries {
    all: Vec<Arc<Entry>>,
    /// The number of connections per address, without evicted ones.
    by_prefix: BTreeMap<Prefix, usize>,
    /// The sum of these.
    admitted: usize,
    /// Whether waiting for evicted connections timed out, and none has been closed since.
    is_stuck: bool,
}

impl Registry {
    pub(super) fn new(limits: Limits, proxies: TrustedProxies, started: Instant) -> Self {
        Self { limits, proxies, started, entries: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn millis(&self, now: Instant) -> MillisSinceStart {
        let millis = now.saturating_duration_since(self.started).as_millis();
        MillisSinceStart(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    /// Admits a connection, and evicts another one at the limit. Returns the stream if none can be evicted.
    pub(super) fn admit(&self, stream: Stream, peer: Client, now: Instant) -> Result<Arc<Entry>, Stream> {
        let (prefix, now) = (peer.prefix(), self.millis(now));
        let is_trusted_proxy = self.proxies.trusts(peer);
        let is_exempt = is_trusted_proxy || self.limits.exempts_local && peer.is_local();
        // An evicted connection has a descriptor until its owner closes it, and descriptors are bounded.
        let most = self.limits.max_connections.saturating_add(MAX_CLOSING);
        let must_wait = |entries: &mut Entries| entries.all.len() >= most && !entries.is_stuck;
        let waited = self.changed.wait_timeout_while(self.lock(), EVICTION_TIMEOUT, must_wait);
        let (mut entries, _) = waited.unwrap_or_else(PoisonError::into_inner);
        // A stalled event loop closes nothing. It must not delay the acceptor again for each new connection.
        entries.is_stuck = entries.all.len() >= most;
        if entries.is_stuck {
            return Err(stream);
        }
        let own = entries.by_prefix.get(&prefix).copied().unwrap_or_default();
        let over_own = !is_exempt && own >= self.limits.max_connections_per_address;
        if over_own && !entries.evict_one(Some(prefix), now) {
            return Err(stream);
        }
        if entries.admitted >= self.limits.max_connections && !entries.evict_one(None, now) {
            return Err(stream);
        }
        let activity = AtomicU8::new(Activity::Silent as u8);
        let since = AtomicU64::new(now.0);
        let entry = Arc::new(Entry { stream, is_trusted_proxy, prefix, is_exempt, activity, since });
        entries.all.push(entry.clone());
        *entries.by_prefix.entry(prefix).or_default() += 1;
        entries.admitted += 1;
        Ok(entry)
    }

    pub(super) fn remove(&self, entry: &Arc<Entry>) {
        let mut entries = self.lock();
        let position = entries.all.iter().position(|other| Arc::ptr_eq(other, entry));
        let Some(removed) = position.map(|position| entries.all.remove(position)) else { return };
        if !removed.is_evicted() {
            entries.release(removed.prefix);
        }
        entries.is_stuck = false;
        drop(entries);
        self.changed.notify_all();
    }

    /// Waits until all connections are closed, or until the deadline; then shuts the others down.
    pub(super) fn drain(&self, deadline: Instant) {
        let any = |entries: &mut Entries| !entries.all.is_empty();
        let left = deadline.saturating_duration_since(clock::monotonic());
        let waited = self.changed.wait_timeout_while(self.lock(), left, any);
        let (entries, _) = waited.unwrap_or_else(PoisonError::into_inner);
        for entry in &entries.all {
            let _ = entry.stream.shutdown(net::Shutdown::Both);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        lock(&self.entries)
    }
}

impl Entries {
    fn release(&mut self, prefix: Prefix) {
        self.admitted -= 1;
        if let Some(count) = self.by_prefix.get_mut(&prefix) {
            *count -= 1;
            if *count == 0 {
                self.by_prefix.remove(&prefix);
            }
        }
    }

    /// Evicts a connection, of one address or of all. Proxies come last, since all their clients would
    /// suffer. Then the activity decides, then the number of connections of the address, then the time in
    /// that activity.
    fn evict_one(&mut self, of: Option<Prefix>, now: MillisSinceStart) -> bool {
        let evicted = [false, true]
            .into_iter()
            .flat_map(|is_exempt| EVICTABLE.map(|activity| (is_exempt, activity)))
            .find_map(|(is_exempt, activity)| self.evict_of(of, is_exempt, activity, now));
        evicted.inspect(|prefix| self.release(*prefix)).is_some()
    }

    fn evict_of(
        &self,
        of: Option<Prefix>,
        is_exempt: bool,
        activity: Activity,
        now: MillisSinceStart,
    ) -> Option<Prefix> {
        let grace = if activity == Activity::PartialBody { BODY_GRACE } else { Duration::ZERO };
        let is_candidate = |entry: &Arc<Entry>| {
            of.is_none_or(|prefix| entry.prefix == prefix)
                && entry.is_exempt == is_exempt
                && entry.activity() == activity as u8
                && entry.has_waited(now) >= grace
        };
        let mut waiting = BinaryHeap::new(); // a heap, since nearly always the first one is evicted
        for (position, entry) in self.all.iter().enumerate().filter(|(_, entry)| is_candidate(entry)) {
            let since = Reverse(entry.since.load(Ordering::Relaxed));
            waiting.push((self.by_prefix.get(&entry.prefix).copied(), since, Reverse(position)));
        }
        while let Some((_, _, Reverse(position))) = waiting.pop() {
            // Skips a connection whose activity has changed meanwhile.
            let entry = self.all.get(position);
            if let Some(entry) = entry.filter(|entry| entry.evict(activity)) {
                return Some(entry.prefix);
            }
        }
        None
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
