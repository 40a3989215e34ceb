//! Forward auth for browsers: the way to the login page and back, and what the cookie is accepted for.

use super::*;
use gatekey::client::Client;

const PROXY: &str = "127.0.0.1";
const NAVIGATION: [(&str, &str); 2] = [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")];
const HTML: (&str, &str) = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");

fn guarded_realm() -> TestRealm {
    let proxies = [PROXY.parse().unwrap()].into_iter().collect();
    let realm = TestRealm::with_config(Config { trusted_proxies: proxies, ..config("Example") });
    realm.add_user("ok", "python");
    realm
}

impl Visitor<'_> {
    /// A request to the app, as a proxy describes it to `/api/verify`.
    fn asks_app(&self, conditions: &str, method: &str, headers: &[(&str, &str)]) -> Response {
        let (origin, uri) = APP.split_at(APP.find("/a?").unwrap());
        let request = self
            .request("GET", &format!("/api/verify?{conditions}"))
            .from_peer(Client::Ip(PROXY.parse().unwrap()))
            .with_header("X-Forwarded-For", "192.0.2.1")
            .with_header("X-Forwarded-Method", method)
            .with_header("X-Forwarded-Proto", "https")
            .with_header("X-Forwarded-Host", origin.strip_prefix("https://").unwrap())
            .with_header("X-Forwarded-Uri", uri);
        self.send(&headers.iter().fold(request, |request, (name, value)| request.with_header(name, value)))
    }

    fn user_at_app(&self) -> Option<String> {
        let answer = self.asks_app("login", "GET", &NAVIGATION);
        header(&answer, "Remote-User").map(String::from)
    }
}

#[test]
fn a_browser_is_sent_to_the_login_page_and_back_to_the_url_it_asked_for() {
    let realm = guarded_realm();
    let visitor = Visitor::new(&realm);
    let sent = visitor.asks_app("login", "GET", &NAVIGATION);
    assert_eq!((sent.status, sent.body.len()), (303, 0));
    assert_eq!(header(&sent, "WWW-Authenticate"), None);
    let login = header(&sent, "Location").unwrap().strip_prefix(ORIGIN).unwrap().to_owned();
    let landed = visitor.sign_in(&login, "ok", "python");
    assert_eq!((landed.status, header(&landed, "Location")), (303, Some(APP)));
    assert_eq!(visitor.user_at_app().as_deref(), Some("ok"));
    // nginx is answered 401 in place of the redirect.
    let status = Visitor::new(&realm).asks_app("login=401", "GET", &NAVIGATION);
    assert_eq!((status.status, header(&status, "Location")), (401, None));
    assert!(header(&status, "WWW-Authenticate").unwrap().starts_with("Cookie "));
    // At the next request after signing out, the browser is sent there again.
    assert_eq!(visitor.fill("/logout", &[]).status, 303);
    assert_eq!(visitor.user_at_app(), None);
    assert_eq!(visitor.asks_app("login", "GET", &NAVIGATION).status, 303);
}

#[test]
fn only_a_navigation_of_a_whole_tab_is_redirected() {
    let realm = guarded_realm();
    let visitor = Visitor::new(&realm);
    let frame = [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")];
    let fetch = [("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty"), HTML];
    let websocket = [("Sec-Fetch-Mode", "websocket"), ("Upgrade", "websocket")];
    for (method, headers, status, challenge, body) in [
        ("GET", &NAVIGATION[..], 303, None, ""),
        ("HEAD", &NAVIGATION, 303, None, ""),
        ("GET", &[HTML], 303, None, ""),
        ("GET", &frame, 401, Some("Cookie"), "target=\"_top\""),
        ("POST", &NAVIGATION, 401, Some("Cookie"), "send the form again"),
        ("POST", &[HTML], 401, Some("Cookie"), "send the form again"),
        ("GET", &fetch, 401, Some("Cookie"), "\"unauthorized\""),
        ("POST", &fetch, 401, Some("Cookie"), "\"unauthorized\""),
        ("GET", &websocket, 401, Some("Cookie"), "\"unauthorized\""),
        // curl, git and WebDAV clients.
        ("GET", &[("Accept", "*/*")], 401, Some("Basic"), "\"unauthorized\""),
        ("PROPFIND", &[], 401, Some("Basic"), "\"unauthorized\""),
    ] {
        let answer = visitor.asks_app("login", method, headers);
        assert_eq!(answer.status, status, "{method} {headers:?}: {}", text(&answer));
        let found = header(&answer, "WWW-Authenticate").map(|value| value.split(' ').next().unwrap());
        assert_eq!(found, challenge, "{method} {headers:?}");
        assert_shows(&answer, &[body]);
        assert_eq!(header(&answer, "Remote-User"), None);
        // Without the condition, all of them are asked for Basic credentials.
        let plain = visitor.asks_app("", method, headers);
        assert_eq!((plain.status, header(&plain, "Location")), (401, None));
        assert!(header(&plain, "WWW-Authenticate").unwrap().starts_with("Basic "));
    }
    // A page within a frame may be framed, and holds nothing but a link.
    let framed = visitor.asks_app("login", "GET", &frame);
    assert!(!header(&framed, "Content-Security-Policy").unwrap().contains("frame-ancestors"));
    assert!(!text(&framed).contains("<form"), "{}", text(&framed));
}

#[test]
fn a_browser_that_would_not_get_the_cookie_is_not_redirected() {
    let realm = guarded_realm();
    let visitor = Visitor::new(&realm);
    let request = |headers: &[(&str, &str)], peer: &str| {
        let request = Request::new("GET", "/api/verify?login").from_peer(Client::Ip(peer.parse().unwrap()));
        let headers = NAVIGATION.iter().chain(headers);
        headers.fold(request, |request, (name, value)| request.with_header(name, value))
    };
    let whole = [
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "app.example.org"),
        ("X-Forwarded-Uri", "/"),
    ];
    assert_eq!(visitor.send(&request(&whole, PROXY)).status, 303);
    let refused = |headers: &[(&str, &str)], peer: &str| {
        let answer = visitor.send(&request(headers, peer));
        assert_eq!((answer.status, header(&answer, "Location")), (401, None), "{headers:?}");
        answer.record.cause.unwrap()
    };
    assert!(refused(&whole, "192.0.2.9").contains("no redirect"), "not a trusted proxy");
    for missing in 0..whole.len() {
        let mut headers = whole.to_vec();
        let (name, _) = headers.remove(missing);
        assert!(refused(&headers, PROXY).contains(name));
    }
    for (index, value, cause) in [
        (1, "http", "X-Forwarded-Proto is http"),
        (2, "app.example.com", "--cookie-domain"),
        (2, "auth.example.org", "before gatekey's own host"),
        (3, "//evil.example", "exactly one slash"),
    ] {
        let mut headers = whole.to_vec();
        headers[index].1 = value;
        let found = refused(&headers, PROXY);
        assert!(found.contains(cause), "{found}");
    }
}

#[test]
fn by_cookie_only_the_apps_own_pages_change_something() {
    let realm = guarded_realm();
    let visitor = Visitor::signed_in(&realm);
    let same = ("Sec-Fetch-Site", "same-origin");
    let (app, spa) = ("https://app.example.org:8443", "https://spa.example.org");
    for (method, headers, status) in [
        ("GET", &[("Sec-Fetch-Site", "cross-site")][..], 200),
        ("HEAD", &[], 200),
        ("POST", &[same], 200),
        ("POST", &[("Sec-Fetch-Site", "none")], 200),
        ("POST", &[("Sec-Fetch-Site", "same-site"), ("Origin", spa)], 403),
        ("POST", &[("Sec-Fetch-Site", "cross-site"), ("Origin", app)], 403),
        ("POST", &[("Origin", app)], 200),
        ("POST", &[("Origin", "https://app.example.org")], 403),
        ("POST", &[("Origin", "null")], 403),
        ("POST", &[], 403),
        ("DELETE", &[("Origin", "https://evil.example")], 403),
        ("GET", &[("Upgrade", "websocket"), ("Origin", app)], 200),
        ("GET", &[("Upgrade", "websocket"), ("Origin", "https://evil.example")], 403),
        ("GET", &[("Sec-WebSocket-Key", "x"), ("Origin", "https://evil.example")], 403),
    ] {
        let answer = visitor.asks_app("login", method, headers);
        assert_eq!(answer.status, status, "{method} {headers:?}: {}", text(&answer));
    }
    let conditions = format!("login&origin={}", encode(spa));
    let spa_posts = [("Sec-Fetch-Site", "same-site"), ("Origin", spa)];
    assert_eq!(visitor.asks_app(&conditions, "POST", &spa_posts).status, 200);
    assert_eq!(visitor.asks_app(&conditions, "POST", &[("Origin", "https://spa.example.net")]).status, 403);
}

#[test]
fn an_authorization_header_decides_alone_unless_the_cookie_does() {
    let realm = guarded_realm();
    let visitor = Visitor::signed_in(&realm);
    let basic = ("Authorization", "Basic b2s6cHl0aG9u"); // ok:python
    let for_app = ("Authorization", "Token of-the-app");
    assert_eq!(Visitor::new(&realm).asks_app("login", "POST", &[basic]).status, 200);
    let refused = visitor.asks_app("login", "GET", &[for_app, HTML]);
    assert_eq!((refused.status, header(&refused, "Location")), (401, None));
    assert_eq!(visitor.asks_app("login&cookie-only", "GET", &[for_app]).status, 200);
    assert_eq!(Visitor::new(&realm).asks_app("login&cookie-only", "GET", &[basic]).status, 401);
}

#[test]
fn the_app_gets_no_cookie_of_gatekeys() {
    let realm = guarded_realm();
    let visitor = Visitor::signed_in(&realm);
    let of_app =
        |visitor: &Visitor<'_>| header(&visitor.asks_app("login", "GET", &[]), "Cookie").map(String::from);
    assert_eq!(of_app(&visitor).as_deref(), Some(""));
    visitor.cookies.borrow_mut().insert("app".into(), "a=b".into());
    visitor.cookies.borrow_mut().insert("mygatekey".into(), "1".into());
    assert_eq!(of_app(&visitor).as_deref(), Some("app=a=b; mygatekey=1"));
}

#[test]
fn of_two_live_guard_cookies_neither_counts_and_a_dead_one_blocks_nobody() {
    let realm = guarded_realm();
    let (one, other) = (Visitor::signed_in(&realm), Visitor::signed_in(&realm));
    let guard = |visitor: &Visitor<'_>| {
        let cookies = visitor.cookies.borrow();
        let (name, value) =
            cookies.iter().find(|(name, _)| name.starts_with("__Secure-gatekey-guard")).unwrap();
        format!("{name}={value}")
    };
    let tossed = guard(&other);
    let answer = one.asks_app("login", "GET", &[NAVIGATION[0], ("Cookie", &tossed)]);
    assert_eq!(answer.status, 303);
    assert_eq!(answer.record.cause.as_deref(), Some("more than one live session cookie"));
    other.fill("/logout", &[]);
    let dead = one.asks_app("login", "GET", &[NAVIGATION[0], ("Cookie", &tossed)]);
    assert_eq!(header(&dead, "Remote-User"), Some("ok"));
}

#[test]
fn whoami_takes_the_session_cookie_and_no_guard_cookie() {
    let realm = guarded_realm();
    let visitor = Visitor::signed_in(&realm);
    let me = visitor.get("/api/me");
    assert_eq!(me.status, 200, "{}", text(&me));
    assert_shows(&me, &["\"username\":\"ok\""]);
    visitor.cookies.borrow_mut().remove("__Host-gatekey").unwrap();
    assert_eq!(visitor.get("/api/me").status, 401);
    assert_eq!(Visitor::new(&realm).get("/api/me").status, 401);
}

#[test]
fn by_cookie_a_request_whose_method_is_not_reported_counts_as_a_change() {
    let realm = guarded_realm();
    let visitor = Visitor::signed_in(&realm);
    // The proxy's subrequest is a GET, whatever the client's method.
    let status = |peer: &str, headers: &[(&str, &str)]| {
        let request =
            visitor.request("GET", "/api/verify?login").from_peer(Client::Ip(peer.parse().unwrap()));
        let request = request.with_header("X-Forwarded-Host", "app.example.org");
        let request = headers.iter().fold(request, |request, (name, value)| request.with_header(name, value));
        visitor.send(&request).status
    };
    let post = ("X-Forwarded-Method", "POST");
    for site in ["cross-site", "same-site"] {
        assert_eq!(status(PROXY, &[("Sec-Fetch-Site", site)]), 403, "the proxy reports no method");
        assert_eq!(status("192.0.2.9", &[("Sec-Fetch-Site", site), post]), 403, "the proxy is not trusted");
    }
    assert_eq!(status(PROXY, &[("Sec-Fetch-Site", "same-origin")]), 200);
    assert_eq!(status("192.0.2.9", &[("Sec-Fetch-Site", "none"), post]), 200);
}
