//! Service manager: notifications, watchdog, systemd units, socket activation.

use crate::harness::CHEAP;
use crate::hazards::watch::{await_that, threads_named};
use crate::process::{Server, binary, body, gatekey, gatekey_by, status};
use crate::skip::skip;
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// The longest wait: a test must end.
const PATIENCE: Duration = Duration::from_secs(30);
/// The service may be no more exposed than this, in systemd's tenths of a point; docs/operations.md says so.
const EXPOSURE: &str = "14";

/// Where a service manager listens for notifications.
struct Manager(UnixDatagram);

impl Manager {
    fn at(address: &SocketAddr) -> Self {
        let socket = UnixDatagram::bind_addr(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// The next notification.
    fn told(&self) -> String {
        let mut bytes = [0; 256];
        let length = self.0.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    /// The next besides that the server answers.
    fn told_but_alive(&self) -> String {
        loop {
            let told = self.told();
            if told != "WATCHDOG=1" {
                return told;
            }
        }
    }

    /// How much it was told that it hasn't read.
    fn drain(&self) -> usize {
        self.0.set_nonblocking(true).unwrap();
        let mut drained = 0;
        let error = loop {
            match self.0.recv(&mut [0; 256]) {
                Ok(_) => drained += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        self.0.set_nonblocking(false).unwrap();
        drained
    }
}

/// A server that tells this manager, which waits so many microseconds to hear that it answers.
fn start(data: PathBuf, socket: &str, watchdog_usec: &str) -> Server {
    let mut command = gatekey();
    command.env("NOTIFY_SOCKET", socket).env("WATCHDOG_USEC", watchdog_usec);
    Server::start_as(command, data, &["--scrypt", CHEAP])
}

#[test]
fn the_service_manager_is_notified_of_start_reload_and_stop() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let manager = Manager::at(&SocketAddr::from_pathname(&path).unwrap());
    let server = start(directory.path().join("data"), path.to_str().unwrap(), "200000");
    assert_eq!(manager.told(), "READY=1");
    assert_eq!(manager.told(), "WATCHDOG=1");
    // Its questions to itself fill no log.
    assert!(!server.log().contains("/healthz"), "{}", server.log());
    server.signal("HUP");
    assert_eq!([manager.told_but_alive(), manager.told_but_alive()], ["RELOADING=1", "READY=1"]);
    let (code, _) = server.stop();
    assert_eq!((code, manager.told_but_alive().as_str()), (Some(0), "STOPPING=1"));
}

#[test]
fn a_service_manager_on_an_abstract_socket_is_notified() {
    let directory = tempfile::tempdir().unwrap();
    let name = format!("gatekey-test-{}", directory.path().file_name().unwrap().display());
    let manager = Manager::at(&SocketAddr::from_abstract_name(&name).unwrap());
    let _server = start(directory.path().join("data"), &format!("@{name}"), "");
    assert_eq!(manager.told(), "READY=1");
}

#[test]
fn a_server_on_an_abstract_socket_feeds_the_watchdog() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let manager = Manager::at(&SocketAddr::from_pathname(&path).unwrap());
    let name = format!("gatekey-door-{}", directory.path().file_name().unwrap().display());
    let door = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let mut command = gatekey();
    command.args(["serve", "--listen", "stdin", "--trusted-proxy", "unix", "--log", "off", "--data"]);
    command.arg(directory.path().join("data")).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    command.stdin(OwnedFd::from(door)).stdout(Stdio::null()).stderr(Stdio::null());
    let _server = Ended(command.spawn().unwrap());
    assert_eq!([manager.told(), manager.told()], ["READY=1", "WATCHDOG=1"]);
}

/// The watchdog's requests come in by the socket, and its mode shuts others out.
#[test]
fn the_socket_unit_has_the_services_user_and_mode() {
    let (service, socket) = (unit("gatekey.service"), unit("gatekey.socket"));
    let user = service.lines().find_map(|line| line.strip_prefix("User=")).unwrap();
    assert!(socket.contains("#SocketMode=0660\n"));
    assert!(socket.contains(&format!("#SocketUser={user}\n")), "{socket}");
}

#[test]
fn the_watchdog_is_fed_only_while_probes_succeed() {
    let directory = tempfile::tempdir().unwrap();
    let (path, data) = (directory.path().join("notify"), directory.path().join("data"));
    let manager = Manager::at(&SocketAddr::from_pathname(&path).unwrap());
    let server = start(data.clone(), path.to_str().unwrap(), "200000");
    assert_eq!([manager.told(), manager.told()], ["READY=1", "WATCHDOG=1"]);

    let (database, away) = (data.join("gatekey.sqlite3"), data.join("away"));
    fs::rename(&database, &away).unwrap();
    let complaint = "the watchdog's probe failed: \"HTTP/1.1 503 Service Unavailable\"";
    let await_complaints = |count| {
        while server.log().matches(complaint).count() < count {
            thread::yield_now();
        }
    };
    await_complaints(1);
    manager.drain();
    await_complaints(3);
    assert_eq!(manager.drain(), 0);

    fs::rename(&away, &database).unwrap();
    assert_eq!(manager.told(), "WATCHDOG=1");
}

/// Clients that hold all places must not have the server restarted, which would forget what it counted against them.
#[test]
fn a_server_at_its_connection_limit_feeds_the_watchdog() {
    let directory = tempfile::tempdir().unwrap();
    let (path, data) = (directory.path().join("notify"), directory.path().join("data"));
    let manager = Manager::at(&SocketAddr::from_pathname(&path).unwrap());
    let mut command = gatekey();
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    // Each of these takes its place for longer than the watchdog's patience.
    let options = ["--scrypt", "ln=15,r=16,p=16", "--hash-slots", "2", "--max-connections", "2"];
    let server = Server::start_as(command, data, &options);
    let body = r#"{"username":"ok","password":"python"}"#;
    let registration = format!(
        "POST /api/users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut held: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for connection in &mut held {
        connection.write_all(registration.as_bytes()).unwrap();
    }
    assert!(await_that(|| threads_named(&server, "hash") == 2));
    manager.drain();
    for _ in 0..3 {
        assert_eq!(manager.told(), "WATCHDOG=1");
    }
    assert_eq!(threads_named(&server, "hash"), 2, "both are still at it");
    let mut answer = [0; 12];
    let nothing_yet = held[0].set_nonblocking(true).and_then(|()| held[0].peek(&mut answer));
    assert_eq!(nothing_yet.map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    assert!(!server.log().contains("no good answer"), "{}", server.log());
}

#[test]
fn an_unreachable_service_manager_does_not_stop_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = directory.path().join("nowhere");
    let server = start(directory.path().join("data"), nowhere.to_str().unwrap(), "200000");
    assert_eq!(status(&server.exchange(b"GET /healthz HTTP/1.0\r\n\r\n")), 200);
    // The log's thread writes the line.
    let is_logged = await_that(|| server.log().contains("can't notify the service manager at"));
    assert!(is_logged, "{}", server.log());
}

fn unit(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    fs::read_to_string(path).unwrap()
}

/// A program of systemd's; `None`, said aloud, where it isn't there.
fn systemd(test: &str, program: &str) -> Option<Command> {
    let is_there = Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !is_there {
        skip(test, &format!("there is no {program}; install it: apt-get install systemd"));
    }
    is_there.then(|| Command::new(program))
}

/// The units as they are, but for where the binary is, in a directory of their own.
fn units(directory: &Path) -> Vec<PathBuf> {
    let paths = ["gatekey.service", "gatekey.socket"].map(|name| {
        let text = unit(name).replace("/usr/local/bin/gatekey", binary().to_str().unwrap());
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        path
    });
    paths.into()
}

#[test]
fn the_systemd_units_verify() {
    let Some(mut analyze) = systemd("the_systemd_units_verify", "systemd-analyze") else { return };
    let directory = tempfile::tempdir().unwrap();
    let verified = analyze.args(["verify", "--man=no"]).args(units(directory.path())).output().unwrap();
    let said = String::from_utf8(verified.stderr).unwrap();
    let of_ours: Vec<_> = said.lines().filter(|line| line.contains("gatekey")).collect();
    assert_eq!(of_ours, [""; 0], "{said}");
}

#[test]
fn the_service_has_a_low_exposure_score() {
    let Some(mut analyze) = systemd("the_service_has_a_low_exposure_score", "systemd-analyze") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let service = units(directory.path()).remove(0);
    analyze.args(["security", "--offline=true", "--threshold", EXPOSURE]).arg(service);
    let output = analyze.output().unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    let verdict = report.lines().last().unwrap_or_default();
    assert!(output.status.success(), "{verdict}");
    assert!(verdict.contains("Overall exposure level for gatekey.service: 1.4 OK"), "{verdict}");
}

#[test]
fn every_variable_in_the_example_is_an_option_of_serve() {
    let help = gatekey().args(["help", "serve"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let example = unit("gatekey.conf");
    let variables: Vec<_> =
        example.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix("GATEKEY_")).collect();
    assert!(variables.len() > 5);
    for line in variables {
        let (name, _) = line.split_once('=').unwrap();
        assert!(help.contains(&format!("[GATEKEY_{name}]")), "{name}");
    }
}

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn systemd_socket_activation_passes_the_socket() {
    let program = "systemd-socket-activate";
    if systemd("systemd_socket_activation_passes_the_socket", program).is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (socket, data) = (directory.path().join("socket"), directory.path().join("data"));
    let mut command = gatekey_by(program, &["--inetd", "--listen", socket.to_str().unwrap()]);
    command
        .args(["serve", "--listen", "stdin", "--trusted-proxy", "unix", "--log", "off", "--data"])
        .arg(data);
    let _activate = Ended(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let mut connection = loop {
        match UnixStream::connect(&socket) {
            Ok(connection) => break connection,
            Err(_) => thread::yield_now(),
        }
    };
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    // It is started by the first who connects.
    connection.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert_eq!(status(&answer), 200, "{}", body(&answer));
}

/// What strangers can do with a service without a configuration.
#[test]
fn the_packaged_service_closes_registration_and_sets_a_minimum_of_8_characters() {
    for file in ["gatekey.service", "gatekey.conf"] {
        let text = unit(file);
        for setting in ["GATEKEY_REGISTRATION=closed", "GATEKEY_MIN_PASSWORD_LENGTH=8"] {
            let is_set = |line: &str| line.trim_start_matches("Environment=") == setting;
            assert!(text.lines().any(is_set), "{file}: {setting}");
        }
    }
}
