//! Administrators: who may change whom, and that one remains.

use super::*;
use crate::group_name::GroupName;

fn groups(names: &[&str]) -> Vec<GroupName> {
    names.iter().map(|name| GroupName::parse(name).unwrap()).collect()
}

fn disable() -> UserChanges {
    UserChanges { disabled: Some(true), ..UserChanges::default() }
}

fn demote() -> UserChanges {
    UserChanges { groups_remove: groups(&[ADMIN_GROUP]), ..UserChanges::default() }
}

impl TestStore {
    fn insert_administrator(&self, username: &str) -> User {
        let id = self.insert(username);
        assert!(self.store.add_to_group(id, &groups(&[ADMIN_GROUP])[0]).unwrap());
        self.user(id)
    }
}

#[test]
fn the_last_administrator_can_not_be_removed_in_any_way() {
    let test = TestStore::new();
    let (admin, user) = (test.insert_administrator("admin"), test.insert("ok"));
    let disabled = test.insert_administrator("disabled");
    assert!(test.store.set_disabled(disabled.id, true).unwrap());
    assert!(test.store.is_last_administrator(admin.id).unwrap());
    let refused = [
        test.store.administer(&admin, admin.id, &disable()),
        test.store.administer(&admin, admin.id, &demote()),
        test.store.delete_user_by(&admin, admin.id),
        test.store.delete_proved_user(&admin).map(drop),
    ];
    for result in refused {
        assert!(matches!(result, Err(AdministerError::LastAdministrator)), "{result:?}");
        assert_eq!(test.user(admin.id), admin);
        assert_eq!(test.store.groups_of(admin.id, Reads::PerCall).unwrap(), [ADMIN_GROUP]);
    }
    let promote = UserChanges { groups_add: groups(&[ADMIN_GROUP]), ..UserChanges::default() };
    test.store.administer(&admin, user, &promote).unwrap();
    assert!(!test.store.is_last_administrator(admin.id).unwrap());
    assert!(test.store.delete_proved_user(&admin).unwrap());
}

#[test]
fn two_administrators_who_remove_each_other_at_once_leave_one() {
    type Removal = fn(&Store, &User, UserId) -> Result<(), AdministerError>;
    let removals: [Removal; 4] = [
        |store, actor, target| store.administer(actor, target, &disable()),
        |store, actor, target| store.administer(actor, target, &demote()),
        |store, actor, target| store.delete_user_by(actor, target),
        |store, actor, _| store.delete_proved_user(actor).map(drop),
    ];
    for remove in removals {
        let test = TestStore::new();
        let both = [test.insert_administrator("one"), test.insert_administrator("other")];
        let done = crate::tests::at_once(2, |number| {
            remove(&test.store, &both[number], both[1 - number].id).is_ok()
        });
        assert_eq!(done.into_iter().filter(|is_done| *is_done).count(), 1);
        let is_last = both.iter().filter(|user| test.store.is_last_administrator(user.id).unwrap());
        assert_eq!(is_last.count(), 1);
    }
}

#[test]
fn only_an_enabled_member_of_admin_with_the_verified_password_changes_others() {
    let test = TestStore::new();
    let (admin, other) = (test.insert_administrator("admin"), test.insert_administrator("other"));
    let (user, target) = (test.user(test.insert("ok")), test.insert("target"));
    assert!(test.store.change_password(&admin, "the new hash").unwrap());
    assert!(test.store.set_disabled(other.id, true).unwrap());
    for actor in [&admin, &other, &test.user(other.id), &user] {
        let (changed, deleted) =
            (test.store.administer(actor, target, &disable()), test.store.delete_user_by(actor, target));
        assert!(matches!(changed, Err(AdministerError::NotAdministrator)), "{changed:?}");
        assert!(matches!(deleted, Err(AdministerError::NotAdministrator)), "{deleted:?}");
    }
    assert!(!test.user(target).disabled);
    let absent = test.store.administer(&test.user(admin.id), UserId::new(99).unwrap(), &disable());
    assert!(matches!(absent, Err(AdministerError::NoSuchUser)), "{absent:?}");
}

#[test]
fn a_change_that_fails_changes_nothing() {
    let test = TestStore::new();
    let (admin, target) = (test.insert_administrator("admin"), test.insert("target"));
    let names: Vec<_> = (0..=MAX_GROUPS).map(|number| format!("g{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let changes = UserChanges { groups_add: groups(&names), ..disable() };
    let result = test.store.administer(&admin, target, &changes);
    assert!(matches!(result, Err(AdministerError::TooManyGroups)), "{result:?}");
    assert!(!test.user(target).disabled);
    assert_eq!(test.store.groups_of(target, Reads::PerCall).unwrap(), [""; 0]);
}
