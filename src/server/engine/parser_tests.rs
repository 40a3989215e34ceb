//! The parser's tests: whatever bytes arrive, in whatever pieces, the requests are the same.

#![allow(
    clippy::arithmetic_side_effects,
    reason = "the numbers are the tests' own; an overflow fails the test"
)]

use super::property::{Seen, drive, small};
use super::*;
use crate::server::engine::limits::{MAX_CHUNK_LINE, READ_BYTES};
use crate::tests::mutations::{self, Random};

fn at_once(bytes: &[u8]) -> Vec<Seen> {
    drive(small(), [bytes])
}

/// The last thing seen of these bytes, which is the same in pieces.
fn last(bytes: impl AsRef<[u8]>) -> Seen {
    let bytes = bytes.as_ref();
    let all = at_once(bytes);
    assert_eq!(drive(small(), bytes.chunks(1)), all);
    all.last().unwrap().clone()
}

/// Cuts bytes at a few random places.
fn cut<'a>(random: &mut Random, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let longest = 1 + random.below(bytes.len());
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at((1 + random.below(longest)).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

const CHUNKED: &str = "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Streams that are short enough to be cut everywhere.
fn corpus() -> Vec<Vec<u8>> {
    let fields = |fields: &str| format!("POST /f?q HTTP/1.1\r\nHost: a\r\n{fields}\r\nhello");
    let line = |line: &str| format!("{line}\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    let chunked = |body: &str| format!("{CHUNKED}{body}GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut all = vec![
        format!("{}{}", fields("Content-Length: 5\r\n"), line("GET /after HTTP/1.1")),
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n\r\n"
            .into(),
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        "\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(),
        "GET /1 HTTP/1.0\r\n\r\nGET /2 HTTP/1.0\r\n\r\n".into(),
        "GET /\r\n".into(),
        format!("{}GET", line("HEAD http://b?c HTTP/1.1")),
        format!("GET / HTTP/1.1\r\n{}\r\n", "a:b\r\n".repeat(101)),
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(1100)),
        format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", "a".repeat(1100)),
        // The error is after the limit: the limit is reached first, however the bytes arrive.
        format!("GET /{}\nb HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(1100)),
        format!("GET / HTTP/1.1\r\nA: {}\r\nHost: a\rb\r\n\r\n", "a".repeat(1100)),
        format!("GET / HTTP/1.1\r\nA: {}\0\r\n\r\n", "a".repeat(1019 - 16)),
        chunked(&format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(MAX_CHUNK_LINE - 2))),
        chunked(&format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(MAX_CHUNK_LINE - 1))),
    ];
    for each in [
        "",
        "Content-Length: 0\r\n",
        "Content-Length: 33,33\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 49\r\n",
        "Content-Length: 40000000000\r\n",
        "Content-Length: 9223372036854775808\r\n",
        "Content-Length: 005\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "A:\r\n folded\r\n",
        "A : b\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "A: b\rc\r\n",
        "A: b\nC: d\r\n",
        "A: b\0\r\n",
        "Host: b\r\n",
        "Connection: close\r\n",
        "Connection: close\r\nContent-Length: 5\r\n",
        "Expect: x\r\n",
        "A: \u{e9}\r\n",
        "Expect: 100-continue\r\nContent-Length: 5\r\n",
        "Expect: 100-continue\r\nContent-Length: 49\r\n",
    ] {
        all.push(fields(each));
    }
    for each in [
        "GET / HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET / HTTP/2.0",
        "GET / HTTP/1.2",
        "get\t/ HTTP/1.1",
        "CONNECT b:1 HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET ftp://b/ HTTP/1.1",
        "GET /\u{e9} HTTP/1.1",
        "GET /# HTTP/1.1",
        "GET / HTTP/1.1\0",
    ] {
        all.push(line(each));
    }
    for each in [
        "5;a=b;c\r\nhello\r\n1\r\n,\r\n00A\r\n0123456789\r\n0\r\nDropped: x\r\nB: y\r\n\r\n",
        "0\r\n\r\n",
        "30\r\n0123456789abcdef0123456789abcdef0123456789abcdef\r\n0\r\n\r\n",
        "31\r\n",
        "2f\r\n",
        "+5\r\nhello\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "10000000000000000\r\n",
        "ffffffffffffffff\r\n",
        "0\r\n\n",
        "g\r\n",
        "\r\n",
        "0\r\na: b\rc\r\n\r\n",
        "0\r\nContent-Length: 9\r\n\r\n",
    ] {
        all.push(chunked(each));
    }
    all.into_iter().map(String::into_bytes).collect()
}

/// Streams in which a part is too long.
fn long_streams() -> Vec<Vec<u8>> {
    let trailers = format!("{CHUNKED}0\r\n{}", "Trailer: dropped\r\n".repeat(300));
    let trailer = format!("{CHUNKED}0\r\nTrailer: {}", "x".repeat(9000));
    let extension = format!("{CHUNKED}1;{}", "x".repeat(9000));
    let data = format!("{CHUNKED}1\r\n{}", "x".repeat(9000));
    let bytewise = format!("{CHUNKED}{}", "1;extension=ignored\r\na\r\n".repeat(400));
    let pipelined = "GET / HTTP/1.1\r\nHost:\r\n\r\n".repeat(400);
    let fields = format!("GET / HTTP/1.1\r\n{}", "a:b\r\n".repeat(2000));
    let empty = "\r\n".repeat(2000);
    [trailers, trailer, extension, data, bytewise, pipelined, fields, empty, "a".repeat(9000)]
        .map(String::into_bytes)
        .into()
}

#[test]
fn the_requests_are_the_same_wherever_the_bytes_are_cut_in_two() {
    for bytes in corpus() {
        let whole = at_once(&bytes);
        for at in 0..=bytes.len() {
            let (a, b) = bytes.split_at(at);
            assert_eq!(drive(small(), [a, b]), whole, "cut at {at}: {}", bytes.escape_ascii());
        }
    }
}

#[test]
fn the_requests_are_the_same_in_pieces_of_any_size() {
    let mut random = Random(1);
    for bytes in corpus().into_iter().chain(long_streams()) {
        let whole = at_once(&bytes);
        for size in [1, 2, 3, 7, 64, 1000, READ_BYTES] {
            let pieces = bytes.chunks(size);
            assert_eq!(drive(small(), pieces), whole, "pieces of {size}: {}", bytes.escape_ascii());
        }
        for _ in 0..20 {
            let pieces = cut(&mut random, &bytes);
            assert_eq!(drive(small(), pieces.iter().copied()), whole, "{}", bytes.escape_ascii());
        }
    }
}

/// What is put in where it hurts.
const NASTY: [&[u8]; 36] = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\0",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"/",
    b"?",
    b"*",
    b"0",
    b"1",
    b"5",
    b"-",
    b"+",
    b"0x",
    b"f",
    b"\x7f",
    b"\xff",
    b"\xc3\xa9",
    b"0\r\n\r\n",
    b"5\r\nhello\r\n",
    b"Content-Length: 5\r\n",
    b"Host: b\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Expect: 100-continue\r\n",
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"http://b",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"ffffffffffffffff",
    b"\r\n folded",
];

#[test]
fn twenty_thousand_spoilt_streams_are_read_the_same_in_pieces() {
    let corpus = corpus();
    let mut random = Random(2);
    let (mut requests, mut refusals) = (0, 0);
    for _ in 0..20_000 {
        let stream = random.spoilt(&corpus, &NASTY);
        for seen in property::holds_in_pieces(&stream, &random.next().to_le_bytes()[..4]) {
            match seen {
                Seen::Request(..) => requests += 1,
                Seen::Refused(..) => refusals += 1,
                Seen::Waits(_) => {}
            }
        }
    }
    // The mutations leave enough whole to test both.
    assert!(requests > 2_000 && refusals > 2_000, "{requests} {refusals}");
}

#[test]
fn the_fuzzers_seeds_are_read_the_same_in_pieces() {
    let seeds = mutations::seeds("requests");
    assert!(seeds.len() > 5);
    for seed in seeds {
        property::holds(&seed);
    }
}

#[test]
fn never_more_is_held_than_the_limits_allow() {
    let mut random = Random(3);
    for limits in [small(), Limits::default()] {
        for bytes in corpus().into_iter().chain(long_streams()) {
            let bytes = bytes.repeat(100_000 / bytes.len() + 1);
            let longest = 1 + random.below(READ_BYTES);
            for size in [READ_BYTES, longest] {
                drive(limits, bytes.chunks(size)); // which looks at what is held after each step
            }
        }
    }
}

#[test]
fn what_is_held_is_counted() {
    let mut parser = Parser::new(small());
    for (piece, held) in
        [("\r", 1), ("\nPOST / HTTP/1.1\r\n", 17), ("Host: a\r\nContent-Length: 9\r\n\r\nab", 2), ("c", 3)]
    {
        parser.feed(piece.as_bytes());
        assert!(matches!(parser.step(), ParserStep::Read(_)));
        assert_eq!(parser.held(), held, "{piece:?}");
    }
}

#[test]
fn memory_that_a_large_request_took_is_given_back() {
    let mut parser = Parser::new(Limits::default());
    parser.feed(format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", "a".repeat(20_000)).as_bytes());
    assert!(matches!(parser.step(), ParserStep::Request(_)));
    assert!(parser.buffer.capacity() > IDLE_BUFFER_BYTES);
    parser.shrink();
    assert!(parser.buffer.capacity() <= IDLE_BUFFER_BYTES);
}

#[test]
fn a_head_of_just_the_limit_is_taken_and_one_byte_more_is_refused() {
    let max = small().max_head;
    let head = |size: usize| {
        let start = "GET / HTTP/1.1\r\nHost: a\r\nA: ";
        format!("{start}{}\r\n\r\n", "a".repeat(size - start.len() - 4))
    };
    assert_eq!(head(max).len(), max);
    assert_eq!(last(head(max)), Seen::Waits("for a request"));
    assert_eq!(at_once(head(max).as_bytes()).len(), 2);
    assert_eq!(last(head(max + 1)), Seen::Refused(431, "The head is too long."));
    // One empty line before it is not counted.
    assert_eq!(at_once(format!("\r\n{}", head(max)).as_bytes()).len(), 2);
    // It counts anew for each request.
    assert_eq!(at_once(head(max).repeat(3).as_bytes()).len(), 4);
}

#[test]
fn a_request_line_that_leaves_no_room_is_refused_as_such() {
    let max = small().max_head;
    assert_eq!(last("a".repeat(max)), Seen::Waits("for a head"));
    let line = |size: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(size - 14));
    assert_eq!(last("a".repeat(max + 1)), Seen::Refused(414, "The request line is too long."));
    assert_eq!(last(line(max)), Seen::Refused(414, "The request line is too long."));
    assert_eq!(last(line(max - 1)), Seen::Refused(431, "The head is too long."));
}

#[test]
fn the_limit_counts_before_what_stands_behind_it() {
    for (text, status) in [
        (format!("{}\n", "a".repeat(1024)), 414),
        (format!("{}\n", "a".repeat(1023)), 400),
        (format!("GET / HTTP/1.1\r\n{}\0", "a".repeat(1008)), 431),
        (format!("GET / HTTP/1.1\r\n{}\0", "a".repeat(1007)), 400),
        (format!("GET / HTTP/1.1\r\n{}\rx", "a".repeat(1007)), 431),
        (format!("GET / HTTP/1.1\r\n{}\rx", "a".repeat(1006)), 400),
    ] {
        let Seen::Refused(found, _) = last(&text) else { panic!("refused: {text}") };
        assert_eq!(found, status, "{text:?}");
    }
}

fn body_of(step: ParserStep) -> (Body, bool) {
    match step {
        ParserStep::Request(head) => (head.request.body, head.keeps_alive),
        other => panic!("a request, not {other:?}"),
    }
}

#[test]
fn a_body_of_just_the_limit_is_taken_and_one_byte_more_is_too_large() {
    let max = small().max_body;
    let body = vec![b'x'; max + 1];
    let read = |head: String, body: &[u8]| {
        let mut parser = Parser::new(small());
        parser.feed(head.as_bytes());
        parser.feed(body);
        body_of(parser.step())
    };
    let length = |size: u64| format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n");
    let exactly = body.get(..max).unwrap();
    let max_length = u64::try_from(max).unwrap();
    assert_eq!(read(length(max_length), &body), (Body::Complete(exactly.into()), true));
    // It is not waited for.
    for size in [max_length + 1, 40_000_000_000, u64::MAX >> 1] {
        assert_eq!(read(length(size), b""), (Body::TooLarge { max_bytes: max }, false), "{size}");
    }
    let chunk = |size: usize| [format!("{size:x}\r\n").as_bytes(), &body[..size], b"\r\n0\r\n\r\n"].concat();
    assert_eq!(read(CHUNKED.into(), &chunk(max)), (Body::Complete(exactly.into()), true));
    assert_eq!(read(CHUNKED.into(), &chunk(max + 1)), (Body::TooLarge { max_bytes: max }, false));
    assert_eq!(
        read(CHUNKED.into(), format!("1\r\na\r\n{max:x}\r\n").as_bytes()),
        (Body::TooLarge { max_bytes: max }, false)
    );
    for size in ["ffffffff", "100000000", "ffffffffffffffff"] {
        let answer = read(CHUNKED.into(), format!("{size}\r\n").as_bytes());
        assert_eq!(answer, (Body::TooLarge { max_bytes: max }, false), "{size}");
    }
}

#[test]
fn a_body_that_ends_early_is_no_request() {
    for text in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell",
        &format!("{CHUNKED}5\r\nhello\r\n0\r\n"),
    ] {
        assert_eq!(at_once(text.as_bytes()), [Seen::Waits("for a body")]);
    }
}

#[test]
fn one_empty_line_before_a_request_is_skipped_and_no_second() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(at_once(format!("\r\n{request}\r\n{request}").as_bytes()).len(), 3);
    for text in [format!("\r\n\r\n{request}"), format!("{request}\r\n\r\n{request}"), "\r\n\r\n\r\n".into()] {
        let line = "The request line is not: method, space, target, space, version.";
        assert_eq!(last(text), Seen::Refused(400, line));
    }
    let bare = "A line of the head ends in a bare CR or LF, or has a NUL in it.";
    assert_eq!(last(format!("\n{request}")), Seen::Refused(400, bare));
    assert_eq!(last(format!("\r{request}")), Seen::Refused(400, bare));
}

/// Whether a 100 is asked for, each time that a body is waited for.
fn asks(pieces: &[&str]) -> Vec<bool> {
    let mut parser = Parser::new(small());
    let mut asks = Vec::new();
    for piece in pieces {
        parser.feed(piece.as_bytes());
        if let ParserStep::Read(Missing::Body { expects_continue }) = parser.step() {
            asks.push(expects_continue);
        }
    }
    asks
}

#[test]
fn a_100_is_asked_for_once_and_only_before_the_body() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(asks(&[head, "h", "ell", "o"]), [true, false, false]);
    assert_eq!(asks(&[head, "", "h"]), [true, false, false]);
    assert_eq!(asks(&[&format!("{head}h"), "ell", "o"]), [false, false]);
    assert_eq!(asks(&[&format!("{head}hello")]), [false; 0]);
    assert_eq!(asks(&[&head.replace(": 5", ": 0")]), [false; 0]);
    assert_eq!(asks(&[&head.replace(": 5", ": 49")]), [false; 0]);
    assert_eq!(asks(&[&head.replace("Expect", "Except"), "h"]), [false, false]);
    let chunked = head.replace("Content-Length: 5", "Transfer-Encoding: chunked");
    assert_eq!(asks(&[&chunked, "5", "\r\nhello\r\n", "0\r\n"]), [true, false, false, false]);
    assert_eq!(asks(&[&format!("{chunked}5\r"), "\nhello"]), [false, false]);
    assert_eq!(asks(&[&format!("{chunked}5\r\n"), "hello"]), [false, false]);
}

#[test]
fn the_preface_of_http_2_is_told_what_is_spoken_here() {
    let version = "This server speaks HTTP/1.0 and HTTP/1.1.";
    assert_eq!(last("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Seen::Refused(505, version));
}
