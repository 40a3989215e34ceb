//! Administrators: what they do by the API, and that one remains, whatever a user of the API and the pages does.

use crate::harness::{TestRealm, basic, error, json_request, object};
use crate::process::{Server, written};
use gatekey::client::Client;
use gatekey::group_name::GroupName;
use gatekey::http::{AuditEvent, Request, Response};
use gatekey::json::{Value, json};
use gatekey::realm::{Browser, Policy, Registration};
use gatekey::routes::{Config, Origin, PublicUrl, SignInPages};
use gatekey::secret::Secret;
use gatekey::store::Reads;
use gatekey::user_id::UserId;
use std::time::Duration;

fn make_administrator(realm: &TestRealm, name: &str) {
    let id = realm.realm.find_user_by_name(name).unwrap().unwrap().id;
    assert!(realm.realm.add_to_group(id, &GroupName::parse("admin").unwrap()).unwrap());
}

#[test]
fn the_last_administrator_can_not_delete_the_own_account() {
    let realm = TestRealm::new();
    let user = realm.add_user("ok", "python");
    realm.add_user("other", "python");
    make_administrator(&realm, "ok");
    for path in [user.as_str(), "/api/users/me"] {
        let refused = realm.basic("DELETE", path, "ok", "python");
        assert_eq!(error(&refused), (403, "forbidden".into()), "{path}");
        assert_eq!(refused.record.audit, None);
    }
    assert_eq!(error(&realm.basic("DELETE", &user, "ok", "wrong")), (401, "unauthorized".into()));
    make_administrator(&realm, "other");
    assert_eq!(realm.basic("DELETE", &user, "ok", "python").status, 204);
}

#[test]
fn the_command_line_removes_the_last_administrator_after_a_warning() {
    let server = Server::start(&[]);
    let user = |words: &[&str]| written(&server.command(&[&["user"], words].concat(), ""));
    let warning = "this is the last administrator";
    server.register("alice", "python");
    server.register("bob", "python");
    for removal in [&["group", "remove", "alice", "admin"][..], &["disable", "alice"], &["delete", "alice"]] {
        user(&["enable", "alice"]);
        assert_eq!(user(&["group", "add", "alice", "admin"]).0, Some(0));
        let (code, _, complaint) = user(removal);
        assert!(code == Some(0) && complaint.contains(warning), "{removal:?}: {complaint}");
    }
    user(&["group", "add", "bob", "admin"]);
    let (code, _, complaint) = user(&["group", "remove", "bob", "staff"]);
    assert!(code == Some(1) && !complaint.contains(warning), "{complaint}");
}

/// A realm with the administrator `root`, who has the id 1, and the user `ok`, who has the id 2.
fn realm() -> TestRealm {
    let app = Origin::parse("https://app.example.org").unwrap();
    let realm = TestRealm::with_config(Config { cors_origins: [app].into(), ..Config::default() });
    realm.add_user("root", "python");
    realm.add_user("ok", "python");
    make_administrator(&realm, "root");
    realm
}

fn patch(realm: &TestRealm, authorization: &str, path: &str, body: &str) -> Response {
    realm.send(&json_request("PATCH", path, body).with_header("Authorization", authorization))
}

#[test]
fn an_administrator_disables_and_groups_users_from_the_next_request_on() {
    let realm = realm();
    let token = realm.token("ok", "python");
    let root = basic("root", "python");
    let check = || realm.bearer("GET", "/api/verify?group=staff", &token).status;
    let changed = patch(&realm, &root, "/api/users/2", r#"{"groups_add":["staff"]}"#);
    assert_eq!((changed.status, check()), (204, 200));
    let ids = (changed.record.user, changed.record.target);
    assert_eq!(ids, (UserId::new(1), UserId::new(2)));
    assert_eq!(changed.record.audit, Some(AuditEvent::ChangedByAdministrator));
    assert_eq!(patch(&realm, &root, "/api/users/2", "{}").status, 204);
    assert_eq!(check(), 200, "absent members change nothing");
    patch(&realm, &root, "/api/users/2", r#"{"groups_remove":["staff"]}"#);
    assert_eq!(check(), 403);
    patch(&realm, &root, "/api/users/2", r#"{"disabled":true}"#);
    assert_eq!((check(), realm.basic("GET", "/api/me", "ok", "python").status), (401, 401));
    patch(&realm, &root, "/api/users/2", r#"{"disabled":false}"#);
    assert_eq!((check(), realm.basic("GET", "/api/me", "ok", "python").status), (401, 200));
    let deleted = realm.basic("DELETE", "/api/users/2", "root", "python");
    assert_eq!((deleted.status, deleted.record.audit), (204, Some(AuditEvent::DeletedByAdministrator)));
    assert_eq!(realm.basic("GET", "/api/me", "ok", "python").status, 401);
    assert_eq!(error(&realm.basic("DELETE", "/api/users/2", "root", "python")), (404, "not_found".into()));
    for body in [r#"{"disabled":true}"#, r#"{"groups_remove":["admin"]}"#] {
        assert_eq!(error(&patch(&realm, &root, "/api/users/me", body)), (403, "forbidden".into()));
    }
}

#[test]
fn invalid_changes_are_400_and_change_nothing() {
    let realm = realm();
    for body in [
        r#"{"disabled":null}"#,
        r#"{"disabled":1}"#,
        r#"{"groups_add":null}"#,
        r#"{"groups_add":"staff"}"#,
        r#"{"groups_add":["Staff"]}"#,
        r#"{"groups_add":[1]}"#,
        r#"{"groups_add":["a"],"groups_remove":["a"]}"#,
        r#"{"disabled":true,"password":"x"}"#,
    ] {
        let refused = patch(&realm, &basic("root", "python"), "/api/users/2", body);
        assert_eq!(error(&refused), (400, "malformed_request".into()), "{body}");
    }
    let names: Vec<_> = (0..33).map(|number| format!("\"g{number}\"")).collect();
    let body = format!(r#"{{"disabled":true,"groups_add":[{}]}}"#, names.join(","));
    let refused = patch(&realm, &basic("root", "python"), "/api/users/2", &body);
    assert_eq!(error(&refused), (400, "malformed_request".into()));
    assert_eq!(realm.basic("GET", "/api/me", "ok", "python").status, 200);
    assert!(realm.realm.groups_of(UserId::new(2).unwrap(), Reads::PerCall).unwrap().is_empty());
}

#[test]
fn only_an_administrators_password_administers_and_never_from_another_site() {
    let realm = realm();
    realm.add_user("other", "python");
    let token = realm.token("root", "python");
    let administer = [("PATCH", r#"{"disabled":true}"#), ("DELETE", "")];
    for (method, body) in administer {
        for path in ["/api/users/3", "/api/users/99"] {
            let send = |authorization: &str| {
                realm.send(&json_request(method, path, body).with_header("Authorization", authorization))
            };
            assert_eq!(error(&send(&basic("ok", "python"))), (403, "forbidden".into()), "{method} {path}");
            for authorization in [basic(&token, ""), format!("Bearer {token}"), basic("root", "wrong")] {
                assert_eq!(error(&send(&authorization)), (401, "unauthorized".into()), "{method} {path}");
            }
            for origin in ["https://app.example.org", "https://evil.example"] {
                let request: Request = json_request(method, path, body).with_header("Origin", origin);
                let answer = realm.send(&request.with_header("Authorization", basic("root", "python")));
                assert_eq!(answer.status, 403, "{method} {path} {origin}");
            }
        }
    }
    assert_eq!(realm.basic("GET", "/api/me", "other", "python").status, 200);
}

#[test]
fn the_audit_event_has_actor_target_and_proof() {
    let server = Server::start(&[]);
    server.register("root", "python");
    server.register("ok", "python");
    server.command(&["user", "group", "add", "root", "admin"], "");
    let authorization = format!("Authorization: {}", basic("root", "python"));
    server.request("PATCH /api/users/2", &[&authorization], r#"{"disabled":true}"#);
    server.request("DELETE /api/users/2", &[&authorization], "");
    let (_, log) = server.stop();
    for event in ["administered by password", "deleted by password"] {
        let line = log.lines().find(|line| line.contains(event)).unwrap_or_else(|| panic!("{log}"));
        assert!(line.contains("user=1 target=2 "), "{line}");
    }
}

#[test]
fn an_administrator_pages_through_all_users() {
    let realm = realm();
    realm.add_user("third", "python");
    realm.realm.set_disabled(UserId::new(2).unwrap(), true).unwrap();
    let list = |query: &str| {
        let answer = realm.basic("GET", &format!("/api/users{query}"), "root", "python");
        assert_eq!(answer.status, 200, "{query}");
        let body = body_of(&answer);
        let ids: Vec<_> = body["users"].as_array().unwrap().iter().map(|user| user["id"].clone()).collect();
        (ids, body["next"].clone(), body)
    };
    let (ids, next, body) = list("");
    assert_eq!((ids, next), (vec![json!(1), json!(2), json!(3)], json!(null)));
    let (first, second) = (&body["users"][0], &body["users"][1]);
    assert_eq!((&first["groups"], &first["disabled"]), (&json!(["admin"]), &json!(false)));
    assert_eq!((&second["username"], &second["disabled"]), (&json!("ok"), &json!(true)));
    for (query, ids, next) in [
        ("?limit=2", vec![1, 2], json!(2)),
        ("?after=2&limit=2", vec![3], json!(null)),
        ("?limit=1&after=2", vec![3], json!(3)),
        ("?after=3", vec![], json!(null)),
    ] {
        let (found, following, _) = list(query);
        assert_eq!((found, following), (ids.into_iter().map(|id| json!(id)).collect(), next), "{query}");
    }
    for query in ["?limit=0", "?limit=1001", "?limit=x", "?after=0", "?after=", "?page=2", "?limit=1&limit=1"]
    {
        let refused = realm.basic("GET", &format!("/api/users{query}"), "root", "python");
        assert_eq!(error(&refused), (400, "malformed_request".into()), "{query}");
    }
}

fn body_of(response: &Response) -> Value {
    Value::Object(object(response))
}

/// A realm as [`realm`], with sign-in pages.
fn realm_with_pages() -> TestRealm {
    let url = PublicUrl::parse("https://auth.example.org").unwrap();
    let pages = SignInPages::new(&url, "Example").unwrap();
    let config = Config { public_url: Some(url), sign_in_pages: Some(pages), ..Config::default() };
    let realm = TestRealm::with_config(config);
    realm.add_user("root", "python");
    realm.add_user("ok", "python");
    make_administrator(&realm, "root");
    realm
}

#[test]
fn an_administrators_link_sets_a_password_and_ends_older_links() {
    let realm = realm_with_pages();
    let make = || {
        let made = realm.basic("POST", "/api/users/2/link", "root", "python");
        assert_eq!((made.status, made.record.audit), (201, Some(AuditEvent::LinkMade)));
        assert_eq!((made.record.user, made.record.target), (UserId::new(1), UserId::new(2)));
        let body = body_of(&made);
        assert!(body["expires_at"].as_u64().unwrap() > realm.unix().seconds());
        let link = body["link"].as_str().unwrap().to_owned();
        link.strip_prefix("https://auth.example.org/set-password?token=").unwrap().to_owned()
    };
    let (older, newer) = (make(), make());
    let check = |token: &str| realm.realm.check_link(token, Reads::PerCall, realm.now());
    assert_eq!(check(&newer).unwrap(), "ok");
    check(&older).unwrap_err();
    assert_eq!(
        error(&realm.basic("POST", "/api/users/99/link", "root", "python")),
        (404, "not_found".into())
    );
    realm.realm.set_disabled(UserId::new(2).unwrap(), true).unwrap();
    assert_eq!(error(&realm.basic("POST", "/api/users/2/link", "root", "python")), (403, "forbidden".into()));
    check(&newer).unwrap_err();
}

#[test]
fn links_need_the_sign_in_pages() {
    assert_eq!(
        error(&realm().basic("POST", "/api/users/2/link", "root", "python")),
        (404, "not_found".into())
    );
}

#[test]
fn only_an_administrators_password_lists_users_and_makes_links() {
    let realm = realm_with_pages();
    let (own, token) = (realm.token("ok", "python"), realm.token("root", "python"));
    for (method, path) in
        [("GET", "/api/users"), ("POST", "/api/users/2/link"), ("POST", "/api/users/99/link")]
    {
        let send = |authorization: &str| {
            realm.send(&Request::new(method, path).with_header("Authorization", authorization))
        };
        assert_eq!(error(&realm.send(&Request::new(method, path))), (401, "unauthorized".into()));
        assert_eq!(error(&send(&basic("ok", "python"))), (403, "forbidden".into()), "{method} {path}");
        for authorization in
            [format!("Bearer {own}"), format!("Bearer {token}"), basic(&token, ""), basic("root", "wrong")]
        {
            assert_eq!(error(&send(&authorization)), (401, "unauthorized".into()), "{method} {path}");
        }
    }
    let realm = self::realm();
    for path in ["/api/users", "/api/users/2/link"] {
        let method = if path == "/api/users" { "GET" } else { "POST" };
        let request = Request::new(method, path).with_header("Origin", "https://app.example.org");
        let refused = realm.send(&request.with_header("Authorization", basic("root", "python")));
        assert_eq!(error(&refused), (403, "cross_site".into()), "{path}");
    }
}

#[test]
fn while_registration_is_closed_an_administrator_adds_users() {
    let realm = TestRealm::with_policy(Policy { registration: Registration::Closed, ..Policy::default() });
    for name in ["root", "ok"] {
        realm.realm.add_user(name, &Secret::new("python".into()), realm.unix()).unwrap();
    }
    make_administrator(&realm, "root");
    let post = |authorization: Option<String>| {
        let request = json_request("POST", "/api/users", r#"{"username":"new","password":"python"}"#);
        realm.send(&match authorization {
            Some(authorization) => request.with_header("Authorization", authorization),
            None => request,
        })
    };
    let token = realm.token("root", "python");
    assert_eq!(error(&post(None)), (403, "registration_closed".into()));
    assert_eq!(error(&post(Some(basic("ok", "python")))), (403, "forbidden".into()));
    for authorization in [basic("root", "wrong"), format!("Bearer {token}"), basic(&token, "")] {
        assert_eq!(error(&post(Some(authorization))), (401, "unauthorized".into()));
    }
    let added = post(Some(basic("root", "python")));
    assert_eq!((added.status, added.record.audit), (201, Some(AuditEvent::AddedByAdministrator)));
    assert_eq!((added.record.user, added.record.target), (UserId::new(1), UserId::new(3)));
    assert_eq!(added.header("Location"), Some("/api/users/3"));
    assert_eq!(realm.basic("GET", "/api/me", "new", "python").status, 200);
    assert_eq!(error(&post(Some(basic("root", "python")))), (400, "username_taken".into()));
}

/// Guarded apps and pages of other sites can make a browser send cookies.
#[test]
fn a_signed_in_browser_administers_nothing_by_its_cookie() {
    let realm = realm_with_pages();
    let browser = Browser { name: "Firefox", lifetime: Duration::MAX };
    let password = Secret::new("python".into());
    let session = realm.realm.sign_in("root", &password, Client::Local, browser, realm.now()).unwrap();
    let cookie = format!("__Host-gatekey={}", session.token.expose());
    let me = Request::new("GET", "/api/me").with_header("Cookie", cookie.as_str());
    assert_eq!(realm.send(&me).status, 200, "the cookie is good");
    for (method, path, body) in [
        ("GET", "/api/users", ""),
        ("POST", "/api/users/2/link", ""),
        ("PATCH", "/api/users/2", r#"{"disabled":true}"#),
        ("DELETE", "/api/users/2", ""),
    ] {
        let request = json_request(method, path, body).with_header("Cookie", cookie.as_str());
        assert_eq!(error(&realm.send(&request)), (401, "unauthorized".into()), "{method} {path}");
        let token = request.with_header("Authorization", format!("Bearer {}", session.token.expose()));
        assert_eq!(error(&realm.send(&token)), (401, "unauthorized".into()), "{method} {path}");
    }
    assert!(!realm.realm.find_user_by_id(UserId::new(2).unwrap(), Reads::PerCall).unwrap().unwrap().disabled);
}
