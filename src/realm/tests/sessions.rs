//! Sessions: sign-in, channels, guard cookies, named tokens, and what ends them.

use super::*;
use crate::session_id::SessionId;
use crate::store::SessionKind;
use crate::token::{self, TokenError};

const DAY: Duration = Duration::from_secs(86_400);

impl TestRealm {
    fn sign_in(&self, username: &str, password: &str) -> NewSession {
        self.realm.sign_in(username, &secret(password), Client::Local, FIREFOX, self.now).unwrap()
    }

    fn show_cookie(&self, token: &Secret, kind: SessionKind) -> Result<Principal, Refused> {
        self.show_cookie_at(token, kind, self.now)
    }

    fn show_cookie_at(&self, token: &Secret, kind: SessionKind, now: Now) -> Result<Principal, Refused> {
        self.realm.authenticate_cookie(token.expose(), kind, Reads::PerCall, now).map_err(|error| match error
        {
            AuthenticateError::Refused(refusal) => refusal,
            error => panic!("{error:?}"),
        })
    }

    fn named_token(&self, username: &str, password: &str, lifetime: Duration) -> NewSession {
        let principal = self.log_in(username, password).unwrap();
        self.realm.issue_named_token(&principal, "backup", lifetime, self.now).unwrap()
    }

    fn after(&self, elapsed: Duration) -> Now {
        Now { unix: self.now.unix.saturating_add(elapsed), monotonic: self.now.monotonic + elapsed }
    }
}

#[test]
fn a_browser_is_signed_in_until_it_signs_out() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    let opened = test.sign_in("ok", "python");
    let principal = test.show_cookie(&opened.token, SessionKind::Browser).unwrap();
    assert_eq!(principal, opened.principal);
    assert_eq!((principal.id, principal.session), (id, Some((opened.id, SessionKind::Browser))));
    assert_eq!(principal.expires_at, Some(test.now.unix.saturating_add(30 * DAY)));
    test.realm.sign_out(&principal).unwrap();
    let refused = refused(id, RefusalReason::SessionEnded);
    assert_eq!(test.show_cookie(&opened.token, SessionKind::Browser), Err(refused));
    test.realm.sign_out(&principal).unwrap(); // once more changes nothing
}

#[test]
fn a_wrong_password_signs_nobody_in_at_the_cost_of_a_login() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    for (username, why) in [
        ("ok", refused(id, RefusalReason::WrongPassword)),
        ("absent", Refused { user: None, reason: RefusalReason::UnknownUser }),
    ] {
        let (signed_in, hashes) = test.hashes_for(|| {
            test.realm.sign_in(username, &secret("wrong"), Client::Local, FIREFOX, test.now).map(drop)
        });
        let Err(AuthenticateError::Refused(refusal)) = signed_in else { panic!("{signed_in:?}") };
        assert_eq!((refusal, hashes), (why, 1));
    }
    assert_eq!(test.realm.list_sessions(id, test.now).unwrap(), []);
}

/// All pairs of kind and channel.
#[test]
fn each_channel_admits_its_own_kinds_of_token_only() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    let browser = test.sign_in("ok", "python");
    let guard = test.realm.open_guard_session(&browser.principal, test.now).unwrap();
    let named = test.named_token("ok", "python", DAY);
    let stateless = secret(&test.issue_token(&test.log_in("ok", "python").unwrap()));
    let tokens = [
        (None, &stateless),
        (Some(SessionKind::Browser), &browser.token),
        (Some(SessionKind::Guard), &guard.token),
        (Some(SessionKind::Token), &named.token),
    ];
    let channels = [None, Some(SessionKind::Browser), Some(SessionKind::Guard), Some(SessionKind::Token)];
    for channel in channels {
        for (kind, token) in tokens {
            let shown = match channel {
                None => test.show_token(token.expose()),
                Some(cookie) => test.show_cookie(token, cookie),
            };
            let is_admitted = match channel {
                None => matches!(kind, None | Some(SessionKind::Token)),
                Some(_) => kind == channel,
            };
            let expected = if is_admitted { Ok(id) } else { Err(refused(id, RefusalReason::OtherChannel)) };
            assert_eq!(shown.map(|principal| principal.id), expected, "{kind:?} in {channel:?}");
        }
    }
    for (_, token) in &tokens[1..] {
        let stateless = token::verify(token.expose(), &test.realm.ring(), test.now.unix, Duration::MAX);
        assert!(matches!(stateless, Err(TokenError::Unsupported(_))), "a stateless check can't know");
    }
}

#[test]
fn a_guard_session_ends_with_its_browser_session() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    let browser = test.sign_in("ok", "python");
    let guard = test.realm.open_guard_session(&browser.principal, test.now).unwrap();
    assert_eq!(guard.expires_at, browser.expires_at);
    let later = test.realm.open_guard_session(&browser.principal, test.after(DAY)).unwrap();
    assert_eq!(later.expires_at, browser.expires_at, "nothing slides");
    assert_eq!(test.show_cookie(&guard.token, SessionKind::Guard).map(|shown| shown.id), Ok(id));
    test.realm.sign_out(&browser.principal).unwrap();
    let ended = Err(refused(id, RefusalReason::SessionEnded));
    assert_eq!(test.show_cookie(&guard.token, SessionKind::Guard), ended);
    for principal in [&browser.principal, &guard.principal] {
        assert!(matches!(
            test.realm.open_guard_session(principal, test.now),
            Err(AuthenticateError::Refused(_))
        ));
    }
}

#[test]
fn a_session_expires_and_a_shorter_option_ends_older_ones() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    let browser = test.sign_in("ok", "python");
    let named = test.named_token("ok", "python", 5 * DAY);
    let guard = test.realm.open_guard_session(&browser.principal, test.after(DAY)).unwrap();
    assert_eq!(test.realm.list_sessions(id, test.now).unwrap().len(), 2);
    let policy =
        Policy { browser_session: 2 * DAY, max_token_lifetime: 3 * DAY, ..test.realm.policy.clone() };
    let stricter = TestRealm::in_directory(test.directory.clone(), OLD_COST, policy);
    let second = Duration::from_secs(1);
    let expired = Err(refused(id, RefusalReason::SessionExpired));
    for (token, kind, ends) in [
        (&browser.token, SessionKind::Browser, 2 * DAY),
        (&guard.token, SessionKind::Guard, 2 * DAY),
        (&named.token, SessionKind::Token, 3 * DAY),
    ] {
        // Each in a realm of its own, whose time doesn't go back.
        let realm =
            || TestRealm::in_directory(test.directory.clone(), OLD_COST, stricter.realm.policy.clone());
        let at = |now| realm().show_cookie_at(token, kind, now).map(|principal| principal.id);
        assert_eq!(at(test.after(ends.saturating_sub(second))), Ok(id), "{kind}");
        assert_eq!(at(test.after(ends)), expired.clone().map(|principal: Principal| principal.id), "{kind}");
    }
    assert_eq!(stricter.realm.list_sessions(id, test.after(4 * DAY)).unwrap(), []);
    let over = test.show_cookie_at(&named.token, SessionKind::Token, test.after(5 * DAY)).unwrap_err();
    assert_eq!(over.reason, RefusalReason::Token(TokenError::Expired(named.expires_at)));
}

#[test]
fn what_revokes_tokens_ends_sessions_of_every_kind() {
    type Revocation = fn(&TestRealm, UserId);
    let revocations: [(&str, Revocation); 4] = [
        ("a new password", |test, id| {
            test.change_password(id, &shown("ok", "python"), "anaconda").unwrap();
        }),
        ("revoking", |test, id| test.realm.revoke_tokens(id).unwrap()),
        ("disabling", |test, id| {
            test.realm.set_disabled(id, true).unwrap();
            test.realm.set_disabled(id, false).unwrap();
        }),
        ("revoking all", |test, _| {
            test.realm.revoke_all_tokens(test.now).unwrap();
        }),
    ];
    for (what, revoke) in revocations {
        let test = TestRealm::new();
        let id = test.add_user("ok", "python");
        let browser = test.sign_in("ok", "python");
        let guard = test.realm.open_guard_session(&browser.principal, test.now).unwrap();
        let named = test.named_token("ok", "python", DAY);
        revoke(&test, id);
        for opened in [&browser, &guard, &named] {
            let (_, kind) = opened.principal.session.unwrap();
            assert!(test.show_cookie(&opened.token, kind).is_err(), "{what}: {kind}");
        }
        assert!(test.realm.open_guard_session(&browser.principal, test.now).is_err(), "{what}");
        assert_eq!(test.realm.list_sessions(id, test.now).unwrap(), [], "{what}");
    }
}

#[test]
fn a_browser_that_changes_the_password_stays_signed_in_and_no_other_does() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    let (own, other) = (test.sign_in("ok", "python"), test.sign_in("ok", "python"));
    let (old, new) = (shown("ok", "python"), secret("anaconda"));
    let renewed =
        test.realm.change_password_and_sign_in(id, &old, &new, Client::Local, FIREFOX, test.now).unwrap();
    for opened in [&own, &other] {
        assert!(test.show_cookie(&opened.token, SessionKind::Browser).is_err());
    }
    assert_eq!(test.show_cookie(&renewed.token, SessionKind::Browser).map(|shown| shown.id), Ok(id));
    assert!(test.log_in("ok", "anaconda").is_ok());
}

#[test]
fn a_named_token_obeys_the_policy() {
    let test = TestRealm::new();
    test.add_user("ok", "python");
    let principal = test.log_in("ok", "python").unwrap();
    let issue = |test: &TestRealm, principal, name: &str, lifetime| {
        test.realm
            .issue_named_token(principal, name, lifetime, test.now)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    let second = Duration::from_secs(1);
    assert_eq!(issue(&test, &principal, "backup", 365 * DAY), Ok(()));
    let lifetime = "the token's lifetime must be 1 to 31536000 seconds (--max-token-lifetime)";
    for refused in [365 * DAY + second, Duration::ZERO, Duration::MAX] {
        assert_eq!(issue(&test, &principal, "backup", refused), Err(lifetime.into()));
    }
    let (longest, longer) = ("é".repeat(100), "é".repeat(101));
    assert_eq!(issue(&test, &principal, &longest, DAY), Ok(()));
    for name in ["", longer.as_str(), "a\nb"] {
        let error = issue(&test, &principal, name, DAY).unwrap_err();
        assert!(error.starts_with("the token's name must have 1 to 100 characters"), "{error}");
    }
    let named = test.named_token("ok", "python", DAY);
    let by_token = test.show_token(named.token.expose()).unwrap();
    let error = issue(&test, &by_token, "backup", DAY).unwrap_err();
    assert_eq!(error, "a token was shown where a password is required");
    let policy = Policy { max_token_lifetime: Duration::ZERO, ..test.realm.policy.clone() };
    let off = TestRealm::in_directory(test.directory.clone(), OLD_COST, policy);
    assert_eq!(
        issue(&off, &principal, "backup", second),
        Err("named tokens are off (--max-token-lifetime 0)".into())
    );
    assert_eq!(off.show_token(named.token.expose()).unwrap_err().reason, RefusalReason::SessionExpired);
}

#[test]
fn a_use_is_noted_once_a_day_off_the_request_path() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "python");
    let opened = test.sign_in("ok", "python");
    let used_at = |now| test.realm.list_sessions(id, now).unwrap()[0].used_at;
    let second = Duration::from_secs(1);
    for (elapsed, noted) in
        [(DAY.saturating_sub(second), Duration::ZERO), (DAY, DAY), ((2 * DAY).saturating_sub(second), DAY)]
    {
        let now = test.after(elapsed);
        let before = used_at(now);
        test.show_cookie_at(&opened.token, SessionKind::Browser, now).unwrap();
        assert_eq!(used_at(now), before, "a request writes nothing");
        test.realm.save(now);
        assert_eq!(used_at(now), test.after(noted).unix);
    }
    test.realm.save(test.after(30 * DAY));
    let rows: i64 = test.raw().query_row("SELECT count(*) FROM sessions", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 0, "expired rows are swept");
    assert_eq!(test.take_notices(), [""; 0]);
}

#[test]
fn a_session_is_ended_by_its_own_user_only() {
    let test = TestRealm::new();
    let (id, other) = (test.add_user("ok", "python"), test.add_user("other", "anaconda"));
    let opened = test.sign_in("ok", "python");
    assert!(!test.realm.end_session(other, opened.id).unwrap());
    assert!(!test.realm.end_session(id, SessionId::from_bytes([7; 16])).unwrap());
    assert!(test.show_cookie(&opened.token, SessionKind::Browser).is_ok());
    assert!(test.realm.end_session(id, opened.id).unwrap());
    assert!(test.show_cookie(&opened.token, SessionKind::Browser).is_err());
}

#[test]
fn a_key_is_held_back_by_the_sessions_that_it_signed_and_an_own_key_while_links_need_it() {
    let test = TestRealm::new();
    test.add_user("ok", "python");
    test.realm.record_key_use(test.now);
    let file = test.directory.path().join(crate::data_dir::SIGNING_KEYS);
    let own = std::fs::read_to_string(&file).unwrap();
    let named = test.named_token("ok", "python", 9 * DAY);
    let browser = test.sign_in("ok", "python");
    // A secret that others know signs tokens from now on, and ten days later gatekey's own next key.
    std::fs::write(&file, format!("{own}base64:YSBGbGFzayBhcHAncyBzZWNyZXQga2V5\n")).unwrap();
    test.realm.reload_keys(test.after(DAY));
    let later =
        test.realm.sign_in("ok", &secret("python"), Client::Local, FIREFOX, test.after(DAY * 2)).unwrap();
    let held = |now: Now| {
        let uses = test.realm.store.signing_keys(now.unix).unwrap();
        let ring = test.realm.ring();
        let statuses = crate::keys::statuses(&ring, &uses, DAY);
        statuses.iter().map(|key| (key.sessions(), key.prunable_from)).collect::<Vec<_>>()
    };
    assert_eq!(
        held(test.after(DAY * 2)),
        [(3, None), (1, None)],
        "the first goes on to sign links and forms"
    );
    std::fs::write(&file, format!("{own}base64:YSBGbGFzayBhcHAncyBzZWNyZXQga2V5\n{}\n", "n".repeat(43)))
        .unwrap();
    test.realm.reload_keys(test.after(DAY * 10));
    let ends = |session: &NewSession| Some(session.expires_at);
    assert_eq!(held(test.after(DAY * 8)), [(3, ends(&later)), (1, ends(&later)), (0, None)]);
    test.realm.sign_out(&later.principal).unwrap();
    let retired = |days| Some(test.after(days * DAY + Duration::from_secs(602)).unix);
    assert_eq!(held(test.after(DAY * 10)), [(1, ends(&browser)), (0, retired(10)), (0, None)]);
    assert!(named.expires_at < browser.expires_at);
}

#[test]
fn a_value_is_signed_for_one_purpose_by_the_realms_own_key() {
    use crate::signed_value::Purpose;
    let test = TestRealm::new();
    let claims = crate::json::object([("id", 7.into())]);
    let sign =
        || test.realm.sign_value(Purpose::Csrf, claims.clone(), DAY, Reads::PerCall, test.now).unwrap();
    let verify = |purpose, value: &str| {
        test.realm.verify_value(purpose, value, Reads::PerCall, test.now).unwrap().is_some()
    };
    let value = sign().unwrap();
    assert!(verify(Purpose::Csrf, &value) && !verify(Purpose::SetPassword, &value));
    let file = test.directory.path().join(crate::data_dir::SIGNING_KEYS);
    std::fs::write(file, "base64:YSBGbGFzayBhcHAncyBzZWNyZXQga2V5\n").unwrap();
    test.realm.reload_keys(test.now);
    assert_eq!(sign(), None);
    assert!(!verify(Purpose::Csrf, &value));
}
