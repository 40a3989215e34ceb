//! Metrics of a real server: Prometheus's parser accepts them, and the numbers are right.

use crate::harness::basic;
use crate::hazards::watch::await_that;
use crate::process::{Server, body, gatekey, header, run, status, written};
use crate::skip;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

/// One request to the metrics' own listener, which the log names.
fn ask(server: &Server, line: &str) -> String {
    let is_told = await_that(|| server.log().contains("/metrics\n"));
    let log = server.log();
    assert!(is_told, "{log}");
    let address = log.split("metrics on http://").nth(1).unwrap().split('/').next().unwrap();
    let mut connection = TcpStream::connect(address.parse::<SocketAddr>().unwrap()).unwrap();
    write!(connection, "{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

fn start(options: &[&str]) -> Server {
    Server::start(&[&["--metrics", "127.0.0.1:0"], options].concat())
}

/// Each sample by its name with its labels.
fn samples(server: &Server) -> BTreeMap<String, String> {
    let answer = ask(server, "GET /metrics");
    assert_eq!(header(&answer, "Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let lines = body(&answer).lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// A login, a token, a wrong password, a forged token, a throttled guess, and what is no request.
fn use_everything(server: &Server) {
    server.register("susan", "python");
    let by = |password: &str| format!("Authorization: {}", basic("susan", password));
    let answer = server.request("GET /api/token", &[&by("python")], "");
    let token = body(&answer).split('"').find(|part| part.len() > 64).unwrap();
    let bearer = format!("Authorization: Bearer {token}");
    let forged = format!("Authorization: Bearer {}", "x".repeat(65));
    for (line, authorization, expected) in [
        ("GET /api/resource", bearer, 200),
        ("GET /api/resource", forged, 401),
        ("GET /api/resource", by("wrong"), 401),
        ("GET /api/resource", by("wrong"), 429),
        ("GET /api/users/1", String::from("X-Nothing: x"), 200),
        ("GET /%22hostile%22", String::from("X-Nothing: x"), 404),
    ] {
        assert_eq!(status(&server.request(line, &[&authorization], "")), expected, "{line}");
    }
    assert_eq!(status(&server.exchange(b"GET / HTTP/1.1\r\n\r\n")), 400);
}

const THROTTLED: [&str; 4] = ["--throttle", "on", "--guesses-per-user-and-address", "1/1h"];

#[test]
fn the_metrics_count_requests_logins_and_hashes() {
    let server = start(&THROTTLED);
    use_everything(&server);
    assert!(await_that(|| samples(&server)["gatekey_connections"] == "0"), "every client has left");
    let samples = samples(&server);
    for (name, value) in [
        ("gatekey_http_requests_total{route=\"/api/users\",status=\"201\"}", "1"),
        ("gatekey_http_requests_total{route=\"/api/users/{id}\",status=\"200\"}", "1"),
        ("gatekey_http_requests_total{route=\"/api/token\",status=\"200\"}", "1"),
        ("gatekey_http_requests_total{route=\"/api/resource\",status=\"200\"}", "1"),
        ("gatekey_http_requests_total{route=\"/api/resource\",status=\"401\"}", "2"),
        ("gatekey_http_requests_total{route=\"/api/resource\",status=\"429\"}", "1"),
        ("gatekey_http_requests_total{route=\"none\",status=\"404\"}", "1"),
        ("gatekey_http_requests_total{route=\"none\",status=\"400\"}", "1"),
        ("gatekey_http_request_duration_seconds_count", "8"),
        ("gatekey_http_request_duration_seconds_bucket{le=\"+Inf\"}", "8"),
        ("gatekey_logins_total{outcome=\"accepted\"}", "1"),
        ("gatekey_logins_total{outcome=\"refused\"}", "1"),
        ("gatekey_logins_total{outcome=\"throttled\"}", "1"),
        ("gatekey_logins_total{outcome=\"undecided\"}", "0"),
        ("gatekey_token_checks_total{outcome=\"accepted\"}", "1"),
        ("gatekey_token_checks_total{outcome=\"refused\"}", "1"),
        ("gatekey_throttled_total", "1"),
        ("gatekey_tokens_issued_total", "1"),
        ("gatekey_hashes_total", "3"),
        ("gatekey_hash_queue_depth", "0"),
        ("gatekey_connections_accepted_total", "9"),
        ("gatekey_connections_evicted_total", "0"),
        (concat!("gatekey_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), "1"),
    ] {
        assert_eq!(samples.get(name).map(String::as_str), Some(value), "{name} in {samples:?}");
    }
    assert_eq!(samples.keys().filter(|name| name.starts_with("gatekey_http_requests_total")).count(), 8);
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn an_evicted_connection_is_counted() {
    let server = start(&["--max-connections", "1"]);
    let first = server.connect();
    assert!(await_that(|| samples(&server)["gatekey_connections"] == "1"));
    assert_eq!(status(&server.request("GET /healthz", &[], "")), 200);
    assert!(await_that(|| samples(&server)["gatekey_connections_evicted_total"] == "1"));
    drop(first);
}

#[test]
fn prometheus_own_parser_accepts_the_metrics() {
    let test = "prometheus_own_parser_accepts_the_metrics";
    if Command::new("promtool").arg("--version").output().is_err() {
        return skip::skip(test, "there is no promtool; install it: apt-get install prometheus");
    }
    let server = start(&THROTTLED);
    use_everything(&server);
    let answer = ask(&server, "GET /metrics");
    let check = |text: &str| written(&run(Command::new("promtool").args(["check", "metrics"]), text));
    assert_eq!(check(body(&answer)), (Some(0), String::new(), String::new()));
    // It does look.
    let (code, ..) = check(&body(&answer).replace("_total", ""));
    assert_eq!(code, Some(3));
}

#[test]
fn the_document_has_every_metric_and_no_other() {
    let answer = ask(&start(&[]), "GET /metrics");
    let families = body(&answer).lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let served: Vec<_> = families.map(|family| family.split(' ').next().unwrap()).collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/watching.md");
    let document = std::fs::read_to_string(path).unwrap();
    let rows = document.lines().filter(|line| line.starts_with("| `gatekey_"));
    let cells = rows.flat_map(|row| row.split('|').nth(1).unwrap().split(", "));
    let told: Vec<_> = cells.map(|cell| cell.trim().trim_matches('`').split('{').next().unwrap()).collect();
    assert_eq!(told, served);
}

#[test]
fn the_metrics_listener_serves_metrics_and_nothing_else() {
    let server = start(&[]);
    for (line, expected) in [
        ("HEAD /metrics", 200),
        ("POST /metrics", 405),
        ("GET /api/resource", 404),
        ("GET /healthz", 404),
        ("GET /", 404),
    ] {
        assert_eq!(status(&ask(&server, line)), expected, "{line}");
    }
    assert_eq!(status(&server.request("GET /metrics", &[], "")), 404, "they are not for every client");
}

#[test]
fn a_metrics_listener_beyond_loopback_needs_an_option() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = gatekey();
    command.args(["serve", "--listen", "127.0.0.1:0", "--metrics", "192.0.2.1:9469", "--data"]);
    let (code, _, message) = written(&run(command.arg(directory.path().join("data")), ""));
    assert_eq!(code, Some(2), "{message}");
    assert!(message.starts_with("gatekey: 192.0.2.1:9469 is not a loopback address: "), "{message}");
    assert!(!directory.path().join("data").exists(), "nothing was made");
}
