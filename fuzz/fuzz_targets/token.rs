//! Fuzzes what verifies as a token.
#![no_main]

#[path = "../../tests/it/fuzz/token.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    property::holds(bytes);
});
