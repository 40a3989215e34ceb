//! Fuzzes what parses as a stored password.
#![no_main]

#[path = "../../tests/it/fuzz/stored_password.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    property::holds(bytes);
});
