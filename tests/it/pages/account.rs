//! The account's page: the password, sessions, named tokens.

use super::*;
use gatekey::group_name::GroupName;

fn change(visitor: &Visitor<'_>, old: &str, new: &str) -> Response {
    visitor.fill("/account", &[("form", "password"), ("password", old), ("new-password", new)])
}

/// Makes a named token, and returns the page that shows it.
fn make_token(visitor: &Visitor<'_>, name: &str, days: &str, password: &str) -> Response {
    visitor.fill("/account", &[("form", "token"), ("name", name), ("days", days), ("password", password)])
}

fn shown_token(page: &Response) -> String {
    let token = text(page).split("autofocus>").nth(1).unwrap();
    token.split('<').next().unwrap().to_owned()
}

#[test]
fn changing_the_password_ends_everything_but_this_browser() {
    let realm = realm();
    let (visitor, other) = (Visitor::signed_in(&realm), Visitor::signed_in(&realm));
    let token = shown_token(&make_token(&visitor, "backup", "30", "python"));
    let before = visitor.cookie("__Host-gatekey");
    let answer = change(&visitor, "python", "ruby");
    assert_eq!((answer.status, header(&answer, "Location")), (303, Some("/account?done=password")));
    assert_ne!(visitor.cookie("__Host-gatekey"), before);
    assert_shows(&visitor.get("/account?done=password"), &["The password is changed", "There are none"]);
    assert!(!other.is_signed_in());
    assert_eq!(realm.bearer("GET", "/api/resource", &token).status, 401);
    assert_eq!(realm.basic("GET", "/api/resource", "ok", "ruby").status, 200);
}

#[test]
fn a_wrong_or_unfit_password_changes_nothing_and_is_marked() {
    let realm = realm();
    let visitor = Visitor::signed_in(&realm);
    for (old, new, status, field) in [
        ("wrong", "ruby", 401, "id=\"current\""),
        ("python", "ok", 400, "id=\"new\""),
        ("python", "", 400, "id=\"new\""),
    ] {
        let answer = change(&visitor, old, new);
        assert_eq!(answer.status, status, "{old} {new}");
        let input = text(&answer).split(field).nth(1).unwrap().split('>').next().unwrap();
        assert!(input.contains("aria-invalid=\"true\""), "{input}");
        assert_shows(&answer, &["role=\"alert\"", "<title>Error: Your account"]);
    }
    let record = change(&visitor, "wrong", "ruby").record;
    assert_eq!(record.username.as_deref(), Some("ok"));
    assert_eq!(realm.basic("GET", "/api/resource", "ok", "python").status, 200);
}

#[test]
fn sessions_are_listed_and_one_is_ended_alone() {
    let realm = realm();
    realm.add_user("evil", "python");
    let (visitor, other, evil) =
        (Visitor::signed_in(&realm), Visitor::signed_in(&realm), Visitor::new(&realm));
    evil.sign_in("/login", "evil", "python");
    let page = visitor.get("/account");
    assert_eq!(text(&page).matches("Firefox on Linux</bdi>").count(), 2);
    let session = hidden(&page, "session");
    assert_eq!(evil.fill("/logout", &[("session", &session)]).status, 303);
    assert!(other.is_signed_in(), "it is not that user's to end");
    let answer = visitor.fill("/logout", &[("session", &session)]);
    assert_eq!(header(&answer, "Location"), Some("/account?done=ended"));
    assert!(visitor.is_signed_in() && !other.is_signed_in());
}

#[test]
fn a_named_token_is_shown_once_listed_and_ended() {
    let realm = realm();
    let visitor = Visitor::signed_in(&realm);
    let page = make_token(&visitor, "backup <b>", "30", "python");
    assert_eq!(page.status, 200);
    let token = shown_token(&page);
    assert_eq!(realm.bearer("GET", "/api/resource", &token).status, 200);
    let account = visitor.get("/account");
    assert_shows(&account, &["<bdi>backup &lt;b&gt;</bdi>", "aria-label=\"End: backup &lt;b&gt;\""]);
    assert!(!text(&account).contains(&token));
    visitor.fill("/logout", &[("session", &hidden(&account, "session"))]);
    assert_eq!(realm.bearer("GET", "/api/resource", &token).status, 401);
    for (name, days, password, status) in [
        ("backup", "30", "wrong", 401),
        ("", "30", "python", 400),
        ("backup", "0", "python", 400),
        ("backup", "366", "python", 400),
        ("backup", "x", "python", 400),
    ] {
        let refused = make_token(&visitor, name, days, password);
        assert_eq!(refused.status, status, "{name} {days} {password}");
        assert_shows(
            &refused,
            &["role=\"alert\"", "<details open>", &format!("maxlength=\"64\" value=\"{name}\"")],
        );
    }
}

#[test]
fn a_visitor_who_was_signed_out_meanwhile_is_told() {
    let realm = realm();
    let visitor = Visitor::signed_in(&realm);
    let csrf = hidden(&visitor.get("/account"), "csrf");
    realm.basic("DELETE", "/api/token", "ok", "python");
    let fields =
        [("csrf", csrf.as_str()), ("form", "password"), ("password", "python"), ("new-password", "ruby")];
    let answer = visitor.post("/account", &fields);
    assert_eq!(answer.status, 401);
    assert_shows(&answer, &["You have been signed out", "href=\"/login\""]);
    assert_eq!(header(&visitor.get("/account"), "Location"), Some("/login"));
    assert_eq!(realm.basic("GET", "/api/resource", "ok", "python").status, 200, "nothing was changed");
}

#[test]
fn deleting_the_account_takes_the_password_and_signs_out() {
    let realm = realm();
    let (visitor, other) = (Visitor::signed_in(&realm), Visitor::signed_in(&realm));
    let refused = visitor.fill("/account", &[("form", "delete"), ("password", "wrong")]);
    assert_eq!(refused.status, 401);
    assert!(visitor.is_signed_in());
    let answer = visitor.fill("/account", &[("form", "delete"), ("password", "python")]);
    assert_eq!((answer.status, header(&answer, "Location")), (303, Some("/")));
    assert_eq!(visitor.cookie("__Host-gatekey"), None);
    assert!(!other.is_signed_in());
    assert_eq!(realm.basic("GET", "/api/resource", "ok", "python").status, 401);
}

#[test]
fn the_last_administrator_stays_and_is_told_why() {
    let realm = realm();
    let visitor = Visitor::signed_in(&realm);
    let id = realm.realm.find_user_by_name("ok").unwrap().unwrap().id;
    assert!(realm.realm.add_to_group(id, &GroupName::parse("admin").unwrap()).unwrap());
    let refused = visitor.fill("/account", &[("form", "delete"), ("password", "python")]);
    assert_eq!(refused.status, 403);
    assert_shows(&refused, &["role=\"alert\"", "You are the last administrator"]);
    assert!(visitor.is_signed_in());
}
