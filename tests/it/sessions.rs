//! Token lifetime, renewal and revocation, and the keys that sign tokens.

use crate::harness::{CHEAP, TestRealm, error, json_request, object};
use gatekey::client::Client;
use gatekey::clock::UnixTime;
use gatekey::credentials::{self, Credentials};
use gatekey::data_dir::{DataDir, SIGNING_KEYS};
use gatekey::hashing::Hasher;
use gatekey::http::Response;
use gatekey::realm::{IssueTokenError, Policy, Realm};
use gatekey::secret::Secret;
use gatekey::token::{self, Claims};
use gatekey::user_id::{Generation, UserId};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn realm(token_lifetime: u64, max_session: u64) -> TestRealm {
    let policy = Policy {
        token_lifetime: seconds(token_lifetime),
        max_session: seconds(max_session),
        ..Policy::default()
    };
    let test = TestRealm::with_policy(policy);
    test.add_user("ok", "python");
    test
}

fn is_good(test: &TestRealm, token: &str) -> bool {
    match test.bearer("GET", "/api/resource", token) {
        response if response.status == 200 => true,
        response => {
            assert_eq!(error(&response), (401, "unauthorized".into()));
            false
        }
    }
}

/// The token and the duration of an answer that has them.
fn issued(response: &Response) -> (String, u64) {
    assert_eq!(response.status, 200);
    let body = object(response);
    (body["token"].as_str().unwrap().into(), body["duration"].as_u64().unwrap())
}

/// A new token for an old one.
fn renewed(test: &TestRealm, token: &str) -> (String, u64) {
    issued(&test.bearer("GET", "/api/token", token))
}

fn claims_of(test: &TestRealm, token: &str) -> Claims {
    token::verify(token, &test.realm.ring(), test.unix(), Duration::MAX).unwrap()
}

#[test]
fn a_token_expires_after_exactly_600_seconds() {
    let test = TestRealm::new();
    test.add_user("ok", "python");
    let (token, duration) = issued(&test.basic("GET", "/api/token", "ok", "python"));
    assert_eq!(duration, 600);
    assert_eq!(
        claims_of(&test, &token),
        Claims {
            id: UserId::new(1).unwrap(),
            generation: Generation::FIRST,
            issued_at: test.unix(),
            expires_at: test.unix().saturating_add(seconds(600)),
            auth_time: test.unix(),
        }
    );
    assert!(is_good(&test, &token));
    test.advance(seconds(599));
    assert!(is_good(&test, &token));
    test.advance(SECOND);
    assert!(!is_good(&test, &token));
}

#[test]
fn a_renewed_token_keeps_its_auth_time() {
    let test = realm(600, 86_400);
    let first = test.token("ok", "python");
    let auth_time = test.unix();
    test.advance(seconds(599));
    let (second, duration) = renewed(&test, &first);
    assert_eq!(duration, 600);
    assert_eq!(claims_of(&test, &second).auth_time, auth_time);
    test.advance(SECOND);
    assert!(!is_good(&test, &first), "renewing one doesn't prolong the other");
    test.advance(seconds(598));
    assert!(is_good(&test, &second));
    let (third, _) = renewed(&test, &second);
    assert_eq!(claims_of(&test, &third).auth_time, auth_time);
    assert_eq!(claims_of(&test, &third).issued_at, test.unix());
}

#[test]
fn an_expired_token_can_not_be_renewed() {
    let test = realm(600, 86_400);
    let token = test.token("ok", "python");
    test.advance(seconds(600));
    assert_eq!(error(&test.bearer("GET", "/api/token", &token)), (401, "unauthorized".into()));
}

#[test]
fn renewal_ends_at_the_maximum_session_age() {
    let test = realm(600, 1500);
    let mut token = test.token("ok", "python");
    for (advance, expected) in [(500, 600), (500, 500), (499, 1)] {
        test.advance(seconds(advance));
        let (next, duration) = renewed(&test, &token);
        assert_eq!(duration, expected, "it says what is left");
        token = next;
    }
    assert!(is_good(&test, &token));
    test.advance(SECOND);
    assert!(!is_good(&test, &token));
    assert_eq!(error(&test.bearer("GET", "/api/token", &token)), (401, "unauthorized".into()));
    let (_, duration) = issued(&test.basic("GET", "/api/token", "ok", "python"));
    assert_eq!(duration, 600, "the password begins another one");
}

#[test]
fn a_token_lifetime_is_limited_by_the_maximum_session_age() {
    let test = realm(600, 100);
    let (token, duration) = issued(&test.basic("GET", "/api/token", "ok", "python"));
    assert_eq!(duration, 100);
    assert!(is_good(&test, &token));
    test.advance(seconds(100));
    assert!(!is_good(&test, &token));
}

#[test]
fn a_requested_duration_can_only_shorten_the_lifetime() {
    let test = realm(600, 1500);
    for (query, duration) in
        [("?duration=15", 15), ("?duration=601", 600), ("?duration=600&x=1", 600), ("?x=1", 600)]
    {
        let (token, given) = issued(&test.basic("GET", &format!("/api/token{query}"), "ok", "python"));
        assert_eq!(given, duration, "{query}");
        test.advance(seconds(duration - 1));
        assert!(is_good(&test, &token), "{query}");
        test.advance(seconds(1));
        assert!(!is_good(&test, &token), "{query}");
    }
    let hashes = test.realm.hashes();
    let response = test.basic("GET", "/api/token?duration=0", "ok", "python");
    assert_eq!(error(&response), (400, "malformed_request".into()));
    assert_eq!(test.realm.hashes(), hashes, "it is said before the password is looked at");
}

#[test]
fn a_token_at_the_end_of_its_session_is_valid_but_not_renewed() {
    // Such a token was issued while the longest session was longer than it is now.
    let test = realm(600, 1500);
    let token = |seconds_ago: u64| {
        let auth_time = UnixTime::new(test.unix().seconds() - seconds_ago).unwrap();
        let claims = Claims { auth_time, ..claims_of(&test, &test.token("ok", "python")) };
        token::issue(&claims, &test.realm.ring())
    };
    assert_eq!(renewed(&test, &token(1499)).1, 1);
    let over = token(1500);
    assert!(is_good(&test, &over));
    let response = test.bearer("GET", "/api/token", &over);
    assert_eq!(error(&response), (401, "unauthorized".into()));
    let (_, credentials) = credentials::parse(format!("Bearer {over}").as_bytes());
    let principal = test.realm.authenticate(&credentials.unwrap(), Client::Local, test.now()).unwrap();
    assert_eq!(test.realm.issue_token(&principal, test.now()).unwrap_err(), IssueTokenError::SessionExpired);
}

#[test]
fn a_token_beyond_the_maximum_session_age_is_rejected() {
    let test = realm(600, 1500);
    let claims = claims_of(&test, &test.token("ok", "python"));
    let lasting = |lifetime: u64| {
        let expires_at = test.unix().saturating_add(seconds(lifetime));
        token::issue(&Claims { expires_at, ..claims }, &test.realm.ring())
    };
    assert!(is_good(&test, &lasting(1500)));
    assert!(!is_good(&test, &lasting(1501)));
}

/// Who ends tokens, and how.
type End<'a> = (&'a str, &'a dyn Fn(&TestRealm));

#[test]
fn a_new_generation_revokes_every_token_at_once() {
    let password = Secret::new("ruby".into());
    let user = |test: &TestRealm| test.realm.find_user_by_name("ok").unwrap().unwrap();
    let ends: [End<'_>; 6] = [
        ("its user changes the password", &|test| {
            let request = json_request("PUT", "/api/users/1", r#"{"password":"ruby"}"#);
            let authorization = crate::harness::basic("ok", "python");
            assert_eq!(test.send(&request.with_header("Authorization", authorization)).status, 204);
        }),
        ("its user signs out", &|test| {
            assert_eq!(test.basic("DELETE", "/api/token", "ok", "python").status, 204);
        }),
        ("its user leaves", &|test| {
            assert_eq!(test.basic("DELETE", "/api/users/1", "ok", "python").status, 204);
        }),
        ("an operator sets a password", &|test| test.realm.set_password(&user(test), &password).unwrap()),
        ("an operator disables the user", &|test| test.realm.set_disabled(user(test).id, true).unwrap()),
        ("an operator deletes the user", &|test| test.realm.delete_user(user(test).id).unwrap()),
    ];
    for (end, act) in ends {
        let test = realm(600, 86_400);
        test.add_user("other", "python");
        let tokens = [test.token("ok", "python"), test.token("ok", "python")];
        let others = test.token("other", "python");
        act(&test);
        for token in &tokens {
            assert!(!is_good(&test, token), "{end}");
            assert_eq!(test.bearer("GET", "/api/token", token).status, 401, "{end}");
        }
        assert!(is_good(&test, &others), "{end}");
    }
}

#[test]
fn enabling_a_user_revives_no_token() {
    let test = realm(600, 86_400);
    let old = test.token("ok", "python");
    let id = test.realm.find_user_by_name("ok").unwrap().unwrap().id;
    test.realm.set_disabled(id, true).unwrap();
    assert_eq!(test.basic("GET", "/api/token", "ok", "python").status, 401);
    test.realm.set_disabled(id, false).unwrap();
    assert!(!is_good(&test, &old));
    let new = test.token("ok", "python");
    assert!(is_good(&test, &new));
    test.realm.set_disabled(id, false).unwrap();
    assert!(is_good(&test, &new), "letting in who is in ends nothing");
}

#[test]
fn a_token_issued_for_an_old_password_is_never_valid() {
    let test = realm(600, 86_400);
    let (_, shown) = credentials::parse(crate::harness::basic("ok", "python").as_bytes());
    let shown = shown.unwrap();
    let principal = test.realm.authenticate(&shown, Client::Local, test.now()).unwrap();
    // Between the check of the password and the token, another request changes the password.
    test.realm
        .change_password(principal.id, &shown, &Secret::new("ruby".into()), Client::Local, test.now())
        .unwrap();
    let token = test.realm.issue_token(&principal, test.now()).unwrap().token;
    assert!(!is_good(&test, &token));
}

#[test]
fn revoking_all_tokens_does_not_revoke_later_ones() {
    let test = realm(600, 86_400);
    test.add_user("other", "python");
    let before = [test.token("ok", "python"), test.token("other", "python")];
    test.advance(SECOND);
    let at = test.token("ok", "python");
    assert_eq!(test.realm.revoke_all_tokens(test.now()).unwrap(), SECOND);
    for token in before.iter().chain([&at]) {
        assert!(!is_good(&test, token), "issued one second before, or in the same one");
        assert_eq!(test.bearer("GET", "/api/token", token).status, 401);
    }
    test.advance(SECOND);
    assert!(is_good(&test, &test.token("other", "python")));
    assert!(!is_good(&test, &before[0]));
}

#[test]
fn all_tokens_are_revoked_by_realm_time_while_the_clock_is_behind() {
    let test = realm(600, 86_400);
    let start = test.now();
    test.advance(Duration::from_secs(3_600));
    let token = test.token("ok", "python");
    // Another process, whose clock was set back meanwhile, and which knows of no newer time than the store.
    let (store, keys) = DataDir::new(test.directory.path()).open().unwrap();
    store.raise_newest_time(test.unix()).unwrap();
    let hasher = Hasher::new(CHEAP.parse().unwrap(), Hasher::DEFAULT_MAX_MEMORY_BYTES).unwrap();
    let command = Realm::open(store, keys, hasher, Policy::default(), start).unwrap();
    test.advance(Duration::from_secs(15)); // the running server saves its time every 10 s, on a busy disk in 5 s
    let unsaved = test.token("ok", "python");

    let until = command.revoke_all_tokens(start).unwrap();
    assert_eq!(until, Duration::from_secs(16));
    assert!(!is_good(&test, &token) && !is_good(&test, &unsaved));
    test.advance(until);
    assert!(is_good(&test, &test.token("ok", "python")));
}

#[test]
fn a_renewal_concurrent_with_the_revocation_of_all_tokens_is_revoked() {
    let test = realm(600, 86_400);
    let token = Credentials::Token(Secret::new(test.token("ok", "python")));
    test.advance(SECOND);
    let principal = test.realm.authenticate(&token, Client::Local, test.now()).unwrap();
    test.advance(test.realm.revoke_all_tokens(test.now()).unwrap());
    let renewed = test.realm.issue_token(&principal, test.now()).unwrap().token;
    assert!(!is_good(&test, &renewed), "its iat is new enough, its auth_time is not");
}

/// Puts another key file in place of the old one, in one step, as an operator should.
fn replace_key_file(test: &TestRealm, contents: &[u8]) {
    let path = test.directory.path().join(SIGNING_KEYS);
    let new = test.directory.path().join("signing-keys.new");
    fs::write(&new, contents).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(new, path).unwrap();
}

fn key_file(test: &TestRealm) -> Vec<u8> {
    fs::read(test.directory.path().join(SIGNING_KEYS)).unwrap()
}

#[test]
fn a_new_key_signs_and_the_older_one_still_verifies() {
    let test = realm(600, 86_400);
    let of_the_old_key = test.token("ok", "python");
    let old_ring = test.realm.ring();
    let with_another = [key_file(&test), b"the second secret, of 32 bytes..\n".to_vec()].concat();
    replace_key_file(&test, &with_another);
    test.advance(SECOND);

    let of_the_new_key = test.token("ok", "python");
    let newest_first = test.realm.ring();
    assert_eq!(newest_first.keys().count(), 2);
    assert_eq!(newest_first.keys().next().unwrap().fingerprint(), old_ring.newest().fingerprint());
    let open_with_old = token::verify_signature(&of_the_new_key, &old_ring).map(drop);
    assert_eq!(open_with_old, Err(token::TokenError::BadSignature), "the newest key signs");
    assert!(is_good(&test, &of_the_old_key), "every key verifies");
    assert!(is_good(&test, &of_the_new_key));
}

#[test]
fn a_removed_key_verifies_nothing() {
    let test = realm(600, 86_400);
    let old = test.token("ok", "python");
    replace_key_file(&test, b"the second secret, of 32 bytes..\n");
    test.advance(SECOND);
    assert_eq!(
        test.bearer("GET", "/api/token", &old).status,
        401,
        "nor can it be traded for a token of the new key"
    );
    assert!(!is_good(&test, &old));
    assert!(is_good(&test, &test.token("ok", "python")));
}

#[test]
fn a_token_of_a_new_key_reloads_the_key_file() {
    let test = realm(600, 86_400);
    let claims = claims_of(&test, &test.token("ok", "python")); // this looked at the file
    let with_another = [key_file(&test), b"the second secret, of 32 bytes..\n".to_vec()].concat();
    replace_key_file(&test, &with_another);
    let ring = gatekey::keys::load(&test.directory.path().join(SIGNING_KEYS)).unwrap();
    let token = token::issue(&claims, &ring);
    test.advance(Duration::from_millis(999));
    assert!(!is_good(&test, &token), "the file is looked at once a second at most");
    test.advance(Duration::from_millis(1));
    assert!(is_good(&test, &token));
}

/// The same realm, and what it tells its operator from now on.
fn observed(mut test: TestRealm) -> (TestRealm, Arc<Mutex<Vec<String>>>) {
    let notices = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&notices);
    test.realm = test.realm.with_observer(move |notice| heard.lock().unwrap().push(notice.to_string()));
    (test, notices)
}

#[test]
fn an_invalid_key_file_keeps_the_old_keys_and_is_reported_once() {
    let (test, notices) = observed(realm(600, 86_400));
    let token = test.token("ok", "python");
    let good_file = key_file(&test);
    let path = test.directory.path().join(SIGNING_KEYS);
    let path = path.display();
    for (bad_file, what) in [
        (&b""[..], "it holds no key, expected one secret a line"),
        (b"short\n", "line 1: the secret has 5 bytes, expected 16 to 1024"),
    ] {
        replace_key_file(&test, bad_file);
        for _ in 0..3 {
            test.advance(SECOND);
            let renewed = renewed(&test, &token).0;
            assert!(is_good(&test, &token));
            assert!(is_good(&test, &renewed), "the old key signs on");
        }
        let notice = format!("signing keys {path}: {what}; the keys read before stay in use");
        assert_eq!(notices.lock().unwrap().split_off(0), [notice]);
    }
    replace_key_file(&test, &good_file);
    test.advance(SECOND);
    assert!(is_good(&test, &test.token("ok", "python")));
    let fingerprint = test.realm.ring().newest().fingerprint();
    let notice = format!("signing keys read again: 1, the newest has the fingerprint {fingerprint}");
    assert_eq!(notices.lock().unwrap().split_off(0), [notice]);
}

#[test]
fn a_removed_key_file_keeps_the_old_keys_and_is_reported_once() {
    let (test, notices) = observed(realm(600, 86_400));
    let token = test.token("ok", "python");
    let path = test.directory.path().join(SIGNING_KEYS);
    fs::remove_file(&path).unwrap();
    for _ in 0..3 {
        test.advance(SECOND);
        assert!(is_good(&test, &renewed(&test, &token).0));
    }
    test.realm.reload_keys(test.now());
    let notices = notices.lock().unwrap();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].starts_with(&format!("signing keys {}: can't read it: ", path.display())));
    assert!(!path.exists(), "no key is made up where one was lost");
}

#[test]
fn a_signal_reloads_the_key_file_within_the_second() {
    let (test, notices) = observed(realm(600, 86_400));
    test.token("ok", "python");
    replace_key_file(&test, b"the second secret, of 32 bytes..\n");
    test.token("ok", "python");
    assert_eq!(notices.lock().unwrap().len(), 0, "looked at a moment ago");
    test.realm.reload_keys(test.now());
    assert_eq!(notices.lock().unwrap().len(), 1);
}
