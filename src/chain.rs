//! An error with all its causes, in one line: what a log or a terminal gets. A client never does.

use alloc::string::{String, ToString as _};
use core::error::Error;

/// `registering failed: the database can't be used now: disk full`, and so on to the last cause.
pub fn describe(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
