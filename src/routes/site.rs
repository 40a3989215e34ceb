//! Sites: whose page sent this request, and under which URL are we reached.

use super::failure::Failure;
use crate::http::{ErrorCode, Request, is_valid_host};
use crate::realm::{PublicUrl, Realm};
use alloc::format;
use alloc::string::String;

/// Refuses a change that another site's page asks for.
///
/// A browser that once asked its person for a name and a password sends them by itself, also when a page of
/// somebody else's makes the request. Browsers say so: by `Sec-Fetch-Site`, and the older ones by `Origin`
/// (RFC 6454 section 7). Programs send neither, and are not concerned.
pub(super) fn refuse_other_sites(realm: &Realm, request: &Request) -> Result<(), Failure> {
    let changes_something = matches!(request.method.as_str(), "POST" | "PUT" | "DELETE");
    let says_cross_site = request.fields("Sec-Fetch-Site").any(|site| site == b"cross-site");
    let has_other_origin = request.fields("Origin").any(|origin| !is_own_origin(realm, request, origin));
    if changes_something && (says_cross_site || has_other_origin) {
        let message =
            "A page of another site sent this; requests that change something must come from this one.";
        return Err(Failure::new(ErrorCode::CrossSite, message));
    }
    Ok(())
}

/// Whether the origin is the public URL's, or that of the host which the request itself was sent to. Of the
/// latter the scheme isn't known here: a proxy may have ended TLS.
fn is_own_origin(realm: &Realm, request: &Request, origin: &[u8]) -> bool {
    let public = realm.policy().public_url.as_ref().map(PublicUrl::origin);
    if public.is_some_and(|public| origin.eq_ignore_ascii_case(public.as_bytes())) {
        return true;
    }
    let Some(host) = valid_host(request) else { return false };
    [("http://", ":80"), ("https://", ":443")].into_iter().any(|(scheme, default_port)| {
        let host = host.strip_suffix(default_port).unwrap_or(host);
        origin.eq_ignore_ascii_case(format!("{scheme}{host}").as_bytes())
    })
}

/// What a path is to be put behind to make a URL that the client can use: the public URL, else
/// `http://` and the `Host`, else nothing, which makes a relative reference (RFC 9110 section 10.2.2).
pub(super) fn base_url(realm: &Realm, request: &Request) -> String {
    match (&realm.policy().public_url, valid_host(request)) {
        (Some(public), _) => public.as_str().into(),
        (None, Some(host)) => format!("http://{host}"),
        (None, None) => String::new(),
    }
}

/// The `Host` field, if there is one and it is nothing but a host and perhaps a port.
fn valid_host(request: &Request) -> Option<&str> {
    core::str::from_utf8(request.field("Host")?).ok().filter(|host| is_valid_host(host))
}
