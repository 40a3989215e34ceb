//! User enumeration: a rejected request does the same work for every user, existing or not.
//!
//! Work is counted as SQL statements. A stored hash can only be parsed where a statement has read one.

use super::*;
use crate::hashing::HashError;
use crate::limiter::Rules;
use crate::store::tests::trace::statements_of;

const FIND_ADDRESS: &str = "SELECT (SELECT max(seen_at) FROM remembered_addresses WHERE address = ?1), \
                            limiter_epoch FROM realm";

/// bcrypt at its least cost.
const BCRYPT: &str = "$2b$05$eL6GoUW8rNDhmOdNFJL0O.ykUp58oVFBz/iTVou0NQClgBj22Xbrq";
/// One kind of user each; the first has no row.
const KINDS: [&str; 6] = ["unknown", "known", "disabled", "bcrypt", "damaged", "elsewhere"];

fn client(address: &str) -> Client {
    Client::Ip(address.parse().unwrap())
}

/// A realm with a user of each kind, with the limiter on.
fn realm() -> TestRealm {
    let test = TestRealm::with_policy(Policy { rate_limits: Some(Rules::default()), ..Policy::default() });
    for kind in &KINDS[1..] {
        test.add_user(kind, "python");
    }
    let raw = test.raw();
    raw.execute("UPDATE users SET password_hash = ?1 WHERE username = 'bcrypt'", [BCRYPT]).unwrap();
    raw.execute("UPDATE users SET password_hash = 'x' WHERE username = 'damaged'", []).unwrap();
    raw.execute("UPDATE users SET disabled = 1 WHERE username = 'disabled'", []).unwrap();
    // Its user has logged in, but not from where the attacker is.
    let logged_in = test.realm.authenticate(&shown("elsewhere", "python"), client("203.0.113.1"), test.now);
    assert!(logged_in.is_ok());
    test
}

/// Every way to show a password: what became of it.
fn attempts(test: &TestRealm, username: &str, password: &str) -> [AuthenticateError; 3] {
    let (credentials, attacker) = (shown(username, password), client("198.51.100.1"));
    let id = UserId::new(1).unwrap();
    let changed = |result| match result {
        Err(UserChangeError::Authenticate(error)) => error,
        other => panic!("{other:?}"),
    };
    [
        test.realm.authenticate(&credentials, attacker, test.now).unwrap_err(),
        changed(test.realm.change_password(id, &credentials, &secret("another"), attacker, test.now)),
        changed(test.realm.delete_own_user(id, &credentials, attacker, test.now)),
    ]
}

#[test]
fn a_rejected_login_runs_the_same_statements_for_every_kind_of_user() {
    let mut test = realm();
    let hasher = Hasher::new(OLD_COST.parse().unwrap(), Hasher::DEFAULT_MAX_MEMORY_BYTES).unwrap();
    test.realm.hasher = hasher.with_slots(Some(1), 0);
    for kind in KINDS {
        let expected = vec![FIND_ADDRESS; 3];
        // The queue is full.
        let (errors, statements) =
            test.realm.hasher.while_slots_are_taken(|| statements_of(|| attempts(&test, kind, "ruby")));
        let is_busy = |error: &AuthenticateError| matches!(error, AuthenticateError::Hash(HashError::Busy));
        assert!(errors.iter().all(is_busy), "{kind}: {errors:?}");
        assert_eq!(statements, expected, "{kind}");
        // The limiter is at its end.
        let wrong = |number: i32| {
            test.realm.authenticate(&shown(kind, &number.to_string()), client("198.51.100.1"), test.now)
        };
        let refused = (0..10).filter(|number| matches!(wrong(*number), Err(AuthenticateError::Refused(_))));
        assert_eq!(refused.count(), 10, "{kind}");
        let (errors, statements) = statements_of(|| attempts(&test, kind, "ruby"));
        let is_limited = |error: &AuthenticateError| matches!(error, AuthenticateError::RateLimited(_));
        assert!(errors.iter().all(is_limited), "{kind}: {errors:?}");
        assert_eq!(statements, expected, "{kind}");
    }
}

#[test]
fn a_login_without_a_permit_runs_the_same_statements_for_every_kind_of_user() {
    let mut test = realm();
    let hasher = Hasher::new(OLD_COST.parse().unwrap(), Hasher::DEFAULT_MAX_MEMORY_BYTES).unwrap();
    test.realm.hasher = hasher.with_max_requests(0);
    for kind in KINDS {
        let (errors, statements) = statements_of(|| attempts(&test, kind, "ruby"));
        let is_busy = |error: &AuthenticateError| matches!(error, AuthenticateError::Hash(HashError::Busy));
        assert!(errors.iter().all(is_busy), "{kind}: {errors:?}");
        assert_eq!(statements, vec![FIND_ADDRESS; 3], "{kind}");
    }
}

#[test]
fn a_wrong_password_runs_the_same_kinds_of_statements_for_every_kind_of_user() {
    let test = realm();
    let mut seen = Vec::new();
    for kind in KINDS {
        let (_, mut statements) = statements_of(|| attempts(&test, kind, "ruby"));
        // In how many steps a decoy is found depends on a keyed hash of the name.
        statements.retain(|sql| !sql.starts_with("SELECT password_hash FROM users"));
        seen.push(statements);
    }
    assert!(seen[0].len() > 3);
    for (kind, statements) in KINDS.iter().zip(&seen) {
        assert_eq!(statements, &seen[0], "{kind}");
    }
}

#[test]
fn a_rejected_registration_runs_no_statement_whether_the_name_is_taken_or_not() {
    let mut test = realm();
    let register = |test: &TestRealm, username: &str| {
        let attacker = client("198.51.100.1");
        statements_of(|| test.realm.register(username, &secret("python"), attacker, test.now).unwrap_err())
    };
    let hasher = Hasher::new(OLD_COST.parse().unwrap(), Hasher::DEFAULT_MAX_MEMORY_BYTES).unwrap();
    test.realm.hasher = hasher.with_slots(Some(1), 0);
    for username in ["known", "KNOWN", "free"] {
        let (error, statements) = test.realm.hasher.while_slots_are_taken(|| register(&test, username));
        assert!(matches!(error, RegisterError::Hash(HashError::Busy)), "{username}: {error:?}");
        assert_eq!(statements, [""; 0], "{username}");
    }
    while !matches!(register(&test, "known").0, RegisterError::RateLimited(_)) {}
    for username in ["known", "KNOWN", "free"] {
        let (error, statements) = register(&test, username);
        assert!(matches!(error, RegisterError::RateLimited(_)), "{username}: {error:?}");
        assert_eq!(statements, [""; 0], "{username}");
    }
    test.realm.policy.registration = Registration::Closed;
    for username in ["known", "KNOWN", "free"] {
        let (error, statements) = register(&test, username);
        assert!(matches!(error, RegisterError::Closed), "{username}: {error:?}");
        assert_eq!(statements, [""; 0], "{username}");
    }
}
