//! Forward auth: the configurations in `deploy/` with the real proxies and TLS.

mod app;
mod basic;
mod caddy;
mod cgi;
mod envoy;
mod fastcgi;
mod groups;
mod identity;
mod nginx;
mod passing;
mod sign_in;
mod traefik;

use crate::hazards::watch::await_that;
use crate::process::{Server, body, written};
use app::App;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Each proxy, and what starts it; `None`, said aloud, where it isn't installed.
type Start = fn(&Ground<'_>, &str) -> Option<Child>;
const PROXIES: [(&str, Start); 4] =
    [("nginx", nginx::start), ("Caddy", caddy::start), ("Traefik", traefik::start), ("Envoy", envoy::start)];

const AUTH: &str = "auth.example.org";
const APP: &str = "app.example.org";
const OTHER_APP: &str = "other.example.org";

/// What a client may send to be taken for a user.
const LIES: [&str; 16] = [
    "-H",
    "X-Forwarded-For: root",
    "-H",
    "X-Forwarded-Host: root.example",
    "-H",
    "X-Forwarded-Proto: root",
    "-H",
    "Remote-User: root",
    "-H",
    "remote_user: root",
    "-H",
    "REMOTE-USER-ID: root",
    "-H",
    "Remote_User_Id: root",
    "-H",
    "Remote-User_Id: root",
];

/// What an operator changes in a configuration, as its comments or the documentation say.
type Edit = fn(&str) -> String;

/// What differs between sites.
struct Plan<'a> {
    options: &'a [&'a str],
    edit: Edit,
    /// Where the app is, if it is not the one that records.
    app: Option<SocketAddr>,
}

impl Default for Plan<'_> {
    fn default() -> Self {
        Self { options: &[], edit: str::to_owned, app: None }
    }
}

/// Where a proxy is to stand, and before whom.
struct Ground<'a> {
    directory: &'a Path,
    port: u16,
    gatekey: SocketAddr,
    app: SocketAddr,
    edit: Edit,
}

impl Ground<'_> {
    /// A configuration as it is shipped, with what is here in the place of its examples.
    fn shipped(&self, file: &str) -> String {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file);
        let [certificate, key] = ["cert.pem", "key.pem"].map(|name| self.directory.join(name));
        (self.edit)(&fs::read_to_string(shipped).unwrap())
            .replace("127.0.0.1:5000", &self.gatekey.to_string())
            .replace("127.0.0.1:8000", &self.app.to_string())
            .replace("/etc/ssl/example.org.pem", certificate.to_str().unwrap())
            .replace("/etc/ssl/example.org.key", key.to_str().unwrap())
    }

    fn make_certificate(&self) {
        const CURVE: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let names = format!("subjectAltName=DNS:{AUTH},DNS:{APP}");
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-days", "1"]).args(CURVE);
        command.args(["-subj", "/CN=example.org", "-addext", &names, "-keyout"]);
        command.arg(self.directory.join("key.pem")).arg("-out").arg(self.directory.join("cert.pem"));
        let made = command.output().unwrap();
        assert!(made.status.success(), "{:?}", written(&made));
    }
}

/// The proxy, gatekey and the app, with a certificate that was made for it.
struct Site {
    directory: TempDir,
    port: u16,
    server: Server,
    app: App,
    proxy: Child,
}

impl Drop for Site {
    fn drop(&mut self) {
        // nginx's workers end when the master ends in order.
        let _ = Command::new("kill").arg(self.proxy.id().to_string()).status();
        let _ = self.proxy.wait();
    }
}

/// Proves the same of each proxy that is installed, as its configuration is shipped.
fn behind_each(test: &str, options: &[&str], prove: impl Fn(&Site)) {
    behind_each_by(&Plan { options, ..Plan::default() }, test, prove);
}

/// The same where the option that passes preflights to the app is on.
fn behind_each_passing_preflights(test: &str, prove: impl Fn(&Site)) {
    let edit = |configuration: &str| configuration.replace("#+ ", "");
    behind_each_by(&Plan { edit, ..Plan::default() }, test, prove);
}

fn behind_each_by(plan: &Plan<'_>, test: &str, prove: impl Fn(&Site)) {
    for (name, start) in PROXIES {
        #[expect(clippy::print_stderr, reason = "shown where the test fails")]
        {
            eprintln!("behind {name}:");
        }
        if let Some(site) = Site::start(start, test, plan) {
            prove(&site);
        }
    }
}

impl Site {
    fn start(start: Start, test: &str, plan: &Plan<'_>) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let public_url = format!("https://{AUTH}:{port}");
        let options =
            ["--trusted-proxy", "127.0.0.1", "--metrics", "127.0.0.1:0", "--public-url", &public_url];
        let options = [&options[..], &["--cookie-domain", "example.org"], plan.options].concat();
        let server = Server::start(&options);
        let app = App::start();
        let ground = Ground {
            directory: directory.path(),
            port,
            gatekey: server.address,
            app: plan.app.unwrap_or(app.address),
            edit: plan.edit,
        };
        ground.make_certificate();
        let proxy = start(&ground, test)?;
        let site = Self { directory, port, server, app, proxy };
        let answers = || {
            let output = site.curl(AUTH, "/healthz", &[]).output().unwrap();
            output.stdout.starts_with(b"HTTP/1.1 200 ")
        };
        assert!(await_that(answers), "{}", fs::read_to_string(site.directory.path().join("log")).unwrap());
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

    /// Sends what a client may claim to be along with credentials that hold.
    #[track_caller]
    fn assert_the_app_is_told_the_truth(&self, arguments: &[&str], method: &str) {
        assert_eq!(self.status(APP, "/page?x=1", &[arguments, &LIES].concat()), 200, "{method}");
        let head = self.app.last_head();
        assert!(head.starts_with(&format!("{} /page?x=1 ", method.to_lowercase())), "{head}");
        assert!(head.contains("\r\nremote-user: jos%c3%a9\r\nremote-user-id: 1\r\n"), "{head}");
        assert!(!head.contains("root") && !head.contains("authorization"), "{head}");
        assert_eq!(head.matches("remote").count(), 2, "{head}");
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

#[test]
fn behind_each_proxy_an_app_gets_the_authenticated_user_and_never_the_clients_claim() {
    behind_each("behind_each_proxy_an_app_sees_who_the_user_is", &[], |site| {
        let user = r#"{"username":"josé","password":"python"}"#;
        let registered = site.ask(AUTH, "/api/users", &["-H", "Content-Type: application/json", "-d", user]);
        assert!(registered.starts_with("HTTP/1.1 201 "), "{registered}");
        let location = format!("location: https://{AUTH}:{}/api/users/1\r\n", site.port);
        assert!(registered.to_lowercase().contains(&location), "{registered}");
        let token = site.ask(AUTH, "/api/token", &["-u", "josé:python"]);
        let token = body(&token).split('"').find(|part| part.len() > 64).unwrap().to_owned();
        assert_eq!(site.status(AUTH, "/api/verify", &["-u", "josé:python"]), 404);

        let bearer = format!("Authorization: Bearer {token}");
        for credentials in [["-u", "josé:python"], ["-H", &bearer]] {
            for method in [&["-X", "GET"][..], &["-X", "POST", "-d", "for the app"], &["-X", "DELETE"]] {
                site.assert_the_app_is_told_the_truth(&[&credentials, method].concat(), method[1]);
            }
        }
    });
}

#[test]
fn behind_each_proxy_forty_requests_at_once_cost_one_hash() {
    behind_each("behind_each_proxy_forty_requests_at_once_cost_one_hash", &[], |site| {
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
    });
}

#[test]
fn behind_each_proxy_too_many_failed_attempts_are_429_for_every_claimed_address() {
    let options = ["--throttle", "on", "--guesses-per-user-and-address", "2/1h"];
    behind_each("behind_each_proxy_too_many_guesses_are_429", &options, |site| {
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
        assert!(throttled.to_lowercase().contains("\r\nretry-after: "), "{throttled}");
        assert_eq!(site.app.count(), 0);
    });
}

#[test]
fn behind_each_proxy_an_unavailable_database_is_503() {
    behind_each("behind_each_proxy_an_unavailable_database_is_503", &[], |site| {
        site.server.register("ok", "python");
        fs::rename(site.server.data.join("gatekey.sqlite3"), site.server.data.join("away")).unwrap();
        assert_eq!(site.status(APP, "/", &["-u", "ok:python"]), 503);
        assert_eq!(site.app.count(), 0);
    });
}
