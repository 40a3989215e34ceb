//! Password hashing within limits: hash pool (a thread pool with a fair queue), password cache and
//! single-flight.
//!
//! | file | content |
//! |---|---|
//! | `error.rs` | errors |
//! | `attempt.rs` | callbacks of a check: rate limiter, the user's row |
//! | `forms.rs` | password normalization |
//! | `cache.rs` | password cache and single-flight |
//! | `semaphore.rs` | bounds the requests in the hasher |
//! | `queue.rs` | fair queue for slots |
//! | `pool.rs` | hash pool: threads and slots |
//!
//! The [`Hasher`] also has the cost of new hashes and the memory limit. It counts hashes, so that tests of
//! timing side channels compare counts and not times.
//!
//! # One password check
//!
//! ```text
//!  realm                     Hasher               PasswordCache                           HashPool
//!  authenticate.rs,          mod.rs               cache.rs                                pool.rs, queue.rs
//!  login_attempt.rs
//!    |                          |                      |                                     |
//!    |-- check(attempt) ------->|                      |                                     |
//!    |                          |-- check(key) ------->|  neither proved nor in flight
//!    |<------------- attempt.charge() -----------------|  429 ends here                      |
//!    |                          |                      |  acquires a permit of the semaphore, or 503
//!    |                          |                      |  the check is in flight             |
//!    |                          |                      |-- acquire(turn) ------------------->|  waits for a slot, or 503
//!    |<------------ attempt.read_row() ----------------|  the first read of the user         |
//!    |<------------ attempt.decoy_hash() --------------|                                     |
//!    |                          |                      |-- slot.run(verify) ---------------->|  right, or wrong
//!    |<------------- attempt.refund() -----------------|  unless it is wrong; caches it if it is right
//!    |                          |                      |  wakes the checks that joined       |
//!    |<-- Proof ----------------|<---------------------|                                     |
//!    |                          |                      |                                     |
//!    |-- hash_for_proved_user ->|-- the same slot.run(hash) ------------------------------->|  for a new password, or an
//!    |                          |                      |                                     |  outdated hash
//! ```
//!
//! User enumeration: rate limiter and queue decide before the user's row is read, so the time of a 429 or 503
//! is the same for known and unknown users.
//!
//! # Memory bounds
//!
//! These hold for any number of clients. Options can change the defaults.
//!
//! | resource | at most | in the code |
//! |---|---|---|
//! | hashes at once | one per core | `hashing/mod.rs`: `HashPool::new(cores(), Self::DEFAULT_MAX_QUEUE)` |
//! | memory of one: 128 × r × 2^ln | 64 MiB (16 of a new one) | `hashing/mod.rs`: `DEFAULT_MAX_MEMORY_BYTES: u64 = 64 << 20` |
//! | the stack of one | 256 KiB | `hashing/pool.rs`: `STACK_BYTES: usize = 256 * 1024` |
//! | requests in the queue | 64 in each of its two lines | `hashing/mod.rs`: `DEFAULT_MAX_QUEUE: usize = 64` |
//! | of them, of one owner | 2 | `hashing/queue.rs`: `MAX_PER_OWNER: usize = 2` |
//! | their wait | 5 s | `hashing/pool.rs`: `QUEUE_TIMEOUT: Duration = Duration::from_secs(5)` |
//! | records of the fair queue | 2048 a line, in under 512 KiB | `hashing/queue.rs`: `MAX_RECORDS: usize = 2048` |
//! | entries of the password cache | 4096, in under 1 MB | `hashing/cache.rs`: `MAX_PROVED: usize = 4096` |
//! | the rate limiter's eight tables | 1 MiB each: 4 × 32768 × 8 bytes | `limiter/table.rs`: `ROWS: usize = 4`, `WIDTH: usize = 1 << 15` |
//! | their serialization | 13 bytes for each cell, under 10 MiB | `limiter/saved.rs`: `RECORD_BYTES: usize = 13` |
//! | connections | 256 | `server/engine/limits.rs`: `max_connections: 256` |
//! | kernel buffers of a TCP connection, each direction | 64 KiB | `server/engine/limits.rs`: `SEND_BUFFER_BYTES: usize = 32 * 1024`, `RECEIVE_BUFFER_BYTES: usize = 32 * 1024` |
//! | worker threads that may hash | one per connection, at most 224 | `server/engine/limits.rs`: `MAX_HASHING: usize = 224` |
//! | other worker threads | 32 | `server/engine/limits.rs`: `NEVER_HASHING: usize = 32` |
//! | event loops | one per core, at least 2 | `server/engine/limits.rs`: `MIN_EVENT_LOOPS: NonZeroUsize = NonZeroUsize::new(2)` |
//! | the stack of each of these threads | 512 KiB | `server/engine/limits.rs`: `STACK_BYTES: usize = 512 * 1024` |
//! | the headers of a request | 32 KiB | `server/engine/limits.rs`: `max_head: 32 * 1024` |
//! | its body | 16 KiB | `http/mod.rs`: `MAX_BODY_BYTES: usize = 16 * 1024` |
//! | page cache of a database connection | 256 KiB | `store/sqlite.rs`: `CACHE_KIB: i64 = 256` |
//! | database connections | 1 writer, one reader per core, 4 to 16 | `store/sqlite.rs`: `MIN_READERS: usize = 4`, `MAX_READERS: usize = 16` |
//!
//! The tiny_http server has four threads, two of which may hash (`server/tiny.rs`).

mod error;
mod attempt;
mod semaphore;
mod cache;
mod forms;
mod queue;
mod pool;

pub use attempt::{Attempt, Check, Stored, Verdict};
pub use error::HashError;
pub use pool::PoolStats;

use crate::client::Client;
use crate::password::{self, AnyHash, Cost};
use crate::secret::Secret;
use cache::{Checked, PasswordCache};
use core::hash::BuildHasher as _;
use core::num::NonZeroUsize;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use forms::{Form, Forms};
use pool::{HashPool, Slot};
use queue::{Line, Turn};
use semaphore::{Permit, Semaphore};
use std::hash::RandomState;
use std::thread;
use std::time::Instant;

/// Hashes and verifies passwords within limits.
///
/// ```
/// use gatekey::{client::Client, hashing::Hasher, password::Cost, secret::Secret};
/// let cost: Cost = "ln=4,r=8,p=1".parse()?; // for examples only
/// let hasher = Hasher::new(cost, Hasher::DEFAULT_MAX_MEMORY_BYTES)?;
/// let stored = hasher.hash(&Secret::new("python".into()), Client::Local)?;
/// assert!(stored.starts_with("$scrypt$ln=4,r=8,p=1$"));
/// assert!(hasher.check_limits("$scrypt$ln=20,r=8,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA").is_err()); // 1 GiB
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Hasher {
    cost: Cost,
    max_memory_bytes: u64,
    hashes: AtomicU64,
    pool: HashPool,
    cache: PasswordCache,
    semaphore: Semaphore,
    /// Keyed hash of users and addresses, for the queue.
    owners: RandomState,
}

impl Hasher {
    /// A stored hash that takes more memory than this is not verified (64 MiB).
    pub const DEFAULT_MAX_MEMORY_BYTES: u64 = 64 << 20;

    /// Requests in each line of the queue (64): about what two slots hash in 5 s at the default cost.
    pub const DEFAULT_MAX_QUEUE: usize = 64;

    /// Lifetime of an entry of the password cache (60 s).
    pub const DEFAULT_PASSWORD_CACHE: Duration = Duration::from_secs(60);

    /// A hasher with one slot per core. New hashes have this cost; stored ones over the memory limit are not
    /// verified.
    ///
    /// # Errors
    /// [`HashError::TooMuchMemory`] if the cost itself is over the limit; [`HashError::Random`].
    pub fn new(cost: Cost, max_memory_bytes: u64) -> Result<Self, HashError> {
        let hasher = Self {
            cost,
            max_memory_bytes,
            hashes: AtomicU64::new(0),
            pool: HashPool::new(cores(), Self::DEFAULT_MAX_QUEUE),
            cache: PasswordCache::new(Self::DEFAULT_PASSWORD_CACHE)?,
            semaphore: Semaphore::new(usize::MAX),
            owners: RandomState::new(),
        };
        hasher.check_memory(cost.memory_bytes(), || cost.to_string())?;
        Ok(hasher)
    }

    /// Sets the number of slots (`None`: one per core), and of requests in each line of the queue.
    #[must_use]
    pub fn with_slots(self, slots: Option<usize>, max_queue: usize) -> Self {
        Self { pool: HashPool::new(slots.unwrap_or_else(cores), max_queue), ..self }
    }

    /// Sets the lifetime of the password cache, from the arrival of the request; zero disables it.
    #[must_use]
    pub fn with_password_cache(self, lifetime: Duration) -> Self {
        Self { cache: self.cache.with_lifetime(lifetime), ..self }
    }

    /// Sets the number of requests that may hash or wait at once: each blocks a thread of the caller.
    #[must_use]
    pub fn with_max_requests(self, max_requests: usize) -> Self {
        Self { semaphore: Semaphore::new(max_requests), ..self }
    }

    /// Acquires a permit and a slot for a new password of an unauthenticated client. User enumeration: call
    /// it before reading users, so that a rejection doesn't depend on them.
    ///
    /// # Errors
    /// [`HashError::Busy`].
    pub fn reserve(&self, client: Client) -> Result<Reservation<'_>, HashError> {
        let permit = self.semaphore.acquire()?;
        let slot = self.pool.acquire(self.stranger(client))?;
        Ok(Reservation { slot: Some(slot), permit: Some(permit) })
    }

    /// Hashes a new password in its normalized form. Returns the PHC string.
    ///
    /// # Errors
    /// [`HashError::Busy`] and [`HashError::Random`].
    pub fn hash(&self, password: &Secret, client: Client) -> Result<String, HashError> {
        self.hash_in(self.reserve(client)?, password, self.stranger(client))
    }

    /// [`Hasher::hash`] in a reservation.
    ///
    /// # Errors
    /// [`HashError::Random`].
    pub fn hash_reserved(
        &self,
        reservation: Reservation<'_>,
        password: &Secret,
        client: Client,
    ) -> Result<String, HashError> {
        self.hash_in(reservation, password, self.stranger(client))
    }

    /// Hashes a new password for a user whose current one was just verified, in the same slot. If the
    /// password cache knew it, the request waits in the line of known users.
    ///
    /// # Errors
    /// [`HashError::Busy`], only if the check took no hash; [`HashError::Random`].
    pub fn hash_for_proved_user(
        &self,
        reservation: Reservation<'_>,
        password: &Secret,
        username: &str,
        client: Client,
    ) -> Result<String, HashError> {
        // Not capped: wrong passwords for this name at the same address must not displace its user.
        let turn = Turn { is_capped: false, ..self.known(username, client) };
        self.hash_in(reservation, password, turn)
    }

    fn hash_in(
        &self,
        reservation: Reservation<'_>,
        password: &Secret,
        turn: Turn,
    ) -> Result<String, HashError> {
        let _permit = reservation.permit.map_or_else(|| self.semaphore.acquire(), Ok)?;
        let slot = reservation.slot.map_or_else(|| self.pool.acquire(turn), Ok)?;
        let (forms, cost) = (Forms::of(password), self.cost);
        let hashed = slot.run(move || password::hash(forms.for_new_hash(), cost));
        self.count(1);
        Ok(hashed?.to_string())
    }

    /// The turn of a user at a remembered address, or just authenticated.
    fn known(&self, username: &str, client: Client) -> Turn {
        let owner = self.owners.hash_one((Line::Known as u8, username));
        let source = self.owners.hash_one((Line::Known as u8, username, client.prefix()));
        Turn { line: Line::Known, owner, source, is_capped: true }
    }

    fn stranger(&self, client: Client) -> Turn {
        let address = self.owners.hash_one((Line::Strangers as u8, client.prefix()));
        Turn { line: Line::Strangers, owner: address, source: address, is_capped: !client.is_local() }
    }

    /// Parses a stored hash and checks its memory limit.
    ///
    /// # Errors
    /// [`HashError::Stored`] and [`HashError::TooMuchMemory`].
    pub fn check_limits(&self, text: &str) -> Result<AnyHash, HashError> {
        let parsed: AnyHash = text.parse()?;
        self.check_memory(parsed.memory_bytes(), || parsed.parameters())?;
        Ok(parsed)
    }

    /// Checks a password. Costs no hash if it is cached, one otherwise, and two if the password is not
    /// normalized.
    ///
    /// # Errors
    /// Those of the attempt; [`HashError::Busy`] and [`HashError::Random`].
    pub fn check<A: Attempt>(
        &self,
        check: &Check<'_>,
        now: Instant,
        attempt: &A,
    ) -> Result<Proof<'_, A::Row>, A::Error> {
        let turn = if check.is_remembered {
            self.known(check.username, check.client)
        } else {
            self.stranger(check.client)
        };
        let acquire = || Ok(self.pool.acquire(turn)?);
        let verify = |row: &A::Row, slot: &Slot<'_>| self.verify(check.password, attempt, row, slot);
        let key = self.cache.key(check);
        let Checked { row, verdict, slot, permit } =
            self.cache.check(key, now, attempt, &self.semaphore, acquire, verify)?;
        Ok(Proof { row, verdict, reservation: Reservation { slot, permit } })
    }

    /// The user's row if the password is cached; otherwise `None`, without a charge. Doesn't block if the
    /// attempt doesn't.
    pub fn check_cached<A: Attempt>(
        &self,
        check: &Check<'_>,
        now: Instant,
        attempt: &A,
    ) -> Result<Option<A::Row>, A::Error> {
        self.cache.check_proved(self.cache.key(check), now, attempt)
    }

    fn verify<A: Attempt>(
        &self,
        password: &Secret,
        attempt: &A,
        row: &A::Row,
        slot: &Slot<'_>,
    ) -> Result<Verdict, HashError> {
        // User enumeration by timing: without a usable hash, a decoy is verified.
        let decoy = attempt.decoy_hash().and_then(|text| self.check_limits(&text).ok());
        let stored = attempt.stored_hash(row).map(|stored| self.check_limits(stored.text));
        if let Some(Err(error)) = &stored {
            attempt.on_unusable_hash(row, error);
        }
        let (otherwise, stored) = match stored {
            Some(Ok(stored)) => (None, Some(stored)),
            Some(Err(_)) => (Some(Verdict::Unusable), decoy),
            None => (Some(Verdict::Wrong), decoy),
        };
        let stored = stored.map_or_else(|| password::dummy(self.cost).map(Into::into), Ok)?;
        let (is_current, is_decoy, forms) =
            (stored.is_current(self.cost), otherwise.is_some(), Forms::of(password));
        let matched = slot.run(move || forms.verify(&stored, is_decoy));
        self.count(matched.hashes);
        Ok(otherwise.unwrap_or(match matched.form {
            None => Verdict::Wrong,
            Some(Form::Normalized) if is_current => Verdict::Right,
            Some(_) => Verdict::RightButOutdated,
        }))
    }

    /// Number of hashes computed.
    pub fn hashes(&self) -> u64 {
        self.hashes.load(Ordering::Relaxed)
    }

    /// Current use of the hash pool.
    pub fn stats(&self) -> PoolStats {
        self.pool.stats()
    }

    fn count(&self, hashes: u64) {
        self.hashes.fetch_add(hashes, Ordering::Relaxed);
    }

    fn check_memory(&self, bytes: u64, parameters: impl FnOnce() -> String) -> Result<(), HashError> {
        let max_bytes = self.max_memory_bytes;
        if bytes <= max_bytes {
            Ok(())
        } else {
            Err(HashError::TooMuchMemory { parameters: parameters(), bytes, max_bytes })
        }
    }
}

/// The default number of slots: one per core.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// The result of a check.
#[derive(Debug)]
#[must_use]
pub struct Proof<'a, R> {
    /// The user's row at the time of the check.
    pub row: R,
    /// Whether the password is right.
    pub verdict: Verdict,
    /// For [`Hasher::hash_for_proved_user`]. Drop it before anything that blocks: other requests wait for the
    /// slot.
    pub reservation: Reservation<'a>,
}

/// A slot and a permit, or neither if the password was cached.
#[derive(Debug)]
#[must_use]
pub struct Reservation<'a> {
    slot: Option<Slot<'a>>,
    permit: Option<Permit<'a>>,
}

#[cfg(test)]
mod tests;
