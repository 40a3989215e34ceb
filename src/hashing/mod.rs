//! Who hashes, and how much of it: the realm never calls scrypt itself, it asks the [`Hasher`].
//!
//! The hasher holds the cost of new hashes, the limit on memory, and the slots: a fixed number of threads that do all
//! hashing, with a bounded queue before them. So memory is bounded by the number of slots times the largest block
//! admitted (128 × r × 2^ln), however many clients log in. It counts what it does, so that a test can say "this
//! cost exactly one hash" without a clock.

mod slots;

use crate::password::{self, Cost, StoredHash, StoredHashError};
use crate::random::RandomError;
use crate::secret::Secret;
use alloc::string::{String, ToString as _};
use core::fmt;
use core::num::NonZeroUsize;
use core::sync::atomic::{AtomicU64, Ordering};
use slots::{NoSlot, Slots};
use std::thread;

/// Hashes and verifies passwords within its limits.
#[derive(Debug)]
pub struct Hasher {
    cost: Cost,
    max_memory_bytes: u64,
    hashes: AtomicU64,
    slots: Slots,
}

impl Hasher {
    /// A stored hash that takes more memory than this is not verified (64 MiB).
    pub const DEFAULT_MAX_MEMORY_BYTES: u64 = 64 << 20;

    /// How many may wait for a slot (64): at the default cost and two slots, about what is done in the 5 s that anybody
    /// waits.
    pub const DEFAULT_MAX_QUEUE: usize = 64;

    /// A hasher that makes new hashes at this cost, and verifies none that takes more than that memory; with as many
    /// slots as there are cores.
    ///
    /// # Errors
    /// [`HashError::TooMuchMemory`] if the cost itself is over the limit.
    pub fn new(cost: Cost, max_memory_bytes: u64) -> Result<Self, HashError> {
        let slots = Slots::new(cores(), Self::DEFAULT_MAX_QUEUE);
        let hasher = Self { cost, max_memory_bytes, hashes: AtomicU64::new(0), slots };
        hasher.admit(cost)?;
        Ok(hasher)
    }

    /// The same hasher with so many slots (`None`: as many as there are cores), and so many that may wait for one.
    #[must_use]
    pub fn with_slots(self, slots: Option<usize>, max_queue: usize) -> Self {
        Self { slots: Slots::new(slots.unwrap_or_else(cores), max_queue), ..self }
    }

    /// Hashes a new password, as it will be stored.
    ///
    /// # Errors
    /// [`HashError::Busy`] and [`HashError::Random`].
    pub fn hash(&self, password: &Secret) -> Result<String, HashError> {
        let (password, cost) = (password.clone(), self.cost);
        let hashed = self.slots.run(move || password::hash(&password, cost))?;
        self.count();
        Ok(hashed?.to_string())
    }

    /// Whether this is the password of that stored hash, and whether the hash should be made anew.
    ///
    /// # Errors
    /// [`HashError::Stored`], [`HashError::TooMuchMemory`] and [`HashError::Busy`]; nothing was hashed then.
    pub fn verify(&self, password: &Secret, stored: &str) -> Result<Verdict, HashError> {
        let stored: StoredHash = stored.parse()?;
        self.admit(stored.cost())?;
        let is_current = stored.cost() == self.cost;
        Ok(match (self.verify_in_slot(password, stored)?, is_current) {
            (false, _) => Verdict::Wrong,
            (true, true) => Verdict::Right,
            (true, false) => Verdict::RightButOutdated,
        })
    }

    /// Does the work of [`Hasher::verify`] for a user who isn't there, so that time doesn't tell.
    ///
    /// # Errors
    /// [`HashError::Busy`] and [`HashError::Random`].
    pub fn verify_nobody(&self, password: &Secret) -> Result<(), HashError> {
        let dummy = password::dummy(self.cost)?;
        // The verdict is always "wrong"; black_box keeps the compiler from leaving the work out.
        core::hint::black_box(self.verify_in_slot(password, dummy)?);
        Ok(())
    }

    fn verify_in_slot(&self, password: &Secret, stored: StoredHash) -> Result<bool, HashError> {
        let password = password.clone();
        let is_right = self.slots.run(move || password::verify(&password, &stored))?;
        self.count();
        Ok(is_right)
    }

    /// How many hashes were computed since the start.
    pub fn hashes(&self) -> u64 {
        self.hashes.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.hashes.fetch_add(1, Ordering::Relaxed);
    }

    fn admit(&self, cost: Cost) -> Result<(), HashError> {
        if cost.memory_bytes() <= self.max_memory_bytes {
            Ok(())
        } else {
            Err(HashError::TooMuchMemory { cost, max_bytes: self.max_memory_bytes })
        }
    }
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// What a verification found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Another password.
    Wrong,
    /// The password.
    Right,
    /// The password, stored at another cost than new ones are.
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
    /// All slots are taken, and so are the places in the queue; later there will be one.
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
mod tests {
    use super::*;

    fn hasher(cost: &str) -> Hasher {
        Hasher::new(cost.parse().unwrap(), 1 << 20).unwrap()
    }

    #[test]
    fn a_hash_of_another_cost_is_right_but_outdated() {
        let password = Secret::new("python".into());
        let (old, new) = (hasher("ln=1,r=1,p=1"), hasher("ln=2,r=1,p=1"));
        let stored = old.hash(&password).unwrap();
        assert_eq!(old.verify(&password, &stored).unwrap(), Verdict::Right);
        assert_eq!(new.verify(&password, &stored).unwrap(), Verdict::RightButOutdated);
        assert_eq!(new.verify(&Secret::new("ruby".into()), &stored).unwrap(), Verdict::Wrong);
    }

    #[test]
    fn memory_ends_at_the_limit() {
        let cost = |text: &str| text.parse::<Cost>().unwrap();
        assert!(Hasher::new(cost("ln=10,r=8,p=1"), 1 << 20).is_ok()); // exactly 1 MiB
        let error = Hasher::new(cost("ln=10,r=9,p=1"), 1 << 20).unwrap_err().to_string();
        assert_eq!(error, "a hash of ln=10,r=9,p=1 takes 1179648 bytes, more than the 1048576 allowed");
        let stored = "$scrypt$ln=20,r=32,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaA";
        let small = hasher("ln=1,r=1,p=1");
        let refused = small.verify(&Secret::new("python".into()), stored);
        assert!(matches!(refused, Err(HashError::TooMuchMemory { .. })));
        assert_eq!(small.hashes(), 0);
    }
}
