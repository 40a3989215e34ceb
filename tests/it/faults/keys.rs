//! The key file goes while the server runs, or can't be used any more: tokens stay valid, and
//! one gets it, and the file is taken up again when it is back.

use super::disk::Mounted;
use super::without_privileges;
use crate::harness::{CHEAP, basic};
use crate::hazards::watch::await_that;
use crate::process::{Server, body, gatekey, run, status, written};
use crate::skip;
use gatekey::json;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

fn issue(server: &Server, credentials: &str) -> String {
    let answer = server.request("GET /api/token", &[&format!("Authorization: {credentials}")], "");
    assert_eq!(status(&answer), 200, "{answer}");
    json::parse_object(body(&answer).as_bytes()).unwrap()["token"].as_str().unwrap().to_owned()
}

fn use_token(server: &Server, token: &str) -> u16 {
    status(&server.request("GET /api/resource", &[&format!("Authorization: Bearer {token}")], ""))
}

/// Asks for what needs the keys until they were looked at, once a second at most, and this was logged.
fn await_logged(server: &Server, token: &str, expected: &str) {
    let is_logged = await_that(|| {
        assert_eq!(use_token(server, token), 200);
        server.log().contains(expected)
    });
    assert!(is_logged, "{expected:?} is not in {}", server.log());
}

/// Lets this happen to the key file of a server; the way back is the file as it was.
fn harm(server: &Server, harm: impl FnOnce(&Path), expected: &str) {
    let keys = server.data.join("signing-keys");
    let secret = fs::read(&keys).unwrap();
    server.register("ok", "python");
    let old = issue(server, &basic("ok", "python"));

    harm(&keys);
    let trouble = format!("gatekey: signing keys {}: {expected}", keys.display());
    await_logged(server, &old, &trouble);
    let new = issue(server, &format!("Bearer {old}"));
    assert_eq!(use_token(server, &new), 200);

    // Under another name first, so that no process reads half of it.
    let whole = server.data.join("whole");
    fs::write(&whole, secret).unwrap();
    fs::set_permissions(&whole, Permissions::from_mode(0o600)).unwrap();
    fs::rename(&whole, &keys).unwrap();
    await_logged(server, &old, "gatekey: signing keys read again: 1, ");
    assert_eq!(use_token(server, &new), 200);
    let log = server.log();
    assert_eq!(log.matches(&trouble).count(), 1, "said once: {log}");
}

#[test]
fn a_removed_key_file_is_logged_and_tokens_stay_valid() {
    harm(
        &Server::start(&[]),
        |keys| fs::remove_file(keys).unwrap(),
        "can't read it: No such file or directory",
    );
}

#[test]
fn an_emptied_key_file_is_logged_and_tokens_stay_valid() {
    let empty = |keys: &Path| fs::write(keys, "").unwrap();
    harm(&Server::start(&[]), empty, "it holds no key, expected one secret a line");
}

#[test]
fn an_unreadable_key_file_is_logged_and_tokens_stay_valid() {
    let test = "an_unreadable_key_file_is_logged_and_tokens_stay_valid";
    let Some(command) = without_privileges() else {
        return skip::skip(test, "root may read everything; install setpriv (util-linux)");
    };
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_as(command, directory.path().join("data"), &["--scrypt", CHEAP]);
    let close = |keys: &Path| fs::set_permissions(keys, Permissions::from_mode(0o000)).unwrap();
    harm(&server, close, "can't read it: Permission denied");
}

#[test]
fn a_key_file_of_roots_with_mode_0444_is_accepted_in_a_read_only_mount_only() {
    let test = "a_key_file_of_roots_with_mode_0444_is_accepted_in_a_read_only_mount_only";
    let directory = tempfile::tempdir().unwrap();
    let secrets = directory.path().join("secrets");
    fs::create_dir(&secrets).unwrap();
    let mount = |options| {
        let output =
            Command::new("mount").args(["-o", options, "-t", "tmpfs", "gatekey-test"]).arg(&secrets).output();
        output.is_ok_and(|output| output.status.success())
    };
    if !mount("size=1m") {
        return skip::skip(
            test,
            "a tmpfs can't be mounted; run the tests as root, where mounting is allowed",
        );
    }
    let _mounted = Mounted(secrets.clone());
    let file = secrets.join("signing-keys");
    fs::write(&file, "a secret of sixteen bytes or more").unwrap();
    let (data, file) = (directory.path().join("data"), file.to_str().unwrap());
    let doctor = || {
        let mut command = gatekey();
        command.args(["doctor", "--key-file", file, "--data"]).arg(&data);
        written(&run(&mut command, "")).1
    };
    for mode in [0o444, 0o644] {
        assert!(mount("remount,rw"));
        fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
        assert!(doctor().contains("others may read it"), "{mode:o}: {}", doctor());
        assert!(mount("remount,ro"));
        assert!(!doctor().contains("others may read it"), "{mode:o}: {}", doctor());
    }
    assert!(mount("remount,rw"));
    fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
    let options = ["--scrypt", CHEAP, "--new-database", "--key-file", file];
    let server = Server::start_in(data, &options);
    fs::set_permissions(file, Permissions::from_mode(0o444)).unwrap();
    assert!(mount("remount,ro"));
    assert_eq!(status(&server.register("ok", "python")), 201);
    issue(&server, &basic("ok", "python"));
    assert_eq!(server.stop().0, Some(0));
}
