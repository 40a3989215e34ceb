//! Property of registration: the body alone decides between a user and an error, which never has the password.

use crate::harness::{TestRealm, error, header, json_request, object};
use gatekey::http::{Body, MAX_BODY_BYTES, Request, Response};
use gatekey::json::{self, Object};
use gatekey::username::Username;

/// The body is answered by 201 if it is an object with a name and a password that are allowed, by 413 if it is too
/// long, by 415 if it isn't said to be JSON, and else by 400; every answer is an object. After a 201 the user can log
/// in with exactly that password. No answer depends on which characters the password has, so none can show them.
/// Tells whether it was a 201.
///
/// The user is deleted again, so that each input meets the same realm.
pub fn holds(bytes: &[u8]) -> bool {
    // One realm for all inputs of a thread, since it takes longer to open one than to use it.
    thread_local!(static REALM: TestRealm = TestRealm::new());
    REALM.with(|realm| holds_in(realm, bytes))
}

fn holds_in(realm: &TestRealm, bytes: &[u8]) -> bool {
    let is_too_long = bytes.len() > MAX_BODY_BYTES;
    let body = if is_too_long {
        Body::TooLarge { max_bytes: MAX_BODY_BYTES }
    } else {
        Body::Complete(bytes.to_vec())
    };
    let request = Request::new("POST", "/api/users").with_body(body);
    let of_no_type = realm.send(&request);
    assert_eq!(of_no_type.status, if is_too_long { 413 } else { 415 });

    let response = realm.send(&request.with_header("Content-Type", "application/json"));
    let members = json::parse_object(bytes).ok().filter(|_| !is_too_long);
    let expected = members.as_ref().and_then(acceptable);
    match expected {
        Some((name, password)) => {
            assert_eq!(response.status, 201);
            assert_eq!(object(&response)["username"], name);
            logs_in_with_exactly_this(realm, name, password);
            delete(realm, &response, name, password);
        }
        None if is_too_long => assert_eq!(error(&response), (413, "payload_too_large".into())),
        None => assert_eq!(response.status, 400, "{:?}", error(&response)),
    }
    if let Some(members) = &members {
        no_answer_depends_on_the_passwords_characters(realm, members, &response);
    }
    expected.is_some()
}

/// Name and password of a body that must be answered by 201.
fn acceptable(members: &Object) -> Option<(&str, &str)> {
    let (name, password) = (members.get("username")?.as_str()?, members.get("password")?.as_str()?);
    let is_allowed =
        Username::parse(name).is_ok() && (1..=1024).contains(&password.len()) && name != password;
    let is_allowed = is_allowed && !password.ends_with('\0');
    is_allowed.then_some((name, password))
}

fn logs_in_with_exactly_this(realm: &TestRealm, name: &str, password: &str) {
    let status = |password: &str| realm.basic("GET", "/api/resource", name, password).status;
    assert_eq!(status(password), 200);
    let without_last = &password[..password.char_indices().next_back().unwrap().0];
    assert_eq!(status(without_last), 401);
    assert_eq!(status(&format!("{password}\0")), 401);
}

fn delete(realm: &TestRealm, registered: &Response, name: &str, password: &str) {
    let path = header(registered, "Location").unwrap();
    assert_eq!(realm.basic("DELETE", path, name, password).status, 204);
}

/// The same body with other characters in the password, as many and as long, is answered by the same bytes; but for
/// a password that is the name, which is refused for that.
fn no_answer_depends_on_the_passwords_characters(realm: &TestRealm, members: &Object, response: &Response) {
    let Some(password) = members.get("password").and_then(|password| password.as_str()) else { return };
    let masked: String = password
        .chars()
        .map(|c| if c == '\0' { c } else { ['x', 'é', '€', '🔑'][c.len_utf8() - 1] })
        .collect();
    let name = members.get("username").and_then(|name| name.as_str());
    if name == Some(password) || name == Some(&masked) {
        return;
    }
    let mut other = members.clone();
    other["password"] = masked.as_str().into();
    let answered = realm.send(&json_request("POST", "/api/users", &json::json!(other).to_string()));
    // A user's id is never assigned again.
    let without_id = |response: &Response| {
        let mut body = json::parse_object(&response.body).unwrap();
        body.remove("id");
        body
    };
    assert_eq!((answered.status, without_id(&answered)), (response.status, without_id(response)));
    if answered.status == 201 {
        delete(realm, &answered, name.unwrap(), &masked);
    }
}
