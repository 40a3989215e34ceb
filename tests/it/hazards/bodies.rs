//! Bodies that are not read: H28, H29.

use super::watch::{assert_is_refusal, read_all, read_one, withstands};
use crate::process::{Server, status};
use std::io::Write as _;

/// As a proxy does it that has buffered the body: all of it is sent before the response is read.
#[test]
fn a_413_reaches_a_client_that_sends_all_of_its_body_first_h28() {
    withstands(&Server::start(&[]), |server| {
        let body = vec![b' '; 1_000_000];
        let chunks = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
        let sized = format!("Content-Length: {}", body.len());
        for (framing, body) in [(sized.as_str(), &body), ("Transfer-Encoding: chunked", &chunks)] {
            for round in 0..5 {
                let mut connection = server.connect();
                let head = format!(
                    "POST /api/users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{framing}\r\n\r\n"
                );
                connection.write_all(head.as_bytes()).unwrap();
                for piece in body.chunks(16 * 1024) {
                    let sent = connection.write_all(piece);
                    sent.unwrap_or_else(|error| panic!("reset while sending, round {round}: {error}"));
                }
                assert_is_refusal(&read_all(&mut connection), 413, framing.as_bytes());
            }
        }
    });
}

#[test]
fn a_length_without_a_body_is_answered_at_once_where_no_body_is_needed_h29() {
    withstands(&Server::start(&[]), |server| {
        let requests = [
            ("GET", "/api/verify", 401),
            ("POST", "/api/verify", 401),
            ("GET", "/api/resource", 401),
            ("GET", "/api/token", 401),
            ("DELETE", "/api/token", 401),
            ("GET", "/api/users/1", 200),
            ("GET", "/healthz", 200),
            ("GET", "/learn", 200),
            ("POST", "/nothing", 404),
            ("PATCH", "/api/users", 405),
        ];
        for framing in
            ["Content-Length: 10", "Transfer-Encoding: chunked", "Content-Length: 10\r\nExpect: 100-continue"]
        {
            for (method, path, expected) in requests {
                let mut connection = server.connect();
                write!(connection, "{method} {path} HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n").unwrap();
                // Had the body been waited for, it would be 408.
                let answer = read_one(&mut connection).unwrap();
                assert_eq!(status(&answer), expected, "{method} {path} {framing}");
                assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
                // What comes late is no request.
                let _ = connection.write_all(b"GET /api/users/1 HTTP/1.1\r\nHost: a\r\n\r\n");
                assert_eq!(read_all(&mut connection), "");
            }
        }
    });
}
