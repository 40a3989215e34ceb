//! What happens to the machine, not by clients: the plug is pulled, the disk is full, the database is locked. What was
//! acknowledged is there, what can't be done is said, and when the cause is gone the server goes on.

use crate::harness::CHEAP;
use crate::process::{Server, body, field, status};
use crate::skip;
use std::fs;
use std::io::Write as _;
use std::net::Shutdown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

const UNAVAILABLE: &str =
    r#"{"error":"unavailable","message":"The server can't use its database now; try again later."}"#;

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

#[test]
fn a_locked_database_is_a_503_for_who_writes_and_nothing_for_who_reads() {
    let server = Server::start(&[]);
    server.register("ok", "python");
    let other = rusqlite::Connection::open(server.data.join("gatekey.sqlite3")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let refused = server.register("late", "python"); // after the five seconds that a lock is waited for
    assert_eq!((status(&refused), body(&refused)), (503, UNAVAILABLE));
    assert_eq!(server.login("ok", "python"), 200, "readers don't wait");

    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(status(&server.register("late", "python")), 201, "the cause is gone");
    let (_, log) = server.stop();
    assert!(log.contains("cause=\"the database can't be used now: database is locked\""), "{log}");
}

#[test]
fn a_full_disk_is_a_503_and_the_server_goes_on_when_there_is_room() {
    let test = "a_full_disk_is_a_503_and_the_server_goes_on_when_there_is_room";
    let directory = tempfile::tempdir().unwrap();
    let disk = directory.path();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "gatekey-test"]).arg(disk).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        return skip::skip(
            test,
            "a small tmpfs can't be mounted; run the tests as root, where mounting is allowed",
        );
    }
    let mounted = Mounted(disk.to_owned());
    let server = Server::start_in(disk.join("data"), &["--scrypt", CHEAP]);
    assert_eq!(status(&server.register("ok", "python")), 201);
    let filling = disk.join("filling");
    let mut file = fs::File::create(&filling).unwrap();
    while file.write_all(&[b'x'; 4096]).is_ok() {}

    let mut refused = None;
    for number in 0..2_000 {
        let answer = server.register(&format!("user {number}"), "python");
        if status(&answer) != 201 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("the disk is full in the end");
    assert_eq!((status(&refused), body(&refused)), (503, UNAVAILABLE));
    assert_eq!(field(&refused, "Content-Type"), Some("application/json"));
    assert_eq!(server.login("ok", "python"), 200, "who only reads is served");

    drop(file);
    fs::remove_file(filling).unwrap();
    assert_eq!(status(&server.register("after", "python")), 201);
    let (code, log) = server.stop();
    assert_eq!(code, Some(0));
    assert!(log.contains("database or disk is full"), "{log}");
    drop(mounted);
}

/// A mounted disk, which goes also when the test fails.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
