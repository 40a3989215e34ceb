//! The routes: [`dispatch`] takes a request and gives the answer; plain functions on plain values.
//!
//! | route | function |
//! |---|---|
//! | `POST /api/users` | `users::register` |
//! | `GET`, `PUT`, `DELETE /api/users/{id}` | `users::show`, `change_password`, `delete` |
//! | `GET`, `DELETE /api/token` | `tokens::issue`, `revoke_all` |
//! | `GET /api/resource` | `resource` |
//! | any method, `/api/verify` and all below it | `verify::verify` |
//! | `GET /healthz` | `health` |
//! | `GET /learn` | `learn::show` |
//! | `GET /openapi.json` | the document `openapi.json`, which a test holds against the rest |
//!
//! To add a route: a variant of `Target` (`target.rs`) and its line in `Target::at`. From there the compiler asks for the rest: its name
//! in `Target::route`, its methods in `Target::allow`, its arm in `serve`, which calls a new function. Then the tests do: describe it in
//! `openapi.json`, and add its path to `PATHS` in `tests/it/api.rs` (if it asks for credentials, its requests to `guarded_requests` there).
//! No test asks for its line in the table above, in those of README.md and docs/api.md, and in the test below.
//!
//! What is wrong with a request is looked for in a fixed order, from what costs nothing to what costs a hash:
//! 400 (two `Authorization` headers), 404, 405 or 501 (a method that HTTP doesn't define), 403 (another site, registration closed), 413: `answer` has these, for all routes. What
//! follows is each route's own: 415, 400 (body or query), 429, 503, 401, 403. (That a name is taken shows last, being found out by a hash and
//! the database; and who shows no credentials at all gets the 401 at once.) `/api/verify` takes any method, from any site and with any body:
//! what the request may do is its app's matter.
//!
//! | file | what |
//! |---|---|
//! | `target.rs` | the paths: what is at each, and by which methods |
//! | `users.rs`, `tokens.rs`, `verify.rs` | the functions |
//! | `config.rs` | the configuration: public URL, trusted proxies, CORS origins, page |
//! | `public_url.rs` | URLs and origins in it |
//! | `body.rs` | a JSON body, and its members |
//! | `client_origin.rs` | who sent this, seen through trusted proxies |
//! | `undeclared_proxy.rs` | peers that send `X-Forwarded` headers without being trusted |
//! | `cors.rs` | which other sites' pages may read answers |
//! | `csrf.rs` | CSRF protection: rejects state-changing cross-site requests |
//! | `base_url.rs` | the URL under which the client reached this server |
//! | `learn/` | the interactive page that demonstrates the API |
//! | `error.rs` | every error, with its status and its words |
//! | `audit.rs` | what became of credentials, for log and metrics |

mod audit;
mod base_url;
mod body;
mod client_origin;
mod config;
mod cors;
mod csrf;
mod error;
mod learn;
mod public_url;
mod target;
mod tokens;
mod undeclared_proxy;
mod users;
mod verify;

use crate::client::Client;
use crate::clock::Now;
use crate::credentials::{self, Credentials, CredentialsError, Scheme};
use crate::http::{AuthRecord, Body, ErrorCode, Request, Response};
use crate::json::json;
use crate::realm::{Principal, Realm, Registration};
use crate::store::Reads;
use crate::wait::WouldBlock;
use client_origin::ClientOrigin;
pub use config::Config;
use core::cell::Cell;
use error::ApiError;
pub use error::panicked;
pub use public_url::{Origin, OriginError, PublicUrl, PublicUrlError};
use target::Target;
pub use undeclared_proxy::{ForwardingIgnored, UndeclaredProxy};

/// OpenAPI 3.1. Written by hand: it is for readers too.
const DESCRIPTION: &[u8] = include_bytes!("openapi.json");

/// A request on its way through the checks.
struct RequestContext<'a> {
    realm: &'a Realm,
    config: &'a Config,
    request: &'a Request,
    origin: ClientOrigin,
    reads: Reads<'a>,
    now: Now,
    /// By which scheme the client speaks; its challenge goes with a 401.
    scheme: Scheme,
    credentials: Result<Credentials, CredentialsError>,
    /// What was found about them.
    auth: Cell<Option<AuthRecord>>,
}

/// Answers a request. Blocks on the store, and on a hash.
///
/// ```
/// # use gatekey::{clock, data_dir::DataDir, hashing::Hasher, http::{Body, Request}, realm::{Policy, Realm}, routes::{self, Config}};
/// # let directory = tempfile::tempdir()?;
/// # let (store, keys) = DataDir::new(directory.path()).open_or_create()?;
/// # let hasher = Hasher::new("ln=4,r=8,p=1".parse()?, Hasher::DEFAULT_MAX_MEMORY_BYTES)?;
/// let realm = Realm::open(store, keys, hasher, Policy::default(), clock::now())?;
/// let request = Request::new("POST", "/api/users")
///     .with_header("Content-Type", "application/json")
///     .with_body(Body::Complete(br#"{"username":"ok","password":"python"}"#.to_vec()));
/// let response = routes::dispatch(&realm, &Config::default(), &request, clock::now());
/// assert_eq!((response.status, response.body.as_slice()), (201, &br#"{"username":"ok"}"#[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn dispatch(realm: &Realm, config: &Config, request: &Request, now: Now) -> Response {
    // With reads per call nothing is refused for blocking.
    dispatch_from(realm, config, request, Reads::PerCall, now).unwrap_or_else(|_| panicked())
}

/// Answers a request, reading from there. With [`Reads::Batch`] it never blocks.
///
/// # Errors
/// [`WouldBlock`] before any side effect: [`dispatch`] answers the request, on a thread that may block.
pub fn dispatch_from<'a>(
    realm: &'a Realm,
    config: &'a Config,
    request: &'a Request,
    reads: Reads<'a>,
    now: Now,
) -> Result<Response, WouldBlock> {
    let origin = ClientOrigin::of(&config.trusted_proxies, request);
    let target = Target::at(&request.path).filter(|target| *target != Target::Learn || config.learn_page);
    let response = match RequestContext::read(realm, config, request, origin, reads, now)
        .and_then(|context| answer(&context, target))
    {
        Ok(response) => response,
        Err(error) if error.would_block => return Err(WouldBlock),
        Err(error) => error.into(),
    };
    let mut response = cors::add_headers(&config.cors_origins, request, target, response);
    response.record.client = Some(origin.client);
    response.record.ignored_forwarding = origin.ignored_forwarding;
    response.record.route = target.map(Target::route);
    Ok(response)
}

/// Whether this is the answer of a server that is well, to a request for that.
pub fn is_healthy(response: &Response) -> bool {
    response.record.route == Some(Target::Health.route()) && response.status == 200
}

/// Whether the route reads the body of this request.
pub fn needs_body(request: &Request) -> bool {
    match Target::at(&request.path) {
        Some(Target::Users) => request.method == "POST",
        Some(Target::User(_)) => request.method == "PUT",
        _ => false,
    }
}

/// Whether answering this request may take a password hash.
pub fn may_hash(request: &Request) -> bool {
    let shows_password = || {
        let headers = request.headers("Authorization");
        headers.map(credentials::parse).any(|(_, parsed)| matches!(parsed, Ok(Credentials::Password { .. })))
    };
    needs_body(request) || shows_password()
}

/// The methods of RFC 9110, PATCH (RFC 5789) and QUERY.
const KNOWN_METHODS: [&str; 10] =
    ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"];

/// `OPTIONS *` asks about the server as a whole (RFC 9110 section 9.3.7), as load balancers do to see whether it is up.
fn answer_asterisk(request: &Request) -> Result<Response, ApiError> {
    if request.method != "OPTIONS" {
        return Err(ApiError::asterisk());
    }
    Ok(Response::empty(204).with_header("Allow", "DELETE, GET, HEAD, OPTIONS, POST, PUT"))
}

/// The order of the checks.
fn answer(context: &RequestContext<'_>, target: Option<Target>) -> Result<Response, ApiError> {
    let (realm, request) = (context.realm, context.request);
    if request.path == "*" {
        return answer_asterisk(request);
    }
    let target = target.ok_or_else(ApiError::not_found)?;
    if let Some(allow) = target.allow() {
        if !allow.split(", ").any(|method| method == request.method) {
            let is_known = KNOWN_METHODS.contains(&request.method.as_str());
            return Err(if is_known {
                ApiError::method_not_allowed(allow)
            } else {
                ApiError::unknown_method()
            });
        }
        csrf::check_origin(context)?;
        refuse_closed_registration(realm, target, request)?;
        refuse_large_body(request)?;
        if request.method == "OPTIONS" {
            return Ok(Response::empty(204).with_header("Allow", allow));
        }
    }
    match serve(context, target) {
        Err(error) if error.would_block => Err(error),
        served => {
            let explained = |error: ApiError| error.explained_to(context.client()).into();
            Ok(context.tell(served.unwrap_or_else(explained)))
        }
    }
}

/// Each route's functions. Of its methods, the last stands for what is left: HEAD goes wherever GET does.
fn serve(context: &RequestContext<'_>, target: Target) -> Result<Response, ApiError> {
    match (target, context.request.method.as_str()) {
        (Target::Users, _) => users::register(context),
        (Target::User(id), "PUT") => users::change_password(context, id),
        (Target::User(id), "DELETE") => users::delete(context, id),
        (Target::User(id), _) => users::show(context, id),
        (Target::Token, "DELETE") => tokens::revoke_all(context),
        (Target::Token, _) => tokens::issue(context),
        (Target::Resource, _) => resource(context),
        (Target::Verify, _) => verify::verify(context),
        (Target::Health, _) => health(context),
        (Target::Learn, _) => Ok(learn::show()),
        (Target::Description, _) => Ok(Response::document("application/json", DESCRIPTION)),
    }
}

/// `GET /api/resource`: something that only users see, by name.
fn resource(context: &RequestContext<'_>) -> Result<Response, ApiError> {
    let principal = context.authenticate()?;
    let data = format!("Hello, {}!", principal.username);
    Ok(Response::json(200, &json!({ "data": data })).for_user(principal.id))
}

/// `GET /healthz`: whether the database answers, for whoever decides who gets the next request. Anybody may ask, and
/// learns nothing else; it costs one read of one row.
fn health(context: &RequestContext<'_>) -> Result<Response, ApiError> {
    context.realm.ping_store(context.reads).map_err(|error| ApiError::store(&error))?;
    Ok(Response::json(200, &json!({"status": "ok"})))
}

fn refuse_closed_registration(realm: &Realm, target: Target, request: &Request) -> Result<(), ApiError> {
    let registers = target == Target::Users && request.method == "POST";
    if registers && realm.policy().registration == Registration::Closed {
        return Err(ApiError::registration_closed());
    }
    Ok(())
}

fn refuse_large_body(request: &Request) -> Result<(), ApiError> {
    match request.body {
        Body::Complete(_) => Ok(()),
        Body::TooLarge { max_bytes } => Err(ApiError::new(
            ErrorCode::PayloadTooLarge,
            format!("The body is over {max_bytes} bytes long; send a shorter one."),
        )),
    }
}

impl<'a> RequestContext<'a> {
    fn read(
        realm: &'a Realm,
        config: &'a Config,
        request: &'a Request,
        origin: ClientOrigin,
        reads: Reads<'a>,
        now: Now,
    ) -> Result<Self, ApiError> {
        let mut headers = request.headers("Authorization");
        let header = headers.next().unwrap_or_default();
        if headers.next().is_some() {
            // A proxy may have judged by the one and we would judge by the other.
            return Err(ApiError::new(
                ErrorCode::MalformedRequest,
                "The request has more than one Authorization header; send one.",
            ));
        }
        let (scheme, credentials) = credentials::parse(header);
        Ok(Self { realm, config, request, origin, reads, now, scheme, credentials, auth: Cell::new(None) })
    }

    /// The credentials that were sent, whether they hold or not.
    fn credentials(&self) -> Result<&Credentials, ApiError> {
        self.credentials.as_ref().map_err(|_| ApiError::unauthorized(self.scheme))
    }

    /// From where it was sent.
    fn client(&self) -> Client {
        self.origin.client
    }

    /// Who sent this.
    fn authenticate(&self) -> Result<Principal, ApiError> {
        let credentials = self.credentials()?;
        let authenticated = self.realm.authenticate_from(credentials, self.client(), self.reads, self.now);
        self.note_authentication(&authenticated);
        authenticated.map_err(|error| ApiError::authenticate(&error, self.scheme))
    }
}
