//! The URL of the server, and origins of pages (RFC 6454).

use crate::http::split_port;
use crate::realm::Link;
use crate::secret::Secret;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::num::NonZeroU16;

/// An `http` or `https` URL without query and trailing slash: `https://auth.example.org/login`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    url: String,
    origin_bytes: usize,
}

impl PublicUrl {
    /// The URL that a one-time link is sent as: that of the page where the user sets a password.
    pub fn one_time_link(&self, link: &Link) -> Secret {
        Secret::new(format!("{}/set-password?token={}", self.as_str(), link.token.expose()))
    }

    /// Parses a URL; trailing slashes are dropped.
    ///
    /// # Errors
    /// [`PublicUrlError`] for anything but scheme, host, and optionally port and path.
    pub fn parse(text: &str) -> Result<Self, PublicUrlError> {
        let url = text.trim_end_matches('/');
        let scheme = ["https://", "http://"].into_iter().find(|scheme| url.starts_with(scheme));
        let after_scheme = scheme.and_then(|scheme| url.strip_prefix(scheme)).ok_or(PublicUrlError)?;
        let authority = after_scheme.split('/').next().unwrap_or_default();
        let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}?#@".contains(&byte));
        if !is_authority(authority) || !is_plain {
            return Err(PublicUrlError);
        }
        // A browser leaves the scheme's default port out of `Origin`.
        let default_port = if scheme == Some("https://") { ":443" } else { ":80" };
        let host_and_port = authority.strip_suffix(default_port).unwrap_or(authority);
        let after_origin = after_scheme.len() - host_and_port.len();
        Ok(Self { url: url.into(), origin_bytes: url.len() - after_origin })
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// Host and optional port: `auth.example.org:8443`.
    pub fn authority(&self) -> &str {
        let after_scheme = self.url.split_once("://").map_or("", |(_scheme, rest)| rest);
        after_scheme.split('/').next().unwrap_or_default()
    }

    /// The origin, as a browser serializes it (RFC 6454 section 6.1).
    pub fn origin(&self) -> &str {
        self.url.get(..self.origin_bytes).unwrap_or_default()
    }
}

/// Whether a browser can have this host and port in its address bar: a DNS name or an address, no wildcard, and perhaps a
/// port from 1 to 65535 without zeros before it.
fn is_authority(authority: &str) -> bool {
    let (host, port) = split_port(authority);
    let is_port = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|digits| digits.parse::<NonZeroU16>().is_ok_and(|port| port.to_string() == digits));
    let is_host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
        Some(address) => address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => is_dns_name(host),
    };
    is_host && is_port
}

/// Labels of letters, digits, `-` and `_`; a last one that begins with a digit is an IPv4 address's (WHATWG URL section 3.5).
fn is_dns_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let is_address =
        name.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_digit()));
    name.split('.').all(is_label) && name.len() <= 253 && (!is_address || name.parse::<Ipv4Addr>().is_ok())
}

/// An origin, as a browser serializes it (RFC 6454 section 6.1): `https://app.example.org`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Parses an origin: scheme, host, and the port unless it is the scheme's default.
    ///
    /// # Errors
    /// [`OriginError`] for anything else, also `null` and `*`, which any page can have.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let url = PublicUrl::parse(text).map_err(|_not_a_url| OriginError)?;
        // A browser sends lower case and the shortest form of an address, so another spelling would never match.
        let (host, _) = split_port(url.authority());
        let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_shortest = address.is_none_or(|address| {
            address.parse::<Ipv6Addr>().is_ok_and(|parsed| parsed.to_string() == address)
        });
        let is_lower_case = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        let is_origin = url.origin() == text && is_lower_case && is_shortest;
        if is_origin { Ok(Self(text.into())) } else { Err(OriginError) }
    }

    /// The origin.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an origin such as https://app.example.org or http://localhost:3000, in lower case, without path, \
     slash or wildcard; name each origin"
)]
pub struct OriginError;

/// The text is not a URL that clients can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a URL such as https://auth.example.org or https://auth.example.org:8443/login: the host's name or \
     address, a port from 1 to 65535, no wildcard, user, query or fragment"
)]
pub struct PublicUrlError;

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
            ("https://a_b.example.:65535", "https://a_b.example.:65535", "https://a_b.example.:65535"),
            ("http://192.0.2.1:1", "http://192.0.2.1:1", "http://192.0.2.1:1"),
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
            "*",
            "https://*",
            "https://*.example.org",
            "https://a.*",
            "https://a.example:0",
            "https://a.example:65536",
            "https://a.example:",
            "https://a.example:/x",
            "https://a.example:http",
            "https://a.example:+443",
            "https://a.example:0443",
            "https://a..example",
            "https://.example",
            "https://a%41",
            "https://a,b",
            "https://a'b",
            "https://1.2.3",
            "https://1.2.3.256",
            "https://01.2.3.4",
            "http://[::1",
            "http://[::zz]",
            "http://[1]",
            "http://[::1]x",
            "http://::1",
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
            "https://*.example.org",
            "https://a.example:0",
            "https://a.example:65536",
            "https://a.example:",
            "http://[0:0:0:0:0:0:0:1]",
        ] {
            assert_eq!(Origin::parse(text), Err(OriginError), "{text:?}");
        }
    }
}
