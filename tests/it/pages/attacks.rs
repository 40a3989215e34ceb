//! What other sites, other hosts and hostile texts can't do on the pages.

use super::*;
use crate::harness::basic;
use gatekey::client::Client;
use gatekey::credentials::Credentials;
use gatekey::routes::Origin;
use gatekey::secret::Secret;
use gatekey::store::SessionKind;
use std::time::Duration;

#[test]
fn csrf_from_another_origin_is_rejected() {
    let realm = realm();
    let visitor = Visitor::signed_in(&realm);
    let csrf = hidden(&visitor.get("/logout"), "csrf");
    let post = |origins: &[&str], sites: &[&str]| {
        let page = visitor.get("/login");
        let csrf = if text(&page).contains("Continue") { csrf.clone() } else { hidden(&page, "csrf") };
        let mut request = Request::new("POST", "/login")
            .with_header("Content-Type", "application/x-www-form-urlencoded")
            .with_header("Cookie", visitor.request("GET", "/").header("Cookie").unwrap());
        for origin in origins {
            request = request.with_header("Origin", origin);
        }
        for site in sites {
            request = request.with_header("Sec-Fetch-Site", site);
        }
        let fields = [("csrf", csrf.as_str()), ("continue", "1")];
        visitor.realm.send(&with_form(request, &fields))
    };
    let own = "https://auth.example.org";
    for (origins, sites) in [
        (&[own][..], &["same-origin"][..]),
        (&[own], &[]), // Safari before 16.4
        (&["https://AUTH.example.org"], &["same-origin"]),
        (&[], &["same-origin"]),
        (&["null"], &["same-origin"]), // a proxy added Referrer-Policy: no-referrer
    ] {
        assert_eq!(post(origins, sites).status, 303, "{origins:?} {sites:?}");
    }
    for (origins, sites, shown) in [
        (&["https://evil.example"][..], &["cross-site"][..], "another site (cross-site)"),
        (&["https://app.example.org"], &["same-site"], "another site (same-site)"),
        (&["https://app.example.org"], &[], "the origin https://app.example.org"),
        (&["http://auth.example.org"], &[], "the origin http://auth.example.org"),
        (&["https://auth.example.org:8443"], &[], "the origin https://auth.example.org:8443"),
        (&["https://auth.example.org.evil.example"], &[], "evil.example"),
        (&["null"], &[], "the origin null"),
        (&["null"], &["cross-site"], "(cross-site)"),
        (&[], &[], "no origin"),
        (&[], &["none"], "no origin"),
        (&[], &["same-origin", "cross-site"], "(cross-site)"),
        (&[own, "https://evil.example"], &["same-origin"], "the origin https://auth.example.org"),
        (&["https://<script>"], &[], "https://&lt;script&gt;"),
        (&[own], &["cross-site"], "(cross-site)"),
    ] {
        let refused = post(origins, sites);
        assert_eq!((refused.status, set_cookies(&refused)), (403, vec![]), "{origins:?} {sites:?}");
        assert_shows(&refused, &[shown, "Referrer-Policy"]);
    }
}

#[test]
fn cors_origins_are_no_origins_of_forms() {
    let cors_origins = vec![Origin::parse("https://spa.example.org").unwrap()];
    let realm = TestRealm::with_config(Config { cors_origins, ..config("Example") });
    let request = Request::new("POST", "/login").with_header("Origin", "https://spa.example.org");
    let answer = realm.send(&request);
    assert_eq!((answer.status, header(&answer, "Access-Control-Allow-Origin")), (403, None));
}

#[test]
fn login_csrf_with_the_value_of_another_browser_is_rejected() {
    let realm = realm();
    let attacker = hidden(&Visitor::new(&realm).get("/login"), "csrf");
    let victim = Visitor::new(&realm);
    victim.get("/login");
    let before = realm.realm.hashes();
    for csrf in [attacker.as_str(), ""] {
        let fields = [("csrf", csrf), ("username", "ok"), ("password", "python")];
        for path in ["/login", "/register"] {
            assert_eq!(victim.post(path, &fields).status, 403, "{path}");
        }
    }
    assert_eq!((realm.realm.hashes(), victim.cookie("__Host-gatekey")), (before, None));
}

#[test]
fn csrf_values_of_one_session_or_of_the_sign_in_form_change_no_account() {
    let realm = realm();
    realm.add_user("evil", "python");
    let (visitor, attacker) = (Visitor::signed_in(&realm), Visitor::new(&realm));
    attacker.sign_in("/login", "evil", "python");
    let foreign = hidden(&attacker.get("/account"), "csrf");
    let before_sign_in = hidden(&visitor.get("/login"), "csrf");
    for csrf in [foreign.as_str(), &before_sign_in, ""] {
        let password =
            [("csrf", csrf), ("form", "password"), ("password", "python"), ("new-password", "ruby")];
        assert_eq!(visitor.post("/account", &password).status, 403);
        assert_eq!(visitor.post("/logout", &[("csrf", csrf)]).status, 403);
    }
    assert!(visitor.is_signed_in());
}

#[test]
fn session_fixation_ends_at_sign_in() {
    let realm = realm();
    realm.add_user("evil", "python");
    let (attacker, victim) = (Visitor::new(&realm), Visitor::new(&realm));
    attacker.sign_in("/login", "evil", "python");
    let planted = attacker.cookie("__Host-gatekey").unwrap();
    victim.cookies.borrow_mut().insert("__Host-gatekey".into(), planted.clone());
    assert_eq!(victim.sign_in("/login", "ok", "python").status, 303);
    assert_ne!(victim.cookie("__Host-gatekey"), Some(planted));
    assert_shows(&victim.get("/account"), &["<bdi>ok</bdi>"]);
    assert!(!attacker.is_signed_in(), "the one that was sent has ended");
}

#[test]
fn an_open_redirect_leads_to_the_account() {
    let realm = realm();
    for rd in [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "https://evil-example.org",
        "https://app.example.org@evil.example",
        "https://app.example.org\t.evil.example",
        "http://app.example.org/",
        "javascript:alert(1)",
        "https://auth.example.org/login?rd=x",
    ] {
        let visitor = Visitor::new(&realm);
        assert!(!text(&visitor.get(&login_for(rd))).contains("evil"), "{rd}");
        let csrf = hidden(&visitor.get("/login"), "csrf");
        let fields = [("csrf", csrf.as_str()), ("rd", rd), ("username", "ok"), ("password", "python")];
        let answer = visitor.post("/login", &fields);
        assert_eq!((answer.status, header(&answer, "Location")), (303, Some("/account")), "{rd}");
    }
    let two = format!("{}&rd=x", login_for(APP));
    assert_eq!(Visitor::new(&realm).get(&two).status, 400);
}

#[test]
fn names_user_agents_and_titles_can_not_become_markup_or_headers() {
    const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&amp;{site}";
    let realm = TestRealm::with_config(config(HOSTILE));
    realm.add_user(HOSTILE, "python");
    let visitor = Visitor::new(&realm);
    let page = visitor.get("/login");
    let (csrf, hostile) = (hidden(&page, "csrf"), HOSTILE);
    let fields = [("csrf", csrf.as_str()), ("username", hostile), ("password", "python")];
    let wrong =
        [fields[0], fields[1], ("password", "a\r\nSet-Cookie: x=y"), ("rd", "https://a\r\nSet-Cookie: x=y")];
    let mut pages = vec![page, visitor.post("/login", &wrong)];
    let request = Request::new("POST", "/login")
        .with_header("User-Agent", HOSTILE)
        .with_header("Origin", ORIGIN)
        .with_header("Content-Type", "application/x-www-form-urlencoded")
        .with_header("Cookie", visitor.request("GET", "/").header("Cookie").unwrap());
    assert_eq!(visitor.send(&with_form(request, &fields)).status, 303);
    pages.extend(["/", "/login", "/logout", "/register", "/account"].map(|path| visitor.get(path)));
    let token = [("form", "token"), ("name", HOSTILE), ("days", "30"), ("password", "python")];
    pages.extend([visitor.fill("/account", &token), visitor.get("/account")]);
    for page in &pages {
        assert!(!text(page).contains("<img") && !text(page).contains("\"'&amp;{"), "{}", text(page));
        assert_shows(page, &["&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;amp;{site}"]);
        let header_text = format!("{:?}", page.headers);
        assert!(!header_text.contains("onerror") && !header_text.contains("x=y"), "{header_text}");
    }
}

#[test]
fn guard_cookies_and_named_tokens_open_no_page() {
    let realm = realm();
    let visitor = Visitor::signed_in(&realm);
    let guard =
        visitor.cookies.borrow().iter().find(|(name, _)| name.starts_with("__Secure")).unwrap().1.clone();
    let shown = Credentials::Password { username: "ok".into(), password: Secret::new("python".into()) };
    let principal = realm.realm.authenticate(&shown, Client::Local, realm.now()).unwrap();
    let named = realm.realm.issue_named_token(&principal, "x", Duration::from_secs(60), realm.now()).unwrap();
    let access = realm.token("ok", "python");
    for value in [guard.as_str(), named.token.expose(), &access, "", "x"] {
        let thief = Visitor::new(&realm);
        thief.cookies.borrow_mut().insert("__Host-gatekey".into(), value.into());
        assert!(!thief.is_signed_in(), "{value}");
    }
    let session = visitor.cookie("__Host-gatekey").unwrap();
    for name in ["gatekey", "__Secure-gatekey", "__host-gatekey", "__Host-gatekey-form-x"] {
        let thief = Visitor::new(&realm);
        thief.cookies.borrow_mut().insert(name.into(), session.clone());
        assert!(!thief.is_signed_in(), "{name}");
    }
    let by_basic = Request::new("GET", "/account").with_header("Authorization", basic("ok", "python"));
    assert_eq!(realm.send(&by_basic).status, 303, "pages know the cookie alone");
    assert_eq!(
        realm
            .realm
            .authenticate_cookie(&session, SessionKind::Browser, Reads::PerCall, realm.now())
            .unwrap()
            .username,
        "ok"
    );
}

#[test]
fn two_live_sessions_authenticate_nobody_and_a_dead_one_blocks_nobody() {
    let realm = realm();
    let (one, other) = (Visitor::signed_in(&realm), Visitor::signed_in(&realm));
    let cookie =
        |visitor: &Visitor<'_>| format!("__Host-gatekey={}", visitor.cookie("__Host-gatekey").unwrap());
    let ask = |path: &str, cookies: &[String]| {
        realm.send(&Request::new("GET", path).with_header("Cookie", cookies.join("; ")))
    };
    let both = [cookie(&one), cookie(&other)];
    let answer = ask("/login", &both);
    assert_shows(&answer, &["more than one valid sign-in cookie", "cookies of auth.example.org"]);
    assert_eq!(answer.record.cause.as_deref(), Some("more than one live session cookie"));
    assert_eq!(ask("/account", &both).status, 303);
    assert_eq!(ask("/account", &[cookie(&one), cookie(&one)]).status, 200, "it is one session");
    other.fill("/logout", &[]);
    for dead in [both[1].as_str(), "__Host-gatekey=tossed"] {
        for cookies in [[both[0].clone(), dead.into()], [dead.into(), both[0].clone()]] {
            assert_eq!(ask("/account", &cookies).status, 200);
        }
    }
}
