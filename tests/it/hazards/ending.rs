//! SIGTERM while twenty clients ask as fast as they can: no answer is cut.

use super::watch::GET;
use crate::process::{Server, read_some};
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const CLIENTS: usize = 20;
/// So many answers before the signal: every client is in the middle of it.
const BEFORE: usize = 400;

/// Asks on one connection until that ends, and asserts that every answer that began is whole. Whether the server said
/// that it would close.
fn ask_to_the_end(address: SocketAddr, answers: &AtomicUsize) -> bool {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    loop {
        let sent = connection.write_all(GET);
        let (mut answer, mut bytes) = (Vec::new(), [0; 4096]);
        let length = loop {
            match read_some(&mut connection, &mut bytes) {
                Ok(count) if count > 0 => answer.extend_from_slice(&bytes[..count]),
                // Before the first byte of an answer the connection may end; the client knows that it must ask again.
                end => {
                    assert!(answer.is_empty(), "cut: {end:?}, {:?}", String::from_utf8_lossy(&answer));
                    return false;
                }
            }
            if answer.ends_with(b"{\"username\":\"ok\"}") {
                break answer.len();
            }
        };
        assert!(sent.is_ok() && length > 0);
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{:?}", String::from_utf8_lossy(&answer));
        answers.fetch_add(1, Ordering::Relaxed);
        if String::from_utf8(answer).unwrap().contains("\r\nConnection: close\r\n") {
            let rest = read_some(&mut connection, &mut bytes);
            assert_eq!(rest.unwrap(), 0, "it said that it would close");
            return true;
        }
    }
}

#[test]
fn a_signal_under_load_cuts_no_answer() {
    let server = Server::start(&[]);
    server.register("ok", "python");
    let (address, answers) = (server.address, AtomicUsize::new(0));
    thread::scope(|scope| {
        let clients: Vec<_> =
            (0..CLIENTS).map(|_| scope.spawn(|| ask_to_the_end(address, &answers))).collect();
        while answers.load(Ordering::Relaxed) < BEFORE && clients.iter().all(|client| !client.is_finished()) {
            thread::yield_now();
        }
        let (code, log) = server.stop();
        assert_eq!(code, Some(0), "{log}");
        assert!(!log.contains("panicked"), "{log}");
        let told = clients.into_iter().map(|client| client.join().unwrap()).filter(|told| *told).count();
        // They were connected before the signal, and asked again: each was told.
        assert_eq!(told, CLIENTS);
    });
}
