//! Fuzzes what an Authorization field holds.
#![no_main]

#[path = "../../tests/it/fuzz/authorization.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    property::holds(bytes);
});
