//! Other apps behind a proxy that asks us first: the configurations in `deploy/`, run by the real programs, with TLS.

use crate::hazards::watch::await_that;
use crate::process::{Server, body, written};
use crate::skip::skip;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use tempfile::TempDir;

/// An app that knows nothing of users: it answers every request, and keeps the heads that it saw.
struct App {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl App {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, heads) = (listener.local_addr().unwrap(), Arc::default());
        let seen: Arc<Mutex<Vec<String>>> = Arc::clone(&heads);
        // It ends with the test's process.
        thread::spawn(move || {
            for connection in listener.incoming() {
                answer(connection.unwrap(), &seen);
            }
        });
        Self { address, heads }
    }

    /// The last head, in lower case.
    fn last_head(&self) -> String {
        self.heads.lock().unwrap().last().unwrap().to_lowercase()
    }

    fn count(&self) -> usize {
        self.heads.lock().unwrap().len()
    }
}

fn answer(mut connection: TcpStream, seen: &Mutex<Vec<String>>) {
    let mut head = String::new();
    let mut lines = BufReader::new(&connection);
    while lines.read_line(&mut head).is_ok_and(|bytes| bytes > 2) {}
    seen.lock().unwrap().push(head);
    // A client that is gone is no failure of the app's.
    let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\napp");
}

/// The proxy, gatekey and the app, with a certificate that was made for it.
struct Site {
    directory: TempDir,
    port: u16,
    server: Server,
    app: App,
    nginx: Child,
}

impl Drop for Site {
    fn drop(&mut self) {
        // Its workers end when the master ends in order.
        let _ = Command::new("kill").arg(self.nginx.id().to_string()).status();
        let _ = self.nginx.wait();
    }
}

impl Site {
    /// `None`, said aloud, where there is no nginx.
    fn start(test: &str, options: &[&str]) -> Option<Self> {
        let is_there = Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_ok();
        if !is_there {
            skip(test, "there is no nginx; install it: apt-get install nginx-light openssl");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let server =
            Server::start(&[&["--trusted-proxy", "127.0.0.1", "--metrics", "127.0.0.1:0"], options].concat());
        let app = App::start();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let nginx = start_nginx(directory.path(), port, &server, &app);
        let site = Self { directory, port, server, app, nginx };
        let is_listening = await_that(|| TcpStream::connect(("127.0.0.1", site.port)).is_ok());
        assert!(is_listening, "{}", fs::read_to_string(site.directory.path().join("log")).unwrap());
        Some(site)
    }

    /// curl, as far as its arguments.
    fn curl(&self, host: &str, path: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("curl");
        let address = format!("{host}:{}:127.0.0.1", self.port);
        command.args(["-sS", "-i", "--http1.1", "--resolve", &address, "--cacert"]);
        command.arg(self.directory.path().join("cert.pem")).args(arguments);
        command.arg(format!("https://{host}:{}{path}", self.port));
        command
    }

    fn ask(&self, host: &str, path: &str, arguments: &[&str]) -> String {
        let (code, answer, said) = written(&self.curl(host, path, arguments).output().unwrap());
        assert_eq!((code, said.as_str()), (Some(0), ""));
        answer
    }

    fn status(&self, host: &str, path: &str, arguments: &[&str]) -> u16 {
        crate::process::status(&self.ask(host, path, arguments))
    }

    fn hashes(&self) -> u64 {
        let log = self.server.log();
        let address = log.split("metrics on http://").nth(1).unwrap().split('/').next().unwrap();
        let mut connection = TcpStream::connect(address.parse::<SocketAddr>().unwrap()).unwrap();
        connection.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let line = answer.lines().find_map(|line| line.strip_prefix("gatekey_hashes_total "));
        line.unwrap().parse().unwrap()
    }
}

const AUTH: &str = "auth.example.org";
const APP: &str = "app.example.org";

fn start_nginx(directory: &Path, port: u16, server: &Server, app: &App) -> Child {
    let (certificate, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "1",
        ])
        .args(["-subj", "/CN=example.org", "-addext", &format!("subjectAltName=DNS:{AUTH},DNS:{APP}")])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap();
    assert!(made.status.success(), "{:?}", written(&made));
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/nginx/gatekey.conf");
    let shipped = fs::read_to_string(shipped).unwrap();
    let site = shipped
        .replace("127.0.0.1:5000", &server.address.to_string())
        .replace("127.0.0.1:8000", &app.address.to_string())
        .replace("listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl"))
        .replace("/etc/ssl/example.org.pem", certificate.to_str().unwrap())
        .replace("/etc/ssl/example.org.key", key.to_str().unwrap());
    let at = directory.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {at}/{name};\n"))
        .concat();
    let whole = format!(
        "daemon off;\npid {at}/pid;\nerror_log {at}/log;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{site}}}\n"
    );
    let whole = if is_root() { format!("user root;\n{whole}") } else { whole };
    fs::write(directory.join("nginx.conf"), whole).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-e").arg(directory.join("log")).arg("-c").arg(directory.join("nginx.conf"));
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Its workers must be able to read what the test made.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn behind_nginx_an_app_sees_who_the_user_is_and_never_what_the_client_says() {
    let Some(site) = Site::start("behind_nginx_an_app_sees_who_the_user_is", &[]) else { return };
    let json = ["-H", "Content-Type: application/json", "-d", r#"{"username":"josé","password":"python"}"#];
    let registered = site.ask(AUTH, "/api/users", &json);
    assert!(registered.starts_with("HTTP/1.1 201 "), "{registered}");
    let location = format!("Location: https://{AUTH}:{}/api/users/1\r\n", site.port);
    assert!(registered.contains(&location), "{registered}");
    let token = site.ask(AUTH, "/api/token", &["-u", "josé:python"]);
    let token = body(&token).split('"').find(|part| part.len() > 64).unwrap().to_owned();
    assert_eq!(site.status(AUTH, "/api/verify", &["-u", "josé:python"]), 404);

    assert_eq!(site.status(APP, "/", &[]), 401);
    assert_eq!(site.app.count(), 0);
    let lies = ["-H", "Remote-User: root", "-H", "remote_user: root", "-H", "REMOTE-USER-ID: 0"];
    let bearer = format!("Authorization: Bearer {token}");
    for credentials in [["-u", "josé:python"], ["-H", &bearer]] {
        for method in ["GET", "POST", "DELETE"] {
            let arguments = [&credentials[..], &["-X", method], &lies].concat();
            assert_eq!(site.status(APP, "/page?x=1", &arguments), 200, "{method}");
            let head = site.app.last_head();
            assert!(head.starts_with(&format!("{} /page?x=1 ", method.to_lowercase())), "{head}");
            assert!(head.contains("\r\nremote-user: jos%c3%a9\r\nremote-user-id: 1\r\n"), "{head}");
            assert!(!head.contains("root") && !head.contains("authorization"), "{head}");
            assert_eq!(head.matches("remote").count(), 2, "{head}");
        }
    }
}

#[test]
fn behind_nginx_a_preflight_is_the_apps_and_names_nobody() {
    let Some(site) = Site::start("behind_nginx_a_preflight_is_the_apps", &[]) else { return };
    let preflight = ["-X", "OPTIONS", "-H", "Origin: https://x.example", "-H", "Remote-User: root"];
    assert_eq!(site.status(APP, "/page?x=1", &preflight), 200);
    let head = site.app.last_head();
    assert!(head.starts_with("options /page?x=1 "), "{head}");
    assert!(!head.contains("root"), "{head}");
}

#[test]
fn behind_nginx_forty_requests_at_once_cost_one_hash() {
    let Some(site) = Site::start("behind_nginx_forty_requests_at_once_cost_one_hash", &[]) else { return };
    site.server.register("ok", "python");
    let before = site.hashes();
    let asking: Vec<_> = (0..40)
        .map(|number| site.curl(APP, &format!("/asset-{number}"), &["-u", "ok:python"]))
        .map(|mut curl| curl.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    for asking in asking {
        let (_, answer, said) = written(&asking.wait_with_output().unwrap());
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}{said}");
    }
    assert_eq!((site.app.count(), site.hashes() - before), (40, 1));
}

#[test]
fn behind_nginx_too_many_guesses_are_429_whatever_address_the_client_claims() {
    let options = ["--throttle", "on", "--guesses-per-user-and-address", "2/1h"];
    let Some(site) = Site::start("behind_nginx_too_many_guesses_are_429", &options) else { return };
    site.server.register("ok", "python");
    let guess = |number: usize| {
        let claimed = format!("X-Forwarded-For: 192.0.2.{number}");
        site.ask(APP, "/", &["-u", "ok:wrong", "-H", &claimed])
    };
    for number in 0..2 {
        assert_eq!(crate::process::status(&guess(number)), 401);
    }
    let throttled = guess(2);
    assert!(throttled.starts_with("HTTP/1.1 429 "), "{throttled}");
    assert!(throttled.contains("\r\nRetry-After: "), "{throttled}");
    assert_eq!(site.app.count(), 0);
}

#[test]
fn behind_nginx_a_database_that_is_away_is_503() {
    let Some(site) = Site::start("behind_nginx_a_database_that_is_away_is_503", &[]) else { return };
    site.server.register("ok", "python");
    fs::rename(site.server.data.join("gatekey.sqlite3"), site.server.data.join("away")).unwrap();
    assert_eq!(site.status(APP, "/", &["-u", "ok:python"]), 503);
    assert_eq!(site.app.count(), 0);
}
