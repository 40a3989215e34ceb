//! CORS (the Fetch standard, section 3.2): which pages of other sites may read answers.
//!
//! Only pages of the origins that the operator named (`--cors-origin`), each to the letter; none otherwise, and then no
//! answer has a header for it. Never with credentials of the browser's own: `Access-Control-Allow-Credentials` stands
//! nowhere, so a page must send the user's credentials itself. Errors have the headers too, or a page could not tell a wrong
//! password from a broken network.

use super::public_url::Origin;
use super::target::Target;
use crate::http::{Request, Response};

/// What a page may read besides the body.
const EXPOSED: &str = "Location, Retry-After, WWW-Authenticate, X-Request-Id";
/// What a page may send.
const SENT: &str = "Authorization, Content-Type, X-Request-Id";
/// For how many seconds a browser need not ask again; more than a few minutes most don't heed.
const MAX_AGE: &str = "600";

/// The origin of the page that sent this, if it was named.
pub(super) fn origin<'a>(origins: &'a [Origin], request: &Request) -> Option<&'a str> {
    let sent = request.header("Origin")?;
    origins.iter().map(Origin::as_str).find(|named| named.as_bytes() == sent)
}

/// The answer, so that such a page may read it. `/api/verify` answers proxies: what pages may do is its app's to say.
pub(super) fn add_headers(
    origins: &[Origin],
    request: &Request,
    target: Option<Target>,
    response: Response,
) -> Response {
    if origins.is_empty() || target == Some(Target::Verify) {
        return response;
    }
    // Also where no origin is allowed: a cache must not give one page's answer to another.
    let response = response.with_header("Vary", "Origin");
    let Some(origin) = origin(origins, request) else { return response };
    let response = response
        .with_header("Access-Control-Allow-Origin", String::from(origin))
        .with_header("Access-Control-Expose-Headers", EXPOSED);
    let is_preflight =
        request.method == "OPTIONS" && request.header("Access-Control-Request-Method").is_some();
    match target.and_then(Target::allow).filter(|_| is_preflight) {
        Some(methods) => response
            .with_header("Access-Control-Allow-Methods", methods)
            .with_header("Access-Control-Allow-Headers", SENT)
            .with_header("Access-Control-Max-Age", MAX_AGE),
        None => response,
    }
}
