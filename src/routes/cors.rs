//! CORS (Fetch standard, section 3.2): pages of the origins in `--cors-origin` may read responses.
//!
//! Origins must match exactly. Without any, no response has a CORS header. `Access-Control-Allow-Credentials`
//! is never sent, so a page has to send the user's credentials itself. Errors have the headers too: otherwise
//! a page could not distinguish a wrong password from a network error.

use super::target::Target;
use super::url::Origin;
use crate::http::{Request, Response};

/// Response headers that a page may read.
const EXPOSE_HEADERS: &str = "Location, Retry-After, WWW-Authenticate, X-Request-Id";
/// Request headers that a page may send.
const ALLOW_HEADERS: &str = "Authorization, Content-Type, X-Request-Id";
/// How many seconds a browser may cache a preflight. Browsers cap it at minutes to hours.
const MAX_AGE: &str = "600";

/// The request's origin, if it is allowed.
pub(super) fn allowed_origin<'a>(origins: &'a [Origin], request: &Request) -> Option<&'a str> {
    let sent = request.header("Origin")?;
    origins.iter().map(Origin::as_str).find(|allowed| allowed.as_bytes() == sent)
}

/// Adds the CORS headers, except to `/api/verify`, since CORS of a protected app is the app's, and to the sign-in pages.
pub(super) fn add_headers(
    origins: &[Origin],
    request: &Request,
    target: Option<Target>,
    response: Response,
) -> Response {
    if origins.is_empty() || matches!(target, Some(Target::Verify | Target::Page(_))) {
        return response;
    }
    // Also for other origins, so that a cache doesn't serve them this response.
    let response = response.with_header("Vary", "Origin");
    let Some(origin) = allowed_origin(origins, request) else { return response };
    let response = response
        .with_header("Access-Control-Allow-Origin", String::from(origin))
        .with_header("Access-Control-Expose-Headers", EXPOSE_HEADERS);
    let is_preflight =
        request.method == "OPTIONS" && request.header("Access-Control-Request-Method").is_some();
    match target.and_then(Target::allow).filter(|_| is_preflight) {
        Some(methods) => response
            .with_header("Access-Control-Allow-Methods", methods)
            .with_header("Access-Control-Allow-Headers", ALLOW_HEADERS)
            .with_header("Access-Control-Max-Age", MAX_AGE),
        None => response,
    }
}
