//! Trusted proxies: client address, scheme and host, by the routes and by the bytes.

mod programs;

use crate::harness::{TestRealm, error, header, json_request};
use crate::process::{self, Server, status};
use gatekey::client::Client;
use gatekey::http::Request;
use gatekey::routes::{Config, PublicUrl, UndeclaredProxy};

const BODY: &str = r#"{"username":"ok","password":"python"}"#;
const FORWARDED: [(&str, &str); 3] =
    [("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Host", "auth.example"), ("X-Forwarded-Proto", "https")];

/// Who may speak for others, and nothing else out of the ordinary.
fn trusting(proxies: &[&str]) -> Config {
    let trusted_proxies = proxies.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
    Config { trusted_proxies: trusted_proxies.into_iter().collect(), ..Config::default() }
}

fn with_headers(request: Request, headers: &[(&str, &str)]) -> Request {
    headers.iter().fold(request, |request, (name, value)| request.with_header(name, value))
}

fn at(address: &str) -> Client {
    Client::at(address.parse().unwrap())
}

/// The `Location` of a registration by way of this peer.
fn location(config: Config, peer: &str, headers: &[(&str, &str)]) -> String {
    let realm = TestRealm::with_config(config);
    let request = with_headers(json_request("POST", "/api/users", BODY), headers).from_peer(at(peer));
    let response = realm.send(&request);
    assert_eq!(response.status, 201);
    header(&response, "Location").unwrap().to_owned()
}

#[test]
fn only_a_trusted_proxy_sets_the_client_address() {
    let realm = TestRealm::with_config(trusting(&["10.0.0.0/8", "unix"]));
    for (peer, expected) in [
        (at("10.0.0.1"), "192.0.2.1"),
        (at("::ffff:10.0.0.1"), "192.0.2.1"),
        (Client::Local, "192.0.2.1"),
        (at("11.0.0.1"), "11.0.0.1"),
        (at("127.0.0.1"), "127.0.0.1"),
    ] {
        let lines = [("X-Forwarded-For", "203.0.113.7, 192.0.2.1"), ("X-Forwarded-For", "10.0.0.2")];
        let request = with_headers(Request::new("GET", "/api/users/1"), &lines).from_peer(peer);
        assert_eq!(realm.send(&request).record.client, Some(at(expected)), "{peer}");
    }
}

#[test]
fn every_access_record_has_the_client_address() {
    let realm = TestRealm::with_config(trusting(&["unix"]));
    for (request, status) in [
        (Request::new("GET", "/nowhere"), 404),
        (Request::new("PATCH", "/api/token"), 405),
        (
            Request::new("GET", "/api/token")
                .with_header("Authorization", "")
                .with_header("Authorization", ""),
            400,
        ),
        (json_request("POST", "/api/users", "{"), 400),
        (json_request("POST", "/api/users", BODY), 201),
    ] {
        let response = realm.send(&request.with_header("X-Forwarded-For", "192.0.2.1"));
        assert_eq!((response.status, response.record.client), (status, Some(at("192.0.2.1"))));
    }
}

#[test]
fn a_location_uses_the_forwarded_scheme_and_host_of_a_trusted_proxy() {
    let host = ("Host", "127.0.0.1:5000");
    for (headers, expected) in [
        (&FORWARDED[..], "https://auth.example/api/users/1"),
        (&[host, FORWARDED[1], FORWARDED[2]], "https://auth.example/api/users/1"),
        (&[host, FORWARDED[2]], "https://127.0.0.1:5000/api/users/1"),
        (&[host, FORWARDED[1]], "http://auth.example/api/users/1"),
        (&[host], "http://127.0.0.1:5000/api/users/1"),
        (&[FORWARDED[2]], "/api/users/1"),
        // Of several the last, which the proxy itself wrote.
        (&[("X-Forwarded-Host", "evil.example, auth.example:8443")], "http://auth.example:8443/api/users/1"),
        (&[("X-Forwarded-Host", "evil.example"), FORWARDED[1]], "http://auth.example/api/users/1"),
        (&[host, ("X-Forwarded-Proto", "https, http")], "http://127.0.0.1:5000/api/users/1"),
        // What is no host or scheme is nothing.
        (&[host, ("X-Forwarded-Host", "auth.example/x")], "http://127.0.0.1:5000/api/users/1"),
        (&[host, ("X-Forwarded-Host", "auth.example, ")], "http://127.0.0.1:5000/api/users/1"),
        (&[host, ("X-Forwarded-Proto", "ws")], "http://127.0.0.1:5000/api/users/1"),
        // Schemes have no case, and a websocket has one of its own.
        (&[host, ("X-Forwarded-Proto", "HTTPS")], "https://127.0.0.1:5000/api/users/1"),
        (&[host, ("X-Forwarded-Proto", "wss")], "https://127.0.0.1:5000/api/users/1"),
        (&[host, ("X-Forwarded-Proto", "http, Wss")], "https://127.0.0.1:5000/api/users/1"),
        (&[host, ("X-Forwarded-Proto", "javascript")], "http://127.0.0.1:5000/api/users/1"),
    ] {
        assert_eq!(location(trusting(&["10.0.0.1"]), "10.0.0.1", headers), expected, "{headers:?}");
    }
    let public_url = Some(PublicUrl::parse("https://public.example/auth").unwrap());
    let config = Config { public_url, ..trusting(&["10.0.0.1"]) };
    assert_eq!(location(config, "10.0.0.1", &FORWARDED), "https://public.example/auth/api/users/1");
}

#[test]
fn a_location_ignores_forwarded_headers_of_untrusted_peers() {
    let headers = [&FORWARDED[..], &[("Host", "a.example")]].concat();
    for config in [Config::default(), trusting(&["10.0.0.2"])] {
        assert_eq!(location(config, "10.0.0.1", &headers), "http://a.example/api/users/1");
    }
}

#[test]
fn the_forwarded_host_of_a_trusted_proxy_is_validated() {
    let registration = |peer: &str, forwarded_host: &str, origin: &str| {
        let public_url = Some(PublicUrl::parse("https://auth.example").unwrap());
        let realm = TestRealm::with_config(Config { public_url, ..trusting(&["10.0.0.1"]) });
        let headers = [("Host", "127.0.0.1:5000"), ("X-Forwarded-Host", forwarded_host), ("Origin", origin)];
        realm.send(&with_headers(json_request("POST", "/api/users", BODY), &headers).from_peer(at(peer)))
    };
    for (host, origin) in [
        ("auth.example", "https://auth.example"),
        ("auth.example", "http://auth.example"),
        ("auth.example:8443", "https://auth.example:8443"),
        ("192.0.2.1", "http://192.0.2.1"),
        ("inside", "https://auth.example"), // the public URL's origin, whatever the proxy calls this server
    ] {
        assert_eq!(registration("10.0.0.1", host, origin).status, 201, "{host} {origin}");
    }
    let rejected = (403, "cross_site".to_owned());
    for (peer, host, origin) in [
        ("10.0.0.1", "auth.example", "https://evil.example"),
        ("10.0.0.1", "evil.example", "https://evil.example"), // DNS rebinding to the proxy
        ("10.0.0.1", "auth.example", "http://127.0.0.1:5000"), // not the host that the client named
        ("10.0.0.2", "auth.example:8443", "https://auth.example:8443"), // not a trusted proxy
    ] {
        assert_eq!(error(&registration(peer, host, origin)), rejected, "{host} {origin}");
    }
}

#[test]
fn forwarded_headers_of_an_untrusted_peer_are_reported_once() {
    for (name, value) in FORWARDED {
        let realm = TestRealm::with_config(trusting(&["10.0.0.1"]));
        let undeclared_proxy = UndeclaredProxy::default();
        let ask = |peer: Client, headers: &[(&str, &str)]| {
            let request = with_headers(Request::new("GET", "/nowhere"), headers).from_peer(peer);
            undeclared_proxy.observe(&realm.send(&request).record).map(|notice| notice.to_string())
        };
        assert_eq!(ask(at("10.0.0.1"), &[(name, value)]), None);
        assert_eq!(ask(at("192.0.2.9"), &[]), None);
        let expected = "X-Forwarded headers from 192.0.2.9 are ignored; if that is your proxy, set --trusted-proxy \
                        192.0.2.9 (logged once, for the first such peer)";
        assert_eq!(ask(at("192.0.2.9"), &[(name, value)]).as_deref(), Some(expected));
        assert_eq!(ask(at("192.0.2.10"), &[(name, value)]), None);
    }
}

#[test]
fn the_access_log_has_the_client_address_behind_a_proxy_in_both_servers() {
    for name in ["strict", "tiny-http"] {
        let options = ["--loop", name, "--trusted-proxy", "10.0.0.0/8", "--trusted-proxy", "127.0.0.1"];
        let server = Server::start(&options);
        let headers = [
            "X-Forwarded-For: 203.0.113.7, 2001:db8::1",
            "X-Forwarded-For: 10.0.0.2",
            "X-Forwarded-Host: auth.example",
            "X-Forwarded-Proto: https",
        ];
        let answer = server.request("POST /api/users", &headers, BODY);
        assert_eq!(status(&answer), 201);
        assert_eq!(process::header(&answer, "Location"), Some("https://auth.example/api/users/1"));
        let (_, log) = server.stop();
        assert!(log.contains("Z 2001:db8::1 POST /api/users 201 "), "{log}");
        assert!(!log.contains("--trusted-proxy"), "{log}");
    }
}

#[test]
fn an_undeclared_proxy_is_reported_once_in_both_servers() {
    for name in ["strict", "tiny-http"] {
        let server = Server::start(&["--loop", name]);
        for _ in 0..3 {
            server.request("GET /api/users/1", &["X-Forwarded-For: 192.0.2.1"], "");
        }
        let (_, log) = server.stop();
        assert_eq!(log.matches("Z 127.0.0.1 GET /api/users/1 404 ").count(), 3, "{log}");
        assert_eq!(log.matches("if that is your proxy, set --trusted-proxy 127.0.0.1 ").count(), 1, "{log}");
    }
}
