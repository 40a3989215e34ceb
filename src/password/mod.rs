//! Password hashing: scrypt (RFC 7914), stored as a PHC string.
//!
//! ```text
//! $scrypt$ln=14,r=8,p=5$eI+RkhICAOB8T8k5pzTGWA$Th/LJgDrVZZRIUmqCDXLtG/lhvzA2VZTQuFZdlXv4MI
//!         └ cost        └ salt, 16 bytes       └ hash, 32 bytes
//! ```
//!
//! passlib and RustCrypto use the same form. [`Cost`] is the work of a brute-force attempt. [`StoredHash`] is
//! the parsed string; its numbers are checked before the scrypt crate, which allocates as requested and
//! panics on invalid ones. [`AnyHash`] is that or a hash of another program (`legacy/`). Memory limits and
//! threads are in [`crate::hashing`].
//!
//! Left out: a pepper (a second secret to lose), truncation, and normalization ([`crate::hashing`]): a
//! password is its bytes.

mod any;
mod cost;
mod hash;
#[cfg(feature = "legacy-hashes")]
pub mod legacy;
mod stored;

pub use any::AnyHash;
pub use cost::{Cost, CostError};
pub use hash::{LENGTH, dummy, hash, verify};
pub use stored::{StoredHash, StoredHashError};
