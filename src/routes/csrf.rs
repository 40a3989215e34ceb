//! CSRF and DNS rebinding protection for routes that accept HTTP Basic.
//!
//! Browsers attach cached Basic credentials to cross-site requests. A state-changing request is therefore
//! rejected unless it is same-origin: `Sec-Fetch-Site` (Fetch Metadata) decides where the browser sends it,
//! and `Origin` (RFC 6454 section 7) wherever it is sent. Non-browser clients send neither header and are
//! accepted.
//!
//! Same-origin alone doesn't stop DNS rebinding. The attacker's page is loaded from `http://evil.example`,
//! whose DNS record then changes to this server's address: `Origin` and `Host` agree, and the page can use a
//! server that only the victim's network reaches. A browser's request is therefore served only under a host
//! that an attacker cannot own: the public URL's, a loopback name (RFC 6761 section 6.3) or an IP address.

use super::context::RequestContext;
use super::cors;
use super::error::ApiError;
use super::forwarded::requested_host;
use super::url::PublicUrl;
use crate::http::{is_loopback_name, split_port};
use core::net::{Ipv4Addr, Ipv6Addr};

/// Rejects a state-changing request with 403 `cross_site` if a browser sends it for another site's page, or
/// under a host that is not known to be this server's.
///
/// Origins in `--cors-origin` are accepted.
pub(super) fn check_origin(context: &RequestContext<'_>) -> Result<(), ApiError> {
    let request = context.request;
    let is_safe = !matches!(request.method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE");
    if is_safe || cors::allowed_origin(&context.config.cors_origins, request).is_some() {
        return Ok(());
    }
    let public = context.config.public_url.as_ref();
    let host = requested_host(context);
    let is_public_origin =
        |origin: &[u8]| public.is_some_and(|public| origin.eq_ignore_ascii_case(public.origin().as_bytes()));
    let is_same_origin =
        |origin: &[u8]| is_public_origin(origin) || host.is_some_and(|host| is_origin_of(origin, host));
    let is_cross_site = request.headers("Sec-Fetch-Site").any(|value| value == b"cross-site");
    if is_cross_site || !request.headers("Origin").all(is_same_origin) {
        return Err(ApiError::cross_site());
    }
    let is_sent_by_browser = request.header_names().any(is_browser_header);
    // Behind a proxy, `Host` may be the proxy's name for this server. `Origin` is then the only name the
    // browser used.
    let has_known_host = request.header("Origin").is_some_and(is_public_origin)
        || host.is_some_and(|host| is_known_host(host, public));
    if is_sent_by_browser && !has_known_host {
        return Err(ApiError::unknown_host(host));
    }
    Ok(())
}

/// Whether programs other than browsers leave this header out.
fn is_browser_header(name: &str) -> bool {
    let prefix = "Sec-Fetch-";
    name.eq_ignore_ascii_case("Origin")
        || name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Whether a page loaded from this host has this origin. The scheme is not known: a proxy may terminate TLS.
fn is_origin_of(origin: &[u8], host: &str) -> bool {
    [("http://", ":80"), ("https://", ":443")].into_iter().any(|(scheme, default_port)| {
        let host = host.strip_suffix(default_port).unwrap_or(host);
        origin.eq_ignore_ascii_case(format!("{scheme}{host}").as_bytes())
    })
}

/// Whether an attacker cannot point a DNS record of this host at this server. The port doesn't matter.
fn is_known_host(host: &str, public: Option<&PublicUrl>) -> bool {
    let (name, _port) = split_port(host);
    let is_public = public.is_some_and(|public| name.eq_ignore_ascii_case(split_port(public.authority()).0));
    is_public || is_ip_address(name) || is_loopback_name(name)
}

fn is_ip_address(name: &str) -> bool {
    match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => name.parse::<Ipv4Addr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_host_is_the_public_urls_a_loopback_name_or_an_ip_address() {
        let public = PublicUrl::parse("https://Auth.example:8443/path").unwrap();
        for host in [
            "auth.example",
            "AUTH.example:5000",
            "localhost",
            "LOCALHOST:5000",
            "localhost.",
            "app.localhost:80",
            "127.0.0.1",
            "192.0.2.1:5000",
            "[::1]",
            "[2001:db8::1]:5000",
        ] {
            assert!(is_known_host(host, Some(&public)), "{host}");
        }
        for host in [
            "evil.example",
            "evil.auth.example",
            "auth.example.evil.example",
            "auth.example.", // another site to a browser; nothing in the configuration names it
            "localhost.evil.example",
            "evillocalhost",
            "127.0.0.1.evil.example",
            "127.0.0.1.",
            "[::1", // no host at all
            "::1",
            "[127.0.0.1]",
            "",
        ] {
            assert!(!is_known_host(host, Some(&public)), "{host}");
        }
        assert!(!is_known_host("auth.example", None));
    }
}
