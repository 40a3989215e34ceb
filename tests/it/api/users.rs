//! `/api/users/{id}` and `DELETE /api/token`: look-up, password change, deletion, sign-out.

use super::{headers, realm_that_guards_names};
use crate::harness::{TestRealm, basic, error, header, json_request, text};
use gatekey::http::{Request, Response};
use gatekey::realm::{Policy, Registration};
use gatekey::secret::Secret;

const FORBIDDEN: &str = r#"{"error":"forbidden","message":"You may see and change only your own account."}"#;

fn change(realm: &TestRealm, path: &str, authorization: &str, new: &str) -> Response {
    let body = gatekey::json::json!({"password": new}).to_string();
    realm.send(&json_request("PUT", path, &body).with_header("Authorization", authorization))
}

#[track_caller]
fn assert_no_content(response: &Response) {
    assert_eq!((response.status, text(response), headers(response)), (204, "", vec![]));
}

#[test]
fn public_user_lookup_needs_no_credentials() {
    let realm = TestRealm::new();
    let user = realm.add_user("ok", "python");
    let lookups = [
        realm.send(&Request::new("GET", &user)),
        realm.basic("GET", &user, "ok", "ruby"), // credentials aren't asked for, so they aren't judged
        realm.bearer("GET", &user, "garbage"),
    ];
    for response in lookups {
        assert_eq!((response.status, text(&response)), (200, r#"{"username":"ok"}"#));
        assert_eq!(headers(&response), [("Content-Type", "application/json")]);
    }
    for absent in ["/api/users/2", "/api/users/9223372036854775807"] {
        assert_eq!(error(&realm.send(&Request::new("GET", absent))), (404, "not_found".into()));
    }
}

#[test]
fn private_user_lookup_returns_only_the_own_name() {
    let realm = realm_that_guards_names();
    let user = realm.add_user("ok", "python");
    let other = realm.add_user("other", "python");
    let token = realm.token("ok", "python");
    let own = [
        realm.basic("GET", &user, "ok", "python"),
        realm.basic("GET", &user, &token, ""),
        realm.bearer("GET", &user, &token),
    ];
    for response in own {
        assert_eq!((response.status, text(&response)), (200, r#"{"username":"ok"}"#));
    }
    for path in [other.as_str(), "/api/users/3", "/api/users/9223372036854775807"] {
        let with_password = realm.basic("GET", path, "ok", "python");
        assert_eq!((with_password.status, text(&with_password)), (403, FORBIDDEN), "{path}");
        let with_token = realm.bearer("GET", path, &token);
        assert_eq!((with_token.status, text(&with_token)), (403, FORBIDDEN), "{path}");
        assert_eq!(error(&realm.send(&Request::new("GET", path))), (401, "unauthorized".into()), "{path}");
    }
    assert_eq!(error(&realm.basic("GET", "/api/users/0", "ok", "python")), (404, "not_found".into()));
}

#[test]
fn user_lookup_is_private_if_registration_is_closed() {
    let realm = TestRealm::with_policy(Policy { registration: Registration::Closed, ..Policy::default() });
    realm.realm.add_user("ok", &Secret::new("python".into()), realm.unix()).unwrap();
    assert_eq!(realm.send(&Request::new("GET", "/api/users/1")).status, 401);
    assert_eq!(realm.basic("GET", "/api/users/1", "ok", "python").status, 200);
}

#[test]
fn changing_the_password_is_204_and_revokes_every_token() {
    let realm = TestRealm::new();
    let user = realm.add_user("ok", "python");
    realm.add_user("other", "python");
    let tokens = [realm.token("ok", "python"), realm.token("ok", "python")];
    let others = realm.token("other", "python");
    assert_no_content(&change(&realm, &user, &basic("ok", "python"), "ruby"));
    assert_eq!(realm.basic("GET", "/api/resource", "ok", "python").status, 401);
    assert_eq!(realm.basic("GET", "/api/resource", "ok", "ruby").status, 200);
    for token in &tokens {
        assert_eq!(realm.bearer("GET", "/api/resource", token).status, 401);
    }
    assert_eq!(realm.bearer("GET", "/api/resource", &others).status, 200, "that is another user's");
    let new = realm.token("ok", "ruby");
    assert_eq!(realm.bearer("GET", "/api/resource", &new).status, 200);
}

#[test]
fn a_password_can_be_changed_to_itself_to_revoke_every_token() {
    let realm = TestRealm::new();
    let user = realm.add_user("ok", "python");
    let token = realm.token("ok", "python");
    assert_no_content(&change(&realm, &user, &basic("ok", "python"), "python"));
    assert_eq!(realm.bearer("GET", "/api/resource", &token).status, 401);
}

#[test]
fn a_token_can_not_change_the_password_or_delete_the_user() {
    let realm = TestRealm::new();
    let user = realm.add_user("ok", "python");
    let token = realm.token("ok", "python");
    for authorization in [basic(&token, ""), basic(&token, "python"), format!("Bearer {token}")] {
        let changed = change(&realm, &user, &authorization, "ruby");
        assert_eq!(error(&changed), (401, "unauthorized".into()), "{authorization}");
        let deleted = realm.send(&Request::new("DELETE", &user).with_header("Authorization", &authorization));
        assert_eq!(error(&deleted), (401, "unauthorized".into()), "{authorization}");
    }
    assert_eq!(realm.basic("GET", "/api/resource", "ok", "python").status, 200);
    assert_eq!(realm.bearer("GET", "/api/resource", &token).status, 200);
}

#[test]
fn another_id_is_403_with_the_same_bytes_whether_it_exists_or_not() {
    let realm = TestRealm::new();
    realm.add_user("ok", "python");
    let other = realm.add_user("other", "python");
    for path in [other.as_str(), "/api/users/3", "/api/users/9223372036854775807"] {
        for response in [
            change(&realm, path, &basic("ok", "python"), "ruby"),
            realm.basic("DELETE", path, "ok", "python"),
        ] {
            assert_eq!((response.status, text(&response)), (403, FORBIDDEN), "{path}");
            assert_eq!(headers(&response), [("Content-Type", "application/json")], "{path}");
        }
        assert_eq!(change(&realm, path, &basic("ok", "ruby"), "perl").status, 401, "{path}");
    }
    assert_eq!(realm.basic("GET", "/api/resource", "other", "python").status, 200);
}

#[test]
fn an_invalid_new_password_is_400_before_the_credentials_are_verified() {
    let realm = TestRealm::new();
    let user = realm.add_user("ok", "python");
    let hashes = realm.realm.hashes();
    let too_long = format!(r#"{{"password":"{}"}}"#, "p".repeat(1025));
    for (body, code) in [
        ("", "malformed_json"),
        ("[]", "malformed_json"),
        (r#"{"password":"a","password":"a"}"#, "malformed_json"),
        ("{}", "missing_field"),
        (r#"{"password":null}"#, "missing_field"),
        (r#"{"password":5}"#, "invalid_password"),
        (r#"{"password":""}"#, "invalid_password"),
        (&too_long, "invalid_password"),
    ] {
        let request = json_request("PUT", &user, body);
        assert_eq!(error(&realm.send(&request)), (400, code.into()), "{body}");
        let request = request.with_header("Authorization", basic("ok", "python"));
        assert_eq!(error(&realm.send(&request)), (400, code.into()), "{body}");
    }
    let unsaid = Request::new("PUT", &user).with_header("Authorization", basic("ok", "python"));
    assert_eq!(error(&realm.send(&unsaid)), (415, "unsupported_media_type".into()));
    assert_eq!(realm.realm.hashes(), hashes);
}

#[test]
fn a_new_password_equal_to_the_username_is_400_before_the_old_one_is_verified() {
    let realm = TestRealm::new();
    let user = realm.add_user("ok", "python");
    let hashes = realm.realm.hashes();
    for old in ["python", "ruby"] {
        let response = change(&realm, &user, &basic("ok", old), "ok");
        assert_eq!(error(&response), (400, "invalid_password".into()));
    }
    assert_eq!(realm.realm.hashes(), hashes);
    assert_eq!(realm.basic("GET", "/api/resource", "ok", "python").status, 200);
}

#[test]
fn a_new_password_has_the_length_limits_of_a_first_one() {
    let realm = TestRealm::new();
    let user = realm.add_user("ok", "python");
    let longest = "p".repeat(1024);
    assert_no_content(&change(&realm, &user, &basic("ok", "python"), &longest));
    assert_eq!(realm.basic("GET", "/api/resource", "ok", &longest).status, 200);
}

#[test]
fn deleting_a_user_revokes_every_token() {
    let realm = TestRealm::new();
    let user = realm.add_user("ok", "python");
    let token = realm.token("ok", "python");
    assert_no_content(&realm.basic("DELETE", &user, "ok", "python"));
    assert_eq!(error(&realm.send(&Request::new("GET", &user))), (404, "not_found".into()));
    assert_eq!(realm.basic("GET", "/api/resource", "ok", "python").status, 401);
    assert_eq!(realm.bearer("GET", "/api/resource", &token).status, 401);
    assert_eq!(realm.basic("DELETE", &user, "ok", "python").status, 401);
}

#[test]
fn a_user_id_is_never_reused() {
    let realm = TestRealm::new();
    let first = realm.add_user("ok", "python");
    let token = realm.token("ok", "python");
    assert_eq!(realm.basic("DELETE", &first, "ok", "python").status, 204);
    let second = realm.register("ok", "python"); // the name is free again
    assert_eq!((second.status, header(&second, "Location")), (201, Some("/api/users/2")));
    assert_eq!(realm.bearer("GET", "/api/resource", &token).status, 401, "the name's next user is another");
    assert_eq!(realm.send(&Request::new("GET", &first)).status, 404);
}

#[test]
fn signing_out_by_password_or_token_revokes_every_token() {
    let realm = TestRealm::new();
    realm.add_user("ok", "python");
    realm.add_user("other", "python");
    let others = realm.token("other", "python");
    let by_password = |_: &str| basic("ok", "python");
    let by_token_for_a_name = |token: &str| basic(token, "unused");
    let by_bearer = |token: &str| format!("Bearer {token}");
    let ways: [&dyn Fn(&str) -> String; 3] = [&by_password, &by_token_for_a_name, &by_bearer];
    for way in ways {
        let tokens = [realm.token("ok", "python"), realm.token("ok", "python")];
        let request = Request::new("DELETE", "/api/token").with_header("Authorization", way(&tokens[0]));
        assert_no_content(&realm.send(&request));
        for token in &tokens {
            assert_eq!(realm.bearer("GET", "/api/resource", token).status, 401);
        }
        assert_eq!(realm.basic("GET", "/api/resource", "ok", "python").status, 200);
    }
    assert_eq!(realm.bearer("GET", "/api/resource", &others).status, 200, "that is another user's");
}
