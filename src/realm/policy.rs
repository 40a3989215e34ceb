//! What an operator decides about a realm.

use crate::proxies::TrustedProxies;
use crate::throttle::Rules;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

/// The rules that an operator may turn, with the defaults of `gatekey serve`.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How long a token is valid. Default: 10 minutes, the article's.
    pub token_lifetime: Duration,
    /// How long tokens may be renewed without the password. Default: 30 days (NIST SP 800-63B, AAL1).
    pub max_session: Duration,
    /// Whether strangers may register. Default: open.
    pub registration: Registration,
    /// Whose names may be looked up by id. Default: `None`, as [`Policy::effective_user_lookup`] fills it in: anybody's
    /// while registration is open, one's own when it is closed.
    pub user_lookup: Option<UserLookup>,
    /// The least number of characters of a new password. Default: 1.
    pub min_password_chars: usize,
    /// How often a password may be wrong, and a user registered or looked up; `None` for as often as one likes. Default:
    /// [`Rules::default`].
    pub throttle: Option<Rules>,
    /// Under which URL clients reach the realm, if it is known.
    pub public_url: Option<PublicUrl>,
    /// Whose word is taken on who the client is. Default: nobody's.
    pub trusted_proxies: TrustedProxies,
    /// Whose pages may read answers besides our own. Default: nobody's.
    pub cors_origins: Vec<Origin>,
    /// Whether the routes have the page at `/`. Default: no, since whoever embeds them has pages of their own; `gatekey serve`
    /// has it.
    pub page: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            token_lifetime: Duration::from_secs(600),
            max_session: Duration::from_secs(30 * 86_400),
            registration: Registration::Open,
            user_lookup: None,
            min_password_chars: 1,
            throttle: Some(Rules::default()),
            public_url: None,
            trusted_proxies: TrustedProxies::default(),
            cors_origins: Vec::new(),
            page: false,
        }
    }
}

impl Policy {
    /// Whose names may be looked up, with the default filled in.
    pub fn effective_user_lookup(&self) -> UserLookup {
        self.user_lookup.unwrap_or(match self.registration {
            Registration::Open => UserLookup::Public,
            Registration::Closed => UserLookup::Own,
        })
    }
}

/// Whether strangers may register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Anybody may.
    Open,
    /// Only an operator adds users.
    Closed,
}

/// Whose names may be looked up by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserLookup {
    /// Anybody's, by anybody.
    Public,
    /// One's own.
    Own,
}

/// An `http` or `https` URL without query, and without a slash at its end: `https://auth.example.org/login`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    url: String,
    origin_bytes: usize,
}

impl PublicUrl {
    /// Checks a URL; slashes at its end are dropped.
    ///
    /// # Errors
    /// [`PublicUrlError`] for anything but scheme, host, and perhaps port and path.
    pub fn parse(text: &str) -> Result<Self, PublicUrlError> {
        let url = text.trim_end_matches('/');
        let scheme = ["https://", "http://"].into_iter().find(|scheme| url.starts_with(scheme));
        let after_scheme = scheme.and_then(|scheme| url.strip_prefix(scheme)).ok_or(PublicUrlError)?;
        let authority = after_scheme.split('/').next().unwrap_or_default();
        let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}?#@".contains(&byte));
        if authority.is_empty() || authority.starts_with(':') || !is_plain {
            return Err(PublicUrlError);
        }
        // A browser leaves out of `Origin` the port that its scheme implies.
        let default_port = if scheme == Some("https://") { ":443" } else { ":80" };
        let host_and_port = authority.strip_suffix(default_port).unwrap_or(authority);
        let after_origin = after_scheme.len() - host_and_port.len();
        Ok(Self { url: url.into(), origin_bytes: url.len() - after_origin })
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// Scheme, host and port, as a browser's `Origin` has them (RFC 6454 section 6.1).
    pub fn origin(&self) -> &str {
        self.url.get(..self.origin_bytes).unwrap_or_default()
    }
}

/// A site, as a browser's `Origin` names it (RFC 6454 section 6.1): `https://app.example.org`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Checks an origin: scheme and host, and the port unless the scheme implies it.
    ///
    /// # Errors
    /// [`OriginError`] for anything else; `null` and `*`, which are everybody's, too.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let url = PublicUrl::parse(text).map_err(|_not_a_url| OriginError)?;
        // A browser writes it in lower case, so another spelling would never be matched.
        let is_origin = url.origin() == text && !text.bytes().any(|byte| byte.is_ascii_uppercase());
        if is_origin { Ok(Self(text.into())) } else { Err(OriginError) }
    }

    /// The origin.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not such an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginError;

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "expected an origin such as https://app.example.org, in lower case, without path or slash",
        )
    }
}

impl core::error::Error for OriginError {}

/// The text is not such a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicUrlError;

impl fmt::Display for PublicUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a URL such as https://auth.example.org, without user, query or fragment")
    }
}

impl core::error::Error for PublicUrlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_has_an_origin() {
        for (text, url, origin) in [
            ("https://a.example", "https://a.example", "https://a.example"),
            ("https://a.example/", "https://a.example", "https://a.example"),
            ("http://a.example:8080/auth/", "http://a.example:8080/auth", "http://a.example:8080"),
            ("http://[::1]:5000", "http://[::1]:5000", "http://[::1]:5000"),
            ("https://a.example:443/auth", "https://a.example:443/auth", "https://a.example"),
            ("http://[::1]:80", "http://[::1]:80", "http://[::1]"),
            ("https://a.example:80", "https://a.example:80", "https://a.example:80"),
        ] {
            let parsed = PublicUrl::parse(text).unwrap();
            assert_eq!((parsed.as_str(), parsed.origin()), (url, origin));
        }
        for text in [
            "",
            "https://",
            "a.example",
            "ftp://a.example",
            "https:///x",
            "https://:443",
            "https://a b",
            "https://u@a",
            "https://a?q",
            "https://a#f",
            "https://é.example",
            "https://a\r\n",
        ] {
            assert_eq!(PublicUrl::parse(text), Err(PublicUrlError), "{text:?}");
        }
    }

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for text in ["https://a.example", "http://a.example:8080", "http://[::1]:5000", "http://localhost"] {
            assert_eq!(Origin::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "",
            "*",
            "null",
            "a.example",
            "https://a.example/",
            "https://a.example/x",
            "https://A.example",
            "https://a.example:443",
        ] {
            assert_eq!(Origin::parse(text), Err(OriginError), "{text:?}");
        }
    }

    #[test]
    fn looking_up_follows_registration_unless_told_otherwise() {
        let policy = |registration, user_lookup| {
            Policy { registration, user_lookup, ..Policy::default() }.effective_user_lookup()
        };
        assert_eq!(policy(Registration::Open, None), UserLookup::Public);
        assert_eq!(policy(Registration::Closed, None), UserLookup::Own);
        assert_eq!(policy(Registration::Open, Some(UserLookup::Own)), UserLookup::Own);
        assert_eq!(policy(Registration::Closed, Some(UserLookup::Public)), UserLookup::Public);
    }
}
