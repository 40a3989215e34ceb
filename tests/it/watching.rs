//! Observability: request ids, access log, audit events.

mod fail2ban;
mod metrics;

use crate::harness::CHEAP;
use crate::process::{Server, gatekey, header, status};
use gatekey::json::{self, Object, json};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;

/// What is in the log, of each line one object.
fn objects(log: &str) -> Vec<Object> {
    log.lines().map(|line| json::parse_object(line.as_bytes()).expect(line)).collect()
}

#[test]
fn every_response_has_the_request_id_of_its_log_line() {
    for name in ["strict", "tiny-http"] {
        let server = Server::start(&["--loop", name]);
        let answers = [
            server.request("GET /api/users/9", &[], ""),
            server.request("GET /nowhere", &["X-Request-Id: two", "X-Request-Id: of-them"], ""),
            server.request("GET /api/resource", &["X-Request-Id: no_id"], ""),
        ];
        let ids = answers.each_ref().map(|answer| header(answer, "X-Request-Id").unwrap());
        let own = ids[0].split_once('-').unwrap().0;
        assert_eq!(ids, [1, 2, 3].map(|number| format!("{own}-{number}")));
        let given = server.request("GET /api/users/9", &["X-Request-Id: Of-a-Proxy-1"], "");
        assert_eq!(header(&given, "X-Request-Id"), Some("Of-a-Proxy-1"));
        let log = server.stop().1;
        for id in ids.into_iter().chain(["Of-a-Proxy-1"]) {
            assert_eq!(log.matches(&format!(" id={id}\n")).count(), 1, "{id}: {log}");
        }
    }
}

#[test]
fn log_lines_in_the_journal_have_no_time() {
    let place = tempfile::tempdir().unwrap();
    let (log, password) = (place.path().join("log"), place.path().join("password"));
    fs::write(&password, "python").unwrap();
    // The first user's command makes a database, which is a notice.
    let notice = |is_journal: bool| {
        let stderr = File::create(&log).unwrap();
        let metadata = stderr.metadata().unwrap();
        // systemd.exec(5): the device and the inode of the stream that is connected to the journal.
        let inode = metadata.ino() + u64::from(!is_journal);
        let stream = format!("{}:{inode}", metadata.dev());
        let mut command = gatekey();
        command.env("JOURNAL_STREAM", stream).stderr(stderr).stdin(File::open(&password).unwrap());
        command.args(["user", "add", "ok", "--password-stdin", "--scrypt", CHEAP, "--data"]);
        assert!(command.arg(place.path().join(is_journal.to_string())).status().unwrap().success());
        fs::read_to_string(&log).unwrap()
    };
    let (in_journal, elsewhere) = (notice(true), notice(false));
    assert!(in_journal.starts_with("gatekey: made a new database"), "{in_journal}");
    assert!(elsewhere.split_once("Z ").unwrap().1.starts_with("gatekey: made a new database"), "{elsewhere}");
}

#[test]
fn the_response_to_a_malformed_request_has_a_request_id() {
    let server = Server::start(&[]);
    let answer = server.exchange(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(status(&answer), 400);
    let id = header(&answer, "X-Request-Id").unwrap();
    let log = server.stop().1;
    assert!(log.ends_with(&format!(" 127.0.0.1 - - 400 0.0ms user=- id={id}\n")), "{log}");
}

#[test]
fn every_line_of_the_json_log_is_an_object() {
    let server = Server::start(&["--log", "json"]);
    server.register("susan", "python");
    server.login("susan", "wrong");
    server.login("absent", "wrong");
    server.exchange(b"GET / HTTP/1.1\r\n\r\n");
    let log = server.stop().1;
    let objects = objects(&log);
    let of = |wanted: &[&str]| -> Vec<Vec<json::Value>> {
        let events = objects.iter().filter(|object| object.contains_key(wanted[0]));
        events.map(|object| wanted.iter().map(|name| object.get(*name).cloned().into()).collect()).collect()
    };
    let requests = [
        [json!(201), json!("POST"), json!("/api/users"), json!(1)],
        [json!(401), json!("GET"), json!("/api/resource"), json!(1)],
        [json!(401), json!("GET"), json!("/api/resource"), json!(null)],
        [json!(400), json!("-"), json!("-"), json!(null)],
    ];
    assert_eq!(of(&["status", "method", "path", "user"]), requests);
    let events: Vec<_> = of(&["client", "event", "user", "name"]);
    let events: Vec<_> = events.into_iter().filter(|event| event[1] != json!(null)).collect();
    let expected = [
        [json!("127.0.0.1"), json!("user_changed"), json!(1), json!(null)],
        [json!("127.0.0.1"), json!("login_failed"), json!(1), json!("susan")],
        [json!("127.0.0.1"), json!("login_failed"), json!(null), json!("-")],
    ];
    assert_eq!(events, expected);
    assert!(log.contains("\"event\":\"notice\",\"message\":\"made a new database, "), "{log}");
    assert!(!log.contains("absent"), "{log}");
}

#[test]
fn rate_limiting_and_key_reloads_are_logged_events() {
    let server =
        Server::start(&["--log", "json", "--throttle", "on", "--guesses-per-user-and-address", "1/1h"]);
    server.register("susan", "python");
    assert_eq!([server.login("susan", "wrong"), server.login("susan", "wrong")], [401, 429]);
    assert!(server.command(&["key", "rotate"], "").status.success());
    server.signal("HUP");
    let is_told = crate::hazards::watch::await_that(|| server.log().contains("\"event\":\"key_reloaded\""));
    assert!(is_told, "{}", server.log());
    let throttled =
        objects(&server.stop().1).into_iter().find(|object| object.get("event") == Some(&json!("throttled")));
    let throttled = throttled.expect("an event");
    assert_eq!((&throttled["client"], &throttled["user"]), (&json!("127.0.0.1"), &json!(null)));
}
