//! Test harness: a realm in a directory of its own, at a chosen time.

use gatekey::clock::{self, Now, UnixTime};
use gatekey::data_dir::DataDir;
use gatekey::encoding;
use gatekey::hashing::Hasher;
use gatekey::http::{Body, Request, Response};
use gatekey::json::{self, Object};
use gatekey::realm::{Policy, Realm};
use gatekey::routes::{self, Config};
use std::cell::Cell;
use std::time::Duration;
use tempfile::TempDir;

/// The cheapest cost: most tests are not about hashing.
pub const CHEAP: &str = "ln=1,r=1,p=1";

/// A realm behind its routes, without a socket, whose clock is still until it is moved.
pub struct TestRealm {
    pub realm: Realm,
    config: Config,
    pub directory: TempDir,
    now: Cell<Now>,
}

impl TestRealm {
    pub fn new() -> Self {
        Self::with_policy(Policy::default())
    }

    /// Without the throttle, and without the password cache: most tests are not about these.
    pub fn with_policy(mut policy: Policy) -> Self {
        policy.rate_limits = None;
        Self::throttled(policy)
    }

    /// Without the throttle, behind routes with this configuration.
    pub fn with_config(config: Config) -> Self {
        Self { config, ..Self::new() }
    }

    /// The same realm behind routes with this configuration.
    pub fn behind(self, config: Config) -> Self {
        Self { config, ..self }
    }

    /// With what this policy says of the throttle.
    pub fn throttled(policy: Policy) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (store, keys) = DataDir::new(directory.path()).open_or_create().unwrap();
        let hasher = Hasher::new(CHEAP.parse().unwrap(), Hasher::DEFAULT_MAX_MEMORY_BYTES).unwrap();
        let hasher = hasher.with_password_cache(Duration::ZERO);
        let now = clock::now();
        let realm = Realm::open(store, keys, hasher, policy, now).unwrap();
        Self { realm, config: Config::default(), directory, now: Cell::new(now) }
    }

    /// The time that the realm gets.
    pub fn now(&self) -> Now {
        self.now.get()
    }

    /// Lets this much time pass.
    pub fn advance(&self, by: Duration) {
        let Now { unix, monotonic } = self.now.get();
        self.now.set(Now { unix: unix.saturating_add(by), monotonic: monotonic + by });
    }

    pub fn unix(&self) -> UnixTime {
        self.now.get().unix
    }

    pub fn send(&self, request: &Request) -> Response {
        routes::dispatch(&self.realm, &self.config, request, self.now.get())
    }

    /// `POST /api/users`.
    pub fn register(&self, username: &str, password: &str) -> Response {
        let body = json::json!({"username": username, "password": password});
        self.send(&json_request("POST", "/api/users", &body.to_string()))
    }

    /// Registers a user who must not have been there, and gives the user's path.
    pub fn add_user(&self, username: &str, password: &str) -> String {
        let response = self.register(username, password);
        assert_eq!(response.status, 201, "{}", text(&response));
        header(&response, "Location").unwrap().to_owned()
    }

    /// A request with the credentials in Basic.
    pub fn basic(&self, method: &str, path: &str, username: &str, password: &str) -> Response {
        self.send(&Request::new(method, path).with_header("Authorization", basic(username, password)))
    }

    /// A request with a token in Bearer.
    pub fn bearer(&self, method: &str, path: &str, token: &str) -> Response {
        self.send(&Request::new(method, path).with_header("Authorization", format!("Bearer {token}")))
    }

    /// A token for a user's password.
    pub fn token(&self, username: &str, password: &str) -> String {
        let response = self.basic("GET", "/api/token", username, password);
        assert_eq!(response.status, 200, "{}", text(&response));
        object(&response)["token"].as_str().unwrap().to_owned()
    }
}

/// The response of routes with the default configuration.
pub fn dispatch(realm: &Realm, request: &Request, now: Now) -> Response {
    routes::dispatch(realm, &Config::default(), request, now)
}

/// The value of an `Authorization` header.
pub fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", encoding::encode_base64(format!("{username}:{password}")))
}

/// A request with a JSON body.
pub fn json_request(method: &str, path: &str, body: &str) -> Request {
    Request::new(method, path)
        .with_header("Content-Type", "application/json")
        .with_body(Body::Complete(body.as_bytes().to_vec()))
}

/// A response's body as text.
pub fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

/// A response's body as an object.
pub fn object(response: &Response) -> Object {
    json::parse_object(&response.body).unwrap()
}

/// A response's header, if there is exactly one of that name.
pub fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    let mut values = response.headers.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Some(value),
        _ => None,
    }
}

/// Status and error code of an answer that is an error.
pub fn error(response: &Response) -> (u16, String) {
    (response.status, object(response)["error"].as_str().unwrap_or_default().to_owned())
}
