//! The password cache: what it answers, and what invalidates it.

use super::*;
use std::thread;

const CLIENT: &str = "192.0.2.1";

/// A realm that remembers proved passwords, as `serve` does.
fn remembering() -> TestRealm {
    let mut test = TestRealm::new();
    test.realm.hasher = Hasher::new(OLD_COST.parse().unwrap(), Hasher::DEFAULT_MAX_MEMORY_BYTES).unwrap();
    test
}

/// A login from this address, so much later; and how many hashes it cost.
fn log_in(
    test: &TestRealm,
    password: &str,
    address: &str,
    after: Duration,
) -> (Result<UserId, RefusalReason>, u64) {
    let now = Now { unix: test.now.unix, monotonic: test.now.monotonic + after };
    let client = Client::Ip(address.parse().unwrap());
    test.hashes_for(|| match test.realm.authenticate(&shown("ok", password), client, now) {
        Ok(principal) => Ok(principal.id),
        Err(AuthenticateError::Refused(refusal)) => Err(refusal.reason),
        Err(error) => panic!("{error:?}"),
    })
}

fn log_in_now(test: &TestRealm, password: &str) -> (Result<UserId, RefusalReason>, u64) {
    log_in(test, password, CLIENT, Duration::ZERO)
}

#[test]
fn a_second_login_costs_no_hash_for_a_minute() {
    let test = remembering();
    let id = test.add_user("ok", "python");
    for (address, seconds, hashes) in [
        (CLIENT, 0, 1),
        (CLIENT, 0, 0),
        (CLIENT, 59, 0),
        ("::ffff:192.0.2.1", 59, 0),
        ("192.0.2.2", 59, 1),
        ("127.0.0.1", 59, 1),
        (CLIENT, 60, 1),
        (CLIENT, 119, 0),
        (CLIENT, 120, 1),
    ] {
        let done = log_in(&test, "python", address, Duration::from_secs(seconds));
        assert_eq!(done, (Ok(id), hashes), "{address} {seconds}");
    }
}

#[test]
fn a_wrong_password_costs_a_hash_each_time() {
    let test = remembering();
    let id = test.add_user("ok", "python");
    assert_eq!(log_in_now(&test, "python"), (Ok(id), 1));
    for _ in 0..3 {
        assert_eq!(log_in_now(&test, "ruby"), (Err(RefusalReason::WrongPassword), 1));
        assert_eq!(log_in_now(&test, "python"), (Ok(id), 0));
    }
}

#[test]
fn a_change_by_another_process_invalidates_the_password_cache() {
    type Change = fn(&Realm, &User);
    let changes: [(Change, _, u64); 5] = [
        (
            |realm, user| realm.set_password(user, &secret("ruby")).unwrap(),
            Err(RefusalReason::WrongPassword),
            1,
        ),
        (|realm, user| realm.revoke_tokens(user.id).unwrap(), Ok(()), 1),
        (|realm, user| realm.set_disabled(user.id, true).unwrap(), Err(RefusalReason::Disabled), 1),
        (|realm, user| realm.delete_user(user.id).unwrap(), Err(RefusalReason::UnknownUser), 1),
        (|_, _| (), Ok(()), 0),
    ];
    for (change, result, hashes) in changes {
        let test = remembering();
        let id = test.add_user("ok", "python");
        assert_eq!(log_in_now(&test, "python"), (Ok(id), 1));
        let other = test.with_new_cost().realm;
        change(&other, &test.user(id));
        let expected = (result.map(|()| id), hashes);
        assert_eq!(log_in_now(&test, "python"), expected);
    }
}

#[test]
fn a_user_disabled_in_the_database_is_rejected_with_an_unchanged_generation() {
    let test = remembering();
    let id = test.add_user("ok", "python");
    assert_eq!(log_in_now(&test, "python"), (Ok(id), 1));
    test.raw().execute_batch("UPDATE users SET disabled = 1").unwrap();
    assert_eq!(log_in_now(&test, "python"), (Err(RefusalReason::Disabled), 1));
    test.raw().execute_batch("UPDATE users SET disabled = 0").unwrap();
    assert_eq!(log_in_now(&test, "python"), (Ok(id), 0));
}

#[test]
fn a_new_user_with_a_deleted_users_name_does_not_inherit_the_password_cache() {
    let test = remembering();
    let first = test.add_user("ok", "python");
    assert_eq!(log_in_now(&test, "python"), (Ok(first), 1));
    test.realm.delete_user(first).unwrap();
    let second = test.add_user("ok", "python");
    assert_eq!(log_in_now(&test, "python"), (Ok(second), 1), "the same password, with another salt");
}

#[test]
fn a_changed_password_is_verified_once_and_the_old_one_is_rejected() {
    let test = remembering();
    let id = test.add_user("ok", "python");
    assert!(test.log_in("ok", "python").is_ok());
    let (changed, hashes) = test.hashes_for(|| test.change_password(id, &shown("ok", "python"), "ruby"));
    assert_eq!((changed, hashes), (Ok(()), 1), "the old one was proved, the new one is hashed");
    assert_eq!(log_in_now(&test, "python"), (Err(RefusalReason::WrongPassword), 1));
    assert_eq!(log_in_now(&test, "ruby"), (Ok(id), 1));
    assert_eq!(log_in_now(&test, "ruby"), (Ok(id), 0));
}

#[test]
fn an_outdated_hash_is_replaced_and_then_verified_once() {
    let old = TestRealm::new();
    let id = old.add_user("ok", "python");
    let mut new = old.with_new_cost();
    new.realm.hasher = Hasher::new(NEW_COST.parse().unwrap(), Hasher::DEFAULT_MAX_MEMORY_BYTES).unwrap();
    assert_eq!(log_in_now(&new, "python"), (Ok(id), 2));
    assert_eq!(cost_of(&new.user(id)), NEW_COST);
    assert_eq!(log_in_now(&new, "python"), (Ok(id), 1));
    assert_eq!(log_in_now(&new, "python"), (Ok(id), 0));
}

#[test]
fn identical_concurrent_checks_share_one_hash_for_every_user() {
    const CROWD: usize = 32;
    for mut test in [remembering(), TestRealm::new()] {
        let (id, disabled) = (test.add_user("ok", "python"), test.add_user("disabled", "python"));
        test.realm.set_disabled(disabled, true).unwrap();
        let broken = test.add_user("broken", "python");
        test.raw()
            .execute("UPDATE users SET password_hash = 'none' WHERE id = ?1", [broken.to_string()])
            .unwrap();
        test.now.monotonic += Duration::from_secs(3600);
        for (username, password, expected) in [
            ("ok", "ruby", Err(refused(id, RefusalReason::WrongPassword))),
            ("absent", "python", Err(Refused { user: None, reason: RefusalReason::UnknownUser })),
            ("disabled", "python", Err(refused(disabled, RefusalReason::Disabled))),
            ("broken", "python", Err(refused(broken, RefusalReason::UnusableHash))),
            ("ok", "python", Ok(id)),
        ] {
            let (results, hashes) = test.hashes_for(|| log_in_together(&test, CROWD, username, password));
            assert_eq!(hashes, 1, "{username}");
            assert!(results.iter().all(|result| *result == expected), "{username}: {results:?}");
        }
    }
}

/// So many log in while nothing can be hashed, and hear of it when something can.
fn log_in_together(
    test: &TestRealm,
    crowd: usize,
    username: &str,
    password: &str,
) -> Vec<Result<UserId, Refused>> {
    let hasher = &test.realm.hasher;
    thread::scope(|scope| {
        let waiting = hasher.while_slots_are_taken(|| {
            let log_in = || test.log_in(username, password).map(|principal| principal.id);
            let waiting: Vec<_> = (0..crowd).map(|_| scope.spawn(log_in)).collect();
            while hasher.inside() < crowd {
                thread::yield_now();
            }
            waiting
        });
        waiting.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}
