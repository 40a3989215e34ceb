//! The watch over a server while a hostile client offends against it.

use crate::process::{Server, read_some, status};
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Between two requests of the client that behaves.
const PAUSE: Duration = Duration::from_millis(4);
/// The offenders' threads end by themselves, by the longest deadline that these tests set: some seconds.
const RECOVERY: Duration = Duration::from_secs(20);
/// Between two looks at the server.
const GLANCE: Duration = Duration::from_millis(20);
/// So many looks in a row that show the same are rest.
const LOOKS: usize = 5;
/// An offender waits no longer than this for the server's answer or close.
const PATIENCE: Duration = Duration::from_secs(15);
/// Memory that the allocator and the cached stacks of ended threads may keep. What is to be excluded is memory that
/// grows with what a client sends. Measured on two cores: 2.8 MiB at most, after a hundred connections at once.
const ALLOWED_GROWTH_KIB: u64 = 6 * 1024;

/// What the server process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holdings {
    pub threads: usize,
    /// Descriptors but for the database's, whose readers are opened when they are first needed.
    pub descriptors: usize,
}

/// The database's descriptors at most: two for each connection, and the `-shm` file, which they share. One connection writes,
/// each event loop reads by one of its own, and worker threads share as many as there are cores, four to sixteen.
fn database_descriptors() -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    2 * (1 + cores.max(2) + cores.clamp(4, 16)) + 1
}

impl Holdings {
    pub fn of(server: &Server) -> Self {
        let count = |what: &str| fs::read_dir(format!("/proc/{}/{what}", server.pid())).unwrap().flatten();
        let is_database = |path: &std::path::Path| path.to_string_lossy().contains("gatekey.sqlite3");
        // One that is closed meanwhile has no target any more.
        let targets = count("fd").filter_map(|entry| fs::read_link(entry.path()).ok());
        let (database, others): (Vec<_>, Vec<_>) = targets.partition(|target| is_database(target));
        assert!(database.len() <= database_descriptors(), "{database:?}");
        // Those that hash are as many as the slots at most, and are made when they are first needed: held by no client.
        let hashes = |task: &fs::DirEntry| {
            fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name == "hash\n")
        };
        let threads = count("task").filter(|task| !hashes(task)).count();
        Self { threads, descriptors: others.len() }
    }

    /// As soon as they stay the same for a while.
    pub fn at_rest(server: &Server) -> Self {
        let (mut last, mut looks) = (Self::of(server), 0);
        while looks < LOOKS {
            thread::sleep(GLANCE);
            let now = Self::of(server);
            looks = if now == last { looks + 1 } else { 0 };
            last = now;
        }
        last
    }
}

/// What of the server is in memory.
pub fn resident_kib(server: &Server) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Lets a hostile client offend against the server, and asserts that a well-behaved client on a connection of its own gets
/// every answer meanwhile, and that the server holds no more afterwards than before.
pub fn withstands(server: &Server, offence: impl FnOnce(&Server)) {
    warm_up(server);
    let before = Holdings::at_rest(server);
    let memory = resident_kib(server);

    let (is_over, answers) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let good = scope.spawn(|| keep_asking(server, &is_over, &answers));
        // The offence begins while the other is being served.
        await_that(|| answers.load(Ordering::Acquire) > 0 || good.is_finished());
        let ending = SetAtEnd(&is_over);
        offence(server);
        drop(ending);
        good.join().unwrap();
    });

    let mut after = Holdings::of(server);
    await_that(|| {
        after = Holdings::of(server);
        after.threads <= before.threads && after.descriptors <= before.descriptors
    });
    let is_back = after.threads <= before.threads && after.descriptors <= before.descriptors;
    assert!(is_back, "{before:?} became {after:?}");
    let growth = resident_kib(server).saturating_sub(memory);
    assert!(growth <= ALLOWED_GROWTH_KIB, "{growth} KiB more than the {memory} before");
}

/// Polls until it holds, or [`RECOVERY`] is over.
pub fn await_that(mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + RECOVERY;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(GLANCE);
    }
}

/// Sets it however the scope ends, so that threads that watch it end too.
pub struct SetAtEnd<'a>(pub &'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// User 1, whom the good client asks for; and a few connections, so that what is set up once is.
fn warm_up(server: &Server) {
    assert!([201, 400].contains(&status(&server.register("ok", "python"))));
    let mut connections: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for _ in 0..10 {
        for connection in &mut connections {
            assert_eq!(ask(connection), Ok(200));
        }
    }
}

/// The request of every client that gets 200.
pub const GET: &[u8] = b"GET /api/users/1 HTTP/1.1\r\nHost: a\r\n\r\n";

fn keep_asking(server: &Server, is_over: &AtomicBool, answers: &AtomicUsize) {
    let mut connection = server.connect();
    loop {
        // Read first: at least one answer comes after the offence.
        let is_last = is_over.load(Ordering::Acquire);
        assert_eq!(ask(&mut connection), Ok(200), "after {} answers", answers.load(Ordering::Relaxed));
        answers.fetch_add(1, Ordering::Release);
        if is_last {
            return;
        }
        thread::sleep(PAUSE);
    }
}

/// One request on a connection that is kept: the status, or why there is none.
pub fn ask(connection: &mut TcpStream) -> Result<u16, String> {
    connection.write_all(GET).map_err(|error| format!("sending: {error}"))?;
    read_one(connection).map(|answer| status(&answer))
}

/// One answer, by its length, and not a byte more.
pub fn read_one(connection: &mut TcpStream) -> Result<String, String> {
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        match read_some(connection, &mut byte) {
            Ok(1) => answer.push(byte[0]),
            Ok(_) => return Err(format!("closed after {} bytes", answer.len())),
            Err(error) => return Err(format!("{:?} after {} bytes", error.kind(), answer.len())),
        }
    }
    let head = String::from_utf8(answer).unwrap();
    let length =
        head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    connection.read_exact(&mut body).map_err(|error| format!("in the body: {error}"))?;
    Ok(head + &String::from_utf8(body).unwrap())
}

/// Everything until the server closes, which it must; a reset after the last byte is a close too.
pub fn read_all(connection: &mut TcpStream) -> String {
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut all, mut bytes) = (Vec::new(), [0; 4096]);
    loop {
        match read_some(connection, &mut bytes) {
            Ok(0) => break,
            Ok(count) => all.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("not closed: {error}, after {:?}", String::from_utf8_lossy(&all)),
        }
    }
    String::from_utf8(all).unwrap()
}

/// What the server says to these bytes until it closes; our side stays open, so the close is the server's own.
pub fn send(server: &Server, bytes: &[u8]) -> String {
    let mut connection = server.connect();
    // It may be refused before all of it is sent.
    let _ = connection.write_all(bytes);
    read_all(&mut connection)
}

/// What the server says to these bytes when we send no more.
pub fn send_and_end(server: &Server, bytes: &[u8]) -> String {
    let mut connection = server.connect();
    let _ = connection.write_all(bytes);
    let _ = connection.shutdown(Shutdown::Write);
    read_all(&mut connection)
}

/// Asserts that these bytes get exactly one answer, with this status, which ends the connection.
pub fn assert_refused(server: &Server, bytes: &[u8], expected: u16) {
    assert_is_refusal(&send(server, bytes), expected, &bytes[..bytes.len().min(120)]);
}

pub fn assert_is_refusal(answer: &str, expected: u16, why: &[u8]) {
    let why = String::from_utf8_lossy(why);
    assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{why:?}: {answer:?}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{why:?}: {answer:?}");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{why:?}: {answer:?}");
}

/// Runs a test over both loops, each with a server of its own.
pub fn over_both_loops(test: impl Fn(&Server)) {
    for name in ["strict", "tiny-http"] {
        test(&Server::start(&["--loop", name]));
    }
}

/// How many threads of this name the server has.
pub fn threads_named(server: &Server, name: &str) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap().flatten();
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|comm| comm.trim_end() == name).count()
}

/// Waits until every thread of the server waits: what was sent is read, and what was read is done.
pub fn quiet(server: &Server) {
    let sleeps = |stat: &str| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'));
    let is_quiet = await_that(|| {
        let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap().flatten();
        // A thread that has ended meanwhile is quiet.
        tasks.into_iter().all(|task| match fs::read_to_string(task.path().join("stat")) {
            Ok(stat) => sleeps(&stat),
            Err(_) => true,
        })
    });
    assert!(is_quiet, "a thread never rests");
}
