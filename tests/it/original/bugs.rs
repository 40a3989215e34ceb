//! The original's bugs, none of which is copied: each has the test that is named after it.

use super::sent::{good_but_for_payload, signed, token_header};
use crate::harness::{TestRealm, basic, error, json_request, object, text};
use gatekey::data_dir::{DATABASE, SIGNING_KEYS};
use gatekey::encoding;
use gatekey::http::{Body, Request};
use gatekey::realm::Policy;
use gatekey::signer::{KeyRing, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use std::time::Duration;

/// Fields in which the original read an empty name and an empty password.
const EMPTY_TO_THE_ORIGINAL: [Option<&str>; 7] = [
    None,
    Some(""),
    Some("Basic"),
    Some("Basic "),
    Some("Basic Og=="), // a colon
    Some("Bearer abc"),
    Some("Digest username=\"miguel\""),
];

fn resource(realm: &TestRealm, authorization: Option<&str>) -> (u16, String) {
    let request = Request::new("GET", "/api/resource");
    let response = realm.send(&match authorization {
        Some(authorization) => request.with_header("Authorization", authorization),
        None => request,
    });
    (response.status, text(&response).into())
}

fn register(realm: &TestRealm, body: &str) -> (u16, String) {
    error(&realm.send(&json_request("POST", "/api/users", body)))
}

fn unauthorized() -> (u16, String) {
    (401, "unauthorized".into())
}

#[test]
fn a_request_without_credentials_is_unauthenticated_after_a_registration_of_the_empty_name() {
    let realm = TestRealm::new();
    assert_eq!(register(&realm, r#"{"username":"","password":""}"#), (400, "invalid_username".into()));
    for authorization in EMPTY_TO_THE_ORIGINAL {
        assert_eq!(resource(&realm, authorization).0, 401, "{authorization:?}");
    }
}

#[test]
fn a_request_without_credentials_is_unauthenticated_with_the_empty_name_in_the_table() {
    let realm = TestRealm::new();
    realm.add_user("ok", "python");
    let database = rusqlite::Connection::open(realm.directory.path().join(DATABASE)).unwrap();
    assert_eq!(database.execute("UPDATE users SET username = '', folded = ''", []).unwrap(), 1);
    for authorization in EMPTY_TO_THE_ORIGINAL.into_iter().chain([Some("Basic OnB5dGhvbg==")]) {
        assert_eq!(resource(&realm, authorization).0, 401, "{authorization:?}"); // the last is :python
    }
}

#[test]
fn a_bearer_token_is_not_an_empty_username() {
    let realm = TestRealm::new();
    realm.add_user("miguel", "python");
    let token = realm.token("miguel", "python");
    let answer = resource(&realm, Some(&format!("Bearer {token}")));
    assert_eq!(answer, (200, r#"{"data":"Hello, miguel!"}"#.into()));
}

#[test]
fn usernames_that_differ_by_case_are_taken() {
    let realm = TestRealm::new();
    realm.add_user("miguel", "python");
    let taken = register(&realm, r#"{"username":"Miguel","password":"ruby"}"#);
    assert_eq!(taken, (400, "username_taken".into()));
}

#[test]
fn numbers_and_booleans_are_not_converted_to_usernames() {
    let realm = TestRealm::new();
    for name in ["5", "true", "1.5"] {
        let body = format!(r#"{{"username":{name},"password":"python"}}"#);
        assert_eq!(register(&realm, &body), (400, "invalid_username".into()), "{name}");
    }
    for name in ["5", "1", "true"] {
        assert_eq!(realm.register(name, "python").status, 201, "{name} is still free");
    }
}

#[test]
fn a_username_that_can_not_log_in_is_rejected() {
    let realm = TestRealm::new();
    let refused = register(&realm, r#"{"username":"a:b","password":"python"}"#);
    assert_eq!(refused, (400, "invalid_username".into()));
}

#[test]
fn a_malformed_body_is_no_server_error() {
    let realm = TestRealm::new();
    for body in [r#"["username"]"#, r#""username""#, "null", "5", "true"] {
        assert_eq!(register(&realm, body), (400, "malformed_json".into()), "{body}");
    }
    let list = register(&realm, r#"{"username":["a"],"password":"python"}"#);
    assert_eq!(list, (400, "invalid_username".into()));
    let number = register(&realm, r#"{"username":"ok","password":5}"#);
    assert_eq!(number, (400, "invalid_password".into()));
    let untyped = Request::new("POST", "/api/users").with_body(Body::Complete(b"{}".to_vec()));
    assert_eq!(error(&realm.send(&untyped)), (415, "unsupported_media_type".into()));
    let form = untyped.with_header("Content-Type", "application/x-www-form-urlencoded");
    assert_eq!(error(&realm.send(&form)), (415, "unsupported_media_type".into()));
}

#[test]
fn a_duplicate_member_is_malformed() {
    let realm = TestRealm::new();
    let twice = register(&realm, r#"{"username":"k1","username":"k2","password":"python"}"#);
    assert_eq!(twice, (400, "malformed_json".into()));
    assert_eq!(realm.realm.list_users(None, 10).unwrap(), []);
}

#[test]
fn malformed_credentials_are_no_server_error() {
    let realm = TestRealm::new();
    realm.add_user("miguel", "python");
    for authorization in [
        "Basic bWlndWVsOnB5dGhvbg", // no padding
        "Basic bWlndWVs",           // no colon
        "Basic !!!!",
        "Basic //46eA==", // not UTF-8
    ] {
        assert_eq!(resource(&realm, Some(authorization)).0, 401, "{authorization}");
    }
}

#[test]
fn an_unknown_or_impossible_id_is_not_found() {
    let realm = TestRealm::new();
    realm.add_user("miguel", "python");
    for id in ["999", "0", "9223372036854775807", "9223372036854775808", "99999999999999999999"] {
        let response = realm.send(&Request::new("GET", &format!("/api/users/{id}")));
        assert_eq!(error(&response), (404, "not_found".into()), "{id}");
    }
}

#[test]
fn a_user_has_one_url() {
    let realm = TestRealm::new();
    realm.add_user("miguel", "python");
    assert_eq!(realm.send(&Request::new("GET", "/api/users/1")).status, 200);
    for id in ["01", "001", "%31", "+1", "1/"] {
        let response = realm.send(&Request::new("GET", &format!("/api/users/{id}")));
        assert_eq!(error(&response), (404, "not_found".into()), "{id}");
    }
}

/// Without this one, the next two would say nothing.
#[test]
fn a_valid_token_in_the_originals_form_is_accepted() {
    let realm = TestRealm::new();
    realm.add_user("miguel", "python");
    let token = good_but_for_payload(&realm, r#"{"id":1,"gen":1}"#);
    let response = realm.basic("GET", "/api/resource", &token, "unused");
    assert_eq!((response.status, text(&response)), (200, r#"{"data":"Hello, miguel!"}"#));
}

#[test]
fn a_signed_token_with_another_payload_is_no_server_error() {
    let realm = TestRealm::new();
    realm.add_user("miguel", "python");
    for payload in
        [r#"{"gen":1}"#, "5", "null", "[1]", r#""id""#, "", "{", "\u{0}", r#"{"id":1,"id":1,"gen":1}"#]
    {
        let token = good_but_for_payload(&realm, payload);
        assert_eq!(error(&realm.basic("GET", "/api/resource", &token, "")), unauthorized(), "{payload:?}");
        assert_eq!(error(&realm.bearer("GET", "/api/resource", &token)), unauthorized(), "{payload:?}");
    }
}

#[test]
fn an_id_in_a_token_is_not_converted_to_a_number() {
    let realm = TestRealm::new();
    realm.add_user("miguel", "python");
    for id in [r#""1""#, "1.0", "true", "[1]", "null", "-1", "0", "1e0", "18446744073709551617"] {
        let token = good_but_for_payload(&realm, &format!(r#"{{"id":{id},"gen":1}}"#));
        assert_eq!(error(&realm.basic("GET", "/api/resource", &token, "")), unauthorized(), "{id}");
    }
}

#[test]
fn a_stolen_token_can_not_be_renewed_forever() {
    let policy = Policy { max_session: Duration::from_secs(3600), ..Policy::default() };
    let realm = TestRealm::with_policy(policy);
    realm.add_user("miguel", "python");
    let mut token = realm.token("miguel", "python");
    let mut renewals = 0;
    for _ in 0..20 {
        realm.advance(Duration::from_secs(300));
        let response = realm.basic("GET", "/api/token", &token, "unused");
        if response.status == 200 {
            token = object(&response)["token"].as_str().unwrap().into();
            renewals += 1;
        } else {
            assert_eq!(error(&response), unauthorized());
        }
    }
    assert_eq!(renewals, 11, "every 5 minutes, but not at the hour's end");
}

#[test]
fn the_secret_that_the_article_prints_signs_nothing_here() {
    let realm = TestRealm::new();
    realm.add_user("miguel", "python");
    let published = SigningKey::new(b"the quick brown fox jumps over the lazy dog").unwrap();
    let token = signed(&KeyRing::from_key(published), &token_header(&realm, 600), r#"{"id":1,"gen":1}"#);
    assert_eq!(error(&realm.basic("GET", "/api/resource", &token, "")), unauthorized());
}

#[test]
fn a_token_with_another_algorithm_is_rejected() {
    let realm = TestRealm::new();
    realm.add_user("miguel", "python");
    let secret = std::fs::read(realm.directory.path().join(SIGNING_KEYS)).unwrap();
    let secret = secret.strip_suffix(b"\n").unwrap();
    let hs512 = token_header(&realm, 600).replace("HS256", "HS512"); // itsdangerous from 1.0 on
    let payload = r#"{"id":1,"gen":1}"#;
    let input = format!("{}.{}", encoding::encode_base64url(&hs512), encoding::encode_base64url(payload));
    let mac = Hmac::<sha2::Sha512>::new_from_slice(secret).unwrap().chain_update(&input);
    let signature = encoding::encode_base64url(mac.finalize().into_bytes());
    let none = token_header(&realm, 600).replace("HS256", "none");
    for token in [
        format!("{input}.{signature}"),
        signed(&realm.realm.ring(), &hs512, payload),
        signed(&realm.realm.ring(), &none, payload),
        format!("{}.{}.", encoding::encode_base64url(&none), encoding::encode_base64url(payload)),
    ] {
        assert_eq!(error(&realm.basic("GET", "/api/resource", &token, "")), unauthorized(), "{token}");
    }
}

#[test]
fn an_unknown_user_costs_as_much_as_a_wrong_password() {
    let realm = TestRealm::new();
    realm.add_user("miguel", "python");
    let cost = |name: &str| {
        let before = realm.realm.hashes();
        assert_eq!(resource(&realm, Some(&basic(name, "ruby"))).0, 401);
        realm.realm.hashes() - before
    };
    assert_eq!(cost("absent"), cost("miguel"));
}
