//! `/api/verify`: what a proxy is told about the request that it holds.

use super::METHODS;
use crate::harness::{TestRealm, basic, error, field, object};
use gatekey::http::{Body, Request, Response};

fn verify(method: &str, query: &str) -> Request {
    Request::new(method, &format!("/api/verify{query}"))
}

/// Status, and whom the app is told.
fn told(response: &Response) -> (u16, Option<&str>, Option<&str>) {
    (response.status, field(response, "Remote-User"), field(response, "Remote-User-Id"))
}

#[test]
fn whoever_is_authenticated_is_named_by_every_method() {
    let realm = TestRealm::new();
    realm.register("ok", "python");
    let password = basic("ok", "python");
    let issued = realm.send(&Request::new("GET", "/api/token").with_field("Authorization", &password));
    let bearer = format!("Bearer {}", object(&issued)["token"].as_str().unwrap());
    for method in METHODS {
        for credentials in [&password, &bearer] {
            let response = realm.send(&verify(method, "").with_field("Authorization", credentials));
            assert_eq!(told(&response), (200, Some("ok"), Some("1")), "{method}");
            assert_eq!(response.body, b"");
        }
        // Without credentials there is the challenge, and never a preflight's answer.
        let response = realm.send(&verify(method, ""));
        assert_eq!(told(&response), (401, None, None), "{method}");
        let challenge = field(&response, "WWW-Authenticate");
        assert_eq!(challenge, Some("Basic realm=\"Authentication Required\""));
    }
}

#[test]
fn a_name_goes_out_percent_encoded() {
    let realm = TestRealm::new();
    realm.register("josé, 100%", "python");
    let response = realm.send(&verify("GET", "").with_field("Authorization", basic("josé, 100%", "python")));
    assert_eq!(told(&response), (200, Some("jos%C3%A9%2C%20100%25"), Some("1")));
}

#[test]
fn only_users_that_the_query_names_come_in() {
    let realm = TestRealm::new();
    realm.register("ok", "python");
    let ask = |query: &str, password: &str| {
        realm.send(&verify("GET", query).with_field("Authorization", basic("ok", password)))
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
    // A typing mistake must not let everybody in.
    for query in ["?users=alice", "?user=alice&x", "?user=%zz"] {
        let response = ask(query, "python");
        assert_eq!((told(&response), error(&response).1.as_str()), ((400, None, None), "malformed_request"));
    }
}

#[test]
fn the_held_requests_own_fields_and_body_do_not_matter() {
    let realm = TestRealm::new();
    realm.register("ok", "python");
    let held = verify("POST", "")
        .with_field("Authorization", basic("ok", "python"))
        .with_field("Origin", "https://elsewhere.example")
        .with_field("Sec-Fetch-Site", "cross-site")
        .with_field("Content-Type", "text/plain")
        .with_body(Body::TooLarge { max_bytes: 16_384 });
    assert_eq!(told(&realm.send(&held)), (200, Some("ok"), Some("1")));
}
