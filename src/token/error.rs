//! Errors of token verification.

use crate::clock::UnixTime;
use core::fmt;

/// Reason for which a token is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// Malformed token or claims.
    Malformed(&'static str),
    /// The signature matches no key of the ring.
    BadSignature,
    /// Validly signed, with an unsupported header or claim.
    Unsupported(&'static str),
    /// Expired at this time.
    Expired(UnixTime),
    /// `iat` or `auth_time` is this time, more than [`super::MAX_CLOCK_SKEW`] in the future.
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
