//! Named tokens and whoami, over HTTP.

use crate::harness::{TestRealm, basic, error, json_request, object};
use crate::process::{Server, status, written};
use gatekey::http::{AuditEvent, Request, Response};
use gatekey::json::{self, Value, json};
use gatekey::realm::{Browser, Policy};
use gatekey::session_id::SessionId;
use gatekey::store::Session;
use gatekey::user_id::UserId;
use std::time::Duration;

const DAY: u64 = 86_400;

impl TestRealm {
    fn issue_named(&self, username: &str, password: &str, body: &Value) -> Response {
        let request = json_request("POST", "/api/tokens", &body.to_string());
        self.send(&request.with_header("Authorization", basic(username, password)))
    }

    /// The id and the token of a new named token.
    fn named(&self, username: &str, password: &str) -> (String, String) {
        let issued = self.issue_named(username, password, &json!({"name": "backup", "duration": DAY}));
        assert_eq!(issued.status, 201);
        let body = object(&issued);
        (body["id"].as_str().unwrap().into(), body["token"].as_str().unwrap().into())
    }

    fn listed(&self, username: &str, password: &str) -> Vec<Value> {
        let listed = self.basic("GET", "/api/tokens", username, password);
        assert_eq!(listed.status, 200);
        object(&listed)["tokens"].as_array().unwrap().clone()
    }
}

fn realm() -> TestRealm {
    let realm = TestRealm::new();
    realm.add_user("ok", "python");
    realm
}

#[test]
fn a_named_token_is_issued_for_a_password_and_accepted_as_bearer_and_basic() {
    let realm = realm();
    let issued = realm.issue_named("ok", "python", &json!({"name": "backup", "duration": DAY}));
    assert_eq!((issued.status, issued.record.audit), (201, Some(AuditEvent::NamedTokenIssued)));
    let body = object(&issued);
    let token = body["token"].as_str().unwrap();
    let expires_at = realm.unix().seconds() + DAY;
    let id = &body["id"];
    assert!(SessionId::parse(id.as_str().unwrap()).is_some());
    let expected =
        json!({"id": id, "name": "backup", "token": token, "duration": DAY, "expires_at": expires_at});
    assert_eq!(Value::Object(body.clone()), expected);
    assert_eq!(realm.bearer("GET", "/api/resource", token).status, 200);
    assert_eq!(realm.basic("GET", "/api/resource", token, "unused").status, 200);
    assert_eq!(realm.bearer("GET", "/api/verify", token).status, 200);
    realm.advance(Duration::from_secs(DAY));
    assert_eq!(realm.bearer("GET", "/api/resource", token).status, 401);
}

#[test]
fn named_tokens_are_listed_without_the_tokens_while_they_are_live() {
    let realm = realm();
    realm.add_user("other", "anaconda");
    let now = realm.unix().seconds();
    let (id, token) = realm.named("ok", "python");
    let entry = json!({
        "id": id, "kind": "token", "name": "backup", "created_at": now, "expires_at": now + DAY, "used_at": now,
    });
    assert_eq!(realm.listed("ok", "python"), [entry]);
    assert_eq!(realm.listed("other", "anaconda"), [] as [Value; 0]);
    assert_eq!(error(&realm.bearer("GET", "/api/tokens", &token)), (401, "unauthorized".into()));
    let stateless = realm.token("ok", "python");
    assert_eq!(error(&realm.bearer("GET", "/api/tokens", &stateless)), (401, "unauthorized".into()));
    realm.advance(Duration::from_secs(DAY));
    assert_eq!(realm.listed("ok", "python"), [] as [Value; 0]);
}

#[test]
fn no_token_issues_a_named_token_and_a_named_token_issues_none() {
    let realm = realm();
    let (_, named) = realm.named("ok", "python");
    let hashes = realm.realm.hashes();
    for token in [&named, &realm.token("ok", "python")] {
        let hashes = realm.realm.hashes();
        let request = json_request("POST", "/api/tokens", r#"{"name":"x","duration":60}"#);
        let refused = realm.send(&request.with_header("Authorization", format!("Bearer {token}")));
        assert_eq!(error(&refused), (401, "unauthorized".into()));
        assert_eq!(realm.realm.hashes(), hashes, "at no cost");
    }
    assert!(realm.realm.hashes() > hashes, "the stateless one took a password");
    assert_eq!(error(&realm.bearer("GET", "/api/token", &named)), (403, "forbidden".into()));
    assert_eq!(realm.listed("ok", "python").len(), 1);
}

#[test]
fn a_named_token_ends_only_itself_and_a_password_ends_any_of_its_user() {
    let realm = realm();
    realm.add_user("other", "anaconda");
    let [(first, first_token), (second, second_token)] =
        [realm.named("ok", "python"), realm.named("ok", "python")];
    let end = |id: &str| format!("/api/tokens/{id}");
    assert_eq!(realm.bearer("DELETE", &end(&second), &first_token).status, 404);
    let others = realm.basic("DELETE", &end(&second), "other", "anaconda");
    let unknown = realm.basic("DELETE", &end("AAECAwQFBgcICQoLDA0ODw"), "other", "anaconda");
    assert_eq!((others.status, others.body), (404, unknown.body));
    let ended = realm.bearer("DELETE", &end(&first), &first_token);
    assert_eq!((ended.status, ended.record.audit), (204, Some(AuditEvent::SessionEnded)));
    assert_eq!(realm.bearer("GET", "/api/resource", &first_token).status, 401);
    assert_eq!(realm.bearer("GET", "/api/resource", &second_token).status, 200);
    assert_eq!(realm.basic("DELETE", &end(&second), "ok", "python").status, 204);
    assert_eq!(realm.bearer("GET", "/api/resource", &second_token).status, 401);
}

#[test]
fn signing_out_by_a_named_token_ends_that_one_and_by_others_all() {
    let realm = realm();
    let [(_, first), (_, second)] = [realm.named("ok", "python"), realm.named("ok", "python")];
    let stateless = realm.token("ok", "python");
    let out = realm.bearer("DELETE", "/api/token", &first);
    assert_eq!((out.status, out.record.audit), (204, Some(AuditEvent::SessionEnded)));
    let status = |token: &str| realm.bearer("GET", "/api/resource", token).status;
    assert_eq!([status(&first), status(&second), status(&stateless)], [401, 200, 200]);
    let out = realm.bearer("DELETE", "/api/token", &stateless);
    assert_eq!((out.status, out.record.audit), (204, Some(AuditEvent::SignedOut)));
    assert_eq!([status(&second), status(&stateless)], [401, 401]);
}

#[test]
fn what_is_wrong_with_a_named_token_is_said_before_any_hash() {
    let realm = realm();
    let long = "é".repeat(101);
    let hashes = realm.realm.hashes();
    for (body, code) in [
        (json!({"duration": 60}), "missing_field"),
        (json!({"name": "x"}), "missing_field"),
        (json!({"name": "x", "duration": null}), "missing_field"),
        (json!({"name": 7, "duration": 60}), "invalid_token_name"),
        (json!({"name": "", "duration": 60}), "invalid_token_name"),
        (json!({"name": "a\u{7}", "duration": 60}), "invalid_token_name"),
        (json!({"name": long, "duration": 60}), "invalid_token_name"),
        (json!({"name": "x", "duration": "60"}), "invalid_duration"),
        (json!({"name": "x", "duration": 1.5}), "invalid_duration"),
        (json!({"name": "x", "duration": -1}), "invalid_duration"),
        (json!({"name": "x", "duration": 0}), "invalid_duration"),
        (json!({"name": "x", "duration": 365 * DAY + 1}), "invalid_duration"),
        (json!({"name": "x", "duration": u64::MAX}), "invalid_duration"),
    ] {
        let refused = error(&realm.issue_named("ok", "python", &body));
        assert_eq!(refused, (400, code.into()), "{body}");
    }
    assert_eq!(realm.realm.hashes(), hashes);
    assert_eq!(realm.issue_named("ok", "python", &json!({"name": "x", "duration": 365 * DAY})).status, 201);
}

#[test]
fn a_policy_without_named_tokens_issues_none() {
    let realm = TestRealm::with_policy(Policy { max_token_lifetime: Duration::ZERO, ..Policy::default() });
    realm.add_user("ok", "python");
    let refused = realm.issue_named("ok", "python", &json!({"name": "x", "duration": 60}));
    assert_eq!(error(&refused), (403, "forbidden".into()));
}

#[test]
fn a_hundred_and_first_named_token_is_refused() {
    let realm = realm();
    for _ in 0..100 {
        realm.named("ok", "python");
    }
    let refused = realm.issue_named("ok", "python", &json!({"name": "x", "duration": 60}));
    assert_eq!(error(&refused), (400, "too_many_tokens".into()));
    assert_eq!(realm.listed("ok", "python").len(), 100);
}

#[test]
fn me_is_the_principal() {
    let realm = realm();
    let now = realm.unix().seconds();
    let me = |response: &Response| Value::Object(object(response));
    let expected = |expires_at: Option<u64>| json!({"id": 1, "username": "ok", "groups": [], "auth_time": now, "expires_at": expires_at});
    let stateless = realm.token("ok", "python");
    let (_, named) = realm.named("ok", "python");
    assert_eq!(me(&realm.basic("GET", "/api/me", "ok", "python")), expected(None));
    realm.advance(Duration::from_secs(5));
    assert_eq!(me(&realm.bearer("GET", "/api/me", &stateless)), expected(Some(now + 600)));
    assert_eq!(me(&realm.bearer("GET", "/api/me", &named)), expected(Some(now + DAY)));
}

#[test]
fn me_is_an_alias_for_ones_own_id_in_every_method() {
    let realm = realm();
    let token = realm.token("ok", "python");
    let shown = realm.bearer("GET", "/api/users/me", &token);
    assert_eq!((shown.status, shown.record.user), (200, UserId::new(1)));
    assert_eq!(object(&shown)["username"], "ok");
    assert_eq!(error(&realm.send(&Request::new("GET", "/api/users/me"))), (401, "unauthorized".into()));
    let change = json_request("PUT", "/api/users/me", r#"{"password":"anaconda"}"#);
    let by_token = change.clone().with_header("Authorization", format!("Bearer {token}"));
    assert_eq!(error(&realm.send(&by_token)), (401, "unauthorized".into()));
    let changed = realm.send(&change.with_header("Authorization", basic("ok", "python")));
    assert_eq!((changed.status, changed.record.user), (204, UserId::new(1)));
    let deleted = realm.basic("DELETE", "/api/users/me", "ok", "anaconda");
    assert_eq!((deleted.status, deleted.record.user), (204, UserId::new(1)));
    assert_eq!(realm.basic("GET", "/api/me", "ok", "anaconda").status, 401);
}

#[test]
fn the_users_id_comes_with_the_token_and_the_registration() {
    let realm = TestRealm::new();
    assert_eq!(object(&realm.register("ok", "python"))["id"], 1);
    assert_eq!(object(&realm.basic("GET", "/api/token", "ok", "python"))["id"], 1);
}

#[test]
fn a_signed_in_browser_is_listed_and_ended_like_a_named_token() {
    let realm = realm();
    let password = gatekey::secret::Secret::new("python".into());
    let client = gatekey::client::Client::Local;
    let browser = Browser { name: "Firefox <b>", lifetime: Duration::MAX };
    let browser = realm.realm.sign_in("ok", &password, client, browser, realm.now()).unwrap();
    let listed = realm.listed("ok", "python");
    assert_eq!((&listed[0]["kind"], &listed[0]["name"]), (&json!("browser"), &json!("Firefox <b>")));
    let refused = realm.bearer("GET", "/api/resource", browser.token.expose());
    assert_eq!(error(&refused), (401, "unauthorized".into()), "a cookie's value is no bearer token");
    let end = format!("/api/tokens/{}", browser.id);
    assert_eq!(realm.basic("DELETE", &end, "ok", "python").status, 204);
    let left: Vec<Session> = realm.realm.list_sessions(UserId::new(1).unwrap(), realm.now()).unwrap();
    assert_eq!(left, []);
}

#[test]
fn an_administrator_issues_lists_and_revokes_named_tokens_by_command() {
    let server = Server::start(&[]);
    assert_eq!(status(&server.register("ok", "python")), 201);
    let run = |words: &[&str]| written(&server.command(words, ""));
    let good = |token: &str| {
        let authorization = format!("Authorization: Bearer {}", token.trim());
        status(&server.request("GET /api/resource", &[&authorization], "")) == 200
    };
    let issue = |lifetime: &str| run(&["token", "issue", "ok", "--name", "backup", "--lifetime", lifetime]);
    let (code, token, _) = issue("90d");
    assert_eq!((code, good(&token)), (Some(0), true));
    let refused = "gatekey: can't issue a token: the token's lifetime must be 1 to 31536000 seconds (--max-token-lifetime)\n";
    assert_eq!(issue("366d"), (Some(1), String::new(), refused.into()));
    for half in [["--name", "backup"], ["--lifetime", "90d"]] {
        let (code, out, message) = run(&["token", "issue", "ok", half[0], half[1]]);
        assert_eq!((code, out.as_str()), (Some(2), ""));
        assert!(message.contains("--name and --lifetime go together"), "{message}");
    }

    let (_, listed, _) = run(&["token", "list", "ok", "--json"]);
    let listed: Value = Value::Array(
        json::parse_object(format!(r#"{{"list":{listed}}}"#).as_bytes()).unwrap()["list"]
            .as_array()
            .unwrap()
            .clone(),
    );
    assert_eq!((&listed[0]["kind"], &listed[0]["name"]), (&json!("token"), &json!("backup")));
    let id = listed[0]["id"].as_str().unwrap();
    let (_, table, _) = run(&["token", "list", "ok"]);
    let cells: Vec<_> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!((cells[0], cells[1], cells[5]), (id, "token", "backup"));
    let (_, inspected, _) = written(&server.command(&["token", "inspect"], &token));
    assert!(inspected.contains(r#""state":"active""#), "{inspected}");

    assert_eq!(
        run(&["token", "revoke", "ok", id]),
        (Some(0), format!("revoked {id} of \"ok\"\n"), String::new())
    );
    assert!(!good(&token));
    let (_, inspected, _) = written(&server.command(&["token", "inspect"], &token));
    assert!(inspected.contains(r#""state":"revoked""#), "{inspected}");
    for unknown in [id, "nonsense"] {
        let (code, _, message) = run(&["token", "revoke", "ok", unknown]);
        assert_eq!(code, Some(1));
        assert!(message.contains("has no named token or browser session"), "{message}");
    }
}

#[test]
fn a_key_is_held_back_by_a_named_token_and_dropped_with_all_sessions_if_it_is_compromised() {
    let server = Server::start(&[]);
    assert_eq!(status(&server.register("ok", "python")), 201);
    let run = |words: &[&str]| written(&server.command(words, ""));
    assert_eq!(run(&["token", "issue", "ok", "--name", "backup", "--lifetime", "90d"]).0, Some(0));
    assert_eq!(run(&["key", "rotate"]).0, Some(0));
    let (_, listed, _) = run(&["key", "list"]);
    assert!(listed.lines().nth(1).unwrap().ends_with("1 live session"), "{listed}");
    let (code, _, message) = run(&["key", "prune"]);
    assert_eq!(code, Some(1));
    assert!(message.contains(": 1 live session"), "{message}");
    assert_eq!(run(&["key", "rotate", "--compromised"]).0, Some(0));
    assert_eq!(run(&["token", "list", "ok", "--json"]).1, "[]\n");
}

#[test]
fn a_shorter_max_token_lifetime_ends_older_named_tokens() {
    let realm = realm();
    let (_, token) = realm.named("ok", "python");
    assert_eq!(realm.bearer("GET", "/api/resource", &token).status, 200);
    let data = realm.directory.path().to_owned();
    let server = Server::start_in(data, &["--max-token-lifetime", "0"]);
    let authorization = format!("Authorization: Bearer {token}");
    assert_eq!(status(&server.request("GET /api/resource", &[&authorization], "")), 401);
}
