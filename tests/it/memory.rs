//! Memory of many logins and many idle connections.

use crate::process::{Server, body, read_some};
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::thread;

/// A line of the process's status, in KiB.
fn kib(server: &Server, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn sixty_four_concurrent_logins_take_the_memory_of_two_slots_and_release_it() {
    const LOGINS: usize = 64;
    const SLOTS_KIB: u64 = 2 * 16 * 1024;
    /// Threads and buffers of 64 connections, in a debug build.
    const ALLOWANCE_KIB: u64 = 8 * 1024;
    let directory = tempfile::tempdir().unwrap();
    let options = ["--hash-slots", "2", "--hash-queue", "64", "--scrypt", "ln=14,r=8,p=1", "--log", "off"];
    let server = Server::start_in(directory.path().join("data"), &options);
    server.register("ok", "python");
    let before = kib(&server, "VmRSS");
    let statuses: Vec<u16> = thread::scope(|scope| {
        // Different passwords: the same one would be hashed once for all of them.
        let log_in = |number| server.login("ok", &format!("wrong {number}"));
        let logins: Vec<_> = (0..LOGINS).map(|number| scope.spawn(move || log_in(number))).collect();
        logins.into_iter().map(|login| login.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| matches!(status, 401 | 503)), "{statuses:?}");
    assert!(statuses.iter().filter(|status| **status == 401).count() > 2, "more than the slots in the end");
    let peak = kib(&server, "VmHWM");
    assert!(peak <= before + SLOTS_KIB + ALLOWANCE_KIB, "peak {peak} KiB, {before} KiB before");
    let after = kib(&server, "VmRSS");
    assert!(after <= before + ALLOWANCE_KIB, "{after} KiB after, {before} KiB before");
}

#[test]
fn an_idle_connection_costs_a_few_pages() {
    const CONNECTIONS: u64 = 256;
    // This is a debug build, whose stacks are deeper. In a release build it is less: make footprint.
    const KIB_EACH: u64 = 40;
    // Its code is larger too, and is in memory: a release build is below 16 MiB by far.
    const ALL_KIB: u64 = 20 * 1024;
    let server = Server::start(&["--log", "off"]);
    server.register("ok", "python");
    let before = kib(&server, "VmRSS");
    let mut connections: Vec<TcpStream> = (0..CONNECTIONS).map(|_| server.connect()).collect();
    // Each has served a request, so each has touched its stack, and waits for the next one.
    for connection in &mut connections {
        connection.write_all(b"GET /api/users/1 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut answer = vec![0; 1024];
        let read = read_some(connection, &mut answer).unwrap();
        answer.truncate(read);
        assert_eq!(body(std::str::from_utf8(&answer).unwrap()), "{\"username\":\"ok\"}");
    }
    let all = kib(&server, "VmRSS");
    assert!(all <= ALL_KIB, "{all} KiB with {CONNECTIONS} connections");
    let grown = all.saturating_sub(before);
    assert!(grown <= CONNECTIONS * KIB_EACH, "{grown} KiB for {CONNECTIONS} connections");
}
