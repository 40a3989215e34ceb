//! Authentication errors, with the refusal reason for the log.
//!
//! Clients must not see the reason: it reveals whether a user exists.

use crate::hashing::HashError;
use crate::limiter::RateLimited;
use crate::store::StoreError;
use crate::token::TokenError;
use crate::user_id::UserId;
use crate::wait::WouldBlock;

/// Why an authentication failed.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    /// The credentials are invalid.
    #[error("{}", .0.reason)]
    Refused(Refused),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The hasher failed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// Too many failed attempts; the password was not checked.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusalReason {
    /// No user has the name.
    #[error("no user has this name")]
    UnknownUser,
    /// The password is empty or too long.
    #[error("the password is empty or too long")]
    NoPassword,
    /// The password is wrong.
    #[error("wrong password")]
    WrongPassword,
    /// The user's stored hash can't be verified.
    #[error("the stored hash can't be verified")]
    UnusableHash,
    /// The user is disabled.
    #[error("the user is disabled")]
    Disabled,
    /// The token is invalid by itself.
    #[error(transparent)]
    Token(TokenError),
    /// The token's user does not exist.
    #[error("the token's user does not exist")]
    UserGone,
    /// The token was revoked: its user changed the password, signed out everywhere or was disabled.
    #[error("the token was revoked")]
    OtherGeneration,
    /// The token was issued before all tokens were revoked.
    #[error("the token was issued before all tokens were revoked")]
    BeforeCutoff,
    /// The token's session was ended, or evicted by newer ones.
    #[error("the session was ended")]
    SessionEnded,
    /// The token's session has reached the maximum age of its kind.
    #[error("the session has expired")]
    SessionExpired,
    /// The channel does not accept tokens of this kind, such as a cookie's in `Authorization`.
    #[error("a token of this kind is not accepted here")]
    OtherChannel,
    /// A token was sent where a password is required.
    #[error("a token was shown where a password is required")]
    PasswordRequired,
    /// The password was changed while the request was processed.
    #[error("the password was changed meanwhile")]
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
