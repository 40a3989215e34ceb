//! Tokens are issued to whoever was authenticated, and revoked.

use super::{Policy, Principal, Realm};
use crate::clock::{Now, UnixTime};
use crate::store::{Issued, Reads, StoreError};
use crate::token::{self, Claims};
use crate::user_id::UserId;
use core::error::Error;
use core::fmt;
use core::time::Duration;

/// A token just issued.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// The token.
    pub token: String,
    /// How long it is valid.
    pub lifetime: Duration,
}

/// The password was shown too long ago: it must be shown again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpired;

impl Realm {
    /// Issues a token to somebody who was authenticated.
    ///
    /// A principal who showed a token gets a new one for what is left of the session: renewal carries the time
    /// of the password along, and `max_session` after that it ends.
    ///
    /// # Errors
    /// [`SessionExpired`] when nothing is left.
    pub fn issue_token(&self, principal: &Principal, now: Now) -> Result<IssuedToken, SessionExpired> {
        self.issue_token_for(principal, Duration::MAX, now)
    }

    /// The same, for no longer than this: whoever asks may want less than the policy gives, never more.
    ///
    /// # Errors
    /// [`SessionExpired`] when nothing is left.
    pub fn issue_token_for(
        &self,
        principal: &Principal,
        at_most: Duration,
        now: Now,
    ) -> Result<IssuedToken, SessionExpired> {
        let now = self.time.advance(now);
        let Policy { token_lifetime, max_session, .. } = self.policy;
        let session_ends = principal.auth_time.saturating_add(max_session);
        let expires_at = now.unix.saturating_add(token_lifetime.min(at_most)).min(session_ends);
        let lifetime = expires_at.duration_since(now.unix);
        if lifetime.is_zero() {
            return Err(SessionExpired);
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

    /// Ends every token of this user.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn revoke_tokens(&self, id: UserId) -> Result<(), StoreError> {
        self.store.revoke_tokens(id).map(drop)
    }

    /// Ends every token issued until now, whoever it is for. Gives how long to wait before the next is issued, since what
    /// is issued earlier is dead too: a second, and more while the clock is behind the newest time in the store.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn revoke_all_tokens(&self, now: Now) -> Result<Duration, StoreError> {
        let newest = self.time.peek(now).unix;
        Ok(self.store.revoke_all_tokens(newest, now.unix)?.duration_since(newest))
    }

    /// For which ids and generations tokens may have been issued.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn issued(&self) -> Result<Issued, StoreError> {
        self.store.issued()
    }

    /// Before which moment every token is dead, whoever it is for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn tokens_not_before(&self) -> Result<UnixTime, StoreError> {
        self.store.tokens_not_before(Reads::PerCall)
    }
}

impl fmt::Display for SessionExpired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the session has lasted as long as one may")
    }
}

impl Error for SessionExpired {}
