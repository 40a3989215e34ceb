//! Groups of users. They decide about nothing in the realm: guards and apps read them.

use super::Realm;
use crate::group_name::GroupName;
use crate::store::{Reads, StoreError};
use crate::user_id::UserId;

impl Realm {
    /// Adds a user to a group, also if the user is in it. False if there is no such user, or the user is in
    /// [`MAX_GROUPS`](crate::store::MAX_GROUPS) others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_to_group(&self, user: UserId, group: &GroupName) -> Result<bool, StoreError> {
        self.store.add_to_group(user, group)
    }

    /// Removes a user from a group. False if the user is not in it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remove_from_group(&self, user: UserId, group: &GroupName) -> Result<bool, StoreError> {
        self.store.remove_from_group(user, group)
    }

    /// The groups of a user, in alphabetical order.
    ///
    /// # Errors
    /// [`StoreError`]; with [`Reads::Batch`] [`StoreError::WouldBlock`], before any side effect.
    pub fn groups_of(&self, user: UserId, reads: Reads<'_>) -> Result<Vec<String>, StoreError> {
        self.store.groups_of(user, reads)
    }
}
