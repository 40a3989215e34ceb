//! Error chains: an error with all its sources in one line, for logs and terminals, never for clients.

use alloc::string::{String, ToString as _};
use core::error::Error;

/// Formats an error and its sources: `can't listen on 127.0.0.1:80: permission denied`.
///
/// Omits a source whose text the error already ends with, or ends with the error's.
pub fn describe(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut last = text.clone();
    let mut cause = error.source();
    while let Some(error) = cause {
        let own = error.to_string();
        if !own.ends_with(&last) && !last.ends_with(&own) {
            text.push_str(": ");
            text.push_str(&own);
        }
        last = own;
        cause = error.source();
    }
    text
}
