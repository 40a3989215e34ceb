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

pub mod chain;
pub mod clock;
pub mod encoding;
pub mod json;
pub mod signer;
pub mod token;

#[cfg(feature = "password")]
pub mod credentials;

#[cfg(feature = "store")]
pub mod data_dir;

#[cfg(feature = "routes")]
pub mod http;
#[cfg(feature = "routes")]
pub mod routes;

#[cfg(feature = "tiny-http")]
pub mod server;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "store")]
pub mod hashing;
#[cfg(feature = "store")]
pub mod keys;
#[cfg(feature = "store")]
pub mod os;
#[cfg(feature = "password")]
pub mod password;
#[cfg(feature = "password")]
pub mod random;
#[cfg(feature = "store")]
pub mod realm;
#[cfg(feature = "password")]
pub mod secret;
#[cfg(feature = "store")]
pub mod store;
pub mod user_id;
#[cfg(feature = "store")]
pub mod username;
