//! The state of a realm, which threads share by reference, and its persistence.

use super::channel::UsedSessions;
use super::durable_limiter::DurableLimiter;
use super::notice::Notice;
use super::policy::Policy;
use super::time::{RealmNow, RealmTime};
use crate::clock::{Now, UnixTime};
use crate::hashing::{Hasher, PoolStats};
use crate::keys::Keys;
use crate::signer::SigningKey;
use crate::store::{Reader, Reads, Store, StoreError};
use core::fmt;
use std::sync::{Mutex, OnceLock};

/// A protection space: users, keys and rules.
pub struct Realm {
    pub(super) store: Store,
    pub(super) keys: Keys,
    pub(super) hasher: Hasher,
    pub(super) policy: Policy,
    pub(super) time: RealmTime,
    pub(super) decoy_key: OnceLock<SigningKey>,
    /// `None` without rate limits.
    pub(super) durable_limiter: Option<DurableLimiter>,
    pub(super) used_sessions: UsedSessions,
    /// Counts in the order of `SessionKind::ALL`.
    pub(super) live_sessions: Mutex<[u64; 3]>,
    /// Notices from before there was an observer.
    pub(super) pending_notices: Vec<Notice<'static>>,
    pub(super) observer: Box<dyn Fn(Notice<'_>) + Send + Sync>,
}

impl fmt::Debug for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Realm").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Realm {
    /// Opens a realm. Notices are kept until [`Realm::with_observer`].
    ///
    /// # Errors
    /// [`StoreError`] if the state of the last run can't be read.
    pub fn open(
        store: Store,
        keys: Keys,
        hasher: Hasher,
        policy: Policy,
        now: Now,
    ) -> Result<Self, StoreError> {
        let (time, behind) = RealmTime::new(store.newest_time()?, now);
        let now = time.advance(now);
        let rules = policy.rate_limits.as_ref();
        let limiter = rules.map(|rules| DurableLimiter::open(&store, rules, now)).transpose()?;
        let (durable_limiter, counters_lost) = limiter.unzip();
        let clock_behind = (!behind.is_zero()).then_some(Notice::ClockBehind(behind));
        let pending_notices = clock_behind.into_iter().chain(counters_lost.flatten()).collect();
        Ok(Self {
            store,
            keys,
            hasher,
            policy,
            time,
            decoy_key: OnceLock::new(),
            durable_limiter,
            used_sessions: UsedSessions::default(),
            live_sessions: Mutex::default(),
            pending_notices,
            observer: Box::new(|_| ()),
        })
    }

    /// Sets the observer, which gets each [`Notice`].
    #[must_use]
    pub fn with_observer(mut self, observer: impl Fn(Notice<'_>) + Send + Sync + 'static) -> Self {
        self.pending_notices.drain(..).for_each(&observer);
        Self { observer: Box::new(observer), ..self }
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Saves the state that must survive a restart: counters, the newest time, uses of sessions. Call it
    /// every few seconds and at shutdown.
    pub fn save(&self, now: Now) {
        if let Err(error) = self.try_save(self.time.peek(now)) {
            (self.observer)(Notice::NotSaved(&error));
        }
    }

    /// Whether to call [`Realm::save`] now: a counter of failed attempts has reached its limit.
    pub fn is_save_urgent(&self) -> bool {
        self.durable_limiter.as_ref().is_some_and(|durable| durable.limiter.is_save_urgent())
    }

    fn try_save(&self, now: RealmNow) -> Result<(), StoreError> {
        if let Some(limiter) = &self.durable_limiter
            && limiter.save(&self.store, now)?
        {
            self.time.saved(now.unix); // saved with the counters
        }
        if let Some(newest) = self.time.unsaved() {
            self.store.raise_newest_time(newest)?;
            self.time.saved(newest);
        }
        self.maintain_sessions(now)
    }

    /// Checks that the store answers, by reading a row. For health checks.
    pub fn ping_store(&self, reads: Reads<'_>) -> Result<(), StoreError> {
        self.store.tokens_not_before(reads).map(drop)
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The realm's time at this reading of the clocks; it never goes back.
    pub fn unix(&self, now: Now) -> UnixTime {
        self.time.peek(now).unix
    }

    /// A database reader for an event loop.
    pub fn reader(&self) -> Reader {
        self.store.reader()
    }

    /// The number of password hashes computed since the start.
    pub fn hashes(&self) -> u64 {
        self.hasher.hashes()
    }

    /// The current load of the hash pool.
    pub fn hash_load(&self) -> PoolStats {
        self.hasher.stats()
    }
}
