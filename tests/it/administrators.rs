//! Administrators: one remains, whatever a user of the API and the pages does.

use crate::harness::{TestRealm, error};
use crate::process::{Server, written};
use gatekey::group_name::GroupName;

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
