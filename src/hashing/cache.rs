//! Password cache and single-flight (`--password-cache`): a recently verified password needs no hash, and
//! identical checks in flight share one.
//!
//! An app may send Basic credentials with each request; a hash for each would take a core per user.
//!
//! | the check is | result | calls to the rate limiter |
//! |---|---|---|
//! | proved right, less than a lifetime ago | right | [`check_limit`](Attempt::check_limit) |
//! | in flight: an identical one is being hashed | its verdict, or [`HashError::Busy`] if it has none | [`check_limit`](Attempt::check_limit), then [`charge`](Attempt::charge) if the verdict is wrong |
//! | new | a hash | [`charge`](Attempt::charge), then [`refund`](Attempt::refund) unless the verdict is wrong |
//!
//! So every wrong verdict that is returned was charged, also if forty requests share it.
//!
//! # User enumeration
//!
//! A rejection by the rate limiter or as busy, and its time, must not depend on the user. So a check is
//! identified by a [`CheckKey`], a MAC over what the *client* sent: name, password and address prefix. The
//! user's row is read after both decisions:
//!
//! ```text
//!  new:        charge -> permit -> slot -> read row -> parse its hash, verify -> refund unless wrong
//!  in flight:  check_limit -> permit -> wait -> charge if wrong -> read row
//!  proved:     check_limit -> read row
//! ```
//!
//! A proved check may read the row and then need a hash, because the user has changed. That reveals nothing:
//! its client has just shown the right password.
//!
//! # Invalidation
//!
//! A verdict applies to **one stored hash and generation**, by their [`Fingerprint`], which each request
//! compares with the row that it reads. So a changed password, in whichever process, needs no invalidation. A
//! wrong verdict is shared in flight and never cached. The cache contains neither names nor passwords.

use super::attempt::{Attempt, Check, Stored, Verdict};
use super::error::HashError;
use super::semaphore::{Permit, Semaphore};
use crate::random::{self, RandomError};
use crate::signer::{Signature, SigningKey};
use crate::wait::{assert_may_block, lock, try_lock};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Instant;

/// Entries of the cache: more than eight cores verify in a minute at the default cost, in under a megabyte.
const MAX_PROVED: usize = 4096;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CheckKey(Signature);

/// Identifies a stored hash and generation; `None` for no hash.
type Fingerprint = Option<Signature>;

/// The cache. The time is an argument; it never reads a clock.
pub(super) struct PasswordCache {
    lifetime: Duration,
    mac: SigningKey,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Time and stored hash of each proof; the time is also in `by_age`.
    proved: BTreeMap<CheckKey, (Instant, Fingerprint)>,
    /// Oldest first.
    by_age: BTreeSet<(Instant, CheckKey)>,
    /// At most one per thread.
    in_flight: BTreeMap<CheckKey, Shared>,
}

/// Outcome of a check in flight; `None` if it has none.
type Shared = Arc<OnceLock<Option<Outcome>>>;

#[derive(Clone, Copy)]
struct Outcome {
    verdict: Verdict,
    fingerprint: Fingerprint,
}

/// State of a check in the cache.
enum Found<'a, C> {
    Proved(Fingerprint),
    InFlight(Shared, Permit<'a>),
    New(SingleFlight<'a>, C, Permit<'a>),
}

/// Result of a check: the row, the verdict on it, and what is still acquired.
pub(super) struct Checked<'a, R, S> {
    pub(super) row: R,
    pub(super) verdict: Verdict,
    pub(super) slot: Option<S>,
    pub(super) permit: Option<Permit<'a>>,
}

impl PasswordCache {
    /// An empty cache. A lifetime of zero caches nothing; checks in flight are shared all the same.
    pub(super) fn new(lifetime: Duration) -> Result<Self, RandomError> {
        let mac = SigningKey::new(&random::bytes::<32>()?).expect("32 bytes are enough for a key");
        Ok(Self { lifetime, mac, state: Mutex::default() })
    }

    pub(super) fn with_lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, state: Mutex::default(), ..self }
    }

    pub(super) fn key(&self, check: &Check<'_>) -> CheckKey {
        let (name, password) = (check.username.as_bytes(), check.password.expose().as_bytes());
        CheckKey(self.mac.sign_fields(&[name, password, &check.client.prefix().to_bytes()]))
    }

    fn fingerprint<A: Attempt>(&self, attempt: &A, row: &A::Row) -> Fingerprint {
        let Stored { text, generation } = attempt.stored_hash(row)?;
        Some(self.mac.sign_fields(&[text.as_bytes(), &generation.number().to_be_bytes()]))
    }

    /// Checks a password. If it takes a hash, `acquire` gets a slot and `verify` computes it there.
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
                    // The user is read after the slot is acquired, not before.
                    let hashed = acquire().map_err(A::Error::from).and_then(|slot| {
                        let row = attempt.read_row()?;
                        let verdict = verify(&row, &slot)?;
                        Ok((row, verdict, slot))
                    });
                    let outcome = hashed.as_ref().ok().map(|(row, verdict, _)| Outcome {
                        verdict: *verdict,
                        fingerprint: self.fingerprint(attempt, row),
                    });
                    flight.complete(outcome, now, attempt, charge);
                    let (row, verdict, slot) = hashed?;
                    return Ok(Checked { row, verdict, slot: Some(slot), permit: Some(permit) });
                }
            }
        }
    }

    /// The row, if the check is proved and the user hasn't changed since.
    pub(super) fn check_proved<A: Attempt>(
        &self,
        key: CheckKey,
        now: Instant,
        attempt: &A,
    ) -> Result<Option<A::Row>, A::Error> {
        // Held while the limiter is checked, which may be locked for longer.
        let Ok(state) = try_lock(&self.state) else { return Ok(None) };
        let Some(fingerprint) = state.proved(key, now, self.lifetime) else { return Ok(None) };
        attempt.check_limit()?;
        drop(state);
        let row = attempt.read_row()?;
        Ok((self.fingerprint(attempt, &row) == fingerprint).then_some(row))
    }

    /// Waits for the verdict of an identical check; `None` if it applies to another stored hash than this
    /// request reads.
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

    /// Looks a check up and, if it is new, charges and registers it. Atomic.
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
            return attempt.check_limit().map(|()| Found::Proved(fingerprint));
        }
        if let Some(shared) = state.in_flight.get(&key) {
            // A client beyond its limit must not learn that an identical check is in flight.
            attempt.check_limit()?;
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
        Ok(Found::New(SingleFlight { cache: self, key, shared }, charge, permit))
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

    /// Inserts a proof; evicts expired ones, and the oldest of too many.
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

impl core::fmt::Debug for PasswordCache {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "PasswordCache({} proved, for {:?})", self.lock().proved.len(), self.lifetime)
    }
}

/// Single-flight: a check that hashes, and that identical ones join. Its end wakes them, by a panic too.
struct SingleFlight<'a> {
    cache: &'a PasswordCache,
    key: CheckKey,
    shared: Shared,
}

impl SingleFlight<'_> {
    /// Refunds or confirms the charge and caches a proof. Atomic for other checks.
    fn complete<A: Attempt>(self, outcome: Option<Outcome>, now: Instant, attempt: &A, charge: A::Charge) {
        let mut state = self.cache.lock();
        match outcome {
            // The lifetime begins when the request arrived, not when the hash was done.
            Some(Outcome { verdict, fingerprint }) if verdict.is_right() => {
                attempt.refund(charge);
                state.prove(self.key, now, fingerprint, self.cache.lifetime);
            }
            Some(_) => drop(charge),
            None => attempt.refund(charge),
        }
        state.in_flight.remove(&self.key);
        drop(state);
        let _ = self.shared.set(outcome); // only this sets it, and the drop that follows
    }
}

impl Drop for SingleFlight<'_> {
    fn drop(&mut self) {
        if self.shared.get().is_none() {
            self.cache.lock().in_flight.remove(&self.key);
            let _ = self.shared.set(None);
        }
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
