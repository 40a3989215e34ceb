//! Listeners: Unix sockets, and sockets inherited as standard input.

use crate::harness::CHEAP;
use crate::hazards::SetAtEnd;
use crate::process::{body, gatekey, header, status, written};
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// A client waits no longer than this for an answer: a test must end.
const PATIENCE: Duration = Duration::from_secs(30);
const TRUST: [&str; 2] = ["--trusted-proxy", "unix"];

/// A server that is ready, by its ready line.
struct Started {
    child: Child,
    ready: String,
    log: BufReader<std::process::ChildStderr>,
}

/// `gatekey serve` on these data, with these options.
fn serve(data: &Path, options: &[&str]) -> Command {
    let mut command = gatekey();
    command.args(["serve", "--scrypt", CHEAP, "--throttle", "off", "--data"]).arg(data).args(options);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The same, listening on this socket.
fn serve_on(socket: impl Into<OwnedFd>, data: &Path, options: &[&str]) -> Command {
    let mut command = serve(data, &[&["--listen", "stdin"], options].concat());
    command.stdin(Stdio::from(socket.into()));
    command
}

impl Started {
    fn by(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        drop(command); // it holds the socket that it gave
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        if ready.is_empty() {
            let mut text = String::new();
            log.read_to_string(&mut text).unwrap();
            panic!("not ready: {text}");
        }
        Self { child, ready, log }
    }

    fn signal(&self, name: &str) {
        let killed = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(killed.unwrap().success());
    }

    /// What it ended with, and what it wrote on standard error.
    fn stop(mut self) -> (Option<i32>, String) {
        self.signal("TERM");
        let status = self.child.wait().unwrap();
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        (status.code(), log)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a server that must not start ended with, and what it said.
fn refused(mut command: Command) -> (Option<i32>, String) {
    let (code, out, message) = written(&command.spawn().unwrap().wait_with_output().unwrap());
    assert_eq!(out, "", "nothing is ready");
    (code, message)
}

/// A directory for data and a socket.
fn places() -> (TempDir, PathBuf, PathBuf, String) {
    let directory = tempfile::tempdir().unwrap();
    let (data, path) = (directory.path().join("data"), directory.path().join("socket"));
    let listen = format!("unix:{}", path.display());
    (directory, data, path, listen)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn connect_at(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends one request and reads to the end.
fn ask(mut stream: impl Read + Write, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

const GET: &str = "GET /api/users/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn registration(headers: &str) -> String {
    let json = r#"{"username":"ok","password":"python"}"#;
    format!(
        "POST /api/users HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n{headers}\
         Content-Length: {}\r\n\r\n{json}",
        json.len()
    )
}

#[test]
fn a_trusted_proxy_on_a_unix_socket_forwards_the_client_address() {
    let (_directory, data, path, listen) = places();
    let server = Started::by(serve(&data, &[&["--listen", &listen], &TRUST[..]].concat()));
    assert_eq!(server.ready, format!("gatekey: listening on {listen}\n"));
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o660, "its group may connect, and no stranger");

    let headers = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n";
    let answer = ask(connect_at(&path), &registration(headers));
    assert_eq!(status(&answer), 201);
    assert_eq!(header(&answer, "Location"), Some("https://a/api/users/1"));
    let mut kept = UnixStream::connect(&path).unwrap();
    for _ in 0..2 {
        kept.write_all(b"HEAD /api/users/1 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let lines: Vec<_> =
            BufReader::new(&kept).lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
        assert_eq!(lines[0], "HTTP/1.1 200 OK");
    }
    drop(kept);
    let (code, log) = server.stop();
    assert_eq!(code, Some(0));
    assert!(log.contains("Z 192.0.2.1 POST /api/users 201 "), "{log}");
    assert_eq!(log.matches("Z local HEAD /api/users/1 200 ").count(), 2, "{log}");
    assert!(!path.exists(), "removed at the end");
}

#[test]
fn a_unix_socket_without_a_trusted_proxy_is_rejected() {
    let (_directory, data, path, listen) = places();
    for (options, expected) in [
        (&["--listen", &listen][..], "a Unix socket needs --trusted-proxy unix, and a proxy that sends"),
        (&["--listen", &listen, "--trusted-proxy", "127.0.0.1"], "a Unix socket needs --trusted-proxy unix"),
        (
            &["--listen", &listen, TRUST[0], TRUST[1], "--loop", "tiny-http"],
            "--loop tiny-http listens on an address and a port only",
        ),
        (
            &["--listen", "unix:", TRUST[0], TRUST[1]],
            "expected an IP address and a port, such as 127.0.0.1:5000",
        ),
    ] {
        let (code, message) = refused(serve(&data, options));
        assert_eq!(code, Some(2), "{message}");
        assert!(message.contains(expected), "{message}");
    }
    assert!(!data.exists() && !path.exists(), "nothing is made");
}

#[test]
fn a_stale_socket_is_replaced() {
    let (_directory, data, path, listen) = places();
    let options = [&["--listen", &listen], &TRUST[..]].concat();
    let killed = Started::by(serve(&data, &options));
    drop(killed);
    assert!(path.exists(), "killed, it left its socket behind");
    let server = Started::by(serve(&data, &options));
    assert_eq!(status(&ask(connect_at(&path), GET)), 404);
    assert_eq!(server.stop().0, Some(0));
    assert!(!path.exists());
}

#[test]
fn a_socket_in_use_is_kept() {
    let (_directory, data, path, listen) = places();
    let options = [&["--listen", &listen], &TRUST[..]].concat();
    let first = Started::by(serve(&data, &options));
    let (code, message) = refused(serve(&data, &options));
    assert_eq!(code, Some(1));
    assert_eq!(message, format!("gatekey: can't listen on {listen}: another server listens there\n"));
    assert_eq!(status(&ask(connect_at(&path), GET)), 404);
    drop(first);
}

#[test]
fn a_socket_with_a_full_backlog_is_in_use() {
    let (_directory, data, path, listen) = places();
    let stalled = UnixListener::bind(&path).unwrap();
    rustix::net::listen(&stalled, 0).unwrap();
    let _backlog = connect_at(&path);
    let options = [&["--listen", &listen], &TRUST[..]].concat();
    let (code, message) = refused(serve(&data, &options));
    assert_eq!(code, Some(1));
    assert_eq!(message, format!("gatekey: can't listen on {listen}: another server listens there\n"));
}

#[test]
fn a_file_that_is_no_socket_is_kept() {
    let (directory, data, path, listen) = places();
    fs::write(&path, "a letter").unwrap();
    let options = [&["--listen", &listen], &TRUST[..]].concat();
    let (code, message) = refused(serve(&data, &options));
    assert_eq!(code, Some(1));
    let expected = "something is there that is not a socket; name another path, or remove it";
    assert_eq!(message, format!("gatekey: can't listen on {listen}: {expected}\n"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "a letter");
    assert!(!data.exists());

    let nowhere = format!("unix:{}/nowhere/socket", directory.path().display());
    let (code, message) = refused(serve(&data, &[&["--listen", &nowhere], &TRUST[..]].concat()));
    assert_eq!(code, Some(1));
    let expected = format!("gatekey: can't listen on {nowhere}: No such file or directory");
    assert!(message.starts_with(&expected), "{message}");
}

#[test]
fn a_replaced_socket_is_not_removed_at_the_end() {
    let (_directory, data, path, listen) = places();
    let server = Started::by(serve(&data, &[&["--listen", &listen], &TRUST[..]].concat()));
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    assert_eq!(server.stop().0, Some(0));
    assert!(path.exists());
}

#[test]
fn a_listening_socket_on_standard_input_is_used() {
    let (_directory, data, path, listen) = places();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let server = Started::by(serve_on(socket, &data, &[]));
    assert_eq!(server.ready, format!("gatekey: listening on http://{address}\n"));
    assert_eq!(status(&ask(connect(address), GET)), 404);
    // Held nowhere else, the socket closes when accepting ends, and not only with the process.
    let stdin = fs::read_link(format!("/proc/{}/fd/0", server.child.id())).unwrap();
    assert_eq!(stdin, Path::new("/dev/null"));
    let (code, log) = server.stop();
    assert_eq!(code, Some(0));
    assert!(log.contains("Z 127.0.0.1 GET /api/users/1 404 "), "{log}");

    let socket = UnixListener::bind(&path).unwrap();
    let server = Started::by(serve_on(socket, &data, &TRUST));
    assert_eq!(server.ready, format!("gatekey: listening on {listen}\n"));
    assert_eq!(status(&ask(connect_at(&path), GET)), 404);
    assert_eq!(server.stop().0, Some(0));
    assert!(path.exists(), "the process that made it removes it");
}

#[test]
fn standard_input_that_is_no_listening_socket_is_rejected() {
    let (_directory, data, path, _) = places();
    let (connected, _other_end) = UnixStream::pair().unwrap();
    for socket in [OwnedFd::from(connected), fs::File::open("/dev/null").unwrap().into()] {
        let (code, message) = refused(serve_on(socket, &data, &TRUST));
        assert_eq!(code, Some(1));
        let expected = "gatekey: can't listen on standard input: it is not a listening socket; expected one from a \
                        systemd socket unit (Accept=no, and StandardInput=socket in the service), or from the \
                        parent process\n";
        assert_eq!(message, expected);
    }
    let on_all = || TcpListener::bind("0.0.0.0:0").unwrap();
    let at_path = UnixListener::bind(&path).unwrap();
    for (command, expected) in [
        (serve_on(on_all(), &data, &[]), "is not a loopback address: passwords would cross the network"),
        (serve_on(at_path, &data, &[]), "a Unix socket needs --trusted-proxy unix"),
        (
            serve_on(on_all(), &data, &["--loop", "tiny-http"]),
            "--loop tiny-http listens on an address and a port only",
        ),
    ] {
        let (code, message) = refused(command);
        assert_eq!(code, Some(2), "{message}");
        assert!(message.contains(expected), "{message}");
    }
    assert!(!data.exists(), "nothing is made");
    let server = Started::by(serve_on(on_all(), &data, &["--allow-cleartext"]));
    assert!(server.ready.starts_with("gatekey: listening on http://0.0.0.0:"), "{}", server.ready);
}

#[test]
fn the_ready_line_is_not_written_into_a_socket() {
    let (_directory, data, ..) = places();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let (out, mut other_end) = UnixStream::pair().unwrap();
    let mut command = serve_on(socket, &data, &[]);
    let mut child = command.stdout(Stdio::from(OwnedFd::from(out))).spawn().unwrap();
    drop(command);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let ready = format!("gatekey: listening on http://{address}");
    let found = lines.by_ref().any(|line| line.unwrap() == ready);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(found);
    let mut written = String::new();
    other_end.read_to_string(&mut written).unwrap();
    assert_eq!(written, "");
}

#[test]
fn a_binary_is_replaced_without_losing_a_request() {
    let (_directory, data, ..) = places();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let old = Started::by(serve_on(socket.try_clone().unwrap(), &data, &["--log", "off"]));
    let answer = ask(connect(address), &registration(""));
    assert_eq!(status(&answer), 201);

    let (is_over, answers) = (AtomicBool::new(false), AtomicUsize::new(0));
    // Each request on a connection of its own: these are what a restart would lose.
    let keep_asking = || {
        while !is_over.load(Ordering::Acquire) {
            let answer = ask(connect(address), GET);
            assert_eq!((status(&answer), body(&answer)), (200, r#"{"username":"ok"}"#));
            answers.fetch_add(1, Ordering::AcqRel);
        }
    };
    let await_more = |clients: &[thread::ScopedJoinHandle<'_, ()>]| {
        let enough = answers.load(Ordering::Acquire) + 100;
        while answers.load(Ordering::Acquire) < enough
            && !clients.iter().any(thread::ScopedJoinHandle::is_finished)
        {
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        let ending = SetAtEnd(&is_over); // also where this fails: the clients' threads are waited for
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(keep_asking)).collect();
        await_more(&clients);
        let mut server = old;
        for _ in 0..3 {
            let new = Started::by(serve_on(socket.try_clone().unwrap(), &data, &["--log", "off"]));
            await_more(&clients);
            let (code, _) = std::mem::replace(&mut server, new).stop();
            assert_eq!(code, Some(0));
            await_more(&clients);
        }
        drop(ending);
        for client in clients {
            client.join().unwrap();
        }
    });
}
