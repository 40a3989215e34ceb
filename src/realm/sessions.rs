//! Sessions: signed-in browsers with their guard cookies, and named tokens.
//!
//! A session's token has the claim `sid` and is signed by the key ring like any other. It is valid while its
//! row is in the store, on the one channel of its kind (`channel.rs`).

use super::authenticate::Principal;
use super::channel::Channel;
use super::refusal::{AuthenticateError, RefusalReason, refusal};
use super::state::Realm;
use super::time::RealmNow;
use super::users::UserChangeError;
use crate::client::Client;
use crate::clock::{Now, UnixTime};
use crate::credentials::Credentials;
use crate::random;
use crate::secret::Secret;
use crate::session_id::SessionId;
use crate::store::{MAX_NAMED_TOKENS, Reads, Session, SessionConflict, SessionKind, StoreError};
use crate::token::{self, Claims};
use crate::user_id::UserId;
use crate::wait::lock;
use core::time::Duration;

/// Characters that a session's name may have.
pub const MAX_SESSION_NAME_CHARS: usize = 100;

/// The browser that a session is for.
#[derive(Clone, Copy, Debug)]
pub struct Browser<'a> {
    /// What the list of sessions shows: its own name, which may be anything.
    pub name: &'a str,
    /// How long it stays signed in, at most as long as the policy allows.
    pub lifetime: Duration,
}

/// A session just opened.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its token, for the cookie or the client. It is shown once.
    pub token: Secret,
    /// Its id.
    pub id: SessionId,
    /// When it ends.
    pub expires_at: UnixTime,
    /// Whom the token authenticates.
    pub principal: Principal,
}

impl Realm {
    /// Signs a browser in by username and password, with the same limiter, hash pool and decoy hash as Basic.
    pub fn sign_in(
        &self,
        username: &str,
        password: &Secret,
        client: Client,
        browser: Browser<'_>,
        now: Now,
    ) -> Result<NewSession, AuthenticateError> {
        let now = self.time.advance(now);
        let user = self.conclude_login(self.verify_password(username, password, client, now)?, password);
        self.open_browser_session(self.principal(user, now), browser, now)
    }

    /// Changes a password, which ends every session and token of the user, and signs the browser that did it
    /// in again.
    pub fn change_password_and_sign_in(
        &self,
        id: UserId,
        shown: &Credentials,
        new: &Secret,
        client: Client,
        browser: Browser<'_>,
        now: Now,
    ) -> Result<NewSession, UserChangeError> {
        let changed = self.change_password_to(Some(id), shown, new, client, now)?;
        let now = self.time.advance(now);
        Ok(self.open_browser_session(self.principal(changed, now), browser, now)?)
    }

    pub(super) fn open_browser_session(
        &self,
        principal: Principal,
        browser: Browser<'_>,
        now: RealmNow,
    ) -> Result<NewSession, AuthenticateError> {
        let name: String = browser.name.chars().take(MAX_SESSION_NAME_CHARS).collect();
        let expires_at = now.unix.saturating_add(browser.lifetime.min(self.policy.browser_session));
        self.open_session(principal, SessionKind::Browser, None, name, expires_at, now)?.map_err(conflict)
    }

    /// Opens the session of a guard cookie, which ends with the browser session behind `browser`.
    ///
    /// # Errors
    /// [`AuthenticateError`]; refused where `browser` is no browser session, or one that has ended.
    pub fn open_guard_session(&self, browser: &Principal, now: Now) -> Result<NewSession, AuthenticateError> {
        let now = self.time.advance(now);
        let (Some((parent, SessionKind::Browser)), Some(expires_at)) = (browser.session, browser.expires_at)
        else {
            return Err(refusal(Some(browser.id), RefusalReason::OtherChannel));
        };
        let (principal, name) = (browser.clone(), String::new());
        self.open_session(principal, SessionKind::Guard, Some(parent), name, expires_at, now)?
            .map_err(conflict)
    }

    /// Issues a named token to a user who was authenticated by a password.
    pub fn issue_named_token(
        &self,
        principal: &Principal,
        name: &str,
        lifetime: Duration,
        now: Now,
    ) -> Result<NewSession, NamedTokenError> {
        let now = self.time.advance(now);
        self.check_named_token(name, lifetime)?;
        if principal.expires_at.is_some() {
            return Err(refusal(Some(principal.id), RefusalReason::PasswordRequired).into());
        }
        let expires_at = now.unix.saturating_add(lifetime);
        let opened =
            self.open_session(principal.clone(), SessionKind::Token, None, name.into(), expires_at, now);
        opened.map_err(AuthenticateError::from)?.map_err(|conflict| match conflict {
            SessionConflict::Revoked => refusal(Some(principal.id), RefusalReason::ChangedMeanwhile).into(),
            SessionConflict::TooManyTokens => NamedTokenError::TooMany,
        })
    }

    /// What of a named token can be checked without credentials.
    ///
    /// # Errors
    /// [`NamedTokenError::Off`], [`NamedTokenError::Name`] and [`NamedTokenError::Lifetime`].
    pub fn check_named_token(&self, name: &str, lifetime: Duration) -> Result<(), NamedTokenError> {
        let max = self.policy.max_token_lifetime;
        let chars = name.chars().count();
        if max.is_zero() {
            Err(NamedTokenError::Off)
        } else if !(1..=MAX_SESSION_NAME_CHARS).contains(&chars) || name.contains(char::is_control) {
            Err(NamedTokenError::Name)
        } else if lifetime.is_zero() || lifetime > max {
            Err(NamedTokenError::Lifetime { max })
        } else {
            Ok(())
        }
    }

    fn open_session(
        &self,
        principal: Principal,
        kind: SessionKind,
        parent: Option<SessionId>,
        name: String,
        expires_at: UnixTime,
        now: RealmNow,
    ) -> Result<Result<NewSession, SessionConflict>, StoreError> {
        let random = random::bytes().map_err(|error| StoreError::Unavailable(error.into()))?;
        let id = SessionId::from_bytes(random);
        let Principal { id: user_id, generation, auth_time, .. } = principal;
        let (created_at, used_at) = (now.unix, now.unix);
        let row = Session { id, user_id, kind, parent, name, auth_time, created_at, expires_at, used_at };
        let oldest_token = UnixTime::new(
            now.unix.seconds().saturating_sub(self.policy.max_token_lifetime.as_secs()).saturating_add(1),
        );
        let oldest_token = oldest_token.unwrap_or(UnixTime::MAX);
        if let Err(conflict) = self.store.insert_session(&row, generation, oldest_token)? {
            return Ok(Err(conflict));
        }
        let claims = Claims { id: user_id, generation, issued_at: now.unix, expires_at, auth_time };
        let token = Secret::new(token::issue_any(&claims, Some(id), &principal.ring.0));
        let principal = Principal { session: Some((id, kind)), expires_at: Some(expires_at), ..principal };
        Ok(Ok(NewSession { token, id, expires_at, principal }))
    }

    /// Whom this cookie authenticates; only sessions of this kind are accepted.
    ///
    /// # Errors
    /// [`AuthenticateError`]; with [`Reads::Batch`] [`StoreError::WouldBlock`] in it, before any side effect.
    pub fn authenticate_cookie(
        &self,
        value: &str,
        kind: SessionKind,
        reads: Reads<'_>,
        now: Now,
    ) -> Result<Principal, AuthenticateError> {
        let now = self.time.advance(now);
        self.authenticate_token(value, Channel::Cookie(kind), reads, now)
    }

    /// Signs out: ends the session behind this principal, and its guard cookies; without one, every session
    /// and token of the user. When this returns, they are not valid any more.
    pub fn sign_out(&self, principal: &Principal) -> Result<(), StoreError> {
        match principal.session {
            Some((session, _)) => self.end_session(principal.id, session).map(drop),
            None => self.revoke_tokens(principal.id),
        }
    }

    /// Ends a session for this principal; a named token may end only itself. False if there is no such session.
    pub fn end_session_as(&self, principal: &Principal, session: SessionId) -> Result<bool, StoreError> {
        let may = principal.session.is_none_or(|(own, kind)| own == session || kind == SessionKind::Browser);
        Ok(may && self.end_session(principal.id, session)?)
    }

    /// Ends a session of this user. False if this user has no such session.
    pub fn end_session(&self, user: UserId, session: SessionId) -> Result<bool, StoreError> {
        self.store.delete_session(user, session)
    }

    /// Ends every session of every user.
    pub fn end_all_sessions(&self) -> Result<(), StoreError> {
        self.store.delete_all_sessions()
    }

    /// The live browser sessions and named tokens of a user, oldest first.
    pub fn list_sessions(&self, user: UserId, now: Now) -> Result<Vec<Session>, StoreError> {
        let now = self.time.advance(now).unix;
        let mut sessions = self.store.list_sessions(user)?;
        sessions.retain(|session| session.is_live(self.policy.max_age(session.kind), now));
        Ok(sessions)
    }

    /// Work off the requests' path: notes uses, and deletes some expired rows.
    pub(super) fn maintain_sessions(&self, now: RealmNow) -> Result<(), StoreError> {
        let used = self.used_sessions.take();
        if !used.is_empty() {
            self.store.touch_sessions(used.into_iter(), now.unix)?;
        }
        self.store.sweep_sessions(now.unix)?;
        *lock(&self.live_sessions) = self.store.count_sessions(now.unix)?;
        Ok(())
    }

    /// How many sessions of each kind were live when [`Realm::save`] was last called.
    pub fn live_sessions(&self) -> impl Iterator<Item = (SessionKind, u64)> {
        SessionKind::ALL.into_iter().zip(*lock(&self.live_sessions))
    }
}

fn conflict(_: SessionConflict) -> AuthenticateError {
    refusal(None, RefusalReason::ChangedMeanwhile)
}

/// Why no named token was issued.
#[derive(Debug, thiserror::Error)]
pub enum NamedTokenError {
    /// The policy has no named tokens.
    #[error("named tokens are off (--max-token-lifetime 0)")]
    Off,
    /// The name is empty, too long or has control characters.
    #[error(
        "the token's name must have 1 to {MAX_SESSION_NAME_CHARS} characters, without control characters"
    )]
    Name,
    /// The lifetime is zero, or longer than this.
    #[error("the token's lifetime must be 1 to {} seconds (--max-token-lifetime)", max.as_secs())]
    Lifetime {
        /// The longest that the policy allows.
        max: Duration,
    },
    /// The user has [`MAX_NAMED_TOKENS`] live ones.
    #[error("the user has {MAX_NAMED_TOKENS} named tokens already; revoke one first")]
    TooMany,
    /// The credentials are not valid, or not any more; or the store is unavailable.
    #[error(transparent)]
    Authenticate(#[from] AuthenticateError),
}
