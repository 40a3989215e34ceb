//! The password cache (`--password-cache`): which passwords were just proved right, and which are being checked now.
//!
//! An app may send Basic credentials with each request; to hash for each of them would take a core per user. So a
//! password that was proved right is right again for a while, without a hash. And who asks what is being checked right
//! now doesn't start a second hash but waits for that one's verdict. All goes through [`PasswordCache::check`]:
//!
//! | the check is | what happens | the gate is asked |
//! |---|---|---|
//! | proved right, less than a lifetime ago | right | to [`peek`](Gate::peek) |
//! | pending: hashed at this moment | that one's verdict, or [`HashError::Busy`] if it ends without | to [`peek`](Gate::peek) |
//! | new | a hash | to [`reserve`](Gate::reserve), and to [`give_back`](Gate::give_back) unless it is wrong |
//!
//! A check is known by its [`CheckKey`] alone: a MAC, under a random key of this process, over the name, the password,
//! the client's prefix, and the stored hash and generation **that this request has just read**. So there is nothing to
//! take out when a password changes, whoever changes it and in whichever process: nobody asks for that key any more.
//! Neither names nor passwords are in here.
//!
//! What is wrong is shared while it is under way, but never remembered. Unknown and disabled users go the same way as
//! all others, and cost the same.

use super::room::{Place, Room};
use super::{Check, HashError, Verdict};
use crate::random::{self, RandomError};
use crate::signer::{Signature, SigningKey};
use crate::wait::{assert_may_block, lock};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Instant;

/// How many proved passwords are remembered: more than a machine of eight cores proves in a minute at the default
/// cost, in under a megabyte.
const MAX_PROVED: usize = 4096;

/// Who is asked before a password is hashed, since each hash is a guess. All is asked in one step with the cache's
/// lock held, so that no other check comes between; it must be quick and not ask the cache.
pub trait Gate {
    /// Why not.
    type Refused: From<HashError>;
    /// A guess that was counted. Dropping it leaves it counted.
    type Charge;

    /// Whether a password may be taken that needs no hash of its own; counts nothing.
    ///
    /// # Errors
    /// Where no guess would be allowed: else the cache told quickly who guesses right.
    fn peek(&self) -> Result<(), Self::Refused>;

    /// Counts a guess before it is made.
    ///
    /// # Errors
    /// Where it is not allowed; then nothing is counted and nothing hashed.
    fn reserve(&self) -> Result<Self::Charge, Self::Refused>;

    /// Takes the guess back: it was right, or nothing came of it.
    fn give_back(&self, charge: Self::Charge);
}

/// What a check is known by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CheckKey(Signature);

/// The cache. It is asked with the time, and never reads a clock.
pub(super) struct PasswordCache {
    lifetime: Duration,
    mac: SigningKey,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Since when; the same once more in `by_age`.
    proved: BTreeMap<CheckKey, Instant>,
    /// The oldest first.
    by_age: BTreeSet<(Instant, CheckKey)>,
    /// At most one a thread.
    pending: BTreeMap<CheckKey, Pending>,
}

/// Where the verdict of a check that is being made will be; `None` if it ends without one.
type Pending = Arc<OnceLock<Option<Verdict>>>;

/// What a check finds.
enum Found<'a, C> {
    Proved,
    Pending(Pending, Place<'a>),
    New(Promise<'a>, C, Place<'a>),
}

impl PasswordCache {
    /// An empty one. A lifetime of zero remembers nothing; what is under way is shared all the same.
    pub(super) fn new(lifetime: Duration) -> Result<Self, RandomError> {
        let mac = SigningKey::new(&random::bytes::<32>()?).expect("32 bytes are enough for a key");
        Ok(Self { lifetime, mac, state: Mutex::default() })
    }

    /// The same cache, empty, with another lifetime.
    pub(super) fn with_lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, state: Mutex::default(), ..self }
    }

    /// The key of a check.
    pub(super) fn key(&self, check: &Check<'_>) -> CheckKey {
        let name = check.username.as_bytes();
        let password = check.password.expose().as_bytes();
        let client = &check.client.prefix().to_bytes();
        CheckKey(match &check.stored {
            Some(stored) => {
                let generation = &stored.generation.number().to_be_bytes();
                self.mac.sign_fields(&[name, password, client, stored.text.as_bytes(), generation])
            }
            None => self.mac.sign_fields(&[name, password, client]),
        })
    }

    /// The verdict of a check, by `hash` if need be. Whoever does more than look up takes a place in the room.
    pub(super) fn check<G: Gate>(
        &self,
        key: CheckKey,
        now: Instant,
        gate: &G,
        room: &Room,
        hash: impl FnOnce() -> Result<Verdict, HashError>,
    ) -> Result<Verdict, G::Refused> {
        match self.find(key, now, gate, room)? {
            Found::Proved => Ok(Verdict::Right),
            Found::Pending(pending, _place) => {
                assert_may_block();
                match pending.wait() {
                    Some(Verdict::Wrong) => Ok(Verdict::Wrong),
                    // The one who hashed makes an outdated hash anew.
                    Some(Verdict::Right | Verdict::RightButOutdated) => Ok(Verdict::Right),
                    None => Err(HashError::Busy.into()),
                }
            }
            Found::New(promise, charge, _place) => {
                let result = hash();
                promise.settle(result.as_ref().ok().copied(), now, gate, charge);
                Ok(result?)
            }
        }
    }

    /// What is known of a check, and who hashes if it must be; in one step.
    fn find<'a, G: Gate>(
        &'a self,
        key: CheckKey,
        now: Instant,
        gate: &G,
        room: &'a Room,
    ) -> Result<Found<'a, G::Charge>, G::Refused> {
        let mut state = self.lock();
        if state.is_proved(key, now, self.lifetime) {
            return gate.peek().map(|()| Found::Proved);
        }
        if let Some(pending) = state.pending.get(&key) {
            // Whoever may guess no more must not learn by this that a check with the same password is under way.
            gate.peek()?;
            return Ok(Found::Pending(pending.clone(), room.enter()?));
        }
        let charge = gate.reserve()?;
        let place = match room.enter() {
            Ok(place) => place,
            Err(full) => {
                gate.give_back(charge);
                return Err(full.into());
            }
        };
        let pending = Pending::default();
        state.pending.insert(key, pending.clone());
        Ok(Found::New(Promise { cache: self, key, pending }, charge, place))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn is_proved(&self, key: CheckKey, now: Instant, lifetime: Duration) -> bool {
        self.proved.get(&key).is_some_and(|since| now.saturating_duration_since(*since) < lifetime)
    }

    /// Remembers a key, and forgets what is over; where there are too many, the oldest.
    fn prove(&mut self, key: CheckKey, now: Instant, lifetime: Duration) {
        if let Some(since) = self.proved.insert(key, now) {
            self.by_age.remove(&(since, key));
        }
        self.by_age.insert((now, key));
        while let Some((since, oldest)) = self.by_age.first().copied() {
            if self.by_age.len() <= MAX_PROVED && now.saturating_duration_since(since) < lifetime {
                break;
            }
            self.by_age.pop_first();
            self.proved.remove(&oldest);
        }
    }
}

/// Redacted: the keys tell nothing, and whoever prints a realm wants none of them.
impl core::fmt::Debug for PasswordCache {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "PasswordCache({} proved, for {:?})", self.lock().proved.len(), self.lifetime)
    }
}

/// What the one who hashes owes to those who wait for the verdict: however it ends, even by a panic, they hear of it.
struct Promise<'a> {
    cache: &'a PasswordCache,
    key: CheckKey,
    pending: Pending,
}

impl Promise<'_> {
    /// Settles what was charged and remembers what was proved, in one step: no other check sees half of it.
    fn settle<G: Gate>(self, verdict: Option<Verdict>, now: Instant, gate: &G, charge: G::Charge) {
        let mut state = self.cache.lock();
        match verdict {
            Some(Verdict::Wrong) => drop(charge),
            // `now` is when the request came: from then on, not from when the hash was done.
            Some(Verdict::Right | Verdict::RightButOutdated) => {
                gate.give_back(charge);
                state.prove(self.key, now, self.cache.lifetime);
            }
            None => gate.give_back(charge),
        }
        state.pending.remove(&self.key);
        drop(state);
        let _ = self.pending.set(verdict); // the only one who sets it, but for the drop that follows
    }
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        if self.pending.get().is_none() {
            self.cache.lock().pending.remove(&self.key);
            let _ = self.pending.set(None); // nobody else sets it
        }
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
