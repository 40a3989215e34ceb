//! Pages of other sites: what a browser must not be made to send.

use crate::harness::{TestRealm, basic, error, json_request, text};
use gatekey::http::Request;
use gatekey::realm::{Policy, PublicUrl};

const BODY: &str = r#"{"username":"ok","password":"python"}"#;

fn public_url(url: &str) -> Policy {
    Policy { public_url: Some(PublicUrl::parse(url).unwrap()), ..Policy::default() }
}

/// Whether a registration with these fields is let through. Anything but yes is exactly the one refusal.
fn is_let_through(policy: Policy, fields: &[(&str, &str)]) -> bool {
    let realm = TestRealm::with_policy(policy);
    let request = fields.iter().fold(json_request("POST", "/api/users", BODY), |request, (name, value)| {
        request.with_field(name, value)
    });
    let response = realm.send(&request);
    if response.status == 201 {
        return true;
    }
    let body = r#"{"error":"cross_site","message":"A page of another site sent this; requests that change something must come from this one."}"#;
    assert_eq!((response.status, text(&response)), (403, body), "{fields:?}");
    assert_eq!(realm.realm.hashes(), 0);
    false
}

#[test]
fn a_request_that_says_it_is_cross_site_is_refused() {
    for (site, expected) in
        [("cross-site", false), ("same-origin", true), ("same-site", true), ("none", true)]
    {
        assert_eq!(is_let_through(Policy::default(), &[("Sec-Fetch-Site", site)]), expected, "{site}");
    }
    let own_origin =
        [("Host", "a.example"), ("Origin", "https://a.example"), ("Sec-Fetch-Site", "cross-site")];
    assert!(!is_let_through(Policy::default(), &own_origin), "one sign is enough");
    let foreign_origin = [("Host", "a.example"), ("Origin", "https://b.example"), ("Sec-Fetch-Site", "none")];
    assert!(!is_let_through(Policy::default(), &foreign_origin), "either of them");
}

#[test]
fn an_origin_is_ours_if_it_is_the_hosts() {
    for (host, origin, expected) in [
        ("a.example", "https://a.example", true),
        ("a.example", "http://a.example", true), // a proxy may have ended TLS
        ("A.example", "https://a.EXAMPLE", true),
        ("localhost:5000", "http://localhost:5000", true),
        ("[::1]:5000", "http://[::1]:5000", true),
        ("a.example:443", "https://a.example", true), // a browser leaves its scheme's own port out
        ("a.example:80", "http://a.example", true),
        ("a.example:80", "https://a.example", false),
        ("a.example:443", "http://a.example", false),
        ("a.example:8443", "https://a.example", false),
        ("a.example", "https://a.example:8443", false),
        ("a.example", "https://b.a.example", false),
        ("a.example", "https://a.example.evil.example", false),
        ("a.example", "https://evil.example", false),
        ("a.example", "https://a.example/", false),
        ("a.example", "https://user@a.example", false),
        ("a.example", "ftp://a.example", false),
        ("a.example", "a.example", false),
        ("a.example", "null", false),
        ("null", "null", false),
        ("a.example", "", false),
        ("", "http://", false),
        ("a b", "http://a b", false),
    ] {
        let fields = [("Host", host), ("Origin", origin)];
        assert_eq!(is_let_through(Policy::default(), &fields), expected, "{fields:?}");
    }
    let with_path = [("Host", "a.example/x"), ("Origin", "http://a.example/x")];
    assert!(!is_let_through(Policy::default(), &with_path), "an invalid host is nobody's");
    let hosts = [("Host", "a.example"), ("Host", "b.example"), ("Origin", "https://b.example")];
    assert!(!is_let_through(Policy::default(), &hosts), "two hosts are none");
    assert!(!is_let_through(Policy::default(), &[("Origin", "https://a.example")]), "no host at all");
}

#[test]
fn an_origin_is_ours_if_it_is_the_public_urls() {
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
        let fields = [("Host", "inside:5000"), ("Origin", origin)];
        assert_eq!(is_let_through(public_url(url), &fields), expected, "{url} {origin}");
    }
}

#[test]
fn every_origin_must_be_ours() {
    let fields = [("Host", "a.example"), ("Origin", "https://a.example"), ("Origin", "https://evil.example")];
    assert!(!is_let_through(Policy::default(), &fields));
}

#[test]
fn every_change_is_guarded_and_nothing_is_changed() {
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
            .with_field("Authorization", basic("ok", "python"))
            .with_field("Host", "a.example")
            .with_field("Origin", "https://evil.example");
        assert_eq!(error(&realm.send(&request)), (403, "cross_site".into()), "{}", request.method);
    }
    assert_eq!(realm.realm.hashes(), hashes);
    assert_eq!(realm.bearer("GET", "/api/resource", &token).status, 200);
}

#[test]
fn reading_is_not_guarded() {
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
            .with_field("Authorization", basic("ok", "python"))
            .with_field("Sec-Fetch-Site", "cross-site")
            .with_field("Origin", "https://evil.example");
        assert_eq!(realm.send(&request).status, status, "{method} {path}");
    }
}
