//! `POST /api/users`: registration, and every rejection.

use super::headers;
use crate::harness::{TestRealm, error, header, json_request, object, text};
use gatekey::http::{Body, Request, Response};
use gatekey::json::json;
use gatekey::realm::{Policy, Registration};
use gatekey::routes::{Config, PublicUrl};
use gatekey::secret::Secret;

fn post(realm: &TestRealm, body: &str) -> Response {
    realm.send(&json_request("POST", "/api/users", body))
}

#[track_caller]
fn assert_error(response: &Response, status: u16, code: &str) {
    assert_eq!(error(response), (status, code.into()));
}

#[test]
fn registering_is_201_with_the_name_and_the_users_url() {
    let realm = TestRealm::new();
    let response = realm.register("ok", "python");
    assert_eq!((response.status, text(&response)), (201, r#"{"id":1,"username":"ok"}"#));
    let expected = [("Content-Type", "application/json"), ("Location", "/api/users/1")];
    assert_eq!(headers(&response), expected);
    let user = realm.send(&Request::new("GET", header(&response, "Location").unwrap()));
    assert_eq!((user.status, text(&user)), (200, r#"{"username":"ok"}"#));
    assert_eq!(header(&realm.register("next", "python"), "Location"), Some("/api/users/2"));
}

#[test]
fn members_beyond_the_two_are_ignored() {
    let realm = TestRealm::new();
    let body = r#"{"id":7,"username":"ok","password":"python","disabled":true,"generation":9,"x":{"y":[1]}}"#;
    let response = post(&realm, body);
    assert_eq!((response.status, header(&response, "Location")), (201, Some("/api/users/1")));
    assert_eq!(realm.basic("GET", "/api/resource", "ok", "python").status, 200);
}

#[test]
fn location_uses_the_public_url_or_a_valid_host_or_a_relative_path() {
    let public = || Some(PublicUrl::parse("https://auth.example.org/login/").unwrap());
    for (public_url, hosts, location) in [
        (None, vec![], "/api/users/1"),
        (None, vec!["localhost:5000"], "http://localhost:5000/api/users/1"),
        (None, vec!["[::1]:5000"], "http://[::1]:5000/api/users/1"),
        (None, vec!["under_score"], "http://under_score/api/users/1"),
        (None, vec![""], "/api/users/1"),
        (None, vec!["a b"], "/api/users/1"),
        (None, vec!["evil.example/x?"], "/api/users/1"),
        (None, vec!["user@evil.example"], "/api/users/1"),
        (None, vec!["a\r\nSet-Cookie: x=y"], "/api/users/1"),
        (None, vec!["a:b"], "/api/users/1"),
        (None, vec!["a", "b"], "/api/users/1"),
        (public(), vec![], "https://auth.example.org/login/api/users/1"),
        (public(), vec!["evil.example"], "https://auth.example.org/login/api/users/1"),
    ] {
        let realm = TestRealm::with_config(Config { public_url, ..Config::default() });
        let mut request = json_request("POST", "/api/users", r#"{"username":"ok","password":"python"}"#);
        for host in &hosts {
            request = request.with_header("Host", host);
        }
        // Forwarding headers are a client's claim until a proxy is trusted.
        request =
            request.with_header("X-Forwarded-Host", "evil.example").with_header("X-Forwarded-Proto", "https");
        let response = realm.send(&request);
        assert_eq!(header(&response, "Location"), Some(location), "{hosts:?}");
    }
}

#[test]
fn a_member_that_is_missing_or_null_is_missing() {
    let realm = TestRealm::new();
    for (body, missing) in [
        ("{}", "username"),
        (r#"{"password":"python"}"#, "username"),
        (r#"{"username":null,"password":"python"}"#, "username"),
        (r#"{"Username":"ok","password":"python"}"#, "username"),
        (r#"{"username":"ok"}"#, "password"),
        (r#"{"username":"ok","password":null}"#, "password"),
    ] {
        let expected = json!({"error":"missing_field","message":format!("\"{missing}\" is missing or null; send it as a string.")});
        let response = post(&realm, body);
        assert_eq!((response.status, text(&response)), (400, expected.to_string().as_str()), "{body}");
    }
}

#[test]
fn a_member_that_is_no_string_is_invalid() {
    let realm = TestRealm::new();
    for value in ["5", "1.5", "true", "false", "[]", r#"["ok"]"#, "{}", r#"{"a":"ok"}"#] {
        let body = format!(r#"{{"username":{value},"password":"python"}}"#);
        assert_error(&post(&realm, &body), 400, "invalid_username");
        let body = format!(r#"{{"username":"ok","password":{value}}}"#);
        assert_error(&post(&realm, &body), 400, "invalid_password");
    }
    assert_eq!(realm.realm.hashes(), 0);
}

#[test]
fn a_username_has_1_to_64_visible_characters_without_colons() {
    let realm = TestRealm::new();
    let too_long = "ü".repeat(65);
    for name in [
        "",
        ":",
        "a:b",
        " a",
        "a ",
        "\u{a0}a",
        "a\u{3000}",
        "a\tb",
        "a\nb",
        "a\u{0}",
        "a\u{7f}",
        "a\u{85}b",
        "a\u{ad}b",
        "a\u{200b}b",
        "a\u{200d}b",
        "a\u{202e}b",
        "a\u{2028}b",
        "a\u{2029}b",
        "\u{feff}a",
        &too_long,
    ] {
        assert_error(&realm.register(name, "python"), 400, "invalid_username");
    }
    let longest = "ü".repeat(64);
    for name in ["a", "5", "a b", "<b>&'\"/", "josé☃", "😀", "../..", "%00", &longest] {
        let response = realm.register(name, "python");
        assert_eq!((response.status, &object(&response)["username"]), (201, &json!(name)), "{name}");
        assert_eq!(realm.basic("GET", "/api/resource", name, "python").status, 200, "{name}");
    }
}

#[test]
fn a_password_is_1_to_1024_bytes_of_utf_8() {
    let realm = TestRealm::new();
    let ascii = "p".repeat(1024);
    let wide = "é".repeat(512);
    for (name, longest) in [("ascii", &ascii), ("wide", &wide)] {
        assert_error(&realm.register(name, &format!("{longest}p")), 400, "invalid_password");
        assert_eq!(realm.register(name, longest).status, 201, "{name}");
        assert_eq!(realm.basic("GET", "/api/resource", name, longest).status, 200, "{name}");
        assert_eq!(realm.basic("GET", "/api/resource", name, &format!("{longest}p")).status, 401, "{name}");
    }
    assert_error(&realm.register("empty", ""), 400, "invalid_password");
    assert_eq!(realm.register("one", "p").status, 201);
}

/// HMAC pads its key with NULs, so scrypt can't tell a password from the same with a NUL behind it.
#[test]
fn a_password_does_not_end_in_a_nul() {
    let realm = TestRealm::new();
    let body = r#"{"error":"invalid_password","message":"The password ends in a NUL character; send one that doesn't."}"#;
    for password in ["python\0", "python\0\0", "\0"] {
        let refused = realm.register("ok", password);
        assert_eq!((refused.status, text(&refused)), (400, body));
    }
    realm.add_user("ok", "python");
    assert_eq!(realm.basic("GET", "/api/resource", "ok", "python\0").status, 401);
    assert_eq!(realm.basic("GET", "/api/resource", "ok", "python").status, 200);
}

#[test]
fn a_password_is_compared_exactly_but_for_its_normalization_form() {
    let realm = TestRealm::new();
    realm.add_user("ok", " Pass:wörd\u{0} ");
    assert_eq!(realm.basic("GET", "/api/resource", "ok", " Pass:wörd\u{0} ").status, 200);
    for other in ["Pass:wörd\u{0}", " pass:wörd\u{0} ", " Pass:word\u{0} ", " Pass", " Pass:wörd"] {
        assert_eq!(realm.basic("GET", "/api/resource", "ok", other).status, 401, "{other:?}");
    }
}

#[test]
fn a_password_equal_to_the_username_is_rejected() {
    let realm = TestRealm::new();
    let response = realm.register("python", "python");
    let body = r#"{"error":"invalid_password","message":"The password is the user name; send another one."}"#;
    assert_eq!((response.status, text(&response)), (400, body));
    assert_eq!(realm.register("python", "Python").status, 201, "equal means equal");
}

#[test]
fn the_minimum_password_length_counts_characters() {
    let realm = TestRealm::with_policy(Policy { min_password_chars: 8, ..Policy::default() });
    let response = realm.register("ok", "7éééééé");
    let body =
        r#"{"error":"invalid_password","message":"The password is too short; send at least 8 characters."}"#;
    assert_eq!((response.status, text(&response)), (400, body));
    assert_eq!(realm.register("ok", "8ééééééé").status, 201);
    let change = json_request("PUT", "/api/users/1", r#"{"password":"7éééééé"}"#);
    assert_error(&realm.send(&change), 400, "invalid_password");
}

#[test]
fn a_username_is_taken_by_a_confusable_one() {
    let realm = TestRealm::new();
    realm.add_user("Admin", "python");
    realm.add_user("Straße", "python");
    for name in ["Admin", "admin", "ADMIN", "ａｄｍｉｎ", "Ａdmin", "STRAßE"] {
        let response = realm.register(name, "ruby");
        let body = r#"{"error":"username_taken","message":"A user with this name, or one that looks the same, exists; choose another one."}"#;
        assert_eq!((response.status, text(&response)), (400, body), "{name}");
    }
    assert_eq!(realm.basic("GET", "/api/resource", "Admin", "python").status, 200);
    assert_eq!(realm.basic("GET", "/api/resource", "admin", "python").status, 401, "logging in is exact");
    assert_eq!(realm.register("admin2", "python").status, 201);
}

#[test]
fn concurrent_registrations_of_one_name_create_one_user() {
    let test = TestRealm::new();
    let (realm, now) = (&test.realm, test.now());
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let sends: Vec<_> = ["admin", "Admin", "ADMIN", "ａｄｍｉｎ"]
            .into_iter()
            .map(|name| {
                let body = json!({"username": name, "password": "python"}).to_string();
                let request = json_request("POST", "/api/users", &body);
                scope.spawn(move || crate::harness::dispatch(realm, &request, now).status)
            })
            .collect();
        sends.into_iter().map(|send| send.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 3, "{statuses:?}");
}

#[test]
fn a_body_other_than_one_json_object_without_duplicates_is_malformed() {
    let realm = TestRealm::new();
    let nested = |depth: usize| {
        format!(r#"{{"username":"ok","password":"python","x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth))
    };
    let deep = nested(16);
    let brackets = "[".repeat(gatekey::http::MAX_BODY_BYTES);
    for body in [
        "",
        " ",
        "{",
        "null",
        "5",
        "\"ok\"",
        "[]",
        r#"[{"username":"ok","password":"python"}]"#,
        r#"{"username":"ok","password":"python"} x"#,
        r#"{"username":"ok","password":"python",}"#,
        "{'username':'ok','password':'python'}",
        r#"{"username":"ok","username":"ok","password":"python"}"#,
        r#"{"username":"ok","user\u006eame":"ko","password":"python"}"#,
        r#"{"username":"ok","password":"python","x":{"y":1,"y":1}}"#,
        r#"{"username":"\ud800","password":"python"}"#,
        "\u{feff}{\"username\":\"ok\",\"password\":\"python\"}",
        "username=ok&password=python",
        &deep,
        &brackets,
    ] {
        assert_error(&post(&realm, body), 400, "malformed_json");
    }
    let not_utf8 = Body::Complete(b"{\"username\":\"\xff\",\"password\":\"python\"}".to_vec());
    assert_error(
        &realm.send(&json_request("POST", "/api/users", "").with_body(not_utf8)),
        400,
        "malformed_json",
    );
    assert_eq!(post(&realm, &nested(15)).status, 201, "15 arrays in an object are 16 levels");
}

#[test]
fn a_body_over_the_limit_is_413_on_every_route() {
    let realm = TestRealm::new();
    let large = |method, path| Request::new(method, path).with_body(Body::TooLarge { max_bytes: 5_000 });
    let response = realm.send(&large("POST", "/api/users"));
    let body =
        r#"{"error":"payload_too_large","message":"The body is over 5000 bytes long; send a shorter one."}"#;
    assert_eq!((response.status, text(&response)), (413, body));
    assert_error(&realm.send(&large("PUT", "/api/users/1")), 413, "payload_too_large");
    assert_error(&realm.send(&large("POST", "/api/nothing")), 404, "not_found");
    assert_error(&realm.send(&large("PATCH", "/api/users")), 405, "method_not_allowed");
    let foreign = large("POST", "/api/users").with_header("Sec-Fetch-Site", "cross-site");
    assert_error(&realm.send(&foreign), 403, "cross_site");
}

#[test]
fn a_body_not_declared_as_json_is_415() {
    let realm = TestRealm::new();
    let body = br#"{"username":"ok","password":"python"}"#;
    let send = |media_types: &[&str]| {
        let mut request = Request::new("POST", "/api/users").with_body(Body::Complete(body.to_vec()));
        for media_type in media_types {
            request = request.with_header("Content-Type", media_type);
        }
        realm.send(&request)
    };
    for refused in [
        &[][..],
        &[""],
        &["text/json"],
        &["application/x-www-form-urlencoded"],
        &["text/plain; a=application/json"],
        &["application/json", "application/json"],
    ] {
        assert_error(&send(refused), 415, "unsupported_media_type");
    }
    for media_type in ["application/json", "Application/JSON ; charset=utf-8", "application/vnd.api+json"] {
        let response = send(&[media_type]);
        assert_eq!(response.status, 201, "{media_type}");
        let user = realm.realm.find_user_by_name("ok").unwrap().unwrap();
        realm.realm.delete_user(user.id).unwrap();
    }
}

#[test]
fn closed_registration_is_403_before_the_body_is_checked() {
    let realm = TestRealm::with_policy(Policy { registration: Registration::Closed, ..Policy::default() });
    realm.realm.add_user("ok", &Secret::new("python".into()), realm.unix()).unwrap();
    let hashes = realm.realm.hashes();
    let body = r#"{"error":"registration_closed","message":"Registration is closed; ask the operator for an account."}"#;
    for request in [
        json_request("POST", "/api/users", r#"{"username":"free","password":"python"}"#),
        json_request("POST", "/api/users", r#"{"username":"ok","password":"python"}"#),
        json_request("POST", "/api/users", r#"{"username":"a:b","password":""}"#),
        json_request("POST", "/api/users", "{"),
        Request::new("POST", "/api/users"),
        Request::new("POST", "/api/users").with_body(Body::TooLarge { max_bytes: 1024 }),
    ] {
        let response = realm.send(&request);
        assert_eq!((response.status, text(&response)), (403, body));
        assert_eq!(headers(&response), [("Content-Type", "application/json")]);
    }
    assert_eq!(realm.realm.hashes(), hashes);
    assert_eq!(realm.send(&Request::new("OPTIONS", "/api/users")).status, 204);
    assert_eq!(realm.basic("GET", "/api/resource", "ok", "python").status, 200, "who is in stays in");
}
