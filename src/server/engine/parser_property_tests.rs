//! Property of the parser, for tests and fuzzers: the sequence of requests doesn't depend on how the bytes
//! are split, and the parser never buffers more bytes than the limits allow.
//!
//! It is here because the parser is private. `fuzz/fuzz_targets/requests.rs` calls [`holds`] (cargo-fuzz sets
//! `fuzzing`). The properties of public parsers are in `tests/it/fuzz/`.

#![allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
#![allow(unreachable_pub, reason = "under a fuzzer it is reached")]

use super::{Missing, Parser, ParserStep};
use crate::http::Body;
use crate::server::engine::context::Refusal;
use crate::server::engine::head::Head;
use crate::server::engine::limits::{Limits, MAX_TRAILERS};

/// The status codes of parse errors.
const REFUSALS: [u16; 6] = [400, 414, 417, 431, 501, 505];

/// While a body is read, the buffer has at most one incomplete line of it: a trailer, and a CR.
const UNFINISHED_LINE: usize = MAX_TRAILERS + 1;

/// A result of the parser that must not depend on the split; whether a 100 is sent may depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Method, target, client and fields; body; framing, version, whether the connection is kept.
    Request(String, Body, String),
    Refused(u16, &'static str),
    Waits(&'static str),
}

/// The first four bytes are the lengths of the pieces, in turn. The rest is the stream.
pub fn holds(input: &[u8]) {
    let (lengths, stream) = input.split_at_checked(4).unwrap_or_default();
    holds_in_pieces(stream, lengths);
}

/// Parses a stream at once, in pieces of these lengths plus one, in turn, and byte by byte; returns the
/// results.
pub(super) fn holds_in_pieces(stream: &[u8], lengths: &[u8]) -> Vec<Seen> {
    let whole = drive(small(), [stream]);
    for seen in &whole {
        assert!(!matches!(seen, Seen::Refused(status, _) if !REFUSALS.contains(status)), "{seen:?}");
    }
    let mut rest = stream;
    let pieces = lengths.iter().cycle().map_while(|length| {
        let (piece, behind) = rest.split_at(rest.len().min(usize::from(*length) + 1));
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    });
    assert_eq!(drive(small(), pieces), whole, "pieces of {lengths:?} + 1: {}", stream.escape_ascii());
    assert_eq!(drive(small(), stream.chunks(1)), whole, "byte by byte: {}", stream.escape_ascii());
    whole
}

/// Limits that small streams reach.
pub(super) fn small() -> Limits {
    Limits { max_head: 1024, max_body: 48, ..Limits::default() }
}

/// Drives a parser as a connection does, and asserts the bound on buffered bytes after each step.
pub(super) fn drive<'a>(limits: Limits, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Seen> {
    let mut parser = Parser::new(limits);
    let mut all = Vec::new();
    let mut waits = "for a request";
    for piece in pieces {
        parser.feed(piece);
        waits = loop {
            let step = parser.step();
            assert_bounded(&parser, limits, &step, piece);
            match step {
                ParserStep::Read(Missing::Request) => break "for a request",
                ParserStep::Read(Missing::Head) => break "for a head",
                ParserStep::Read(Missing::Body { .. }) => break "for a body",
                ParserStep::Refuse(refusal) => {
                    all.push(refused(refusal));
                    return all;
                }
                ParserStep::Request(head) => {
                    all.push(request(&head, limits));
                    if !head.keeps_alive {
                        return all;
                    }
                    parser.shrink();
                }
            }
        };
    }
    all.push(Seen::Waits(waits));
    all
}

/// Before more bytes are received, the parser buffers incomplete headers, or an incomplete body and a line.
/// Until then it may also have the piece that was fed last.
fn assert_bounded(parser: &Parser, limits: Limits, step: &ParserStep, piece: &[u8]) {
    let waiting = match step {
        ParserStep::Read(Missing::Request) => 0,
        ParserStep::Read(Missing::Head) => limits.max_head,
        ParserStep::Read(Missing::Body { .. }) => limits.max_body + UNFINISHED_LINE,
        ParserStep::Request(_) | ParserStep::Refuse(_) => {
            limits.max_head.max(limits.max_body + UNFINISHED_LINE) + piece.len()
        }
    };
    assert!(parser.held() <= waiting, "{} held at {step:?}", parser.held());
}

fn request(head: &Head, limits: Limits) -> Seen {
    if let Body::Complete(body) = &head.request.body {
        assert!(body.len() <= limits.max_body, "{} bytes of body", body.len());
    }
    let framing = format!("{:?} 1.0:{} kept:{}", head.framing, head.is_http_1_0, head.keeps_alive);
    Seen::Request(format!("{:?}", head.request), head.request.body.clone(), framing)
}

fn refused(refusal: Refusal) -> Seen {
    Seen::Refused(refusal.code.status(), refusal.message)
}
