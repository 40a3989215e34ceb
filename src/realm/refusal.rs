//! Authentication errors, and the reason of each for the log.

use crate::hashing::HashError;
use crate::limiter::RateLimited;
use crate::store::StoreError;
use crate::token::TokenError;
use crate::user_id::UserId;
use crate::wait::WouldBlock;
use core::error::Error;
use core::fmt;

/// Why nobody was authenticated.
#[derive(Debug)]
pub enum AuthenticateError {
    /// The credentials don't hold.
    Refused(Refused),
    /// The store can't tell.
    Store(StoreError),
    /// Nothing could be hashed.
    Hash(HashError),
    /// Too many passwords were wrong: none is checked for a while.
    RateLimited(RateLimited),
}

/// Credentials that don't hold. To a stranger, all of them look the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Whose they would have been, if there is such a user.
    pub user: Option<UserId>,
    /// What is wrong with them.
    pub reason: RefusalReason,
}

/// What is wrong with refused credentials; for the log alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// No user has this name.
    UnknownUser,
    /// What was shown is empty, or longer than a password may be.
    NoPassword,
    /// It is not this user's password.
    WrongPassword,
    /// The user's stored hash can't be verified.
    UnusableHash,
    /// The user is kept out.
    Disabled,
    /// The token itself doesn't hold.
    Token(TokenError),
    /// The token's user is gone.
    UserGone,
    /// The token is of another generation: its user changed the password, signed out everywhere or was kept out.
    OtherGeneration,
    /// The token was issued before the moment since when tokens count.
    BeforeCutoff,
    /// The token's session was ended, or pushed out by newer ones.
    SessionEnded,
    /// The token's session has lasted as long as one of its kind may.
    SessionExpired,
    /// Tokens of this kind are not accepted where it was shown: a cookie's in `Authorization`, say.
    OtherChannel,
    /// A token was shown where a password is asked for.
    PasswordRequired,
    /// The password was changed while the request was served.
    ChangedMeanwhile,
}

/// The one error for credentials that don't hold.
pub(super) fn refusal(user: Option<UserId>, reason: RefusalReason) -> AuthenticateError {
    AuthenticateError::Refused(Refused { user, reason })
}

impl From<StoreError> for AuthenticateError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<WouldBlock> for AuthenticateError {
    fn from(_: WouldBlock) -> Self {
        Self::Store(StoreError::WouldBlock)
    }
}

impl From<HashError> for AuthenticateError {
    fn from(error: HashError) -> Self {
        Self::Hash(error)
    }
}

impl From<RateLimited> for AuthenticateError {
    fn from(error: RateLimited) -> Self {
        Self::RateLimited(error)
    }
}

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
