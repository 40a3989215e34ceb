//! Return URLs: validates `rd`, the URL that a visitor goes to after signing in, against open redirects.
//!
//! A browser parses the `Location` by the URL Standard, which is lenient: `\` is `/`, tabs and line breaks are
//! removed, `https:/\evil.example` has a host. This parser accepts only forms whose host is unambiguous. A property
//! test compares the host with a real browser's.

use crate::http::split_port;
use crate::routes::percent;
use crate::routes::sign_in_pages::{SignInPages, is_under};

/// Some proxies reject responses whose headers are longer.
const MAX_BYTES: usize = 4_096;
/// Pages that a visitor is not sent to after signing in.
const OWN_PAGES: [&str; 5] = ["/login", "/logout", "/register", "/forgot-password", "/set-password"];

/// A URL that it is safe to redirect to, in ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReturnTo {
    url: String,
    host: String,
}

impl ReturnTo {
    /// Accepts an `https` URL (`http` too, where the pages themselves are on a loopback host) whose host is the public
    /// URL's or under the cookie domain. Anything else is none.
    pub(super) fn parse(pages: &SignInPages, text: &str) -> Option<Self> {
        let after_scheme = match text.strip_prefix("https://") {
            Some(rest) => rest,
            None => text.strip_prefix("http://").filter(|_| pages.is_loopback)?,
        };
        let has_control = text.chars().any(|c| c.is_control() || c == ' ' || c == '\\');
        if text.len() > MAX_BYTES || has_control {
            return None;
        }
        let end = after_scheme.find(['/', '?', '#']).unwrap_or(after_scheme.len());
        let (authority, rest) = after_scheme.split_at_checked(end)?;
        let (host, port) = split_port(authority);
        let is_port = match port.strip_prefix(':') {
            Some(digits) => digits.parse::<u16>().is_ok() && digits.bytes().all(|byte| byte.is_ascii_digit()),
            None => port.is_empty(),
        };
        let is_own_host = host.eq_ignore_ascii_case(pages.host());
        let is_under_domain = pages.guard.as_ref().is_some_and(|guard| is_under(host, &guard.domain));
        if !is_port || !(is_own_host || is_under_domain && is_plain_name(host)) {
            return None;
        }
        let path = rest.split(['?', '#']).next().unwrap_or_default();
        let is_ours = authority.eq_ignore_ascii_case(pages.public_url.authority());
        if is_ours && OWN_PAGES.contains(&path) {
            return None;
        }
        // A header is ASCII. A browser would encode the same bytes, for it reads a `Location` as UTF-8.
        Some(Self { url: percent::encode(text, |byte| byte.is_ascii()), host: host.into() })
    }

    /// The URL, for `Location`.
    pub(super) fn as_str(&self) -> &str {
        &self.url
    }

    /// Its host, to be shown.
    pub(super) fn host(&self) -> &str {
        &self.host
    }
}

/// A name that browsers take as it is: no address, nothing encoded.
fn is_plain_name(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    host.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::url::PublicUrl;

    fn pages(url: &str) -> SignInPages {
        SignInPages::new(&PublicUrl::parse(url).unwrap(), "Example").unwrap()
    }

    fn under_domain() -> SignInPages {
        pages("https://auth.example.org").with_cookie_domain("example.org").unwrap()
    }

    #[test]
    fn a_url_under_the_cookie_domain_is_kept_to_the_byte() {
        for url in [
            "https://app.example.org",
            "https://example.org/",
            "https://APP.example.org:8443/a/../b",
            "https://app.example.org/%2F?a=1&b=2+3;c=//x?#/deep?",
            "https://app.example.org?",
            "https://auth.example.org/account",
            "https://auth.example.org:8443/login",
            "https://a_b.x.example.org/@user:pw",
        ] {
            assert_eq!(ReturnTo::parse(&under_domain(), url).unwrap().as_str(), url);
        }
        let encoded = ReturnTo::parse(&under_domain(), "https://app.example.org/\u{e9}?\u{2603}").unwrap();
        assert_eq!(encoded.as_str(), "https://app.example.org/%C3%A9?%E2%98%83");
    }

    #[test]
    fn what_might_lead_elsewhere_is_none() {
        let too_long = format!("https://app.example.org/{}", "x".repeat(MAX_BYTES));
        for url in [
            "",
            "/",
            "/account",
            "//evil.example",
            "//app.example.org",
            "/\\evil.example",
            "https:app.example.org",
            "https:/app.example.org",
            "https:///app.example.org",
            "https:\\\\app.example.org",
            "javascript:alert(1)",
            "data:text/html,x",
            "http://app.example.org/",
            "HTTPS://app.example.org/",
            " https://app.example.org",
            "https://evil-example.org",
            "https://example.org.evil.example",
            "https://app.example.org.",
            "https://evil.example/app.example.org",
            "https://evil.example?app.example.org",
            "https://evil.example#.example.org",
            "https://evil.example\\.example.org",
            "https://u@app.example.org",
            "https://app.example.org@evil.example",
            "https://app.example.org:pw@evil.example",
            "https://app.example.org:",
            "https://app.example.org:443x",
            "https://app.example.org:+1",
            "https://app.example.org:65536",
            "https://evil.example%2F.example.org",
            "https://..example.org",
            "https://evil.example\t.example.org",
            "https://app.example.org/\r\nSet-Cookie: a=b",
            "https://app.example.org/\u{85}",
            "https://app.example.org/a b",
            "https://\u{ff0e}example.org",
            "https://evil.example\u{3002}example.org",
            "https://[::1].example.org",
            "https://*.example.org",
            "https://auth.example.org/login",
            "https://auth.example.org/login?rd=x",
            "https://AUTH.example.org/logout",
            "https://auth.example.org/set-password?token=x",
            &too_long,
        ] {
            assert_eq!(ReturnTo::parse(&under_domain(), url), None, "{url:?}");
        }
    }

    #[test]
    fn without_a_cookie_domain_only_the_own_host_is_allowed() {
        let own = pages("https://auth.example.org:8443");
        assert!(ReturnTo::parse(&own, "https://auth.example.org/app").is_some());
        assert_eq!(ReturnTo::parse(&own, "https://app.example.org/"), None);
        let loopback = pages("http://127.0.0.1:5000");
        for url in ["http://127.0.0.1:8080/app", "https://127.0.0.1/"] {
            assert!(ReturnTo::parse(&loopback, url).is_some(), "{url}");
        }
        assert_eq!(ReturnTo::parse(&loopback, "http://localhost:8080/"), None);
        let v6 = pages("http://[::1]:5000");
        assert!(ReturnTo::parse(&v6, "http://[::1]:8080/").is_some());
    }
}
