//! Signing in and out, by the forms.

use super::*;
use crate::harness::basic;
use gatekey::http::AuditEvent;
use gatekey::limiter::Rules;
use gatekey::secret::Secret;
use std::time::Duration;

#[test]
fn a_visitor_signs_in_and_goes_to_the_url_that_was_asked_for() {
    let realm = realm();
    let visitor = Visitor::new(&realm);
    assert_shows(&visitor.get(&login_for(APP)), &["to continue to <strong>app.example.org</strong>"]);
    let answer = visitor.sign_in(&login_for(APP), "ok", "python");
    assert_eq!((answer.status, header(&answer, "Location")), (303, Some(APP)));
    let cookies = set_cookies(&answer);
    let starts_and_ends = |start: &str, end: &str| {
        cookies.iter().any(|cookie| cookie.starts_with(start) && cookie.ends_with(end))
    };
    let month = "; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=2592000";
    assert!(starts_and_ends("__Host-gatekey=ey", month), "{cookies:?}");
    let everywhere = "; Path=/; HttpOnly; SameSite=Lax; Secure; Domain=example.org; Max-Age=2592000";
    assert!(starts_and_ends("__Secure-gatekey-guard-", everywhere), "{cookies:?}");
    assert_shows(&visitor.get("/account"), &["<bdi>ok</bdi>", "Firefox on Linux", "This browser"]);
    let without = Visitor::new(&realm).sign_in("/login", "ok", "python");
    assert_eq!(header(&without, "Location"), Some("/account"));
}

#[test]
fn on_a_shared_computer_the_cookies_end_with_the_browser_and_the_session_soon() {
    let realm = realm();
    let visitor = Visitor::new(&realm);
    let answer = visitor.fill("/login", &[("username", "ok"), ("password", "python"), ("shared", "1")]);
    for cookie in set_cookies(&answer).iter().filter(|cookie| !cookie.contains("guard-check")) {
        assert!(!cookie.contains("Max-Age"), "{cookie}");
    }
    let changed =
        visitor.fill("/account", &[("form", "password"), ("password", "python"), ("new-password", "ruby")]);
    let session = set_cookies(&changed).into_iter().find(|cookie| cookie.starts_with("__Host-gatekey="));
    assert!(!session.unwrap().contains("Max-Age"), "it is still a shared computer");
    realm.advance(Duration::from_secs(12 * 3_600 - 1));
    assert!(visitor.is_signed_in());
    realm.advance(Duration::from_secs(1));
    assert!(!visitor.is_signed_in());
}

#[test]
fn unknown_disabled_and_known_users_get_the_same_bytes_and_work() {
    let realm = realm();
    realm.add_user("ko", "python");
    let disabled = realm.realm.add_user("no", &Secret::new("python".into()), realm.unix()).unwrap().id;
    realm.realm.set_disabled(disabled, true).unwrap();
    let visitor = Visitor::new(&realm);
    let attempts = [("ok", "swordfish"), ("no", "python"), ("no", "swordfish"), ("xx", "python")].map(
        |(name, password)| {
            let before = realm.realm.hashes();
            let answer = visitor.sign_in("/login", name, password);
            assert_shows(&answer, &[&format!("value=\"{name}\""), "role=\"alert\" id=\"alert\""]);
            assert!(!text(&answer).contains(password), "the password is not kept");
            let body = text(&answer).replace(&format!("value=\"{name}\""), "");
            (answer.status, body, answer.headers, realm.realm.hashes() - before)
        },
    );
    assert_eq!((attempts[0].0, attempts[0].3), (401, 1));
    for other in &attempts[1..] {
        assert_eq!(*other, attempts[0]);
    }
    let record = visitor.sign_in("/login", "ok", "wrong").record;
    assert_eq!((record.username.as_deref(), record.cause.as_deref()), (Some("ok"), Some("wrong password")));
    assert_eq!(visitor.sign_in("/login", "xx", "wrong").record.username, None);
}

#[test]
fn too_many_wrong_passwords_are_429_with_the_wait() {
    let policy = Policy { rate_limits: Some(Rules::default()), ..Policy::default() };
    let realm = TestRealm::throttled(policy).behind(config("Example"));
    realm.add_user("ok", "python");
    let visitor = Visitor::new(&realm);
    let answers: Vec<_> = (0..11).map(|_| visitor.sign_in(&login_for(APP), "ok", "wrong")).collect();
    assert!(answers[..10].iter().all(|answer| answer.status == 401));
    let last = &answers[10];
    let seconds: u64 = header(last, "Retry-After").unwrap().parse().unwrap();
    assert_eq!(last.status, 429);
    assert_shows(last, &[&format!("Wait {} minutes", seconds.div_ceil(60)), "value=\"ok\""]);
    assert_eq!(hidden(last, "rd"), APP);
    assert_eq!(last.record.error.map(gatekey::http::ErrorCode::name), Some("throttled"));
}

#[test]
fn a_stale_form_is_shown_anew_with_name_and_way_back() {
    let realm = realm();
    let stale = [("csrf", "x"), ("rd", APP), ("username", "o'k"), ("password", "python")];
    let before = realm.realm.hashes();
    let answer = Visitor::new(&realm).post("/login", &stale);
    assert_eq!((answer.status, realm.realm.hashes()), (403, before));
    assert_shows(&answer, &["This form was out of date", "value=\"o&#39;k\""]);
    assert_eq!(hidden(&answer, "rd"), APP);
    // Another tab has signed in meanwhile.
    let visitor = Visitor::signed_in(&realm);
    let answer = visitor.post("/login", &stale);
    assert_shows(&answer, &["Continue as ok", "value=\"https://app.example.org:8443/a?b=c&amp;d=%2F\""]);
}

#[test]
fn eight_tabs_at_once_each_sign_in_and_reach_their_own_url() {
    let realm = realm();
    let visitor = Visitor::new(&realm);
    let url = |tab: usize| format!("https://app.example.org/{tab}");
    // No cookie is there yet when the tabs load, so that each page sets one.
    let strangers: Vec<_> =
        (0..8).map(|tab| visitor.realm.send(&Request::new("GET", &login_for(&url(tab))))).collect();
    for cookie in strangers.iter().flat_map(set_cookies) {
        let (name, rest) = cookie.split_once('=').unwrap();
        visitor.cookies.borrow_mut().insert(name.into(), rest.split(';').next().unwrap().into());
    }
    for (tab, page) in strangers.iter().enumerate() {
        let (csrf, rd) = (hidden(page, "csrf"), hidden(page, "rd"));
        let fields = [("csrf", csrf.as_str()), ("rd", &rd), ("username", "ok"), ("password", "python")];
        let answer = visitor.post("/login", &fields);
        assert_eq!((answer.status, header(&answer, "Location")), (303, Some(url(tab).as_str())));
    }
    let sessions = text(&visitor.get("/account")).matches("Firefox on Linux").count();
    assert_eq!(sessions, 1, "each ended the one before");
    assert_eq!(set_cookies(&visitor.get("/login")), [""; 0], "a good cookie is used again");
}

#[test]
fn continue_issues_a_new_guard_cookie_and_notices_a_browser_that_drops_it() {
    let realm = realm();
    let visitor = Visitor::signed_in(&realm);
    let guard = set_cookies(&visitor.sign_in("/login", "ok", "python"))
        .iter()
        .find_map(|cookie| {
            cookie
                .split_once('=')
                .map(|(name, _)| name.to_owned())
                .filter(|name| name.starts_with("__Secure"))
        })
        .unwrap();
    visitor.cookies.borrow_mut().remove(&guard);
    visitor.cookies.borrow_mut().remove("__Host-gatekey-guard-check"); // a minute has passed
    let page = visitor.get(&login_for(APP));
    assert_shows(&page, &["Continue as ok"]);
    let csrf =
        text(&page).split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let fields = [("csrf", csrf.as_str()), ("rd", APP), ("continue", "1")];
    let answer = visitor.post("/login", &fields);
    assert_eq!((answer.status, header(&answer, "Location")), (303, Some(APP)));
    assert!(visitor.cookie(&guard).is_some());
    // The browser drops the cookie, and is sent here again.
    visitor.cookies.borrow_mut().remove(&guard);
    let page = visitor.get(&login_for(APP));
    assert_shows(&page, &["didn’t keep the cookie for example.org", "public suffix"]);
    assert!(!text(&page).contains("Continue as"));
}

#[test]
fn signing_out_ends_the_session_and_deletes_its_cookies() {
    let realm = realm();
    let visitor = Visitor::signed_in(&realm);
    let cookie = visitor.cookie("__Host-gatekey").unwrap();
    assert_eq!(visitor.get("/logout").status, 200);
    assert!(visitor.is_signed_in(), "opening the form changes nothing");
    let answer = visitor.fill(&format!("/logout?rd={}", encode(APP)), &[]);
    assert_eq!((answer.status, header(&answer, "Location")), (303, Some(APP)));
    let deleted = set_cookies(&answer);
    assert_eq!(deleted[0], "__Host-gatekey=; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=0");
    assert!(deleted[1].ends_with("=; Path=/; HttpOnly; SameSite=Lax; Secure; Domain=example.org; Max-Age=0"));
    visitor.cookies.borrow_mut().insert("__Host-gatekey".into(), cookie);
    assert!(!visitor.is_signed_in(), "a copy of the cookie is worth nothing");
    assert_shows(&visitor.get("/logout"), &["You are not signed in"]);
    let other = Visitor::signed_in(&realm);
    assert_eq!(header(&other.fill("/logout", &[]), "Location"), Some("/"));
}

#[test]
fn signing_out_says_so_when_the_database_is_busy_and_keeps_the_cookies() {
    let realm = realm();
    let visitor = Visitor::signed_in(&realm);
    let other = rusqlite::Connection::open(realm.directory.path().join("gatekey.sqlite3")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = visitor.fill("/logout", &[]);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!((answer.status, set_cookies(&answer)), (503, vec![]));
    assert_shows(&answer, &["role=\"alert\"", "You are still signed in"]);
    assert!(visitor.is_signed_in());
    assert_eq!(visitor.fill("/logout", &[]).status, 303);
}

#[test]
fn a_browser_that_sends_basic_credentials_is_told_that_they_outlive_signing_out() {
    let realm = realm();
    for path in ["/login", "/logout"] {
        let request = Visitor::signed_in(&realm).request("GET", path);
        assert!(!text(&realm.send(&request)).contains("from an earlier HTTP sign-in"));
        let basic = request.with_header("Authorization", basic("ok", "python"));
        assert_shows(&realm.send(&basic), &["from an earlier HTTP sign-in"]);
    }
}

#[test]
fn registering_signs_in_by_one_hash_and_remembers_the_address() {
    let policy = Policy { rate_limits: Some(Rules::default()), ..Policy::default() };
    let realm = TestRealm::throttled(policy).behind(config("Example"));
    realm.add_user("ok", "python");
    let visitor = Visitor::new(&realm);
    let before = realm.realm.hashes();
    let taken = visitor.sign_in("/register", "ok", "python");
    assert_eq!((taken.status, realm.realm.hashes()), (400, before));
    let entered = visitor.sign_in(&login_for(APP).replace("/login", "/register"), "new", "python");
    assert_eq!((entered.status, entered.header("Location")), (303, Some(APP)));
    assert_eq!((entered.record.audit, realm.realm.hashes()), (Some(AuditEvent::Registered), before + 1));
    assert!(visitor.is_signed_in());
    let user = realm.realm.find_user_by_name("new").unwrap().unwrap();
    assert_eq!(realm.realm.login_history(user.id, realm.now()).unwrap().addresses, 1);
}
