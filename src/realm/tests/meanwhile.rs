//! Concurrent changes to a user during a request, step by step.
//!
//! A request is held between its two halves without a hook in the code: another connection has the lock that
//! writing takes, so the request reads the user, hashes, and waits. That it has read is seen from the number
//! of hashes, since it hashes only after that.

use super::*;
use std::thread;

/// Runs `request`, and `meanwhile` (SQL) after it has read the user and hashed this often, but before it
/// writes.
fn hold_while<T: Send>(
    test: &TestRealm,
    hashes: u64,
    request: impl FnOnce() -> T + Send,
    meanwhile: &str,
) -> T {
    let other = test.raw();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let enough = test.realm.hashes() + hashes;
    thread::scope(|scope| {
        let request = scope.spawn(request);
        while test.realm.hashes() < enough {
            assert!(!request.is_finished(), "it ended before it hashed as often as it should");
            thread::yield_now();
        }
        other.execute_batch(meanwhile).unwrap();
        other.execute_batch("COMMIT").unwrap();
        request.join().unwrap()
    })
}

/// SQL that does what a change of the password to `password` does.
fn changes_password(test: &TestRealm, password: &str) -> String {
    let hash = test.realm.hasher.hash(&secret(password), Client::Local).unwrap();
    format!("UPDATE users SET password_hash = '{hash}', generation = generation + 1")
}

#[test]
fn a_rehash_never_overwrites_a_concurrent_password_change() {
    let old = TestRealm::new();
    let id = old.add_user("ok", "python");
    let new = old.with_new_cost();
    let change = changes_password(&old, "ruby");
    let principal = hold_while(&new, 2, || new.log_in("ok", "python").unwrap(), &change);
    assert_eq!(new.log_in("ok", "python"), Err(refused(id, RefusalReason::WrongPassword)));
    assert_eq!(new.log_in("ok", "ruby").unwrap().id, id);
    // The login was right when it was looked at; what it brings is dead.
    let refusal = new.show_token(&new.issue_token(&principal));
    assert_eq!(refusal, Err(refused(id, RefusalReason::OtherGeneration)));
    assert_eq!(new.take_notices(), [""; 0]);
}

#[test]
fn the_second_of_two_concurrent_rehashes_changes_nothing() {
    let old = TestRealm::new();
    let id = old.add_user("ok", "python");
    let new = old.with_new_cost();
    let hash = new.realm.hasher.hash(&secret("python"), Client::Local).unwrap();
    let rehash = format!("UPDATE users SET password_hash = '{hash}'");
    assert_eq!(hold_while(&new, 2, || new.log_in("ok", "python").unwrap(), &rehash).id, id);
    assert_eq!(new.user(id).password_hash, hash);
}

#[test]
fn a_token_for_the_old_password_is_revoked_by_the_change() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    let principal = test.log_in("ok", "python").unwrap();
    let before = test.issue_token(&principal);
    let renewed = test.show_token(&before).unwrap();
    assert_eq!((renewed.id, renewed.generation), (id, principal.generation));
    assert_eq!(test.change_password(id, &shown("ok", "python"), "ruby"), Ok(()));
    for token in [before, test.issue_token(&principal), test.issue_token(&renewed)] {
        assert_eq!(test.show_token(&token), Err(refused(id, RefusalReason::OtherGeneration)));
    }
    let token = test.issue_token(&test.log_in("ok", "ruby").unwrap());
    assert_eq!(test.show_token(&token).unwrap().id, id);
}

#[test]
fn a_password_change_fails_after_a_concurrent_change() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    let meanwhile = changes_password(&test, "ruby");
    let changed =
        hold_while(&test, 2, || test.change_password(id, &shown("ok", "python"), "perl"), &meanwhile);
    assert_eq!(changed, Err(refused(id, RefusalReason::ChangedMeanwhile)));
    assert_eq!(test.log_in("ok", "perl"), Err(refused(id, RefusalReason::WrongPassword)));
    assert_eq!(test.log_in("ok", "ruby").unwrap().generation.number(), 2);
}

#[test]
fn a_password_change_fails_for_a_user_disabled_or_deleted_concurrently() {
    for meanwhile in ["UPDATE users SET disabled = 1, generation = generation + 1", "DELETE FROM users"] {
        let test = TestRealm::new();
        let id = test.add_user("ok", "python");
        let changed =
            hold_while(&test, 2, || test.change_password(id, &shown("ok", "python"), "perl"), meanwhile);
        assert_eq!(changed, Err(refused(id, RefusalReason::ChangedMeanwhile)), "{meanwhile}");
        assert!(test.log_in("ok", "perl").is_err(), "{meanwhile}");
    }
}

#[test]
fn a_concurrent_sign_out_or_rehash_does_not_fail_a_password_change() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    let rehash = test.realm.hasher.hash(&secret("python"), Client::Local).unwrap();
    let rehash = format!("UPDATE users SET password_hash = '{rehash}'");
    for (old, new, meanwhile) in [
        ("python", "ruby", "UPDATE users SET generation = generation + 1"),
        ("ruby", "python", "UPDATE users SET disabled = 0"),
        ("python", "perl", &rehash),
    ] {
        let changed = hold_while(&test, 2, || test.change_password(id, &shown("ok", old), new), meanwhile);
        assert_eq!(changed, Ok(()), "{meanwhile}");
        assert_eq!(test.log_in("ok", new).unwrap().id, id);
        assert_eq!(test.log_in("ok", old), Err(refused(id, RefusalReason::WrongPassword)));
    }
}

#[test]
fn a_deletion_fails_after_a_concurrent_password_change() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    let meanwhile = changes_password(&test, "ruby");
    let deleted = hold_while(
        &test,
        1,
        || test.realm.delete_own_user(id, &shown("ok", "python"), Client::Local, test.now),
        &meanwhile,
    );
    let UserChangeError::Authenticate(AuthenticateError::Refused(refusal)) = deleted.unwrap_err() else {
        panic!("not refused")
    };
    assert_eq!(refusal, refused(id, RefusalReason::ChangedMeanwhile));
    assert_eq!(test.log_in("ok", "ruby").unwrap().id, id);
}

#[test]
fn a_name_registered_concurrently_is_taken() {
    let test = TestRealm::new();
    let meanwhile =
        "INSERT INTO users (username, folded, password_hash, created_at) VALUES ('OK', 'ok', 'x', 0)";
    let registered = hold_while(
        &test,
        1,
        || test.realm.register("ok", &secret("python"), Client::Local, test.now),
        meanwhile,
    );
    assert!(matches!(registered, Err(RegisterError::Taken)), "{registered:?}");
    assert_eq!(test.realm.find_user_by_name("ok").unwrap(), None);
}
