//! Groups: the commands, the conditions of guards, and what they cost a check that asks for none.

use crate::harness::{TestRealm, basic, error, header, object, text};
use crate::process::{Server, body, run, status, written};
use gatekey::group_name::GroupName;
use gatekey::http::{Request, Response};

fn group(name: &str) -> GroupName {
    GroupName::parse(name).unwrap()
}

/// A realm with `ok`, who is in `staff` and `users`, and `other`, who is in no group.
fn realm() -> TestRealm {
    let realm = TestRealm::new();
    realm.add_user("ok", "python");
    realm.add_user("other", "python");
    let user = realm.realm.find_user_by_name("ok").unwrap().unwrap().id;
    for name in ["users", "staff"] {
        assert!(realm.realm.add_to_group(user, &group(name)).unwrap());
    }
    realm
}

fn verify(realm: &TestRealm, target: &str, name: &str) -> Response {
    realm.send(&Request::new("GET", target).with_header("Authorization", &*basic(name, "python")))
}

#[test]
fn named_users_and_groups_are_alternatives_and_an_unknown_condition_is_400() {
    let realm = realm();
    for (conditions, of_ok, of_other) in [
        ("group=staff", 200, 403),
        ("group=none&group=users", 200, 403),
        ("group=none", 403, 403),
        ("group=none&user=other", 403, 200),
        ("group=staff&user=other", 200, 200),
        ("groups", 200, 200),
        ("groups&user=ok", 200, 403),
        ("group=", 400, 400),
        ("group=Staff", 400, 400),
        ("group=staff,users", 400, 400),
        ("groups=staff", 400, 400),
        ("role=staff", 400, 400),
    ] {
        for target in
            [format!("/api/verify?{conditions}"), format!("/api/verify/-/{conditions}/app?group=none")]
        {
            let statuses = ["ok", "other"].map(|name| verify(&realm, &target, name).status);
            assert_eq!(statuses, [of_ok, of_other], "{target}");
        }
    }
    let refused = verify(&realm, "/api/verify?group=staff", "other");
    assert_eq!(error(&refused), (403, "forbidden".into()));
    let without = realm.send(&Request::new("GET", "/api/verify?group=staff"));
    assert_eq!(without.status, 401, "authentication comes first");
}

#[test]
fn an_app_gets_all_groups_of_the_user_where_the_guard_asks_for_them() {
    let realm = realm();
    let groups =
        |target: &str, name: &str| header(&verify(&realm, target, name), "Remote-Groups").map(String::from);
    for target in ["/api/verify?groups", "/api/verify?group=staff&user=other", "/api/verify/-/groups/app"] {
        assert_eq!(groups(target, "ok").as_deref(), Some("staff,users"), "{target}");
        assert_eq!(groups(target, "other").as_deref(), Some(""), "{target}");
    }
    for target in ["/api/verify", "/api/verify?user=ok", "/api/verify/app?groups"] {
        assert_eq!(groups(target, "ok"), None, "{target}");
    }
    let me = |name: &str| object(&realm.basic("GET", "/api/me", name, "python"))["groups"].to_string();
    assert_eq!([me("ok"), me("other")], [r#"["staff","users"]"#, "[]"]);
}

#[test]
fn a_change_of_groups_holds_from_the_next_request_on() {
    let realm = realm();
    let user = realm.realm.find_user_by_name("ok").unwrap().unwrap().id;
    let token = realm.token("ok", "python");
    let check = || realm.bearer("GET", "/api/verify?group=staff", &token).status;
    assert_eq!(check(), 200);
    assert!(realm.realm.remove_from_group(user, &group("staff")).unwrap());
    assert_eq!(check(), 403);
    assert!(!realm.realm.remove_from_group(user, &group("staff")).unwrap(), "not in it any more");
    // Of a deleted user nothing is left for the next one.
    assert!(realm.realm.delete_user(user).is_ok());
    assert!(!realm.realm.add_to_group(user, &group("staff")).unwrap(), "there is no such user");
    realm.add_user("ok", "python");
    assert_eq!(verify(&realm, "/api/verify?group=users", "ok").status, 403);
}

#[test]
fn a_user_is_in_at_most_32_groups() {
    let realm = realm();
    let user = realm.realm.find_user_by_name("ok").unwrap().unwrap().id;
    let add = |name: &str| realm.realm.add_to_group(user, &group(name)).unwrap();
    assert!((0..30).all(|number| add(&format!("g{number}"))));
    assert_eq!((add("one-more"), add("staff"), add("g0")), (false, true, true), "a member stays a member");
    let listed = verify(&realm, "/api/verify?groups", "ok");
    assert_eq!(header(&listed, "Remote-Groups").unwrap().split(',').count(), 32);
    assert_eq!(text(&listed), "");
}

#[test]
fn administrators_change_groups_by_the_command_line_while_the_server_runs() {
    let server = Server::start(&[]);
    server.register("alice", "python");
    let group = |words: &[&str]| written(&server.command(&[&["user", "group"], words].concat(), ""));
    let check = || {
        let authorization = format!("Authorization: {}", basic("alice", "python"));
        status(&server.request("GET /api/verify?group=staff", &[&authorization], ""))
    };
    assert_eq!(check(), 403);
    let added = group(&["add", "alice", "staff"]);
    assert_eq!((added.0, added.1.as_str()), (Some(0), "\"alice\" is in the group staff\n"));
    assert_eq!(check(), 200);
    assert_eq!(group(&["add", "alice", "staff"]).0, Some(0), "again");
    group(&["add", "alice", "a.team"]);
    assert_eq!(group(&["list", "alice"]).1, "a.team\nstaff\n");
    assert_eq!(group(&["remove", "alice", "staff"]).0, Some(0));
    assert_eq!((check(), group(&["list", "alice"]).1.as_str()), (403, "a.team\n"));
    for (words, code, expected) in [
        (&["remove", "alice", "staff"][..], 1, "\"alice\" is not in the group staff"),
        (&["add", "bob", "staff"], 1, "there is no user \"bob\""),
        (&["add", "alice", "Staff"], 2, "a group's name has 1 to 32 characters of a-z"),
        (&["add", "alice"], 2, "GROUP"),
    ] {
        let (given, _, complaint) = group(words);
        assert!(given == Some(code) && complaint.contains(expected), "{words:?}: {complaint}");
    }
    let invite = |name: &str, groups: &str| {
        let words = ["user", "invite", name, "--public-url", "https://a.example", "--groups", groups];
        written(&server.command(&words, ""))
    };
    assert_eq!(invite("guest", "staff,a.team").0, Some(0));
    assert_eq!(group(&["list", "guest"]).1, "a.team\nstaff\n");
    let (code, _, complaint) = invite("late", "staff,Other");
    assert!(code == Some(2) && complaint.contains("a group's name"), "{complaint}");
    assert!(group(&["list", "late"]).2.contains("there is no user"), "nothing was added");
    let me = format!("Authorization: {}", basic("alice", "python"));
    let me = server.request("GET /api/me", &[&me], "");
    assert!(body(&me).contains(r#""groups":["a.team"]"#), "{me}");
    let help = run(crate::process::gatekey().args(["help", "user", "group"]), "");
    assert!(written(&help).1.contains("user group remove"), "{help:?}");
}
