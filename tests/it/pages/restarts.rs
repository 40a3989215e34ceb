//! Sessions outlive restarts, crashes and new keys, and no restore revives them.

use super::post_form;
use crate::process::{Server, body, gatekey, header, status};

const ORIGIN: &str = "http://localhost:1";

fn start(data: &std::path::Path) -> Server {
    let options = ["--public-url", ORIGIN, "--scrypt", crate::harness::CHEAP];
    Server::start_in(data.to_owned(), &options)
}

/// Signs in by the form; the cookie of the session.
fn sign_in(server: &Server) -> String {
    let answer = post_form(server, ORIGIN, "/login", &[("username", "ok"), ("password", "python")]);
    assert_eq!(status(&answer), 303, "{answer}");
    header(&answer, "Set-Cookie").unwrap().split(';').next().unwrap().to_owned()
}

#[track_caller]
fn assert_signed_in(server: &Server, cookie: &str) {
    let cookie = format!("Cookie: {cookie}");
    let me = server.request("GET /api/me", &[&cookie], "");
    assert!(status(&me) == 200 && body(&me).contains("\"username\":\"ok\""), "{me}");
    assert_eq!(status(&server.request("GET /account", &[&cookie], "")), 200);
}

#[test]
fn a_restart_a_crash_and_a_new_key_keep_browsers_signed_in() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = start(&data);
    server.register("ok", "python");
    let cookie = sign_in(&server);
    assert_signed_in(&server, &cookie);
    assert_eq!(server.stop().0, Some(0));

    let server = start(&data);
    assert_signed_in(&server, &cookie);
    server.kill();

    let server = start(&data);
    assert_signed_in(&server, &cookie);
    assert!(server.command(&["key", "rotate"], "").status.success());
    assert_signed_in(&server, &cookie);
    let newer = sign_in(&server);
    assert_eq!(server.stop().0, Some(0));

    let server = start(&data);
    for cookie in [&cookie, &newer] {
        assert_signed_in(&server, cookie);
    }
    assert!(server.command(&["key", "rotate", "--compromised"], "").status.success());
    for cookie in [&cookie, &newer] {
        let account = server.request("GET /api/me", &[&format!("Cookie: {cookie}")], "");
        assert_eq!(status(&account), 401, "{account}");
    }
}

#[test]
fn a_restored_backup_revives_no_session_and_no_named_token() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let backup = directory.path().join("backup.sqlite3");
    let server = start(&data);
    server.register("ok", "python");
    let cookie = sign_in(&server);
    let issued = server.command(&["token", "issue", "ok", "--name", "cron", "--lifetime", "30d"], "");
    let token = String::from_utf8(issued.stdout).unwrap();
    let statuses = |server: &Server| {
        [format!("Cookie: {cookie}"), format!("Authorization: Bearer {}", token.trim())]
            .map(|header| status(&server.request("GET /api/me", &[&header], "")))
    };
    assert_eq!(statuses(&server), [200, 200]);
    assert!(server.command(&["backup", backup.to_str().unwrap()], "").status.success());
    assert_eq!(server.stop().0, Some(0));
    let mut restore = gatekey();
    restore.arg("restore").arg(&backup).arg("--data").arg(&data);
    assert!(restore.output().unwrap().status.success());

    let server = start(&data);
    assert_eq!(statuses(&server), [401, 401]);
    assert_eq!(server.login("ok", "python"), 200, "the user is there");
    let sessions = server.command(&["token", "list", "ok"], "");
    assert!(!String::from_utf8(sessions.stdout).unwrap().contains("cron"), "no row is left");
}
