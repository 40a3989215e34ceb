//! The examples of `docs/apps.md`, as they are there, against a real server.

use crate::browser::Browser;
use crate::harness::basic;
use crate::hazards::watch::await_that;
use crate::process::{Server, body, gatekey, header, run, status};
use crate::python::{self, Venv};
use crate::skip;
use gatekey::json::{self, Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;

/// The block of code under a heading; with `number` the second or a later one.
fn example(heading: &str, number: usize) -> &'static str {
    let page = include_str!("../../docs/apps.md");
    let section = page.split_once(&format!("\n## {heading}\n")).unwrap().1.split("\n## ").next().unwrap();
    let block = section.split("```").skip(1).step_by(2).nth(number).unwrap();
    let code = block.split_once('\n').unwrap().1;
    assert!(code.lines().count() <= 25, "{heading}: at most 25 lines");
    code
}

/// A token of the user `ok`, from its JSON.
fn token(server: &Server, authorization: &str) -> String {
    let answer = server.request("GET /api/token", &[&format!("Authorization: {authorization}")], "");
    let answer = json::parse_object(body(&answer).as_bytes()).unwrap();
    answer["token"].as_str().unwrap().into()
}

fn named_token(server: &Server) -> String {
    let issued = server.command(&["token", "issue", "ok", "--name", "report", "--lifetime", "365d"], "");
    assert!(issued.status.success(), "{issued:?}");
    String::from_utf8(issued.stdout).unwrap().trim().into()
}

/// Runs a Flask app's code, then requests of its test client: path, headers, address. Status, headers, text of each.
fn flask(test: &str, code: &str, requests: &Value) -> Option<Vec<Value>> {
    let driver = r#"
import json as j, sys
answers = []
for path, headers, address in j.load(sys.stdin):
    got = app.test_client().get(path, headers=headers, environ_base={"REMOTE_ADDR": address})
    answers.append([got.status_code, dict(got.headers), got.get_data(as_text=True)])
j.dump({"answers": answers}, sys.stdout)
"#;
    let output = python::run(Venv::Flask, test, &format!("{code}{driver}"), &requests.to_string())?;
    let output = json::parse_object(output.as_bytes()).unwrap();
    Some(output["answers"].as_array().unwrap().clone())
}

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running Express app, and its port.
fn express(test: &str, code: &str) -> Option<(Running, u16)> {
    let modules = skip::target().join("node/node_modules");
    if !modules.exists() {
        skip::skip(test, "there is no express; install npm, then run tests/node-env.sh");
        return None;
    }
    let listening = "app.listen(0, \"127.0.0.1\", function () { console.log(this.address().port); });";
    let code = code.replace("app.listen(3000, \"127.0.0.1\");", listening);
    let mut command = Command::new("node");
    let app = command.args(["-e", &code]).env("NODE_PATH", modules).stdout(Stdio::piped()).spawn();
    let mut app = Running(app.unwrap());
    let mut port = String::new();
    BufReader::new(app.0.stdout.take().unwrap()).read_line(&mut port).unwrap();
    Some((app, port.trim().parse().unwrap()))
}

fn get(port: u16, path: &str, headers: &[&str]) -> String {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let headers: String = headers.iter().flat_map(|header| [*header, "\r\n"]).collect();
    write!(connection, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
        .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

const GUARDED: [&str; 2] = ["Remote-User: jos%C3%A9%3Cb%3E", "Remote-User-Id: 7"];

#[test]
fn a_flask_app_behind_a_proxy_reads_who_the_user_is() {
    let test = "a_flask_app_behind_a_proxy_reads_who_the_user_is";
    let headers = json!({"Remote-User": "jos%C3%A9%3Cb%3E", "Remote-User-Id": "7"});
    let requests = json!([["/", headers, "127.0.0.1"], ["/sign-out", headers, "127.0.0.1"]]);
    let Some(answers) = flask(test, example("Flask behind a proxy", 0), &requests) else { return };
    assert_eq!(answers[0][2], "Hello, jos\u{e9}&lt;b&gt;, user 7!");
    assert_eq!(answers[1][1]["Location"], "https://auth.example.org/logout");
    // What the page says about Flask's own attribute.
    let code = "from flask import Flask, request\napp = Flask(__name__)\n@app.route('/')\ndef home():\n    return repr(request.remote_user)\n";
    assert_eq!(flask(test, code, &requests).unwrap()[0][2], "None");
}

#[test]
fn an_express_app_behind_a_proxy_reads_who_the_user_is() {
    let test = "an_express_app_behind_a_proxy_reads_who_the_user_is";
    let Some((_app, port)) = express(test, example("Express behind a proxy", 0)) else { return };
    let home = get(port, "/", &GUARDED);
    assert!(body(&home) == "Hello, jos\u{e9}<b>, user 7!", "{home}");
    assert!(header(&home, "Content-Type").unwrap().starts_with("text/plain"), "{home}");
    let sign_out = get(port, "/sign-out", &GUARDED);
    assert_eq!(header(&sign_out, "Location"), Some("https://auth.example.org/logout"));
}

/// A server that trusts an app on this machine, with the user `ok`. Without the password cache.
fn server() -> Server {
    let options = ["--throttle", "on", "--password-cache", "0", "--trusted-proxy", "127.0.0.1"];
    let server = Server::start(&options);
    assert_eq!(status(&server.register("ok", "python")), 201);
    server
}

#[test]
fn a_flask_app_that_asks_passes_credentials_and_errors_on_and_locks_out_the_attacker_alone() {
    let test = "a_flask_app_that_asks_passes_credentials_and_errors_on_and_locks_out_the_attacker_alone";
    let server = server();
    let code = example("Flask asking gatekey", 0).replace("http://127.0.0.1:5000", &server.url(""));
    let by = |authorization: &str, address| json!(["/", {"Authorization": authorization}, address]);
    let right = basic("ok", "python");
    let bearer = format!("Bearer {}", token(&server, &right));
    let mut requests = vec![json!(["/", {}, "192.0.2.1"]), by(&right, "192.0.2.1"), by(&bearer, "192.0.2.1")];
    requests.extend((0..11).map(|number| by(&basic("ok", &format!("wrong {number}")), "203.0.113.9")));
    requests.push(by(&right, "192.0.2.1"));
    let Some(answers) = flask(test, &code, &Value::from(requests)) else { return };
    let statuses: Vec<_> = answers.iter().map(|answer| answer[0].as_u64().unwrap()).collect();
    assert_eq!(statuses, [&[401, 200, 200][..], &[401; 10], &[429, 200]].concat());
    assert!(answers[0][1]["WWW-Authenticate"].as_str().unwrap().contains("Basic"), "{answers:?}");
    assert!(answers[13][1]["Retry-After"].is_string() && answers[1][2].as_str().unwrap().contains("\"ok\""));
}

#[test]
fn an_express_app_that_asks_passes_credentials_and_errors_on() {
    let test = "an_express_app_that_asks_passes_credentials_and_errors_on";
    let server = server();
    let code = example("Express asking gatekey", 0).replace("http://127.0.0.1:5000", &server.url(""));
    let Some((_app, port)) = express(test, &code) else { return };
    let right = basic("ok", "python");
    for authorization in [&right, &format!("Bearer {}", token(&server, &right))] {
        let answer = get(port, "/", &[&format!("Authorization: {authorization}")]);
        assert!(status(&answer) == 200 && body(&answer) == r#"{"hello":"ok"}"#, "{answer}");
    }
    let without = get(port, "/", &[]);
    assert!(status(&without) == 401 && header(&without, "WWW-Authenticate").is_some(), "{without}");
    let wrong = format!("Authorization: {}", basic("ok", "ruby"));
    let answers: Vec<_> = (0..11).map(|_| get(port, "/", &[&wrong])).collect();
    let limited = &answers[10];
    assert!(status(limited) == 429 && header(limited, "Retry-After").is_some(), "{limited}");
}

#[test]
fn a_single_page_app_gets_a_token_and_uses_it() {
    let Some(browser) = Browser::start("a_single_page_app_gets_a_token_and_uses_it") else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut connection in listener.incoming().map(Result::unwrap) {
            let _ = connection.read(&mut [0; 4096]);
            let _ = write!(connection, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let server = Server::start(&["--cors-origin", &origin]);
    server.register("ok", "pyth\u{f6}n");
    browser.open(&origin);
    let code = example("A single-page app", 0).replace("https://auth.example.org", &server.url(""));
    let used = "return (async () => { await signIn('ok', 'pyth\u{f6}n'); return (await me()).username; })()";
    assert_eq!(browser.run(&format!("{code}{used}")), "ok");
    let wrong = "return signIn('ok', 'ruby').catch((error) => error.message)";
    assert!(browser.run(&format!("{code}{wrong}")).as_str().unwrap().contains("password"));
}

#[test]
fn a_cron_job_uses_a_named_token() {
    let server = Server::start(&[]);
    server.register("ok", "python");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    fs::write(&file, named_token(&server) + "\n").unwrap();
    let script = example("A cron job", 0)
        .replace("/etc/report/token", file.to_str().unwrap())
        .replace("https://app.example.org/report", &server.url("/api/resource"));
    let job = |script: &str| run(Command::new("sh").args(["-c", script]).current_dir(&directory), "");
    let output = job(&script);
    assert!(output.status.success(), "{output:?}");
    let report = fs::read_to_string(directory.path().join("report.json")).unwrap();
    assert_eq!(report, r#"{"data":"Hello, ok!"}"#);
    assert!(server.command(&["user", "revoke", "ok"], "").status.success());
    assert!(!job(&script).status.success(), "a revoked token fails the job");
}

/// Tokens, and whether the offline examples accept each.
fn tokens(server: &Server) -> Vec<(String, bool)> {
    let good = token(server, &basic("ok", "python"));
    let parts: Vec<_> = good.split('.').collect();
    let altered = format!("{}.{}A.{}", parts[0], parts[1], parts[2]);
    let truncated = good[..good.len() - 2].to_owned();
    let link = run(
        gatekey()
            .args(["user", "reset", "ok", "--public-url", "https://a.example", "--data"])
            .arg(&server.data),
        "",
    );
    let link = String::from_utf8(link.stdout).unwrap();
    let link = link.trim().split_once("token=").unwrap().1.to_owned();
    let short = run(
        gatekey().args(["token", "issue", "ok", "--token-lifetime", "1", "--data"]).arg(&server.data),
        "",
    );
    let short = String::from_utf8(short.stdout).unwrap().trim().to_owned();
    let short_header = format!("Authorization: Bearer {short}");
    assert!(await_that(|| status(&server.request("GET /api/me", &[&short_header], "")) == 401), "it expires");
    let bad = [altered, truncated, link, short, named_token(server), String::new(), "a.b".into(), ".".into()];
    [(good, true)].into_iter().chain(bad.map(|token| (token, false))).collect()
}

/// The ids that a program found, `null` for rejected tokens.
fn assert_verifies(server: &Server, verify: impl FnOnce(&str, &Value) -> Option<String>) {
    let tokens = tokens(server);
    // A second key, as other programs write theirs.
    let keys = server.data.join("signing-keys");
    let with_other =
        format!("base64:c29tZSBvdGhlciBzZWNyZXQgb2YgMzIgYnl0ZXMh\n{}", fs::read_to_string(&keys).unwrap());
    let copy = server.data.join("copied-keys");
    fs::write(&copy, with_other).unwrap();
    let list: Vec<_> = tokens.iter().map(|(token, _)| token.as_str()).collect();
    let Some(output) = verify(copy.to_str().unwrap(), &json!(list)) else { return };
    let output = json::parse_object(output.as_bytes()).unwrap();
    for ((token, is_good), id) in tokens.iter().zip(output["ids"].as_array().unwrap()) {
        assert_eq!(*id, if *is_good { json!(1) } else { Value::Null }, "{token}");
    }
}

#[test]
fn offline_verification_in_python_rejects_what_is_no_access_token() {
    let test = "offline_verification_in_python_rejects_what_is_no_access_token";
    let server = Server::start(&[]);
    server.register("ok", "python");
    assert_verifies(&server, |keys, tokens| {
        let driver = format!(
            "{}\nimport sys\nkeys = read_keys({keys:?})\njson.dump({{'ids': [user_id(t, keys) for t in json.load(sys.stdin)]}}, sys.stdout)\n",
            example("Offline verification", 0)
        );
        python::run(Venv::Current, test, &driver, &tokens.to_string())
    });
}

#[test]
fn offline_verification_in_node_rejects_what_is_no_access_token() {
    let test = "offline_verification_in_node_rejects_what_is_no_access_token";
    if Command::new("node").arg("--version").stdout(Stdio::null()).status().is_err() {
        return skip::skip(test, "there is no node; install it: apt-get install nodejs");
    }
    let server = Server::start(&[]);
    server.register("ok", "python");
    assert_verifies(&server, |keys, tokens| {
        let driver = format!(
            "{}\nconst keys = readKeys({keys:?});\nconst tokens = JSON.parse(readFileSync(0));\n\
             console.log(JSON.stringify({{ids: tokens.map((token) => userId(token, keys))}}));\n",
            example("Offline verification", 1)
        );
        let output = run(Command::new("node").args(["-e", &driver]), &tokens.to_string());
        assert!(output.status.success(), "{output:?}");
        Some(String::from_utf8(output.stdout).unwrap())
    });
}
