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
//! gatekey: accounts, logins and tokens beside your app, and nothing else.
//!
//! It is the server of Miguel Grinberg's article "RESTful Authentication with Flask" (2013), rebuilt to be run
//! for real: register users, log in with HTTP Basic, get a signed token that expires, guard a resource with
//! either. This crate is that server as a library; the binary is ten lines around [`cli::run`].
//!
//! # The life of a request
//!
//! A password, for which a token is wanted:
//!
//! ```text
//!  GET /api/token                         server      bytes to a Request, by an event loop, or a worker if it hashes; a panic is a 500
//!  Authorization: Basic bWlndWVs...          |
//!                                            v
//!                                         routes      which function? is the request sound: what costs nothing first
//!                                            |
//!             "miguel", "python"             +------> credentials   what the Authorization field holds, or 401
//!                                            v
//!                                         realm       the rules, without HTTP, by a time that never goes back
//!                                            |
//!        id 1, generation 1, hash            +------> store         user, and is the address known: one statement
//!                                            +------> hashing       shown rightly a moment ago? then that was all
//!                                            |          +---> throttle    the guess is charged, or 429
//!                                            |          +---> store       a hash for a name that has none is drawn
//!                   yes, or no               |          +---> slots       one scrypt in its turn, or 503
//!                                            +------> store         the address is remembered, an old hash replaced
//!              header.payload.sig            +------> keys, token   signed with the newest key of the ring
//!                                            v
//!  200 {"duration":600,"token":"..."}     http        a Response, back to bytes; what it is about, to the log
//! ```
//!
//! The next request shows the token instead. No hash, and nothing that another request could hold up:
//!
//! ```text
//!  GET /api/resource                      server, routes, as above
//!  Authorization: Bearer eyJhbGci...         +------> credentials   longer than any name: a token
//!                                            v
//!                                         realm
//!                                            +------> keys          the ring; its file is looked at once a second
//!              id 1, generation 1            +------> token         form, then signature, then claims and their time
//!                                            +------> store         one row: there, enabled, of this generation?
//!                                            v
//!  200 {"data":"Hello, miguel!"}          http
//! ```
//!
//! Why each step is as it is, what the article did, and what goes wrong otherwise: `docs/ideas.md`.
//!
//! # The modules, in reading order
//!
//! The order of the `pub mod` lines below is the order to read them in, and the layering: **a module uses only
//! those declared above it**, and each dependency has one owner. A test keeps both true. The features cut the
//! list into tiers; each holds the one before.
//!
//! | feature | modules | what an embedder gets |
//! |---|---|---|
//! | (none) | [`chain`], [`clock`], [`encoding`], [`json`], [`user_id`], [`signer`], [`token`] | tokens; `no_std` with `alloc`, four crates |
//! | `password` | [`random`], [`secret`], [`password`], [`credentials`] | and passwords, and what an `Authorization` field holds |
//! | `store` | [`wait`], [`client`], [`proxies`], [`throttle`], [`unicode`], [`username`], [`os`], [`store`], [`keys`], [`hashing`], [`realm`], [`data_dir`] | and users: the whole realm, without HTTP |
//! | `routes` | [`http`], [`routes`] | and the routes, as functions on plain values |
//! | `strict` | [`server`] | and a server |
//! | `cli` (default) | [`cli`] | and the command line |
//!
//! `std` stands between the first two and adds the reading of clocks. `legacy-hashes` (default) adds to `password` the
//! hashes that other programs made; `tiny-http` (default) adds to `routes` the other loop. What each set of features takes in
//! bytes and memory stands in `docs/small-places.md`.
//!
//! # What is deliberately not here
//!
//! OpenID Connect, LDAP, passkeys, e-mail, TLS (a reverse proxy's), roles and permissions (the app's).

extern crate alloc;
#[cfg(all(test, not(feature = "std")))]
extern crate std;

pub mod chain;
pub mod clock;
pub mod encoding;
pub mod json;
pub mod user_id;
pub mod signer;
pub mod token;

#[cfg(feature = "password")]
pub mod random;
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
pub mod throttle;
#[cfg(feature = "store")]
pub mod unicode;
#[cfg(feature = "store")]
pub mod username;
#[cfg(feature = "store")]
pub mod os;
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
