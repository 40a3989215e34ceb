#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::panic,
        clippy::arithmetic_side_effects,
        reason = "a test that fails should stop where it fails"
    )
)]
//! gatekey

extern crate alloc;
#[cfg(all(test, not(feature = "std")))]
extern crate std;

pub mod clock;
pub mod encoding;
pub mod json;
pub mod signer;
pub mod token;

#[cfg(feature = "password")]
pub mod credentials;
#[cfg(feature = "password")]
pub mod password;
#[cfg(feature = "password")]
pub mod random;
#[cfg(feature = "password")]
pub mod secret;
pub mod user_id;
