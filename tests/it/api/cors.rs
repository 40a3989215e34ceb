//! CORS: only pages of allowed origins can read responses.

use super::PATHS;
use crate::harness::{TestRealm, basic, header, json_request};
use gatekey::http::{Request, Response};
use gatekey::routes::{Config, Origin};

const APP: &str = "https://app.example";

fn realm() -> TestRealm {
    let cors_origins = [APP, "http://localhost:3000"].map(|text| Origin::parse(text).unwrap()).into();
    TestRealm::with_config(Config { cors_origins, learn_page: true, ..Config::default() })
}

/// The headers that a browser goes by.
fn allowed(response: &Response) -> (Option<&str>, Option<&str>) {
    assert_eq!(header(response, "Access-Control-Allow-Credentials"), None);
    (header(response, "Access-Control-Allow-Origin"), header(response, "Vary"))
}

#[test]
fn cors_is_off_by_default() {
    let realm = TestRealm::new();
    for (path, _) in PATHS {
        let preflight = Request::new("OPTIONS", path)
            .with_header("Origin", APP)
            .with_header("Access-Control-Request-Method", "GET");
        for request in [Request::new("GET", path).with_header("Origin", APP), preflight] {
            let response = realm.send(&request);
            let names = response.headers.iter().map(|(name, _)| name.to_ascii_lowercase());
            let of_cors: Vec<_> =
                names.filter(|name| name.starts_with("access-control") || name == "vary").collect();
            assert_eq!(of_cors, [""; 0], "{path}");
        }
    }
}

#[test]
fn cors_headers_of_an_allowed_origin_are_in_errors_too() {
    let realm = realm();
    realm.register("ok", "python");
    let get = |path: &str| Request::new("GET", path).with_header("Origin", APP);
    let login = |password: &str| get("/api/resource").with_header("Authorization", basic("ok", password));
    let wrong_method = Request::new("PUT", "/api/token").with_header("Origin", APP);
    let statuses = [login("python"), login("wrong"), get("/nowhere"), wrong_method];
    for (request, status) in statuses.iter().zip([200, 401, 404, 405]) {
        let response = realm.send(request);
        assert_eq!((response.status, allowed(&response)), (status, (Some(APP), Some("Origin"))));
        let exposed = header(&response, "Access-Control-Expose-Headers").unwrap();
        assert!(exposed.contains("Retry-After"), "{exposed}");
    }
}

#[test]
fn cors_rejects_origins_similar_to_an_allowed_one() {
    let realm = realm();
    for origin in [
        "https://app.example.evil",
        "http://app.example",
        "https://APP.example",
        "https://app.example:443",
        "null",
        "",
    ] {
        let response = realm.send(&Request::new("GET", "/healthz").with_header("Origin", origin));
        assert_eq!(allowed(&response), (None, Some("Origin")), "{origin}");
    }
    let two = Request::new("GET", "/healthz").with_header("Origin", APP).with_header("Origin", APP);
    assert_eq!(allowed(&realm.send(&two)), (None, Some("Origin")));
}

#[test]
fn a_cors_preflight_lists_methods_and_headers() {
    let realm = realm();
    let is_api =
        |path: &str| path.starts_with("/api") || ["/healthz", "/learn", "/openapi.json"].contains(&path);
    for (path, methods) in PATHS.into_iter().filter(|(path, _)| is_api(path)) {
        let preflight = Request::new("OPTIONS", path)
            .with_header("Origin", "http://localhost:3000")
            .with_header("Access-Control-Request-Method", "PUT");
        let response = realm.send(&preflight);
        assert_eq!((response.status, allowed(&response).0), (204, Some("http://localhost:3000")));
        assert_eq!(header(&response, "Access-Control-Allow-Methods"), Some(methods));
        let headers = header(&response, "Access-Control-Allow-Headers");
        assert_eq!(headers, Some("Authorization, Content-Type, X-Request-Id"));
    }
}

#[test]
fn csrf_protection_accepts_allowed_cors_origins_only() {
    let realm = realm();
    let registration = |origin: &str, name: &str| {
        let body = format!(r#"{{"username":"{name}","password":"python"}}"#);
        let request = json_request("POST", "/api/users", &body);
        realm.send(&request.with_header("Origin", origin).with_header("Sec-Fetch-Site", "cross-site")).status
    };
    assert_eq!(registration(APP, "ok"), 201);
    assert_eq!(registration("https://evil.example", "ko"), 403);
}

#[test]
fn forward_auth_responses_have_no_cors_headers() {
    let response = realm().send(&Request::new("OPTIONS", "/api/verify").with_header("Origin", APP));
    assert_eq!((response.status, allowed(&response)), (401, (None, None)));
}
