//! Registration, by users and by administrators.

use super::new_password::{PasswordError, check_differs};
use super::policy::Registration;
use super::refusal::{AuthenticateError, RefusalReason, refusal};
use super::sessions::{Browser, NewSession};
use super::state::Realm;
use crate::client::Client;
use crate::clock::{Now, UnixTime};
use crate::hashing::HashError;
use crate::limiter::RateLimited;
use crate::secret::Secret;
use crate::store::{InsertError, Reads, StoreError};
use crate::user_id::UserId;
use crate::username::{Username, UsernameError};

/// A registered user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The id.
    pub id: UserId,
    /// The name, as given.
    pub username: Username,
}

impl Realm {
    /// Registers a user who is not authenticated, if the policy allows it.
    pub fn register(
        &self,
        username: &str,
        password: &Secret,
        client: Client,
        now: Now,
    ) -> Result<Registered, RegisterError> {
        let now = self.time.advance(now);
        if self.policy.registration == Registration::Closed {
            return Err(RegisterError::Closed);
        }
        let username = self.check_new_user(username, password)?;
        // Before the name is looked up: taken names would otherwise allow user enumeration without a limit.
        let charge = self.charge_registration(client, now)?;
        let registered = self.insert_user(username, password, client, now.unix);
        if let (Err(RegisterError::Store(_) | RegisterError::Hash(_)), Some(charge)) = (&registered, charge) {
            charge.refund();
        }
        registered
    }

    /// Registers a user, and signs the browser in by the same proof of the password: one hash.
    ///
    /// # Errors
    /// [`RegisterError`]; with [`RegisterError::SignIn`] the user is registered.
    pub fn register_and_sign_in(
        &self,
        username: &str,
        password: &Secret,
        client: Client,
        browser: Browser<'_>,
        now: Now,
    ) -> Result<NewSession, RegisterError> {
        let id = self.register(username, password, client, now)?.id;
        let now = self.time.advance(now);
        let user = self.store.find_user_by_id(id, Reads::PerCall)?;
        let user = user.ok_or_else(|| refusal(Some(id), RefusalReason::ChangedMeanwhile))?;
        let attempt = self.login_attempt(user.username.clone(), client, Reads::PerCall, now)?;
        self.remember_address(&attempt, id);
        Ok(self.open_browser_session(self.principal(user, now), browser, now)?)
    }

    /// Adds a user by an administrator, with `at` as the time of creation. On return the user is on disk.
    ///
    /// # Errors
    /// [`RegisterError`], but not [`RegisterError::Closed`] or [`RegisterError::RateLimited`].
    pub fn add_user(
        &self,
        username: &str,
        password: &Secret,
        at: UnixTime,
    ) -> Result<Registered, RegisterError> {
        self.insert_user(self.check_new_user(username, password)?, password, Client::Local, at)
    }

    fn check_new_user(&self, username: &str, password: &Secret) -> Result<Username, RegisterError> {
        let username = Username::parse(username)?;
        self.check_new_password(password)?;
        check_differs(username.as_str(), password)?;
        Ok(username)
    }

    fn insert_user(
        &self,
        username: Username,
        password: &Secret,
        client: Client,
        at: UnixTime,
    ) -> Result<Registered, RegisterError> {
        // First, so that a full queue is not a timing side channel for taken names.
        let reservation = self.hasher.reserve(client)?;
        // Saves the hash for a taken name. The database's unique constraint still decides.
        if self.store.is_username_taken(&username)? {
            return Err(RegisterError::Taken);
        }
        let hash = self.hasher.hash_reserved(reservation, password, client)?;
        let id = self.store.insert_user(&username, &hash, at)?;
        Ok(Registered { id, username })
    }
}

/// Why a user was not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The policy allows no registration.
    #[error("registration is closed")]
    Closed,
    /// The username is invalid.
    #[error(transparent)]
    Username(#[from] UsernameError),
    /// The password is invalid.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// A user with this name, or a confusable one, exists.
    #[error("a user with this name, or one that looks the same, exists")]
    Taken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The hasher failed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The address made too many registrations.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// The user was registered, but the browser not signed in.
    #[error(transparent)]
    SignIn(#[from] AuthenticateError),
}

impl From<InsertError> for RegisterError {
    fn from(error: InsertError) -> Self {
        match error {
            InsertError::Taken => Self::Taken,
            InsertError::Store(error) => Self::Store(error),
        }
    }
}
