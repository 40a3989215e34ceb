//! Authentication: by a password, or by a token.
//!
//! Whatever is wrong, the result is a [`Refused`], and the client gets the same answer to all of them. The reason in it
//! is for the log. An unknown user costs the same hash as a known one, so the time says nothing either.

use super::login_attempt::LoginAttempt;
use super::time::RealmNow;
use super::{Notice, Realm};
use crate::client::Client;
use crate::clock::{Now, UnixTime};
use crate::credentials::Credentials;
use crate::hashing::{Check, HashError, Proof, Reservation, Verdict};
use crate::limiter::RateLimited;
use crate::password;
use crate::secret::Secret;
use crate::signer::KeyRing;
use crate::store::{MAX_UNSAVED, Reads, StoreError, TokenRow, User};
use crate::token::{self, Claims, TokenError};
use crate::unicode;
use crate::user_id::{Generation, UserId};
use crate::wait::WouldBlock;
use core::error::Error;
use core::fmt;
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
    /// A token was shown where a password is asked for.
    PasswordRequired,
    /// The password was changed while the request was served.
    ChangedMeanwhile,
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
            Credentials::Token(token) => self.authenticate_token(token.expose(), reads, now),
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
        Principal { id, username, generation, auth_time: now.unix, ring: ProofRing(self.keys.ring()) }
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

    fn authenticate_token(
        &self,
        token: &str,
        reads: Reads<'_>,
        now: RealmNow,
    ) -> Result<Principal, AuthenticateError> {
        self.refresh_keys(reads, now)?; // so that a key that was removed from the file verifies nothing
        let ring = self.keys.ring();
        let claims = self
            .verify_token(token, &ring, now)
            .map_err(|error| refusal(None, RefusalReason::Token(error)))?;
        let subject = self.store.find_token_row(claims.id, reads)?;
        let state = token_state(claims.generation, claims.auth_time, subject.as_ref());
        match (state, subject) {
            (Ok(()), Some(TokenRow { id, username, generation, .. })) => {
                Ok(Principal { id, username, generation, auth_time: claims.auth_time, ring: ProofRing(ring) })
            }
            (Err(reason), Some(subject)) => Err(refusal(Some(subject.id), reason)),
            (_, None) => Err(refusal(None, RefusalReason::UserGone)),
        }
    }

    fn verify_token(&self, token: &str, ring: &KeyRing, now: RealmNow) -> Result<Claims, TokenError> {
        let verify = |at| token::verify(token, ring, at, self.policy.max_session);
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
            Self::PasswordRequired => "a token was shown where a password is required",
            Self::ChangedMeanwhile => "the password was changed meanwhile",
        })
    }
}
