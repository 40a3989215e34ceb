//! Forward auth: `/api/verify` by the routes alone.

use super::METHODS;
use crate::harness::{TestRealm, basic, error, header, object};
use gatekey::http::{Body, Request, Response};

fn verify(method: &str, query: &str) -> Request {
    Request::new(method, &format!("/api/verify{query}"))
}

/// Status, and the identity that the app receives.
fn told(response: &Response) -> (u16, Option<&str>, Option<&str>) {
    (response.status, header(response, "Remote-User"), header(response, "Remote-User-Id"))
}

#[test]
fn forward_auth_names_the_user_for_every_method() {
    let realm = TestRealm::new();
    realm.register("ok", "python");
    let password = basic("ok", "python");
    let issued = realm.send(&Request::new("GET", "/api/token").with_header("Authorization", &password));
    let bearer = format!("Bearer {}", object(&issued)["token"].as_str().unwrap());
    for method in METHODS {
        for credentials in [&password, &bearer] {
            let response = realm.send(&verify(method, "").with_header("Authorization", credentials));
            assert_eq!(told(&response), (200, Some("ok"), Some("1")), "{method}");
            assert_eq!(response.body, b"");
        }
        // Without credentials there is the challenge, and never a preflight's answer.
        let response = realm.send(&verify(method, ""));
        assert_eq!(told(&response), (401, None, None), "{method}");
        let challenge = header(&response, "WWW-Authenticate");
        assert_eq!(challenge, Some("Basic realm=\"Authentication Required\""));
    }
}

#[test]
fn remote_user_is_percent_encoded() {
    let realm = TestRealm::new();
    realm.register("josé, 100%", "python");
    let response = realm.send(&verify("GET", "").with_header("Authorization", basic("josé, 100%", "python")));
    assert_eq!(told(&response), (200, Some("jos%C3%A9%2C%20100%25"), Some("1")));
}

#[test]
fn forward_auth_accepts_only_users_in_the_query() {
    let realm = TestRealm::new();
    realm.register("ok", "python");
    let ask = |query: &str, password: &str| {
        realm.send(&verify("GET", query).with_header("Authorization", basic("ok", password)))
    };
    assert_eq!(told(&ask("?user=alice&user=ok", "python")), (200, Some("ok"), Some("1")));
    assert_eq!(told(&ask("?user=%6Fk", "python")), (200, Some("ok"), Some("1")));
    for query in ["?user=alice", "?user=OK", "?user=", "?user=ok%20"] {
        let response = ask(query, "python");
        assert_eq!(
            (told(&response), error(&response).1.as_str()),
            ((403, None, None), "forbidden"),
            "{query}"
        );
        assert_eq!(told(&ask(query, "wrong")), (401, None, None), "{query}");
    }
    // A typing mistake must not let every user in.
    for query in
        ["?users=alice", "?user=alice&x", "?user=%zz", "?user=ok+", "/-/users=alice/", "/-/user=o+k/"]
    {
        let response = ask(query, "python");
        assert_eq!((told(&response), error(&response).1.as_str()), ((400, None, None), "malformed_request"));
    }
}

#[test]
fn a_plus_in_the_conditions_is_rejected_with_a_hint() {
    let realm = TestRealm::new();
    let response = realm.send(&verify("GET", "?user=a+b"));
    assert_eq!(error(&response), (400, "malformed_request".into()));
    let message = object(&response)["message"].as_str().unwrap().to_owned();
    assert!(message.contains("%20") && message.contains("%2B"), "{message}");
}

#[test]
fn below_verify_conditions_are_in_the_path_and_the_query_is_ignored() {
    let realm = TestRealm::new();
    realm.register("ok", "python");
    let ask = |method: &str, path: &str| {
        let response = realm.send(&verify(method, path).with_header("Authorization", basic("ok", "python")));
        assert_eq!(response.record.route, Some("/api/verify"), "{path}");
        response.status
    };
    for path in
        ["/", "/app", "/app?user=alice", "/?users=x&+", "/-/user=ok&user=alice/app?user=alice", "/-/user=ok"]
    {
        assert_eq!((ask("GET", path), ask("POST", path)), (200, 200), "{path}");
        let challenged = realm.send(&verify("OPTIONS", path));
        assert_eq!(told(&challenged), (401, None, None), "{path}");
    }
    for path in ["/-/user=alice/app?user=ok", "/-/user=alice"] {
        assert_eq!(ask("GET", path), 403, "{path}");
    }
}

#[test]
fn spoofed_identity_headers_that_no_proxy_replaces_are_rejected() {
    let realm = TestRealm::new();
    realm.register("ok", "python");
    let ask = |name: &str| {
        let request = verify("GET", "").with_header("Authorization", basic("ok", "python"));
        realm.send(&request.with_header(name, "root"))
    };
    for name in ["Remote_User", "REMOTE.USER-ID", "Remote-User-Email", "remote-username", "Remote--Groups"] {
        assert_eq!(error(&ask(name)), (400, "malformed_request".into()), "{name}");
    }
    for name in ["Remote-User", "REMOTE-USER-ID", "remote-groups", "X-Remote-User", "Remote-Addr"] {
        assert_eq!(told(&ask(name)), (200, Some("ok"), Some("1")), "{name}");
    }
}

#[test]
fn forward_auth_ignores_body_and_other_headers_of_the_request() {
    let realm = TestRealm::new();
    realm.register("ok", "python");
    let held = verify("POST", "")
        .with_header("Authorization", basic("ok", "python"))
        .with_header("Origin", "https://elsewhere.example")
        .with_header("Sec-Fetch-Site", "cross-site")
        .with_header("Content-Type", "text/plain")
        .with_body(Body::TooLarge { max_bytes: 16_384 });
    assert_eq!(told(&realm.send(&held)), (200, Some("ok"), Some("1")));
}
