//! Passwords: passlib verifies our hashes, and we verify passlib's.

use super::ask;
use crate::python::Venv;
use gatekey::json::{Value, json};
use gatekey::password::{self, Cost, StoredHash};
use gatekey::secret::Secret;

const SCRIPT: &str = include_str!("passlib_passwords.py");

/// What people type: other scripts, two spellings of one letter, spaces, Basic's own colon, the longest.
fn passwords() -> Vec<String> {
    let passwords =
        ["python", "pässwörd", "pa\u{308}sswo\u{308}rd", "🔑🐍", " both ends ", "a:b::", "nul\0byte"];
    let longest = ["x".repeat(1024), "é".repeat(512)];
    passwords.map(String::from).into_iter().chain(longest).collect()
}

/// The least, ours, and each parameter once on its own.
fn costs() -> Vec<Cost> {
    ["ln=1,r=1,p=1", "ln=10,r=1,p=1", "ln=4,r=32,p=1", "ln=4,r=8,p=16", "ln=15,r=1,p=1", "ln=14,r=8,p=5"]
        .map(|cost| cost.parse().unwrap())
        .into()
}

/// Each password at a low cost, and one password at each cost: the two have nothing to do with each other.
fn cases() -> impl Iterator<Item = (String, Cost)> {
    let low: Cost = "ln=4,r=8,p=1".parse().unwrap();
    let at_low_cost = passwords().into_iter().map(move |password| (password, low));
    at_low_cost.chain(costs().into_iter().map(|cost| ("python".to_owned(), cost)))
}

#[test]
fn our_hashes_verify_with_passlib() {
    let job = |(password, cost): (String, Cost)| {
        let stored = password::hash(&Secret::new(password.clone()), cost).unwrap();
        json!({"password": password, "hash": stored.to_string()})
    };
    let jobs: Vec<Value> = cases().map(job).collect();
    let test = "our_hashes_verify_with_passlib";
    let Some(answers) = ask(Venv::Current, test, SCRIPT, &jobs) else { return };
    for (answer, job) in answers.iter().zip(&jobs) {
        // "written": passlib reads our string and writes the same one.
        let expected = json!({"right": true, "wrong": false, "written": job["hash"]});
        assert_eq!(*answer, expected, "{job}");
    }
}

#[test]
fn passlibs_hashes_verify_here() {
    let job = |(password, cost): (String, Cost)| {
        let (ln, r, p) = (cost.log_n(), cost.r(), cost.p());
        json!({"password": password, "ln": ln, "r": r, "p": p})
    };
    let jobs: Vec<Value> = cases().map(job).collect();
    let Some(answers) = ask(Venv::Current, "passlibs_hashes_verify_here", SCRIPT, &jobs) else { return };
    for (answer, (password, cost)) in answers.iter().zip(cases()) {
        let stored: StoredHash = answer["hash"].as_str().unwrap().parse().unwrap();
        assert_eq!(stored.cost(), cost);
        assert_eq!(json!(stored.to_string()), answer["hash"]);
        let other = format!("{password}x");
        assert!(password::verify(&Secret::new(password), &stored), "{other:?} less its x, {answer}");
        assert!(!password::verify(&Secret::new(other), &stored), "{answer}");
    }
}
