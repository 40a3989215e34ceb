//! The way over from the Flask original, walked from its database and SECRET_KEY, which the real Flask stack makes: old
//! passwords and live old tokens work from the first minute, and no others do.

use crate::harness::CHEAP;
use crate::process::{Server, gatekey, run, status, written};
use crate::python::{self, Venv};
use gatekey::json::{self, Object, Value, json};
use std::path::Path;

/// The app, told by its environment, and then what it is to do, as one script.
const APP: &str = concat!(
    "import json, os, sys\n",
    "job = json.load(sys.stdin)\n",
    "os.environ.update(DATABASE=job['database'], SECRET_KEY=job['secret'])\n",
    include_str!("migration/article_app.py"),
    include_str!("migration/leave_database.py"),
);
const SECRET: &str = "what the app's configuration has as SECRET_KEY";
const USERS: [(&str, &str); 2] = [("miguel", "python"), ("susan", "pässwörd: cat")];

/// What the app left: its tokens, by name. `None` where there is no such environment.
fn run_app(test: &str, database: &Path) -> Option<Object> {
    let job = json!({"database": database.to_str().unwrap(), "secret": SECRET, "users": USERS});
    let output = python::run(Venv::Flask, test, APP, &job.to_string())?;
    Some(json::parse_object(output.as_bytes()).unwrap())
}

/// A command of the way that must succeed: what it says.
#[track_caller]
fn done(data: &Path, words: &[&str], input: &str) -> String {
    let (code, out, message) = written(&run(gatekey().args(words).arg("--data").arg(data), input));
    assert_eq!((code, message.as_str()), (Some(0), ""), "{words:?}");
    out
}

/// The token as the article shows it: as the user name, with anything as the password.
fn greeting(server: &Server, token: &str) -> (u16, String) {
    let authorization = format!("Authorization: {}", crate::harness::basic(token, "unused"));
    let answer = server.request("GET /api/resource", &[&authorization], "");
    let body = json::parse_object(answer.split("\r\n\r\n").nth(1).unwrap().as_bytes()).unwrap();
    (status(&answer), body.get("data").and_then(Value::as_str).unwrap_or_default().to_owned())
}

fn change_password(server: &Server, id: u8, name: &str, password: &str, new: &str) -> u16 {
    let authorization = format!("Authorization: {}", crate::harness::basic(name, password));
    let body = json!({"password": new}).to_string();
    status(&server.request(&format!("PUT /api/users/{id}"), &[&authorization], &body))
}

#[test]
fn users_and_tokens_of_the_original_stay_valid_after_the_migration() {
    let directory = tempfile::tempdir().unwrap();
    let (database, data) = (directory.path().join("db.sqlite"), directory.path().join("data"));
    let test = "users_and_tokens_of_the_original_stay_valid_after_the_migration";
    let Some(app) = run_app(test, &database) else { return };
    let file = database.to_str().unwrap();

    // The duplicate and the row without a name are found before anything is changed.
    let look = run(gatekey().args(["user", "import", file, "--dry-run", "--data"]).arg(&data), "");
    let (code, out, message) = written(&look);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    let complaints: Vec<_> = message.lines().take(2).collect();
    let expected = [
        "gatekey: id 3, \"miguel\": a user with this name, or one that looks the same, exists",
        "gatekey: id 4: there is no user name, expected a text",
    ];
    assert_eq!((complaints, &app["twin"]), (expected.into(), &json!(3)));
    let words = ["user", "import", file, "--skip-bad", "--data"];
    let (code, out, _) = written(&run(gatekey().args(words).arg(&data), ""));
    assert_eq!((code, out.as_str()), (Some(0), "imported 2 users, left out 2\n"));
    done(&data, &["key", "add"], SECRET);

    let server = Server::start_in(data.clone(), &["--scrypt", CHEAP]);
    let token = |kind: &str, name: &str| app[kind][name].as_str().unwrap().to_owned();
    for (name, password) in USERS {
        assert_eq!(greeting(&server, &token("tokens", name)), (200, format!("Hello, {name}!")));
        assert_eq!(server.login(name, "perl"), 401);
        assert_eq!(server.login(name, password), 200);
        assert_eq!(greeting(&server, &token("tokens", name)), (200, format!("Hello, {name}!")));
    }
    // The next user gets the id of the row that was left out, but its tokens are none of this user's.
    let registered = server.register("newcomer", "ruby");
    assert_eq!((status(&registered), registered.contains("/api/users/3\r\n")), (201, true), "{registered}");
    for name in ["twin", "next", "expired", "foreign"] {
        assert_eq!(greeting(&server, &token("more", name)).0, 401, "{name}");
    }
    let export = done(&data, &["user", "export"], "");
    let ours = format!("\"$scrypt${CHEAP}$");
    assert_eq!(export.lines().filter(|line| line.contains(&ours)).count(), 3, "{export}");

    // From here on it is a user as any other: a changed password ends the old tokens.
    assert_eq!(change_password(&server, 1, "miguel", "python", "correct horse"), 204);
    assert_eq!(greeting(&server, &token("tokens", "miguel")).0, 401);
    assert_eq!((server.login("miguel", "python"), server.login("miguel", "correct horse")), (401, 200));
    assert_eq!(greeting(&server, &token("tokens", "susan")).0, 200);
}
