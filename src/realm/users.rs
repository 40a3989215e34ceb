//! Users change their passwords, and go; and what an operator may do to them.

use super::Realm;
use super::authenticate::{Principal, Proved};
use super::new_password::{PasswordError, check_differs};
use super::refusal::{AuthenticateError, RefusalReason, refusal};
use super::time::RealmNow;
use crate::client::Client;
use crate::clock::Now;
use crate::credentials::Credentials;
use crate::hashing::HashError;
use crate::secret::Secret;
use crate::store::{Reads, StoreError, User};
use crate::unicode;
use crate::user_id::UserId;
use core::error::Error;
use core::fmt;

impl Realm {
    /// Changes the password of the user whose name and old password these are, and ends every token.
    ///
    /// # Errors
    /// [`UserChangeError`]; [`UserChangeError::Forbidden`] for another user's id, existing or not.
    pub fn change_password(
        &self,
        id: UserId,
        shown: &Credentials,
        new: &Secret,
        client: Client,
        now: Now,
    ) -> Result<(), UserChangeError> {
        self.change_password_to(id, shown, new, client, now).map(drop)
    }

    /// The same; returns the user's row with the new password.
    pub(super) fn change_password_to(
        &self,
        id: UserId,
        shown: &Credentials,
        new: &Secret,
        client: Client,
        now: Now,
    ) -> Result<User, UserChangeError> {
        let now = self.time.advance(now);
        self.check_new_password(new)?;
        // What is wrong with the new password is said before what is wrong with the old one, and costs no hash.
        if let Credentials::Password { username, .. } = shown {
            check_differs(username, new)?;
        }
        let Proved { user, attempt, reservation, .. } = self.prove_own_password(id, shown, client, now)?;
        // In the slot of the first hash, so no other request comes between, and released before anything is written.
        let hash = self.hasher.hash_for_proved_user(reservation, new, &user.username, client)?;
        self.remember_address(&attempt, user.id);
        let changed = self.store.change_password(&user, &hash)?; // and adds one to the generation: tokens die
        still_proved(&user, changed)?;
        let changed = self.store.find_user_by_id(user.id, Reads::PerCall)?;
        // Another change may have followed; then this password is the user's no more.
        changed.filter(|changed| changed.password_hash == hash).ok_or_else(|| changed_meanwhile(&user))
    }

    /// Deletes the user whose name and password these are.
    ///
    /// # Errors
    /// [`UserChangeError`]; [`UserChangeError::Forbidden`] for another user's id, existing or not.
    pub fn delete_own_user(
        &self,
        id: UserId,
        shown: &Credentials,
        client: Client,
        now: Now,
    ) -> Result<(), UserChangeError> {
        let now = self.time.advance(now);
        let Proved { user, reservation, .. } = self.prove_own_password(id, shown, client, now)?;
        drop(reservation);
        let deleted = self.store.delete_proved_user(&user)?;
        still_proved(&user, deleted)
    }

    /// The user whose password was shown. A token doesn't do here, so that an account can't be taken over with a stolen
    /// one.
    fn prove_own_password(
        &self,
        id: UserId,
        shown: &Credentials,
        client: Client,
        now: RealmNow,
    ) -> Result<Proved<'_>, UserChangeError> {
        let Credentials::Password { username, password } = shown else {
            return Err(refusal(None, RefusalReason::PasswordRequired).into());
        };
        let proved = self.verify_password(username, password, client, now)?;
        if proved.user.id == id {
            return Ok(proved);
        }
        Err(UserChangeError::Forbidden(self.conclude_login(proved, password).id))
    }

    /// The user of this id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find_user_by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.find_user_by_id_from(id, Reads::PerCall)
    }

    /// The same, read from there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find_user_by_id_from(&self, id: UserId, reads: Reads<'_>) -> Result<Option<User>, StoreError> {
        self.store.find_user_by_id(id, reads)
    }

    /// The user of this name, in any Unicode normalization form.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find_user_by_name(&self, username: &str) -> Result<Option<User>, StoreError> {
        self.store.find_user_by_name(&unicode::nfc(username), Reads::PerCall)
    }

    /// Up to `limit` users with ids above `after`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn list_users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreError> {
        self.store.list_users(after, limit)
    }

    /// The highest id that a user has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn last_user_id(&self) -> Result<Option<UserId>, StoreError> {
        self.store.last_user_id()
    }

    /// Sets a password by an operator's word, and ends every token.
    ///
    /// # Errors
    /// [`UserChangeError::Password`], or that the store or the hasher can't.
    pub fn set_password(&self, user: &User, new: &Secret) -> Result<(), UserChangeError> {
        self.check_new_password(new)?;
        check_differs(&user.username, new)?;
        let hash = self.hasher.hash(new, Client::Local)?;
        self.store.set_password(user.id, &hash)?;
        Ok(())
    }

    /// Keeps a user out, which ends every token, or lets the user in again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_disabled(&self, id: UserId, disabled: bool) -> Result<(), StoreError> {
        self.store.set_disabled(id, disabled).map(drop)
    }

    /// Deletes a user by an operator's word.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn delete_user(&self, id: UserId) -> Result<(), StoreError> {
        self.store.delete_user(id).map(drop)
    }

    /// A principal by an operator's word, as if the password had been shown now.
    pub fn principal_for_operator(&self, user: &User, now: Now) -> Principal {
        self.principal(user.clone(), self.time.advance(now))
    }
}

/// What was proved at the beginning must hold at the end.
fn still_proved(user: &User, done: bool) -> Result<(), UserChangeError> {
    if done { Ok(()) } else { Err(changed_meanwhile(user)) }
}

fn changed_meanwhile(user: &User) -> UserChangeError {
    refusal(Some(user.id), RefusalReason::ChangedMeanwhile).into()
}

/// Why a user was not changed.
#[derive(Debug)]
pub enum UserChangeError {
    /// The credentials don't hold, or hold no longer when the change is made; or the store or the hasher can't, at that
    /// or at the change.
    Authenticate(AuthenticateError),
    /// The credentials hold, but for this user, and the id is another one's or nobody's.
    Forbidden(UserId),
    /// The new password is not allowed.
    Password(PasswordError),
}

impl fmt::Display for UserChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authenticate(error) => error.fmt(f),
            Self::Forbidden(id) => write!(f, "user {id} may change only user {id}"),
            Self::Password(error) => error.fmt(f),
        }
    }
}

impl Error for UserChangeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Authenticate(error) => error.source(),
            Self::Forbidden(_) | Self::Password(_) => None,
        }
    }
}

impl From<AuthenticateError> for UserChangeError {
    fn from(error: AuthenticateError) -> Self {
        Self::Authenticate(error)
    }
}

impl From<StoreError> for UserChangeError {
    fn from(error: StoreError) -> Self {
        Self::Authenticate(error.into())
    }
}

impl From<HashError> for UserChangeError {
    fn from(error: HashError) -> Self {
        Self::Authenticate(error.into())
    }
}

impl From<PasswordError> for UserChangeError {
    fn from(error: PasswordError) -> Self {
        Self::Password(error)
    }
}
