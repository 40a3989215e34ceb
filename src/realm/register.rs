//! Users come: by themselves, or by an operator's word.

use super::new_password::{PasswordError, check_differs};
use super::{Realm, Registration};
use crate::client::Client;
use crate::clock::{Now, UnixTime};
use crate::hashing::HashError;
use crate::limiter::RateLimited;
use crate::secret::Secret;
use crate::store::{InsertError, StoreError};
use crate::user_id::UserId;
use crate::username::{Username, UsernameError};
use core::error::Error;
use core::fmt;

/// A user just registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The new id.
    pub id: UserId,
    /// The name, as given.
    pub username: Username,
}

impl Realm {
    /// Registers a stranger, if the policy lets strangers in.
    ///
    /// # Errors
    /// [`RegisterError`].
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
        // Before the look for the name: asking for one after the other would tell who is here.
        let charged = self.charge_registration(client, now)?;
        let registered = self.insert_user(username, password, client, now.unix);
        if let (Err(RegisterError::Store(_) | RegisterError::Hash(_)), Some(charged)) = (&registered, charged)
        {
            charged.refund(); // nothing came of it
        }
        registered
    }

    /// Adds a user by an operator's word, and writes `at` down as it is; when this returns, the user is on the disk.
    ///
    /// # Errors
    /// [`RegisterError`], but never [`RegisterError::Closed`] or [`RegisterError::RateLimited`].
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
        // First, so that it doesn't depend on the name whether the queue is full.
        let reservation = self.hasher.reserve(client)?;
        // So that a taken name costs no hash. The database decides all the same.
        if self.store.is_username_taken(&username)? {
            return Err(RegisterError::Taken);
        }
        let hash = self.hasher.hash_reserved(reservation, password, client)?;
        let id = self.store.insert_user(&username, &hash, at)?;
        Ok(Registered { id, username })
    }
}

/// Why nobody was registered.
#[derive(Debug)]
pub enum RegisterError {
    /// Strangers may not.
    Closed,
    /// The name is not allowed.
    Username(UsernameError),
    /// The password is not allowed.
    Password(PasswordError),
    /// A user has this name, or one that looks the same.
    Taken,
    /// The store can't.
    Store(StoreError),
    /// The hasher can't.
    Hash(HashError),
    /// Too many registrations came from this address.
    RateLimited(RateLimited),
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("registration is closed"),
            Self::Username(error) => error.fmt(f),
            Self::Password(error) => error.fmt(f),
            Self::Taken => f.write_str("a user with this name, or one that looks the same, exists"),
            Self::Store(error) => error.fmt(f),
            Self::Hash(error) => error.fmt(f),
            Self::RateLimited(error) => error.fmt(f),
        }
    }
}

impl Error for RegisterError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Closed | Self::Username(_) | Self::Password(_) | Self::Taken | Self::RateLimited(_) => None,
            Self::Store(error) => error.source(),
            Self::Hash(error) => error.source(),
        }
    }
}

impl From<UsernameError> for RegisterError {
    fn from(error: UsernameError) -> Self {
        Self::Username(error)
    }
}

impl From<PasswordError> for RegisterError {
    fn from(error: PasswordError) -> Self {
        Self::Password(error)
    }
}

impl From<StoreError> for RegisterError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<InsertError> for RegisterError {
    fn from(error: InsertError) -> Self {
        match error {
            InsertError::Taken => Self::Taken,
            InsertError::Store(error) => Self::Store(error),
        }
    }
}

impl From<RateLimited> for RegisterError {
    fn from(error: RateLimited) -> Self {
        Self::RateLimited(error)
    }
}

impl From<HashError> for RegisterError {
    fn from(error: HashError) -> Self {
        Self::Hash(error)
    }
}
