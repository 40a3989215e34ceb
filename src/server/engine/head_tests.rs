//! The head's tests: what each form of each line means, or the exact words that refuse it.

use super::*;

const LINES: &str = "A line of the head ends in a bare CR or LF, or has a NUL in it.";
const LINE: &str = "The request line is not: method, space, target, space, version.";
const VERSION: &str = "This server speaks HTTP/1.0 and HTTP/1.1.";
const TARGET: &str = "The target is neither a path nor an http URL.";
const CHARACTERS: &str = "The target has characters that must be percent-encoded.";
const PROXY: &str = "This server is no proxy.";
const HOST: &str = "The request needs exactly one Host field, a name or an address and perhaps a port.";
const FIELD: &str = "A line of the head is no field.";
const LENGTH: &str = "Content-Length is not one number.";
const CODING: &str = "The only transfer coding here is chunked.";

fn read(bytes: &[u8]) -> Result<Head, Refusal> {
    let end = find_end(bytes, 0)?.expect("the tests write whole heads");
    assert_eq!(end, bytes.len(), "the head ends where the test says");
    parse(bytes)
}

/// The status and the words that refuse it.
fn refused(bytes: impl AsRef<[u8]>) -> (u16, &'static str) {
    let refusal = read(bytes.as_ref()).map(|head| head.request).unwrap_err();
    (refusal.code.status(), refusal.message)
}

/// A head with this request line.
fn with_line(line: &str) -> String {
    format!("{line}\r\nHost: a\r\n\r\n")
}

/// A head with these field lines.
fn with_fields(version: &str, fields: &str) -> String {
    format!("GET / HTTP/{version}\r\n{fields}\r\n")
}

fn target_of(target: &str) -> (String, Option<String>) {
    let request = read(with_line(&format!("GET {target} HTTP/1.1")).as_bytes()).unwrap().request;
    (request.path, request.query)
}

fn framing_of(version: &str, fields: &str) -> Result<Framing, (u16, &'static str)> {
    let text = with_fields(version, &format!("Host: a\r\n{fields}"));
    read(text.as_bytes()).map(|head| head.framing).map_err(|refusal| (refusal.code.status(), refusal.message))
}

#[test]
fn a_head_is_read_whole() {
    let text = "POST /api/users?x=1 HTTP/1.1\r\nHost: auth.example.org:443\r\nContent-Length: 38\r\n\
                CONTENT-type:application/json \t\r\n\r\n";
    let head = read(text.as_bytes()).unwrap();
    assert_eq!((head.request.method.as_str(), head.request.path.as_str()), ("POST", "/api/users"));
    assert_eq!(head.request.query.as_deref(), Some("x=1"));
    assert_eq!(head.request.header("host"), Some(&b"auth.example.org:443"[..]));
    assert_eq!(head.request.header("Content-Type"), Some(&b"application/json"[..]));
    assert_eq!(head.framing, Framing::Length(38));
    assert_eq!((head.is_http_1_0, head.keeps_alive, head.expects_continue), (false, true, false));
}

#[test]
fn a_method_is_any_token_and_keeps_its_case() {
    let long = "M".repeat(100);
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PRI", "get", "M-SEARCH", "!#$%&'*+-.^_`|~", "1", &long]
    {
        let head = read(with_line(&format!("{method} / HTTP/1.1")).as_bytes()).unwrap();
        assert_eq!(head.request.method, method);
    }
}

#[test]
fn a_version_is_1_something_with_one_digit_each() {
    for (version, is_1_0) in [("1.0", true), ("1.1", false), ("1.2", false), ("1.9", false)] {
        let head = read(with_line(&format!("GET / HTTP/{version}")).as_bytes()).unwrap();
        assert_eq!(head.is_http_1_0, is_1_0, "{version}");
    }
    for version in ["0.9", "0.0", "2.0", "3.0", "9.9"] {
        assert_eq!(refused(with_line(&format!("GET / HTTP/{version}"))), (505, VERSION), "{version}");
    }
    assert_eq!(refused("PRI * HTTP/2.0\r\n\r\n"), (505, VERSION));
}

#[test]
fn a_request_line_of_another_form_is_refused() {
    for line in [
        "",
        " ",
        "  ",
        "GET",
        "GET ",
        "GET /",
        "GET / ",
        "GET  HTTP/1.1",
        " GET / HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / x HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
        "GET /\u{b}HTTP/1.1",
        "GE\tT / HTTP/1.1",
        "GE(T / HTTP/1.1",
        "GET: / HTTP/1.1",
        "G\u{c9}T / HTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/1",
        "GET / HTTP/1.",
        "GET / HTTP/.1",
        "GET / HTTP/1.10",
        "GET / HTTP/11.1",
        "GET / HTTP/01.1",
        "GET / HTTP/1,1",
        "GET / HTTP/+1.1",
        "GET / HTTP/2",
        "GET / HTTP/x.y",
        "GET / HTTP 1.1",
        "GET / HTTPS/1.1",
        "GET / XHTTP/1.1",
        "\u{16}\u{3}\u{1}\u{2}",
    ] {
        assert_eq!(refused(with_line(line)), (400, LINE), "{line:?}");
    }
    assert_eq!(refused(b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n"), (400, LINE));
}

#[test]
fn a_target_is_passed_on_as_it_is() {
    let long = format!("/{}", "a".repeat(10_240));
    for path in
        ["/", "//", "//a", "/..", "/a/../b", "/%00", "/%zz", "/a;b=c", "/[a]", "/a:b@c", "/http://b/", &long]
    {
        assert_eq!(target_of(path), (path.to_string(), None));
    }
    assert_eq!(target_of("/a?b|c={d}^`\\"), ("/a".to_string(), Some("b|c={d}^`\\".to_string())));
    assert_eq!(target_of("/a|b^{c}`"), ("/a|b^{c}`".to_string(), None));
    assert_eq!(target_of("/?"), ("/".to_string(), Some(String::new())));
    assert_eq!(target_of("/a?b?c=/d"), ("/a".to_string(), Some("b?c=/d".to_string())));
}

#[test]
fn only_options_takes_the_asterisk() {
    let head = read(with_line("OPTIONS * HTTP/1.1").as_bytes()).unwrap();
    assert_eq!((head.request.path.as_str(), head.request.query), ("*", None));
    for method in ["GET", "HEAD", "POST", "options", "BREW"] {
        assert_eq!(refused(with_line(&format!("{method} * HTTP/1.1"))), (400, ASTERISK), "{method}");
    }
}

#[test]
fn an_absolute_target_is_taken_apart() {
    for (target, path, query, host) in [
        ("http://b", "/", None, "b"),
        ("http://b/", "/", None, "b"),
        ("HTTPS://b:443/x?y", "/x", Some("y"), "b:443"),
        ("http://[::1]:80//x", "//x", None, "[::1]:80"),
        ("http://b:/x", "/x", None, "b:"),
        // RFC 9110 section 4.2.3: an empty path is the same as "/".
        ("http://b?y=/z", "/", Some("y=/z"), "b"),
    ] {
        let head = read(with_line(&format!("GET {target} HTTP/1.1")).as_bytes()).unwrap();
        assert_eq!((head.request.path.as_str(), head.request.query.as_deref()), (path, query), "{target}");
        let hosts: Vec<&[u8]> = head.request.headers("Host").collect();
        assert_eq!(hosts, [host.as_bytes()], "the target's own authority counts, not the field's: {target}");
    }
}

#[test]
fn a_target_of_another_form_is_refused() {
    for target in [
        "a",
        "a/b",
        "?x",
        "**",
        "*?x",
        "b:80",
        "ftp://b/",
        "://b/",
        "http:/b",
        "http:b",
        "http://",
        "http:///x",
        "http://?x",
        "http://user@b/",
        "http://user:word@b/",
        "http://b:x/",
        "http://b:123456/",
        "http://[::1/",
        "http://b%/",
        "/x://b/../".trim_start_matches('/'),
    ] {
        assert_eq!(refused(with_line(&format!("GET {target} HTTP/1.1"))), (400, TARGET), "{target:?}");
    }
    for target in [
        "/\u{1}",
        "/\u{7f}",
        "/a\tb",
        "/\u{e9}",
        "/#",
        "/a#b",
        "/\"",
        "/<",
        "/>",
        "/\\",
        "/\\?x",
        "/?\"",
        "/?<",
        "/?>",
        "http://b/#c",
        "http://b#c",
    ] {
        assert_eq!(refused(with_line(&format!("GET {target} HTTP/1.1"))), (400, CHARACTERS), "{target:?}");
    }
    for target in ["b:443", "/", "http://b/", "*"] {
        assert_eq!(refused(with_line(&format!("CONNECT {target} HTTP/1.1"))), (501, PROXY), "{target:?}");
    }
}

#[test]
fn a_host_is_a_name_or_an_address_or_empty() {
    for host in
        ["a", "", "under_score", "_", "a-b.c:5000", "127.0.0.1", "[::1]:5000", "name:", "a,b", "a%20b"]
    {
        let head = read(with_fields("1.1", &format!("hOST:{host}\r\n")).as_bytes()).unwrap();
        assert_eq!(head.request.header("Host"), Some(host.as_bytes()));
    }
    for host in ["a/b", "a@b", "a b", "a%b", "a:b", ":80", "a\tb", "a?b", "a#b", "\u{e9}", "<a>", "a:80:80"] {
        assert_eq!(refused(with_fields("1.1", &format!("Host: {host}\r\n"))), (400, HOST), "{host:?}");
        assert_eq!(refused(with_fields("1.0", &format!("Host: {host}\r\n"))), (400, HOST), "{host:?}");
    }
    assert_eq!(refused(b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n"), (400, HOST));
    assert_eq!(refused(with_fields("1.1", "Host: a\rb\r\n")), (400, LINES));
}

#[test]
fn exactly_one_host_stands_in_1_1_and_at_most_one_in_1_0() {
    assert_eq!(refused(with_fields("1.1", "")), (400, HOST));
    assert_eq!(refused(with_fields("1.2", "X-Host: a\r\n")), (400, HOST));
    for version in ["1.0", "1.1"] {
        for fields in
            ["Host: a\r\nHost: b\r\n", "Host: a\r\nhost: a\r\n", "Host:\r\nHost: a\r\n", "Host:\r\nHost:\r\n"]
        {
            assert_eq!(refused(with_fields(version, fields)), (400, HOST), "{version} {fields:?}");
        }
    }
    assert!(read(with_fields("1.0", "").as_bytes()).unwrap().request.header("Host").is_none());
    // RFC 9112 section 3.2: also with a target that has an authority of its own.
    for fields in ["", "Host: a\r\nHost: a\r\n", "Host: a@b\r\n"] {
        assert_eq!(refused(format!("GET http://b/ HTTP/1.1\r\n{fields}\r\n")), (400, HOST), "{fields:?}");
    }
    let head = read(b"GET http://b/ HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(head.request.header("Host"), Some(&b"b"[..]));
}

#[test]
fn a_line_that_is_no_field_is_refused() {
    for line in [
        " folded: yes",
        "\tfolded: yes",
        "a: b\r\n folded",
        "a: b\r\n\tfolded",
        "a : b",
        "a\t: b",
        "a",
        ":",
        ": b",
        "a b: c",
        "(a): b",
        "a\u{e9}: b",
        "a\u{1}: b",
        "a: \u{1}",
        "a: b\u{7f}c",
        "a: b\u{8}",
        "a: \u{b}b",
        "a: \u{1b}[2J",
    ] {
        let first = format!("GET / HTTP/1.1\r\n{line}\r\nHost: a\r\n\r\n");
        let last = format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n");
        assert_eq!(refused(first), (400, FIELD), "{line:?}");
        assert_eq!(refused(last), (400, FIELD), "{line:?}");
    }
}

#[test]
fn a_bare_cr_or_lf_or_a_nul_is_refused_wherever_it_stands() {
    let good = b"GET /a HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n";
    for at in 0..good.len() {
        for byte in [b'\r', b'\n', 0] {
            if (byte, at) == (b'\n', good.len() - 1) {
                continue; // the head is whole, and the second LF is the next one's
            }
            let mut bytes = good.to_vec();
            bytes.insert(at, byte);
            let found = find_end(&bytes, 0).unwrap_err();
            assert_eq!((found.code.status(), found.message), (400, LINES), "{byte} at {at}");
        }
        if matches!(good.get(at), Some(b'\r' | b'\n')) {
            let mut bytes = good.to_vec();
            bytes.remove(at);
            bytes.push(b'x');
            let found = find_end(&bytes, 0).unwrap_err();
            assert_eq!((found.code.status(), found.message), (400, LINES), "without {at}");
        }
    }
}

#[test]
fn the_end_is_found_from_wherever_the_search_goes_on() {
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    let end = 27;
    for here in 0..end {
        assert_eq!(find_end(&bytes[..here], 0), Ok(None), "{here}");
        assert_eq!(find_end(bytes, here), Ok(Some(end)), "{here}");
        assert_eq!(find_end(&bytes[..end], here), Ok(Some(end)), "{here}");
    }
}

#[test]
fn a_value_keeps_its_octets_and_loses_the_white_space_around_them() {
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nA: \t \xe9\xff\x80 \tb \t\r\nB:\r\nC: \t \r\na:2\r\n\r\n";
    let request = read(bytes).unwrap().request;
    let values: Vec<&[u8]> = request.headers("a").collect();
    assert_eq!(values, [&b"\xe9\xff\x80 \tb"[..], b"2"]);
    assert_eq!((request.header("B"), request.header("C")), (Some(&b""[..]), Some(&b""[..])));
}

#[test]
fn a_hundred_fields_are_taken_and_one_more_is_refused() {
    let fields = |count: usize| with_fields("1.1", &format!("Host: a\r\n{}", "A:b\r\n".repeat(count - 1)));
    let request = read(fields(100).as_bytes()).unwrap().request;
    assert_eq!(request.headers("a").count(), 99);
    assert_eq!(refused(fields(101)), (431, "The head has more than 100 fields."));
}

#[test]
fn a_length_is_one_number_below_2_to_the_63() {
    assert_eq!(framing_of("1.1", ""), Ok(Framing::Length(0)));
    for (value, length) in [
        ("0", 0),
        ("33", 33),
        ("0033", 33),
        ("00000000000000000000000000000033", 33),
        ("40000000000", 40_000_000_000),
        ("9223372036854775807", i64::MAX as u64),
    ] {
        let field = format!("Content-Length: {value}\r\n");
        assert_eq!(framing_of("1.1", &field), Ok(Framing::Length(length)), "{value}");
        assert_eq!(framing_of("1.0", &field), Ok(Framing::Length(length)), "{value}");
    }
    for value in [
        "",
        "33,33",
        "33, 33",
        "33,",
        ",33",
        "-5",
        "+5",
        "-0",
        "0x5",
        "5x",
        "5 5",
        "5;a",
        "1e3",
        "5.0",
        "\"5\"",
        "\u{665}",
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999",
    ] {
        let field = format!("Content-Length: {value}\r\n");
        assert_eq!(framing_of("1.1", &field), Err((400, LENGTH)), "{value:?}");
    }
    for fields in [
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\ncontent-length: 6\r\n",
        "Content-Length: 0\r\nContent-Length:\r\n",
        "Content-Length:\r\nContent-Length: 0\r\n",
    ] {
        assert_eq!(framing_of("1.1", fields), Err((400, LENGTH)), "{fields:?}");
    }
}

#[test]
fn chunked_alone_is_the_transfer_coding() {
    for value in ["chunked", "CHUNKED", "Chunked", "\t chunked \t"] {
        let field = format!("Transfer-Encoding: {value}\r\n");
        assert_eq!(framing_of("1.1", &field), Ok(Framing::Chunked), "{value:?}");
    }
    for value in [
        "",
        "identity",
        "xchunked",
        "chunkedx",
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "chunked,",
        ",chunked",
        "chunked;a=b",
        "\"chunked\"",
        "chun ked",
        "\u{212a}",
        "identity, chunked",
    ] {
        let field = format!("Transfer-Encoding: {value}\r\n");
        assert_eq!(framing_of("1.1", &field), Err((501, CODING)), "{value:?}");
    }
    for (first, second) in [
        ("chunked", "chunked"),
        ("gzip", "chunked"),
        ("chunked", "identity"),
        ("chunked", ""),
        ("", "chunked"),
        ("", ""),
    ] {
        let fields = format!("Transfer-Encoding: {first}\r\nTransfer-Encoding: {second}\r\n");
        assert_eq!(framing_of("1.1", &fields), Err((501, CODING)), "{fields:?}");
    }
}

#[test]
fn two_ways_to_say_where_the_body_ends_are_refused() {
    for (coding, length) in
        [("chunked", "5"), ("chunked", "0"), ("identity", "5"), ("", "5"), ("chunked", "")]
    {
        for version in ["1.0", "1.1"] {
            let a = format!("Transfer-Encoding: {coding}\r\nContent-Length: {length}\r\n");
            let b = format!("Content-Length: {length}\r\nTransfer-Encoding: {coding}\r\n");
            let both = (400, "The request has both Content-Length and Transfer-Encoding.");
            assert_eq!(framing_of(version, &a), Err(both), "{version} {a:?}");
            assert_eq!(framing_of(version, &b), Err(both), "{version} {b:?}");
        }
    }
    let in_1_0 = (400, "HTTP/1.0 has no Transfer-Encoding.");
    assert_eq!(framing_of("1.0", "Transfer-Encoding: chunked\r\n"), Err(in_1_0));
    assert_eq!(framing_of("1.0", "Transfer-Encoding: gzip\r\n"), Err(in_1_0));
}

#[test]
fn the_connection_is_kept_as_its_version_and_options_say() {
    for (fields, in_1_0, in_1_1) in [
        ("", false, true),
        ("Connection:\r\n", false, true),
        ("Connection: close\r\n", false, false),
        ("Connection: Close\r\n", false, false),
        ("Connection: keep-alive\r\n", true, true),
        ("Connection: Keep-Alive\r\n", true, true),
        ("Connection: upgrade , KEEP-ALIVE\r\n", true, true),
        ("Connection: upgrade,close,x\r\n", false, false),
        ("Connection: keep-alive, close\r\n", false, false),
        ("Connection: keep-alive\r\nConnection: close\r\n", false, false),
        ("Connection: close\r\nConnection: keep-alive\r\n", false, false),
        ("Connection: x\r\nConnection: ,\tkeep-alive,\r\n", true, true),
        ("Connection:\r\nConnection: close\r\n", false, false),
        ("Connection: closed, unclose, \"close\"\r\n", false, true),
        ("Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n", false, true),
    ] {
        for (version, kept) in [("1.0", in_1_0), ("1.1", in_1_1)] {
            let head = read(with_fields(version, &format!("Host: a\r\n{fields}")).as_bytes()).unwrap();
            assert_eq!(head.keeps_alive, kept, "{version} {fields:?}");
        }
    }
}

#[test]
fn only_a_100_is_expected_and_only_in_1_1() {
    for (value, expects) in
        [("", false), ("100-continue", true), ("100-Continue", true), (" 100-CONTINUE\t", true)]
    {
        let head = read(with_fields("1.1", &format!("Host: a\r\nExpect:{value}\r\n")).as_bytes()).unwrap();
        assert_eq!(head.expects_continue, expects, "{value:?}");
    }
    for value in
        ["200-ok", "100-continue, x", "100-continue, 100-continue", "100", "100-continue=1", "x\r\nExpect: y"]
    {
        let text = with_fields("1.1", &format!("Host: a\r\nExpect: {value}\r\n"));
        assert_eq!(refused(text), (417, "The only expectation met here is 100-continue."), "{value:?}");
        // RFC 9110 section 10.1.1: it is ignored in HTTP/1.0.
        let head = read(with_fields("1.0", &format!("Expect: {value}\r\n")).as_bytes()).unwrap();
        assert!(!head.expects_continue, "{value:?}");
    }
    let head = read(with_fields("1.0", "Expect: 100-continue\r\n").as_bytes()).unwrap();
    assert!(!head.expects_continue);
}

#[test]
fn what_nobody_here_reads_is_let_be() {
    let te = format!("TE: {}x;q=nan\r\n", "x;q=nan, ".repeat(30));
    for fields in [te.as_str(), "Upgrade: h2c\r\nHTTP2-Settings: x\r\n", "Trailer: x\r\n", "Cookie: \"\r\n"] {
        assert!(read(with_fields("1.1", &format!("Host: a\r\n{fields}")).as_bytes()).is_ok(), "{fields:?}");
    }
}
