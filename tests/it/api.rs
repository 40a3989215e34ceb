//! The contract of HTTP, route by route: paths, methods, credentials, the order of checks; registering, users
//! and CSRF have a file each.

mod cors;
mod csrf;
mod register;
mod unicode;
mod users;
mod verify;

use crate::harness::{TestRealm, basic, error, header, json_request, object, text};
use crate::openapi::route_names;
use gatekey::clock::UnixTime;
use gatekey::http::{AuditEvent, Body, KeepAlive, Request, Response};
use gatekey::realm::{Policy, Registration, UserLookup};
use gatekey::routes::{Config, PublicUrl, SignInPages};
use std::collections::BTreeSet;

/// A path of every route that takes certain methods; of users, one who exists and one who doesn't.
const PATHS: [(&str, &str); 20] = [
    ("/", "GET, HEAD, OPTIONS"),
    ("/learn", "GET, HEAD, OPTIONS"),
    ("/login", "GET, HEAD, OPTIONS, POST"),
    ("/logout", "GET, HEAD, OPTIONS, POST"),
    ("/register", "GET, HEAD, OPTIONS, POST"),
    ("/forgot-password", "GET, HEAD, OPTIONS, POST"),
    ("/set-password", "GET, HEAD, OPTIONS, POST"),
    ("/account", "GET, HEAD, OPTIONS, POST"),
    ("/api/users", "GET, HEAD, OPTIONS, POST"),
    ("/api/users/1/link", "OPTIONS, POST"),
    ("/api/users/1", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
    ("/api/users/9223372036854775807", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
    ("/api/users/me", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
    ("/api/me", "GET, HEAD, OPTIONS"),
    ("/api/tokens", "GET, HEAD, OPTIONS, POST"),
    ("/api/tokens/AAECAwQFBgcICQoLDA0ODw", "DELETE, OPTIONS"),
    ("/api/token", "DELETE, GET, HEAD, OPTIONS"),
    ("/api/resource", "GET, HEAD, OPTIONS"),
    ("/healthz", "GET, HEAD, OPTIONS"),
    ("/openapi.json", "GET, HEAD, OPTIONS"),
];

/// Methods of RFC 9110 and RFC 5789, one in the wrong case, one that is unknown.
const METHODS: [&str; 11] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get", "BREW"];

/// Those of them that HTTP doesn't define.
const UNKNOWN_METHODS: [&str; 2] = ["get", "BREW"];

#[test]
fn a_health_check_needs_no_credentials_and_ignores_them() {
    let realm = TestRealm::new();
    for request in [
        Request::new("GET", "/healthz"),
        Request::new("GET", "/healthz").with_header("Authorization", basic("absent", "wrong")),
    ] {
        let response = realm.send(&request);
        assert_eq!((response.status, text(&response)), (200, r#"{"status":"ok"}"#));
        assert_eq!((response.record.route, response.record.user), (Some("/healthz"), None));
    }
}

/// Every request that is authenticated, with a body where one is wanted.
fn guarded_requests(user: &str) -> Vec<Request> {
    let password = r#"{"password":"another"}"#;
    let named_token = r#"{"name":"backup","duration":60}"#;
    let mut requests = vec![
        json_request("PUT", user, password),
        Request::new("DELETE", user),
        json_request("PATCH", user, "{}"),
        json_request("PUT", "/api/users/me", password),
        json_request("POST", "/api/tokens", named_token),
    ];
    for (method, path) in [
        ("DELETE", "/api/users/me"),
        ("GET", "/api/users/me"),
        ("GET", "/api/me"),
        ("GET", "/api/tokens"),
        ("DELETE", "/api/tokens/AAECAwQFBgcICQoLDA0ODw"),
        ("GET", "/api/token"),
        ("HEAD", "/api/token"),
        ("DELETE", "/api/token"),
        ("GET", "/api/resource"),
        ("HEAD", "/api/resource"),
        ("GET", user),
        ("HEAD", user),
    ] {
        requests.push(Request::new(method, path));
    }
    requests
}

/// A realm in which one's own name, and no other, may be looked up, so that every route for users asks who is there.
fn realm_that_guards_names() -> TestRealm {
    TestRealm::with_policy(Policy { user_lookup: Some(UserLookup::Own), ..Policy::default() })
        .behind(with_page())
}

fn with_page() -> Config {
    let url = PublicUrl::parse("https://auth.example.org").unwrap();
    let pages = SignInPages::new(&url, SignInPages::DEFAULT_TITLE).unwrap();
    Config { learn_page: true, sign_in_pages: Some(pages), ..Config::default() }
}

/// One that shows the pages, as `serve` does.
fn realm_with_page() -> TestRealm {
    TestRealm::with_config(with_page())
}

fn headers(response: &Response) -> Vec<(&str, &str)> {
    response.headers.iter().map(|(name, value)| (*name, &**value)).collect()
}

#[test]
fn the_articles_exchanges_have_exactly_its_responses() {
    let realm = TestRealm::new();
    let registered = realm.register("ok", "python");
    assert_eq!((registered.status, text(&registered)), (201, r#"{"id":1,"username":"ok"}"#));
    let resource = realm.basic("GET", "/api/resource", "ok", "python");
    assert_eq!((resource.status, text(&resource)), (200, r#"{"data":"Hello, ok!"}"#));
    let token = realm.token("ok", "python");
    let resource = realm.basic("GET", "/api/resource", &token, "unused");
    assert_eq!((resource.status, text(&resource)), (200, r#"{"data":"Hello, ok!"}"#));
    let refused = realm.basic("GET", "/api/resource", "miguel", "ruby");
    let challenge = r#"Basic realm="Authentication Required""#;
    assert_eq!((refused.status, header(&refused, "WWW-Authenticate")), (401, Some(challenge)));
}

#[test]
fn a_token_response_has_token_duration_and_the_users_id_only() {
    let realm = TestRealm::new();
    realm.add_user("ok", "python");
    let response = realm.basic("GET", "/api/token", "ok", "python");
    let body = object(&response);
    assert_eq!(response.status, 200);
    assert_eq!(headers(&response), [("Content-Type", "application/json")]);
    assert_eq!(body["duration"], 600);
    assert_eq!(body["token"].as_str().unwrap().split('.').count(), 3);
    assert_eq!((&body["id"], body.len()), (&1.into(), 3));
}

#[test]
fn the_resource_accepts_a_password_a_token_as_username_and_a_bearer_token() {
    let realm = TestRealm::new();
    realm.add_user("ok", "python");
    let token = realm.token("ok", "python");
    let user_pass = "b2s6cHl0aG9u"; // ok:python
    for authorization in [
        basic("ok", "python"),
        basic(&token, "unused"),
        basic(&token, ""),
        basic(&token, "python:ruby"),
        format!("Bearer {token}"),
        format!("bEARER   {token}"),
        format!("basic {user_pass}"),
        format!("BASIC   {user_pass}"),
    ] {
        let request = Request::new("GET", "/api/resource").with_header("Authorization", &authorization);
        let response = realm.send(&request);
        assert_eq!((response.status, text(&response)), (200, r#"{"data":"Hello, ok!"}"#), "{authorization}");
        assert_eq!(headers(&response), [("Content-Type", "application/json")]);
    }
}

#[test]
fn every_401_has_its_schemes_challenge_and_one_body() {
    let realm = realm_that_guards_names();
    let user = realm.add_user("ok", "python");
    let basic_challenge = r#"Basic realm="Authentication Required""#;
    let bearer_challenge = r#"Bearer realm="Authentication Required", error="invalid_token""#;
    let body = r#"{"error":"unauthorized","message":"Unauthorized Access. Send a user name and its password, or a valid token."}"#;
    for (authorization, challenge) in [
        (None, basic_challenge),
        (Some(""), basic_challenge),
        (Some("Basic"), basic_challenge),
        (Some("Basic Og=="), basic_challenge),
        (Some("Basic b2s6cnVieQ=="), basic_challenge), // ok:ruby
        (Some("Basic b2s"), basic_challenge),
        (Some("basic !"), basic_challenge),
        (Some("Digest username=\"ok\""), basic_challenge),
        (Some("Token x"), basic_challenge),
        (Some("Bearertoken x"), basic_challenge),
        (Some("Bearer"), bearer_challenge),
        (Some("bearer x"), bearer_challenge),
        (Some("BEARER ok"), bearer_challenge),
    ] {
        for mut request in guarded_requests(&user) {
            if let Some(authorization) = authorization {
                request = request.with_header("Authorization", authorization);
            }
            let response = realm.send(&request);
            let context = format!("{} {} {authorization:?}", request.method, request.path);
            assert_eq!((response.status, text(&response)), (401, body), "{context}");
            let expected = [("Content-Type", "application/json"), ("WWW-Authenticate", challenge)];
            assert_eq!(headers(&response), expected, "{context}");
        }
    }
}

#[test]
fn a_name_is_never_tried_as_a_token_nor_a_token_as_a_name() {
    let realm = TestRealm::new();
    let longest = "n".repeat(64);
    realm.add_user(&longest, "python");
    assert_eq!(realm.basic("GET", "/api/resource", &longest, "python").status, 200);
    assert_eq!(realm.bearer("GET", "/api/resource", &longest).status, 401);

    let hashes = realm.realm.hashes();
    let longer = "n".repeat(65);
    assert_eq!(realm.basic("GET", "/api/resource", &longer, "python").status, 401);
    assert_eq!(realm.realm.hashes(), hashes, "65 characters are a token, and a token costs no hash");
    let wide = "é".repeat(64);
    assert_eq!(realm.basic("GET", "/api/resource", &wide, "python").status, 401);
    assert_eq!(realm.realm.hashes(), hashes + 1, "64 characters are a name, however many bytes they take");
}

#[test]
fn credentials_that_are_not_utf_8_are_read_as_iso_8859_1() {
    let realm = TestRealm::new();
    realm.add_user("josé", "contraseña");
    for user_pass in [&b"jos\xe9:contrase\xf1a"[..], "josé:contraseña".as_bytes()] {
        let authorization = format!("Basic {}", gatekey::encoding::encode_base64(user_pass));
        let request = Request::new("GET", "/api/resource").with_header("Authorization", authorization);
        let response = realm.send(&request);
        assert_eq!((response.status, text(&response)), (200, r#"{"data":"Hello, josé!"}"#));
    }
}

#[test]
fn two_authorization_headers_are_400_on_every_route() {
    let realm = TestRealm::new();
    realm.add_user("ok", "python");
    for (path, _) in PATHS.into_iter().chain([("/api/nothing", "")]) {
        for method in METHODS {
            let request = Request::new(method, path)
                .with_header("Authorization", basic("ok", "python"))
                .with_header("authorization", basic("ok", "python"));
            let answer = error(&realm.send(&request));
            assert_eq!(answer, (400, "malformed_request".into()), "{method} {path}");
        }
    }
}

#[test]
fn the_table_of_paths_has_every_route_but_the_one_that_takes_any_method() {
    let realm = realm_with_page();
    let seen =
        PATHS.map(|(path, _)| realm.send(&Request::new("OPTIONS", path)).record.route.unwrap().to_owned());
    let seen: BTreeSet<_> = seen.into_iter().chain(["/api/verify".to_owned()]).collect();
    assert_eq!(seen, route_names());
}

#[test]
fn allow_lists_exactly_the_methods_of_every_path() {
    for (path, allow) in PATHS {
        for method in METHODS {
            let realm = realm_with_page(); // a new one each: some of these delete the user
            realm.add_user("ok", "python");
            let response = realm.basic(method, path, "ok", "python");
            if allow.split(", ").any(|allowed| allowed == method) {
                assert_ne!(response.status, 405, "{method} {path}");
            } else if UNKNOWN_METHODS.contains(&method) {
                assert_eq!(error(&response), (501, "not_implemented".into()), "{method} {path}");
            } else {
                assert_eq!(error(&response), (405, "method_not_allowed".into()), "{method} {path}");
                assert_eq!(header(&response, "Allow"), Some(allow), "{method} {path}");
            }
        }
    }
}

#[test]
fn options_is_204_with_allow_and_needs_no_credentials() {
    let realm = realm_that_guards_names();
    for (path, allow) in PATHS {
        let response = realm.send(&Request::new("OPTIONS", path));
        assert_eq!((response.status, text(&response)), (204, ""), "{path}");
        assert_eq!(headers(&response), [("Allow", allow)], "{path}");
    }
}

#[test]
fn head_is_get_without_its_body() {
    let realm = TestRealm::new();
    let user = realm.add_user("ok", "python");
    for (path, username) in [
        (user.as_str(), "ok"),
        ("/api/users/999", "ok"),
        ("/api/token", "ok"),
        ("/api/token", "absent"),
        ("/api/resource", "ok"),
        ("/api/resource", "absent"),
    ] {
        let sent = |method| {
            let response = realm.basic(method, path, username, "python");
            let bytes = response.encode(method == "HEAD", UnixTime::EPOCH, KeepAlive::Default);
            String::from_utf8(bytes).unwrap()
        };
        let (head, get) = (sent("HEAD"), sent("GET"));
        let (get_head, get_body) = get.split_once("\r\n\r\n").unwrap();
        assert_eq!(head, format!("{get_head}\r\n\r\n"), "{path}");
        assert_ne!(get_body, "", "{path}");
    }
}

#[test]
fn an_unknown_path_is_404_for_every_request() {
    let realm = TestRealm::new();
    realm.add_user("ok", "python");
    for path in [
        "/",
        "//",
        "/index.html",
        "",
        "/api",
        "/api/",
        "/api/users/",
        "/api/users/0",
        "/api/users/01",
        "/api/users/+1",
        "/api/users/-1",
        "/api/users/1.0",
        "/api/users/abc",
        "/api/users/%31",
        "/api/users/1/",
        "/api/users/1/token",
        "/api/users/9223372036854775808",
        "/api//users",
        "/api/./users",
        "/API/users",
        "/api/token/",
        "/api/resource/",
        "/api/resource%3Fx",
    ] {
        for method in METHODS.into_iter().filter(|method| (*method, path) != ("OPTIONS", "/")) {
            let response = realm.basic(method, path, "ok", "python");
            let body = r#"{"error":"not_found","message":"Nothing is at this path."}"#;
            assert_eq!((response.status, text(&response)), (404, body), "{method} {path}");
            assert_eq!(headers(&response), [("Content-Type", "application/json")], "{method} {path}");
        }
    }
}

#[test]
fn only_options_accepts_the_asterisk_target() {
    let realm = TestRealm::new();
    for path in ["*", "/"] {
        let response = realm.send(&Request::new("OPTIONS", path));
        assert_eq!((response.status, response.body.as_slice()), (204, &b""[..]));
        assert_eq!(header(&response, "Allow"), Some("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"));
    }
    for method in METHODS.into_iter().filter(|method| *method != "OPTIONS") {
        assert_eq!(
            error(&realm.send(&Request::new(method, "*"))),
            (400, "malformed_request".into()),
            "{method}"
        );
    }
}

#[test]
fn a_415_has_the_accepted_media_type_and_content_coding() {
    let realm = TestRealm::new();
    let body = r#"{"username":"ok","password":"python"}"#;
    let text = Request::new("POST", "/api/users").with_header("Content-Type", "text/plain");
    let response = realm.send(&text.with_body(Body::Complete(body.into())));
    assert_eq!(error(&response), (415, "unsupported_media_type".into()));
    assert_eq!(header(&response, "Accept"), Some("application/json"));
    for coding in ["gzip", "br", "identity, gzip", "x"] {
        let request = json_request("POST", "/api/users", body).with_header("Content-Encoding", coding);
        let response = realm.send(&request);
        assert_eq!(error(&response), (415, "unsupported_media_type".into()), "{coding}");
        assert_eq!(header(&response, "Accept-Encoding"), Some("identity"), "{coding}");
    }
    let request = json_request("POST", "/api/users", body).with_header("Content-Encoding", "Identity");
    assert_eq!(realm.send(&request).status, 201);
}

#[test]
fn the_query_is_not_part_of_the_path() {
    let realm = TestRealm::new();
    realm.add_user("ok", "python");
    assert_eq!(realm.basic("GET", "/api/resource?x=/1", "ok", "python").status, 200);
    assert_eq!(realm.basic("GET", "/api/users/1?", "ok", "python").status, 200);
    assert_eq!(error(&realm.send(&Request::new("GET", "/api/nothing?/api/users/1"))).0, 404);
}

/// A request to register with every fault that the order of checks looks for; the first so many are mended.
fn faulty_registration(mended: usize) -> Response {
    let has_fault = |number| number >= mended;
    let registration = if has_fault(4) { Registration::Closed } else { Registration::Open };
    let realm = TestRealm::with_policy(Policy { registration, ..Policy::default() });
    let method = if has_fault(2) { "PATCH" } else { "POST" };
    let path = if has_fault(1) { "/api/nothing" } else { "/api/users" };
    let mut request = Request::new(method, path);
    // While registration is closed, credentials are those of an administrator; an open one ignores them.
    for _ in 0..if has_fault(0) { 2 } else { i32::from(!has_fault(4)) } {
        request = request.with_header("Authorization", "Basic a");
    }
    if has_fault(3) {
        request = request.with_header("Sec-Fetch-Site", "cross-site");
    }
    request =
        request.with_header("Content-Type", if has_fault(6) { "text/plain" } else { "application/json" });
    realm.send(&request.with_body(match mended {
        0..=5 => Body::TooLarge { max_bytes: 1024 },
        6 | 7 => Body::Complete(b"{".to_vec()),
        8 => Body::Complete(b"{}".to_vec()),
        9 => Body::Complete(br#"{"username":"a:b","password":""}"#.to_vec()),
        10 => Body::Complete(br#"{"username":"ok","password":""}"#.to_vec()),
        _ => Body::Complete(br#"{"username":"ok","password":"python"}"#.to_vec()),
    }))
}

#[test]
fn the_checks_of_a_registration_run_in_the_documented_order() {
    for (mended, answer) in [
        (400, "malformed_request"),
        (404, "not_found"),
        (405, "method_not_allowed"),
        (403, "cross_site"),
        (403, "registration_closed"),
        (413, "payload_too_large"),
        (415, "unsupported_media_type"),
        (400, "malformed_json"),
        (400, "missing_field"),
        (400, "invalid_username"),
        (400, "invalid_password"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(error(&faulty_registration(mended)), (answer.0, answer.1.into()), "{mended} mended");
    }
    assert_eq!(faulty_registration(11).status, 201);
}

/// A request to change a password, with every fault that the order of checks looks for; the first so many are
/// mended.
fn faulty_password_change(realm: &TestRealm, mended: usize) -> Response {
    let has_fault = |number| number >= mended;
    let method = if has_fault(2) { "POST" } else { "PUT" };
    let path = match mended {
        0 | 1 => "/api/users/01",
        2..=9 => "/api/users/2",
        _ => "/api/users/1",
    };
    let password = if has_fault(8) { "ruby" } else { "python" };
    let mut request = Request::new(method, path).with_header("Authorization", basic("ok", password));
    if has_fault(0) {
        request = request.with_header("Authorization", basic("ok", password));
    }
    if has_fault(3) {
        request = request.with_header("Origin", "null");
    }
    request =
        request.with_header("Content-Type", if has_fault(5) { "text/plain" } else { "application/json" });
    realm.send(&request.with_body(match mended {
        0..=4 => Body::TooLarge { max_bytes: 1024 },
        5 | 6 => Body::Complete(b"[]".to_vec()),
        7 => Body::Complete(br#"{"password":""}"#.to_vec()),
        _ => Body::Complete(br#"{"password":"another"}"#.to_vec()),
    }))
}

#[test]
fn the_checks_of_a_password_change_run_in_the_documented_order() {
    let realm = TestRealm::new();
    realm.add_user("ok", "python");
    for (mended, answer) in [
        (400, "malformed_request"),
        (404, "not_found"),
        (405, "method_not_allowed"),
        (403, "cross_site"),
        (413, "payload_too_large"),
        (415, "unsupported_media_type"),
        (400, "malformed_json"),
        (400, "invalid_password"),
        (401, "unauthorized"),
        (403, "forbidden"),
    ]
    .into_iter()
    .enumerate()
    {
        let response = faulty_password_change(&realm, mended);
        assert_eq!(error(&response), (answer.0, answer.1.into()), "{mended} mended");
    }
    assert_eq!(faulty_password_change(&realm, 10).status, 204);
}

#[test]
fn each_route_sets_its_audit_event() {
    let test = TestRealm::new();
    let user = test.add_user("ok", "python");
    assert_eq!(test.register("next", "python").record.audit, Some(AuditEvent::Registered));
    let new_password = json_request("PUT", &user, r#"{"password":"ruby"}"#);
    for (request, status, expected) in [
        (json_request("POST", "/api/users", "{}"), 400, None),
        (Request::new("OPTIONS", "/api/token"), 204, None),
        (Request::new("GET", &user), 200, None),
        (Request::new("GET", "/api/token"), 200, Some(AuditEvent::TokenIssued)),
        (Request::new("GET", "/api/resource"), 200, None),
        (Request::new("DELETE", "/api/token"), 204, Some(AuditEvent::SignedOut)),
        (new_password, 204, Some(AuditEvent::PasswordChanged)),
        (Request::new("GET", "/api/resource"), 401, Some(AuditEvent::LoginFailed)),
    ] {
        let (method, path) = (request.method.clone(), request.path.clone());
        let response = test.send(&request.with_header("Authorization", basic("ok", "python")));
        assert_eq!((response.status, response.record.audit), (status, expected), "{method} {path}");
    }
    assert_eq!(test.basic("DELETE", &user, "ok", "ruby").record.audit, Some(AuditEvent::Deleted));
}
