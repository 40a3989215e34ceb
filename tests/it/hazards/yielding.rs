//! Clients that hold places without using them: H25, H26.

use super::watch::{GET, ask, await_that, read_one, withstands};
use crate::process::{Server, status};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;

const PLACES: &str = "64";
const HOSTILE: usize = 80;
/// What the kernel may keep of responses for each connection.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// With a receive window of a few bytes.
fn connect_with_small_window(server: &Server) -> TcpStream {
    let flags = SocketFlags::CLOEXEC;
    let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
    set_socket_recv_buffer_size(&socket, 1).unwrap();
    net::connect(&socket, &server.address).unwrap();
    TcpStream::from(socket)
}

/// The bytes that the kernel keeps for clients of this server that don't read them.
fn unread_bytes(server: &Server) -> usize {
    let port = format!(":{:04X}", server.address.port());
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let queues = table.lines().skip(1).filter_map(|line| {
        let mut columns = line.split_whitespace();
        let is_servers = columns.nth(1)?.ends_with(&port);
        let (unsent, _) = columns.nth(2)?.split_once(':')?;
        is_servers.then(|| usize::from_str_radix(unsent, 16).unwrap())
    });
    queues.sum()
}

fn assert_newcomers_are_served(server: &Server) {
    for number in 0..50 {
        assert_eq!(ask(&mut server.connect()), Ok(200), "newcomer {number}");
    }
}

#[test]
fn responses_that_are_never_read_hold_no_place_h25() {
    let server = Server::start(&["--log", "off", "--max-connections", PLACES]);
    withstands(&server, |server| {
        let mut hostile = Vec::new();
        for _ in 0..HOSTILE {
            let mut connection = connect_with_small_window(server);
            connection.set_nonblocking(true).unwrap();
            // The page is the longest response. As much as the server takes.
            let _ = connection.write(&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(250));
            hostile.push(connection);
        }
        // Until then the attack has not begun.
        assert!(await_that(|| unread_bytes(server) > 32 * SEND_BUFFER_BYTES / 4));
        assert_newcomers_are_served(server);
        let unread = unread_bytes(server);
        assert!(unread <= HOSTILE * SEND_BUFFER_BYTES, "{unread} bytes in the kernel");
    });
}

#[test]
fn lingering_connections_hold_no_place_h26() {
    let server = Server::start(&["--max-connections", PLACES]);
    withstands(&server, |server| {
        let mut refused: Vec<_> = (0..300)
            .map(|_| {
                let mut connection = server.connect();
                connection.write_all(b"GET /\r\n\r\n").unwrap();
                connection
            })
            .collect();
        assert_newcomers_are_served(server);
        // The last of them were told why, and hold their places until others want them.
        let last = refused.last_mut().unwrap();
        assert!(read_one(last).is_ok_and(|answer| status(&answer) == 400));
        last.write_all(GET).unwrap();
    });
}
