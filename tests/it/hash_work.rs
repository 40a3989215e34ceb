//! The instructions of one password hash in the binary, counted by callgrind: counts are reproducible, times are not.

use crate::process::{gatekey_by, run, written};
use crate::skip;
use std::process::Command;

/// RFC 7914 reads and writes 128 bytes N × r × p times in each of two loops. With XOR by vectors that takes 1,180 instructions
/// on x86-64, and with XOR byte by byte 1,900.
const MAX_INSTRUCTIONS: u64 = 1_400;
/// The same for a debug build, whose checks of arithmetic take 380 more.
const MAX_IN_DEBUG_BUILD: u64 = 1_700;
const LOG_N: u64 = 10;
const R: u64 = 8;

/// The instructions of a whole `gatekey user add`, where one hash has so many rounds of p.
fn instructions(p: u64) -> u64 {
    let directory = tempfile::tempdir().unwrap();
    let callgrind = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
    let mut command = gatekey_by("valgrind", &callgrind);
    command.args(["user", "add", "ok", "--password-stdin", "--scrypt", &format!("ln={LOG_N},r={R},p={p}")]);
    let output = run(command.arg("--data").arg(directory.path().join("data")), "python\n");
    let (code, _, message) = written(&output);
    assert_eq!(code, Some(0), "{message}");
    let count = message.split("Collected : ").nth(1).and_then(|rest| rest.split_whitespace().next());
    count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count: {message}"))
}

#[test]
fn scrypt_xors_whole_vectors_and_not_single_bytes() {
    let test = "scrypt_xors_whole_vectors_and_not_single_bytes";
    if !cfg!(target_arch = "x86_64") {
        return skip::skip(test, "the bound is known for x86-64 only");
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        return skip::skip(test, "install valgrind");
    }
    let (one, three) = (instructions(1), instructions(3));
    let each = (three - one) / ((2 * R) << LOG_N);
    let is_debug_build = std::env::var_os("TESTED_BINARY").is_none() && cfg!(debug_assertions);
    let max = if is_debug_build { MAX_IN_DEBUG_BUILD } else { MAX_INSTRUCTIONS };
    assert!(each <= max, "{each} instructions for each unit of N, r and p");
    // A hash that is not computed would pass too.
    assert!(each >= MAX_INSTRUCTIONS / 2, "{each} instructions for each unit of N, r and p");
}
