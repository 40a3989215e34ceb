//! The realm: the users, the keys, and the rules that hold between them, without a word of HTTP.
//!
//! | file | what |
//! |---|---|
//! | `policy.rs` | what an operator decides |
//! | `time.rs` | time never goes back |
//! | `notice.rs` | what an operator is told |
//! | `durable_limiter.rs` | the throttle's counters, over a restart and between processes |
//! | `login_attempt.rs` | what the limiter is asked, and which addresses are remembered |
//! | `decoy.rs` | decoy hashes against user enumeration |
//! | `keys.rs` | which keys sign and verify |
//! | `refusal.rs` | authentication errors, and their reasons |
//! | `channel.rs` | where a token is shown decides which kinds are accepted |
//! | `authenticate.rs` | who is this? from a password, or from a token |
//! | `tokens.rs` | issue and revoke |
//! | `new_password.rs` | what may be a password |
//! | `register.rs` | users come |
//! | `users.rs` | change the password, delete, keep out |
//! | `sessions.rs` | sign in and out; guard cookies; named tokens |
//!
//! A [`Realm`] is shared by reference among threads. It never reads a clock: a public function that depends on the time
//! is given a reading of the clocks, a [`Now`], and turns it into the realm's time (`time.rs`), a `RealmNow`, in its first
//! line. What it calls is given that. (Where only the monotonic clock counts, there is nothing to turn.)

mod policy;
mod time;
mod notice;
mod durable_limiter;
mod login_attempt;
mod decoy;
mod keys;
mod refusal;
mod channel;
mod authenticate;
mod tokens;
mod new_password;
mod register;
mod users;
mod sessions;

pub use authenticate::Principal;
#[cfg(feature = "cli")]
pub(crate) use authenticate::token_state;
pub use login_attempt::FailedAttempts;
pub use new_password::PasswordError;
pub use notice::Notice;
pub use policy::{Policy, Registration, UserLookup};
pub use refusal::{AuthenticateError, RefusalReason, Refused};
pub use register::{RegisterError, Registered};
pub use sessions::{MAX_SESSION_NAME_CHARS, NamedTokenError, NewSession};
pub use tokens::{IssuedToken, SessionExpired};
pub use users::UserChangeError;

use crate::clock::{Now, UnixTime};
use crate::hashing::{Hasher, PoolStats};
use crate::keys::Keys;
use crate::store::{Reader, Reads, Store, StoreError};
use channel::UsedSessions;
use core::fmt;
use decoy::Decoys;
use durable_limiter::DurableLimiter;
use time::{RealmNow, RealmTime};

/// A protection space (RFC 9110 section 11.5): its users, its keys, its rules.
pub struct Realm {
    store: Store,
    keys: Keys,
    hasher: Hasher,
    policy: Policy,
    time: RealmTime,
    decoys: Decoys,
    /// `None` where the throttle is off.
    durable_limiter: Option<DurableLimiter>,
    used_sessions: UsedSessions,
    /// What was to be told before there was an observer.
    untold: Vec<Notice<'static>>,
    observer: Box<dyn Fn(Notice<'_>) + Send + Sync>,
}

impl fmt::Debug for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Realm").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Realm {
    /// A realm of these parts. What there is to tell is kept until [`Realm::with_observer`].
    ///
    /// # Errors
    /// [`StoreError`] where what the last run left in the store can't be read.
    pub fn open(
        store: Store,
        keys: Keys,
        hasher: Hasher,
        policy: Policy,
        now: Now,
    ) -> Result<Self, StoreError> {
        let (time, behind) = RealmTime::new(store.newest_time()?, now);
        let now = time.advance(now);
        let throttle = policy.rate_limits.as_ref();
        let throttle = throttle.map(|rules| DurableLimiter::open(&store, rules, now)).transpose()?;
        let (durable_limiter, counters_lost) = throttle.unzip();
        let clock_behind = (!behind.is_zero()).then_some(Notice::ClockBehind(behind));
        let untold = clock_behind.into_iter().chain(counters_lost.flatten()).collect();
        Ok(Self {
            store,
            keys,
            hasher,
            policy,
            time,
            decoys: Decoys::default(),
            durable_limiter,
            used_sessions: UsedSessions::default(),
            untold,
            observer: Box::new(|_| ()),
        })
    }

    /// The same realm, with somebody to tell what an operator should know.
    #[must_use]
    pub fn with_observer(mut self, observer: impl Fn(Notice<'_>) + Send + Sync + 'static) -> Self {
        self.untold.drain(..).for_each(&observer);
        Self { observer: Box::new(observer), ..self }
    }

    /// What the operator decided.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Saves what must survive a restart, if anything is new: the rate limiter's counters and the newest time. Call it
    /// every few seconds, and before the end.
    pub fn save(&self, now: Now) {
        if let Err(error) = self.try_save(self.time.peek(now)) {
            (self.observer)(Notice::NotSaved(&error));
        }
    }

    /// Whether [`Realm::save`] shouldn't wait for its next turn: a counter of failed guesses has become full.
    pub fn is_save_urgent(&self) -> bool {
        self.durable_limiter.as_ref().is_some_and(|durable| durable.limiter.is_save_urgent())
    }

    fn try_save(&self, now: RealmNow) -> Result<(), StoreError> {
        if let Some(throttle) = &self.durable_limiter
            && throttle.save(&self.store, now)?
        {
            self.time.saved(now.unix); // the counters are saved with the time
        }
        if let Some(newest) = self.time.unsaved() {
            self.store.raise_newest_time(newest)?;
            self.time.saved(newest);
        }
        self.maintain_sessions(now)
    }

    /// Whether the store answers, which it can only by reading its file: for whoever asks after the server's health.
    ///
    /// # Errors
    /// [`StoreError`] where it can't answer.
    pub fn ping_store(&self, reads: Reads<'_>) -> Result<(), StoreError> {
        self.store.tokens_not_before(reads).map(drop)
    }

    /// The store of this realm.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The realm's time, which never goes back, at this reading of the clocks.
    pub fn unix(&self, now: Now) -> UnixTime {
        self.time.peek(now).unix
    }

    /// A database connection for an event loop.
    pub fn reader(&self) -> Reader {
        self.store.reader()
    }

    /// How many password hashes were computed since the start.
    pub fn hashes(&self) -> u64 {
        self.hasher.hashes()
    }

    /// How much is being hashed just now.
    pub fn hash_load(&self) -> PoolStats {
        self.hasher.stats()
    }
}

#[cfg(test)]
mod tests;
