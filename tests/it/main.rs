//! The integration tests, one crate: each module says in a sentence what it holds.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a test that fails should stop where it fails"
)]

mod api;
mod backups;
mod clients;
mod commands;
mod faults;
mod fuzz;
mod guessing;
mod harness;
mod hazards;
mod interop;
mod keys;
mod listening;
mod load;
mod memory;
mod original;
mod process;
mod proxies;
mod python;
mod readme;
mod serve;
mod sessions;
mod skip;
mod throttle;
mod tidy;
mod vectors;
mod watching;
mod wire;
