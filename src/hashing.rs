//! Who hashes, and how much of it: the realm never calls scrypt itself, it asks the [`Hasher`].
//!
//! The hasher holds the cost of new hashes and the limit on memory, and counts what it does, so that a test
//! can say "this cost exactly one hash" without a clock. It is also the place where hashing will be queued
//! and bounded in number; today each caller hashes in its own thread, and memory is bounded by the number of
//! threads that serve requests times the largest block admitted.

use crate::password::{self, Cost, StoredHash, StoredHashError};
use crate::random::RandomError;
use crate::secret::Secret;
use alloc::string::{String, ToString as _};
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

/// Hashes and verifies passwords within its limits.
#[derive(Debug)]
pub struct Hasher {
    cost: Cost,
    max_memory_bytes: u64,
    hashes: AtomicU64,
}

impl Hasher {
    /// A stored hash that takes more memory than this is not verified (64 MiB).
    pub const DEFAULT_MAX_MEMORY_BYTES: u64 = 64 << 20;

    /// A hasher that makes new hashes at this cost, and verifies none that takes more than that memory.
    ///
    /// # Errors
    /// [`HashError::TooMuchMemory`] if the cost itself is over the limit.
    pub fn new(cost: Cost, max_memory_bytes: u64) -> Result<Self, HashError> {
        let hasher = Self { cost, max_memory_bytes, hashes: AtomicU64::new(0) };
        hasher.admit(cost)?;
        Ok(hasher)
    }

    /// Hashes a new password, as it will be stored.
    ///
    /// # Errors
    /// [`HashError::Random`].
    pub fn hash(&self, password: &Secret) -> Result<String, HashError> {
        self.count();
        Ok(password::hash(password, self.cost)?.to_string())
    }

    /// Whether this is the password of that stored hash, and whether the hash should be made anew.
    ///
    /// # Errors
    /// [`HashError::Stored`] and [`HashError::TooMuchMemory`]; nothing was hashed then.
    pub fn verify(&self, password: &Secret, stored: &str) -> Result<Verdict, HashError> {
        let stored: StoredHash = stored.parse()?;
        self.admit(stored.cost())?;
        self.count();
        Ok(match (password::verify(password, &stored), stored.cost() == self.cost) {
            (false, _) => Verdict::Wrong,
            (true, true) => Verdict::Right,
            (true, false) => Verdict::RightButOutdated,
        })
    }

    /// Does the work of [`Hasher::verify`] for a user who isn't there, so that time doesn't tell.
    ///
    /// # Errors
    /// [`HashError::Random`].
    pub fn verify_nobody(&self, password: &Secret) -> Result<(), HashError> {
        let dummy = password::dummy(self.cost)?;
        self.count();
        // The verdict is always "wrong"; black_box keeps the compiler from leaving the work out.
        core::hint::black_box(password::verify(password, &dummy));
        Ok(())
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
    /// There were no random bytes for a salt.
    Random(RandomError),
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
            Self::Random(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for HashError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Stored(error) => error.source(),
            Self::TooMuchMemory { .. } => None,
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
