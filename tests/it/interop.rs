//! Others' software against ours: itsdangerous, PyJWT, passlib and Python's Unicode tables, the real ones.
//!
//! A script gets one JSON document and answers with one. What it is asked for is decided here, and so is what
//! the answer must be.

mod names;
mod passwords;
mod tokens;

use crate::python::{self, Venv};
use gatekey::json::{self, Value, json};

/// Asks a script all of these at once (a Python starts slowly) and gives an answer for each, or `None` if there
/// is no such environment. The script defines `answer(job)`.
fn ask(venv: Venv, test: &str, script: &str, jobs: &[Value]) -> Option<Vec<Value>> {
    const LOOP: &str = "
import json, sys
json.dump({'answers': [answer(job) for job in json.load(sys.stdin)]}, sys.stdout)
";
    let output = python::run(venv, test, &format!("{script}{LOOP}"), &json!(jobs).to_string())?;
    let mut output = json::parse_object(output.as_bytes()).unwrap();
    let Value::Array(answers) = output["answers"].take() else { panic!("answers is not an array") };
    assert_eq!(answers.len(), jobs.len());
    Some(answers)
}
