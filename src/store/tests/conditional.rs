//! Updates on a condition: what was proved when a request began must still hold when it ends.

use super::*;

/// Something that happens to a user while a request of that user's is served.
type Meanwhile = fn(&Store, &User);

/// What takes nothing from the proof of the password.
const HARMLESS: [(&str, Meanwhile); 4] = [
    ("nothing", |_, _| ()),
    ("a rehash", |store, user| {
        assert!(store.replace_password_hash(user.id, &user.password_hash, "the rehash").unwrap());
    }),
    ("signing out", |store, user| assert!(store.revoke_tokens(user.id).unwrap())),
    ("keeping out and letting in again", |store, user| {
        assert!(store.set_disabled(user.id, true).unwrap());
        assert!(store.set_disabled(user.id, false).unwrap());
    }),
];

/// After what the password shown may not be the user's any more.
const FATAL: [(&str, Meanwhile); 5] = [
    ("another change", |store, user| assert!(store.change_password(user, "the winner's hash").unwrap())),
    ("an operator's change", |store, user| {
        assert!(store.set_password(user.id, "the operator's hash").unwrap());
    }),
    ("a rehash and then a change", |store, user| {
        assert!(store.replace_password_hash(user.id, &user.password_hash, "the rehash").unwrap());
        assert!(store.change_password(user, "the winner's hash").unwrap());
    }),
    ("keeping out", |store, user| assert!(store.set_disabled(user.id, true).unwrap())),
    ("deleting", |store, user| assert!(store.delete_user(user.id).unwrap())),
];

#[test]
fn a_hash_is_replaced_only_if_it_is_unchanged() {
    let test = TestStore::new();
    let (other, id) = (test.insert("other"), test.insert("ok"));
    let before = test.user(id);
    assert!(!test.store.replace_password_hash(id, "not the hash", "the rehash").unwrap());
    assert_eq!(test.user(id), before);
    assert!(test.store.replace_password_hash(id, "the hash", "the rehash").unwrap());
    assert_eq!(test.user(id), User { password_hash: "the rehash".into(), ..before });
    assert!(!test.store.replace_password_hash(id, "the hash", "another rehash").unwrap());
    assert_eq!(test.user(id).password_hash, "the rehash");
    assert_eq!(test.user(other).password_hash, "the hash");
}

#[test]
fn a_password_is_changed_after_a_rehash_or_a_revocation() {
    for (what, meanwhile) in HARMLESS {
        let test = TestStore::new();
        let (other, id) = (test.insert("other"), test.insert("ok"));
        let proved = test.user(id);
        meanwhile(&test.store, &proved);
        let before = test.user(id);
        assert!(test.store.change_password(&proved, "the new hash").unwrap(), "{what}");
        let generation = Generation::new(before.generation.number() + 1).unwrap();
        let after = User { password_hash: "the new hash".into(), generation, ..before };
        assert_eq!(test.user(id), after, "{what}");
        assert_eq!(test.user(other).password_hash, "the hash");
    }
}

#[test]
fn a_password_is_not_changed_if_the_proof_is_outdated() {
    for (what, meanwhile) in FATAL {
        let test = TestStore::new();
        let id = test.insert("ok");
        let proved = test.user(id);
        meanwhile(&test.store, &proved);
        let before = test.store.find_user_by_id(id, Reads::PerCall).unwrap();
        assert!(!test.store.change_password(&proved, "the new hash").unwrap(), "{what}");
        assert_eq!(test.store.find_user_by_id(id, Reads::PerCall).unwrap(), before, "{what}");
    }
}

#[test]
fn a_user_is_deleted_after_a_rehash_or_a_revocation() {
    for (what, meanwhile) in HARMLESS {
        let test = TestStore::new();
        let (other, id) = (test.insert("other"), test.insert("ok"));
        let proved = test.user(id);
        meanwhile(&test.store, &proved);
        assert!(test.store.delete_proved_user(&proved).unwrap(), "{what}");
        assert_eq!(test.store.list_users(None, 10).unwrap(), [test.user(other)], "{what}");
    }
}

#[test]
fn a_user_is_not_deleted_if_the_proof_is_outdated() {
    for (what, meanwhile) in FATAL {
        let test = TestStore::new();
        let id = test.insert("ok");
        let proved = test.user(id);
        meanwhile(&test.store, &proved);
        let before = test.store.find_user_by_id(id, Reads::PerCall).unwrap();
        assert!(!test.store.delete_proved_user(&proved).unwrap(), "{what}");
        assert_eq!(test.store.find_user_by_id(id, Reads::PerCall).unwrap(), before, "{what}");
    }
}

#[test]
fn a_proof_is_not_for_the_next_user_of_the_name() {
    let test = TestStore::new();
    let proved = test.user(test.insert("ok"));
    assert!(test.store.delete_user(proved.id).unwrap());
    let next = test.user(test.insert("ok"));
    assert!(!test.store.change_password(&proved, "the new hash").unwrap());
    assert!(!test.store.delete_proved_user(&proved).unwrap());
    assert_eq!(test.user(next.id), next);
}
