//! HAProxy and nginx, the real programs, as plain reverse proxies in front of gatekey.

use crate::hazards::watch::await_that;
use crate::process::{Server, status};
use crate::skip::skip;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

/// A program that ends with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// Starts a proxy by its configuration; `None`, and the test is skipped, if it isn't installed.
fn start(test: &str, name: &str, arguments: &[&str], file: &Path, configuration: &str) -> Option<Program> {
    fs::write(file, configuration).unwrap();
    let mut command = Command::new(name);
    command.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap()));
    let child = command.args(arguments).arg(file).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    if child.is_err() {
        skip(test, &format!("there is no {name}; install it: tests/tools.sh"));
    }
    child.ok().map(Program)
}

/// Sends this to a Unix socket and reads to the end.
fn exchange(socket: &Path, text: &[u8]) -> String {
    let Ok(mut connection) = UnixStream::connect(socket) else { return String::new() };
    let mut answer = String::new();
    let _ = connection.write_all(text);
    let _ = connection.read_to_string(&mut answer);
    answer
}

#[test]
fn haproxys_documented_health_checks_succeed_and_its_client_is_known() {
    let test = "haproxys_documented_health_checks_succeed_and_its_client_is_known";
    let server = Server::start(&["--trusted-proxy", "127.0.0.1"]);
    let directory = tempfile::tempdir().unwrap();
    let [stats, front] = ["stats", "front"].map(|name| directory.path().join(name));
    let checks = [
        ("plain", "option httpchk"),
        ("asterisk", "option httpchk\nhttp-check send meth OPTIONS uri * ver HTTP/1.1 hdr Host www"),
        ("health", "option httpchk GET /healthz"),
        ("head", "option httpchk\nhttp-check send meth HEAD uri /healthz ver HTTP/1.1 hdr Host www"),
    ];
    let backends = checks.map(|(name, check)| {
        format!("backend {name}\n{check}\nserver gatekey {} check inter 100ms\n", server.address)
    });
    let configuration = format!(
        "global\nstats socket {} level user\ndefaults\nmode http\ntimeout connect 5s\ntimeout client 30s\n\
         timeout server 30s\nfrontend front\nbind unix@{}\nhttp-request set-header X-Forwarded-For 192.0.2.7\n\
         default_backend plain\n{}",
        stats.display(),
        front.display(),
        backends.concat()
    );
    let file = directory.path().join("haproxy.cfg");
    let Some(_haproxy) = start(test, "haproxy", &["-db", "-f"], &file, &configuration) else { return };
    // The health of each server: the columns check_status and check_code.
    let health = || {
        let table = exchange(&stats, b"show stat\n");
        let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let Some(header) = lines.next() else { return Vec::new() };
        let column = |name: &str| header.iter().position(|cell| *cell == name).unwrap();
        let servers = lines.filter(|cells| cells.get(1) == Some(&"gatekey"));
        let health = |cells: Vec<&str>| (cells[0].to_owned(), cells[column("check_status")].to_owned());
        servers.map(health).collect()
    };
    let is_checked = |(_, status): &(String, String)| !["", "INI"].contains(&status.trim_start_matches("* "));
    assert!(
        await_that(|| health().len() == checks.len() && health().iter().all(is_checked)),
        "{:?}",
        health()
    );
    let expected = checks.map(|(name, _)| (name.to_owned(), "L7OK".to_owned()));
    let found: Vec<_> = health()
        .into_iter()
        .map(|(name, status)| (name, status.trim_start_matches("* ").to_owned()))
        .collect();
    assert_eq!(found, expected);

    let request = b"GET /api/resource HTTP/1.1\r\nHost: www\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&exchange(&front, request)), 401);
    assert!(await_that(|| server.log().contains("Z 192.0.2.7 GET /api/resource 401 ")), "{}", server.log());
}

/// gatekey answers before it has read the body. A server that then resets the connection makes nginx answer 502 instead.
#[test]
fn a_body_that_is_too_long_is_413_through_nginx_every_time() {
    let test = "a_body_that_is_too_long_is_413_through_nginx_every_time";
    let server = Server::start(&["--trusted-proxy", "127.0.0.1"]);
    let directory = tempfile::tempdir().unwrap();
    let (at, front) = (directory.path().display(), directory.path().join("front"));
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|name| format!("{name}_temp_path {at}/{name};")).concat();
    let configuration = format!(
        "daemon off; master_process off; pid {at}/pid; error_log {at}/log; events {{}}\n\
         http {{ access_log off; {temporary} server {{ listen unix:{}; location / {{ proxy_pass http://{}; }} }} }}",
        front.display(),
        server.address
    );
    let file = directory.path().join("nginx.conf");
    let log = directory.path().join("log");
    let arguments = ["-e", log.to_str().unwrap(), "-c"];
    let Some(_nginx) = start(test, "nginx", &arguments, &file, &configuration) else { return };
    assert!(await_that(|| UnixStream::connect(&front).is_ok()));
    let head =
        "POST /api/users HTTP/1.1\r\nHost: www\r\nConnection: close\r\nContent-Type: application/json\r\n";
    let request =
        [format!("{head}Content-Length: 1000000\r\n\r\n").as_bytes(), &vec![b' '; 1_000_000]].concat();
    let answers: Vec<u16> = thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| (0..10).map(|_| status(&exchange(&front, &request))).collect::<Vec<_>>()))
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    assert_eq!(answers, [413; 30]);
}
