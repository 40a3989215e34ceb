//! Each response reaches its own connection, and each request sees what was acknowledged before it.

use super::watch::{SetAtEnd, read_one};
use crate::harness::basic;
use crate::process::{Server, body, status};
use gatekey::json;
use rustix::net::sockopt::set_socket_linger;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How often each hazard is repeated: a race that is lost once in a thousand times would show.
const TIMES: usize = 10_000;

/// A server whose users are `user 1` and so on, each with that as the password.
fn start(users: usize) -> Server {
    let server = Server::start(&["--log", "off"]);
    for number in 1..=users {
        let name = format!("user {number}");
        assert_eq!(status(&server.register(&name, &format!("{name}!"))), 201);
    }
    server
}

fn request(method: &str, path: &str, authorization: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: {authorization}\r\n\r\n")
}

fn log_in(connection: &mut TcpStream, number: usize) -> String {
    let name = format!("user {number}");
    let authorization = basic(&name, &format!("{name}!"));
    connection.write_all(request("GET", "/api/token", &authorization).as_bytes()).unwrap();
    let answer = read_one(connection).unwrap();
    let object = json::parse_object(body(&answer).as_bytes()).unwrap_or_else(|_| panic!("{answer}"));
    format!("Bearer {}", object["token"].as_str().unwrap())
}

/// Keeps event loops in batches: pipelined token checks, without a break.
fn keep_batches_open(server: &Server, number: usize, is_over: &AtomicBool) {
    let mut connection = server.connect();
    let bearer = log_in(&mut connection, number);
    let expected = format!(r#"{{"data":"Hello, user {number}!"}}"#);
    while !is_over.load(Ordering::Acquire) {
        connection.write_all(request("GET", "/api/resource", &bearer).repeat(20).as_bytes()).unwrap();
        for _ in 0..20 {
            assert_eq!(body(&read_one(&mut connection).unwrap()), expected);
        }
    }
}

#[test]
fn a_token_that_is_revoked_is_rejected_in_the_same_pipeline() {
    const CLIENTS: usize = 4;
    let server = start(2 * CLIENTS);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for number in 1..=CLIENTS {
            let (server, is_over) = (&server, &is_over);
            scope.spawn(move || keep_batches_open(server, CLIENTS + number, is_over));
        }
        let _ending = SetAtEnd(&is_over);
        let revoke = |number: usize| {
            let mut connection = server.connect();
            for round in 0..TIMES / CLIENTS {
                let bearer = log_in(&mut connection, number);
                let use_it = request("GET", "/api/resource", &bearer);
                let revoke_it = request("DELETE", "/api/token", &bearer);
                let pipeline = use_it.clone() + &revoke_it + &use_it + &use_it;
                connection.write_all(pipeline.as_bytes()).unwrap();
                let statuses = [(); 4].map(|()| status(&read_one(&mut connection).unwrap()));
                assert_eq!(statuses, [200, 204, 401, 401], "round {round}");
            }
        };
        let clients: Vec<_> = (1..=CLIENTS).map(|number| scope.spawn(move || revoke(number))).collect();
        for client in clients {
            client.join().unwrap();
        }
    });
}

/// Logs in and resets the connection, at one moment or another of the answer's way.
fn log_in_and_reset(server: &Server, number: usize) {
    let mut connection = server.connect();
    set_socket_linger(&connection, Some(Duration::ZERO)).unwrap();
    let authorization = basic("user 1", if number.is_multiple_of(2) { "user 1!" } else { "wrong" });
    let login = request("GET", "/api/token", &authorization);
    connection.write_all(login.repeat(1 + number % 2).as_bytes()).unwrap();
    if number.is_multiple_of(3) {
        connection.set_read_timeout(Some(Duration::from_millis(1 + (number % 4) as u64))).unwrap();
        let _ = connection.peek(&mut [0]);
    }
}

#[test]
fn resets_during_logins_send_no_response_to_another_connection() {
    const CLIENTS: usize = 4;
    let server = start(CLIENTS + 1);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let honest: Vec<_> = (2..CLIENTS + 2)
            .map(|number| {
                let (server, is_over) = (&server, &is_over);
                scope.spawn(move || {
                    let bearer = log_in(&mut server.connect(), number);
                    let expected = format!(r#"{{"data":"Hello, user {number}!"}}"#);
                    let mut answers = 0;
                    while !is_over.load(Ordering::Acquire) {
                        // A new connection each time: it gets the descriptor of one that was reset.
                        let mut connection = server.connect();
                        connection.write_all(request("GET", "/api/resource", &bearer).as_bytes()).unwrap();
                        let answer = read_one(&mut connection).unwrap();
                        assert_eq!((status(&answer), body(&answer)), (200, expected.as_str()));
                        answers += 1;
                    }
                    answers
                })
            })
            .collect();
        let ending = SetAtEnd(&is_over);
        (0..TIMES).for_each(|number| log_in_and_reset(&server, number));
        drop(ending);
        assert!(honest.into_iter().all(|client| client.join().unwrap() > 0));
    });
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}
