//! The properties of `fuzz/`, over their seeds and a few thousand mutations of them, in a few seconds and on a stable
//! compiler: the same functions that `make fuzz` gives to a fuzzer, so that neither can rot.
//!
//! Each property is one function on bytes, `holds`, which panics where it doesn't hold. One more, of the parser of
//! requests, is beside the parser, which is private: `src/server/engine/parser_property_tests.rs`.
//!
//! An input that a fuzzer found goes to `tests/it/fuzz/seeds/`, named by what it is, with the fix.

mod authorization;
mod form;
pub mod mutations;
mod registration;
mod stored_password;
mod token;

use mutations::{Random, seeds};
use std::panic;

/// Puts a property to its seeds and to so many mutations. Both verdicts must come up in hundreds, or the mutations
/// are too wild or too tame to test it.
fn try_property(target: &str, holds: fn(&[u8]) -> bool, rounds: u32, words: &[&[u8]]) {
    let seeds = seeds(target);
    let mut random = Random(1);
    let spoilt: Vec<_> = (0..rounds).map(|_| random.spoilt(&seeds, words)).collect();
    let (mut accepted, mut refused) = (0, 0);
    for bytes in seeds.iter().chain(&spoilt) {
        let held = panic::catch_unwind(|| holds(bytes));
        let verdict = held.unwrap_or_else(|_| panic!("{target} doesn't hold of {}", bytes.escape_ascii()));
        *(if verdict { &mut accepted } else { &mut refused }) += 1;
    }
    assert!(accepted >= 200 && refused >= 200, "{accepted} accepted, {refused} refused");
}

#[test]
fn only_signed_tokens_verify_and_have_the_signed_claims() {
    let words: [&[u8]; 14] = [
        b"\n",
        b".",
        b"0",
        b"1",
        b"-",
        b"1e9",
        b".5",
        b"null",
        b"\"nbf\":1700000101,",
        b"\"aud\":\"a\",",
        b"\"crit\":[],",
        b"\"auth_time\":1,",
        b"\"gen\":0,",
        b"\"exp\":1700000101,",
    ];
    try_property("token", token::holds, 10_000, &words);
}

#[test]
fn an_authorization_header_parses_as_defined() {
    let words: [&[u8]; 10] =
        [b"Basic ", b"bearer", b" ", b":", b"=", b"YTpi", b"Og==", b"\xff", b"\0", b"\xc3\xa9"];
    try_property("authorization", authorization::holds, 10_000, &words);
}

#[test]
fn a_registration_is_a_user_or_a_reason() {
    let words: [&[u8]; 14] = [
        b"\"",
        b"\\",
        b"\\u0000",
        b"\\ud83d",
        b"{",
        b"}",
        b"[[",
        b":",
        b",",
        b"null",
        b"\xff",
        b"\xc3\xa9",
        b"\"username\":\"b\",",
        b"\"password\":1,",
    ];
    try_property("registration", registration::holds, 8_000, &words);
}

#[test]
fn a_form_gets_a_page_without_foreign_markup_or_return_urls() {
    let words: [&[u8]; 16] = [
        b"%",
        b"%00",
        b"%3C",
        b"<",
        b"&",
        b"=",
        b"+",
        b"\n",
        b";",
        b"rd=",
        b"%5C",
        b"%40",
        b"\xff",
        b"__Host-gatekey=",
        b"https://",
        b"username=",
    ];
    try_property("form", form::holds, 6_000, &words);
}

#[test]
fn a_stored_password_has_one_spelling_and_keeps_its_bounds() {
    let words: [&[u8]; 12] =
        [b"$", b"$scrypt$", b",", b"=", b"ln=", b"0", b"9", b"99999999999", b"+", b"/", b"AAAA", b"-"];
    try_property("stored_password", stored_password::holds, 10_000, &words);
}
