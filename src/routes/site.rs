//! Sites: whose page sent this request, and under which URL are we reached.

use super::Call;
use super::cors;
use super::failure::Failure;
use crate::http::{ErrorCode, Request, is_valid_host};
use crate::realm::PublicUrl;
use alloc::format;
use alloc::string::String;
use core::str;

/// Refuses a change that another site's page asks for.
///
/// A browser that once asked its person for a name and a password sends them by itself, also when a page of
/// somebody else's makes the request. Browsers say so: by `Sec-Fetch-Site`, and the older ones by `Origin`
/// (RFC 6454 section 7). Programs send neither, and are not concerned.
pub(super) fn refuse_other_sites(call: &Call<'_>) -> Result<(), Failure> {
    let request = call.request;
    if !matches!(request.method.as_str(), "POST" | "PUT" | "DELETE") {
        return Ok(()); // it changes nothing
    }
    if cors::origin(&call.realm.policy().cors_origins, request).is_some() {
        return Ok(()); // the operator named it
    }
    let says_cross_site = request.fields("Sec-Fetch-Site").any(|site| site == b"cross-site");
    let has_other_origin = request.fields("Origin").any(|origin| !is_own_origin(call, origin));
    if says_cross_site || has_other_origin {
        let message =
            "A page of another site sent this; requests that change something must come from this one.";
        return Err(Failure::new(ErrorCode::CrossSite, message));
    }
    Ok(())
}

/// Whether the origin is the public URL's, or that of the host which the request itself was sent to, here or at a
/// trusted proxy. Of a host the scheme isn't known here: a proxy may have ended TLS.
fn is_own_origin(call: &Call<'_>, origin: &[u8]) -> bool {
    let public = call.realm.policy().public_url.as_ref().map(PublicUrl::origin);
    if public.is_some_and(|public| origin.eq_ignore_ascii_case(public.as_bytes())) {
        return true;
    }
    let hosts = forwarded_host(call).into_iter().chain(valid_host(call.request));
    let schemes = [("http://", ":80"), ("https://", ":443")];
    hosts.flat_map(|host| schemes.map(|scheme| (host, scheme))).any(|(host, (scheme, default_port))| {
        let host = host.strip_suffix(default_port).unwrap_or(host);
        origin.eq_ignore_ascii_case(format!("{scheme}{host}").as_bytes())
    })
}

/// What a path is to be put behind to make a URL that the client can use: the public URL; else scheme and host as a
/// trusted proxy was asked for them, else `http://` and the `Host`; else nothing, which makes a relative reference
/// (RFC 9110 section 10.2.2).
pub(super) fn base_url(call: &Call<'_>) -> String {
    if let Some(public) = &call.realm.policy().public_url {
        return public.as_str().into();
    }
    let scheme = match forwarded(call, "X-Forwarded-Proto") {
        Some("https") => "https",
        _ => "http",
    };
    match forwarded_host(call).or_else(|| valid_host(call.request)) {
        Some(host) => format!("{scheme}://{host}"),
        None => String::new(),
    }
}

/// The host that a trusted proxy was asked for.
fn forwarded_host<'a>(call: &Call<'a>) -> Option<&'a str> {
    forwarded(call, "X-Forwarded-Host").filter(|host| is_valid_host(host))
}

/// What a trusted proxy says. Of several values the last: that one the proxy itself wrote, while those before may be
/// what its client sent (Apache's adds to what is there).
fn forwarded<'a>(call: &Call<'a>, name: &str) -> Option<&'a str> {
    let last_line = call.request.fields(name).next_back().filter(|_| call.sender.has_trusted_proxy)?;
    let last_value = last_line.rsplit(|byte| *byte == b',').next()?;
    str::from_utf8(last_value.trim_ascii()).ok()
}

/// The `Host` field, if there is one and it is nothing but a host and perhaps a port.
fn valid_host(request: &Request) -> Option<&str> {
    str::from_utf8(request.field("Host")?).ok().filter(|host| is_valid_host(host))
}
