//! File descriptors run out, for connections or for the database: H4.
//!
//! The tiny_http server stops accepting for good when they have run out.

use super::file_systems::gatekey_with;
use super::{assert_unavailable, limit};
use crate::harness::CHEAP;
use crate::hazards::watch::{GET, ask, await_that, read_one};
use crate::process::{Server, gatekey_with_descriptors, status};
use rustix::process::Resource;
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;

/// What is answered without the database.
const NOTHING: &[u8] = b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n";

/// A connection that is accepted, and for which no reader of the database was opened.
fn accepted(server: &Server) -> TcpStream {
    let mut connection = server.connect();
    connection.write_all(NOTHING).unwrap();
    assert_eq!(read_one(&mut connection).map(|answer| status(&answer)), Ok(404));
    connection
}

fn descriptors(server: &Server) -> Vec<u64> {
    let entries = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap().parse().unwrap()).collect()
}

/// A directory with a database in it in which user 1 is.
fn with_a_user() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_in(directory.path().join("data"), &["--scrypt", CHEAP]);
    assert_eq!(status(&server.register("ok", "python")), 201);
    assert_eq!(server.stop().0, Some(0));
    directory
}

#[test]
fn without_free_descriptors_the_database_is_503_and_new_connections_wait_h4() {
    let directory = with_a_user();
    let server = Server::start_in(directory.path().join("data"), &["--scrypt", CHEAP]);
    let mut connection = accepted(&server);
    let open = descriptors(&server);
    let first_free = (0..=1_000).find(|number| !open.contains(number)).unwrap();
    limit(&server, Resource::Nofile, Some(first_free));

    connection.write_all(GET).unwrap();
    assert_unavailable(&read_one(&mut connection).unwrap());
    let mut newcomer = server.connect();
    newcomer.write_all(GET).unwrap();
    connection.write_all(NOTHING).unwrap();
    assert_eq!(read_one(&mut connection).map(|answer| status(&answer)), Ok(404), "what needs none is served");

    let accept = "can't accept connections: no descriptor left in this process (ulimit -n; in a systemd unit LimitNOFILE)";
    assert!(await_that(|| server.log().contains(accept)), "{}", server.log());
    limit(&server, Resource::Nofile, None);
    assert_eq!(ask(&mut connection), Ok(200), "the cause is gone");
    assert_eq!(read_one(&mut newcomer).map(|answer| status(&answer)), Ok(200));
    let (_, log) = server.stop();
    let cause = "cause=\"the database can't be used now: unable to open a database file: no descriptor left in this process";
    assert!(log.contains(cause), "{log}");
}

#[test]
fn connections_leave_the_database_the_descriptors_it_needs_h4() {
    const LIMIT: usize = 96;
    let directory = with_a_user();
    let few = gatekey_with_descriptors(u32::try_from(LIMIT).unwrap());
    let options = ["--scrypt", CHEAP, "--event-loops", "2"];
    let server = Server::start_as(few, directory.path().join("data"), &options);
    let mut crowd: Vec<_> = (0..LIMIT / 3).map(|_| accepted(&server)).collect();
    for round in 0..10 {
        // All at once, so that several readers are opened.
        for connection in &mut crowd {
            connection.write_all(GET).unwrap();
        }
        for connection in &mut crowd {
            assert_eq!(read_one(connection).map(|answer| status(&answer)), Ok(200), "round {round}");
        }
    }
    assert!(descriptors(&server).len() < LIMIT);
}

#[test]
fn descriptors_of_the_whole_system_are_named_apart_from_the_processs_own() {
    let test = "descriptors_of_the_whole_system_are_named_apart_from_the_processs_own";
    let Some(gatekey) = gatekey_with(test, &["inject=accept4:error=ENFILE:when=1"]) else { return };
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_as(gatekey, directory.path().join("data"), &["--scrypt", CHEAP]);
    accepted(&server);
    let notice = "can't accept connections: no descriptor left in the whole system (sysctl fs.file-max; ";
    assert!(await_that(|| server.log().contains(notice)), "{}", server.log());
}
