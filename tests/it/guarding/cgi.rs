//! CGI-style apps (RFC 3875 section 4.1.18): `Remote-User` reaches them as the variable `HTTP_REMOTE_USER`, and so do
//! `Remote_User` and, in some, `Remote.User`.

use crate::hazards::watch::await_that;
use crate::skip::skip;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// An app that answers every request with its variables, one a line.
pub(super) struct CgiApp {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    process: Child,
    _directory: TempDir,
}

impl Drop for CgiApp {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Writes an app's files into a directory, and gives the command that serves it at a port.
type Prepare = fn(&Path, u16) -> Command;
/// An app, its program, the Debian package that has it, and how it is served.
type Kind = (&'static str, &'static str, &'static str, Prepare);
const APPS: [Kind; 2] = [("PHP", "php", "php-cli", php), ("lighttpd", "lighttpd", "lighttpd", lighttpd)];
const FASTCGI: Kind = ("PHP by FastCGI", "php-cgi", "php-cgi", php_fastcgi);
/// The PHP app.
pub(super) const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/variables.php");

/// The apps that are installed; the others are skipped, and logged.
pub(super) fn apps(test: &str) -> Vec<CgiApp> {
    APPS.into_iter().filter_map(|kind| app(kind, test)).collect()
}

/// The app that speaks FastCGI; `None`, and logged, where it isn't installed.
pub(super) fn fastcgi_app(test: &str) -> Option<CgiApp> {
    app(FASTCGI, test)
}

fn app((name, program, package, prepare): Kind, test: &str) -> Option<CgiApp> {
    if Command::new(program).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        let install = format!("install it: apt-get install --no-install-recommends {package}");
        skip(test, &format!("there is no {program}; {install}"));
        return None;
    }
    Some(CgiApp::start(name, prepare))
}

impl CgiApp {
    fn start(name: &'static str, prepare: Prepare) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = prepare(directory.path(), address.port());
        // PHP shows its own environment too.
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        let process =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let app = Self { name, address, process, _directory: directory };
        assert!(await_that(|| TcpStream::connect(address).is_ok()), "{name} doesn't listen");
        app
    }
}

fn php(_: &Path, port: u16) -> Command {
    let mut command = Command::new("php");
    command.args(["-n", "-S", &format!("127.0.0.1:{port}"), SCRIPT]);
    command
}

fn php_fastcgi(_: &Path, port: u16) -> Command {
    let mut command = Command::new("php-cgi");
    command.args(["-n", "-b", &format!("127.0.0.1:{port}")]);
    command
}

fn lighttpd(directory: &Path, port: u16) -> Command {
    let configuration = directory.join("lighttpd.conf");
    // Not by env(1): a shell keeps one of several variables with the same name, and this shows them all.
    let print = "printf 'Content-Type: text/plain\\r\\n\\r\\n'; tr '\\0' '\\n' </proc/$$/environ\n";
    fs::write(directory.join("app.sh"), print).unwrap();
    let serve = format!(
        "server.document-root = \"{}\"\nserver.bind = \"127.0.0.1\"\nserver.port = {port}\n\
         server.modules = (\"mod_cgi\")\ncgi.assign = (\".sh\" => \"/bin/sh\")\n\
         server.max-keep-alive-requests = 0\n",
        directory.display()
    );
    fs::write(&configuration, serve).unwrap();
    let mut command = Command::new("lighttpd");
    command.args(["-D", "-f"]).arg(configuration);
    command
}
