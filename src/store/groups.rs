//! Groups: the operations on the table `user_groups`. A group exists while it has a member.

use super::error::StoreError;
use super::open::Store;
use super::session::Reads;
use crate::group_name::GroupName;
use crate::user_id::UserId;
use rusqlite::params;

/// Groups that a user may be in.
pub const MAX_GROUPS: u32 = 32;

/// Adds the user `?1` to the group `?2`, unless the user is in `?3` others.
pub(super) const ADD: &str = "INSERT INTO user_groups (user_id, name) SELECT id, ?2 FROM users WHERE id = ?1 \
                              AND (SELECT count(*) FROM user_groups WHERE user_id = ?1 AND name <> ?2) < ?3 \
                              ON CONFLICT DO UPDATE SET name = name";
pub(super) const REMOVE: &str = "DELETE FROM user_groups WHERE user_id = ?1 AND name = ?2";

impl Store {
    /// Adds a user to a group, also if the user is in it. False if there is no such user, or the user is in
    /// [`MAX_GROUPS`] others.
    pub fn add_to_group(&self, user: UserId, group: &GroupName) -> Result<bool, StoreError> {
        self.change(ADD, params![user.number(), group.as_str(), MAX_GROUPS])
    }

    /// Removes a user from a group. False if the user is not in it.
    pub fn remove_from_group(&self, user: UserId, group: &GroupName) -> Result<bool, StoreError> {
        self.change(REMOVE, params![user.number(), group.as_str()])
    }

    /// The groups of a user, in alphabetical order.
    pub fn groups_of(&self, user: UserId, reads: Reads<'_>) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT name FROM user_groups WHERE user_id = ?1 ORDER BY name";
        self.read(reads, |connection| {
            connection.prepare_cached(sql)?.query_map([user.number()], |row| row.get(0))?.collect()
        })
    }
}
