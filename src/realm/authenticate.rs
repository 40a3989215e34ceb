//! Authentication: by a password, or by a token.
//!
//! Whatever is wrong, the result is a [`AuthenticateError`], and the client gets the same answer to all of them. The reason in it
//! is for the log. An unknown user costs the same hash as a known one, so the time says nothing either.

use super::channel::Channel;
use super::login_attempt::LoginAttempt;
use super::refusal::{AuthenticateError, RefusalReason, refusal};
use super::time::RealmNow;
use super::{Notice, Realm};
use crate::client::Client;
use crate::clock::{Now, UnixTime};
use crate::credentials::Credentials;
use crate::hashing::{Check, Proof, Reservation, Verdict};
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

/// An identity that was authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The user's id.
    pub id: UserId,
    /// The user's name.
    pub username: String,
    /// The generation that stood in the same row as the hash or the token's other facts. A token issued for
    /// this principal carries it, so that a password changed meanwhile ends that token too.
    pub generation: Generation,
    /// When the password was shown: now, or when the chain of tokens began.
    pub auth_time: UnixTime,
    /// When the token that was shown expires; `None` if a password was shown.
    pub expires_at: Option<UnixTime>,
    /// The session that the token belongs to, if to one.
    pub session: Option<(SessionId, SessionKind)>,
    /// The key ring that verified the token, or that was in use when the password was verified. It signs what is issued
    /// for this principal: a token of a compromised key is never renewed under the key that replaced it.
    pub(super) ring: ProofRing,
}

/// The ring behind a [`Principal`]. Equal to itself alone.
#[derive(Clone, Debug)]
pub(super) struct ProofRing(pub(super) Arc<KeyRing>);

impl PartialEq for ProofRing {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ProofRing {}

/// A password that was right.
pub(super) struct Proved<'a> {
    /// The row, as it was when the hash in it was verified.
    pub(super) user: User,
    is_outdated: bool,
    pub(super) attempt: LoginAttempt<'a>,
    /// The slot of that hash. Others wait for it.
    pub(super) reservation: Reservation<'a>,
}

impl Realm {
    /// Who shows these credentials?
    ///
    /// # Errors
    /// [`AuthenticateError`].
    pub fn authenticate(
        &self,
        credentials: &Credentials,
        client: Client,
        now: Now,
    ) -> Result<Principal, AuthenticateError> {
        self.authenticate_from(credentials, client, Reads::PerCall, now)
    }

    /// The same, read from there.
    ///
    /// # Errors
    /// [`AuthenticateError`]; with [`Reads::Batch`] [`StoreError::WouldBlock`] in it, before any side effect.
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

    /// A user who just now proved the password, or for whom an administrator vouches.
    pub(super) fn principal(&self, user: User, now: RealmNow) -> Principal {
        let _ = self.refresh_keys(Reads::PerCall, now); // which blocks, and so never fails
        let User { id, username, generation, .. } = user;
        let ring = ProofRing(self.keys.ring());
        Principal { id, username, generation, auth_time: now.unix, expires_at: None, session: None, ring }
    }

    /// Verifies a password without a hash and without a write, on an event loop; `None` where it takes one of them.
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
        if !attempt.is_noted() {
            return Ok(None);
        }
        let check =
            Check { username: attempt.username(), password, client, is_remembered: attempt.is_remembered() };
        Ok(self.hasher.check_cached(&check, now.monotonic, &attempt)?.flatten())
    }

    /// Verifies a password. The limiter and the hash queue decide before anything about the user is read
    /// (`login_attempt.rs`, [`crate::hashing::Attempt`]).
    pub(super) fn verify_password(
        &self,
        username: &str,
        password: &Secret,
        client: Client,
        now: RealmNow,
    ) -> Result<Proved<'_>, AuthenticateError> {
        if !password::LENGTH.contains(&password.expose().len()) {
            // No user has such a password, whatever the name.
            return Err(refusal(None, RefusalReason::NoPassword));
        }
        // In the form in which registration stores it.
        let attempt = self.login_attempt(unicode::nfc(username), client, Reads::PerCall, now)?;
        let check =
            Check { username: attempt.username(), password, client, is_remembered: attempt.is_remembered() };
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

    /// What follows a right password: an outdated hash is replaced, the address is remembered. Returns the user's row, as
    /// it was when the hash in it was verified.
    pub(super) fn conclude_login(&self, proved: Proved<'_>, password: &Secret) -> User {
        let Proved { user, is_outdated, attempt, reservation } = proved;
        if is_outdated {
            self.replace_outdated_hash(&user, password, attempt.client(), reservation);
        } else {
            drop(reservation); // others wait for it
        }
        self.remember_address(&attempt, user.id);
        user
    }

    /// Hashes the password again, at today's cost. The login doesn't depend on it: a full disk must not reject anyone.
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
            Ok(Ok(_)) => {} // false: another login was faster, or the password is another by now
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
        self.refresh_keys(reads, now)?; // so that a key that was removed from the file verifies nothing
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
            (Err(why), Some(subject)) => return Err(refusal(Some(subject.id), why)),
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
            // Another server on this store issued it, whose time is ahead as long as the clock is behind.
            Err(TokenError::IssuedInFuture(at))
                if now.is_clock_behind && at.duration_since(now.unix) <= MAX_UNSAVED =>
            {
                verify(at)
            }
            verdict => verdict,
        }
    }
}

/// What the store says to a token that holds by itself.
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
        // Not only `iat`: of a renewal that was under way when all tokens were revoked, `iat` is later. `auth_time`
        // never is later than `iat`, so what `iat` would refuse is refused too.
        Err(RefusalReason::BeforeCutoff)
    } else {
        Ok(())
    }
}
