//! Charging: the limiter, its buckets, and charges that may be refunded.

use super::promoted::Promoted;
use super::rules::{RateLimit, Rules};
use super::table::{KINDS, Key, Kind, Millis, Table, Tables};
use crate::client::{AddressMark, Client};
use crate::signer::{Signature, SigningKey};
use crate::wait::{WouldBlock, lock, try_lock};
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

/// An IPv6 /48, the network of a household or an office, has this many times the limit of one address.
const NETWORK_MULTIPLIER: u64 = 16;

/// Requests for a link to set a new password, for one name and from one address.
const LINK_REQUESTS_FOR_NAME: RateLimit = RateLimit::new(3, 20 * 60);
const LINK_REQUESTS_PER_ADDRESS: RateLimit = RateLimit::new(12, 5 * 60);
/// All addresses together have this many times the limit of one.
const LINK_REQUESTS_MULTIPLIER: u64 = 25;

/// A password check, as the limiter sees it.
#[derive(Clone, Copy, Debug)]
pub struct PasswordAttempt<'a> {
    /// The client.
    pub client: Client,
    /// The user name as sent, known or not.
    pub username: &'a str,
    /// Whether that user has logged in from there before.
    pub is_remembered: bool,
}

/// The rate limit is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many {what}; again in {} s", self.retry_after_seconds())]
pub struct RateLimited {
    /// When the next attempt is allowed.
    pub retry_after: Duration,
    /// What exceeded it, for the log.
    pub what: &'static str,
}

/// State of a user name's bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Failed attempts that still count, rounded up.
    pub failures: u64,
    /// The limit.
    pub allowed: u64,
    /// Time until none counts any more.
    pub forgotten_in: Duration,
}

/// The rate limiter. Shared by reference among threads.
///
/// ```
/// use std::time::{Duration, Instant};
/// use gatekey::client::Client;
/// use gatekey::limiter::{Limiter, PasswordAttempt, RateLimit, Rules};
/// use gatekey::signer::SigningKey;
///
/// let rules = Rules { attempts_per_user: RateLimit::new(1, 60), ..Rules::default() };
/// let now = Instant::now();
/// let limiter = Limiter::new(&rules, SigningKey::new(&[7; 32])?, now);
/// let attempt = PasswordAttempt { client: Client::Local, username: "miguel", is_remembered: false };
/// limiter.charge(&attempt, now).unwrap().refund(); // the password was right
/// drop(limiter.charge(&attempt, now).unwrap()); // wrong: it stays charged
/// assert_eq!(limiter.charge(&attempt, now).unwrap_err().retry_after, Duration::from_secs(60));
/// # Ok::<(), gatekey::signer::KeyLengthError>(())
/// ```
pub struct Limiter {
    mac: SigningKey,
    started: Instant,
    tables: Mutex<Tables>,
    promoted: Mutex<Promoted>,
    pub(super) has_changed: AtomicBool,
    /// Whether a bucket has become full since the last save.
    pub(super) is_save_urgent: AtomicBool,
    pub(super) saves: AtomicU64,
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").finish_non_exhaustive()
    }
}

/// A check that is charged. It stays charged if it is dropped, by a panic too.
#[must_use = "a charge that is dropped stays"]
pub struct Charged<'a> {
    limiter: &'a Limiter,
    keys: Vec<Key>,
    at: Millis,
    /// The number of saves when it was charged.
    saves: u64,
}

impl fmt::Debug for Charged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Charged({} keys)", self.keys.len())
    }
}

impl Limiter {
    /// A limiter with empty buckets. The key decides which names and addresses collide; saved counters belong
    /// to their key.
    pub fn new(rules: &Rules, key: SigningKey, now: Instant) -> Self {
        let tables = KINDS.map(|kind| {
            Table::new(match kind {
                Kind::Address => rules.attempts_per_address,
                Kind::User => rules.attempts_per_user,
                Kind::UserAndAddress | Kind::Remembered => rules.attempts_per_user_and_address,
                Kind::Registrations => rules.registrations_per_address,
                Kind::Lookups => rules.lookups_per_address,
                Kind::LinkRequests => LINK_REQUESTS_PER_ADDRESS,
                Kind::LinkRequestsForName => LINK_REQUESTS_FOR_NAME,
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

    /// Checks the limits without a charge, for a password that the cache knows to be right.
    ///
    /// # Errors
    /// [`WouldBlock`] if it may not block, and another thread has the tables locked: a save takes some milliseconds.
    pub fn check(
        &self,
        attempt: &PasswordAttempt<'_>,
        may_block: bool,
        now: Instant,
    ) -> Result<Result<(), RateLimited>, WouldBlock> {
        let tables = self.lock_if(may_block)?; // before keys_of, which depends on promotions
        Ok(check_limits(&tables, &self.keys_of(attempt, now), self.millis(now)))
    }

    /// Charges a password check before it runs.
    ///
    /// # Errors
    /// [`RateLimited`]; then nothing is charged.
    pub fn charge(&self, attempt: &PasswordAttempt<'_>, now: Instant) -> Result<Charged<'_>, RateLimited> {
        let mut tables = self.lock(); // before keys_of, which depends on promotions
        self.charge_in(&mut tables, self.keys_of(attempt, now), now)
    }

    /// Charges a registration before it runs.
    ///
    /// # Errors
    /// [`RateLimited`]; then nothing is charged.
    pub fn charge_registration(&self, client: Client, now: Instant) -> Result<Charged<'_>, RateLimited> {
        self.charge_all(self.per_address(Kind::Registrations, client).collect(), now)
    }

    /// Charges a request for a link to set a new password, whether there is a user of this name or not.
    pub fn charge_link_request(
        &self,
        client: Client,
        username: &str,
        now: Instant,
    ) -> Result<(), RateLimited> {
        let others = [
            self.key(Kind::LinkRequests, &[], LINK_REQUESTS_MULTIPLIER),
            self.key(Kind::LinkRequestsForName, &[username.as_bytes()], 1),
        ];
        let keys = self.per_address(Kind::LinkRequests, client).chain(others);
        self.charge_all(keys.collect(), now).map(drop)
    }

    /// Charges a user look-up.
    ///
    /// # Errors
    /// [`WouldBlock`], as [`Limiter::check`].
    pub fn charge_lookup(
        &self,
        client: Client,
        may_block: bool,
        now: Instant,
    ) -> Result<Result<(), RateLimited>, WouldBlock> {
        let mut tables = self.lock_if(may_block)?;
        let charged = self.charge_in(&mut tables, self.per_address(Kind::Lookups, client).collect(), now);
        Ok(charged.map(|mut charged| charged.confirm_in(&mut tables)))
    }

    /// The buckets of this attempt. Call it with the tables locked.
    fn keys_of(&self, attempt: &PasswordAttempt<'_>, now: Instant) -> Vec<Key> {
        let PasswordAttempt { client, username, is_remembered } = *attempt;
        if is_remembered || self.is_promoted(client, username, now) {
            // Not the address's bucket nor the name's: other clients fill those.
            return self.remembered_keys(client, username).into();
        }
        let name = [
            self.key(Kind::User, &[username.as_bytes()], 1),
            self.pair_key(Kind::UserAndAddress, client, username),
        ];
        self.per_address(Kind::Address, client).chain(name).collect()
    }

    /// The buckets of the address, and of the network if it has one.
    fn per_address(&self, kind: Kind, client: Client) -> impl Iterator<Item = Key> {
        let network =
            client.network().map(|network| self.key(kind, &[&network.to_bytes()], NETWORK_MULTIPLIER));
        [self.key(kind, &[&client.prefix().to_bytes()], 1)].into_iter().chain(network)
    }

    fn pair_key(&self, kind: Kind, client: Client, username: &str) -> Key {
        self.key(kind, &[&client.prefix().to_bytes(), username.as_bytes()], 1)
    }

    fn key(&self, kind: Kind, parts: &[&[u8]], multiplier: u64) -> Key {
        Key::new(kind, &self.keyed_hash(kind as u8, parts), multiplier)
    }

    /// Injective: the kind comes first, and a prefix has a fixed length. Not `sign_fields`, since stored
    /// counters and marks have this form.
    fn keyed_hash(&self, kind: u8, parts: &[&[u8]]) -> Signature {
        self.mac.sign(&[&[kind], parts.concat().as_slice()].concat())
    }

    /// Atomic: all buckets are charged, or none.
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
        check_limits(tables, &keys, at)?;
        for key in &keys {
            key.kind.table_mut(tables).charge(*key);
        }
        let saves = self.saves.load(Ordering::Acquire);
        Ok(Charged { limiter: self, keys, at, saves })
    }

    /// The keyed hash of a user name and an address, for the store.
    pub fn mark(&self, client: Client, username: &str) -> AddressMark {
        const MARK: u8 = u8::MAX; // no kind's number
        let hash = self.keyed_hash(MARK, &[&client.prefix().to_bytes(), username.as_bytes()]);
        hash.first_chunk().copied().unwrap_or_default()
    }

    /// State of the name's bucket.
    pub fn count_of(&self, username: &str, now: Instant) -> Count {
        let key = self.key(Kind::User, &[username.as_bytes()], 1);
        let (failures, allowed, left) = Kind::User.table(&self.lock()).read(key, self.millis(now));
        Count { failures, allowed, forgotten_in: Duration::from_millis(left) }
    }

    /// Records that this user has logged in at this address for the first time. Call it before the store
    /// remembers the address.
    pub fn promote(&self, client: Client, username: &str, now: Instant) {
        let [limit, charged] = self.remembered_keys(client, username);
        let mut tables = self.lock();
        let at = self.millis(now);
        let level = charged.kind.table(&tables).level(charged, at);
        limit.kind.table_mut(&mut tables).raise(limit, level, at);
        lock(&self.promoted).insert(self.mark(client, username), now);
        if level > 0 {
            self.has_changed.store(true, Ordering::Release);
        }
    }

    fn is_promoted(&self, client: Client, username: &str, now: Instant) -> bool {
        let promoted = lock(&self.promoted);
        !promoted.is_empty() && promoted.contains(self.mark(client, username), now)
    }

    /// The bucket that limits a remembered user; and the other one, which is charged and doesn't limit, since
    /// collisions may fill it.
    fn remembered_keys(&self, client: Client, username: &str) -> [Key; 2] {
        let charged = self.pair_key(Kind::UserAndAddress, client, username);
        [self.pair_key(Kind::Remembered, client, username), charged.without_limit()]
    }

    pub(super) fn millis(&self, now: Instant) -> Millis {
        let millis = now.saturating_duration_since(self.started).as_millis();
        Millis::try_from(millis).unwrap_or(Millis::MAX)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Tables> {
        lock(&self.tables)
    }

    fn lock_if(&self, may_block: bool) -> Result<MutexGuard<'_, Tables>, WouldBlock> {
        if may_block { Ok(self.lock()) } else { try_lock(&self.tables) }
    }
}

/// Checks that every bucket has room for one more attempt. The error has the longest wait.
fn check_limits(tables: &Tables, keys: &[Key], at: Millis) -> Result<(), RateLimited> {
    let wait = |key: &Key| Some((key.kind.table(tables).check(*key, at).err()?, key.kind));
    match keys.iter().filter_map(wait).max_by_key(|(millis, _)| *millis) {
        None => Ok(()),
        Some((millis, kind)) => {
            Err(RateLimited { retry_after: Duration::from_millis(millis), what: kind.what() })
        }
    }
}

impl Charged<'_> {
    fn confirm_in(&mut self, tables: &mut Tables) {
        let mut is_full = false;
        for key in self.keys.drain(..) {
            let table = key.kind.table_mut(tables);
            table.confirm(key, self.at);
            // Look-ups are allowed again within seconds, so their loss in a restart doesn't matter.
            is_full |= key.kind != Kind::Lookups && table.check(key, self.at).is_err();
        }
        self.limiter.has_changed.store(true, Ordering::Release);
        if is_full {
            self.limiter.is_save_urgent.store(true, Ordering::Release);
        }
    }

    /// Takes the charge back: the password was right, or the check had no result.
    pub fn refund(mut self) {
        let mut tables = self.limiter.lock();
        for key in self.keys.drain(..) {
            key.kind.table_mut(&mut tables).refund(key);
        }
        // A save meanwhile has counted this check as failed.
        if self.limiter.saves.load(Ordering::Acquire) != self.saves {
            self.limiter.has_changed.store(true, Ordering::Release);
        }
    }
}

impl Drop for Charged<'_> {
    fn drop(&mut self) {
        if self.keys.is_empty() {
            return; // refunded
        }
        let limiter = self.limiter;
        self.confirm_in(&mut limiter.lock());
    }
}

impl RateLimited {
    /// [`RateLimited::retry_after`] in whole seconds, rounded up; at least 1.
    pub fn retry_after_seconds(&self) -> u64 {
        u64::try_from(self.retry_after.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX).max(1)
    }
}

#[cfg(test)]
#[path = "charge_tests.rs"]
mod tests;
