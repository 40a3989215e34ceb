//! Password cache and single-flight (`--password-cache`): a password that was just verified needs no hash, and identical
//! checks at the same time share one.
//!
//! An app may send Basic credentials with each request; a hash for each of them would take a core per user. So a
//! password that was right stays right for a while without a hash. A check that is identical to one under way waits for
//! that one's verdict. Everything goes through [`PasswordCache::check`]:
//!
//! | the check is | what happens | the limiter is asked to |
//! |---|---|---|
//! | proved right, less than a lifetime ago | right | [`peek`](Attempt::peek) |
//! | in flight: hashed at this moment | that one's verdict, or [`HashError::Busy`] if it ends without | [`peek`](Attempt::peek), and to [`charge`](Attempt::charge) if the verdict is wrong |
//! | new | a hash | [`charge`](Attempt::charge), and to [`refund`](Attempt::refund) unless the verdict is wrong |
//!
//! So every wrong verdict that is returned was charged once, also where forty requests share it.
//!
//! # What is read, and when
//!
//! User enumeration: whether a check is rejected by the limiter or as busy must not depend on the user, nor take time
//! that does. So a check is known by a [`CheckKey`], a MAC over what the *client* sent: name, password and the client's
//! prefix. The user's row is read after both decisions:
//!
//! ```text
//!  new:        charge -> permit -> slot -> read row -> parse its hash, verify -> refund unless wrong
//!  in flight:  peek -> permit -> wait -> charge if wrong -> read row
//!  proved:     peek -> read row
//! ```
//!
//! A proved check does read the row before it turns out that a hash is needed after all, because the user has changed.
//! That tells nothing: its client has just shown the right password.
//!
//! What is remembered or shared is a verdict **about one stored hash and generation**, as their [`Fingerprint`]. Whoever
//! uses the verdict compares it to the row that this request has just read. So there is nothing to remove when a
//! password changes, by whichever process: the verdict is about another hash from then on.
//!
//! A wrong verdict is shared while it is under way, but never remembered. Neither names nor passwords are in here.

use super::attempt::{Attempt, Stored};
use super::semaphore::{Permit, Semaphore};
use super::{Check, HashError, Verdict};
use crate::random::{self, RandomError};
use crate::signer::{Signature, SigningKey};
use crate::wait::{assert_may_block, lock, try_lock};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Instant;

/// How many proved passwords are remembered: more than a machine of eight cores proves in a minute at the default
/// cost, in under a megabyte.
const MAX_PROVED: usize = 4096;

/// What a check is known by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CheckKey(Signature);

/// Which stored hash and generation a verdict is about; `None` for no hash.
type Fingerprint = Option<Signature>;

/// The cache. The time is an argument; it never reads a clock.
pub(super) struct PasswordCache {
    lifetime: Duration,
    mac: SigningKey,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When, and for which stored hash; the time once more in `by_age`.
    proved: BTreeMap<CheckKey, (Instant, Fingerprint)>,
    /// The oldest first.
    by_age: BTreeSet<(Instant, CheckKey)>,
    /// At most one a thread.
    in_flight: BTreeMap<CheckKey, Shared>,
}

/// Where the outcome of a check that is being made will be; `None` if it ends without one.
type Shared = Arc<OnceLock<Option<Outcome>>>;

#[derive(Clone, Copy)]
struct Outcome {
    verdict: Verdict,
    fingerprint: Fingerprint,
}

/// What a check finds.
enum Found<'a, C> {
    Proved(Fingerprint),
    InFlight(Shared, Permit<'a>),
    New(Flight<'a>, C, Permit<'a>),
}

/// What became of a check: the row, the verdict on it, and what is still acquired.
pub(super) struct Checked<'a, R, S> {
    pub(super) row: R,
    pub(super) verdict: Verdict,
    pub(super) slot: Option<S>,
    pub(super) permit: Option<Permit<'a>>,
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
        let (name, password) = (check.username.as_bytes(), check.password.expose().as_bytes());
        CheckKey(self.mac.sign_fields(&[name, password, &check.client.prefix().to_bytes()]))
    }

    fn fingerprint<A: Attempt>(&self, attempt: &A, row: &A::Row) -> Fingerprint {
        let Stored { text, generation } = attempt.stored_hash(row)?;
        Some(self.mac.sign_fields(&[text.as_bytes(), &generation.number().to_be_bytes()]))
    }

    /// The verdict of a check. Where it takes a hash, `acquire` gets a slot for it and `verify` computes it there.
    pub(super) fn check<'a, A: Attempt, S>(
        &'a self,
        key: CheckKey,
        now: Instant,
        attempt: &A,
        semaphore: &'a Semaphore,
        acquire: impl FnOnce() -> Result<S, HashError>,
        verify: impl FnOnce(&A::Row, &S) -> Result<Verdict, HashError>,
    ) -> Result<Checked<'a, A::Row, S>, A::Error> {
        let mut may_be_proved = true;
        loop {
            match self.find(key, now, attempt, semaphore, may_be_proved)? {
                Found::Proved(fingerprint) => {
                    let row = attempt.read_row()?;
                    if self.fingerprint(attempt, &row) == fingerprint {
                        return Ok(Checked { row, verdict: Verdict::Right, slot: None, permit: None });
                    }
                    may_be_proved = false; // the user changed since
                }
                Found::InFlight(shared, permit) => {
                    if let Some((row, verdict)) = self.join(&shared, attempt)? {
                        return Ok(Checked { row, verdict, slot: None, permit: Some(permit) });
                    }
                }
                Found::New(flight, charge, permit) => {
                    // Nothing about the user was read until here, and nothing is until there is a slot.
                    let hashed = acquire().map_err(A::Error::from).and_then(|slot| {
                        let row = attempt.read_row()?;
                        let verdict = verify(&row, &slot)?;
                        Ok((row, verdict, slot))
                    });
                    let outcome = hashed.as_ref().ok().map(|(row, verdict, _)| Outcome {
                        verdict: *verdict,
                        fingerprint: self.fingerprint(attempt, row),
                    });
                    flight.settle(outcome, now, attempt, charge);
                    let (row, verdict, slot) = hashed?;
                    return Ok(Checked { row, verdict, slot: Some(slot), permit: Some(permit) });
                }
            }
        }
    }

    /// The row, where the check was proved right less than a lifetime ago and the user hasn't changed since.
    pub(super) fn check_proved<A: Attempt>(
        &self,
        key: CheckKey,
        now: Instant,
        attempt: &A,
    ) -> Result<Option<A::Row>, A::Error> {
        // Held while the limiter is asked, which may be locked for longer.
        let Ok(state) = try_lock(&self.state) else { return Ok(None) };
        let Some(fingerprint) = state.proved(key, now, self.lifetime) else { return Ok(None) };
        attempt.peek()?;
        drop(state);
        let row = attempt.read_row()?;
        Ok((self.fingerprint(attempt, &row) == fingerprint).then_some(row))
    }

    /// Waits for the verdict of an identical check; `None` if that is about another stored hash than this request reads.
    fn join<A: Attempt>(&self, shared: &Shared, attempt: &A) -> Result<Option<(A::Row, Verdict)>, A::Error> {
        assert_may_block();
        let Outcome { verdict, fingerprint } = shared.wait().ok_or(HashError::Busy)?;
        if verdict.is_right() {
            let row = attempt.read_row()?;
            // The check that hashed replaces an outdated hash.
            let is_same = self.fingerprint(attempt, &row) == fingerprint;
            return Ok(is_same.then_some((row, Verdict::Right)));
        }
        let charge = attempt.charge()?;
        match attempt.read_row() {
            Ok(row) if self.fingerprint(attempt, &row) == fingerprint => Ok(Some((row, verdict))),
            other => {
                attempt.refund(charge);
                other.map(|_| None)
            }
        }
    }

    /// What is known of a check, and whether this one must hash; one decision.
    fn find<'a, A: Attempt>(
        &'a self,
        key: CheckKey,
        now: Instant,
        attempt: &A,
        semaphore: &'a Semaphore,
        may_be_proved: bool,
    ) -> Result<Found<'a, A::Charge>, A::Error> {
        let mut state = self.lock();
        if let Some(fingerprint) = state.proved(key, now, self.lifetime).filter(|_| may_be_proved) {
            return attempt.peek().map(|()| Found::Proved(fingerprint));
        }
        if let Some(shared) = state.in_flight.get(&key) {
            // A client without guesses left must not learn by this that an identical check is under way.
            attempt.peek()?;
            return Ok(Found::InFlight(shared.clone(), semaphore.acquire()?));
        }
        let charge = attempt.charge()?;
        let permit = match semaphore.acquire() {
            Ok(permit) => permit,
            Err(busy) => {
                attempt.refund(charge);
                return Err(busy.into());
            }
        };
        let shared = Shared::default();
        state.in_flight.insert(key, shared.clone());
        Ok(Found::New(Flight { cache: self, key, shared }, charge, permit))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn proved(&self, key: CheckKey, now: Instant, lifetime: Duration) -> Option<Fingerprint> {
        let (since, fingerprint) = self.proved.get(&key)?;
        (now.saturating_duration_since(*since) < lifetime).then_some(*fingerprint)
    }

    /// Remembers a key, and forgets those whose lifetime is over; where there are too many, the oldest.
    fn prove(&mut self, key: CheckKey, now: Instant, fingerprint: Fingerprint, lifetime: Duration) {
        if let Some((since, _)) = self.proved.insert(key, (now, fingerprint)) {
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

/// Redacted: the keys say nothing to a reader.
impl core::fmt::Debug for PasswordCache {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "PasswordCache({} proved, for {:?})", self.lock().proved.len(), self.lifetime)
    }
}

/// A check that hashes, and that others may join. However it ends, even by a panic, those are woken.
struct Flight<'a> {
    cache: &'a PasswordCache,
    key: CheckKey,
    shared: Shared,
}

impl Flight<'_> {
    /// Settles what was charged and remembers what was proved, in one step: no other check sees half of it.
    fn settle<A: Attempt>(self, outcome: Option<Outcome>, now: Instant, attempt: &A, charge: A::Charge) {
        let mut state = self.cache.lock();
        match outcome {
            // `now` is when the request came: from then on, not from when the hash was done.
            Some(Outcome { verdict, fingerprint }) if verdict.is_right() => {
                attempt.refund(charge);
                state.prove(self.key, now, fingerprint, self.cache.lifetime);
            }
            Some(_) => drop(charge),
            None => attempt.refund(charge),
        }
        state.in_flight.remove(&self.key);
        drop(state);
        let _ = self.shared.set(outcome); // the only one who sets it, but for the drop that follows
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if self.shared.get().is_none() {
            self.cache.lock().in_flight.remove(&self.key);
            let _ = self.shared.set(None); // nobody else sets it
        }
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
