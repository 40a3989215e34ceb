//! The real binary, in a directory of its own, on a port of its own; and a client that shows the bytes.

use rustix::net::{self, AddressFamily, SocketFlags, SocketType};
use std::fs;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// A client waits no longer than this for an answer: a test must end.
const PATIENCE: Duration = Duration::from_secs(30);

/// The binary that is tested: the one that cargo has built, or another by TESTED_BINARY, such as the one that is shipped.
pub fn binary() -> PathBuf {
    std::env::var_os("TESTED_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_gatekey").into(), PathBuf::from)
}

/// The binary, with nothing of our own environment that could change what it does.
pub fn gatekey() -> Command {
    without_settings(Command::new(binary()))
}

/// The binary, in a process that may have so many descriptors open.
pub fn gatekey_with_descriptors(limit: u32) -> Command {
    gatekey_by("sh", &["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\"")])
}

/// The binary, or a copy of it, there.
pub fn gatekey_at(path: &Path) -> Command {
    without_settings(Command::new(path))
}

/// The binary, started by a program that takes it and its arguments after its own.
pub fn gatekey_by(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).arg(binary());
    without_settings(command)
}

fn without_settings(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GATEKEY_") {
            command.env_remove(name);
        }
    }
    command
}

/// A running `gatekey serve`.
pub struct Server {
    pub address: SocketAddr,
    pub data: PathBuf,
    child: Child,
    /// What it has written on standard error up to now, and who reads that.
    log: Arc<Mutex<String>>,
    log_reader: Option<thread::JoinHandle<()>>,
    /// Removed with the server, where the server made it.
    directory: Option<TempDir>,
}

impl Server {
    /// In a new directory, with the cheapest hashes.
    pub fn start(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let mut server = Self::start_in(data, &[&["--scrypt", crate::harness::CHEAP], options].concat());
        server.directory = Some(directory);
        server
    }

    /// In this data directory, with these options and no others.
    pub fn start_in(data: PathBuf, options: &[&str]) -> Self {
        Self::start_as(gatekey(), data, options)
    }

    /// The same, by a command other than [`gatekey`].
    pub fn start_as(mut command: Command, data: PathBuf, options: &[&str]) -> Self {
        // Most tests are not about the throttle, and all clients are one address; an option turns it on.
        command.env("GATEKEY_THROTTLE", "off");
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data).args(options);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (lines, log) = (BufReader::new(child.stderr.take().unwrap()).lines(), Arc::default());
        let written: Arc<Mutex<String>> = Arc::clone(&log);
        let log_reader = thread::spawn(move || {
            for line in lines {
                *written.lock().unwrap() += &(line.unwrap() + "\n");
            }
        });
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let Some(address) = ready.strip_prefix("gatekey: listening on http://") else {
            log_reader.join().unwrap();
            panic!("not ready: {ready:?}, {:?}", log.lock());
        };
        let address = address.trim_end().parse().unwrap();
        Self { address, data, child, log, log_reader: Some(log_reader), directory: None }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends these bytes on a connection of their own, closes the sending side, and reads to the end.
    pub fn exchange(&self, bytes: &[u8]) -> String {
        let mut connection = self.connect();
        connection.write_all(bytes).unwrap();
        connection.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }

    pub fn connect(&self) -> TcpStream {
        let connection = TcpStream::connect(self.address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        connection
    }

    /// Connects from an address of ours other than the usual one: all of 127.0.0.0/8 is this machine's.
    pub fn connect_from(&self, address: [u8; 4]) -> TcpStream {
        // Or else a server that another test starts meanwhile would inherit it, and have that many descriptors fewer.
        let flags = SocketFlags::CLOEXEC;
        let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
        net::bind(&socket, &SocketAddr::from((address, 0))).unwrap();
        net::connect(&socket, &self.address).unwrap();
        let connection = TcpStream::from(socket);
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        connection
    }

    /// One request with these further headers and this body, which is JSON if there is one.
    pub fn request(&self, line: &str, headers: &[&str], body: &str) -> String {
        let content = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        let content = if body.is_empty() { "" } else { &content };
        let headers: String = headers.iter().flat_map(|header| [*header, "\r\n"]).collect();
        let host = self.address;
        let request =
            format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}{content}\r\n{body}");
        self.exchange(request.as_bytes())
    }

    /// `POST /api/users`.
    pub fn register(&self, username: &str, password: &str) -> String {
        let body = gatekey::json::json!({"username": username, "password": password});
        self.request("POST /api/users", &[], &body.to_string())
    }

    /// `GET /api/resource` with a name and a password: the status.
    pub fn login(&self, username: &str, password: &str) -> u16 {
        let authorization = format!("Authorization: {}", crate::harness::basic(username, password));
        status(&self.request("GET /api/resource", &[&authorization], ""))
    }

    /// A command on this server's data directory, with this text on its standard input.
    pub fn command(&self, words: &[&str], input: &str) -> Output {
        run(gatekey().args(words).arg("--data").arg(&self.data), input)
    }

    pub fn signal(&self, name: &str) {
        let killed = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(killed.unwrap().success());
    }

    /// Ends it as an operator does; what it ended with, and what it wrote on standard error.
    pub fn stop(self) -> (Option<i32>, String) {
        self.stop_by("TERM")
    }

    /// Ends it by this signal.
    pub fn stop_by(mut self, signal: &str) -> (Option<i32>, String) {
        self.signal(signal);
        let status = self.child.wait().unwrap();
        self.log_reader.take().unwrap().join().unwrap();
        (status.code(), self.log())
    }

    /// Kills it, also while it is stopped: its data directory, and what holds that.
    pub fn kill(mut self) -> (PathBuf, Option<TempDir>) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        (self.data.clone(), self.directory.take())
    }

    /// What it has written on standard error up to now.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One read. Under a timeout it is not taken up again by itself when our process was halted meanwhile.
pub fn read_some(connection: &mut TcpStream, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        match connection.read(bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// The names of what is in a directory, in order.
pub fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Runs a command to its end with this text on its standard input.
pub fn run(command: &mut Command, input: &str) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes()); // it may not want any
    child.wait_with_output().unwrap()
}

/// What a command wrote and how it ended, as texts.
pub fn written(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// An answer's status.
pub fn status(answer: &str) -> u16 {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or(answer).parse().unwrap()
}

/// An answer's body.
pub fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

/// The value of an answer's header.
pub fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split_once("\r\n\r\n").unwrap().0;
    let mut values =
        head.lines().skip(1).filter_map(|line| line.split_once(": ")).filter(|(given, _)| *given == name);
    values.next().map(|(_, value)| value)
}
