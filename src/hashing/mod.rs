//! Password hashing within limits: the realm never calls scrypt itself, it asks the [`Hasher`].
//!
//! | file | what |
//! |---|---|
//! | `error.rs` | why nothing could be hashed or verified |
//! | `attempt.rs` | what the hasher needs of its caller: the limiter, the user's row |
//! | `forms.rs` | forms of a password: normalized for new hashes, and as sent |
//! | `cache.rs` | password cache and single-flight: which checks need no hash of their own |
//! | `semaphore.rs` | how many requests may be in here at once, hashing or waiting |
//! | `queue.rs` | fair queue: who gets the next free slot |
//! | `pool.rs` | hash pool: the threads that hash, and the slots that stand for them |
//!
//! The hasher holds these, the cost of new hashes, and the limit on memory. It counts what it does, so that a test can say
//! "this cost exactly one hash" without a clock.
//!
//! # One password, from the call to the verdict
//!
//! ```text
//!  realm                     Hasher               PasswordCache                           Pool
//!  authenticate.rs,          mod.rs               cache.rs                                pool.rs, queue.rs
//!  guessing.rs
//!    |                          |                      |                                     |
//!    |-- check(attempt) ------->|                      |                                     |
//!    |                          |-- check(key) ------->|  is it proved, or in flight? here: neither
//!    |<------------- attempt.charge() -----------------|  429 ends here                      |
//!    |                          |                      |  acquires a permit of the semaphore, or 503
//!    |                          |                      |  the check is in flight             |
//!    |                          |                      |-- acquire(turn) ------------------->|  waits for a slot, or 503
//!    |<------------ attempt.read_row() ----------------|  the first look at the user         |
//!    |<------------ attempt.decoy_hash() --------------|                                     |
//!    |                          |                      |-- slot.run(verify) ---------------->|  right, or wrong
//!    |<------------- attempt.refund() -----------------|  unless it is wrong; remembers it if it is right
//!    |                          |                      |  wakes the checks that joined       |
//!    |<-- Proof ----------------|<---------------------|                                     |
//!    |                          |                      |                                     |
//!    |-- hash_for_proved_user ->|-- the same slot.run(hash) ------------------------------->|  for a new password, or an
//!    |                          |                      |                                     |  outdated hash
//! ```
//!
//! Neither the limiter nor the queue is asked after the user's row was read: the time of a 429 or a 503 is the same
//! whether there is such a user or not.
//!
//! # What a storm of logins can take
//!
//! Memory is bounded by this, however many clients log in; options may set other numbers than these defaults.
//!
//! | what | at most | in the code |
//! |---|---|---|
//! | hashes at once | as many as there are cores | `hashing/mod.rs`: `Pool::new(cores(), Self::DEFAULT_MAX_QUEUE)` |
//! | the block of one: 128 × r × 2^ln | 64 MiB (16 of a new one) | `hashing/mod.rs`: `DEFAULT_MAX_MEMORY_BYTES: u64 = 64 << 20` |
//! | the stack of one | 256 KiB | `hashing/pool.rs`: `STACK_BYTES: usize = 256 * 1024` |
//! | requests that wait for a slot | 64 of known users, and 64 of strangers | `hashing/mod.rs`: `DEFAULT_MAX_QUEUE: usize = 64` |
//! | of them, of one known user, or of one address of strangers | 2 | `hashing/queue.rs`: `MAX_PER_OWNER: usize = 2` |
//! | for how long | 5 s | `hashing/pool.rs`: `PATIENCE: Duration = Duration::from_secs(5)` |
//! | records of who was served when | 2048 of known users, and 2048 of addresses, in under 512 KiB | `hashing/queue.rs`: `MAX_RECORDS: usize = 2048` |
//! | passwords proved lately | 4096, in under 1 MB | `hashing/cache.rs`: `MAX_PROVED: usize = 4096` |
//! | the limiter's six tables | 1 MiB each: 4 × 32768 × 8 bytes | `limiter/table.rs`: `ROWS: usize = 4`, `WIDTH: usize = 1 << 15` |
//! | the bytes that they are saved as | 13 for each place, under 10 MiB | `limiter/saved.rs`: `RECORD_BYTES: usize = 13` |
//! | connections | 256 | `server/engine/limits.rs`: `max_connections: 256` |
//! | what the kernel buffers for each of TCP, in each direction | 64 KiB | `server/engine/limits.rs`: `SEND_BUFFER_BYTES: usize = 32 * 1024`, `RECEIVE_BUFFER_BYTES: usize = 32 * 1024` |
//! | worker threads that may hash, or wait for a hash | as many as connections, at most 224 | `server/engine/limits.rs`: `MAX_HASHING: usize = 224` |
//! | worker threads besides | 32 | `server/engine/limits.rs`: `NEVER_HASHING: usize = 32` |
//! | event loops | as many as there are cores, 2 at least | `server/engine/limits.rs`: `MIN_EVENT_LOOPS: usize = 2` |
//! | the stack of each of these threads | 512 KiB | `server/engine/limits.rs`: `STACK_BYTES: usize = 512 * 1024` |
//! | the head of a request | 32 KiB | `server/engine/limits.rs`: `max_head: 32 * 1024` |
//! | its body | 16 KiB | `http/mod.rs`: `MAX_BODY_BYTES: usize = 16 * 1024` |
//! | pages of the database | 256 KiB a connection to it | `store/sqlite.rs`: `CACHE_KIB: i64 = 256` |
//! | such connections: one writes, others read | 1, and as many as there are cores, 4 to 16 | `store/sqlite.rs`: `MIN_READERS: usize = 4`, `MAX_READERS: usize = 16` |
//!
//! (The tiny_http loop has four threads, and lets two of them in here: `server/tiny.rs`.)

mod error;
mod attempt;
mod semaphore;
mod cache;
mod forms;
mod queue;
mod pool;

pub use attempt::{Attempt, Stored};
pub use error::HashError;
pub use pool::Load;

use crate::client::Client;
use crate::password::{self, AnyHash, Cost};
use crate::secret::Secret;
use cache::{Checked, PasswordCache};
use core::hash::BuildHasher as _;
use core::num::NonZeroUsize;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use forms::{Form, Forms};
use pool::{Pool, Slot};
use queue::{Line, Turn};
use semaphore::{Permit, Semaphore};
use std::hash::RandomState;
use std::thread;
use std::time::Instant;

/// Hashes and verifies passwords within its limits.
#[derive(Debug)]
pub struct Hasher {
    cost: Cost,
    max_memory_bytes: u64,
    hashes: AtomicU64,
    pool: Pool,
    cache: PasswordCache,
    semaphore: Semaphore,
    /// Numbers users and addresses for the queue.
    owners: RandomState,
}

impl Hasher {
    /// A stored hash that takes more memory than this is not verified (64 MiB).
    pub const DEFAULT_MAX_MEMORY_BYTES: u64 = 64 << 20;

    /// How many requests of known users, and how many of strangers, may wait for a slot (64): at the default cost and two
    /// slots, 64 are about what is done in the 5 s that a request waits.
    pub const DEFAULT_MAX_QUEUE: usize = 64;

    /// How long a password that was proved right needs no hash.
    pub const DEFAULT_PASSWORD_CACHE: Duration = Duration::from_secs(60);

    /// A hasher that makes new hashes at this cost, and verifies none that takes more than that memory; with as many
    /// slots as there are cores.
    ///
    /// # Errors
    /// [`HashError::TooMuchMemory`] if the cost itself is over the limit, and [`HashError::Random`].
    pub fn new(cost: Cost, max_memory_bytes: u64) -> Result<Self, HashError> {
        let hasher = Self {
            cost,
            max_memory_bytes,
            hashes: AtomicU64::new(0),
            pool: Pool::new(cores(), Self::DEFAULT_MAX_QUEUE),
            cache: PasswordCache::new(Self::DEFAULT_PASSWORD_CACHE)?,
            semaphore: Semaphore::new(usize::MAX),
            owners: RandomState::new(),
        };
        hasher.admit_memory(cost.memory_bytes(), || cost.to_string())?;
        Ok(hasher)
    }

    /// The same hasher with so many slots (`None`: as many as there are cores), and so many requests of each line that may
    /// wait for one.
    #[must_use]
    pub fn with_slots(self, slots: Option<usize>, max_queue: usize) -> Self {
        Self { pool: Pool::new(slots.unwrap_or_else(cores), max_queue), ..self }
    }

    /// The same hasher, to which a password that was proved right is right for so long, from when its request came;
    /// zero remembers none.
    #[must_use]
    pub fn with_password_cache(self, lifetime: Duration) -> Self {
        Self { cache: self.cache.with_lifetime(lifetime), ..self }
    }

    /// The same hasher, in which so many may be at once, hashing or waiting: each of them holds a thread of yours.
    #[must_use]
    pub fn with_max_inside(self, max_inside: usize) -> Self {
        Self { semaphore: Semaphore::new(max_inside), ..self }
    }

    /// Acquires the right to hash a new password, for a client that has proved nothing. What the request reads before it
    /// has this doesn't depend on who exists, and what it reads afterwards can't make it busy any more.
    ///
    /// # Errors
    /// [`HashError::Busy`].
    pub fn reserve(&self, client: Client) -> Result<Reservation<'_>, HashError> {
        let permit = self.semaphore.acquire()?;
        let slot = self.pool.acquire(self.stranger(client))?;
        Ok(Reservation { slot: Some(slot), permit: Some(permit) })
    }

    /// Hashes a new password in its normalized form, as it will be stored.
    ///
    /// # Errors
    /// [`HashError::Busy`] and [`HashError::Random`].
    pub fn hash(&self, password: &Secret, client: Client) -> Result<String, HashError> {
        self.hash_in(self.reserve(client)?, password, self.stranger(client))
    }

    /// The same in a reservation made before.
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

    /// Hashes a password for a user whose current one was just proved, in the slot in which that was verified. Where that
    /// took no hash, it waits as a known user, at whatever address.
    ///
    /// # Errors
    /// [`HashError::Busy`], only where the proof took no hash, and [`HashError::Random`].
    pub fn hash_for_proved_user(
        &self,
        reservation: Reservation<'_>,
        password: &Secret,
        username: &str,
        client: Client,
    ) -> Result<String, HashError> {
        // Not capped: a neighbour who shows wrong passwords for this name must not take this one's place.
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

    /// A user at an address from which that user has logged in, or who was just proved.
    fn known(&self, username: &str, client: Client) -> Turn {
        let owner = self.owners.hash_one((Line::Known as u8, username));
        let source = self.owners.hash_one((Line::Known as u8, username, client.prefix()));
        Turn { line: Line::Known, owner, source, is_capped: true }
    }

    fn stranger(&self, client: Client) -> Turn {
        let address = self.owners.hash_one((Line::Strangers as u8, client.prefix()));
        Turn { line: Line::Strangers, owner: address, source: address, is_capped: !client.is_local() }
    }

    /// Reads a stored hash, and whether it may be verified.
    ///
    /// # Errors
    /// [`HashError::Stored`] and [`HashError::TooMuchMemory`].
    pub fn admit(&self, text: &str) -> Result<AnyHash, HashError> {
        let parsed: AnyHash = text.parse()?;
        self.admit_memory(parsed.memory_bytes(), || parsed.parameters())?;
        Ok(parsed)
    }

    /// Whether the password is the user's. Costs one hash, or two if the password as sent is not normalized, or none where
    /// the cache knows the answer. What it asks the attempt for, and in which order, is said there and in `cache.rs`.
    ///
    /// # Errors
    /// What the attempt says, or of [`HashError`] either [`HashError::Busy`] or [`HashError::Random`].
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

    /// The row of the user whose password this is, where the cache knows that; otherwise `None`, and nothing was charged.
    /// It never blocks, if the attempt doesn't.
    ///
    /// # Errors
    /// What the attempt says.
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
        // Where the row has no usable hash, a decoy is verified, so that the time is the same.
        let decoy = attempt.decoy_hash().and_then(|text| self.admit(&text).ok());
        let stored = attempt.stored_hash(row).map(|stored| self.admit(stored.text));
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

    /// How many hashes were computed since the start.
    pub fn hashes(&self) -> u64 {
        self.hashes.load(Ordering::Relaxed)
    }

    /// How much is being hashed just now.
    pub fn load(&self) -> Load {
        self.pool.load()
    }

    fn count(&self, hashes: u64) {
        self.hashes.fetch_add(hashes, Ordering::Relaxed);
    }

    fn admit_memory(&self, bytes: u64, parameters: impl FnOnce() -> String) -> Result<(), HashError> {
        let max_bytes = self.max_memory_bytes;
        if bytes <= max_bytes {
            Ok(())
        } else {
            Err(HashError::TooMuchMemory { parameters: parameters(), bytes, max_bytes })
        }
    }
}

/// How many slots a hasher has unless told otherwise.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// What is to be checked: all that the client sent.
#[derive(Debug)]
pub struct Check<'a> {
    /// Whose password it should be, as given.
    pub username: &'a str,
    /// The password shown.
    pub password: &'a Secret,
    /// Who asks.
    pub client: Client,
    /// Whether that user has logged in from there before: then the check waits in the line of known users.
    pub is_remembered: bool,
}

/// What a check found.
#[derive(Debug)]
#[must_use]
pub struct Proof<'a, R> {
    /// The user's row, as it was when the hash in it was verified.
    pub row: R,
    /// Whether the password is right.
    pub verdict: Verdict,
    /// For [`Hasher::hash_for_proved_user`]. Others wait for what is in it: drop it before anything that waits.
    pub reservation: Reservation<'a>,
}

/// What a request has acquired to hash with: a slot and a permit, or neither where the cache knew the answer.
#[derive(Debug)]
#[must_use]
pub struct Reservation<'a> {
    slot: Option<Slot<'a>>,
    permit: Option<Permit<'a>>,
}

/// A verdict on a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Another password.
    Wrong,
    /// The password.
    Right,
    /// The password, stored at another cost than new ones are, in another form, or by another program's scheme.
    RightButOutdated,
    /// The stored hash can't be verified, so no password is right.
    Unusable,
}

impl Verdict {
    pub(super) fn is_right(self) -> bool {
        matches!(self, Self::Right | Self::RightButOutdated)
    }
}

#[cfg(test)]
mod tests;
