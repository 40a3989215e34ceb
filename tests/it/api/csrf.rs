//! CSRF and DNS rebinding: state-changing requests that a browser sends for another site's page are rejected.

use crate::harness::{TestRealm, basic, error, json_request, text};
use gatekey::http::Request;
use gatekey::routes::{Config, Origin, PublicUrl};

const BODY: &str = r#"{"username":"ok","password":"python"}"#;

fn public_url(url: &str) -> Config {
    Config { public_url: Some(PublicUrl::parse(url).unwrap()), ..Config::default() }
}

/// A registration with these headers.
fn registration(headers: &[(&str, &str)]) -> Request {
    let request = json_request("POST", "/api/users", BODY);
    headers.iter().fold(request, |request, (name, value)| request.with_header(name, value))
}

/// Whether a registration with these headers is accepted. If not, it is 403 `cross_site` and costs no hash.
fn is_accepted(config: Config, headers: &[(&str, &str)]) -> bool {
    let realm = TestRealm::with_config(config);
    let response = realm.send(&registration(headers));
    if response.status == 201 {
        return true;
    }
    assert_eq!(error(&response), (403, "cross_site".into()), "{headers:?}");
    assert_eq!(realm.realm.hashes(), 0);
    false
}

#[test]
fn a_request_that_is_marked_cross_site_is_rejected() {
    for (site, expected) in
        [("cross-site", false), ("same-origin", true), ("same-site", true), ("none", true)]
    {
        let headers = [("Host", "localhost:5000"), ("Sec-Fetch-Site", site)];
        assert_eq!(is_accepted(Config::default(), &headers), expected, "{site}");
    }
    let own_origin =
        [("Host", "127.0.0.1"), ("Origin", "http://127.0.0.1"), ("Sec-Fetch-Site", "cross-site")];
    assert!(!is_accepted(Config::default(), &own_origin), "one sign is enough");
    let foreign_origin = [("Host", "127.0.0.1"), ("Origin", "https://b.example"), ("Sec-Fetch-Site", "none")];
    assert!(!is_accepted(Config::default(), &foreign_origin), "either of them");
}

/// The page was loaded from the attacker's name, which then resolves to this server: everything agrees.
#[test]
fn a_browser_request_after_dns_rebinding_is_rejected() {
    let rebound = ("Host", "evil.example:5000");
    let origin = ("Origin", "http://evil.example:5000");
    for headers in [
        &[rebound, origin][..],
        &[rebound, origin, ("Sec-Fetch-Site", "same-origin")],
        &[rebound, ("Sec-Fetch-Site", "same-origin")],
        &[rebound, ("Sec-Fetch-Mode", "cors")],
        &[rebound, ("sec-fetch-dest", "empty")],
        &[rebound, ("Sec-Fetch-User", "?1")],
        &[("Sec-Fetch-Site", "same-origin")],
    ] {
        assert!(!is_accepted(Config::default(), headers), "{headers:?}");
        assert!(!is_accepted(public_url("https://auth.example"), headers), "{headers:?}");
    }
    assert!(is_accepted(Config::default(), &[rebound]), "a program may use any name");
    let other_port = [("Host", "auth.example:5000"), ("Origin", "http://auth.example:5000")];
    assert!(is_accepted(public_url("https://auth.example"), &other_port), "the public URL's host");
}

#[test]
fn every_state_changing_method_is_rejected_after_dns_rebinding() {
    let realm = TestRealm::new();
    let user = realm.add_user("ok", "python");
    for request in [
        json_request("POST", "/api/users", r#"{"username":"other","password":"python"}"#),
        json_request("PUT", &user, r#"{"password":"ruby"}"#),
        Request::new("DELETE", &user),
        Request::new("DELETE", "/api/token"),
    ] {
        let request = request
            .with_header("Authorization", basic("ok", "python"))
            .with_header("Host", "evil.example")
            .with_header("Origin", "http://evil.example");
        assert_eq!(error(&realm.send(&request)), (403, "cross_site".into()), "{}", request.method);
    }
}

#[test]
fn the_rejection_of_an_unknown_host_names_the_option() {
    let realm = TestRealm::new();
    let headers = [("Host", "auth.example"), ("Origin", "https://auth.example")];
    let response = realm.send(&registration(&headers));
    assert!(text(&response).contains("set --public-url to the URL that browsers use"), "{}", text(&response));
    let cause = response.record.cause.unwrap();
    assert!(cause.contains("auth.example") && cause.contains("--public-url"), "{cause}");
}

#[test]
fn csrf_protection_accepts_an_allowed_cors_origin_under_any_host() {
    let cors_origins = vec![Origin::parse("https://app.example").unwrap()];
    let config = Config { cors_origins, ..Config::default() };
    let headers = [("Host", "auth.lan:5000"), ("Origin", "https://app.example")];
    assert!(is_accepted(config, &headers));
}

#[test]
fn an_origin_equal_to_the_host_is_same_origin() {
    for (host, origin, expected) in [
        ("127.0.0.1", "https://127.0.0.1", true),
        ("127.0.0.1", "http://127.0.0.1", true), // a proxy may terminate TLS
        ("LocalHost", "https://localHOST", true),
        ("localhost:5000", "http://localhost:5000", true),
        ("app.localhost:5000", "http://app.localhost:5000", true),
        ("[::1]:5000", "http://[::1]:5000", true),
        ("localhost:443", "https://localhost", true), // a browser leaves its scheme's own port out
        ("localhost:80", "http://localhost", true),
        ("localhost:80", "https://localhost", false),
        ("localhost:443", "http://localhost", false),
        ("localhost:8443", "https://localhost", false),
        ("localhost", "https://localhost:8443", false),
        ("localhost", "https://b.localhost", false),
        ("localhost", "https://localhost.evil.example", false),
        ("localhost", "https://evil.example", false),
        ("localhost", "https://localhost/", false),
        ("localhost", "https://user@localhost", false),
        ("localhost", "ftp://localhost", false),
        ("localhost", "localhost", false),
        ("localhost", "null", false),
        ("null", "null", false),
        ("localhost", "", false),
        ("", "http://", false),
        ("a localhost", "http://a localhost", false),
    ] {
        let headers = [("Host", host), ("Origin", origin)];
        assert_eq!(is_accepted(Config::default(), &headers), expected, "{headers:?}");
    }
    let with_path = [("Host", "localhost/x"), ("Origin", "http://localhost/x")];
    assert!(!is_accepted(Config::default(), &with_path), "an invalid host");
    let hosts = [("Host", "127.0.0.1"), ("Host", "localhost"), ("Origin", "https://localhost")];
    assert!(!is_accepted(Config::default(), &hosts), "two hosts are none");
    assert!(!is_accepted(Config::default(), &[("Origin", "https://localhost")]), "no host at all");
}

#[test]
fn an_origin_equal_to_the_public_url_is_same_origin() {
    for (url, origin, expected) in [
        ("https://a.example", "https://a.example", true),
        ("https://a.example/auth/", "https://a.example", true),
        ("https://A.example", "https://a.example", true),
        ("https://a.example:8443", "https://a.example:8443", true),
        ("https://a.example:443", "https://a.example", true),
        ("http://a.example:80/auth", "http://a.example", true),
        ("https://a.example", "http://a.example", false),
        ("https://a.example:80", "https://a.example", false),
        ("https://a.example", "https://a.example:8443", false),
        ("https://a.example/auth", "https://a.example/auth", false),
        ("https://a.example", "https://evil.example", false),
        ("https://a.example", "null", false),
    ] {
        let headers = [("Host", "inside:5000"), ("Origin", origin)];
        assert_eq!(is_accepted(public_url(url), &headers), expected, "{url} {origin}");
    }
}

#[test]
fn every_origin_header_must_be_same_origin() {
    let headers =
        [("Host", "localhost"), ("Origin", "https://localhost"), ("Origin", "https://evil.example")];
    assert!(!is_accepted(Config::default(), &headers));
}

#[test]
fn csrf_protection_covers_every_state_changing_route() {
    let realm = TestRealm::new();
    let user = realm.add_user("ok", "python");
    let token = realm.token("ok", "python");
    let hashes = realm.realm.hashes();
    for request in [
        json_request("POST", "/api/users", r#"{"username":"other","password":"python"}"#),
        json_request("PUT", &user, r#"{"password":"ruby"}"#),
        Request::new("DELETE", &user),
        Request::new("DELETE", "/api/token"),
    ] {
        let request = request
            .with_header("Authorization", basic("ok", "python"))
            .with_header("Host", "a.example")
            .with_header("Origin", "https://evil.example");
        assert_eq!(error(&realm.send(&request)), (403, "cross_site".into()), "{}", request.method);
    }
    assert_eq!(realm.realm.hashes(), hashes);
    assert_eq!(realm.bearer("GET", "/api/resource", &token).status, 200);
}

#[test]
fn csrf_protection_does_not_cover_safe_methods() {
    let realm = TestRealm::new();
    let user = realm.add_user("ok", "python");
    for (method, path, status) in [
        ("GET", "/api/resource", 200),
        ("HEAD", "/api/resource", 200),
        ("GET", "/api/token", 200),
        ("GET", &user, 200),
        ("OPTIONS", &user, 204),
        ("OPTIONS", "/api/users", 204),
    ] {
        let request = Request::new(method, path)
            .with_header("Authorization", basic("ok", "python"))
            .with_header("Sec-Fetch-Site", "cross-site")
            .with_header("Origin", "https://evil.example");
        assert_eq!(realm.send(&request).status, status, "{method} {path}");
    }
}
