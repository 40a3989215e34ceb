//! Skipped tests: one that lacks a program says so, and fails in CI.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Says that a test is skipped: on standard error and as a line of `target/skipped-tests.txt`. The test has to
/// return then. The reason says what to install.
///
/// # Panics
/// With `CI=true`, where what a test needs must be installed.
pub fn skip(test: &str, reason: &str) {
    let line = format!("SKIPPED {test}: {reason}\n");
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "no test may be skipped in CI: {line}");
    // Not eprint!: the test runner keeps what that prints where tests pass.
    io::stderr().write_all(line.as_bytes()).unwrap();
    let directory = target();
    fs::create_dir_all(&directory).unwrap();
    // One write in append mode, so that the lines of tests that skip at the same time stay whole.
    let list = directory.join("skipped-tests.txt");
    OpenOptions::new().create(true).append(true).open(list).unwrap().write_all(line.as_bytes()).unwrap();
}

/// The project's own `target/`, wherever cargo builds.
pub fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target")
}
