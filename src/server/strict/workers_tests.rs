//! The threads: whoever waits keeps nobody else waiting.

use super::super::{Limits, run};
use crate::blocking;
use crate::http::{Request, Response};
use crate::proxies::TrustedProxies;
use crate::server::Shutdown;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::num::NonZeroUsize;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::net::{self, TcpListener, TcpStream};
use std::sync::{Barrier, Mutex, mpsc};
use std::thread;

const WHO_WAIT: usize = 20;

/// Serves by this handler while somebody asks.
fn serving(
    limits: Limits,
    handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
    somebody_asks: impl FnOnce(SocketAddr, &Shutdown),
) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, shutdown) = (listener.local_addr().unwrap(), Arc::new(Shutdown::default()));
    let until = shutdown.clone();
    let serve = move || {
        let proxies = TrustedProxies::default();
        run(listener, limits, proxies, Box::new(handler), Box::new(|_| ()), &until)
    };
    let served = thread::spawn(serve);
    somebody_asks(address, &shutdown);
    shutdown.request();
    served.join().unwrap().unwrap();
}

/// As many as are on duty.
fn on_duty() -> usize {
    thread::available_parallelism().map_or(2, NonZeroUsize::get).max(2)
}

/// It fails instead of waiting for ever.
fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// Asks once, on a connection of its own.
fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = connect(address);
    let request = alloc::format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn status(mut stream: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer.split_off(9).into_iter().take(3).collect()
}

/// Asks on a connection that stays.
fn ask_once_more(mut stream: &TcpStream, path: &str) {
    let request = alloc::format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
}

fn assert_204(mut stream: &TcpStream) {
    let mut answer = [0; 512];
    let count = stream.read(&mut answer).unwrap();
    assert!(answer[..count].starts_with(b"HTTP/1.1 204"), "{count}");
}

/// Asks and asks, without waiting for any answer, until it is over.
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
fn clients_that_ask_without_a_break_keep_nobody_out() {
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
            for _ in 0..on_duty() * 2 {
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
fn at_the_end_whoever_is_idle_for_too_long_goes_before_all_is_answered() {
    let gate = Arc::new(Barrier::new(2));
    let opens = gate.clone();
    let handler = move |request: &Request| {
        if request.path == "/waits" {
            blocking::announce();
            opens.wait();
            opens.wait();
        }
        Response::empty(204)
    };
    let limits = Limits { idle_timeout: Duration::from_secs(1), ..Limits::default() };
    serving(limits, handler, |address, shutdown| {
        let waiting = ask(address, "/waits");
        gate.wait();
        let mut idle = connect(address);
        ask_once_more(&idle, "/");
        assert_204(&idle);
        shutdown.request();
        let _ = idle.read_to_end(&mut Vec::new());
        gate.wait();
        assert_eq!(status(waiting), b"204", "it was not cut with the idle one");
    });
}

#[test]
fn what_was_taken_together_with_a_request_that_waits_is_answered_by_others() {
    let gate = Arc::new(Barrier::new(2));
    let opens = gate.clone();
    let (is_busy, busy) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let handler = move |request: &Request| {
        match request.path.as_str() {
            "/is-busy" => {
                is_busy.send(()).unwrap();
                released.lock().unwrap().recv().unwrap(); // and nobody is told
            }
            "/waits" => {
                blocking::announce();
                opens.wait();
            }
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
        // Nobody can look until one of these is done, who then finds all the others at once.
        let one_is_busy = |_| (ask(address, "/is-busy"), busy.recv().unwrap()).0;
        let are_busy: Vec<_> = (0..on_duty()).map(one_is_busy).collect();
        let (waiting, others) = idle.split_first().unwrap();
        ask_once_more(waiting, "/waits");
        for stream in others {
            ask_once_more(stream, "/");
        }
        release.send(()).unwrap();
        others.iter().for_each(assert_204);
        gate.wait();
        assert_204(waiting);
        (1..on_duty()).for_each(|_| release.send(()).unwrap());
        assert!(are_busy.into_iter().map(status).all(|status| status == b"204"));
    });
}

#[test]
fn however_many_requests_wait_another_is_answered_and_a_panic_costs_no_place() {
    let gate = Arc::new(Barrier::new(WHO_WAIT + 1));
    let all = gate.clone();
    let handler = move |request: &Request| {
        match request.path.as_str() {
            "/waits" => {
                blocking::announce();
                blocking::announce();
                all.wait();
            }
            "/panics" => panic!("as the test wants it"),
            _ => {}
        }
        Response::empty(204)
    };
    serving(Limits::default(), handler, |address, _| {
        // Twice: all threads that left duty have come back to it, or gone.
        for _ in 0..2 {
            for _ in 0..8 {
                assert_eq!(status(ask(address, "/panics")), b"500");
            }
            let waiting: Vec<_> = (0..WHO_WAIT).map(|_| ask(address, "/waits")).collect();
            for _ in 0..8 {
                assert_eq!(status(ask(address, "/")), b"204");
            }
            gate.wait();
            assert!(waiting.into_iter().map(status).all(|status| status == b"204"));
        }
    });
}
