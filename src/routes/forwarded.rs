//! Forwarded headers: scheme and host behind trusted proxies.
//!
//! A proxy connects in place of the client, and describes the client's request in `X-Forwarded-For`, `-Proto`
//! and `-Host`. Any client can send these headers, so they count only if the peer is in
//! [`Config::trusted_proxies`](super::Config::trusted_proxies).

use super::context::RequestContext;
use crate::http::is_valid_host;
use core::str;

/// The URL under which the client reached this server, for links in responses: the public URL, or else scheme
/// and host of the request. Empty without a valid `Host`; a link is then a relative reference (RFC 9110
/// section 10.2.2).
pub(super) fn base_url(context: &RequestContext<'_>) -> String {
    if let Some(public) = &context.config.public_url {
        return public.as_str().into();
    }
    let scheme = forwarded(context, "X-Forwarded-Proto").and_then(web_scheme).unwrap_or("http");
    requested_host(context).map_or_else(String::new, |host| format!("{scheme}://{host}"))
}

/// The scheme of the page: `https` or `http`, also for the scheme of its websocket, which Traefik reports. Schemes are
/// case-insensitive (RFC 3986 section 3.1).
pub(super) fn web_scheme(scheme: &str) -> Option<&'static str> {
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    match () {
        () if is("https") || is("wss") => Some("https"),
        () if is("http") || is("ws") => Some("http"),
        () => None,
    }
}

/// The host that the client requested, with an optional port: from a trusted proxy, else from `Host`.
pub(super) fn requested_host<'a>(context: &RequestContext<'a>) -> Option<&'a str> {
    let is_valid = |host: &&str| is_valid_host(host);
    let own_host = || str::from_utf8(context.request.header("Host")?).ok().filter(is_valid);
    let host = forwarded(context, "X-Forwarded-Host").filter(is_valid).or_else(own_host)?;
    Some(host.strip_suffix(':').unwrap_or(host)) // an empty port is the scheme's default
}

/// The last value of a header of a trusted proxy. Apache appends to what its client sent, so only the last
/// value is the proxy's own.
pub(super) fn forwarded<'a>(context: &RequestContext<'a>, name: &str) -> Option<&'a str> {
    forwarded_line(context, name)?.rsplit(',').next().map(str::trim_ascii)
}

/// The last header of this name that a trusted proxy sent, with any commas in its value.
pub(super) fn forwarded_line<'a>(context: &RequestContext<'a>, name: &str) -> Option<&'a str> {
    let last_line = context.request.headers(name).next_back().filter(|_| context.origin.has_trusted_proxy)?;
    str::from_utf8(last_line).ok()
}
