//! Configuration of the sign-in pages: under which URL they work, for which hosts they set cookies, and their title.

use super::cookie::Cookie;
use crate::encoding;
use crate::http::{is_loopback_name, split_port};
use crate::routes::url::PublicUrl;
use crate::signer;
use core::net::IpAddr;

/// The sign-in pages of a server.
///
/// ```
/// use gatekey::routes::{PublicUrl, SignInPages};
/// let url = PublicUrl::parse("https://auth.example.org")?;
/// let pages = SignInPages::new(&url, "Example")?.with_cookie_domain("example.org")?;
/// assert!(SignInPages::new(&PublicUrl::parse("http://auth.example.org")?, "Example").is_err());
/// assert!(pages.with_cookie_domain("example.com").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SignInPages {
    pub(super) title: String,
    pub(super) public_url: PublicUrl,
    /// Whether the URL is `http` on a loopback host; cookies are not `Secure` there.
    pub(super) is_loopback: bool,
    pub(super) guard: Option<Guard>,
}

/// The cookie that every host under a domain receives.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    pub(super) domain: String,
    /// Depends on domain and public URL, so that instances under nested domains don't overwrite each other's cookie.
    pub(super) cookie_name: String,
}

impl SignInPages {
    /// The title unless `--title` gives another.
    pub const DEFAULT_TITLE: &str = "gatekey";

    /// Pages under this URL.
    ///
    /// # Errors
    /// [`SignInPagesError`] if browsers can't keep a cookie for this URL alone, or the title can't be shown.
    pub fn new(public_url: &PublicUrl, title: &str) -> Result<Self, SignInPagesError> {
        let url = public_url.as_str();
        let is_loopback = url.starts_with("http://") && is_loopback_host(public_url.authority());
        if !is_loopback && !url.starts_with("https://") {
            return Err(SignInPagesError::NotHttps);
        }
        if url.split_once("://").is_none_or(|(_scheme, rest)| rest != public_url.authority()) {
            return Err(SignInPagesError::Path);
        }
        if title.trim().is_empty() || title.chars().count() > 64 || title.chars().any(char::is_control) {
            return Err(SignInPagesError::Title);
        }
        Ok(Self { title: title.into(), public_url: public_url.clone(), is_loopback, guard: None })
    }

    /// The same pages, which also set the guard cookie for all hosts under this domain.
    ///
    /// # Errors
    /// [`SignInPagesError`] if browsers would drop a cookie for this domain.
    pub fn with_cookie_domain(self, domain: &str) -> Result<Self, SignInPagesError> {
        if self.is_loopback {
            return Err(SignInPagesError::DomainOnLoopback);
        }
        let domain = domain.to_ascii_lowercase();
        if !is_cookie_domain(&domain) {
            return Err(SignInPagesError::Domain);
        }
        if !is_under(self.host(), &domain) {
            return Err(SignInPagesError::OtherDomain(self.host().into()));
        }
        let instance = format!("{} {domain}", self.public_url.origin().to_ascii_lowercase());
        let hash = encoding::encode_base64url(signer::sha256(instance.as_bytes()));
        let cookie_name = format!("__Secure-gatekey-guard-{}", hash.get(..8).unwrap_or_default());
        Ok(Self { guard: Some(Guard { domain, cookie_name }), ..self })
    }

    /// The domain whose hosts all receive the guard cookie.
    pub fn cookie_domain(&self) -> Option<&str> {
        self.guard.as_ref().map(|guard| guard.domain.as_str())
    }

    /// The origin of the pages, as browsers write it: `https://auth.example.org`.
    pub(in crate::routes) fn origin(&self) -> &str {
        self.public_url.origin()
    }

    /// Whether browsers send the cookie of forward auth to this host. Cookies ignore ports (RFC 6265 section 8.5).
    pub(in crate::routes) fn cookie_reaches(&self, host: &str) -> bool {
        let host = split_port(host).0;
        match &self.guard {
            Some(guard) => is_under(host, &guard.domain),
            None => host.eq_ignore_ascii_case(self.host()),
        }
    }

    /// The public URL's host, without port.
    pub(super) fn host(&self) -> &str {
        split_port(self.public_url.authority()).0
    }

    /// The cookie of the browser session. `__Host-`: no other host can set it (RFC 6265bis, section 4.1.3.2).
    pub(super) fn session_cookie(&self) -> Cookie<'_> {
        self.host_cookie(if self.is_loopback { "gatekey" } else { "__Host-gatekey" })
    }

    /// The cookie of the guard, with `--cookie-domain`.
    pub(super) fn guard_cookie(&self) -> Option<Cookie<'_>> {
        let guard = self.guard.as_ref()?;
        Some(Cookie { name: &guard.cookie_name, domain: Some(&guard.domain), is_secure: true })
    }

    /// A cookie for this host alone.
    pub(super) fn host_cookie<'a>(&self, name: &'a str) -> Cookie<'a> {
        Cookie { name, domain: None, is_secure: !self.is_loopback }
    }
}

/// Why there can't be sign-in pages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInPagesError {
    /// Browsers keep `Secure` cookies for `https` alone.
    #[error("sign-in pages need an https public URL, or http on a loopback host")]
    NotHttps,
    /// A cookie of ours is for a whole host.
    #[error("sign-in pages need a public URL without a path")]
    Path,
    /// Empty, over 64 characters, or with control characters.
    #[error("expected a title of 1 to 64 characters, without control characters")]
    Title,
    /// A loopback host has no hosts below it.
    #[error("a cookie domain needs an https public URL")]
    DomainOnLoopback,
    /// No domain that browsers keep a cookie for.
    #[error(
        "expected a domain such as example.org: two labels or more, without scheme, port, leading dot or *, and \
         no IP address"
    )]
    Domain,
    /// The public URL's host, which is given, is not under the domain.
    #[error("browsers drop the cookie: the public URL's host, {0}, is not under that domain")]
    OtherDomain(String),
}

fn is_loopback_host(authority: &str) -> bool {
    let (name, _port) = split_port(authority);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or_else(|_| is_loopback_name(name), |address| address.is_loopback())
}

/// Whether a host is the domain or below it; the domain is in lower case.
pub(super) fn is_under(host: &str, domain: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Two labels or more, of which the last is no number (RFC 1123 section 2.1).
fn is_cookie_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let last = domain.rsplit('.').next().unwrap_or_default();
    domain.len() <= 253
        && domain.contains('.')
        && domain.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(url: &str) -> Result<SignInPages, SignInPagesError> {
        SignInPages::new(&PublicUrl::parse(url).unwrap(), "Example")
    }

    #[test]
    fn pages_need_https_or_loopback_and_no_path() {
        for url in
            ["https://a.example", "https://A.example:8443", "https://192.0.2.1", "http://localhost:5000"]
        {
            assert!(pages(url).is_ok(), "{url}");
        }
        for url in ["http://127.0.0.2", "http://[::1]:5000", "http://app.localhost"] {
            assert!(pages(url).unwrap().is_loopback, "{url}");
        }
        assert!(!pages("https://localhost").unwrap().is_loopback);
        for url in ["http://a.example", "http://192.0.2.1", "http://localhost.example", "http://[::2]"] {
            assert_eq!(pages(url).unwrap_err(), SignInPagesError::NotHttps, "{url}");
        }
        for url in ["https://a.example/auth", "http://localhost/auth", "https://a.example/a.example/"] {
            assert_eq!(pages(url).unwrap_err(), SignInPagesError::Path, "{url}");
        }
    }

    #[test]
    fn a_title_can_be_shown() {
        let url = PublicUrl::parse("https://a.example").unwrap();
        for title in ["a", "<b>\u{e9}", &"x".repeat(64)] {
            assert!(SignInPages::new(&url, title).is_ok(), "{title}");
        }
        for title in ["", " ", "a\r\nb", "a\0", &"x".repeat(65)] {
            assert_eq!(SignInPages::new(&url, title).unwrap_err(), SignInPagesError::Title, "{title:?}");
        }
    }

    #[test]
    fn a_cookie_domain_is_one_that_browsers_keep_a_cookie_for() {
        let with = |domain| pages("https://auth.s1.Example.org:8443").unwrap().with_cookie_domain(domain);
        for domain in ["example.org", "Example.ORG", "s1.example.org", "auth.s1.example.org"] {
            assert!(with(domain).is_ok(), "{domain}");
        }
        let too_long = "a.".repeat(126) + "org";
        for domain in [
            "",
            "org",
            "localhost",
            ".example.org",
            "*.example.org",
            "example.org:443",
            "https://example.org",
            "example.org/",
            "example.org.",
            "example..org",
            "192.0.2.1",
            "[::1]",
            "-a.org",
            "a-.org",
            "a b.org",
            "\u{e9}.org",
            "example.org;Path=/x",
            &too_long,
        ] {
            assert_eq!(with(domain).unwrap_err(), SignInPagesError::Domain, "{domain:?}");
        }
        for domain in ["example.com", "ple.org", "x.auth.s1.example.org", "s2.example.org"] {
            assert!(matches!(with(domain).unwrap_err(), SignInPagesError::OtherDomain(_)), "{domain}");
        }
        assert!(pages("http://a.localhost").unwrap().with_cookie_domain("a.localhost").is_err());
    }

    #[test]
    fn nested_instances_and_loopback_have_cookies_of_their_own() {
        let name = |url, domain| {
            let pages = pages(url).unwrap().with_cookie_domain(domain).unwrap();
            pages.guard_cookie().unwrap().name.to_owned()
        };
        let outer = name("https://auth.d1.example", "d1.example");
        assert!(outer.starts_with("__Secure-gatekey-guard-"), "{outer}");
        assert_ne!(outer, name("https://auth.s1.d1.example", "s1.d1.example"));
        assert_ne!(outer, name("https://auth2.d1.example", "d1.example"));
        assert_eq!(outer, name("https://AUTH.d1.example", "D1.example"));
        let cookie = |url| pages(url).unwrap().session_cookie().set("v", None);
        assert_eq!(cookie("https://a.example"), "__Host-gatekey=v; Path=/; HttpOnly; SameSite=Lax; Secure");
        assert_eq!(cookie("http://localhost"), "gatekey=v; Path=/; HttpOnly; SameSite=Lax");
    }
}
