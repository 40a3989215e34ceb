//! One hostile client: every hazard from H1 to H23, one after the other, until the siege is over. What the server must
//! answer is asserted by each hazard's own test; here it only has to go on.
//!
//! What no client can do alone comes from all of them together: connections up to the server's limit (H4, H21).

use crate::harness::basic;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};
use std::collections::BTreeMap;
use std::io::{Read as _, Result, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Between two offences of one client: two cores must do for the server and for all clients.
const PAUSE: Duration = Duration::from_millis(100);
/// Longer than the server's deadlines in a siege.
const PATIENCE: Duration = Duration::from_secs(4);
/// More than one address may have.
const CROWD: usize = 20;
const GET: &[u8] = b"GET /api/users/1 HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST /api/users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";

/// How often each offence was committed.
pub(super) type Deeds = BTreeMap<&'static str, u64>;

type Offence = (&'static str, fn(&Client) -> Result<()>);

/// All of them, with the numbers of their hazards.
const OFFENCES: [Offence; 14] = [
    ("H1, H2, H11-H14  lengths, codings, chunks", |client| client.say_each(&framings())),
    ("H3, H16, H18-H20 versions, targets, hosts, methods", |client| client.say_each(&heads())),
    ("H9               endless heads", Client::send_an_endless_head),
    ("H13, H15         folded lines, bare line ends, NUL", |client| client.say_each(&lines())),
    ("H4, H5, H21      crowds of idle connections", Client::crowd),
    ("H6               bodies that never come", Client::withhold_bodies),
    ("H7               answers that are not read", Client::never_read),
    ("H8               floods of pipelined requests", Client::flood),
    ("H10              silence and halves", Client::be_silent),
    ("H10              a byte now and then", Client::trickle),
    ("H17              resets", Client::reset),
    ("H21              connections opened and dropped", Client::churn),
    ("H22, H23         a byte a packet, and a long answer", Client::register_by_bytes),
    ("wrong passwords and forged tokens", Client::guess),
];

/// One client, and the address that it comes from.
pub(super) struct Client {
    server: SocketAddr,
    number: u8,
    is_over: Arc<AtomicBool>,
    started: Instant,
}

impl Client {
    /// The good ones come from 127.0.0.1, these from 127.0.0.2 and so on.
    pub(super) fn new(server: SocketAddr, number: u8, is_over: Arc<AtomicBool>) -> Self {
        Self { server, number, is_over, started: Instant::now() }
    }

    /// Commits one offence after the other, each client beginning with another one.
    pub(super) fn offend(&self) -> Deeds {
        let mut deeds = Deeds::new();
        for (name, offence) in OFFENCES.iter().cycle().skip(usize::from(self.number)) {
            if self.is_over() {
                break;
            }
            // The server may close or refuse whenever it likes; that is counted as done.
            let _ = offence(self);
            *deeds.entry(*name).or_default() += 1;
            thread::sleep(PAUSE);
        }
        deeds
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    fn connect(&self) -> Result<TcpStream> {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        bind(&socket, &SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2 + self.number), 0)))?;
        connect(&socket, &self.server)?;
        let connection = TcpStream::from(socket);
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        connection.set_nodelay(true)?;
        Ok(connection)
    }

    /// Sends each of these on a connection of its own, and reads until the server closes.
    fn say_each(&self, messages: &[Vec<u8>]) -> Result<()> {
        for message in messages {
            let mut connection = self.connect()?;
            connection.write_all(message)?;
            // Some are followed by what would be a request, had the first been taken.
            let _ = connection.write_all(b"GET / HTTP/1.0\r\n\r\n");
            drain(&mut connection);
        }
        Ok(())
    }

    fn send_an_endless_head(&self) -> Result<()> {
        for (start, unit) in
            [("GET / HTTP/1.1\r\nCookie: ", "x"), ("GET / HTTP/1.1\r\n", "a:b\r\n"), ("GET /", "x")]
        {
            let mut connection = self.connect()?;
            connection.write_all(start.as_bytes())?;
            let block = unit.repeat(4096);
            for _ in 0..256 {
                if connection.write_all(block.as_bytes()).is_err() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// A third of them silent, a third with half a head, a third idle after an answer; then all wait for their end.
    fn crowd(&self) -> Result<()> {
        let mut crowd = Vec::new();
        for number in 0..CROWD {
            let mut connection = self.connect()?;
            let _ = match number % 3 {
                0 => connection.write_all(GET).and_then(|()| connection.read(&mut [0; 1024])).map(drop),
                1 => connection.write_all(b"GET /api"),
                _ => Ok(()),
            };
            crowd.push(connection);
        }
        crowd.iter_mut().for_each(drain);
        Ok(())
    }

    fn withhold_bodies(&self) -> Result<()> {
        let mut waiting = Vec::new();
        for headers in [
            "Content-Length: 100000\r\n\r\n",
            "Content-Length: 10000\r\n\r\n{\"username\":",
            "Transfer-Encoding: chunked\r\n\r\n5\r\n{",
            "Expect: 100-continue\r\nContent-Length: 10000\r\n\r\n",
            "Expect: 200-ok\r\nContent-Length: 2\r\n\r\n",
            "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 9\r\n\r\n",
        ] {
            let mut connection = self.connect()?;
            let _ = connection.write_all(format!("{POST}{headers}").as_bytes());
            waiting.push(connection);
        }
        waiting.iter_mut().for_each(drain);
        Ok(())
    }

    /// Asks until both sides' buffers are full, and then waits for the server's deadline.
    fn never_read(&self) -> Result<()> {
        let connection = self.connect()?;
        let block = GET.repeat(200);
        for _ in 0..4000 {
            if self.is_over() {
                break;
            }
            (&connection).write_all(&block)?;
        }
        Ok(())
    }

    fn flood(&self) -> Result<()> {
        const REQUESTS: usize = 1_000;
        let mut connection = self.connect()?;
        let mut writer = connection.try_clone()?;
        thread::scope(|scope| {
            scope.spawn(move || {
                let _ = writer.write_all(&GET.repeat(REQUESTS));
                let _ = writer.write_all(b"GET / HTTP/1.0\r\n\r\n");
            });
            drain(&mut connection);
        });
        Ok(())
    }

    fn be_silent(&self) -> Result<()> {
        let mut connections = Vec::new();
        for half in ["", "G", "GET / HTTP/1.1\r\nHost: a\r\n", "\r\n", "\r"] {
            let mut connection = self.connect()?;
            let _ = connection.write_all(half.as_bytes());
            connections.push(connection);
        }
        connections.iter_mut().for_each(drain);
        Ok(())
    }

    fn trickle(&self) -> Result<()> {
        let mut connection = self.connect()?;
        connection.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nCookie: ")?;
        while !self.is_over() {
            connection.write_all(b"x")?; // fails soon after the server has closed
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// A socket that is closed without lingering sends a reset, before its answer, beside it, or after.
    fn reset(&self) -> Result<()> {
        for number in 0..60 {
            let mut connection = self.connect()?;
            sockopt::set_socket_linger(&connection, Some(Duration::ZERO))?;
            match number % 3 {
                0 => connection.write_all(&GET.repeat(3))?,
                1 => connection.write_all(GET).and_then(|()| connection.peek(&mut [0; 1])).map(drop)?,
                _ => connection.write_all(format!("{POST}Content-Length: 10").as_bytes())?,
            }
        }
        Ok(())
    }

    fn churn(&self) -> Result<()> {
        (0..100).try_for_each(|_| self.connect().map(drop))
    }

    /// A user of its own each time: the answer has the server's long address in it.
    fn register_by_bytes(&self) -> Result<()> {
        let name = format!("hostile {} {}", self.number, self.started.elapsed().as_micros());
        let json = format!(r#"{{"username":"{name}","password":"python"}}"#);
        let request = format!("{POST}Connection: close\r\nContent-Length: {}\r\n\r\n{json}", json.len());
        let mut connection = self.connect()?;
        request.bytes().try_for_each(|byte| connection.write_all(&[byte]))?;
        drain(&mut connection);
        Ok(())
    }

    fn guess(&self) -> Result<()> {
        let forged = format!("Bearer {}.{}.{}", "a".repeat(60), "b".repeat(60), "c".repeat(43));
        for authorization in [basic("absent", "python"), basic(&forged, ""), forged, "Basic !".into()] {
            let mut connection = self.connect()?;
            let headers = format!("Host: a\r\nConnection: close\r\nAuthorization: {authorization}\r\n");
            connection.write_all(format!("GET /api/token HTTP/1.1\r\n{headers}\r\n").as_bytes())?;
            drain(&mut connection);
        }
        Ok(())
    }
}

/// Reads until the server closes, or patience ends.
fn drain(connection: &mut TcpStream) {
    let mut bytes = [0; 4096];
    while matches!(connection.read(&mut bytes), Ok(count) if count > 0) {}
}

/// H1, H2, H11, H12, H14: where a body ends.
fn framings() -> Vec<Vec<u8>> {
    let json = r#"{"username":"smuggled","password":"python"}"#;
    let lengths =
        ["40000000000", "9223372036854775807", "9223372036854775808", "43,43", "-5", "+43", "0x2b", ""];
    let lengths = lengths.map(|length| format!("Content-Length: {length}\r\n\r\n{json}"));
    let codings = ["identity", "xchunked", "gzip", "gzip, chunked", "chunked\r\nContent-Length: 4"];
    let codings =
        codings.map(|coding| format!("Transfer-Encoding: {coding}\r\n\r\n2b\r\n{json}\r\n0\r\n\r\n"));
    let long = format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(300));
    let chunks = [
        "+2\r\n{}\r\n0\r\n\r\n",
        "ffffffffffffffff\r\n",
        "10000000000000002\r\n{}",
        "2\n{}\n0\n\n",
        "1\r\n{}",
        &long,
    ];
    let chunks = chunks.map(|chunks| format!("Transfer-Encoding: chunked\r\n\r\n{chunks}"));
    let twice = format!("Content-Length: 43\r\nContent-Length: 0\r\n\r\n{json}");
    let all = lengths.into_iter().chain(codings).chain(chunks).chain([twice]);
    all.map(|rest| format!("{POST}{rest}").into_bytes()).collect()
}

/// H3, H16, H18, H19, H20: what a head may say.
fn heads() -> Vec<Vec<u8>> {
    let lines = [
        "GET / HTTP/2.0".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM".to_owned(),
        "GET / HTTP/1.1.1".to_owned(),
        "GET /".to_owned(),
        format!("GET / HTTP/1.1\r\nTE: {}", vec!["a;q=nan"; 200].join(",")),
        format!("GET /{} HTTP/1.1", "x".repeat(10 * 1024)),
        "GET * HTTP/1.1".to_owned(),
        "GET /%00/../..//etc/passwd?x HTTP/1.1".to_owned(),
        "GET http://user@a/ HTTP/1.1".to_owned(),
        "GET /\u{1} HTTP/1.1".to_owned(),
        "GET / HTTP/1.1\r\nHost: a".to_owned(),
        "GET / HTTP/1.1\r\nHost: a/b@c".to_owned(),
        format!("{} / HTTP/1.1", "M".repeat(100)),
        "CONNECT a:443 HTTP/1.1".to_owned(),
        "TRACE / HTTP/1.1".to_owned(),
        "G\"T / HTTP/1.1".to_owned(),
    ];
    lines.map(|line| format!("{line}\r\nHost: a\r\n\r\n").into_bytes()).into()
}

/// H13, H15: what a head is made of.
fn lines() -> Vec<Vec<u8>> {
    let headers =
        [" Folded: yes", "\tfolded", "X : y", ": no name", "no colon", "X: y\rz", "X: y\nz", "X: y\0z"];
    headers.map(|header| format!("GET / HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n").into_bytes()).into()
}

/// What all have done.
pub(super) fn sum(deeds: impl Iterator<Item = Deeds>) -> Deeds {
    let mut all = Deeds::new();
    for (name, count) in deeds.flatten() {
        *all.entry(name).or_default() += count;
    }
    all
}

pub(super) fn print(deeds: &Deeds) {
    for (name, count) in deeds {
        println!("{count:9} times {name}");
    }
}

/// A siege that one hazard was missing from would show nothing about it.
pub(super) fn assert_all_is_done(deeds: &Deeds) {
    for (name, _) in OFFENCES {
        assert!(deeds.get(name).is_some_and(|count| *count > 0), "never done: {name}");
    }
}
