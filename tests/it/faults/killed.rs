//! Killed servers: every acknowledged write survives.

use crate::harness::CHEAP;
use crate::process::{Server, status};
use std::io::Write as _;
use std::net::Shutdown;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Registers from four threads until the server is killed; gives the names that got a 201.
fn register_until_killed(server: &Server, round: usize) -> Vec<String> {
    const BEFORE_THE_KILL: usize = 40;
    let (acknowledged, is_over, count) =
        (Mutex::new(Vec::new()), AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for worker in 0..4 {
            let (acknowledged, is_over, count) = (&acknowledged, &is_over, &count);
            scope.spawn(move || {
                for number in 0.. {
                    let name = format!("{round} {worker} {number}");
                    match try_register(server, &name) {
                        Some(201) => acknowledged.lock().unwrap().push(name),
                        Some(other) => panic!("{name}: {other}"),
                        None => break,
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                }
                is_over.store(true, Ordering::Relaxed);
            });
        }
        while count.load(Ordering::Relaxed) < BEFORE_THE_KILL && !is_over.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        server.signal("KILL");
    });
    acknowledged.into_inner().unwrap()
}

/// The status of a registration, or `None` where the server was gone before it answered.
fn try_register(server: &Server, name: &str) -> Option<u16> {
    let body = gatekey::json::json!({"username": name, "password": "python"}).to_string();
    let head = format!(
        "POST /api/users HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let mut connection = std::net::TcpStream::connect(server.address).ok()?;
    connection.write_all(format!("{head}{body}").as_bytes()).ok()?;
    connection.shutdown(Shutdown::Write).ok()?;
    let mut answer = Vec::new();
    std::io::Read::read_to_end(&mut connection, &mut answer).ok()?;
    // An answer that was cut off acknowledges nothing.
    let answer = String::from_utf8(answer).ok().filter(|answer| answer.ends_with('}'))?;
    Some(status(&answer))
}

#[test]
fn every_acknowledged_user_survives_twenty_killed_servers() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut acknowledged = Vec::new();
    for round in 0..20 {
        let server = Server::start_in(data.clone(), &["--scrypt", CHEAP, "--log", "off"]);
        acknowledged.extend(register_until_killed(&server, round));
    }
    assert!(acknowledged.len() >= 20 * 30, "only {} registrations", acknowledged.len());
    let server = Server::start_in(data.clone(), &["--scrypt", CHEAP, "--log", "off"]);
    for name in &acknowledged {
        assert_eq!(server.login(name, "python"), 200, "{name}");
    }
    assert_eq!(server.stop().0, Some(0));
    assert_eq!(check_integrity(&data.join("gatekey.sqlite3")), "ok");
}

/// What SQLite's own check says, all of it.
fn check_integrity(database: &Path) -> String {
    let connection = rusqlite::Connection::open(database).unwrap();
    connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
}
