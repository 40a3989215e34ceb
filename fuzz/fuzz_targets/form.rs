//! Fuzzes cookies and fields of the sign-in form, through the routes.
#![no_main]

#[path = "../../tests/it/harness.rs"]
#[allow(dead_code, reason = "the other tests' needs")]
mod harness;
#[path = "../../tests/it/fuzz/form.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    property::holds(bytes);
});
