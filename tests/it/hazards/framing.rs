//! Where a body ends: H1, H2, H11, H12, H14.

use super::watch::{assert_is_refusal, assert_refused, send, send_and_end, withstands};
use crate::process::{Server, body, status};

/// A registration with these headers and these bytes after its head.
fn post(headers: &str, rest: &str) -> Vec<u8> {
    format!("POST /api/users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{headers}\r\n{rest}")
        .into_bytes()
}

/// The user of a body that must not be taken.
const SMUGGLED: &str = r#"{"username":"smuggled","password":"python"}"#;

// Of this file's hazards the tiny_http server withstands none: it sets aside whatever length is declared (H1
// aborts the process), overflows on the largest (H2), takes every coding for chunked (H11), reads every odd
// length as none (H12), and what it doesn't understand of a body becomes the next request (H14).

#[test]
fn a_huge_content_length_is_refused_h1() {
    withstands(&Server::start(&[]), |server| {
        for length in ["16385", "40000000000", "9000000000000000000", "9223372036854775807"] {
            assert_refused(server, &post(&format!("Content-Length: {length}\r\n"), ""), 413);
            // A path that isn't there counts for more, but the body is not waited for either.
            let lost = format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
            assert_refused(server, lost.as_bytes(), 404);
        }
    });
}

#[test]
fn a_content_length_that_no_integer_holds_is_refused_h2() {
    withstands(&Server::start(&[]), |server| {
        let long = "9".repeat(1000);
        for length in ["9223372036854775808", "18446744073709551615", "18446744073709551616", &long] {
            for _ in 0..2 {
                assert_refused(server, &post(&format!("Content-Length: {length}\r\n"), ""), 400);
            }
        }
    });
}

#[test]
fn chunked_is_the_only_coding_and_stands_alone_h11() {
    let chunked = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    withstands(&Server::start(&[]), |server| {
        for coding in [
            "identity",
            "xchunked",
            "gzip",
            "chunked, gzip",
            "gzip, chunked",
            "chunked, chunked",
            "",
            "\"chunked\"",
        ] {
            assert_refused(server, &post(&format!("Transfer-Encoding: {coding}\r\n"), &chunked), 501);
        }
        let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n";
        assert_refused(server, &post(twice, &chunked), 501);
        for headers in [
            "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
            "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 4\r\nTransfer-Encoding: identity\r\n",
            "Transfer-Encoding : chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 4\r\nConnection: keep-alive\r\n",
        ] {
            assert_refused(server, &post(headers, &chunked), 400);
        }
        let old = "POST /api/users HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_refused(server, format!("{old}{chunked}").as_bytes(), 400);
        assert_ne!(server.login("smuggled", "python"), 200);
        // In any case and with white space around it, it is chunked.
        for coding in ["chunked", " CHUNKED \t"] {
            let good =
                post(&format!("Connection: close\r\nTransfer-Encoding:{coding}\r\n"), "2\r\n{}\r\n0\r\n\r\n");
            assert!(send(server, &good).contains("missing_field"), "{coding}");
        }
    });
}

#[test]
fn a_content_length_that_is_not_one_number_is_refused_h12() {
    withstands(&Server::start(&[]), |server| {
        for length in [
            "43,43",
            "43, 43",
            "-5",
            "+43",
            "0x2b",
            "4 3",
            "43;",
            "",
            "\u{664}\u{663}",
            "43.0",
            "4e1",
            "\"43\"",
        ] {
            assert_refused(server, &post(&format!("Content-Length: {length}\r\n"), SMUGGLED), 400);
        }
        for headers in [
            "Content-Length: 43\r\nContent-Length: 43\r\n",
            "Content-Length: 43\r\nContent-Length: 0\r\n",
            "Content-Length: 0\r\ncontent-length: 43\r\n",
        ] {
            assert_refused(server, &post(headers, SMUGGLED), 400);
        }
        assert_ne!(server.login("smuggled", "python"), 200);
        // A body that looks like a request is a body.
        let hidden = "GET /api/users/1 HTTP/1.1\r\nHost: a\r\n\r\n";
        let headers = format!("Connection: close\r\nContent-Length: 0{}\r\n", hidden.len());
        assert_is_refusal(&send(server, &post(&headers, hidden)), 400, b"a leading zero");
    });
}

#[test]
fn a_broken_chunk_is_refused_and_a_cut_body_is_none_h14() {
    let long_extension = format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(300));
    let long_trailer = format!("0\r\n{}\r\n", "Trailer: x\r\n".repeat(1000));
    withstands(&Server::start(&[]), |server| {
        for chunks in [
            "+2\r\n{}\r\n0\r\n\r\n",
            "-2\r\n{}\r\n0\r\n\r\n",
            "0x2\r\n{}\r\n0\r\n\r\n",
            " 2\r\n{}\r\n0\r\n\r\n",
            "10000000000000000\r\n{}\r\n0\r\n\r\n",
            "10000000000000002\r\n{}\r\n0\r\n\r\n",
            "\r\n{}\r\n0\r\n\r\n",
            "2\n{}\n0\n\n",
            "2\r\n{}0\r\n\r\n",
            "1\r\n{}\r\n0\r\n\r\n",
            &long_extension,
            &long_trailer,
        ] {
            assert_refused(server, &post("Transfer-Encoding: chunked\r\n", chunks), 400);
        }
        for size in ["4001", "ffffffffffffffff", "7fffffffffffffff"] {
            let chunks = format!("{size}\r\n");
            assert_refused(server, &post("Transfer-Encoding: chunked\r\n", &chunks), 413);
        }
        cut_short(server);
        // Extensions and trailers are ignored, and what follows is the next request.
        let chunks = format!(
            "2;a=b\r\n{{}}\r\n0;c\r\nTransfer-Encoding: gzip\r\nHost: b\r\n\r\n{}",
            "GET /nowhere HTTP/1.0\r\n\r\n"
        );
        let answers = send(server, &post("Transfer-Encoding: chunked\r\n", &chunks));
        let codes: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
        assert_eq!(codes, ["400", "404"], "{answers}");
        assert!(body(&answers).starts_with(r#"{"error":"missing_field""#), "{answers}");
    });
}

/// A whole registration but for its last bytes, and then the end: no user is registered.
fn cut_short(server: &Server) {
    let chunks = format!("{:x}\r\n{SMUGGLED}\r\n", SMUGGLED.len());
    for (headers, rest) in [
        ("Transfer-Encoding: chunked\r\n".to_owned(), chunks.clone()),
        ("Transfer-Encoding: chunked\r\n".to_owned(), format!("{chunks}0\r\n")),
        (format!("Content-Length: {}\r\n", SMUGGLED.len() + 1), SMUGGLED.to_owned()),
    ] {
        assert_eq!(send_and_end(server, &post(&headers, &rest)), "", "{headers}");
    }
    assert_ne!(server.login("smuggled", "python"), 200);
    // Nothing but the end was missing.
    let whole = post(&format!("Connection: close\r\nContent-Length: {}\r\n", SMUGGLED.len()), SMUGGLED);
    assert_eq!(status(&send(server, &whole)), 201);
}
