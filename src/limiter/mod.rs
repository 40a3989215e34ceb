//! Rate limiter against brute-force password guessing: buckets of **failed** password checks.
//!
//! A check is charged before it runs, in one step with the decision, so that concurrent checks can't exceed a limit.
//! A correct password, or a check without a result, is refunded. Earlier failures stay charged.
//!
//! Each check is counted under several keys at once, and every one must have room:
//!
//! | counter | keeps out | default | attempts on the first day, then |
//! |---|---|---|---|
//! | client address (IPv6: /64) | one guesser who tries many names | 100, one a minute | 1540, 1440 |
//! | IPv6 network (/48) | the same, with 65536 addresses for nothing | sixteen times that | 24640, 23040 |
//! | user name, whoever has it | many guessers who try one name | 100, one in 5 minutes | 388, 288 |
//! | address and name | one guesser who tries one name | 10, one in 10 minutes | 154, 144 |
//!
//! So one address gets 154 attempts at an account on the first day, and ten thousand addresses together get 388. The
//! name's counter alone would let anybody lock anybody out; hence **remembered addresses**: at an address from which
//! the user has logged in before, only a counter of that user at that address applies (as the last line), in a table
//! that only such users' own requests reach. Tokens are never throttled.
//!
//! Both ways of counting a user at an address are one allowance: `promoted.rs` carries it over when the address becomes
//! remembered, and each 401 is counted, also where identical checks share one hash. So the bounds are exact, whoever
//! logs in meanwhile: 154 attempts at a name from one address on the first day. From all addresses together there are 388,
//! and 154 more for each address that is remembered for the name, of which there are eight at a time.
//!
//! A known limitation: a client that has used up the allowance of an address, and shares that address with others, can
//! tell by a 401 instead of a 429 which names have logged in from there.
//!
//! Registrations and look-ups of users are counted per address in the same way, all of them.
//!
//! Everything is of a fixed size, whatever is sent; see `table.rs` for how, and for what a collision can do: it
//! delays a stranger's password, never a token, and never a user at a remembered address because of a stranger. (Somebody
//! with thousands of users of their own, each kept at its limit, may delay a few known ones.)
//! The counters run on monotonic time. They are saved every 10 seconds, at the end, and within a second when one has become full.
//! So a killed server forgets at most 10 seconds of counting, and not that a client is rejected.
//!
//! | file | what |
//! |---|---|
//! | `rules.rs` | how often each thing may be done |
//! | `table.rs` | one table, of the counters of one kind: what a key has poured into it, and how that runs out |
//! | `promoted.rs` | addresses that become remembered: what counted before goes on counting |
//! | `saved.rs` | all tables as bytes, and back |

mod promoted;
mod rules;
mod saved;
mod table;

pub use rules::{RateLimit, Rules};
pub use saved::SavedError;

use crate::client::{AddressMark, Client};
use crate::signer::{Signature, SigningKey};
use crate::wait::{WouldBlock, lock, try_lock};
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use promoted::Promoted;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;
use table::{Key, Millis, Table};

/// A /48 of IPv6 is a house or an office: so many times what one address may.
const NETWORK_TIMES: u64 = 16;

/// Somebody shows a password.
#[derive(Clone, Copy, Debug)]
pub struct PasswordAttempt<'a> {
    /// From where.
    pub client: Client,
    /// For which name, known or not.
    pub username: &'a str,
    /// Whether that user has logged in from there before.
    pub is_remembered: bool,
}

/// It was tried too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimited {
    /// After so long it may be tried again.
    pub retry_after: Duration,
    /// What there was too much of, for the log.
    pub what: &'static str,
}

/// What a name's counter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Wrong passwords that count.
    pub failures: u64,
    /// How many may.
    pub allowed: u64,
    /// Until none counts any more.
    pub forgotten_in: Duration,
}

/// What is counted apart. The numbers stand in saved counters: none is used again for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Address = 0,
    User = 1,
    UserAndAddress = 2,
    Remembered = 3,
    Registrations = 4,
    Lookups = 5,
}

const KINDS: [Kind; 6] =
    [Kind::Address, Kind::User, Kind::UserAndAddress, Kind::Remembered, Kind::Registrations, Kind::Lookups];

/// One of each kind, in the order of [`KINDS`].
type Tables = [Table; KINDS.len()];

impl Kind {
    /// What it counts.
    fn what(self) -> &'static str {
        match self {
            Self::Address => "wrong passwords from this address or network",
            Self::User => "wrong passwords for this name, from all addresses",
            Self::UserAndAddress => "wrong passwords for this name from this address",
            Self::Remembered => "wrong passwords for this user at an address that is known",
            Self::Registrations => "registrations from this address or network",
            Self::Lookups => "look-ups from this address or network",
        }
    }

    fn table(self, tables: &Tables) -> &Table {
        tables.get(self as usize).expect("there is one of each kind")
    }

    fn table_mut(self, tables: &mut Tables) -> &mut Table {
        tables.get_mut(self as usize).expect("there is one of each kind")
    }
}

/// Who may guess, and how often. Shared by reference among threads.
pub struct Limiter {
    mac: SigningKey,
    started: Instant,
    tables: Mutex<Tables>,
    promoted: Mutex<Promoted>,
    has_changed: AtomicBool,
    /// Whether a counter has become full since they were saved.
    is_save_urgent: AtomicBool,
    saves: AtomicU64,
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").finish_non_exhaustive()
    }
}

/// A check that was charged. Dropped, it stays charged: what ends in a panic was an attempt too.
#[must_use = "a charge that is dropped stays"]
pub struct Charged<'a> {
    limiter: &'a Limiter,
    keys: Vec<Key>,
    at: Millis,
    /// How often the counters had been saved by then.
    saves: u64,
}

impl fmt::Debug for Charged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Charged({} keys)", self.keys.len())
    }
}

impl Limiter {
    /// A limiter with empty counters. The key decides who collides with whom: counters that were saved under one key
    /// mean nothing under another.
    pub fn new(rules: &Rules, key: SigningKey, now: Instant) -> Self {
        let tables = KINDS.map(|kind| {
            Table::new(match kind {
                Kind::Address => rules.guesses_per_address,
                Kind::User => rules.guesses_per_user,
                Kind::UserAndAddress | Kind::Remembered => rules.guesses_per_user_and_address,
                Kind::Registrations => rules.registrations_per_address,
                Kind::Lookups => rules.lookups_per_address,
            })
        });
        Self {
            mac: key,
            started: now,
            tables: Mutex::new(tables),
            promoted: Mutex::default(),
            has_changed: AtomicBool::new(false),
            is_save_urgent: AtomicBool::new(false),
            saves: AtomicU64::new(0),
        }
    }

    /// Whether a password may be checked now; charges nothing. For one that was just proved right, and so isn't hashed.
    ///
    /// # Errors
    /// [`RateLimited`].
    pub fn peek(&self, attempt: &PasswordAttempt<'_>, now: Instant) -> Result<(), RateLimited> {
        let tables = self.lock(); // first: it decides what the keys are
        admit(&tables, &self.keys_of(attempt, now), self.millis(now))
    }

    /// The same, on an event loop.
    ///
    /// # Errors
    /// [`WouldBlock`] where another thread has the counters locked: saving them takes some milliseconds.
    pub fn try_peek(
        &self,
        attempt: &PasswordAttempt<'_>,
        now: Instant,
    ) -> Result<Result<(), RateLimited>, WouldBlock> {
        let keys = self.keys_of(attempt, now);
        Ok(admit(&*try_lock(&self.tables)?, &keys, self.millis(now)))
    }

    /// Charges the check of a password, before it is made.
    ///
    /// # Errors
    /// [`RateLimited`]; nothing was charged then.
    pub fn charge(&self, attempt: &PasswordAttempt<'_>, now: Instant) -> Result<Charged<'_>, RateLimited> {
        let mut tables = self.lock(); // first: it decides what the keys are
        self.charge_in(&mut tables, self.keys_of(attempt, now), now)
    }

    /// Charges a registration, before it is made.
    ///
    /// # Errors
    /// [`RateLimited`]; nothing was charged then.
    pub fn charge_registration(&self, client: Client, now: Instant) -> Result<Charged<'_>, RateLimited> {
        self.charge_all(self.per_address(Kind::Registrations, client).collect(), now)
    }

    /// Charges a look-up of a user.
    ///
    /// # Errors
    /// [`RateLimited`].
    pub fn charge_lookup(&self, client: Client, now: Instant) -> Result<(), RateLimited> {
        self.charge_all(self.per_address(Kind::Lookups, client).collect(), now).map(drop)
    }

    /// The same, on an event loop.
    ///
    /// # Errors
    /// [`WouldBlock`] where another thread has the counters locked: saving them takes some milliseconds.
    pub fn try_charge_lookup(
        &self,
        client: Client,
        now: Instant,
    ) -> Result<Result<(), RateLimited>, WouldBlock> {
        let keys = self.per_address(Kind::Lookups, client).collect();
        let mut tables = try_lock(&self.tables)?;
        let charged = self.charge_in(&mut tables, keys, now);
        Ok(charged.map(|mut charged| charged.settle_in(&mut tables)))
    }

    /// What this attempt is counted under. To be asked with the tables locked.
    fn keys_of(&self, attempt: &PasswordAttempt<'_>, now: Instant) -> Vec<Key> {
        let PasswordAttempt { client, username, is_remembered } = *attempt;
        if is_remembered || self.is_promoted(client, username, now) {
            // Neither the address's bucket nor the name's: other clients fill those.
            return self.remembered_keys(client, username).into();
        }
        let name = [
            self.key(Kind::User, &[username.as_bytes()], 1),
            self.pair_key(Kind::UserAndAddress, client, username),
        ];
        self.per_address(Kind::Address, client).chain(name).collect()
    }

    /// The address, and the network if it has one.
    fn per_address(&self, kind: Kind, client: Client) -> impl Iterator<Item = Key> {
        let network = client.network().map(|network| self.key(kind, &[&network.to_bytes()], NETWORK_TIMES));
        [self.key(kind, &[&client.prefix().to_bytes()], 1)].into_iter().chain(network)
    }

    fn pair_key(&self, kind: Kind, client: Client, username: &str) -> Key {
        self.key(kind, &[&client.prefix().to_bytes(), username.as_bytes()], 1)
    }

    fn key(&self, kind: Kind, parts: &[&[u8]], times: u64) -> Key {
        Key::new(kind, &self.keyed_hash(kind as u8, parts), times)
    }

    /// What kind of thing comes first, and a prefix always has the same length: no two things give the same bytes. (Not
    /// `sign_fields`: counters and marks that are stored were made in this way.)
    fn keyed_hash(&self, kind: u8, parts: &[&[u8]]) -> Signature {
        self.mac.sign(&[&[kind], parts.concat().as_slice()].concat())
    }

    /// In one step: all counters have room, or none is charged.
    fn charge_all(&self, keys: Vec<Key>, now: Instant) -> Result<Charged<'_>, RateLimited> {
        self.charge_in(&mut self.lock(), keys, now)
    }

    fn charge_in(
        &self,
        tables: &mut Tables,
        keys: Vec<Key>,
        now: Instant,
    ) -> Result<Charged<'_>, RateLimited> {
        let at = self.millis(now);
        admit(tables, &keys, at)?;
        for key in &keys {
            key.kind.table_mut(tables).begin(*key);
        }
        let saves = self.saves.load(Ordering::Acquire);
        Ok(Charged { limiter: self, keys, at, saves })
    }

    /// What stands for a user at an address, wherever both are stored: by itself it tells neither.
    pub fn mark(&self, client: Client, username: &str) -> AddressMark {
        const MARK: u8 = u8::MAX; // no kind's number
        let hash = self.keyed_hash(MARK, &[&client.prefix().to_bytes(), username.as_bytes()]);
        hash.first_chunk().copied().unwrap_or_default()
    }

    /// How many wrong passwords count for a name.
    pub fn count_of(&self, username: &str, now: Instant) -> Count {
        let key = self.key(Kind::User, &[username.as_bytes()], 1);
        let (failures, allowed, left) = Kind::User.table(&self.lock()).read(key, self.millis(now));
        Count { failures, allowed, forgotten_in: Duration::from_millis(left) }
    }

    fn millis(&self, now: Instant) -> Millis {
        let millis = now.saturating_duration_since(self.started).as_millis();
        Millis::try_from(millis).unwrap_or(Millis::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        lock(&self.tables)
    }
}

/// Whether every counter has room for one more; else how long until they have.
fn admit(tables: &Tables, keys: &[Key], at: Millis) -> Result<(), RateLimited> {
    let wait = |key: &Key| Some((key.kind.table(tables).admits(*key, at).err()?, key.kind));
    match keys.iter().filter_map(wait).max_by_key(|(millis, _)| *millis) {
        None => Ok(()),
        Some((millis, kind)) => {
            Err(RateLimited { retry_after: Duration::from_millis(millis), what: kind.what() })
        }
    }
}

impl Charged<'_> {
    fn settle_in(&mut self, tables: &mut Tables) {
        let mut is_full = false;
        for key in self.keys.drain(..) {
            let table = key.kind.table_mut(tables);
            table.settle(key, self.at);
            // Look-ups are allowed again within seconds, so a restart gives nothing away.
            is_full |= key.kind != Kind::Lookups && table.admits(key, self.at).is_err();
        }
        self.limiter.has_changed.store(true, Ordering::Release);
        if is_full {
            self.limiter.is_save_urgent.store(true, Ordering::Release);
        }
    }

    /// The password was right, or nobody could tell: the check counts for nothing.
    pub fn give_back(mut self) {
        let mut tables = self.limiter.lock();
        for key in self.keys.drain(..) {
            key.kind.table_mut(&mut tables).give_back(key);
        }
        // What was saved meanwhile counts this check as failed.
        if self.limiter.saves.load(Ordering::Acquire) != self.saves {
            self.limiter.has_changed.store(true, Ordering::Release);
        }
    }
}

impl Drop for Charged<'_> {
    fn drop(&mut self) {
        if self.keys.is_empty() {
            return; // given back
        }
        let limiter = self.limiter;
        self.settle_in(&mut limiter.lock());
    }
}

impl fmt::Display for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "too many {}; again in {} s", self.what, self.retry_after_seconds())
    }
}

impl core::error::Error for RateLimited {}

impl RateLimited {
    /// In whole seconds, so that it is surely over by then; at least 1.
    pub fn retry_after_seconds(&self) -> u64 {
        u64::try_from(self.retry_after.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX).max(1)
    }
}

#[cfg(test)]
mod tests;
