//! Issuing and revocation of tokens.

use super::authenticate::Principal;
use super::policy::Policy;
use super::state::Realm;
use crate::clock::{Now, UnixTime};
use crate::store::{Issued, Reads, StoreError};
use crate::token::{self, Claims};
use crate::user_id::UserId;
use core::time::Duration;

/// An issued token.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// The token.
    pub token: String,
    /// Its lifetime.
    pub lifetime: Duration,
}

/// Why no token was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueTokenError {
    /// The session has reached its maximum age; the client must send the password again.
    #[error("the session has lasted as long as one may")]
    SessionExpired,
    /// A session's token was shown, which issues none.
    #[error("a session's token issues no other")]
    OfSession,
}

impl Realm {
    /// Issues a token, or renews one if the principal authenticated by a token.
    ///
    /// Renewal keeps `auth_time`, when the password was verified. The session expires `max_session` after
    /// that.
    pub fn issue_token(&self, principal: &Principal, now: Now) -> Result<IssuedToken, IssueTokenError> {
        self.issue_token_for(principal, Duration::MAX, now)
    }

    /// Like [`Realm::issue_token`], with a shorter lifetime than the policy's.
    pub fn issue_token_for(
        &self,
        principal: &Principal,
        max_lifetime: Duration,
        now: Now,
    ) -> Result<IssuedToken, IssueTokenError> {
        if principal.session.is_some() {
            return Err(IssueTokenError::OfSession);
        }
        let now = self.time.advance(now);
        let Policy { token_lifetime, max_session, .. } = self.policy;
        let session_end = principal.auth_time.saturating_add(max_session);
        let expires_at = now.unix.saturating_add(token_lifetime.min(max_lifetime)).min(session_end);
        let lifetime = expires_at.duration_since(now.unix);
        if lifetime.is_zero() {
            return Err(IssueTokenError::SessionExpired);
        }
        let claims = Claims {
            id: principal.id,
            generation: principal.generation,
            issued_at: now.unix,
            expires_at,
            auth_time: principal.auth_time,
        };
        Ok(IssuedToken { token: token::issue(&claims, &principal.ring.0), lifetime })
    }

    /// Revokes all tokens of a user.
    pub fn revoke_tokens(&self, id: UserId) -> Result<(), StoreError> {
        self.store.revoke_tokens(id).map(drop)
    }

    /// Revokes all tokens of all users. Returns how long to wait before new tokens are valid: a second, or
    /// more while the clock is behind the newest time in the store.
    pub fn revoke_all_tokens(&self, now: Now) -> Result<Duration, StoreError> {
        let newest = self.time.peek(now).unix;
        Ok(self.store.revoke_all_tokens(newest, now.unix)?.duration_since(newest))
    }

    /// For which ids and generations tokens may exist.
    pub fn issued(&self) -> Result<Issued, StoreError> {
        self.store.issued()
    }

    /// Tokens issued before this time are revoked.
    pub fn tokens_not_before(&self) -> Result<UnixTime, StoreError> {
        self.store.tokens_not_before(Reads::PerCall)
    }
}
