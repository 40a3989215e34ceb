//! Cookies (RFC 6265): reading `Cookie`, writing `Set-Cookie`.

use crate::http::Request;
use core::time::Duration;

/// The name of each cookie that was sent, and its value, in the order sent. HTTP/2 clients may send several headers.
pub(super) fn all(request: &Request) -> impl Iterator<Item = (&str, &str)> {
    let pairs = request.headers("Cookie").flat_map(|line| line.split(|byte| *byte == b';'));
    pairs.filter_map(|pair| str::from_utf8(pair).ok()?.trim_matches([' ', '\t']).split_once('='))
}

/// The values of every cookie of this name.
pub(super) fn values<'a>(request: &'a Request, name: &str) -> impl Iterator<Item = &'a str> {
    all(request).filter(move |(given, _)| *given == name).map(|(_, value)| value)
}

/// A cookie that the server sets. Its deletion repeats name, path, domain and `Secure`, or browsers keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cookie<'a> {
    pub(super) name: &'a str,
    /// The domain whose hosts all receive it; `None` for this host alone.
    pub(super) domain: Option<&'a str>,
    pub(super) is_secure: bool,
}

impl Cookie<'_> {
    /// `SameSite=Lax`: sent when a link on another site leads here, not with that site's form posts. Without `max_age`,
    /// the cookie ends with the browser.
    pub(super) fn set(&self, value: &str, max_age: Option<Duration>) -> String {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let domain = self.domain.map_or(String::new(), |domain| format!("; Domain={domain}"));
        let max_age = max_age.map_or(String::new(), |max_age| format!("; Max-Age={}", max_age.as_secs()));
        format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{domain}{max_age}", self.name)
    }

    /// The deletion of the cookie.
    pub(super) fn delete(&self) -> String {
        self.set("", Some(Duration::ZERO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_by_their_exact_name() {
        let request = Request::new("GET", "/")
            .with_header("Cookie", "a=1; __Host-gatekey=x.y=;b=;  a=2 ;xa=3; nothing; A=4")
            .with_header("cookie", b"a=5; \xff=6; a=7")
            .with_header("Cookie", "");
        assert_eq!(values(&request, "a").collect::<Vec<_>>(), ["1", "2", "5", "7"]);
        assert_eq!(values(&request, "__Host-gatekey").collect::<Vec<_>>(), ["x.y="]);
        assert_eq!(values(&request, "nothing").count(), 0);
    }

    #[test]
    fn a_deletion_repeats_path_domain_and_secure() {
        let cookie = Cookie { name: "__Secure-g", domain: Some("example.org"), is_secure: true };
        assert_eq!(
            cookie.set("v", Some(Duration::from_secs(60))),
            "__Secure-g=v; Path=/; HttpOnly; SameSite=Lax; Secure; Domain=example.org; Max-Age=60"
        );
        assert_eq!(
            cookie.delete(),
            "__Secure-g=; Path=/; HttpOnly; SameSite=Lax; Secure; Domain=example.org; Max-Age=0"
        );
        let plain = Cookie { name: "g", domain: None, is_secure: false };
        assert_eq!(plain.set("v", None), "g=v; Path=/; HttpOnly; SameSite=Lax");
    }
}
