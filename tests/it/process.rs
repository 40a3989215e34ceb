//! The real binary, in a directory of its own, on a port of its own; and a client that shows the bytes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// A client waits no longer than this for an answer: a test must end.
const PATIENCE: Duration = Duration::from_secs(30);

/// The binary, with nothing of our own environment that could change what it does.
pub fn gatekey() -> Command {
    without_settings(Command::new(env!("CARGO_BIN_EXE_gatekey")))
}

/// The binary, in a process that may have so many descriptors open.
pub fn gatekey_with_descriptors(limit: u32) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_gatekey")]);
    without_settings(shell)
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
    log: Option<thread::JoinHandle<String>>,
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
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data).args(options);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = child.stderr.take().unwrap();
        let log = thread::spawn(move || {
            let mut text = String::new();
            log.read_to_string(&mut text).unwrap();
            text
        });
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let Some(address) = ready.strip_prefix("gatekey: listening on http://") else {
            panic!("not ready: {ready:?}, {:?}", log.join());
        };
        Self { address: address.trim_end().parse().unwrap(), data, child, log: Some(log), directory: None }
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

    /// One request with these further fields and this body, which is JSON if there is one.
    pub fn request(&self, line: &str, fields: &[&str], body: &str) -> String {
        let content = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        let content = if body.is_empty() { "" } else { &content };
        let fields: String = fields.iter().flat_map(|field| [*field, "\r\n"]).collect();
        let host = self.address;
        let request =
            format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}{content}\r\n{body}");
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
        (status.code(), self.log.take().unwrap().join().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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

/// The value of an answer's field.
pub fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split_once("\r\n\r\n").unwrap().0;
    let mut values =
        head.lines().skip(1).filter_map(|line| line.split_once(": ")).filter(|(given, _)| *given == name);
    values.next().map(|(_, value)| value)
}
