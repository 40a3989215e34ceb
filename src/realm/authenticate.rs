//! Authentication by password or token.
//!
//! An unknown user costs the same hash as a known one, so that neither the error nor the time reveals whether
//! a user exists.

use super::channel::Channel;
use super::login_attempt::LoginAttempt;
use super::notice::Notice;
use super::refusal::{AuthenticateError, RefusalReason, refusal};
use super::state::Realm;
use super::time::RealmNow;
use crate::client::Client;
use crate::clock::{Now, UnixTime};
use crate::credentials::Credentials;
use crate::hashing::{Proof, Reservation, Verdict};
use crate::password;
use crate::secret::Secret;
use crate::session_id::SessionId;
use crate::signer::KeyRing;
use crate::store::{MAX_UNSAVED, Reads, SessionKind, TokenRow, User};
use crate::token::{self, Claims, TokenError};
use crate::unicode;
use crate::user_id::{Generation, UserId};
use crate::wait::WouldBlock;
use std::sync::Arc;

/// An authenticated identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The user's id.
    pub id: UserId,
    /// The user's name.
    pub username: String,
    /// The generation in the row that was checked. Tokens issued for this principal carry it, so that a
    /// concurrent password change revokes them too.
    pub generation: Generation,
    /// When the password was verified: now, or before the first of a chain of renewed tokens.
    pub auth_time: UnixTime,
    /// When the token expires; `None` after authentication by password.
    pub expires_at: Option<UnixTime>,
    /// The session of the token, if it has one.
    pub session: Option<(SessionId, SessionKind)>,
    /// The key ring in use at the authentication. It signs tokens for this principal, so that a token of a
    /// compromised key can't be renewed under the key that replaces it.
    pub(super) ring: ProofRing,
}

/// The key ring of a [`Principal`], compared by identity.
#[derive(Clone, Debug)]
pub(super) struct ProofRing(pub(super) Arc<KeyRing>);

impl PartialEq for ProofRing {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ProofRing {}

/// A verified password.
pub(super) struct Proved<'a> {
    /// The row whose hash was verified.
    pub(super) user: User,
    is_outdated: bool,
    pub(super) attempt: LoginAttempt<'a>,
    /// The hash slot. Drop it before blocking, as other requests wait for it.
    pub(super) reservation: Reservation<'a>,
}

impl Realm {
    /// Authenticates a client. Blocks on the store and on a hash.
    pub fn authenticate(
        &self,
        credentials: &Credentials,
        client: Client,
        now: Now,
    ) -> Result<Principal, AuthenticateError> {
        self.authenticate_from(credentials, client, Reads::PerCall, now)
    }

    /// Like [`Realm::authenticate`], with these reads. Never blocks with [`Reads::Batch`].
    ///
    /// # Errors
    /// [`AuthenticateError`]. With [`Reads::Batch`] also [`StoreError::WouldBlock`](crate::store::StoreError::WouldBlock) in it, before any side effect.
    pub fn authenticate_from(
        &self,
        credentials: &Credentials,
        client: Client,
        reads: Reads<'_>,
        now: Now,
    ) -> Result<Principal, AuthenticateError> {
        let now = self.time.advance(now);
        match credentials {
            Credentials::Token(token) => {
                self.authenticate_token(token.expose(), Channel::Authorization, reads, now)
            }
            Credentials::Password { username, password } => {
                let user = if reads.may_block().is_ok() {
                    self.conclude_login(self.verify_password(username, password, client, now)?, password)
                } else {
                    self.verify_cached_password(username, password, client, reads, now)?.ok_or(WouldBlock)?
                };
                Ok(self.principal(user, now))
            }
        }
    }

    /// Like [`Realm::authenticate`] by a password only. A token is rejected, so that a stolen one can't be made into
    /// more.
    pub fn authenticate_password(
        &self,
        credentials: &Credentials,
        client: Client,
        now: Now,
    ) -> Result<Principal, AuthenticateError> {
        match credentials {
            Credentials::Password { .. } => self.authenticate(credentials, client, now),
            Credentials::Token(_) => Err(refusal(None, RefusalReason::PasswordRequired)),
        }
    }

    /// The principal for a user whose password was just verified, or for whom an administrator acts.
    pub(super) fn principal(&self, user: User, now: RealmNow) -> Principal {
        let _ = self.refresh_keys(Reads::PerCall, now); // can't return `WouldBlock`
        let User { id, username, generation, .. } = user;
        let ring = ProofRing(self.keys.ring());
        Principal { id, username, generation, auth_time: now.unix, expires_at: None, session: None, ring }
    }

    /// Verifies a password from the cache, on an event loop. `None` if it takes a hash or a write.
    fn verify_cached_password(
        &self,
        username: &str,
        password: &Secret,
        client: Client,
        reads: Reads<'_>,
        now: RealmNow,
    ) -> Result<Option<User>, AuthenticateError> {
        self.refresh_keys(reads, now)?;
        let attempt = self.login_attempt(unicode::nfc(username), client, reads, now)?;
        if !attempt.is_recorded() {
            return Ok(None);
        }
        let check = attempt.check(password);
        Ok(self.hasher.check_cached(&check, now.monotonic, &attempt)?.flatten())
    }

    /// Verifies a password. Rate limiter and hash queue decide before the user is read (`login_attempt.rs`,
    /// [`crate::hashing::Attempt`]).
    pub(super) fn verify_password(
        &self,
        username: &str,
        password: &Secret,
        client: Client,
        now: RealmNow,
    ) -> Result<Proved<'_>, AuthenticateError> {
        if !password::LENGTH.contains(&password.expose().len()) {
            return Err(refusal(None, RefusalReason::NoPassword)); // no user has such a password
        }
        let attempt = self.login_attempt(unicode::nfc(username), client, Reads::PerCall, now)?;
        let check = attempt.check(password);
        let Proof { row, verdict, reservation } = self.hasher.check(&check, now.monotonic, &attempt)?;
        let reason = match (&row, verdict) {
            (Some(_), Verdict::Right | Verdict::RightButOutdated) => None,
            (None, _) => Some(RefusalReason::UnknownUser),
            (Some(user), _) if user.disabled => Some(RefusalReason::Disabled),
            (Some(_), Verdict::Unusable) => Some(RefusalReason::UnusableHash),
            (Some(_), Verdict::Wrong) => Some(RefusalReason::WrongPassword),
        };
        match (row, reason) {
            (Some(user), None) => {
                let is_outdated = verdict == Verdict::RightButOutdated;
                Ok(Proved { user, is_outdated, attempt, reservation })
            }
            (row, reason) => {
                Err(refusal(row.map(|user| user.id), reason.unwrap_or(RefusalReason::UnknownUser)))
            }
        }
    }

    /// Completes a login: replaces an outdated hash and remembers the address. Returns the row whose hash was
    /// verified.
    pub(super) fn conclude_login(&self, proved: Proved<'_>, password: &Secret) -> User {
        let Proved { user, is_outdated, attempt, reservation } = proved;
        if is_outdated {
            self.replace_outdated_hash(&user, password, attempt.client(), reservation);
        } else {
            drop(reservation);
        }
        self.remember_address(&attempt, user.id);
        user
    }

    /// Rehashes the password at the current cost. A failure is only reported, so that a full disk blocks no
    /// login.
    fn replace_outdated_hash(
        &self,
        user: &User,
        password: &Secret,
        client: Client,
        reservation: Reservation<'_>,
    ) {
        let replaced = self
            .hasher
            .hash_for_proved_user(reservation, password, &user.username, client)
            .map(|new| self.store.replace_password_hash(user.id, &user.password_hash, &new));
        match replaced {
            Ok(Ok(_)) => {} // false: another login has replaced it, or the password was changed
            Ok(Err(error)) => (self.observer)(Notice::HashNotReplaced(user.id, &error)),
            Err(error) => (self.observer)(Notice::HashNotReplaced(user.id, &error)),
        }
    }

    pub(super) fn authenticate_token(
        &self,
        token: &str,
        channel: Channel,
        reads: Reads<'_>,
        now: RealmNow,
    ) -> Result<Principal, AuthenticateError> {
        self.refresh_keys(reads, now)?; // a key removed from the file must not verify anything
        let ring = self.keys.ring();
        let (claims, sid) = self
            .verify_token(token, &ring, now)
            .map_err(|error| refusal(None, RefusalReason::Token(error)))?;
        let (subject, session) = match sid {
            None => (self.store.find_token_row(claims.id, reads)?, None),
            Some(sid) => self.store.find_session(claims.id, sid, reads)?.unzip(),
        };
        let session = session.flatten();
        let state = token_state(claims.generation, claims.auth_time, subject.as_ref())
            .and_then(|()| channel.check(sid, session.as_ref(), &self.policy, now.unix));
        let TokenRow { id, username, generation, .. } = match (state, subject) {
            (Ok(()), Some(subject)) => subject,
            (Err(reason), Some(subject)) => return Err(refusal(Some(subject.id), reason)),
            (_, None) => return Err(refusal(None, RefusalReason::UserGone)),
        };
        if let Some(session) = &session {
            self.used_sessions.note(session, now.unix);
        }
        let session = session.map(|session| (session.id, session.kind));
        let Claims { auth_time, expires_at, .. } = claims;
        let (expires_at, ring) = (Some(expires_at), ProofRing(ring));
        Ok(Principal { id, username, generation, auth_time, expires_at, session, ring })
    }

    fn verify_token(
        &self,
        token: &str,
        ring: &KeyRing,
        now: RealmNow,
    ) -> Result<(Claims, Option<SessionId>), TokenError> {
        let verify = |at| token::verify_any(token, ring, at, self.policy.max_session);
        match verify(now.unix) {
            // Another server on this store issued it. While the clock is behind, that server's time may be
            // ahead.
            Err(TokenError::IssuedInFuture(at))
                if now.is_clock_behind && at.duration_since(now.unix) <= MAX_UNSAVED =>
            {
                verify(at)
            }
            verdict => verdict,
        }
    }
}

/// Checks a token with a valid signature against the user's row.
pub(crate) fn token_state(
    generation: Generation,
    auth_time: UnixTime,
    subject: Option<&TokenRow>,
) -> Result<(), RefusalReason> {
    let Some(subject) = subject else { return Err(RefusalReason::UserGone) };
    if subject.disabled {
        Err(RefusalReason::Disabled)
    } else if subject.generation != generation {
        Err(RefusalReason::OtherGeneration)
    } else if auth_time < subject.tokens_not_before {
        // `auth_time`, not `iat`: a renewal concurrent with the revocation has a later `iat`. `auth_time` is
        // never later than `iat`, so this includes all older tokens.
        Err(RefusalReason::BeforeCutoff)
    } else {
        Ok(())
    }
}
