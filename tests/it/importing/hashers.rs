//! Hashes made by the real Django, passlib and Werkzeug, imported and logged in with.

use super::Place;
use crate::harness::CHEAP;
use crate::process::Server;
use crate::python::{self, Venv};
use gatekey::json::{self, json};

#[test]
fn users_log_in_by_every_hash_that_django_passlib_and_werkzeug_make() {
    const PASSWORD: &str = "pässwörd 🔑 of a user";
    let test = "users_log_in_by_every_hash_that_django_passlib_and_werkzeug_make";
    let script = include_str!("hashers.py");
    let Some(made) = python::run(Venv::Hashers, test, script, &json!(PASSWORD).to_string()) else { return };
    let hashes = json::parse_object(made.as_bytes()).unwrap();
    assert!(hashes.len() >= 26, "{hashes:?}");
    let users = hashes.iter().map(|(scheme, hash)| {
        json!({"username": scheme.replace(':', " "), "password_hash": hash}).to_string() + "\n"
    });
    let (place, memory) = (Place::new(), ["--max-hash-memory", "100M"]); // for Django's argon2
    let (code, out, message) = place.import(users.collect::<String>(), &memory);
    assert_eq!((code, out), (Some(0), format!("imported {} users\n", hashes.len())), "{message}");
    let server = Server::start_in(place.path("data"), &[&["--scrypt", CHEAP], &memory[..]].concat());
    for (scheme, hash) in &hashes {
        let name = scheme.replace(':', " ");
        assert_eq!(server.login(&name, &format!("{PASSWORD}x")), 401, "{scheme}: {hash}");
        assert_eq!(server.login(&name, PASSWORD), 200, "{scheme}: {hash}");
    }
    server.stop();
    assert!(place.export().lines().skip(1).all(|line| line.contains(&format!("\"$scrypt${CHEAP}$"))));
}
