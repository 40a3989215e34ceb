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

mod administrators;
mod api;
mod apps;
mod article;
mod backups;
mod browser;
mod clients;
mod commands;
mod doctor;
mod enumeration;
mod event_loops;
mod faults;
mod flask_app;
mod fuzz;
mod groups;
mod guarding;
mod harness;
mod hash_work;
mod hazards;
mod ideas;
mod importing;
mod interop;
mod keys;
mod learn;
mod listening;
mod load;
mod memory;
mod migration;
mod named_tokens;
mod openapi;
mod original;
mod pages;
mod paths;
mod process;
mod proxies;
mod python;
mod read_only;
mod readme;
mod revocation;
mod root;
mod serve;
mod service;
mod sessions;
mod shells;
mod skip;
mod small;
mod systemd;
mod terminal;
mod limiter;
mod tidy;
mod tune;
mod users;
mod vectors;
mod watching;
mod wire;
