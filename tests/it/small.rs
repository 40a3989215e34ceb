//! Small devices: the server within memory limits of 16 to 128 MiB.

mod cage;

use crate::harness::basic;
use crate::process::{Server, body, gatekey_by, read_some, status};
use crate::skip;
use cage::Cage;
use gatekey::json;
use gatekey::password::Cost;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use tempfile::TempDir;

const MIB: u64 = 1 << 20;
const USERS: u8 = 8;
const LOGINS: u8 = 64;
const TOKEN_CLIENTS: u8 = 8;
const TOKEN_CHECKS: usize = 200;

/// A server that has this memory, this cost and one hash slot; `None` where there is no cage to be had. What is named first
/// is dropped last.
fn caged_server(test: &str, mib: u64, scrypt: &str) -> Option<(Cage, TempDir, Server)> {
    let cage = match Cage::new(mib * MIB) {
        Ok(cage) => cage,
        Err(why) => {
            skip::skip(test, &why);
            return None;
        }
    };
    let command = gatekey_by("sh", &["-c", &cage.enter()]);
    let directory = tempfile::tempdir().unwrap();
    // With all that is on by default: the throttle's tables are memory too.
    let options = ["--throttle", "on", "--log", "off", "--hash-slots", "1", "--scrypt", scrypt];
    let server = Server::start_as(command, directory.path().join("data"), &options);
    assert!(cage.holds(server.pid()), "the server runs outside of its cage");
    Some((cage, directory, server))
}

/// A client at an address of its own, as in a crowd: of one address, two may wait for a hash.
struct Client {
    connection: TcpStream,
}

impl Client {
    fn new(server: &Server, number: u8) -> Self {
        Self { connection: server.connect_from([127, 0, 7, number + 1]) }
    }

    /// One request on the connection, which stays: the answer's head and body.
    fn ask(&mut self, line: &str, authorization: &str, body: &str) -> String {
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nHost: a\r\nAuthorization: {authorization}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        self.connection.write_all(request.as_bytes()).unwrap();
        let mut answer = vec![0; 4096];
        let read = read_some(&mut self.connection, &mut answer).unwrap();
        answer.truncate(read);
        String::from_utf8(answer).unwrap()
    }

    fn register(&mut self, username: &str) -> u16 {
        let body = json::json!({"username": username, "password": "correct horse"}).to_string();
        status(&self.ask("POST /api/users", "none", &body))
    }

    fn login(&mut self, username: &str, password: &str) -> u16 {
        status(&self.ask("GET /api/resource", &basic(username, password), ""))
    }
}

/// So many clients at once, each with its number: what they saw, in order.
fn crowd<T: Send>(server: &Server, size: u8, act: impl Fn(&mut Client, u8) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let act = &act;
        let clients: Vec<_> = (0..size)
            .map(|number| scope.spawn(move || act(&mut Client::new(server, number), number)))
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

/// Registration, then a storm of logins beside a load of token checks: nothing fails but by 503, and no token at all.
fn live_a_day(server: &Server) {
    for number in 0..USERS {
        assert_eq!(Client::new(server, number).register(&format!("user {number}")), 201);
    }
    let answer = Client::new(server, 0).ask("GET /api/token", &basic("user 0", "correct horse"), "");
    let token = json::parse_object(body(&answer).as_bytes()).unwrap()["token"].as_str().unwrap().to_owned();

    let (storm, checks, more) = thread::scope(|scope| {
        // Different names and passwords: the same ones would be hashed once for all who show them.
        let storm = scope.spawn(|| {
            crowd(server, LOGINS, |client, number| match number.checked_sub(USERS) {
                None => client.login(&format!("user {number}"), "correct horse"),
                Some(number) => client.login(&format!("absent {number}"), "wrong"),
            })
        });
        let checks = scope.spawn(|| {
            crowd(server, TOKEN_CLIENTS, |client, _| {
                let bearer = format!("Bearer {token}");
                let check = |_| status(&client.ask("GET /api/resource", &bearer, ""));
                (0..TOKEN_CHECKS).map(check).collect::<Vec<_>>()
            })
        });
        let more = crowd(server, USERS, |client, number| client.register(&format!("late user {number}")));
        (storm.join().unwrap(), checks.join().unwrap(), more)
    });
    for (number, status) in (0..LOGINS).zip(&storm) {
        let expected = if number < USERS { 200 } else { 401 };
        assert!([expected, 503].contains(status), "login {number}: {status}");
    }
    assert!(storm.iter().filter(|status| **status != 503).count() > 2, "not only who came first: {storm:?}");
    assert!(more.iter().all(|status| matches!(status, 201 | 503)), "{more:?}");
    let not_200 = checks.concat().into_iter().filter(|status| *status != 200).collect::<Vec<_>>();
    assert_eq!(not_200, [0; 0], "a token waits for no hash, and needs no memory");
}

fn lives_in(test: &str, mib: u64, scrypt: &str) {
    let Some((cage, _directory, server)) = caged_server(test, mib, scrypt) else { return };
    live_a_day(&server);
    assert_eq!(server.login("user 1", "correct horse"), 200);
    assert_eq!(cage.killed(), 0);
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
    let (peak, hash) = (cage.peak_bytes(), scrypt.parse::<Cost>().unwrap().memory_bytes());
    assert!((hash..=mib * MIB).contains(&peak), "{peak} bytes: what it took was not counted");
}

#[test]
fn a_server_with_hashes_of_4_mib_fits_into_32_mib() {
    lives_in("a_server_with_hashes_of_4_mib_fits_into_32_mib", 32, "ln=12,r=8,p=16");
}

/// The rows of the document's table, each `| 16 MiB | ln=13,r=8,p=10 | ...`.
fn documented() -> Vec<(u64, &'static str)> {
    let rows = include_str!("../../docs/small-places.md").lines().filter_map(|line| {
        let mut columns = line.strip_prefix("| ")?.split(" | ");
        let mib = columns.next()?.strip_suffix(" MiB")?.parse().ok()?;
        Some((mib, columns.next()?.trim_matches('`')))
    });
    rows.collect()
}

#[test]
fn each_documented_setting_fits_into_its_memory_limit() {
    let rows = documented();
    assert_eq!(rows.iter().map(|(mib, _)| *mib).collect::<Vec<_>>(), [16, 32, 64, 128]);
    for (mib, scrypt) in rows {
        lives_in("each_documented_setting_fits_into_its_memory_limit", mib, scrypt);
    }
}

/// Without this one, the others would say nothing.
#[test]
fn a_hash_of_32_mib_does_not_fit_into_32_mib() {
    let test = "a_hash_of_32_mib_does_not_fit_into_32_mib";
    let Some((cage, _directory, server)) = caged_server(test, 32, "ln=15,r=8,p=3") else { return };
    let mut client = Client::new(&server, 0);
    let authorization = basic("absent", "wrong");
    let request = format!("GET /api/resource HTTP/1.1\r\nHost: a\r\nAuthorization: {authorization}\r\n\r\n");
    client.connection.write_all(request.as_bytes()).unwrap();
    match client.connection.read(&mut [0; 64]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("answered: {other:?}"),
    }
    assert_eq!(cage.killed(), 1);
}
