//! Administrators: one remains, whatever a user of the API and the pages does.

use crate::harness::{TestRealm, basic, error, json_request};
use crate::process::{Server, written};
use gatekey::group_name::GroupName;
use gatekey::http::{AuditEvent, Request, Response};
use gatekey::routes::{Config, Origin};
use gatekey::store::Reads;
use gatekey::user_id::UserId;

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
