//! User enumeration: every failed authentication has the same response and costs the same hashes.

use crate::harness::{TestRealm, basic, error, json_request};
use gatekey::clock::UnixTime;
use gatekey::data_dir::DATABASE;
use gatekey::http::{KeepAlive, Request, Response};
use gatekey::realm::{Policy, UserLookup};
use gatekey::signer::{KeyRing, SigningKey};
use gatekey::token::{self, Claims};
use gatekey::user_id::{Generation, UserId};
use std::time::Duration;

/// A realm with a user `ok`, a disabled one, and one whose stored hash is damaged; names are one's own.
struct Scene {
    test: TestRealm,
    user: String,
    /// Each with what is wrong with it.
    bad_tokens: Vec<(&'static str, String)>,
}

fn scene() -> Scene {
    let policy = Policy { user_lookup: Some(UserLookup::Own), ..Policy::default() };
    let test = TestRealm::with_policy(policy);
    let user = test.add_user("ok", "python");
    for name in ["disabled", "damaged", "gone"] {
        test.add_user(name, "python");
    }
    let expired = test.token("ok", "python");
    test.advance(Duration::from_secs(600));

    let revoked = test.token("ok", "python");
    assert_eq!(test.bearer("DELETE", "/api/token", &revoked).status, 204);
    let disabled = test.token("disabled", "python");
    test.realm.set_disabled(id_of(&test, "disabled"), true).unwrap();
    let deleted = test.token("gone", "python");
    test.realm.delete_user(id_of(&test, "gone")).unwrap();
    damage_hash(&test, "damaged");

    let foreign_key = KeyRing::from_key(SigningKey::new(b"a secret of thirty-two bytes, ok").unwrap());
    let foreign = token::issue(&claims(&test, 1, 2), &foreign_key);
    let good = token::issue(&claims(&test, 1, 2), &test.realm.ring());
    assert_eq!(test.bearer("GET", "/api/resource", &good).status, 200, "only the key is foreign");
    let (input, signature) = good.rsplit_once('.').unwrap();
    let other_first = if signature.starts_with('A') { 'B' } else { 'A' };
    let other_signature = format!("{input}.{other_first}{}", &signature[1..]);
    let bad_tokens = vec![
        ("garbage", "g".repeat(65)),
        ("three parts of garbage", format!("{0}.{0}.{0}", "g".repeat(30))),
        ("over 2 KiB", "g".repeat(2049)),
        ("expired", expired),
        ("revoked", revoked),
        ("a disabled user's", disabled),
        ("a deleted user's", deleted),
        ("a foreign key's", foreign),
        ("changed in its signature", other_signature),
        ("of no user", token::issue(&claims(&test, 999, 1), &test.realm.ring())),
        ("of a generation to come", token::issue(&claims(&test, 1, 3), &test.realm.ring())),
    ];
    Scene { test, user, bad_tokens }
}

fn id_of(test: &TestRealm, name: &str) -> UserId {
    test.realm.find_user_by_name(name).unwrap().unwrap().id
}

/// Claims that would hold now.
fn claims(test: &TestRealm, id: i64, generation: u64) -> Claims {
    Claims {
        id: UserId::new(id).unwrap(),
        generation: Generation::new(generation).unwrap(),
        issued_at: test.unix(),
        expires_at: test.unix().saturating_add(Duration::from_secs(600)),
        auth_time: test.unix(),
    }
}

/// What a broken tool or a slip of the hand might leave in the database.
fn damage_hash(test: &TestRealm, name: &str) {
    let database = rusqlite::Connection::open(test.directory.path().join(DATABASE)).unwrap();
    let changed = database.execute("UPDATE users SET password_hash = 'x' WHERE username = ?1", [name]);
    assert_eq!(changed.unwrap(), 1);
}

/// Names and passwords that don't hold, each with what is wrong.
const BAD_PASSWORDS: [(&str, &str, &str); 6] = [
    ("wrong password", "ok", "ruby"),
    ("unknown user", "absent", "python"),
    ("a name in another case", "OK", "python"),
    ("disabled, right password", "disabled", "python"),
    ("disabled, wrong password", "disabled", "ruby"),
    ("a hash that can't be verified", "damaged", "python"),
];

/// Every request that asks who is there.
fn guarded_requests(user: &str) -> [Request; 13] {
    [
        Request::new("GET", "/api/resource"),
        Request::new("HEAD", "/api/resource"),
        Request::new("GET", "/api/token"),
        Request::new("DELETE", "/api/token"),
        Request::new("GET", user),
        json_request("PUT", user, r#"{"password":"another"}"#),
        Request::new("DELETE", user),
        Request::new("GET", "/api/me"),
        Request::new("GET", "/api/users/me"),
        Request::new("DELETE", "/api/users/me"),
        Request::new("GET", "/api/tokens"),
        json_request("POST", "/api/tokens", r#"{"name":"backup","duration":60}"#),
        Request::new("DELETE", "/api/tokens/AAECAwQFBgcICQoLDA0ODw"),
    ]
}

fn bytes(response: &Response) -> String {
    String::from_utf8(response.encode(false, UnixTime::EPOCH, KeepAlive::Default)).unwrap()
}

/// All that a refused client gets to see, and how many hashes it cost.
fn refused(scene: &Scene, request: Request, authorization: String) -> (String, u64) {
    let before = scene.test.realm.hashes();
    let response = scene.test.send(&request.with_header("Authorization", authorization));
    (bytes(&response), scene.test.realm.hashes() - before)
}

const REFUSED_BASIC: &str = "HTTP/1.1 401 Unauthorized\r\n\
    Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
    Server: gatekey\r\n\
    Cache-Control: no-store\r\n\
    X-Content-Type-Options: nosniff\r\n\
    Content-Type: application/json\r\n\
    WWW-Authenticate: Basic realm=\"Authentication Required\"\r\n\
    Content-Length: 110\r\n\r\n\
    {\"error\":\"unauthorized\",\
    \"message\":\"Unauthorized Access. Send a user name and its password, or a valid token.\"}";

#[test]
fn every_failed_password_has_the_same_response_and_costs_one_hash() {
    let scene = scene();
    for (wrong, name, password) in BAD_PASSWORDS {
        for request in guarded_requests(&scene.user) {
            let context = format!("{wrong}: {} {}", request.method, request.path);
            let answer = refused(&scene, request, basic(name, password));
            assert_eq!(answer, (REFUSED_BASIC.into(), 1), "{context}");
        }
    }
}

#[test]
fn every_invalid_token_as_username_has_the_same_response_and_costs_no_hash() {
    let scene = scene();
    for (wrong, token) in &scene.bad_tokens {
        for request in guarded_requests(&scene.user) {
            let context = format!("{wrong}: {} {}", request.method, request.path);
            let answer = refused(&scene, request, basic(token, "unused"));
            assert_eq!(answer, (REFUSED_BASIC.into(), 0), "{context}");
        }
    }
}

#[test]
fn every_invalid_bearer_token_has_the_same_response_and_costs_no_hash() {
    let scene = scene();
    let basic_challenge = "Basic realm=\"Authentication Required\"";
    let bearer_challenge = "Bearer realm=\"Authentication Required\", error=\"invalid_token\"";
    let refused_bearer = REFUSED_BASIC.replace(basic_challenge, bearer_challenge);
    let others = [
        ("a user's name", "ok".into()),
        ("one character", "x".into()),
        ("nothing", String::new()),
        ("not ASCII", "é".repeat(65)), // as a user name it is a name, which costs a hash
    ];
    for (wrong, token) in scene.bad_tokens.iter().chain(&others) {
        for request in guarded_requests(&scene.user) {
            let context = format!("{wrong}: {} {}", request.method, request.path);
            let answer = refused(&scene, request, format!("Bearer {token}"));
            assert_eq!(answer, (refused_bearer.clone(), 0), "{context}");
        }
    }
}

#[test]
fn malformed_credentials_have_the_same_response_and_cost_no_hash() {
    let scene = scene();
    for authorization in
        ["", "Basic", "Basic Og==", "Basic b2s=", "Basic b2s", "Basic \u{0}", "Digest x", "x"]
    {
        for request in guarded_requests(&scene.user) {
            let context = format!("{authorization}: {} {}", request.method, request.path);
            let answer = refused(&scene, request, authorization.into());
            assert_eq!(answer, (REFUSED_BASIC.into(), 0), "{context}");
        }
    }
}

#[test]
fn a_password_of_impossible_length_costs_no_hash_for_any_name() {
    let scene = scene();
    let too_long = "p".repeat(1025);
    for name in ["ok", "absent", "disabled", "damaged"] {
        for password in ["", &too_long] {
            let request = Request::new("GET", "/api/resource");
            let answer = refused(&scene, request, basic(name, password));
            assert_eq!(answer, (REFUSED_BASIC.into(), 0), "{name}");
        }
        let longest = "p".repeat(1024);
        let answer = refused(&scene, Request::new("GET", "/api/resource"), basic(name, &longest));
        assert_eq!(answer, (REFUSED_BASIC.into(), 1), "{name}");
    }
}

#[test]
fn a_correct_password_costs_one_hash_and_a_valid_token_none() {
    let test = TestRealm::new();
    let user = test.add_user("ok", "python");
    let token = test.token("ok", "python");
    let cost = |status: u16, request: Request, authorization: String| {
        let before = test.realm.hashes();
        assert_eq!(test.send(&request.with_header("Authorization", authorization)).status, status);
        test.realm.hashes() - before
    };
    let get = |path: &str| Request::new("GET", path);
    assert_eq!(cost(200, get("/api/resource"), basic("ok", "python")), 1);
    assert_eq!(cost(200, get("/api/token"), basic("ok", "python")), 1);
    assert_eq!(cost(200, get("/api/resource"), basic(&token, "")), 0);
    assert_eq!(cost(200, get("/api/token"), format!("Bearer {token}")), 0);
    assert_eq!(cost(200, get(&user), basic("ok", "ruby")), 0, "a public name asks for no credentials");
    let change = json_request("PUT", &user, r#"{"password":"ruby"}"#);
    assert_eq!(cost(204, change, basic("ok", "python")), 2, "the old one is verified, the new one hashed");
    assert_eq!(cost(403, Request::new("DELETE", "/api/users/2"), basic("ok", "ruby")), 1);
    assert_eq!(cost(204, Request::new("DELETE", &user), basic("ok", "ruby")), 1);
}

#[test]
fn a_registration_costs_one_hash_and_a_rejected_one_none() {
    let test = TestRealm::new();
    let cost = |status: u16, body: &str| {
        let before = test.realm.hashes();
        assert_eq!(test.send(&json_request("POST", "/api/users", body)).status, status, "{body}");
        test.realm.hashes() - before
    };
    assert_eq!(cost(201, r#"{"username":"ok","password":"python"}"#), 1);
    for refused in [
        r#"{"username":"ok","password":"python"}"#, // taken
        r#"{"username":"OK","password":"python"}"#,
        r#"{"username":"a:b","password":"python"}"#,
        r#"{"username":"other","password":""}"#,
        r#"{"username":"other","password":"other"}"#,
        r#"{"username":"other"}"#,
        "{",
        "",
    ] {
        assert_eq!(cost(400, refused), 0, "{refused}");
    }
}

#[test]
fn a_password_change_with_a_token_or_an_invalid_body_costs_no_hash() {
    let test = TestRealm::new();
    let user = test.add_user("ok", "python");
    let token = test.token("ok", "python");
    let before = test.realm.hashes();
    let with_token =
        json_request("PUT", &user, r#"{"password":"ruby"}"#).with_header("Authorization", basic(&token, ""));
    assert_eq!(error(&test.send(&with_token)), (401, "unauthorized".into()));
    let bad_body =
        json_request("PUT", &user, r#"{"password":""}"#).with_header("Authorization", basic("ok", "python"));
    assert_eq!(error(&test.send(&bad_body)), (400, "invalid_password".into()));
    assert_eq!(test.realm.hashes(), before);
}
