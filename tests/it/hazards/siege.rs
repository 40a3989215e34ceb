//! All hazards at once: 32 hostile clients go through them again and again, each from an address of its own, while
//! eight good ones show tokens and log in, and lose nothing. Five seconds of it are among the tests; `make siege` is
//! ten minutes against the release build (`SIEGE_SECONDS`), with a report.

#![allow(clippy::print_stdout, reason = "the report of make siege")]

mod hostile;

use super::watch::{self, Holdings, await_that, read_one, resident_kib};
use crate::harness::basic;
use crate::process::{Server, body, status};
use gatekey::json;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const GOOD_CLIENTS: usize = 8;
const HOSTILE_CLIENTS: u8 = 32;
/// Between two requests of a good client.
const PAUSE: Duration = Duration::from_millis(10);
/// A good client logs in at every so many requests, and goes on with the token that it gets.
const LOGIN_EVERY: usize = 50;
/// Growth counts from here on: by then the allocator and the database's page cache have what they keep.
const WARM_UP: Duration = Duration::from_secs(60);
/// So much more than in the warm-up the server may hold later: how many connections there are in one moment is chance,
/// and each may cost 32 KiB.
const ALLOWED_GROWTH_KIB: u64 = 8 * 1024;

/// Short deadlines, so that a client that runs into one comes round again; a share that a hostile client uses up and the
/// good ones don't; hashes that cost something, but leave time for the rest, and one thread for them, which is there
/// since the first registration.
const OPTIONS: [&str; 12] = [
    "--request-timeout",
    "2",
    "--idle-timeout",
    "3",
    "--max-connections-per-address",
    "12",
    "--scrypt",
    "ln=8,r=8,p=1",
    "--hash-slots",
    "1",
    "--log",
    "off",
];

#[test]
fn good_clients_lose_nothing_in_a_siege() {
    let seconds = std::env::var("SIEGE_SECONDS").map_or(5, |text| text.parse().unwrap());
    // Locations with this in them make answers long.
    let long_url = format!("https://example.org/{}", "x".repeat(8 * 1024));
    let directory = tempfile::tempdir().unwrap();
    let options = [OPTIONS.as_slice(), &["--public-url", &long_url]].concat();
    let server = Server::start_in(directory.path().join("data"), &options);
    assert_eq!(status(&server.register("ok", "python")), 201);
    assert_eq!(watch::ask(&mut server.connect()), Ok(200));
    let before = (Holdings::at_rest(&server), resident_kib(&server));

    let is_over = Arc::new(AtomicBool::new(false));
    let (good, deeds, memory) = thread::scope(|scope| {
        let good: Vec<_> =
            (0..GOOD_CLIENTS).map(|_| scope.spawn(|| keep_asking(&server, &is_over))).collect();
        let hostile: Vec<_> = (0..HOSTILE_CLIENTS)
            .map(|number| hostile::Client::new(server.address, number, is_over.clone()))
            .map(|client| scope.spawn(move || client.offend()))
            .collect();
        let memory = Memory::watch(&server, Duration::from_secs(seconds));
        is_over.store(true, Ordering::Release);
        let good = good.into_iter().map(|client| client.join().unwrap()).fold(Good::default(), Good::and);
        let deeds = hostile.into_iter().map(|client| client.join().unwrap());
        (good, hostile::sum(deeds), memory)
    });

    let mut after = Holdings::of(&server);
    let is_back = await_that(|| {
        after = Holdings::of(&server);
        after.threads <= before.0.threads && after.descriptors <= before.0.descriptors
    });
    println!("{GOOD_CLIENTS} good clients beside {HOSTILE_CLIENTS} hostile ones for {seconds} s");
    println!("good requests   {:9}", good.micros.len());
    println!("of them lost    {:9}", good.lost.len());
    println!("p50, p99        {:9} {:9} microseconds", good.percentile(50), good.percentile(99));
    println!("resident before {:9} KiB", before.1);
    println!("in the warm-up  {:9} KiB at most", memory.warm_up_kib);
    println!("later           {:9} KiB at most", memory.later_kib);
    println!("at the end      {:9} KiB", resident_kib(&server));
    println!("threads         {:9} before {:9} after", before.0.threads, after.threads);
    println!("descriptors     {:9} before {:9} after", before.0.descriptors, after.descriptors);
    hostile::print(&deeds);
    let (code, log) = server.stop();

    assert!(good.lost.is_empty(), "{} lost, for example: {:?}", good.lost.len(), good.lost.first());
    assert!(good.micros.len() > GOOD_CLIENTS * LOGIN_EVERY, "every good client has logged in");
    hostile::assert_all_is_done(&deeds);
    assert!(is_back, "{before:?} became {after:?}");
    assert!(memory.later_kib <= memory.warm_up_kib + ALLOWED_GROWTH_KIB, "it grows");
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}

/// What good clients have seen.
#[derive(Default)]
struct Good {
    /// How long each answer took.
    micros: Vec<u128>,
    lost: Vec<String>,
}

impl Good {
    fn and(mut self, mut other: Self) -> Self {
        self.micros.append(&mut other.micros);
        self.lost.append(&mut other.lost);
        self.micros.sort_unstable();
        self
    }

    fn percentile(&self, percent: usize) -> u128 {
        self.micros.get(self.micros.len() * percent / 100).copied().unwrap_or_default()
    }
}

/// One good client, on one connection as long as that holds; where it doesn't, something was lost.
fn keep_asking(server: &Server, is_over: &AtomicBool) -> Good {
    let (mut seen, mut connection, mut token) = (Good::default(), server.connect(), String::new());
    for number in 0.. {
        if is_over.load(Ordering::Acquire) {
            break;
        }
        let start = Instant::now();
        let outcome = if number % LOGIN_EVERY == 0 {
            log_in(&mut connection).map(|fresh| token = fresh)
        } else {
            show(&mut connection, &token)
        };
        if let Err(error) = outcome {
            seen.lost.push(format!("request {number}: {error}"));
            connection = server.connect();
        }
        seen.micros.push(start.elapsed().as_micros());
        thread::sleep(PAUSE);
    }
    seen
}

/// A token for the password.
fn log_in(connection: &mut TcpStream) -> Result<String, String> {
    let answer = ask(connection, "/api/token", &basic("ok", "python"))?;
    let object = json::parse_object(body(&answer).as_bytes()).map_err(|_| answer.clone())?;
    match (status(&answer), object.get("token").and_then(|token| token.as_str())) {
        (200, Some(token)) => Ok(token.to_owned()),
        _ => Err(answer),
    }
}

/// The resource for a token.
fn show(connection: &mut TcpStream, token: &str) -> Result<(), String> {
    let answer = ask(connection, "/api/resource", &format!("Bearer {token}"))?;
    let is_whole = status(&answer) == 200 && body(&answer) == r#"{"data":"Hello, ok!"}"#;
    if is_whole { Ok(()) } else { Err(answer) }
}

fn ask(connection: &mut TcpStream, path: &str, authorization: &str) -> Result<String, String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: {authorization}\r\n\r\n");
    connection.write_all(request.as_bytes()).map_err(|error| format!("sending: {error}"))?;
    read_one(connection)
}

/// The most that the server held, in KiB.
#[derive(Default)]
struct Memory {
    warm_up_kib: u64,
    later_kib: u64,
}

impl Memory {
    /// Looks at it ten times a second; the warm-up is half of a short siege.
    fn watch(server: &Server, duration: Duration) -> Self {
        let (start, warm_up) = (Instant::now(), WARM_UP.min(duration / 2));
        let mut seen = Self::default();
        while start.elapsed() < duration {
            let is_warm = start.elapsed() >= warm_up;
            let most = if is_warm { &mut seen.later_kib } else { &mut seen.warm_up_kib };
            *most = resident_kib(server).max(*most);
            thread::sleep(Duration::from_millis(100));
        }
        seen
    }
}
