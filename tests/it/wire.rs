//! Both servers by the bytes on the wire: clients must not see a difference.

use crate::harness::basic;
use crate::process::{Server, body, header, status};
use gatekey::clock;
use gatekey::http::{Request, Response};
use gatekey::server::engine::{self, Endpoint};
use gatekey::server::heartbeats::Heartbeats;
use gatekey::server::{Handler, Shutdown, tiny};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// A server of each loop, one after the other.
fn each_loop() -> impl Iterator<Item = Server> {
    ["strict", "tiny-http"].into_iter().map(|name| Server::start(&["--loop", name]))
}

#[test]
fn a_response_has_exactly_these_lines() {
    for server in each_loop() {
        let answer = server.register("ok", "python");
        let expected = format!(
            "HTTP/1.1 201 Created\r\n\
             Date: {}\r\n\
             Server: gatekey\r\n\
             Cache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\n\
             Content-Type: application/json\r\n\
             Location: {}\r\n\
             X-Request-Id: {}\r\n\
             Connection: close\r\n\
             Content-Length: 24\r\n\r\n\
             {{\"id\":1,\"username\":\"ok\"}}",
            header(&answer, "Date").unwrap(),
            server.url("/api/users/1"),
            header(&answer, "X-Request-Id").unwrap(),
        );
        assert_eq!(answer, expected);
    }
}

#[test]
fn a_head_answer_has_the_length_and_no_body_and_a_204_neither() {
    for server in each_loop() {
        server.register("ok", "python");
        let head = server.request("HEAD /api/users/1", &[], "");
        assert_eq!((status(&head), header(&head, "Content-Length"), body(&head)), (200, Some("17"), ""));
        let options = server.request("OPTIONS /api/users/1", &[], "");
        assert_eq!((status(&options), header(&options, "Content-Length"), body(&options)), (204, None, ""));
        assert_eq!(header(&options, "Allow"), Some("DELETE, GET, HEAD, OPTIONS, PATCH, PUT"));
        let refused = server.request("HEAD /api/resource", &[], "");
        assert_eq!((status(&refused), body(&refused)), (401, ""));
    }
}

#[test]
fn a_connection_is_kept_for_the_next_request() {
    for server in each_loop() {
        let answers = server.exchange(
            b"GET /api/users/1 HTTP/1.1\r\nHost: a\r\n\r\n\
              GET /api/users/2 HTTP/1.1\r\nHost: a\r\n\r\n\
              GET /api/users/3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        );
        assert_eq!(answers.matches("HTTP/1.1 404 Not Found\r\n").count(), 3);
        assert_eq!(answers.matches("Connection: close\r\n").count(), 1);
    }
}

#[test]
fn an_http_1_0_response_has_a_connection_header() {
    for server in each_loop() {
        let closed = server.exchange(b"GET /api/users/1 HTTP/1.0\r\n\r\n");
        assert_eq!(header(&closed, "Connection"), Some("close"));
        let kept = server.exchange(b"GET /api/users/1 HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
        assert_eq!(header(&kept, "Connection"), Some("keep-alive"));
    }
}

#[test]
fn a_body_over_the_limit_is_rejected_before_it_is_sent() {
    for server in each_loop() {
        let mut connection = server.connect();
        let head = "POST /api/users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 16385\r\n\r\n";
        connection.write_all(head.as_bytes()).unwrap();
        // Not a byte of the body: the answer must come all the same.
        let mut start = [0; 12];
        connection.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 413");
    }
}

#[test]
fn a_body_at_the_limit_is_accepted_with_every_framing() {
    for server in each_loop() {
        let padded = |length: usize| {
            let start = r#"{"username":"ok","password":"python","x":""#;
            format!("{start}{}\"}}", "x".repeat(length - start.len() - 2))
        };
        let sized = |text: &str| format!("Content-Length: {}\r\n\r\n{text}", text.len());
        let chunked =
            |text: &str| format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{text}\r\n0\r\n\r\n", text.len());
        let send = |rest: String| {
            let head = "POST /api/users HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n";
            status(&server.exchange(format!("{head}{rest}").as_bytes()))
        };
        assert_eq!(send(chunked(&padded(16 * 1024 + 1))), 413);
        assert_eq!(send(sized(&padded(16 * 1024 + 1))), 413);
        assert_eq!(send(chunked(&padded(16 * 1024))), 201);
        assert_eq!(send(sized(&padded(16 * 1024))), 400, "by now the name is taken");
    }
}

#[test]
fn usernames_and_passwords_of_any_bytes_log_in() {
    for server in each_loop() {
        for (name, password) in
            [("josé", "p:a:s:s"), ("\"quoted\"", "🔑"), ("o'brien", " \\ "), ("東京", "ü")]
        {
            assert_eq!(status(&server.register(name, password)), 201, "{name}");
            assert_eq!(server.login(name, password), 200, "{name}");
            assert_eq!(server.login(name, "ruby"), 401, "{name}");
        }
    }
}

#[test]
fn two_authorization_headers_are_rejected() {
    for server in each_loop() {
        server.register("ok", "python");
        let authorization = format!("Authorization: {}", basic("ok", "python"));
        assert_eq!(status(&server.request("GET /api/resource", &[&authorization], "")), 200);
        assert_eq!(status(&server.request("GET /api/resource", &[&authorization, &authorization], "")), 400);
    }
}

/// A handler that panics where the path asks for it.
fn panicking(request: &Request) -> Response {
    match request.path.as_str() {
        "/panic" => panic!("as the test wants it"),
        _ => Response::empty(204),
    }
}

/// Asks the loop at this address to panic, more often than it has threads of its own, and then not to.
fn assert_survives_panics(address: SocketAddr) {
    let get = |path: &str| {
        let mut connection = TcpStream::connect(address).unwrap();
        write!(connection, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    };
    for _ in 0..2 * tiny::WORKERS {
        let answer = get("/panic");
        assert_eq!(body(&answer), r#"{"error":"internal","message":"The server failed; its log says why."}"#);
        assert_eq!(status(&answer), 500);
    }
    assert_eq!(status(&get("/")), 204);
}

#[test]
fn a_panic_in_a_handler_fails_only_its_own_request() {
    let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
    let shutdown = Arc::new(Shutdown::default());
    let (tiny_listener, strict_listener) = (listener(), listener());
    let addresses = [&tiny_listener, &strict_listener].map(|listener| listener.local_addr().unwrap());
    let ending = shutdown.clone();
    let serving_tiny = thread::spawn(move || {
        let handler: Arc<Handler> = Arc::new(panicking);
        tiny::run(tiny_listener, &handler, &ending).map_err(|error| error.to_string())
    });
    let ending = shutdown.clone();
    let serving_strict = thread::spawn(move || {
        let heartbeats = Heartbeats::new(clock::monotonic());
        let run = engine::run(vec![Endpoint::new(strict_listener, panicking)], None, &heartbeats, &ending);
        run.map_err(|error| error.to_string())
    });
    addresses.into_iter().for_each(assert_survives_panics);
    shutdown.request();
    assert_eq!(serving_tiny.join().unwrap(), Ok(()));
    assert_eq!(serving_strict.join().unwrap(), Ok(()));
}
