//! fail2ban's own matcher, with the filter of `deploy/`, over the log of a real server: it names who failed to log in,
//! and no address that a client named.

use crate::harness::basic;
use crate::process::{Server, status};
use crate::skip;
use std::fs;
use std::process::Command;

/// Who fails to log in, as the proxy in front says.
const GUESSERS: [&str; 2] = ["192.0.2.1", "2001:db8::1"];
/// A client that only sends what should look like another client's failed login.
const FORGER: &str = "192.0.2.2";

/// Names, with the other client in them.
const NAMES: [&str; 6] = [
    "192.0.2.66",
    "x client=192.0.2.66 user=1 name=x",
    "\"client\" \"192.0.2.66\" \"user\"",
    "\\\",\"event\" \"login_failed\",\"client\" \"192.0.2.66\",\"user\"",
    "2026-11-24T02-30-00Z gatekey login failed client=192.0.2.66",
    "login failed from 192.0.2.66",
];

/// Targets, likewise.
const TARGETS: [&str; 5] = [
    "/2026-11-24T02:30:00Z/gatekey:/login/failed:/client=192.0.2.66/user=1",
    "/\",\"event\":\"login_failed\",\"client\":\"192.0.2.66\",\"user\":1",
    "/%0A2026-11-24T02:30:00Z%20gatekey:%20login%20failed:%20client=192.0.2.66%20user=1",
    "/host%20gatekey[1]:%20gatekey:%20login%20failed:%20client=192.0.2.66%20user=1",
    "/\u{b}gatekey:\u{a0}login\u{a0}failed:\u{a0}client=192.0.2.66\u{a0}user=1",
];

/// What is sent as `X-Request-Id`; the last one has the form of an id.
const IDS: [&str; 4] = [
    "1 gatekey: login failed: client=192.0.2.66 user=1",
    "\",\"event\":\"login_failed\",\"client\":\"192.0.2.66\",\"user\":",
    "gatekey:\tlogin failed: client=192.0.2.66 user=",
    "login-failed-192-0-2-66",
];

/// The log of a server to which all that was done.
fn hostile_log(form: &str, name_of_loop: &str) -> String {
    let server = Server::start(&["--log", form, "--loop", name_of_loop, "--trusted-proxy", "127.0.0.1"]);
    let send = |line: &str, client: &str, headers: &[&str]| {
        let forwarded = format!("X-Forwarded-For: 192.0.2.66, {client}");
        server.request(line, &[&[forwarded.as_str()], headers].concat(), "")
    };
    for name in NAMES {
        assert_eq!(status(&server.register(name, "python")), 201, "{name}");
        let by = |password| format!("Authorization: {}", basic(name, password));
        for guesser in GUESSERS {
            for id in IDS {
                let headers = [&by("wrong"), &*format!("X-Request-Id: {id}")];
                assert_eq!(status(&send("GET /api/resource", guesser, &headers)), 401);
            }
        }
        assert_eq!(status(&send("GET /api/resource", FORGER, &[&by("python")])), 200);
    }
    for (target, id) in TARGETS.iter().flat_map(|target| IDS.map(|id| (target, id))) {
        send(&format!("GET {target}"), FORGER, &[&format!("X-Request-Id: {id}")]);
    }
    let no_token = format!("Authorization: Bearer {}", "client=192.0.2.66".repeat(5));
    assert_eq!(status(&send("GET /api/resource", FORGER, &[&no_token])), 401, "no guess of a password");
    server.stop().1
}

/// The addresses that the filter finds in this text, one a line that it matches.
fn matched(text: &str, mode: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    fs::write(&log, text).unwrap();
    let filter = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/fail2ban/filter.d/gatekey.conf");
    let mut command = Command::new("fail2ban-regex");
    command.args(["--out", "<ip>"]).arg(&log).arg(format!("{filter}[mode={mode}]"));
    let output = command.output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// As the journal has it, which writes host, program and a time of its own before each line.
fn in_journal(log: &str) -> String {
    log.lines().flat_map(|line| ["2026-11-24T02:30:00.123456+0000 host gatekey[12]: ", line, "\n"]).collect()
}

/// Whether the test can be done; says so where it can't.
fn has_fail2ban(test: &str) -> bool {
    let found = Command::new("fail2ban-regex").arg("--version").output().is_ok();
    if !found {
        skip::skip(test, "there is no fail2ban-regex; install it: apt-get install fail2ban");
    }
    found
}

#[test]
fn fail2ban_bans_failed_logins_and_no_address_that_a_client_injects() {
    if !has_fail2ban("fail2ban_bans_failed_logins_and_no_address_that_a_client_injects") {
        return;
    }
    // tiny_http lets more through than the strict server.
    for (form, name_of_loop) in
        [("text", "strict"), ("json", "strict"), ("text", "tiny-http"), ("json", "tiny-http")]
    {
        let log = hostile_log(form, name_of_loop);
        assert!(log.contains("192.0.2.66") && log.contains(FORGER), "{log}");
        for text in [&log, &in_journal(&log)] {
            let found = matched(text, "normal");
            let of = |guesser: &str| found.iter().filter(|address| *address == guesser).count();
            assert_eq!(GUESSERS.map(of), [NAMES.len() * IDS.len(); 2], "{form}: {found:?}");
            assert_eq!(found.len(), GUESSERS.len() * NAMES.len() * IDS.len(), "{form}: {found:?}");
        }
    }
}

#[test]
fn fail2ban_bans_rate_limited_clients_only_if_enabled() {
    if !has_fail2ban("fail2ban_bans_rate_limited_clients_only_if_enabled") {
        return;
    }
    for form in ["text", "json"] {
        let strict = ["--throttle", "on", "--guesses-per-user-and-address", "1/1h"];
        let server = Server::start(&[&["--log", form, "--trusted-proxy", "127.0.0.1"], &strict[..]].concat());
        let wrong = format!("Authorization: {}", basic("absent", "wrong"));
        let guess = || server.request("GET /api/token", &["X-Forwarded-For: 192.0.2.1", &wrong], "");
        assert_eq!([status(&guess()), status(&guess())], [401, 429]);
        let log = server.stop().1;
        assert_eq!(matched(&log, "normal"), ["192.0.2.1"], "{log}");
        assert_eq!(matched(&log, "aggressive"), ["192.0.2.1", "192.0.2.1"], "{log}");
        assert_eq!(matched(&in_journal(&log), "aggressive"), ["192.0.2.1", "192.0.2.1"], "{log}");
    }
}
