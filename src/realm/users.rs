//! User accounts: look-up, password change and deletion, by the users and by administrators.

use super::authenticate::{Principal, Proved};
use super::new_password::{PasswordError, check_differs};
use super::refusal::{AuthenticateError, RefusalReason, refusal};
use super::state::Realm;
use super::time::RealmNow;
use crate::client::Client;
use crate::clock::Now;
use crate::credentials::Credentials;
use crate::hashing::HashError;
use crate::secret::Secret;
use crate::store::{ADMIN_GROUP, AdministerError, Reads, StoreError, User, UserChanges};
use crate::unicode;
use crate::user_id::UserId;

impl Realm {
    /// Changes the own password, authenticated by the old one, and revokes all tokens of the user. Returns the
    /// user's id: `id`, unless that is `None`.
    ///
    /// # Errors
    /// [`UserChangeError`]. [`UserChangeError::Forbidden`] for another user's id, also if it doesn't exist.
    pub fn change_password(
        &self,
        id: impl Into<Option<UserId>>,
        shown: &Credentials,
        new: &Secret,
        client: Client,
        now: Now,
    ) -> Result<UserId, UserChangeError> {
        self.change_password_to(id.into(), shown, new, client, now).map(|user| user.id)
    }

    /// Like [`Realm::change_password`]; returns the row with the new hash.
    pub(super) fn change_password_to(
        &self,
        id: Option<UserId>,
        shown: &Credentials,
        new: &Secret,
        client: Client,
        now: Now,
    ) -> Result<User, UserChangeError> {
        let now = self.time.advance(now);
        self.check_new_password(new)?;
        // Before the old password is verified, as it costs no hash.
        if let Credentials::Password { username, .. } = shown {
            check_differs(username, new)?;
        }
        let Proved { user, attempt, reservation, .. } = self.verify_own_password(id, shown, client, now)?;
        // In the slot of the first hash, so that no second wait is needed. Consumes the reservation before
        // the writes.
        let hash = self.hasher.hash_for_proved_user(reservation, new, &user.username, client)?;
        self.remember_address(&attempt, user.id);
        let changed = self.store.change_password(&user, &hash)?; // increments the generation, which revokes tokens
        check_unchanged(&user, changed)?;
        let changed = self.store.find_user_by_id(user.id, Reads::PerCall)?;
        // Another change may have followed.
        changed.filter(|changed| changed.password_hash == hash).ok_or_else(|| changed_meanwhile(&user))
    }

    /// Deletes the own account, authenticated by the password. Returns the user's id: `id`, unless that is
    /// `None`.
    ///
    /// # Errors
    /// [`UserChangeError`]. [`UserChangeError::LastAdministrator`] for the only enabled member of the group `admin`.
    pub fn delete_own_user(
        &self,
        id: impl Into<Option<UserId>>,
        shown: &Credentials,
        client: Client,
        now: Now,
    ) -> Result<UserId, UserChangeError> {
        let id = id.into();
        let now = self.time.advance(now);
        let Proved { user, reservation, .. } = self.verify_own_password(id, shown, client, now)?;
        drop(reservation);
        match self.store.delete_proved_user(&user) {
            Ok(deleted) => check_unchanged(&user, deleted).map(|()| user.id),
            Err(error) => Err(UserChangeError::administer(error, user.id)),
        }
    }

    /// Changes a user, also the own, by an administrator who is authenticated by the password. Returns the ids of the
    /// administrator and of the user: `target`, unless that is `None`.
    ///
    /// # Errors
    /// [`UserChangeError`]. [`UserChangeError::Forbidden`] for a user who is no administrator, for every target.
    pub fn administer(
        &self,
        target: Option<UserId>,
        changes: &UserChanges,
        shown: &Credentials,
        client: Client,
        now: Now,
    ) -> Result<(UserId, UserId), UserChangeError> {
        let actor = self.verify_actor(shown, client, now)?;
        let target = target.unwrap_or(actor.id);
        let result = self.store.administer(&actor, target, changes);
        result.map_err(|error| UserChangeError::administer(error, actor.id))?;
        Ok((actor.id, target))
    }

    /// Deletes the own account, or another by an administrator. Returns the ids as [`Realm::administer`] does.
    ///
    /// # Errors
    /// As [`Realm::administer`], but every user may delete the own account.
    pub fn delete_user_as(
        &self,
        target: Option<UserId>,
        shown: &Credentials,
        client: Client,
        now: Now,
    ) -> Result<(UserId, UserId), UserChangeError> {
        let actor = self.verify_actor(shown, client, now)?;
        let target = target.unwrap_or(actor.id);
        if target == actor.id {
            let deleted = self.store.delete_proved_user(&actor);
            let deleted = deleted.map_err(|error| UserChangeError::administer(error, actor.id))?;
            check_unchanged(&actor, deleted)?;
        } else {
            let deleted = self.store.delete_user_by(&actor, target);
            deleted.map_err(|error| UserChangeError::administer(error, actor.id))?;
        }
        Ok((actor.id, target))
    }

    /// The administrator whose name and password these are. Tokens are rejected.
    ///
    /// # Errors
    /// [`UserChangeError`]; [`UserChangeError::Forbidden`] for a user who is no administrator.
    pub fn authenticate_administrator(
        &self,
        shown: &Credentials,
        client: Client,
        now: Now,
    ) -> Result<User, UserChangeError> {
        let user = self.verify_actor(shown, client, now)?;
        let groups = self.store.groups_of(user.id, Reads::PerCall)?;
        let is_administrator = groups.iter().any(|group| group == ADMIN_GROUP);
        if is_administrator { Ok(user) } else { Err(UserChangeError::Forbidden(user.id)) }
    }

    fn verify_actor(&self, shown: &Credentials, client: Client, now: Now) -> Result<User, UserChangeError> {
        let Credentials::Password { password, .. } = shown else {
            return Err(refusal(None, RefusalReason::PasswordRequired).into());
        };
        let proved = self.verify_own_password(None, shown, client, self.time.advance(now))?;
        Ok(self.conclude_login(proved, password))
    }

    /// Verifies the password of this user. Tokens are rejected, so that a stolen one can't take over the
    /// account.
    fn verify_own_password(
        &self,
        id: Option<UserId>,
        shown: &Credentials,
        client: Client,
        now: RealmNow,
    ) -> Result<Proved<'_>, UserChangeError> {
        let Credentials::Password { username, password } = shown else {
            return Err(refusal(None, RefusalReason::PasswordRequired).into());
        };
        let proved = self.verify_password(username, password, client, now)?;
        if id.is_none_or(|id| proved.user.id == id) {
            return Ok(proved);
        }
        Err(UserChangeError::Forbidden(self.conclude_login(proved, password).id))
    }

    /// The user with this id.
    pub fn find_user_by_id(&self, id: UserId, reads: Reads<'_>) -> Result<Option<User>, StoreError> {
        self.store.find_user_by_id(id, reads)
    }

    /// The user with this name, in any Unicode normalization form.
    pub fn find_user_by_name(&self, username: &str) -> Result<Option<User>, StoreError> {
        self.store.find_user_by_name(&unicode::nfc(username), Reads::PerCall)
    }

    /// Up to `limit` users with ids above `after`.
    pub fn list_users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreError> {
        self.store.list_users(after, limit)
    }

    /// The highest id of a user.
    pub fn last_user_id(&self) -> Result<Option<UserId>, StoreError> {
        self.store.last_user_id()
    }

    /// Sets a password by an administrator and revokes all tokens of the user.
    ///
    /// # Errors
    /// [`UserChangeError::Password`], or an error of store or hasher.
    pub fn set_password(&self, user: &User, new: &Secret) -> Result<(), UserChangeError> {
        self.check_new_password(new)?;
        check_differs(&user.username, new)?;
        let hash = self.hasher.hash(new, Client::Local)?;
        self.store.set_password(user.id, &hash)?;
        Ok(())
    }

    /// Disables a user, which revokes all tokens, or enables the user again.
    pub fn set_disabled(&self, id: UserId, disabled: bool) -> Result<(), StoreError> {
        self.store.set_disabled(id, disabled).map(drop)
    }

    /// Deletes a user by an administrator.
    pub fn delete_user(&self, id: UserId) -> Result<(), StoreError> {
        self.store.delete_user(id).map(drop)
    }

    /// Whether this user is the only enabled member of the group `admin`.
    pub fn is_last_administrator(&self, id: UserId) -> Result<bool, StoreError> {
        self.store.is_last_administrator(id)
    }

    /// A principal for an administrator, as if the user's password had been verified now.
    pub fn principal_for_operator(&self, user: &User, now: Now) -> Principal {
        self.principal(user.clone(), self.time.advance(now))
    }
}

/// Fails if a conditional write found another row than the one whose password was verified.
fn check_unchanged(user: &User, done: bool) -> Result<(), UserChangeError> {
    if done { Ok(()) } else { Err(changed_meanwhile(user)) }
}

fn changed_meanwhile(user: &User) -> UserChangeError {
    refusal(Some(user.id), RefusalReason::ChangedMeanwhile).into()
}

/// Why a user was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UserChangeError {
    /// The credentials are invalid, or became so before the change; or store or hasher failed.
    #[error(transparent)]
    Authenticate(#[from] AuthenticateError),
    /// The credentials are those of this other user.
    #[error("user {0} may change only user {0}")]
    Forbidden(UserId),
    /// Without this user there would be no administrator.
    #[error("user {0} is the last administrator")]
    LastAdministrator(UserId),
    /// This administrator named a user who doesn't exist.
    #[error("there is no such user")]
    NoSuchUser(UserId),
    /// This administrator would add a user to too many groups.
    #[error("the user would be in too many groups")]
    TooManyGroups(UserId),
    /// The new password is invalid.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl UserChangeError {
    fn administer(error: AdministerError, actor: UserId) -> Self {
        match error {
            AdministerError::NotAdministrator => Self::Forbidden(actor),
            AdministerError::NoSuchUser => Self::NoSuchUser(actor),
            AdministerError::LastAdministrator => Self::LastAdministrator(actor),
            AdministerError::TooManyGroups => Self::TooManyGroups(actor),
            AdministerError::Store(error) => error.into(),
        }
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
