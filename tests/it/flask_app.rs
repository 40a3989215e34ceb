//! A Flask app on the same machine that passes its users' passwords on: in the obvious lines, and with the user's address.

use crate::harness::CHEAP;
use crate::hazards::watch::await_that;
use crate::process::{Server, gatekey, run, status, written};
use crate::python::{self, Venv};
use gatekey::json::{self, Value, json};

const ALICE: &str = "198.51.100.1";
const ATTACKER: &str = "203.0.113.9";

/// Alice logs in; an attacker sends ten wrong passwords for her name, and one more; alice logs in again. The answers, by the
/// app, or `None` if there is no Flask.
fn answers(server: &Server, test: &str, forwards: bool) -> Option<Vec<(u64, String)>> {
    let attack = (0..11).map(|number| json!([ATTACKER, "alice", format!("wrong {number}")]));
    let alice = || std::iter::once(json!([ALICE, "alice", "python"]));
    let logins: Vec<Value> = alice().chain(attack).chain(alice()).collect();
    let job = json!({"url": server.url("/api/token"), "forwards": forwards, "logins": logins});
    let output = python::run(Venv::Flask, test, include_str!("flask_app.py"), &job.to_string())?;
    let output = json::parse_object(output.as_bytes()).unwrap();
    let answer =
        |answer: &Value| (answer["status"].as_u64().unwrap(), answer["body"].as_str().unwrap().to_owned());
    Some(output["answers"].as_array().unwrap().iter().map(answer).collect())
}

fn statuses(answers: &[(u64, String)]) -> Vec<u64> {
    answers.iter().map(|(status, _)| *status).collect()
}

/// The 429 to alice is what the bound on guesses costs if all users have one address: nothing tells alice from the attacker.
#[test]
fn without_x_forwarded_for_an_attacker_blocks_a_user_and_the_response_log_and_doctor_say_why() {
    let test = "without_x_forwarded_for_an_attacker_blocks_a_user_and_the_response_log_and_doctor_say_why";
    // Without the password cache: as if alice's last login were over a minute ago.
    let server = Server::start(&["--throttle", "on", "--password-cache", "0"]);
    assert_eq!(status(&server.register("alice", "python")), 201);
    let Some(answers) = answers(&server, test, false) else { return };
    assert_eq!(statuses(&answers), [&[200][..], &[401; 10], &[429; 2]].concat());
    let words = "The users of an app on this machine share one limit, unless the app is a trusted proxy (--trusted-proxy) and \
                 sends X-Forwarded-For.";
    assert!(answers.last().unwrap().1.contains(words), "{answers:?}");
    let notice = "they share one limit: let it send X-Forwarded-For, and name it with --trusted-proxy";
    assert!(await_that(|| server.log().matches(notice).count() == 1), "{}", server.log());
    let doctor = run(gatekey().args(["doctor", "--scrypt", CHEAP, "--data"]).arg(&server.data), "");
    let finding = "an app on this machine that forwards its users' passwords must be one (";
    assert!(written(&doctor).1.contains(finding), "{doctor:?}");
}

#[test]
fn with_x_forwarded_for_the_attacker_alone_is_rate_limited() {
    let test = "with_x_forwarded_for_the_attacker_alone_is_rate_limited";
    let options = ["--throttle", "on", "--password-cache", "0", "--trusted-proxy", "127.0.0.1"];
    let server = Server::start(&options);
    assert_eq!(status(&server.register("alice", "python")), 201);
    let Some(answers) = answers(&server, test, true) else { return };
    assert_eq!(statuses(&answers), [&[200][..], &[401; 10], &[429, 200]].concat());
}
