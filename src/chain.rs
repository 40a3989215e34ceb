//! An error with all its causes, in one line: what a log or a terminal gets. A client never does.

use alloc::string::{String, ToString as _};
use core::error::Error;

/// `can't listen on 127.0.0.1:80: permission denied`, and so on to the last cause.
///
/// A cause that only says again what stands before it is left out; some libraries' do.
pub fn describe(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut last = text.clone();
    let mut cause = error.source();
    while let Some(error) = cause {
        let own = error.to_string();
        if !own.ends_with(&last) {
            text.push_str(": ");
            text.push_str(&own);
        }
        last = own;
        cause = error.source();
    }
    text
}
