//! The engine over sockets: requests that block don't delay others, and a connection has one owner.

mod panics;
mod threads;

use super::*;
use crate::client::Client;
use crate::http::{Request, Response};
use crate::store::Reads;
use crate::wait::WouldBlock;
use connection::{Connection, Step};
use core::net::SocketAddr;
use core::sync::atomic::AtomicUsize;
use core::time::Duration;
use limits::LINGER;
use std::io::{Read as _, Write as _};
use std::net::{self, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Barrier, Mutex, mpsc};

const BLOCKED: usize = 20;

/// A service whose requests block if the path begins with `/blocks`.
pub(super) struct Mixed<F>(pub(super) F);

impl<F: Fn(&Request) -> Response + Send + Sync> Service for Mixed<F> {
    fn answer(&self, request: &Request, reads: Reads<'_>, _: Instant) -> Result<Response, WouldBlock> {
        if request.path.starts_with("/blocks") {
            reads.may_block()?;
        }
        Ok((self.0)(request))
    }

    fn needs_body(&self, request: &Request) -> bool {
        request.path.starts_with("/body")
    }

    fn may_hash(&self, request: &Request) -> bool {
        request.path.contains("hash")
    }
}

/// Serves while the client `ask` runs.
fn serving(
    limits: Limits,
    handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ask: impl FnOnce(SocketAddr, &Shutdown),
) {
    serving_with(None, limits, handler, ask);
}

/// The same with this number of event loops.
fn serving_with(
    event_loops: Option<NonZeroUsize>,
    limits: Limits,
    handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ask: impl FnOnce(SocketAddr, &Shutdown),
) {
    serving_service(event_loops, limits, Mixed(handler), ask);
}

/// The same with any service.
fn serving_service(
    event_loops: Option<NonZeroUsize>,
    limits: Limits,
    service: impl Service + 'static,
    ask: impl FnOnce(SocketAddr, &Shutdown),
) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, shutdown) = (listener.local_addr().unwrap(), Arc::new(Shutdown::default()));
    let until = shutdown.clone();
    let endpoint = Endpoint { limits, ..Endpoint::new(listener, service) };
    let serve = move || run(vec![endpoint], event_loops, &Heartbeats::new(clock::monotonic()), &until);
    let served = thread::spawn(serve);
    ask(address, &shutdown);
    shutdown.request();
    served.join().unwrap().unwrap();
}

/// A connection with a read timeout.
fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// Sends a request on a connection of its own.
fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = connect(address);
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn status(mut stream: impl io::Read) -> Vec<u8> {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer.split_off(9).into_iter().take(3).collect()
}

/// Sends a request on a connection that is kept alive.
fn ask_once_more(mut stream: &TcpStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
}

fn assert_204(mut stream: &TcpStream) {
    let mut answer = [0; 512];
    let count = stream.read(&mut answer).unwrap();
    assert!(answer[..count].starts_with(b"HTTP/1.1 204"), "{count}");
}

/// Sends requests without reading the responses first, until `is_over`.
fn keep_asking(address: SocketAddr, is_over: &AtomicBool) {
    let mut asking = TcpStream::connect(address).unwrap();
    let mut answers = asking.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut bytes = [0; 4_096];
            while answers.read(&mut bytes).is_ok_and(|count| count > 0) {}
        });
        let requests = b"GET /takes-a-moment HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1_000);
        while !is_over.load(Ordering::Acquire) {
            asking.write_all(&requests).unwrap();
        }
        asking.shutdown(net::Shutdown::Both).unwrap();
    });
}

#[test]
fn clients_with_endless_pipelines_do_not_block_others() {
    let (answered, is_over) = (Arc::new(AtomicUsize::new(0)), AtomicBool::new(false));
    let count = answered.clone();
    let handler = move |request: &Request| {
        if request.path == "/takes-a-moment" {
            count.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(1)); // so that the next request is always there already
        }
        Response::empty(204)
    };
    serving(Limits::default(), handler, |address, _| {
        thread::scope(|scope| {
            for _ in 0..default_event_loops().get() * 2 {
                scope.spawn(|| keep_asking(address, &is_over));
            }
            while answered.load(Ordering::Relaxed) < 200 {
                thread::yield_now();
            }
            let answers: Vec<_> = (0..2)
                .map(|_| {
                    let mut answer = [0; 12];
                    ask(address, "/").read_exact(&mut answer).map(|()| answer)
                })
                .collect();
            is_over.store(true, Ordering::Release);
            assert!(
                answers.iter().all(|answer| answer.as_ref().is_ok_and(|it| it == b"HTTP/1.1 204")),
                "{answers:?}"
            );
        });
    });
}

#[test]
fn at_shutdown_idle_connections_expire_before_all_requests_are_answered() {
    let gate = Arc::new(Barrier::new(2));
    let opens = gate.clone();
    let handler = move |request: &Request| {
        if request.path == "/blocks" {
            opens.wait();
            opens.wait();
        }
        Response::empty(204)
    };
    let limits = Limits { idle_timeout: Duration::from_secs(1), ..Limits::default() };
    serving(limits, handler, |address, shutdown| {
        let blocked = ask(address, "/blocks");
        gate.wait();
        let mut idle = connect(address);
        ask_once_more(&idle, "/");
        assert_204(&idle);
        shutdown.request();
        let _ = idle.read_to_end(&mut Vec::new());
        gate.wait();
        assert_eq!(status(blocked), b"204", "it was not cut with the idle one");
    });
}

#[test]
fn a_request_that_blocks_does_not_delay_the_rest_of_its_batch() {
    let gate = Arc::new(Barrier::new(2));
    let opens = gate.clone();
    let (is_busy, busy) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let handler = move |request: &Request| {
        match request.path.as_str() {
            "/is-busy" => {
                is_busy.send(()).unwrap();
                released.lock().unwrap().recv().unwrap(); // on an event loop
            }
            "/blocks" => drop(opens.wait()),
            _ => {}
        }
        Response::empty(204)
    };
    serving(Limits::default(), handler, |address, _| {
        let idle: Vec<_> = (0..4).map(|_| connect(address)).collect();
        for stream in &idle {
            ask_once_more(stream, "/");
            assert_204(stream);
        }
        // No event loop can receive until one of these is done, and then it finds all the others at once.
        let one_is_busy = |_| (ask(address, "/is-busy"), busy.recv().unwrap()).0;
        let are_busy: Vec<_> = (0..default_event_loops().get()).map(one_is_busy).collect();
        let (blocked, others) = idle.split_first().unwrap();
        ask_once_more(blocked, "/blocks");
        for stream in others {
            ask_once_more(stream, "/");
        }
        (0..default_event_loops().get()).for_each(|_| release.send(()).unwrap());
        others.iter().for_each(assert_204);
        gate.wait();
        assert_204(blocked);
        assert!(are_busy.into_iter().map(status).all(|status| status == b"204"));
    });
}

#[test]
fn requests_that_block_do_not_delay_others_and_a_panic_is_a_500() {
    let gate = Arc::new(Barrier::new(BLOCKED + 1));
    let all = gate.clone();
    let handler = move |request: &Request| {
        match request.path.as_str() {
            "/blocks" => drop(all.wait()),
            "/panics" | "/blocks-and-panics" => panic!("as the test wants it"),
            _ => {}
        }
        Response::empty(204)
    };
    serving(Limits::default(), handler, |address, _| {
        for _ in 0..2 {
            for path in ["/panics", "/blocks-and-panics"].repeat(4) {
                assert_eq!(status(ask(address, path)), b"500");
            }
            let blocked: Vec<_> = (0..BLOCKED).map(|_| ask(address, "/blocks")).collect();
            for _ in 0..8 {
                assert_eq!(status(ask(address, "/")), b"204");
            }
            gate.wait();
            assert!(blocked.into_iter().map(status).all(|status| status == b"204"));
        }
    });
}

/// A connection that this service serves, and its client's end.
pub(super) fn connected(
    inbox: &Arc<Inbox<Connection>>,
    service: impl Service + 'static,
) -> (Box<Connection>, UnixStream) {
    let now = clock::monotonic();
    let registry = Registry::new(Limits::default(), TrustedProxies::default(), now);
    let (stream, client) = UnixStream::pair().unwrap();
    stream.set_nonblocking(true).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let entry = registry.admit(stream::Stream::Unix(stream), Client::Local, now).unwrap();
    let (service, is_stopping) = (Box::new(service), AtomicBool::new(false));
    let context = Arc::new(Context { number: 0, limits: Limits::default(), service, registry, is_stopping });
    (Box::new(Connection::new(context, entry, inbox.clone(), Client::Local, now)), client)
}

/// The same after this request has arrived.
pub(super) fn dispatched(
    inbox: &Arc<Inbox<Connection>>,
    service: impl Service + 'static,
    request: &str,
) -> (Box<Connection>, UnixStream) {
    let (mut connection, mut client) = connected(inbox, service);
    client.write_all(request.as_bytes()).unwrap();
    connection.ready(true, false);
    let step = connection.advance(&mut [0; 1_024], clock::monotonic());
    assert!(matches!(step, Step::Dispatch), "{step:?}");
    (connection, client)
}

#[test]
fn connections_are_spread_evenly_over_the_configured_event_loops() {
    for count in [None, NonZeroUsize::new(1), NonZeroUsize::new(3), NonZeroUsize::new(8)] {
        assert_spread(count);
    }
}

fn assert_spread(event_loops: Option<NonZeroUsize>) {
    let loops = event_loops.unwrap_or_else(default_event_loops).get();
    let threads = Arc::new(Mutex::new(Vec::new()));
    let seen = threads.clone();
    let handler = move |_: &Request| {
        seen.lock().unwrap().push(thread::current().id());
        Response::empty(204)
    };
    let limits = Limits { max_connections: 10 * loops, ..Limits::default() };
    serving_with(event_loops, limits, handler, |address, _| {
        let connections: Vec<_> = (0..10 * loops).map(|_| connect(address)).collect();
        for stream in &connections {
            ask_once_more(stream, "/");
            assert_204(stream);
        }
        let threads = threads.lock().unwrap();
        let count = |thread| threads.iter().filter(|other| *other == thread).count();
        assert!(threads.iter().all(|thread| count(thread) == 10), "{threads:?}");
    });
}

#[test]
fn a_long_response_to_a_slow_reader_arrives_whole() {
    let handler = |_: &Request| Response::document("text/plain", &b"0123456789".repeat(100_000));
    serving(Limits::default(), handler, |address, _| {
        let mut stream = ask(address, "/");
        let mut answer = Vec::new();
        let mut bytes = [0; 10_000];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            answer.extend_from_slice(&bytes[..count]);
            thread::yield_now();
        }
        assert!(answer.ends_with(b"0123456789") && answer.len() > 1_000_000, "{}", answer.len());
    });
}

#[test]
fn a_request_whose_body_is_not_needed_is_answered_without_it() {
    serving(
        Limits::default(),
        |_: &Request| Response::empty(204),
        |address, _| {
            for framing in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
                let mut stream = connect(address);
                write!(stream, "GET / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n").unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                assert!(
                    answer.starts_with("HTTP/1.1 204") && answer.contains("Connection: close"),
                    "{answer}"
                );
            }
            // A body that has arrived is read, and the connection is kept alive.
            let mut stream = connect(address);
            for _ in 0..2 {
                stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}").unwrap();
                assert_204(&stream);
            }
        },
    );
}

#[test]
fn a_connection_belongs_to_its_event_loop_until_it_is_dropped() {
    let inbox = Arc::new(Inbox::new().unwrap());
    let (connection, _client) = connected(&inbox, |_: &Request| Response::empty(204));
    assert_eq!(format!("{connection:?}"), "Connection(local, Silent)");
    assert_eq!(inbox.connections(), 1);
    drop(connection);
    assert_eq!(inbox.connections(), 0);
}

/// Otherwise connection and inbox would own each other, and keep the service and its database open.
#[test]
fn a_connection_that_a_worker_returns_after_shutdown_is_dropped() {
    let inbox = Arc::new(Inbox::new().unwrap());
    let send = || inbox.send(connected(&inbox, |_: &Request| Response::empty(204)).0);
    send();
    inbox.close();
    assert_eq!(inbox.connections(), 0);
    send();
    assert_eq!(inbox.connections(), 0);
}

#[test]
fn the_time_of_a_lingering_close_counts_from_the_last_byte_of_the_response() {
    let inbox = Arc::new(Inbox::new().unwrap());
    let request = "GET / HTTP/1.0\r\n\r\n";
    let (mut connection, mut client) = dispatched(&inbox, |_: &Request| Response::empty(204), request);
    let (start, later) = (clock::monotonic(), clock::monotonic() + 5 * LINGER);
    let long = Response::document("text/plain", &b"0123456789".repeat(1_000_000));
    connection.respond(&long, start);
    assert!(matches!(connection.write(start), Step::WaitToWrite));
    let reader = thread::spawn(move || client.read_to_end(&mut Vec::new()).unwrap());
    while !matches!(connection.write(later), Step::Wait) {
        thread::yield_now();
    }
    assert_eq!(connection.deadline, later + LINGER);
    assert!(reader.join().unwrap() > 10_000_000);
}

#[test]
fn a_rejected_client_reads_the_503_though_it_sends_its_request_later() {
    let gate = Arc::new(Barrier::new(2));
    let opens = gate.clone();
    let handler = move |_: &Request| {
        opens.wait();
        opens.wait();
        Response::empty(204)
    };
    serving(Limits { max_connections: 1, ..Limits::default() }, handler, |address, _| {
        let working = ask(address, "/blocks");
        gate.wait();
        let mut rejected = connect(address);
        assert!(rejected.peek(&mut [0; 12]).unwrap() > 0, "the response has arrived");
        for _ in 0..2 {
            ask_once_more(&rejected, "/");
        }
        let mut answer = Vec::new();
        rejected.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 503"), "{}", String::from_utf8_lossy(&answer));
        gate.wait();
        assert_eq!(status(working), b"204");
    });
}
