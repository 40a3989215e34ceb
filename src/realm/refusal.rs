//! Authentication errors, with the refusal reason for the log.
//!
//! Clients must not see the reason: it reveals whether a user exists.

use crate::hashing::HashError;
use crate::limiter::RateLimited;
use crate::store::StoreError;
use crate::token::TokenError;
use crate::user_id::UserId;
use crate::wait::WouldBlock;
use core::error::Error;
use core::fmt;

/// Why an authentication failed.
#[derive(Debug)]
pub enum AuthenticateError {
    /// The credentials are invalid.
    Refused(Refused),
    /// The store failed.
    Store(StoreError),
    /// The hasher failed.
    Hash(HashError),
    /// Too many failed attempts; the password was not checked.
    RateLimited(RateLimited),
}

/// Invalid credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The existing user whom they name.
    pub user: Option<UserId>,
    /// Why they are invalid.
    pub reason: RefusalReason,
}

/// Why credentials are invalid. For the log only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// No user has the name.
    UnknownUser,
    /// The password is empty or too long.
    NoPassword,
    /// The password is wrong.
    WrongPassword,
    /// The user's stored hash can't be verified.
    UnusableHash,
    /// The user is disabled.
    Disabled,
    /// The token is invalid by itself.
    Token(TokenError),
    /// The token's user does not exist.
    UserGone,
    /// The token was revoked: its user changed the password, signed out everywhere or was disabled.
    OtherGeneration,
    /// The token was issued before all tokens were revoked.
    BeforeCutoff,
    /// The token's session was ended, or evicted by newer ones.
    SessionEnded,
    /// The token's session has reached the maximum age of its kind.
    SessionExpired,
    /// The channel does not accept tokens of this kind, such as a cookie's in `Authorization`.
    OtherChannel,
    /// A token was sent where a password is required.
    PasswordRequired,
    /// The password was changed while the request was processed.
    ChangedMeanwhile,
}

pub(super) fn refusal(user: Option<UserId>, reason: RefusalReason) -> AuthenticateError {
    AuthenticateError::Refused(Refused { user, reason })
}

impl From<WouldBlock> for AuthenticateError {
    fn from(_: WouldBlock) -> Self {
        Self::Store(StoreError::WouldBlock)
    }
}

super::impl_from!(AuthenticateError { Store(StoreError), Hash(HashError), RateLimited(RateLimited) });

impl fmt::Display for AuthenticateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.reason.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Hash(error) => error.fmt(f),
            Self::RateLimited(error) => error.fmt(f),
        }
    }
}

impl Error for AuthenticateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused(_) | Self::RateLimited(_) => None,
            Self::Store(error) => error.source(),
            Self::Hash(error) => error.source(),
        }
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownUser => "no user has this name",
            Self::NoPassword => "the password is empty or too long",
            Self::WrongPassword => "wrong password",
            Self::UnusableHash => "the stored hash can't be verified",
            Self::Disabled => "the user is disabled",
            Self::Token(error) => return error.fmt(f),
            Self::UserGone => "the token's user does not exist",
            Self::OtherGeneration => "the token was revoked",
            Self::BeforeCutoff => "the token was issued before all tokens were revoked",
            Self::SessionEnded => "the session was ended",
            Self::SessionExpired => "the session has expired",
            Self::OtherChannel => "a token of this kind is not accepted here",
            Self::PasswordRequired => "a token was shown where a password is required",
            Self::ChangedMeanwhile => "the password was changed meanwhile",
        })
    }
}
