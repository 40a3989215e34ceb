//! CSRF protection for routes that accept HTTP Basic.

use super::Call;
use super::base_url::{forwarded_host, valid_host};
use super::cors;
use super::failure::Failure;
use crate::http::ErrorCode;
use crate::realm::PublicUrl;
use alloc::format;

/// Refuses a change that another site's page asks for.
///
/// A browser that once asked its person for a name and a password sends them by itself, also when a page of
/// somebody else's makes the request. Browsers say so: by `Sec-Fetch-Site`, and the older ones by `Origin`
/// (RFC 6454 section 7). Programs send neither, and are not concerned.
pub(super) fn check_origin(call: &Call<'_>) -> Result<(), Failure> {
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
