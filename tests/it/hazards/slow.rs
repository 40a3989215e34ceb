//! Who sends late, little, or a byte at a time: H6, H10, H22, H23.

use super::watch::{assert_is_refusal, assert_refused, read_all, read_one, send, withstands};
use crate::process::{Server, body, header, read_some, status};
use std::io::{ErrorKind, Write as _};
use std::net::TcpStream;
use std::time::Duration;

// The tiny_http server has no deadline and reads what it likes before it answers: it withstands neither H6
// nor H10.

/// Deadlines that a test can wait for.
const HURRIED: [&str; 4] = ["--request-timeout", "1", "--idle-timeout", "2"];

/// A registration with these headers, and no body yet.
fn head(headers: &str) -> String {
    format!("POST /api/users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{headers}\r\n")
}

const EXPECT: &str = "Expect: 100-continue\r\n";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

#[test]
fn a_body_that_never_comes_is_not_waited_for_h6() {
    withstands(&Server::start(&HURRIED), |server| {
        assert_refused(server, head("Content-Length: 100000\r\n").as_bytes(), 413);
        // More of them at once than a pool of threads would have.
        let begin = |bytes: String| {
            let mut connection = server.connect();
            connection.write_all(bytes.as_bytes()).unwrap();
            connection
        };
        let mut silent: Vec<_> = (0..16).map(|_| begin(head("Content-Length: 10000\r\n"))).collect();
        let partial = |_| begin(head("Content-Length: 10000\r\n") + "{\"username\":");
        silent.extend((0..8).map(partial));
        silent.extend((0..8).map(|_| begin(head("Transfer-Encoding: chunked\r\n") + "5\r\n{")));
        for connection in &mut silent {
            assert_is_refusal(&read_all(connection), 408, b"no body");
        }
        let mut expecting = begin(head(&format!("{EXPECT}Content-Length: 10000\r\n")));
        let answer = read_all(&mut expecting);
        let after = answer.strip_prefix(CONTINUE).unwrap_or_else(|| panic!("{answer}"));
        assert_is_refusal(after, 408, b"no body after 100");
    });
}

#[test]
fn an_expectation_gets_100_or_the_final_status_h6() {
    withstands(&Server::start(&[]), |server| {
        for length in ["16385", "40000000000"] {
            let large = head(&format!("{EXPECT}Content-Length: {length}\r\n"));
            assert_refused(server, large.as_bytes(), 413);
        }
        assert_refused(server, head("Expect: 200-ok\r\nContent-Length: 2\r\n").as_bytes(), 417);
        assert_refused(server, head("Expect: 100-continue, other\r\nContent-Length: 2\r\n").as_bytes(), 417);
        // A client that has sent the body already waits for nothing, and neither does HTTP/1.0.
        let together = head(&format!("{EXPECT}Connection: close\r\nContent-Length: 2\r\n")) + "{}";
        assert_is_refusal(&send(server, together.as_bytes()), 400, b"head and body in one");
        let old = head(&format!("{EXPECT}Content-Length: 2\r\n")).replace("HTTP/1.1", "HTTP/1.0") + "{}";
        assert_is_refusal(&send(server, old.as_bytes()), 400, b"HTTP/1.0");
        // The whole exchange, as curl does it with a large body, and the connection is kept.
        let mut connection = server.connect();
        for framing in ["Content-Length: 2\r\n", "Transfer-Encoding: chunked\r\n"] {
            connection.write_all(head(&format!("Expect: 100-Continue\r\n{framing}")).as_bytes()).unwrap();
            assert_eq!(read_one(&mut connection).unwrap(), CONTINUE);
            let rest = if framing.contains("chunked") { "2\r\n{}\r\n0\r\n\r\n" } else { "{}" };
            connection.write_all(rest.as_bytes()).unwrap();
            let answer = read_one(&mut connection).unwrap();
            assert!(body(&answer).starts_with(r#"{"error":"missing_field""#), "{answer}");
        }
    });
}

#[test]
fn an_upgrade_is_ignored_and_its_body_is_a_body_h6() {
    withstands(&Server::start(&[]), |server| {
        let mut connection = server.connect();
        for _ in 0..2 {
            let headers = "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n";
            connection.write_all((head(headers) + "{}").as_bytes()).unwrap();
            let answer = read_one(&mut connection).unwrap();
            assert!(body(&answer).starts_with(r#"{"error":"missing_field""#), "{answer}");
        }
        let h2c = "GET /api/users/1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\n\
                   Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
        assert_eq!(status(&send(server, h2c.as_bytes())), 200);
    });
}

#[test]
fn silence_and_halves_end_at_the_deadline_h10() {
    withstands(&Server::start(&HURRIED), |server| {
        let mut silent: Vec<_> = (0..16).map(|_| server.connect()).collect();
        let halves = ["G", "GET /api/users/1", "GET /api/users/1 HTTP/1.1\r\nHost: a\r\n", "\r\n", "\r"];
        let mut begun: Vec<_> = halves.iter().map(|half| (half, server.connect())).collect();
        for (half, connection) in &mut begun {
            connection.write_all(half.as_bytes()).unwrap();
        }
        for (half, connection) in &mut begun {
            assert_is_refusal(&read_all(connection), 408, half.as_bytes());
        }
        for connection in &mut silent {
            assert_eq!(read_all(connection), "", "no request, so no answer");
        }
        // The same after a request: an idle connection is closed without a response, a begun request is answered.
        let mut idle = server.connect();
        idle.write_all(super::watch::GET).unwrap();
        assert_eq!(status(&read_one(&mut idle).unwrap()), 200);
        assert_eq!(read_all(&mut idle), "");
    });
}

/// Sends a byte every 100 ms until there is an answer; how many it took, and the answer.
fn trickle(mut connection: TcpStream, byte: &[u8]) -> (u32, String) {
    connection.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut first = [0];
    for sent in 1..100 {
        // Once refused, what we send may reset the connection; the answer is there all the same.
        let _ = connection.write_all(byte);
        match read_some(&mut connection, &mut first) {
            Ok(1) => return (sent, format!("{}{}", char::from(first[0]), read_all(&mut connection))),
            Ok(_) => return (sent, String::new()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("it could go on for ever");
}

#[test]
fn a_byte_now_and_then_gains_no_time_h10() {
    withstands(&Server::start(&HURRIED), |server| {
        let starts = [
            String::new(),
            "GET /api/users/1 HTTP/1.1\r\nHost: a\r\nCookie: ".to_owned(),
            head("Content-Length: 10000\r\n"),
            head("Transfer-Encoding: chunked\r\n") + "2000\r\n",
            head("Transfer-Encoding: chunked\r\n") + "1;",
        ];
        std::thread::scope(|scope| {
            for start in &starts {
                scope.spawn(move || {
                    let mut connection = server.connect();
                    connection.write_all(start.as_bytes()).unwrap();
                    let (sent, answer) = trickle(connection, b"x");
                    assert_is_refusal(&answer, 408, start.as_bytes());
                    // Ten in a second; a deadline that each byte moved would let all hundred pass.
                    assert!(sent < 60, "{sent} bytes of {start:?}");
                });
            }
        });
    });
}

#[test]
fn a_request_of_one_byte_packets_is_a_request_h22() {
    let options = [["--loop", "strict"], ["--loop", "tiny-http"]];
    for options in options {
        withstands(&Server::start(&options), |server| {
            for (name, framing) in
                [("sized", "Content-Length: 40\r\n"), ("chunk", "Transfer-Encoding: chunked\r\n")]
            {
                let json = format!(r#"{{"username":"{name}","password":"python"}}"#);
                let chunks = format!("{:x}\r\n{json}\r\n0\r\n\r\n", json.len());
                let content = if name == "chunk" { chunks } else { json };
                let mut connection = server.connect();
                connection.set_nodelay(true).unwrap();
                for byte in (head(&format!("Connection: close\r\n{framing}")) + &content).bytes() {
                    connection.write_all(&[byte]).unwrap();
                }
                assert_eq!(status(&read_all(&mut connection)), 201, "{name}");
            }
        });
    }
}

// The tiny_http server writes through a buffer of 1,024 bytes, so a longer answer leaves in pieces.
#[test]
fn a_long_answer_arrives_in_one_piece_h23() {
    let url = format!("https://example.org/{}", "x".repeat(8 * 1024));
    withstands(&Server::start(&["--public-url", &url]), |server| {
        let mut connection = server.connect();
        let mut bytes = vec![0; 64 * 1024];
        for number in 2..52 {
            let json = format!(r#"{{"username":"user {number}","password":"python"}}"#);
            let request = head(&format!("Content-Length: {}\r\n", json.len())) + &json;
            connection.write_all(request.as_bytes()).unwrap();
            // One write into an empty connection is one read of the other side's.
            let count = read_some(&mut connection, &mut bytes).unwrap();
            let answer = std::str::from_utf8(&bytes[..count]).unwrap();
            assert!(answer.len() > url.len());
            assert_eq!(status(answer), 201);
            assert_eq!(header(answer, "Location"), Some(format!("{url}/api/users/{number}").as_str()));
            assert_eq!(body(answer), format!(r#"{{"id":{number},"username":"user {number}"}}"#));
        }
    });
}
