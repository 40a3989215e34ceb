//! Why a token is rejected.

use crate::clock::UnixTime;
use core::fmt;

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It has not the form of a token, or its claims have not the form of ours.
    Malformed(&'static str),
    /// No key of the ring made its signature.
    BadSignature,
    /// Signed with our key, but it asks for something that we don't do.
    Unsupported(&'static str),
    /// It was valid until then.
    Expired(UnixTime),
    /// Its `iat` or `auth_time` is this moment, more than [`super::MAX_CLOCK_SKEW`] in the future.
    IssuedInFuture(UnixTime),
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "malformed token: {why}"),
            Self::BadSignature => f.write_str("no signing key matches the token's signature"),
            Self::Unsupported(why) => write!(f, "unsupported token: {why}"),
            Self::Expired(at) => write!(f, "the token expired at {at}"),
            Self::IssuedInFuture(at) => write!(f, "iat or auth_time is in the future: {at}"),
        }
    }
}

impl core::error::Error for TokenError {}
