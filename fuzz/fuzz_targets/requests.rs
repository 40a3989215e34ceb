//! Fuzzes the parser of requests. It is private, so its property is in the same directory.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gatekey::server::engine::property::holds(bytes));
