//! Login redirects of forward auth: the answer of `/api/verify` to a client of an app that is not authenticated.
//!
//! With the condition `login`, a browser that navigates is redirected to the login page, which returns it to the URL
//! that it asked for:
//!
//! ```text
//! 303 Location: https://auth.example.org/login?rd=https%3A%2F%2Fapp.example.org%2Fpage%3Fx%3D1
//! ```
//!
//! Every other request gets a 401. A redirect to another origin fails in `fetch`, and a redirected POST loses its body.
//!
//! The URL comes from a trusted proxy: `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri`. Envoy sends the method and the
//! URI as its own request's instead, behind the prefix. A browser is redirected only if it would come back with a cookie:
//! the host has to be within the cookie's reach. Anything else would be a redirect loop.

use super::forwarded::web_scheme;
use super::percent;
use super::sign_in_pages::SignInPages;
use crate::http::{Request, is_valid_host};
use std::borrow::Cow;

/// Bytes of the `Location`. nginx's buffer for all headers of a response is 4 KB by default.
const MAX_LOCATION_BYTES: usize = 3_072;

/// What the client does, as far as its answer depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    /// A browser opens a page, in a tab or window of its own.
    Navigation,
    /// A browser opens a page within another one, where a login page refuses to be shown.
    FramedNavigation,
    /// A browser sends a form, whose body a redirect would lose.
    FormPost,
    /// A script, a program, or anything else.
    Other,
}

/// What the client does, by the method that it used. Fetch Metadata decides; browsers without it are known by `Accept`.
pub(super) fn intent(method: &str, request: &Request) -> Intent {
    let is = |name: &str, expected: &[&str]| {
        request.header(name).is_some_and(|value| expected.iter().any(|text| text.as_bytes() == value))
    };
    let accepts_html = || {
        let mut accepted = request.headers("Accept").flat_map(|header| header.split(|byte| *byte == b','));
        accepted.any(|media_type| media_type.trim_ascii_start().starts_with(b"text/html"))
    };
    let navigates = match request.header("Sec-Fetch-Mode") {
        Some(mode) => mode == b"navigate",
        None => accepts_html(),
    };
    match method {
        _ if !navigates || request.headers("Upgrade").next().is_some() => Intent::Other,
        "GET" | "HEAD" if is("Sec-Fetch-Dest", &["iframe", "frame", "embed", "object"]) => {
            Intent::FramedNavigation
        }
        "GET" | "HEAD" => Intent::Navigation,
        _ => Intent::FormPost,
    }
}

/// The request that the client sent to the app, as a trusted proxy reports it.
#[derive(Clone, Debug)]
pub(super) struct GuardedRequest<'a> {
    /// `GET`.
    pub(super) method: Option<&'a str>,
    /// `https`.
    pub(super) scheme: Option<&'a str>,
    /// `app.example.org:8443`.
    pub(super) host: Option<&'a str>,
    /// `/page?x=1`.
    pub(super) uri: Option<Cow<'a, str>>,
}

/// Why a browser can't be sent to the login page; for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRedirect(pub(super) &'static str);

impl GuardedRequest<'_> {
    /// The URL of the login page, which names the URL to return to.
    ///
    /// # Errors
    /// [`NoRedirect`] if the browser would not come back with a cookie.
    pub(super) fn login_url(&self, pages: &SignInPages) -> Result<String, NoRedirect> {
        let missing = |what: Option<_>, cause| what.ok_or(NoRedirect(cause));
        missing(self.method, "the proxy sends no X-Forwarded-Method")?;
        let scheme = missing(self.scheme, "the proxy sends no X-Forwarded-Proto")?;
        let host = missing(self.host, "the proxy sends no X-Forwarded-Host")?;
        let uri = missing(self.uri.as_deref(), "the proxy sends no X-Forwarded-Uri")?;
        let scheme = web_scheme(scheme).ok_or(NoRedirect("X-Forwarded-Proto is neither https nor http"))?;
        if !is_valid_host(host) {
            return Err(NoRedirect("X-Forwarded-Host is no host"));
        }
        if !uri.starts_with('/') || uri.starts_with("//") {
            return Err(NoRedirect("X-Forwarded-Uri does not begin with exactly one slash"));
        }
        let origin = origin(scheme, host);
        let own_origin = pages.origin();
        if origin == own_origin {
            return Err(NoRedirect("the guard is before gatekey's own host; guard only the app's"));
        }
        if !pages.cookie_reaches(host) {
            return Err(NoRedirect("the app's host does not get the cookie; see --cookie-domain"));
        }
        if own_origin.starts_with("https://") && scheme == "http" {
            return Err(NoRedirect(
                "X-Forwarded-Proto is http, and the cookie is for https; name the outer scheme",
            ));
        }
        let path = uri.split('?').next().unwrap_or_default();
        let login_url = |uri| login_url(own_origin, &origin, uri);
        let short = [uri, path].into_iter().map(login_url).find(|url| url.len() <= MAX_LOCATION_BYTES);
        Ok(short.unwrap_or_else(|| login_url("/")))
    }
}

/// An origin as a browser writes it (RFC 6454 section 6.1): in lower case, without the scheme's own port.
pub(super) fn origin(scheme: &str, host: &str) -> String {
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let host = host.strip_suffix(default_port).or_else(|| host.strip_suffix(':')).unwrap_or(host);
    format!("{scheme}://{}", host.to_ascii_lowercase())
}

fn login_url(login_origin: &str, origin: &str, uri: &str) -> String {
    let url = percent::encode(&format!("{origin}{uri}"), percent::is_unreserved);
    format!("{login_origin}/login?rd={url}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::url::PublicUrl;

    fn host_only() -> SignInPages {
        let url = PublicUrl::parse("https://auth.example.org").unwrap();
        SignInPages::new(&url, "Example").unwrap()
    }

    fn domain() -> SignInPages {
        host_only().with_cookie_domain("example.org").unwrap()
    }

    fn guarded<'a>(scheme: &'a str, host: &'a str, uri: &'a str) -> GuardedRequest<'a> {
        GuardedRequest { method: Some("GET"), scheme: Some(scheme), host: Some(host), uri: Some(uri.into()) }
    }

    fn decoded(url: &str) -> String {
        let encoded = url.strip_prefix("https://auth.example.org/login?rd=").unwrap();
        let mut bytes = Vec::new();
        let mut rest = encoded.bytes();
        while let Some(byte) = rest.next() {
            let mut hex = || char::from(rest.next().unwrap()).to_digit(16).unwrap();
            bytes.push(if byte == b'%' { u8::try_from(hex() * 16 + hex()).unwrap() } else { byte });
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_login_page_returns_to_the_url_that_was_asked_for_byte_for_byte() {
        for uri in ["/", "/?", "/a?a=1&b=2", "/a%2Fb?x=+;&u=//evil.example/", "/é?q=ü#", "/a b\\"] {
            let url = guarded("https", "app.example.org", uri).login_url(&domain()).unwrap();
            assert_eq!(decoded(&url), format!("https://app.example.org{uri}"));
            assert!(url.bytes().all(|byte| byte.is_ascii_graphic()));
        }
        let login_url =
            |scheme, host| guarded(scheme, host, "/x").login_url(&domain()).map(|url| decoded(&url));
        assert_eq!(login_url("WSS", "APP.example.org:443").unwrap(), "https://app.example.org/x");
        assert_eq!(login_url("https", "app.example.org:8443").unwrap(), "https://app.example.org:8443/x");
        assert_eq!(login_url("https", "example.org").unwrap(), "https://example.org/x");
        assert_eq!(login_url("https", "a.b.example.org:").unwrap(), "https://a.b.example.org/x");
    }

    #[test]
    fn a_long_url_loses_its_query_then_its_path() {
        let long = "/".repeat(8_000);
        let login_url = |uri: &str| guarded("https", "a.example.org", uri).login_url(&domain()).unwrap();
        assert_eq!(decoded(&login_url(&format!("/page?{long}"))), "https://a.example.org/page");
        assert_eq!(decoded(&login_url(&format!("/page{long}"))), "https://a.example.org/");
    }

    #[test]
    fn a_browser_that_would_not_return_with_a_cookie_is_not_redirected() {
        for (scheme, host, uri) in [
            ("https", "auth.example.org", "/"),
            ("https", "AUTH.example.org:443", "/"),
            ("https", "example.com", "/"),
            ("https", "evil-example.org", "/"),
            ("https", "example.org.evil.example", "/"),
            ("http", "app.example.org", "/"),
            ("ftp", "app.example.org", "/"),
            ("https", "app.example.org/x", "/"),
            ("https", "user@app.example.org", "/"),
            ("https", "app.example.org", "//evil.example"),
            ("https", "app.example.org", "https://evil.example/"),
            ("https", "app.example.org", "*"),
            ("https", "app.example.org", ""),
        ] {
            assert!(guarded(scheme, host, uri).login_url(&domain()).is_err(), "{scheme} {host} {uri}");
        }
        let whole = guarded("https", "app.example.org", "/");
        for missing in [
            GuardedRequest { method: None, ..whole.clone() },
            GuardedRequest { scheme: None, ..whole.clone() },
            GuardedRequest { host: None, ..whole.clone() },
            GuardedRequest { uri: None, ..whole },
        ] {
            assert!(missing.login_url(&domain()).is_err(), "{missing:?}");
        }
    }

    #[test]
    fn a_host_only_cookie_reaches_its_host_on_every_port() {
        assert!(guarded("https", "auth.example.org:8443", "/").login_url(&host_only()).is_ok());
        assert!(guarded("https", "app.example.org", "/").login_url(&host_only()).is_err());
        assert!(guarded("https", "auth.example.org", "/").login_url(&host_only()).is_err());
    }

    #[test]
    fn fetch_metadata_decides_what_a_navigation_is_and_else_accept() {
        const HTML: &str = "text/html,application/xhtml+xml,*/*;q=0.8";
        for (method, headers, expected) in [
            ("GET", vec![("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")], Intent::Navigation),
            ("HEAD", vec![("Sec-Fetch-Mode", "navigate")], Intent::Navigation),
            (
                "GET",
                vec![("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")],
                Intent::FramedNavigation,
            ),
            ("POST", vec![("Sec-Fetch-Mode", "navigate")], Intent::FormPost),
            ("GET", vec![("Sec-Fetch-Mode", "cors"), ("Accept", HTML)], Intent::Other),
            ("GET", vec![("Sec-Fetch-Mode", "same-origin"), ("Accept", HTML)], Intent::Other),
            ("GET", vec![("Sec-Fetch-Mode", "websocket"), ("Upgrade", "websocket")], Intent::Other),
            ("GET", vec![("Accept", HTML)], Intent::Navigation),
            ("GET", vec![("Accept", "*/*, text/html")], Intent::Navigation),
            ("POST", vec![("Accept", HTML)], Intent::FormPost),
            ("GET", vec![("Accept", HTML), ("Upgrade", "websocket")], Intent::Other),
            ("GET", vec![("Accept", "*/*")], Intent::Other),
            ("GET", vec![("Accept", "application/json")], Intent::Other),
            ("GET", vec![], Intent::Other),
            ("OPTIONS", vec![], Intent::Other),
        ] {
            let request = headers
                .iter()
                .fold(Request::new(method, "/"), |request, (name, value)| request.with_header(name, value));
            assert_eq!(intent(method, &request), expected, "{method} {headers:?}");
        }
    }
}
