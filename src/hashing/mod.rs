//! Who hashes, and how much of it: the realm never calls scrypt itself, it asks the [`Hasher`].
//!
//! | file | what |
//! |---|---|
//! | `forms.rs` | forms of a password: normalized for new hashes, and as sent |
//! | `cache.rs` | what was just proved right needs no hash, and what is under way not a second one |
//! | `room.rs` | how many may be in here at once, hashing or waiting |
//! | `slots.rs` | a fixed number of threads that do all hashing, with a bounded queue before them |
//!
//! The hasher holds these, the cost of new hashes, and the limit on memory. It counts what it does, so that a test can say
//! "this cost exactly one hash" without a clock.
//!
//! # One password, from the call to the verdict
//!
//! ```text
//!  realm                      Hasher              PasswordCache                             Slots
//!  authenticate.rs,           mod.rs              cache.rs                                  slots.rs
//!  guessing.rs
//!    |                           |                      |                                     |
//!    |-- check(gate, stand_in) ->|                      |                                     |
//!    |                           |-- check(key, hash) ->|  is it known? here: it is not       |
//!    |<---------------- gate.reserve() -----------------|  Throttle::charge counts a guess    |
//!    |                           |                      |  takes a place in the Room          |
//!    |                           |                      |  the check is Pending               |
//!    |                           |<------ hash() -------|                                     |
//!    |<------- stand_in() -------|                      |                                     |
//!    |                           |-- run(verify) -------------------------------------------->|  waits for a slot, verifies
//!    |                           |<--------------------- right, or wrong ---------------------|
//!    |                           |-- Verdict ---------->|  Promise::settle, in one step:      |
//!    |<--------------- gate.give_back() ----------------|  unless it is wrong                 |
//!    |                           |                      |  remembers it if it is right        |
//!    |                           |                      |  tells those who wait for it        |
//!    |                           |<------ Verdict ------|                                     |
//!    |<-------- Verdict ---------|                      |                                     |
//! ```
//!
//! Three of these calls go back to whoever called. The gate is asked with the cache's lock held: what is known of a check and whether
//! one more guess is allowed are one step, so of a hundred that come at once none slips through in between. `hash` is what the hasher
//! does where the cache has nothing. `stand_in` reads the store, for which only who hashes has a reason.
//!
//! What is known ends at the cache: right without a hash if it was proved lately; and if somebody is hashing the same at this moment,
//! what that one finds, which is waited for in the Room too. Either way the gate is asked, by `peek`, which counts nothing.
//!
//! # What a storm of logins can take
//!
//! Memory is bounded by this, however many clients log in; options may set other numbers than these defaults.
//!
//! | what | at most | in the code |
//! |---|---|---|
//! | hashes at once | as many as there are cores | `hashing/mod.rs`: `Slots::new(cores(), Self::DEFAULT_MAX_QUEUE)` |
//! | the block of one: 128 × r × 2^ln | 64 MiB (16 of a new one) | `hashing/mod.rs`: `DEFAULT_MAX_MEMORY_BYTES: u64 = 64 << 20` |
//! | the stack of one | 256 KiB | `hashing/slots.rs`: `STACK_BYTES: usize = 256 * 1024` |
//! | who waits for a slot | 64, and 64 more at remembered addresses | `hashing/mod.rs`: `DEFAULT_MAX_QUEUE: usize = 64` |
//! | of them, of one address | 2, and 2 more | `hashing/slots.rs`: `MAX_WAITING_PER_ADDRESS: usize = 2` |
//! | for how long | 5 s | `hashing/slots.rs`: `PATIENCE: Duration = Duration::from_secs(5)` |
//! | passwords proved lately | 4096, in under 1 MB | `hashing/cache.rs`: `MAX_PROVED: usize = 4096` |
//! | the throttle's six tables | 1 MiB each: 4 × 32768 × 8 bytes | `throttle/table.rs`: `ROWS: usize = 4`, `WIDTH: usize = 1 << 15` |
//! | the bytes that they are saved as | 13 for each place, under 10 MiB | `throttle/saved.rs`: `RECORD_BYTES: usize = 13` |
//! | connections | 256 | `server/strict/limits.rs`: `max_connections: 256` |
//! | what the kernel buffers for each of TCP, in each direction | 64 KiB | `server/strict/limits.rs`: `SEND_BUFFER_BYTES: usize = 32 * 1024`, `RECEIVE_BUFFER_BYTES: usize = 32 * 1024` |
//! | worker threads that may hash, or wait for a hash | as many as connections, at most 224 | `server/strict/limits.rs`: `MAX_HASHING: usize = 224` |
//! | worker threads besides | 32 | `server/strict/limits.rs`: `NEVER_HASHING: usize = 32` |
//! | event loops | as many as there are cores, 2 at least | `server/strict/limits.rs`: `MIN_EVENT_LOOPS: usize = 2` |
//! | the stack of each of these threads | 512 KiB | `server/strict/limits.rs`: `STACK_BYTES: usize = 512 * 1024` |
//! | the head of a request | 32 KiB | `server/strict/limits.rs`: `max_head: 32 * 1024` |
//! | its body | 16 KiB | `http/mod.rs`: `MAX_BODY_BYTES: usize = 16 * 1024` |
//! | pages of the database | 256 KiB a connection to it | `store/sqlite.rs`: `CACHE_KIB: i64 = 256` |
//! | such connections: one writes, others read | 1, and as many as there are cores, 4 to 16 | `store/sqlite.rs`: `MIN_READERS: usize = 4`, `MAX_READERS: usize = 16` |
//!
//! (The tiny_http loop has four threads, and lets two of them in here: `server/tiny.rs`.)

mod cache;
mod forms;
mod room;
mod slots;

pub use cache::Gate;
pub use slots::Load;

use crate::client::Client;
use crate::password::{self, AnyHash, Cost, StoredHashError};
use crate::random::RandomError;
use crate::secret::Secret;
use crate::user_id::Generation;
use alloc::string::{String, ToString as _};
use cache::PasswordCache;
use core::fmt;
use core::num::NonZeroUsize;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use forms::{Form, Forms};
use room::Room;
use slots::{Asker, NoSlot, Slots};
use std::thread;
use std::time::Instant;

/// Hashes and verifies passwords within its limits.
#[derive(Debug)]
pub struct Hasher {
    cost: Cost,
    max_memory_bytes: u64,
    hashes: AtomicU64,
    slots: Slots,
    cache: PasswordCache,
    room: Room,
}

impl Hasher {
    /// A stored hash that takes more memory than this is not verified (64 MiB).
    pub const DEFAULT_MAX_MEMORY_BYTES: u64 = 64 << 20;

    /// How many may wait for a slot (64), and as many more at addresses from which they have logged in before: at the
    /// default cost and two slots, 64 are about what is done in the 5 s that anybody waits.
    pub const DEFAULT_MAX_QUEUE: usize = 64;

    /// How long a password that was proved right needs no hash.
    pub const DEFAULT_PASSWORD_CACHE: Duration = Duration::from_secs(60);

    /// A hasher that makes new hashes at this cost, and verifies none that takes more than that memory; with as many
    /// slots as there are cores.
    ///
    /// # Errors
    /// [`HashError::TooMuchMemory`] if the cost itself is over the limit, and [`HashError::Random`].
    pub fn new(cost: Cost, max_memory_bytes: u64) -> Result<Self, HashError> {
        let slots = Slots::new(cores(), Self::DEFAULT_MAX_QUEUE);
        let (cache, room) = (PasswordCache::new(Self::DEFAULT_PASSWORD_CACHE)?, Room::new(usize::MAX));
        let hasher = Self { cost, max_memory_bytes, hashes: AtomicU64::new(0), slots, cache, room };
        hasher.admit_cost(cost)?;
        Ok(hasher)
    }

    /// The same hasher with so many slots (`None`: as many as there are cores), and so many that may wait for one.
    #[must_use]
    pub fn with_slots(self, slots: Option<usize>, max_queue: usize) -> Self {
        Self { slots: Slots::new(slots.unwrap_or_else(cores), max_queue), ..self }
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
        Self { room: Room::new(max_inside), ..self }
    }

    /// Hashes a new password in its normalized form, as it will be stored.
    ///
    /// # Errors
    /// [`HashError::Busy`] and [`HashError::Random`].
    pub fn hash(&self, password: &Secret, client: Client) -> Result<String, HashError> {
        let _place = self.room.enter()?;
        let (forms, cost, asker) = (Forms::of(password), self.cost, Asker { client, is_remembered: false });
        let hashed = self.slots.run(asker, move || password::hash(forms.for_new_hash(), cost))?;
        self.count(1);
        Ok(hashed?.to_string())
    }

    /// Reads a stored hash, and whether it may be verified.
    ///
    /// # Errors
    /// [`HashError::Stored`] and [`HashError::TooMuchMemory`].
    pub fn admit<'a>(&self, text: &'a str, generation: Generation) -> Result<Admitted<'a>, HashError> {
        Ok(Admitted { text, generation, parsed: self.parse(text)? })
    }

    fn parse(&self, text: &str) -> Result<AnyHash, HashError> {
        let parsed: AnyHash = text.parse()?;
        parsed.scrypt_cost().map_or(Ok(()), |cost| self.admit_cost(cost))?;
        Ok(parsed)
    }

    /// Whether the password is the stored hash's. Costs one hash, or two if the password as sent is not normalized, or none
    /// where the cache knows the answer; the gate is asked in either case.
    ///
    /// Where nobody is to get in, the string that `stand_in` gives is verified instead, so that the work is what users'
    /// hashes cost; where it gives none, a dummy of the cost of new hashes. It is called before every hash, needed or not:
    /// the call takes time too.
    ///
    /// # Errors
    /// What the gate says, or of [`HashError`] either [`HashError::Busy`] or [`HashError::Random`].
    pub fn check<G: Gate>(
        &self,
        check: &Check<'_>,
        now: Instant,
        gate: &G,
        stand_in: impl FnOnce() -> Option<String>,
    ) -> Result<Verdict, G::Refused> {
        let key = self.cache.key(check);
        self.cache.check(key, now, gate, &self.room, || self.verify(check, stand_in()))
    }

    fn verify(&self, check: &Check<'_>, stand_in: Option<String>) -> Result<Verdict, HashError> {
        let forms = Forms::of(check.password);
        // Nobody's hash is verified like everybody's, so that time doesn't tell.
        let stand_in = stand_in.and_then(|text| self.parse(&text).ok());
        let stored = match (&check.stored, stand_in) {
            (Some(stored), _) => stored.parsed.clone(),
            (None, Some(stand_in)) => stand_in,
            (None, None) => password::dummy(self.cost)?.into(),
        };
        let is_current = stored.is_current(self.cost);
        let asker = Asker { client: check.client, is_remembered: check.is_remembered };
        let is_decoy = check.stored.is_none();
        let matched = self.slots.run(asker, move || forms.verify(&stored, is_decoy))?;
        self.count(matched.hashes);
        Ok(match matched.form {
            None => Verdict::Wrong,
            Some(_) if is_decoy => Verdict::Wrong,
            Some(Form::Normalized) if is_current => Verdict::Right,
            Some(_) => Verdict::RightButOutdated,
        })
    }

    /// How many hashes were computed since the start.
    pub fn hashes(&self) -> u64 {
        self.hashes.load(Ordering::Relaxed)
    }

    /// How much is being hashed just now.
    pub fn load(&self) -> Load {
        self.slots.load()
    }

    fn count(&self, hashes: u64) {
        self.hashes.fetch_add(hashes, Ordering::Relaxed);
    }

    fn admit_cost(&self, cost: Cost) -> Result<(), HashError> {
        if cost.memory_bytes() <= self.max_memory_bytes {
            Ok(())
        } else {
            Err(HashError::TooMuchMemory { cost, max_bytes: self.max_memory_bytes })
        }
    }
}

/// How many slots a hasher has unless told otherwise.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// What is to be checked.
#[derive(Debug)]
pub struct Check<'a> {
    /// Whose password it should be, as given.
    pub username: &'a str,
    /// What was shown.
    pub password: &'a Secret,
    /// The stored hash that this request has just read; `None` where nobody is to get in, whatever the password: then
    /// the work is the same and the verdict [`Verdict::Wrong`].
    pub stored: Option<Admitted<'a>>,
    /// Who asks.
    pub client: Client,
    /// Whether that user has logged in from there before: then strangers don't stand in the way.
    pub is_remembered: bool,
}

/// A stored hash that may be verified, and the generation in the same row.
#[derive(Debug)]
pub struct Admitted<'a> {
    text: &'a str,
    generation: Generation,
    parsed: AnyHash,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Another password.
    Wrong,
    /// The password.
    Right,
    /// The password, stored at another cost than new ones are, in another form, or by another program's scheme.
    RightButOutdated,
}

/// Why nothing could be hashed or verified.
#[derive(Debug)]
pub enum HashError {
    /// The stored string is no hash that we verify.
    Stored(StoredHashError),
    /// One hash of this cost takes more memory than is allowed.
    TooMuchMemory {
        /// The cost asked for.
        cost: Cost,
        /// The limit, in bytes.
        max_bytes: u64,
    },
    /// All slots are taken, and so are the places to wait, or this client's share of them; later there will be one.
    Busy,
    /// There were no random bytes for a salt.
    Random(RandomError),
}

impl From<NoSlot> for HashError {
    fn from(_: NoSlot) -> Self {
        Self::Busy
    }
}

impl From<StoredHashError> for HashError {
    fn from(error: StoredHashError) -> Self {
        Self::Stored(error)
    }
}

impl From<RandomError> for HashError {
    fn from(error: RandomError) -> Self {
        Self::Random(error)
    }
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored(error) => error.fmt(f),
            Self::TooMuchMemory { cost, max_bytes } => {
                write!(
                    f,
                    "a hash of {cost} takes {} bytes, more than the {max_bytes} allowed",
                    cost.memory_bytes()
                )
            }
            Self::Busy => f.write_str("too many passwords are being checked at once"),
            Self::Random(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for HashError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Stored(error) => error.source(),
            Self::TooMuchMemory { .. } | Self::Busy => None,
            Self::Random(error) => error.source(),
        }
    }
}

#[cfg(test)]
mod tests;
