//! Who asks for more than is read, or leaves in the middle: H7, H8, H17.

use super::watch::{GET, over_both_loops, read_all, withstands};
use crate::process::{Server, status};
use rustix::net::sockopt::set_socket_linger;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

// The tiny_http server's few workers block in writing to who doesn't read (H7), and its queue of requests has
// no end (H8).

/// A request that is as short as can be.
const SHORTEST: &[u8] = b"GET / HTTP/1.1\r\nHost:\r\n\r\n";

/// Sends requests and reads nothing, until the server has closed.
fn ask_and_never_read(mut connection: TcpStream) {
    /// Far more than the buffers of both sides hold: then the server isn't stuck, it serves.
    const MOST: usize = 64 << 20;
    let block = SHORTEST.repeat(1_000);
    let mut sent = 0;
    connection.set_write_timeout(Some(Duration::from_secs(15))).unwrap();
    while sent < MOST {
        match connection.write(&block) {
            Ok(count) => sent += count,
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                return;
            }
            Err(error) => panic!("not closed: {error}, after {sent} bytes"),
        }
    }
    panic!("the answers to {sent} bytes went somewhere");
}

#[test]
fn who_never_reads_is_closed_h7() {
    withstands(&Server::start(&["--request-timeout", "1", "--log", "off"]), |server| {
        // 60 answers fit into the kernel's buffers: no client is stuck, and these just leave.
        let mut connections: Vec<_> = (0..8).map(|_| server.connect()).collect();
        for connection in &mut connections {
            connection.write_all(&SHORTEST.repeat(60)).unwrap();
        }
        // These go on until no more fits.
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| ask_and_never_read(server.connect()));
            }
        });
    });
}

#[test]
fn a_flood_of_pipelined_requests_is_answered_one_by_one_h8() {
    const REQUESTS: usize = 50_000;
    // Without the page, so that the shortest request has a short answer.
    withstands(&Server::start(&["--log", "off", "--no-page"]), |server| {
        let mut connection = server.connect();
        let mut writer = connection.try_clone().unwrap();
        let answers = thread::scope(|scope| {
            scope.spawn(move || {
                for _ in 0..REQUESTS / 100 {
                    writer.write_all(&SHORTEST.repeat(100)).unwrap();
                }
                writer.write_all(b"GET /last HTTP/1.0\r\n\r\n").unwrap();
            });
            read_all(&mut connection)
        });
        assert_eq!(answers.matches("HTTP/1.1 404 Not Found\r\n").count(), REQUESTS + 1);
        assert_eq!(answers.matches("\r\nConnection: close\r\n").count(), 1);
    });
}

#[test]
fn pipelined_requests_are_answered_in_order_h8() {
    withstands(&Server::start(&[]), |server| {
        let mut connection = server.connect();
        let asked: Vec<_> = (0..500).map(|number| if number % 7 == 0 { 200 } else { 404 }).collect();
        for status in &asked {
            let path = if *status == 200 { "/api/users/1" } else { "/nothing" };
            write!(connection, "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        }
        connection.write_all(b"GET / HTTP/1.1\r\n\r\nGET /api/users/1 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let answers = read_all(&mut connection);
        let got: Vec<_> =
            answers.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].parse::<u16>().unwrap()).collect();
        // The one that is refused is the last, whatever follows it.
        assert_eq!(got, [asked.as_slice(), &[400]].concat());
    });
}

#[test]
fn who_connects_sends_and_resets_costs_nothing_h17() {
    over_both_loops(|server| withstands(server, resets));
}

/// Closes with a reset, whatever was read.
fn reset(connection: TcpStream) {
    set_socket_linger(&connection, Some(Duration::ZERO)).unwrap();
    drop(connection);
}

// The tiny_http server asks for the client's address when it has the request; where the reset was there
// first, that panics a thread of its pool. In two runs of four, threads and descriptors were not back twenty
// seconds later.
#[test]
fn who_is_gone_before_being_accepted_costs_nothing_h17() {
    let server = Server::start(&[]);
    withstands(&server, early_resets);
    let (code, log) = server.stop();
    assert_eq!(code, Some(0));
    assert!(!log.contains("panicked"), "{log}");
}

fn early_resets(server: &Server) {
    for number in 0..200 {
        // Stopped now and then, so that it finds both already there: the connection and its end.
        if number % 20 == 0 {
            server.signal("STOP");
        }
        let mut connection = server.connect();
        connection.write_all(&GET.repeat(number % 3)).unwrap();
        reset(connection);
        if number % 20 == 19 {
            server.signal("CONT");
        }
    }
}

fn resets(server: &Server) {
    for number in 0..500 {
        let mut connection = server.connect();
        connection.write_all(&GET.repeat(1 + number % 3)).unwrap();
        if number % 2 == 0 {
            // Closing with something unread sends a reset at once; otherwise the answer meets one.
            let mut first = [0];
            while connection.peek(&mut first).is_err_and(|error| error.kind() == ErrorKind::Interrupted) {}
        }
    }
    for _ in 0..100 {
        drop(server.connect());
        let mut half = server.connect();
        half.write_all(b"POST /api/users HTTP/1.1\r\nHost: a\r\nContent-Length: 10").unwrap();
    }
    let mut connection = server.connect();
    connection.write_all(GET).unwrap();
    let mut start = [0; 12];
    connection.read_exact(&mut start).unwrap();
    assert_eq!(status(std::str::from_utf8(&start).unwrap()), 200);
}
