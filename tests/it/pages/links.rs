//! `/set-password`: one-time links in the browser.

use super::*;
use gatekey::secret::Secret;
use std::time::Duration;

const COOKIE: &str = "__Host-gatekey-link";

/// The target of a new link for a user.
fn link(realm: &TestRealm, name: &str) -> String {
    let user = realm.realm.find_user_by_name(name).unwrap().unwrap().id;
    let link = realm.realm.make_link(user, Duration::from_secs(3_600), realm.now()).unwrap();
    format!("/set-password?token={}", link.token.expose())
}

/// Opens a link. The fields of its form, with this password.
fn open(visitor: &Visitor<'_>, target: &str, password: &str) -> [(&'static str, String); 3] {
    assert_eq!(visitor.get(target).status, 303);
    let page = visitor.get("/set-password");
    let hidden = |name| hidden(&page, name);
    [("csrf", hidden("csrf")), ("link", hidden("link")), ("password", password.into())]
}

fn post(visitor: &Visitor<'_>, fields: &[(&'static str, String)]) -> Response {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    visitor.post("/set-password", &fields)
}

fn has_password(realm: &TestRealm, name: &str, password: &str) -> bool {
    realm.basic("GET", "/api/resource", name, password).status == 200
}

#[test]
fn a_link_moves_to_a_cookie_and_sets_the_password_once() {
    let realm = realm();
    let (old, visitor) = (Visitor::signed_in(&realm), Visitor::new(&realm));
    let target = link(&realm, "ok");
    let moved = visitor.get(&target);
    assert_eq!((moved.status, header(&moved, "Location")), (303, Some("/set-password")));
    let value = format!("{COOKIE}={}", target.split_once('=').unwrap().1);
    let attributes = "; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=900";
    assert_eq!(set_cookies(&moved), [format!("{value}{attributes}")]);
    let page = visitor.get("/set-password");
    assert_shows(
        &page,
        &["autocomplete=\"username\" value=\"ok\" readonly", "autocomplete=\"new-password\""],
    );
    assert!(!text(&page).contains(target.split_once('=').unwrap().1), "the token is in the cookie alone");

    let fields = open(&visitor, &target, "ruby");
    let set = post(&visitor, &fields);
    assert_eq!((set.status, header(&set, "Location")), (303, Some("/account")));
    assert_eq!(set.record.audit, Some(gatekey::http::AuditEvent::PasswordChanged));
    assert!(visitor.is_signed_in() && !old.is_signed_in() && visitor.cookie(COOKIE).is_none());
    assert!(has_password(&realm, "ok", "ruby") && !has_password(&realm, "ok", "python"));
    assert_shows(&visitor.get("/set-password"), &["Open the link that you received again"]);
    visitor.get(&target);
    let used = visitor.get("/set-password");
    assert_eq!(used.status, 410);
    assert_shows(&used, &["This link was used"]);
}

#[test]
fn an_invited_user_takes_the_place_of_who_was_signed_in() {
    let realm = realm();
    realm.realm.invite_user("new", realm.unix()).unwrap();
    let visitor = Visitor::signed_in(&realm);
    let before = visitor.cookie("__Host-gatekey").unwrap();
    post(&visitor, &open(&visitor, &link(&realm, "new"), "a password"));
    assert_shows(&visitor.get("/account"), &["<bdi>new</bdi>"]);
    let copy = Visitor::new(&realm);
    copy.cookies.borrow_mut().insert("__Host-gatekey".into(), before);
    assert!(!copy.is_signed_in(), "the session of ok has ended");
    assert!(has_password(&realm, "ok", "python"));
}

#[test]
fn scanners_and_passwords_that_are_not_allowed_leave_the_link_alive() {
    let realm = realm();
    let (visitor, target) = (Visitor::new(&realm), link(&realm, "ok"));
    let mut fields = open(&visitor, &target, "");
    for _ in 0..20 {
        let scanner = Visitor::new(&realm);
        let statuses = ["HEAD", "GET", "POST"].map(|method| {
            let of = |target: &str| scanner.send(&with_form(scanner.request(method, target), &[])).status;
            (of(&target), of("/set-password"))
        });
        assert_eq!(statuses, [(303, 200), (303, 200), (403, 403)]);
        let refused = post(&visitor, &fields);
        assert_eq!(refused.status, 400);
        assert_shows(&refused, &["This password can’t be used", "aria-invalid=\"true\"", "value=\"ok\""]);
    }
    fields[2].1 = "ruby".into();
    assert_eq!(post(&visitor, &fields).status, 303);
}

#[test]
fn of_two_opened_forms_one_wins_and_the_other_page_says_that_the_link_was_used() {
    let realm = realm();
    let (first, second, target) = (Visitor::new(&realm), Visitor::new(&realm), link(&realm, "ok"));
    let (fields, late) = (open(&first, &target, "ruby"), open(&second, &target, "cobra"));
    assert_eq!(post(&first, &fields).status, 303);
    let used = post(&second, &late);
    assert_eq!(used.status, 410);
    assert_shows(&used, &["This link was used"]);
    assert!(has_password(&realm, "ok", "ruby") && !second.is_signed_in());
}

#[test]
fn the_form_of_a_superseded_link_or_of_another_account_is_refused() {
    let realm = realm();
    realm.add_user("evil", "python");
    let visitor = Visitor::new(&realm);
    let fields = open(&visitor, &link(&realm, "ok"), "ruby");
    let newer = link(&realm, "ok");
    assert_eq!(post(&visitor, &fields).status, 410);
    visitor.get(&link(&realm, "evil"));
    for target in [&link(&realm, "evil"), &newer] {
        visitor.get(target);
        let stale = post(&visitor, &fields);
        assert_eq!(stale.status, 403);
        assert_shows(&stale, &["out of date"]);
    }
    assert!(has_password(&realm, "ok", "python") && has_password(&realm, "evil", "python"));
    assert_eq!(post(&visitor, &open(&visitor, &newer, "ruby")).status, 303);
}

#[test]
fn forms_of_other_sites_and_forged_values_set_no_password() {
    let realm = realm();
    let visitor = Visitor::new(&realm);
    let fields = open(&visitor, &link(&realm, "ok"), "ruby");
    let pairs: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let request = Request::new("POST", "/set-password")
        .with_header("Origin", "https://evil.example")
        .with_header("Content-Type", "application/x-www-form-urlencoded")
        .with_header("Cookie", visitor.request("GET", "/").header("Cookie").unwrap());
    assert_eq!(realm.send(&with_form(request, &pairs)).status, 403);
    assert_eq!(visitor.post("/set-password", &pairs[1..]).status, 403, "no CSRF value");
    for hostile in ["a%0D%0ASet-Cookie:%20x=y", "a;%20Domain=example.org", "%C3%A9"] {
        let refused = visitor.get(&format!("/set-password?token={hostile}"));
        assert_eq!((refused.status, set_cookies(&refused).len()), (410, 0), "{hostile}");
    }
    visitor.get("/set-password?token=x.y");
    assert_eq!(visitor.get("/set-password").status, 410);
    assert!(has_password(&realm, "ok", "python"));
}

#[test]
fn no_header_of_the_request_changes_a_byte() {
    let realm = realm();
    let (visitor, target) = (Visitor::new(&realm), link(&realm, "ok"));
    visitor.get(&target);
    visitor.get("/set-password");
    for target in [target.as_str(), "/set-password"] {
        let answers = ["auth.example.org", "evil.example"].map(|host| {
            let mut request = Request::new("GET", target).with_header("Host", host);
            for name in ["X-Forwarded-Host", "X-Forwarded-Prefix", "Forwarded"] {
                request = request.with_header(name, host);
            }
            let cookies = visitor.request("GET", "/").header("Cookie").unwrap().to_vec();
            let answer = realm.send(&request.with_header("Cookie", cookies));
            (answer.status, answer.headers, answer.body)
        });
        assert_eq!(answers[0], answers[1]);
    }
}

#[test]
fn on_a_loopback_host_the_cookie_has_no_prefix() {
    let url = PublicUrl::parse("http://localhost:8080").unwrap();
    let pages = SignInPages::new(&url, "Example").unwrap();
    let config = Config { public_url: Some(url), sign_in_pages: Some(pages), ..Config::default() };
    let realm = TestRealm::with_config(config);
    realm.realm.add_user("ok", &Secret::new("python".into()), realm.unix()).unwrap();
    let moved = realm.send(&Request::new("GET", &link(&realm, "ok")));
    let cookies = set_cookies(&moved);
    assert!(cookies[0].starts_with("gatekey-link=") && !cookies[0].contains("Secure"), "{cookies:?}");
}
