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
//! gatekey: an authentication server as a library: accounts, logins and signed tokens.
//!
//! It is the server of Miguel Grinberg's article "RESTful Authentication with Flask" (2013), rebuilt for
//! production: register users, log in with HTTP Basic, get a signed token that expires, protect a resource
//! with either. The binary is ten lines around [`cli::run`].
//!
//! # The life of a request
//!
//! A login: a password is exchanged for a token.
//!
//! ```text
//!  GET /api/token                       server    parses the request on an event loop; a worker thread takes
//!  Authorization: Basic bWlndWVs...        |      over before a hash; a panic is answered 500
//!                                          v
//!                                       routes    routing and CSRF check; cheap checks first
//!                                          |
//!             "miguel", "python"           +----> credentials   parses the Authorization header, or 401
//!                                          v
//!                                       realm     the rules, without HTTP, at monotonic Unix time
//!                                          |
//!                                          +----> store         is the address remembered: one SELECT
//!                                          +----> hashing       password cache; single-flight
//!                                          |         +---> limiter     rate limiter: charges an attempt, or 429
//!                                          |         +---> pool        acquires a hash slot, or 503
//!        id 1, generation 1, hash          |         +---> store       the user's row, and a decoy hash
//!              correct, or wrong           |         +---> pool        one scrypt
//!                                          +----> store         remembers the address, replaces an outdated hash
//!              header.payload.sig          +----> keys, token   signs with the newest key of the ring
//!                                          v
//!  200 {"duration":600,"token":"..."}   http      encodes the response; the access log gets a line
//! ```
//!
//! A token check: no hash, and no lock that a login or a write holds for long.
//!
//! ```text
//!  GET /api/resource                    server, routes: as above
//!  Authorization: Bearer eyJhbGci...       +----> credentials   longer than any user name: a token
//!                                          v
//!                                       realm
//!                                          +----> keys          the key ring; checks its file once a second
//!              id 1, generation 1          +----> token         verifies the signature, then decodes the claims
//!                                          +----> store         one row: exists, enabled, same generation?
//!                                          v
//!  200 {"data":"Hello, miguel!"}        http
//! ```
//!
//! `docs/ideas.md` has the reason of each step, what the article did, and what goes wrong otherwise.
//!
//! # The modules, in reading order
//!
//! The `pub mod` lines below are in reading order, which is also the layering: **a module uses only modules
//! declared above it**, and each dependency has one owner. A test checks both. The cargo features are tiers;
//! each contains the one before.
//!
//! | feature | modules | what an embedder gets |
//! |---|---|---|
//! | (none) | [`chain`], [`clock`], [`encoding`], [`json`], [`user_id`], [`session_id`], [`signer`], [`token`], [`signed_value`] | tokens; `no_std` with `alloc`, four crates |
//! | `password` | [`random`], [`secret`], [`password`], [`credentials`] | password hashes, and parsing of `Authorization` |
//! | `store` | [`wait`], [`client`], [`proxies`], [`limiter`], [`unicode`], [`username`], [`group_name`], `os`, [`store`], [`keys`], [`hashing`], [`realm`], [`data_dir`] | the whole realm with its users, without HTTP |
//! | `routes` | [`http`], [`routes`] | the routes, as functions on plain values |
//! | `strict` | [`server`] | a server |
//! | `cli` (default) | [`cli`] | the command line |
//!
//! `std` is between the first two and adds the reading of clocks. `legacy-hashes` (default) adds the hashes
//! of other programs to `password`; `tiny-http` (default) adds the other server loop to `routes`.
//! `docs/small-places.md` has the size and memory of each set of features.
//!
//! # What is deliberately not here
//!
//! OpenID Connect, LDAP, passkeys, e-mail, TLS (the reverse proxy's task), roles and permissions (the app's).

extern crate alloc;
#[cfg(all(test, not(feature = "std")))]
extern crate std;

pub mod chain;
pub mod clock;
pub mod encoding;
pub mod json;
pub mod user_id;
pub mod session_id;
pub mod signer;
pub mod token;
pub mod signed_value;

#[cfg(feature = "password")]
pub mod random;
#[cfg(feature = "store")]
#[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "cli uses the rest"))]
mod shell;
#[cfg(feature = "password")]
pub mod secret;
#[cfg(feature = "password")]
pub mod password;
#[cfg(feature = "password")]
pub mod credentials;

#[cfg(feature = "store")]
pub mod wait;
#[cfg(feature = "store")]
pub mod client;
#[cfg(feature = "store")]
pub mod proxies;
#[cfg(feature = "store")]
pub mod limiter;
#[cfg(feature = "store")]
pub mod unicode;
#[cfg(feature = "store")]
pub mod username;
#[cfg(feature = "store")]
pub mod group_name;
#[cfg(feature = "store")]
#[cfg_attr(not(feature = "cli"), allow(dead_code, unused_imports, reason = "cli uses the rest"))]
mod os;
#[cfg(feature = "store")]
pub mod store;
#[cfg(feature = "store")]
pub mod keys;
#[cfg(feature = "store")]
pub mod hashing;
#[cfg(feature = "store")]
pub mod realm;
#[cfg(feature = "store")]
pub mod data_dir;

#[cfg(feature = "routes")]
pub mod http;
#[cfg(feature = "routes")]
pub mod routes;

#[cfg(any(feature = "tiny-http", feature = "strict"))]
pub mod server;

#[cfg(feature = "cli")]
pub mod cli;

#[cfg(all(test, feature = "store"))]
mod tests;
