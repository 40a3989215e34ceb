//! Key rotation: which key ring verifies and signs, and when the use of keys is recorded.

use super::*;
use crate::clock::UnixTime;
use crate::data_dir::SIGNING_KEYS;
use crate::token::{self, Claims, TokenError};
use crate::user_id::Generation;
use std::fs;

#[test]
fn a_key_is_retired_by_realm_time_so_that_it_is_not_pruned_before_its_tokens_expire() {
    let test = TestRealm::new();
    let ahead = test.now.unix.saturating_add(Duration::from_secs(3_600));
    test.realm.store.raise_newest_time(ahead).unwrap();
    let test = TestRealm::in_directory(test.directory.clone(), OLD_COST, test.realm.policy.clone());
    assert!(test.take_notices().iter().any(|notice| notice.starts_with("the clock is ")));
    test.realm.record_key_use(test.now);
    let old = test.realm.ring().newest().fingerprint();

    let file = test.directory.path().join(SIGNING_KEYS);
    let keys = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{}\na key that comes after the other ones\n", keys.trim_end())).unwrap();
    test.realm.reload_keys(test.now);
    let uses = test.realm.store.signing_keys(ahead).unwrap();
    assert!(uses[&old].retired_at.unwrap() >= ahead);
    assert!(uses.values().all(|key| key.first_seen_at >= ahead));
}

#[test]
fn a_token_is_renewed_by_the_ring_that_verified_it() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    let forged = forged(&test, id, test.now.unix);
    let principal = test.show_token(&forged).unwrap();
    // A rotation between verification and renewal.
    fs::write(test.directory.path().join(SIGNING_KEYS), "the secret that replaced a compromised one\n")
        .unwrap();
    test.realm.reload_keys(test.now);
    let renewed = test.issue_token(&principal);
    for token in [&forged, &renewed] {
        let refused = Refused { user: None, reason: RefusalReason::Token(TokenError::BadSignature) };
        assert_eq!(test.show_token(token), Err(refused));
    }
    let principal = test.log_in("ok", "python").unwrap();
    assert_eq!(test.show_token(&test.issue_token(&principal)).unwrap().id, id);
}

#[test]
fn a_token_of_a_server_slightly_ahead_is_accepted_while_the_clock_is_behind() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    let after = |seconds| test.now.unix.saturating_add(Duration::from_secs(seconds));
    let verdict = |test: &TestRealm, seconds| test.show_token(&forged(test, id, after(seconds))).map(drop);
    let refused = |seconds| {
        Err(Refused { user: None, reason: RefusalReason::Token(TokenError::IssuedInFuture(after(seconds))) })
    };
    assert_eq!((verdict(&test, 2), verdict(&test, 3)), (Ok(()), refused(3)));

    // What another server has seen, and saved up to 15 seconds later.
    test.realm.store.raise_newest_time(after(3_600)).unwrap();
    let behind = TestRealm::in_directory(test.directory.clone(), OLD_COST, test.realm.policy.clone());
    let started = behind.realm.time.peek(behind.now).unix.duration_since(test.now.unix).as_secs();
    assert_eq!(verdict(&behind, started + 15), Ok(()));
    assert_eq!(verdict(&behind, started + 16), refused(started + 16));
}

/// A token by a holder of the keys.
fn forged(test: &TestRealm, id: UserId, issued_at: UnixTime) -> String {
    let claims = Claims {
        id,
        generation: Generation::FIRST,
        issued_at,
        expires_at: issued_at.saturating_add(Duration::from_secs(60)),
        auth_time: issued_at,
    };
    token::issue(&claims, &test.realm.ring())
}
