//! Registration: policy, validation of usernames and passwords, and its cost in hashes.

use super::*;
use crate::clock::UnixTime;
use crate::username::UsernameError;

fn min_chars(min_password_chars: usize) -> TestRealm {
    TestRealm::with_policy(Policy { min_password_chars, ..Policy::default() })
}

/// What is wrong with a new user's password, if anything is; each asked for a new user.
fn password_error(test: &TestRealm, username: &str, password: &str) -> Option<PasswordError> {
    match test.realm.add_user(username, &secret(password), test.now.unix) {
        Ok(registered) => {
            test.realm.delete_user(registered.id).unwrap();
            None
        }
        Err(RegisterError::Password(error)) => Some(error),
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn a_registered_user_has_generation_1() {
    let test = TestRealm::new();
    let registered = test.realm.register("José", &secret("python"), Client::Local, test.now).unwrap();
    assert_eq!(registered.username.as_str(), "José");
    let user = test.user(registered.id);
    assert_eq!((user.username.as_str(), user.generation.number(), user.disabled), ("José", 1, false));
    assert_eq!(user.created_at, test.now.unix);
    let principal = test.log_in("José", "python").unwrap();
    assert_eq!(principal.auth_time, test.now.unix);
}

#[test]
fn a_registration_while_the_clock_is_behind_has_realm_time() {
    let test = TestRealm::new();
    let set_back = Now { unix: UnixTime::EPOCH, ..test.now };
    let registered = test.realm.register("ok", &secret("python"), Client::Local, set_back).unwrap();
    assert_eq!(test.user(registered.id).created_at, test.now.unix);
}

#[test]
fn closed_registration_rejects_users_but_not_administrators() {
    let test = TestRealm::with_policy(Policy { registration: Registration::Closed, ..Policy::default() });
    // Whatever name and password are: it is closed before they are looked at.
    for (username, password) in [("ok", "python"), ("", "python"), ("ok", ""), ("a:b", "a:b")] {
        let (registered, hashes) =
            test.hashes_for(|| test.realm.register(username, &secret(password), Client::Local, test.now));
        assert!(matches!(registered, Err(RegisterError::Closed)), "{registered:?}");
        assert_eq!(hashes, 0);
    }
    let id = test.add_user("ok", "python");
    assert_eq!(test.log_in("ok", "python").unwrap().id, id);
    let registered = test.realm.register("ok", &secret("python"), Client::Local, test.now);
    assert!(matches!(registered, Err(RegisterError::Closed)), "a taken name is not told");
}

#[test]
fn a_taken_name_costs_no_hash() {
    let test = TestRealm::new();
    test.add_user("ok", "python");
    for username in ["ok", "OK", "ｏｋ"] {
        let (registered, hashes) =
            test.hashes_for(|| test.realm.register(username, &secret("ruby"), Client::Local, test.now));
        assert!(matches!(registered, Err(RegisterError::Taken)), "{registered:?}");
        assert_eq!(hashes, 0);
    }
    assert_eq!(test.log_in("ok", "ruby").unwrap_err().reason, RefusalReason::WrongPassword);
}

#[test]
fn an_invalid_username_is_rejected_without_a_hash() {
    let test = TestRealm::new();
    for (username, expected) in [("", UsernameError::Empty), ("a:b", UsernameError::Colon)] {
        let (registered, hashes) =
            test.hashes_for(|| test.realm.register(username, &secret("python"), Client::Local, test.now));
        let Err(RegisterError::Username(error)) = registered else { panic!("{registered:?}") };
        assert_eq!((error, hashes), (expected, 0));
    }
}

#[test]
fn a_password_has_up_to_1024_bytes() {
    let test = TestRealm::new();
    for longest in ["p".repeat(1024), "é".repeat(512), "🔑".repeat(256)] {
        assert_eq!(longest.len(), 1024);
        let id = test.add_user("ok", &longest);
        assert_eq!(test.log_in("ok", &longest).unwrap().id, id);
        test.realm.delete_user(id).unwrap();
        assert_eq!(password_error(&test, "ok", &format!("{longest}p")), Some(PasswordError::TooLong));
    }
}

#[test]
fn every_byte_of_the_longest_password_counts() {
    let test = TestRealm::new();
    test.add_user("ok", &"p".repeat(1024));
    assert_eq!(test.log_in("ok", &"p".repeat(1023)).unwrap_err().reason, RefusalReason::WrongPassword);
    let other = format!("{}q", "p".repeat(1023));
    assert_eq!(test.log_in("ok", &other).unwrap_err().reason, RefusalReason::WrongPassword);
}

#[test]
fn the_minimum_length_counts_characters_and_not_bytes() {
    let test = min_chars(8);
    let too_short = Some(PasswordError::TooShort { min_chars: 8 });
    for (password, error) in [
        ("", too_short),
        ("1234567", too_short),
        ("12345678", None),
        ("éééé", too_short),           // 8 bytes
        ("🔑🔑🔑🔑🔑🔑🔑", too_short), // 28 bytes
        ("🔑🔑🔑🔑🔑🔑🔑🔑", None),
        ("        ", None), // a password is its bytes, whatever they are
    ] {
        assert_eq!(password_error(&test, "ok", password), error, "{password:?}");
    }
}

#[test]
fn an_empty_password_is_too_short_with_any_policy() {
    let too_short = Some(PasswordError::TooShort { min_chars: 1 });
    for min in [0, 1] {
        let test = min_chars(min);
        assert_eq!(password_error(&test, "ok", ""), too_short);
        assert_eq!(password_error(&test, "ok", "p"), None);
    }
}

#[test]
fn a_password_equal_to_the_username_is_rejected() {
    let test = TestRealm::new();
    assert_eq!(password_error(&test, "python", "python"), Some(PasswordError::IsTheName));
    assert_eq!(password_error(&test, "python", "Python"), None); // compared exactly
    let id = test.add_user("ok", "python");
    let changed =
        test.realm.change_password(id, &shown("ok", "python"), &secret("ok"), Client::Local, test.now);
    assert!(matches!(changed, Err(UserChangeError::Password(PasswordError::IsTheName))), "{changed:?}");
    let set = test.realm.set_password(&test.user(id), &secret("ok"));
    assert!(matches!(set, Err(UserChangeError::Password(PasswordError::IsTheName))), "{set:?}");
    assert_eq!(test.log_in("ok", "python").unwrap().generation.number(), 1);
}

#[test]
fn a_new_password_equal_to_the_username_is_rejected_before_the_old_one_is_verified() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    // Both are in the request, so the response reveals nothing about users; and it costs no hash.
    for (name, password) in [("ok", "python"), ("ok", "ruby"), ("absent", "ruby")] {
        let (changed, hashes) = test.hashes_for(|| {
            test.realm.change_password(id, &shown(name, password), &secret(name), Client::Local, test.now)
        });
        assert!(matches!(changed, Err(UserChangeError::Password(PasswordError::IsTheName))), "{changed:?}");
        assert_eq!(hashes, 0);
    }
}

#[test]
fn a_password_change_validates_like_a_registration() {
    let test = min_chars(8);
    let id = test.add_user("ok", "python is it");
    for (password, expected) in
        [("1234567", PasswordError::TooShort { min_chars: 8 }), (&"p".repeat(1025), PasswordError::TooLong)]
    {
        let (changed, hashes) = test.hashes_for(|| {
            test.realm.change_password(
                id,
                &shown("ok", "python is it"),
                &secret(password),
                Client::Local,
                test.now,
            )
        });
        let Err(UserChangeError::Password(error)) = changed else { panic!("{changed:?}") };
        assert_eq!((error, hashes), (expected, 0));
    }
    assert_eq!(test.change_password(id, &shown("ok", "python is it"), &"p".repeat(1024)), Ok(()));
}

#[test]
fn another_users_id_is_forbidden_existing_or_not() {
    let test = TestRealm::new();
    let (id, other) = (test.add_user("ok", "python"), test.add_user("other", "python"));
    for stranger in [other, UserId::new(i64::MAX).unwrap()] {
        let changed = test.realm.change_password(
            stranger,
            &shown("ok", "python"),
            &secret("ruby"),
            Client::Local,
            test.now,
        );
        assert!(matches!(changed, Err(UserChangeError::Forbidden(user)) if user == id), "{changed:?}");
        let deleted = test.realm.delete_own_user(stranger, &shown("ok", "python"), Client::Local, test.now);
        assert!(matches!(deleted, Err(UserChangeError::Forbidden(user)) if user == id), "{deleted:?}");
    }
    assert_eq!(test.log_in("other", "python").unwrap().id, other);
}
