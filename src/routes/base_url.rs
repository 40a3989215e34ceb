//! The URL under which the client reached this server, for links in responses.

use super::RequestContext;
use crate::http::{Request, is_valid_host};
use core::str;

/// What a path is to be put behind to make a URL that the client can use: the public URL; else scheme and host as a
/// trusted proxy was asked for them, else `http://` and the `Host`; else nothing, which makes a relative reference
/// (RFC 9110 section 10.2.2).
pub(super) fn base_url(context: &RequestContext<'_>) -> String {
    if let Some(public) = &context.config.public_url {
        return public.as_str().into();
    }
    let scheme =
        if forwarded(context, "X-Forwarded-Proto").is_some_and(is_secure) { "https" } else { "http" };
    match requested_host(context) {
        Some(host) => format!("{scheme}://{host}"),
        None => String::new(),
    }
}

/// Whether a scheme is one with TLS. Schemes have no case (RFC 3986 section 3.1); Traefik sends `wss` for websockets.
fn is_secure(scheme: &str) -> bool {
    ["https", "wss"].iter().any(|secure| scheme.eq_ignore_ascii_case(secure))
}

/// The host that the client named, and perhaps a port: as a trusted proxy forwards it, else from `Host`.
pub(super) fn requested_host<'a>(context: &RequestContext<'a>) -> Option<&'a str> {
    let host = forwarded_host(context).or_else(|| valid_host(context.request))?;
    Some(host.strip_suffix(':').unwrap_or(host)) // an empty port is the scheme's own
}

/// The host that a trusted proxy was asked for.
fn forwarded_host<'a>(context: &RequestContext<'a>) -> Option<&'a str> {
    forwarded(context, "X-Forwarded-Host").filter(|host| is_valid_host(host))
}

/// What a trusted proxy says. Of several values the last: that one the proxy itself wrote, while those before may be
/// what its client sent (Apache's adds to what is there).
fn forwarded<'a>(context: &RequestContext<'a>, name: &str) -> Option<&'a str> {
    let last_line = context.request.headers(name).next_back().filter(|_| context.origin.has_trusted_proxy)?;
    let last_value = last_line.rsplit(|byte| *byte == b',').next()?;
    str::from_utf8(last_value.trim_ascii()).ok()
}

/// The `Host` header, if there is one and it is nothing but a host and perhaps a port.
fn valid_host(request: &Request) -> Option<&str> {
    str::from_utf8(request.header("Host")?).ok().filter(|host| is_valid_host(host))
}
