//! `openapi.json` against the server: its routes, its responses, and other tools.

use crate::harness::{TestRealm, basic, error};
use crate::process::{Server, body, gatekey, header, run, status, written};
use crate::python::{self, Venv};
use gatekey::http::Request;
use gatekey::json::{self, Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// The document as the routes serve it.
fn document() -> Value {
    let response = TestRealm::new().send(&Request::new("GET", "/openapi.json"));
    assert_eq!(response.status, 200);
    Value::Object(json::parse_object(&response.body).unwrap())
}

fn source(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn members(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().unwrap().iter()
}

/// What a reference leads to.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

#[test]
fn every_route_is_described_by_its_methods_and_no_other() {
    let (document, realm) = (document(), TestRealm::new());
    for (path, item) in members(&document["paths"]) {
        let allowed = realm.send(&Request::new("OPTIONS", &with_id(path, "1")));
        let mut described: Vec<_> = METHODS.into_iter().filter(|method| !item[*method].is_null()).collect();
        if path == "/api/verify" {
            assert_eq!(
                (allowed.header("Allow"), described),
                (None, vec!["get"]),
                "any method, of which one is described"
            );
            continue;
        }
        described.extend(described.contains(&"get").then_some("head"));
        described.push("options");
        described.sort_unstable();
        assert_eq!(allowed.header("Allow"), Some(described.join(", ").to_uppercase().as_str()), "{path}");
    }
    let described = members(&document["paths"]).map(|(path, _)| path.as_str());
    let described: BTreeSet<_> = described
        .chain(["/", "/learn", "/login", "/logout", "/register", "/account"])
        .chain(["/forgot-password", "/set-password"])
        .map(str::to_owned)
        .collect(); // these are for people
    assert_eq!(described, route_names());
}

/// A path with this user's id, or with a session's that does not exist.
fn with_id(path: &str, user: &str) -> String {
    path.replace("tokens/{id}", "tokens/AAECAwQFBgcICQoLDA0ODw").replace("{id}", user)
}

/// Every route, by its name in the source.
pub fn route_names() -> BTreeSet<String> {
    let routes = source("src/routes/target.rs");
    let names = routes.split("fn route(self)").nth(1).unwrap().split("\n    }\n").next().unwrap();
    names.split('"').filter(|text| text.starts_with('/')).map(str::to_owned).collect()
}

#[test]
fn codes_limits_and_version_are_the_servers() {
    let document = document();
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let schemas = &document["components"]["schemas"];
    let codes = source("src/http/error.rs");
    let codes: BTreeSet<_> =
        codes.lines().filter_map(|line| line.split_once("=> (\"")?.1.split('"').next()).collect();
    let described = schemas["Error"]["properties"]["error"]["enum"].as_array().unwrap();
    assert_eq!(described.iter().map(|code| code.as_str().unwrap()).collect::<BTreeSet<_>>(), codes);

    let longest = |schema: &str| usize::try_from(schemas[schema]["maxLength"].as_u64().unwrap()).unwrap();
    let (name, password) = ("n".repeat(longest("Username")), "p".repeat(longest("Password")));
    let realm = TestRealm::new();
    assert_eq!(realm.register(&name, &password).status, 201);
    assert_eq!(error(&realm.register(&(name + "n"), "python")), (400, "invalid_username".into()));
    assert_eq!(error(&realm.register("ok", &(password + "p"))), (400, "invalid_password".into()));
}

/// Answers of a server, compared with what is described of them.
struct Described {
    document: Value,
    /// The errors that were seen, message and all.
    seen: BTreeSet<String>,
}

/// An error's body, with each number made 0: for how long one is throttled depends on the clock.
fn without_numbers(body: &str) -> String {
    let digits = body.replace(|character: char| character.is_ascii_digit(), "0");
    let mut text = digits;
    while text.contains("00") {
        text = text.replace("00", "0");
    }
    text
}

impl Described {
    /// Asserts that an answer has the headers that are described of its status, and a body like an example of it.
    #[track_caller]
    fn assert_is(&mut self, operation: &str, answer: &str) {
        let (method, path) = operation.split_once(' ').unwrap();
        let responses = &self.document["paths"][path][method]["responses"];
        let described = resolved(&self.document, &responses[status(answer).to_string()]);
        assert!(described.is_object(), "not described: {operation}: {answer}");
        for (name, _) in members(&described["headers"]) {
            let is_optional = name == "Retry-After" && status(answer) == 503;
            assert!(is_optional || header(answer, name).is_some(), "{name}: {answer}");
        }
        let content = &described["content"]["application/json"];
        if content.is_null() {
            assert_eq!((body(answer), header(answer, "Content-Type")), ("", None));
            return;
        }
        assert_eq!(header(answer, "Content-Type"), Some("application/json"));
        let Some(examples) = content["examples"].as_object() else { return };
        let examples: Vec<_> =
            examples.values().map(|example| without_numbers(&example["value"].to_string())).collect();
        let body = without_numbers(body(answer));
        assert!(examples.contains(&body), "{operation}: {body}, but the examples are {examples:?}");
        self.seen.insert(body);
    }
}

#[test]
fn every_response_is_as_described_and_every_described_error_occurs() {
    let mut described = Described { document: document(), seen: BTreeSet::new() };
    let server = Server::start(&[]);
    see_what_bodies_get(&mut described, &server);
    see_what_credentials_get(&mut described, &server);
    see_what_named_tokens_get(&mut described);
    see_what_heads_get(&mut described, &server);

    let closed = Server::start(&["--registration", "closed"]);
    described.assert_is("post /api/users", &closed.register("ok", "python"));
    let rules =
        ["--throttle", "on", "--guesses-per-user-and-address", "1/1h", "--trusted-proxy", "127.0.0.1"];
    let throttled = Server::start(&rules);
    let wrong = format!("Authorization: {}", basic("ok", "wrong"));
    for client in ["192.0.2.1", "127.0.0.1"] {
        let forwarded = format!("X-Forwarded-For: {client}");
        for _ in 0..2 {
            let answer = throttled.request("GET /api/token", &[&wrong, &forwarded], "");
            described.assert_is("get /api/token", &answer);
        }
    }
    fs::rename(server.data.join("gatekey.sqlite3"), server.data.join("away")).unwrap();
    described.assert_is("get /healthz", &server.request("GET /healthz", &[], ""));

    // These two take a fault, or a crowd, that other tests make: by their words, which stand in one place.
    let words = source("src/routes/error.rs");
    let responses = &described.document["components"]["responses"];
    let examples = members(responses)
        .flat_map(|(_, response)| members(&response["content"]["application/json"]["examples"]));
    for (code, example) in examples {
        let message = example["value"]["message"].as_str().unwrap();
        let is_given = match code.as_str() {
            "busy" | "internal" => words.contains(&format!("\"{message}\"")),
            _ => described.seen.contains(&without_numbers(&example["value"].to_string())),
        };
        assert!(is_given, "{example}");
    }
}

fn see_what_bodies_get(described: &mut Described, server: &Server) {
    let register = |body: &str| server.request("POST /api/users", &[], body);
    let json = "Content-Type: application/json";
    for body in [
        r#"{"username":"ok","password":"python"}"#,
        r#"{"username":"other","password":"python"}"#,
        r#"{"username":"OK","password":"python"}"#,
        "[]",
        r#"{"password":"python"}"#,
        r#"{"username":"a:b","password":"python"}"#,
        r#"{"username":"eve","password":"eve"}"#,
        &" ".repeat(20_000),
    ] {
        described.assert_is("post /api/users", &register(body));
    }
    let authorization = format!("Authorization: {}", basic("ok", "python"));
    let change = |body: &str| server.request("PUT /api/users/1", &[&authorization], body);
    for body in ["[]", "{}", r#"{"password":""}"#, r#"{"password":"python"}"#] {
        described.assert_is("put /api/users/{id}", &change(body));
    }
    let elsewhere = ["Origin: https://elsewhere.example", &authorization, json];
    described.assert_is("post /api/users", &server.request("POST /api/users", &elsewhere[..1], "{}"));
    described.assert_is("put /api/users/{id}", &server.request("PUT /api/users/1", &elsewhere[..2], "{}"));
    described
        .assert_is("delete /api/users/{id}", &server.request("DELETE /api/users/1", &elsewhere[..2], ""));
    described.assert_is("delete /api/token", &server.request("DELETE /api/token", &elsewhere[..2], ""));
    server.command(&["user", "group", "add", "ok", "admin"], "");
    described
        .assert_is("delete /api/users/{id}", &server.request("DELETE /api/users/1", &[&authorization], ""));
    let administer =
        |path: &str, body: &str| server.request(&format!("PATCH /api/users/{path}"), &[&authorization], body);
    for (path, body) in
        [("2", "{}"), ("2", r#"{"disabled":null}"#), ("2", "[]"), ("99", "{}"), ("1", r#"{"disabled":true}"#)]
    {
        described.assert_is("patch /api/users/{id}", &administer(path, body));
    }
    let list = |query: &str| server.request(&format!("GET /api/users{query}"), &[&authorization], "");
    let link = |id: &str| server.request(&format!("POST /api/users/{id}/link"), &[&authorization], "");
    for query in ["", "?after=1&limit=1", "?limit=0"] {
        described.assert_is("get /api/users", &list(query));
    }
    for id in ["1", "99"] {
        described.assert_is("post /api/users/{id}/link", &link(id));
    }
    server.command(&["user", "group", "remove", "ok", "admin"], "");
    described.assert_is("get /api/users", &list(""));
    described.assert_is("post /api/users/{id}/link", &link("1"));
    described.assert_is("patch /api/users/{id}", &administer("2", "{}"));
    described.assert_is("post /api/users", &server.request("POST /api/users", &["Content-Length: 0"], ""));
}

fn see_what_credentials_get(described: &mut Described, server: &Server) {
    let right = format!("Authorization: {}", basic("ok", "python"));
    for (method, path) in [
        ("get", "/api/me"),
        ("get", "/api/tokens"),
        ("delete", "/api/tokens/{id}"),
        ("get", "/api/token"),
        ("delete", "/api/token"),
        ("get", "/api/resource"),
        ("get", "/api/verify"),
        ("put", "/api/users/{id}"),
        ("delete", "/api/users/{id}"),
    ] {
        let line = format!("{} {}", method.to_uppercase(), with_id(path, "2"));
        let body = if method == "put" { r#"{"password":"another"}"# } else { "" };
        for headers in [&[][..], &[&right[..], &right], &["Authorization: Bearer garbage"], &[&right]] {
            described.assert_is(&format!("{method} {path}"), &server.request(&line, headers, body));
        }
    }
    for (operation, line, headers) in [
        ("get /api/token", "GET /api/token?duration=0", &[&right[..]][..]),
        ("get /api/token", "GET /api/token?duration=15", &[&right]),
        ("get /api/verify", "GET /api/verify?user=alice", &[&right]),
        ("get /api/verify", "GET /api/verify?name=alice", &[&right]),
        ("get /api/verify", "GET /api/verify?user=a+b", &[&right]),
        ("get /api/verify", "GET /api/verify/app?user=a+b", &[&right, "Remote_User: root"]),
        ("get /api/users/{id}", "GET /api/users/1", &[]),
        ("get /api/users/{id}", "GET /api/users/999", &[]),
        ("get /healthz", "GET /healthz", &[]),
        ("get /openapi.json", "GET /openapi.json", &[]),
        ("delete /api/users/{id}", "DELETE /api/users/1", &[&right]),
    ] {
        described.assert_is(operation, &server.request(line, headers, ""));
    }
}

fn see_what_named_tokens_get(described: &mut Described) {
    let off = Server::start(&["--max-token-lifetime", "0"]);
    let body = r#"{"name":"backup","duration":60}"#;
    described.assert_is("post /api/tokens", &off.request("POST /api/tokens", &[], body));
    let server = Server::start(&[]);
    assert_eq!(status(&server.register("ok", "python")), 201);
    let right = format!("Authorization: {}", basic("ok", "python"));
    let ask = |headers: &[&str], body: &str| server.request("POST /api/tokens", headers, body);
    let elsewhere = ["Origin: https://elsewhere.example"];
    described.assert_is("post /api/tokens", &ask(&elsewhere, body));
    described.assert_is("post /api/tokens", &ask(&[], body));
    described.assert_is("post /api/tokens", &ask(&["Content-Length: 0"], ""));
    for refused in [
        "[]",
        r#"{"duration":60}"#,
        r#"{"name":"backup"}"#,
        r#"{"name":"backup","duration":0}"#,
        r#"{"name":"backup","duration":"1"}"#,
        r#"{"name":"","duration":60}"#,
    ] {
        described.assert_is("post /api/tokens", &ask(&[&right], refused));
    }
    let issued: Vec<_> = (0..101).map(|_| ask(&[&right], body)).collect();
    for issued in &issued {
        described.assert_is("post /api/tokens", issued);
    }
    let issued = json::parse_object(super::process::body(&issued[0]).as_bytes()).unwrap();
    let named = format!("Authorization: Bearer {}", issued["token"].as_str().unwrap());
    described.assert_is("get /api/token", &server.request("GET /api/token", &[&named], ""));
    let end = format!("DELETE /api/tokens/{}", issued["id"].as_str().unwrap());
    described.assert_is("delete /api/tokens/{id}", &server.request(&end, &[&named], ""));
}

/// What the loop answers before a route sees anything.
fn see_what_heads_get(described: &mut Described, server: &Server) {
    let long = "x".repeat(40_000);
    for head in [
        format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET /api/token HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"),
        "GET /api/token HTTP/1.1\r\nHost: a\r\nExpect: something\r\n\r\n".into(),
        "GET /api/token HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n".into(),
        "GET /api/token HTTP/2.0\r\nHost: a\r\n\r\n".into(),
    ] {
        described.assert_is("get /api/token", &server.exchange(head.as_bytes()));
    }
    // A server of its own: on a busy machine a second may be too short for a client that is not slow.
    let impatient = Server::start(&["--request-timeout", "1"]);
    let mut slow = impatient.connect();
    slow.write_all(b"GET /api/token HTTP/1.1\r\n").unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    described.assert_is("get /api/token", &answer);
}

/// That the document is one of OpenAPI 3.1, and that each example in it is one of its schema.
const VALIDATE: &str = r#"
import json, sys
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

document = json.load(sys.stdin)
validate(document, cls=OpenAPIV31SpecValidator)
count = 0

def check(node):
    global count
    if isinstance(node, list):
        for each in node:
            check(each)
    elif isinstance(node, dict):
        if "schema" in node:
            schema = {**node["schema"], "components": document["components"]}
            examples = [each["value"] for each in node.get("examples", {}).values()]
            for example in examples + ([node["example"]] if "example" in node else []):
                Draft202012Validator(schema).validate(example)
                count += 1
        for each in node.values():
            check(each)

check(document)
print(count)
"#;

#[test]
fn the_document_is_openapi_and_its_examples_are_of_their_schemas() {
    let test = "the_document_is_openapi_and_its_examples_are_of_their_schemas";
    let Some(count) = python::run(Venv::OpenApi, test, VALIDATE, &document().to_string()) else { return };
    assert!(count.trim().parse::<usize>().unwrap() > 40, "{count}");
}

fn operations_of(path_item: &Value) -> usize {
    METHODS.iter().filter(|method| !path_item[**method].is_null()).count()
}

/// Its checks, but for those that `tests/data/schemathesis.toml` names with their reasons, over what it thinks of by itself.
#[test]
fn schemathesis_finds_no_fault() {
    let Some(program) = python::program(Venv::OpenApi, "schemathesis", "schemathesis_finds_no_fault") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&[]);
    // With an id that no test finds, so that no test deletes the account.
    let hash = server
        .command(&["user", "add", "seed", "--password-stdin", "--scrypt", crate::harness::CHEAP], "python\n");
    assert_eq!(hash.status.code(), Some(0));
    let (_, exported, _) = written(&server.command(&["user", "export"], ""));
    let mut user = json::parse_object(exported.lines().last().unwrap().as_bytes()).unwrap();
    user.insert("username".into(), json!("tester"));
    user.insert("id".into(), json!(1_000_003));
    let file = directory.path().join("tester.jsonl");
    fs::write(&file, Value::Object(user).to_string()).unwrap();
    let imported = run(gatekey().args(["user", "import"]).arg(&file).arg("--data").arg(&server.data), "");
    assert_eq!(imported.status.code(), Some(0), "{:?}", written(&imported));

    let mut command = Command::new(program);
    command.arg("--config-file");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/schemathesis.toml"));
    command.args(["run", "--auth", "tester:python", "--seed", "1", "--max-examples", "60"]);
    command.args(["--suppress-health-check", "too_slow"]); // of the machine, not of the server
    command.arg(server.url("/openapi.json")).current_dir(directory.path()).env("NO_COLOR", "1");
    let output = command.output().unwrap();
    let (code, out, said) = written(&output);
    assert_eq!(code, Some(0), "{out}{said}");
    let operations: usize = members(&document()["paths"]).map(|(_, item)| operations_of(item)).sum();
    // All of them, but for the document itself, which it leaves out.
    assert!(out.contains(&format!("Tested: {}\n", operations - 1)), "{out}");
    assert_eq!(server.login("tester", "python"), 200, "it was authenticated to the end");
}
