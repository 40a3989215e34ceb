//! Routing: [`dispatch`] maps a request to its response with plain functions.
//!
//! | route | function |
//! |---|---|
//! | `POST /api/users` | `users::register` |
//! | `GET`, `PUT`, `PATCH`, `DELETE /api/users/{id}` | `users::show`, `users::change_password`, `administrators::change`, `delete` |
//! | `GET /api/me` | `users::show_me` |
//! | `GET`, `POST /api/tokens`, `DELETE /api/tokens/{id}` | `sessions::list`, `issue_token`, `end` |
//! | `GET`, `DELETE /api/token` | `tokens::issue`, `revoke` |
//! | `GET /api/resource` | `resource` |
//! | any method, `/api/verify` and every path below it | `verify::verify` |
//! | `GET /healthz` | `health` |
//! | `/`, `/login`, `/logout`, `/register`, `/forgot-password`, `/set-password`, `/account` | `pages::serve` |
//! | `GET /learn` | `learn::show` |
//! | `GET /openapi.json` | `openapi.json`; a test compares it with the routes |
//!
//! To add a route, add a variant of `Target` and its path in `Target::at`. The compiler asks for its name,
//! its methods and its function. Tests ask for its description in `openapi.json`, its path in `PATHS` of
//! `tests/it/api.rs` and, if it authenticates, its requests in `guarded_requests` there. Nothing asks for the
//! tables above, in README.md and in docs/api.md, and for the test in `target.rs`.
//!
//! Checks run in a fixed order, from the cheapest to those that cost a hash:
//!
//! | check | status |
//! |---|---|
//! | one `Authorization` header at most | 400 |
//! | routing | 404, 405, 501 for a method that HTTP doesn't define |
//! | CSRF; registration open | 403 |
//! | body size | 413 |
//! | the route's own: body and query | 415, 400 |
//! | rate limits, hash queue | 429, 503 |
//! | credentials | 401 (at once if there are none), 403 |
//!
//! Two exceptions: 400 `username_taken` comes last, since it takes a hash and the database. `/api/verify` is
//! exempt from the checks of method, CSRF and body, because the request is for the app behind it.
//!
//! | file | what |
//! |---|---|
//! | `target.rs` | the paths, their names and their methods |
//! | `users.rs`, `administrators.rs`, `tokens.rs`, `sessions.rs`, `verify.rs` | the routes |
//! | `context.rs` | the context of a request: credentials, authentication, audit record |
//! | `config.rs` | configuration: public URL, trusted proxies, CORS origins, page |
//! | `body.rs` | JSON bodies |
//! | `forwarded.rs` | client address, scheme and host behind trusted proxies |
//! | `login_redirect.rs` | redirects of forward auth to the login page |
//! | `percent.rs` | percent-encoding |
//! | `cors.rs` | CORS |
//! | `csrf.rs` | CSRF and DNS rebinding protection |
//! | `pages/` | the sign-in pages |
//! | `learn/` | the interactive page that demonstrates the API |
//! | `error.rs` | API errors: status, message and cause |

mod administrators;
mod body;
mod config;
mod client_origin;
mod context;
mod cookie;
mod cors;
mod csrf;
mod error;
mod forwarded;
mod learn;
mod link_requests;
mod login_redirect;
mod pages;
mod percent;
mod sessions;
mod sign_in_pages;
mod target;
mod tokens;
mod url;
mod users;
mod verify;

pub use client_origin::{ForwardingIgnored, UndeclaredProxy};
pub use config::Config;
pub use error::panicked;
pub use link_requests::LinkRequests;
pub use sign_in_pages::{SignInPages, SignInPagesError};
pub use target::HEALTH_PATH;
pub use url::{Origin, OriginError, PublicUrl, PublicUrlError};

use crate::clock::Now;
use crate::credentials::{self, Credentials};
use crate::http::{ASTERISK_MESSAGE, Body, ErrorCode, Request, Response};
use crate::json::json;
use crate::realm::{Realm, Registration};
use crate::store::Reads;
use crate::wait::WouldBlock;
use client_origin::ClientOrigin;
use context::RequestContext;
use error::ApiError;
use pages::page::Page;
use target::Target;

/// OpenAPI 3.1, written by hand for readers too.
const DESCRIPTION: &[u8] = include_bytes!("openapi.json");

/// Answers a request. Blocks on the store and on hashes.
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
/// assert_eq!((response.status, response.body.as_slice()), (201, &br#"{"id":1,"username":"ok"}"#[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn dispatch(realm: &Realm, config: &Config, request: &Request, now: Now) -> Response {
    // `Reads::PerCall` never returns `WouldBlock`.
    dispatch_from(realm, config, request, Reads::PerCall, now).unwrap_or_else(|_| panicked())
}

/// Answers a request with these reads. Never blocks with [`Reads::Batch`].
///
/// # Errors
/// [`WouldBlock`] before any side effect; dispatch the request again on a thread that may block.
pub fn dispatch_from<'a>(
    realm: &'a Realm,
    config: &'a Config,
    request: &'a Request,
    reads: Reads<'a>,
    now: Now,
) -> Result<Response, WouldBlock> {
    let origin = ClientOrigin::of(&config.trusted_proxies, request);
    let target = Target::at(&request.path).filter(|target| match target {
        Target::Learn => config.learn_page,
        Target::Page(Page::Home) => config.learn_page || config.sign_in_pages.is_some(),
        Target::Page(_) => config.sign_in_pages.is_some(),
        _ => true,
    });
    let response = match RequestContext::new(realm, config, request, origin, reads, now)
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

/// Whether this is a successful response to a health check.
pub fn is_healthy(response: &Response) -> bool {
    response.record.route == Some(Target::Health.route()) && response.status == 200
}

/// Whether the route reads the request's body.
pub fn needs_body(request: &Request) -> bool {
    match Target::at(&request.path) {
        Some(Target::Users | Target::Sessions) => request.method == "POST",
        Some(Target::User(_)) => matches!(request.method.as_str(), "PATCH" | "PUT"),
        Some(Target::Page(page)) => page != Page::Home && request.method == "POST",
        _ => false,
    }
}

/// Whether the response may take a password hash.
pub fn may_hash(request: &Request) -> bool {
    let mut credentials = request.headers("Authorization").map(credentials::parse);
    match Target::at(&request.path) {
        Some(Target::Page(page)) => page.may_hash() && request.method == "POST",
        _ => {
            needs_body(request)
                || credentials.any(|(_, parsed)| matches!(parsed, Ok(Credentials::Password { .. })))
        }
    }
}

/// The methods of RFC 9110, PATCH (RFC 5789) and QUERY.
const KNOWN_METHODS: [&str; 10] =
    ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"];

/// `OPTIONS *`, a ping that load balancers use (RFC 9110 section 9.3.7). HAProxy's `option httpchk` sends `OPTIONS /`.
fn answer_asterisk(request: &Request) -> Result<Response, ApiError> {
    if request.method != "OPTIONS" {
        return Err(ApiError::new(ErrorCode::MalformedRequest, ASTERISK_MESSAGE));
    }
    Ok(Response::empty(204).with_header("Allow", "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"))
}

/// Runs the checks of all routes in their order, then the route.
fn answer(context: &RequestContext<'_>, target: Option<Target>) -> Result<Response, ApiError> {
    let request = context.request;
    if request.path == "*" || (target.is_none() && request.path == "/" && request.method == "OPTIONS") {
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
        if !matches!(target, Target::Page(_)) {
            csrf::check_origin(context)?; // pages have a stricter check of their own
        }
        check_registration_open(context, target)?;
        check_body_size(request)?;
        if request.method == "OPTIONS" {
            return Ok(Response::empty(204).with_header("Allow", allow));
        }
    }
    let response = match serve(context, target) {
        Err(error) if error.would_block => return Err(error),
        Err(error) => error.explained_to(context.client()).into(),
        Ok(response) => response,
    };
    Ok(context.complete_record(response))
}

/// Calls the function of the route. `_` is the last method, GET with HEAD where there is one.
fn serve(context: &RequestContext<'_>, target: Target) -> Result<Response, ApiError> {
    match (target, context.request.method.as_str()) {
        (Target::Users, "POST") => users::register(context),
        (Target::Users, _) => administrators::list(context),
        (Target::UserLink(id), _) => administrators::make_link(context, id),
        (Target::User(id), "PUT") => users::change_password(context, id),
        (Target::User(id), "PATCH") => administrators::change(context, id),
        (Target::User(id), "DELETE") => administrators::delete(context, id),
        (Target::User(id), _) => users::show(context, id),
        (Target::Me, _) => users::show_me(context),
        (Target::Sessions, "POST") => sessions::issue_token(context),
        (Target::Sessions, _) => sessions::list(context),
        (Target::Session(id), _) => sessions::end(context, id),
        (Target::Token, "DELETE") => tokens::revoke(context),
        (Target::Token, _) => tokens::issue(context),
        (Target::Resource, _) => resource(context),
        (Target::Verify, _) => verify::verify(context),
        (Target::Health, _) => health(context),
        (Target::Learn, _) => Ok(learn::show()),
        (Target::Page(page), _) => pages::serve(context, page),
        (Target::Description, _) => Ok(Response::document("application/json", DESCRIPTION)),
    }
}

/// `GET /api/resource`: the protected resource of the article.
fn resource(context: &RequestContext<'_>) -> Result<Response, ApiError> {
    let principal = context.authenticate()?;
    let data = format!("Hello, {}!", principal.username);
    Ok(Response::json(200, &json!({ "data": data })).for_user(principal.id))
}

/// `GET /healthz`: whether the database answers, for load balancers. Needs no credentials; reads one row.
fn health(context: &RequestContext<'_>) -> Result<Response, ApiError> {
    context.realm.ping_store(context.reads)?;
    Ok(Response::json(200, &json!({"status": "ok"})))
}

/// While registration is closed, only credentials get further: those of an administrator register a user.
fn check_registration_open(context: &RequestContext<'_>, target: Target) -> Result<(), ApiError> {
    let is_registration = target == Target::Users && context.request.method == "POST";
    let is_closed = context.realm.policy().registration == Registration::Closed;
    if is_registration && is_closed && !context.has_authorization() {
        return Err(ApiError::registration_closed());
    }
    Ok(())
}

fn check_body_size(request: &Request) -> Result<(), ApiError> {
    match request.body {
        Body::Complete(_) => Ok(()),
        Body::TooLarge { max_bytes } => Err(ApiError::new(
            ErrorCode::PayloadTooLarge,
            format!("The body is over {max_bytes} bytes long; send a shorter one."),
        )),
    }
}
