//! The article's whole server in one file, in the article's order, on this library and tiny_http.
//!
//! Miguel Grinberg's "RESTful Authentication with Flask" (2013) registers users, checks passwords by HTTP Basic,
//! issues signed tokens and protects a resource with either. `cargo run --example article` serves the same four
//! routes on 127.0.0.1:5000, with its data in `./gatekey-data`. Then, as the article does:
//!
//! ```text
//! curl -i -X POST -H "Content-Type: application/json" -d '{"username":"ok","password":"python"}' \
//!     http://127.0.0.1:5000/api/users
//! curl -u ok:python -i -X GET http://127.0.0.1:5000/api/resource
//! curl -u ok:python -i -X GET http://127.0.0.1:5000/api/token
//! curl -u TOKEN:unused -i -X GET http://127.0.0.1:5000/api/resource
//! ```
//!
//! `tests/it/article.rs` compares each answer with the recorded original. Left out on purpose: limits and deadlines
//! for what a client sends (tiny_http has none; `src/server/engine/` has them), JSON error bodies, and all routes
//! that the article does not have.

use gatekey::client::Client;
use gatekey::clock;
use gatekey::credentials;
use gatekey::data_dir::DataDir;
use gatekey::hashing::Hasher;
use gatekey::json::{self, Object, Value, json};
use gatekey::password::Cost;
use gatekey::realm::{AuthenticateError, Policy, Principal, Realm, RegisterError};
use gatekey::secret::Secret;
use gatekey::store::Reads;
use gatekey::user_id::UserId;
use std::error::Error;
use std::io::{Cursor, Read as _};
use std::path::Path;
use std::thread;
use tiny_http::{Header, Request, Server};

type Response = tiny_http::Response<Cursor<Vec<u8>>>;

/// Threads that answer requests: a password hash occupies one for a fifth of a second.
const WORKERS: usize = 4;
const MAX_BODY_BYTES: u64 = 16 * 1024;

#[allow(clippy::print_stdout, reason = "it says where it listens")]
fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let realm = open_realm(Path::new("gatekey-data"), Cost::DEFAULT)?;
    let server = Server::http("127.0.0.1:5000")?;
    println!("listening on http://127.0.0.1:5000");
    serve(&server, &realm);
    Ok(())
}

// "Create a user database" and "Password hashing".

/// Opens the user database and the signing keys in this directory, and creates them on the first start. The realm
/// holds the rules: which names and passwords are allowed, how many wrong passwords, how long a token lives (10
/// minutes). Passwords are hashed with scrypt at this cost.
pub(crate) fn open_realm(directory: &Path, cost: Cost) -> Result<Realm, Box<dyn Error + Send + Sync>> {
    let (store, keys) = DataDir::new(directory).open_or_create()?;
    let hasher = Hasher::new(cost, Hasher::DEFAULT_MAX_MEMORY_BYTES)?;
    Ok(Realm::open(store, keys, hasher, Policy::default(), clock::now())?)
}

// "User registration".

/// `POST /api/users`. The database refuses a second user of the same name, also when two requests arrive at once.
fn new_user(realm: &Realm, request: &mut Request) -> Result<Response, Response> {
    let body = read_json(request)?;
    let text = |name| body.get(name).and_then(Value::as_str).ok_or_else(|| refuse(400, "Bad Request"));
    let (username, password) = (text("username")?, Secret::new(text("password")?.into()));
    let registered = realm.register(username, &password, client(request), clock::now());
    let registered = registered.map_err(|error| match error {
        RegisterError::RateLimited(_) => refuse(429, "Too Many Requests"),
        RegisterError::Store(_) | RegisterError::Hash(_) => refuse(503, "Service Unavailable"),
        _ => refuse(400, "Bad Request"), // the name is taken, or the name or the password is not allowed
    })?;
    let response = answer(201, &json!({"username": registered.username.as_str()}));
    Ok(with_header(response, "Location", &format!("http://127.0.0.1:5000/api/users/{}", registered.id)))
}

/// `GET /api/users/<id>`.
fn get_user(realm: &Realm, id: &str) -> Result<Response, Response> {
    let id = UserId::parse(id).ok_or_else(|| refuse(404, "Not Found"))?;
    match realm.find_user_by_id(id, Reads::PerCall) {
        Ok(Some(user)) => Ok(answer(200, &json!({"username": user.username}))),
        Ok(None) => Err(refuse(400, "Bad Request")),
        Err(_) => Err(refuse(503, "Service Unavailable")),
    }
}

// "Simple password-based authentication" and "Token-based authentication".

/// The article's `verify_password` and `login_required`: parses the credentials and verifies them. The user name may
/// be a token instead. Then its signature and expiry are verified, and the user's row shows whether it was revoked.
fn login_required(realm: &Realm, request: &Request) -> Result<Principal, Response> {
    let header = request.headers().iter().find(|header| header.field.equiv("Authorization"));
    let (scheme, credentials) = credentials::parse(header.map_or(b"", |header| header.value.as_bytes()));
    let unauthorized =
        || with_header(refuse(401, "Unauthorized Access"), "WWW-Authenticate", scheme.challenge());
    let credentials = credentials.map_err(|_| unauthorized())?;
    realm.authenticate(&credentials, client(request), clock::now()).map_err(|error| match error {
        AuthenticateError::Refused(_) => unauthorized(),
        AuthenticateError::RateLimited(_) => refuse(429, "Too Many Requests"),
        AuthenticateError::Store(_) | AuthenticateError::Hash(_) => refuse(503, "Service Unavailable"),
    })
}

/// `GET /api/token`: a signed token with the user's id and an expiry time. It is not stored.
fn get_auth_token(realm: &Realm, request: &Request) -> Result<Response, Response> {
    let principal = login_required(realm, request)?;
    let issued = realm.issue_token(&principal, clock::now());
    let issued = issued.map_err(|_| refuse(401, "Unauthorized Access"))?; // renewed by tokens for 30 days
    Ok(answer(200, &json!({"token": issued.token, "duration": issued.lifetime.as_secs()})))
}

/// `GET /api/resource`: the protected resource.
fn get_resource(realm: &Realm, request: &Request) -> Result<Response, Response> {
    let principal = login_required(realm, request)?;
    Ok(answer(200, &json!({"data": format!("Hello, {}!", principal.username)})))
}

// What Flask does for the article: the server loop, the routing table, JSON.

/// Answers requests on a few threads until the server is unblocked.
pub(crate) fn serve(server: &Server, realm: &Realm) {
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                for mut request in server.incoming_requests() {
                    let response = route(realm, &mut request).unwrap_or_else(|refusal| refusal);
                    let _ = request.respond(response); // the client may have left
                }
            });
        }
    });
}

fn route(realm: &Realm, request: &mut Request) -> Result<Response, Response> {
    let (method, path) = (request.method().to_string(), request.url().to_owned());
    match (method.as_str(), path.as_str()) {
        ("POST", "/api/users") => new_user(realm, request),
        ("GET", "/api/token") => get_auth_token(realm, request),
        ("GET", "/api/resource") => get_resource(realm, request),
        ("GET", path) if path.starts_with("/api/users/") => {
            get_user(realm, path.trim_start_matches("/api/users/"))
        }
        _ => Err(refuse(404, "Not Found")),
    }
}

/// Whom failed passwords are counted for. Behind a reverse proxy this would be `X-Forwarded-For`.
fn client(request: &Request) -> Client {
    request.remote_addr().map_or(Client::Local, |address| Client::at(address.ip()))
}

fn read_json(request: &mut Request) -> Result<Object, Response> {
    let mut body = Vec::new();
    let read = request.as_reader().take(MAX_BODY_BYTES).read_to_end(&mut body);
    read.map_err(|_| refuse(400, "Bad Request"))?;
    json::parse_object(&body).map_err(|_| refuse(400, "Bad Request"))
}

fn answer(status: u16, body: &Value) -> Response {
    let response = Response::from_data(body.to_string()).with_status_code(status);
    with_header(response, "Content-Type", "application/json")
}

fn refuse(status: u16, text: &str) -> Response {
    let response = Response::from_data(text).with_status_code(status);
    with_header(response, "Content-Type", "text/html; charset=utf-8")
}

fn with_header(response: Response, name: &str, value: &str) -> Response {
    Header::from_bytes(name, value).into_iter().fold(response, Response::with_header)
}
