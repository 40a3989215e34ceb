//! What a head is made of, and how long it and a body may be: H9, H13, H15.

use super::watch::{assert_is_refusal, assert_refused, read_all, send, withstands};
use crate::process::{Server, body, status};
use std::io::Write as _;

// Of this file's hazards the tiny_http server withstands none: it takes heads of any size (H9), makes a
// folded line a header of its own (H13), and passes bare CR, bare LF and NUL on (H15).

/// Sends a request line and then this again and again, 64 MiB at most; what the server says, and what it
/// took.
fn endless(server: &Server, start: &str, unit: &str) -> (String, usize) {
    const BLOCK: usize = 64 * 1024;
    const MOST: usize = 64 << 20;
    let block = unit.repeat(BLOCK / unit.len());
    let mut connection = server.connect();
    let _ = connection.write_all(start.as_bytes());
    let mut sent = 0;
    while sent < MOST && connection.write_all(block.as_bytes()).is_ok() {
        sent += block.len();
    }
    (read_all(&mut connection), sent)
}

#[test]
fn an_endless_head_is_refused_h9() {
    withstands(&Server::start(&[]), |server| {
        let line = "GET /api/users/1 HTTP/1.1\r\nHost: a\r\n";
        for (start, unit, expected) in [
            (format!("{line}Cookie: "), "x", 431),
            (line.to_owned(), "a:b\r\n", 431),
            (format!("{line}Cookie: "), "\t", 431),
            ("GET /".to_owned(), "x", 414),
            (String::new(), "x", 414),
        ] {
            let (answer, sent) = endless(server, &start, unit);
            assert_is_refusal(&answer, expected, start.as_bytes());
            assert!(sent < 16 << 20, "the server took {sent} bytes of {start:?}");
        }
        // An empty line may precede a request, but not two.
        let (answer, _) = endless(server, "", "\r\n");
        assert_is_refusal(&answer, 400, b"empty lines");
    });
}

#[test]
fn a_head_may_have_a_hundred_fields_and_32_kib_h9() {
    withstands(&Server::start(&[]), |server| {
        let start = "GET /api/users/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
        let with_headers = |count: usize| format!("{start}{}\r\n", "a:b\r\n".repeat(count - 2));
        assert_eq!(status(&send(server, with_headers(100).as_bytes())), 200);
        assert_refused(server, with_headers(101).as_bytes(), 431);
        let of_bytes = |total: usize| {
            let padding = total - start.len() - "Cookie: \r\n\r\n".len();
            format!("{start}Cookie: {}\r\n\r\n", "x".repeat(padding))
        };
        assert_eq!(status(&send(server, of_bytes(32 * 1024).as_bytes())), 200);
        assert_refused(server, of_bytes(32 * 1024 + 1).as_bytes(), 431);
    });
}

#[test]
fn the_longest_head_is_what_the_operator_says_h9() {
    // One under the default, one over it.
    for (option, max) in [("2K", 2048), ("100000", 100_000)] {
        let server = Server::start(&["--max-head", option]);
        server.register("ok", "python");
        let start = "GET /api/users/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: ";
        let of_bytes = |total: usize| format!("{start}{}\r\n\r\n", "x".repeat(total - start.len() - 4));
        for total in [max - 1, max] {
            assert_eq!(status(&send(&server, of_bytes(total).as_bytes())), 200, "{total} of {max}");
        }
        assert_refused(&server, of_bytes(max + 1).as_bytes(), 431);
        assert_refused(&server, format!("GET /{}", "x".repeat(max)).as_bytes(), 414);
    }
}

#[test]
fn the_longest_body_is_what_the_operator_says_and_the_refusal_says_it_too() {
    for (option, max) in [("1K", 1024), ("20000", 20_000)] {
        let server = Server::start(&["--max-body", option]);
        let head = |framing: &str| {
            format!(
                "POST /api/users HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n\
                 {framing}\r\n\r\n"
            )
        };
        let of_bytes = |name: usize, total: usize| {
            let json = format!(r#"{{"username":"user {name}","password":"python"}}"#);
            format!("{json}{}", " ".repeat(total - json.len()))
        };
        let at_once = |body: String| head(&format!("Content-Length: {}", body.len())) + &body;
        let in_a_chunk = |body: String| {
            head("Transfer-Encoding: chunked") + &format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
        };
        for (name, total) in [max - 1, max].into_iter().enumerate() {
            assert_eq!(status(&send(&server, at_once(of_bytes(name, total)).as_bytes())), 201, "{total}");
            assert_eq!(
                status(&send(&server, in_a_chunk(of_bytes(name + 2, total)).as_bytes())),
                201,
                "{total}"
            );
        }
        for request in [at_once(of_bytes(4, max + 1)), in_a_chunk(of_bytes(4, max + 1))] {
            let answer = send(&server, request.as_bytes());
            assert_is_refusal(&answer, 413, option.as_bytes());
            let message = format!("The body is over {max} bytes long; send a shorter one.");
            let expected = format!(r#"{{"error":"payload_too_large","message":"{message}"}}"#);
            assert_eq!(body(&answer), expected);
        }
    }
}

#[test]
fn the_tiny_loop_reads_16_kib_of_a_body_whatever_the_option_says() {
    let server = Server::start(&["--loop", "tiny-http", "--max-body", "1K"]);
    let json = r#"{"username":"ok","password":"python"}"#;
    let register = |total: usize| {
        server.request("POST /api/users", &[], &format!("{json}{}", " ".repeat(total - json.len())))
    };
    let answer = register(16 * 1024 + 1);
    assert_eq!(status(&answer), 413);
    assert!(body(&answer).contains("over 16384 bytes long"), "{answer}");
    assert_eq!(status(&register(16 * 1024)), 201);
}

#[test]
fn white_space_where_a_line_begins_or_a_name_ends_is_refused_h13() {
    withstands(&Server::start(&[]), |server| {
        for headers in [
            "Host: a\r\n Folded: yes\r\n",
            "Host: a\r\n\tfolded\r\n",
            "Host: a\r\n \r\n",
            " Host: a\r\n",
            "\tHost: a\r\n",
            "Host : a\r\n",
            "Host\t: a\r\n",
            "Host: a\r\nContent-Length : 5\r\n",
            "Host: a\r\nX Y: z\r\n",
            "Host: a\r\n: empty name\r\n",
            "Host: a\r\nno colon\r\n",
            "Host: a\r\nN\u{e9}: latin\r\n",
        ] {
            let request = format!("GET /api/users/1 HTTP/1.1\r\n{headers}\r\n");
            assert_refused(server, request.as_bytes(), 400);
        }
        for line in [
            " GET /api/users/1 HTTP/1.1",
            "GET  /api/users/1 HTTP/1.1",
            "GET /api/users/1  HTTP/1.1",
            "GET /api/users/1 HTTP/1.1 ",
            "GET\t/api/users/1\tHTTP/1.1",
        ] {
            assert_refused(server, format!("{line}\r\nHost: a\r\n\r\n").as_bytes(), 400);
        }
        // White space around a value is no part of it.
        let padded = b"GET /api/users/1 HTTP/1.1\r\nHost: \t a \t\r\nConnection:\tclose \r\n\r\n";
        assert_eq!(status(&send(server, padded)), 200);
    });
}

#[test]
fn bare_line_ends_and_nul_are_refused_h15() {
    withstands(&Server::start(&[]), |server| {
        for bytes in ["\r", "\n", "\0"] {
            for request in [
                format!("GET /api/{bytes}users/1 HTTP/1.1\r\nHost: a\r\n\r\n"),
                format!("GET{bytes} /api/users/1 HTTP/1.1\r\nHost: a\r\n\r\n"),
                format!("GET /api/users/1 HTTP/1.1{bytes}Host: a\r\n\r\n"),
                format!("GET /api/users/1 HTTP/1.1\r\nHost: a\r\nX: y{bytes}z\r\n\r\n"),
                format!("GET /api/users/1 HTTP/1.1\r\nHost: a\r\nX{bytes}: y\r\n\r\n"),
                format!("GET /api/users/1 HTTP/1.1\r\nHost: a{bytes}Evil: y\r\n\r\n"),
                format!("{bytes}GET /api/users/1 HTTP/1.1\r\nHost: a\r\n\r\n"),
                format!("GET /api/users/1 HTTP/1.1\r\nHost: a\r\n{bytes}\r\n"),
            ] {
                assert_refused(server, request.as_bytes(), 400);
            }
        }
        assert_refused(server, b"GET /api/users/1 HTTP/1.1\nHost: a\n\n", 400);
        // They need not wait for the head's end.
        assert_refused(server, b"GET /api\n", 400);
        for control in ["\u{1}", "\u{8}", "\u{1b}", "\u{7f}"] {
            let request = format!("GET /api/users/1 HTTP/1.1\r\nHost: a\r\nX: y{control}z\r\n\r\n");
            assert_refused(server, request.as_bytes(), 400);
        }
        // Bytes over 127 in a value are not interpreted.
        let latin = b"GET /api/users/1 HTTP/1.1\r\nHost: a\r\nX: \xe9\xff\r\nConnection: close\r\n\r\n";
        assert_eq!(status(&send(server, latin)), 200);
    });
}
