//! Forward auth, `/api/verify`: a proxy sends a subrequest before it passes a request to an app (nginx
//! `auth_request`, Caddy `forward_auth`, Traefik `forwardAuth`, Envoy `ext_authz`).
//!
//! The subrequest has the client's method and headers; the proxy decides by the status. Therefore every
//! method is authenticated, also OPTIONS. Credentials in `Authorization` need no CSRF check: state changes are the app's.
//!
//! ```text
//! /api/verify?group=staff&user=bob             the query has the conditions; named users and groups are alternatives
//! /api/verify/-/user=alice&user=bob/...        Envoy's `path_prefix`: the path has them, up to the next slash
//! /api/verify/...                              no conditions; path and query are the app's
//! ```
//!
//! An `Authorization` header decides alone. Without one, the cookie of the sign-in pages decides. Then a request that
//! changes something must come from the app's own origin: browsers attach cookies to cross-site requests too.
//!
//! `Remote-User` is percent-encoded, except for unreserved characters (RFC 3986 section 2.3): usernames may
//! contain separators at which proxies, apps and logs split header values.
//!
//! Left out: `+`, which is a space in form encoding and a plus sign in RFC 3986. It is 400.

use super::context::RequestContext;
use super::error::ApiError;
use super::forwarded::{forwarded, forwarded_line, web_scheme};
use super::login_redirect::{self, GuardedRequest, Intent, NoRedirect, intent};
use super::pages::guard::{self, Visitor};
use super::percent;
use super::sign_in_pages::SignInPages;
use super::url::Origin;
use crate::group_name::GroupName;
use crate::http::{ErrorCode, Request, Response};
use crate::unicode;
use std::borrow::Cow;

/// Identity headers that a proxy copies from the response, replacing those of the client.
const SET_BY_PROXIES: [&str; 3] = ["Remote-User", "Remote-User-Id", "Remote-Groups"];

/// Whether a path is `/api/verify` or below it.
pub(super) fn is_path(path: &str) -> bool {
    suffix(path).is_some()
}

/// The rest of the path after `/api/verify`: empty, or a slash and optionally more.
fn suffix(path: &str) -> Option<&str> {
    path.strip_prefix("/api/verify").filter(|suffix| suffix.is_empty() || suffix.starts_with('/'))
}

/// 200 with `Remote-User` and `Remote-User-Id` for an authenticated user who meets the conditions. `Cookie` has the
/// client's cookies without gatekey's, for the app.
pub(super) fn verify(context: &RequestContext<'_>) -> Result<Response, ApiError> {
    let request = context.request;
    reject_spoofed_identity(request)?;
    let conditions = Conditions::parse(conditions(request))?;
    let pages = context.config.sign_in_pages.as_ref();
    let has_authorization = !conditions.cookie_only && context.has_authorization();
    let principal = match pages.filter(|_| !has_authorization) {
        None => context.authenticate()?,
        Some(pages) => match guard::visitor(context, pages)? {
            Visitor::SignedIn(visitor) => {
                reject_cross_site(context, &conditions)?;
                visitor
            }
            Visitor::SignedOut => return unauthenticated(context, pages, &conditions, "not signed in"),
            Visitor::Ambiguous => {
                return unauthenticated(context, pages, &conditions, "more than one live session cookie");
            }
        },
    };
    let is_principal = |name: &String| unicode::nfc(name) == principal.username;
    let groups = if conditions.asks_for_groups() {
        context.realm.groups_of(principal.id, context.reads)?
    } else {
        Vec::new()
    };
    let is_member = |group: &GroupName| groups.iter().any(|own| own == group.as_str());
    let admits_all = conditions.users.is_empty() && conditions.groups.is_empty();
    let is_admitted =
        admits_all || conditions.users.iter().any(is_principal) || conditions.groups.iter().any(is_member);
    if !is_admitted {
        return Err(ApiError::not_allowed(principal.id));
    }
    let mut response = Response::empty(200)
        .with_header("Remote-User", percent::encode(&principal.username, percent::is_unreserved))
        .with_header("Remote-User-Id", principal.id.to_string());
    if conditions.asks_for_groups() {
        response.headers.push(("Remote-Groups", groups.join(",").into()));
    }
    response.headers.extend(guard::cookies_of_app(request).map(|cookies| ("Cookie", cookies.into())));
    Ok(response.for_user(principal.id))
}

/// The answer to a client without credentials: a redirect to the login page for a browser that navigates, else 401.
fn unauthenticated(
    context: &RequestContext<'_>,
    pages: &SignInPages,
    conditions: &Conditions,
    cause: &'static str,
) -> Result<Response, ApiError> {
    let request = context.request;
    let is_browser = guard::has_own_cookie(request)
        || request.header_names().any(|name| name.to_ascii_lowercase().starts_with("sec-fetch-"));
    let plain = if conditions.login != Login::Off && is_browser {
        ApiError::not_signed_in()
    } else {
        ApiError::unauthorized(context.scheme)
    };
    let guarded = guarded_request(context);
    let intent = intent(guarded.method.unwrap_or_default(), request);
    if conditions.login != Login::Redirect || intent == Intent::Other {
        return Err(plain.because(cause));
    }
    let login_url = match guarded.login_url(pages) {
        Ok(login_url) => login_url,
        Err(NoRedirect(reason)) => {
            return Err(plain.because(format!("{cause}; no redirect to the login page: {reason}")));
        }
    };
    let mut response = match intent {
        Intent::Navigation => Response::empty(303).with_header("Location", login_url),
        Intent::FramedNavigation => guard::sign_in_page(context, pages, true, &login_url),
        Intent::FormPost | Intent::Other => {
            guard::sign_in_page(context, pages, false, &format!("{}/login", pages.origin()))
        }
    };
    response.record.cause = Some(cause.into());
    Ok(response)
}

/// The client's request to the app. A proxy reports it in `X-Forwarded` headers. Envoy sends method and URI as its own.
fn guarded_request<'a>(context: &RequestContext<'a>) -> GuardedRequest<'a> {
    let forwarded = |name| forwarded(context, name);
    let own_uri = || uri_of_app(context.request).filter(|_| context.origin.has_trusted_proxy);
    GuardedRequest {
        method: client_method(context),
        scheme: forwarded("X-Forwarded-Proto"),
        host: forwarded("X-Forwarded-Host"),
        uri: forwarded_line(context, "X-Forwarded-Uri").map(Cow::Borrowed).or_else(own_uri),
    }
}

/// The method of the client's request, if a trusted proxy reports it.
fn client_method<'a>(context: &RequestContext<'a>) -> Option<&'a str> {
    let is_envoys = || context.origin.has_trusted_proxy && context.request.path.starts_with("/api/verify/");
    forwarded(context, "X-Forwarded-Method")
        .or_else(|| is_envoys().then_some(context.request.method.as_str()))
}

/// Path and query of the app, in a path below `/api/verify/`.
fn uri_of_app(request: &Request) -> Option<Cow<'_, str>> {
    let suffix = suffix(&request.path).filter(|suffix| !suffix.is_empty())?;
    let path = match suffix.strip_prefix("/-/") {
        Some(rest) => rest.find('/').and_then(|end| rest.get(end..)).unwrap_or("/"),
        None => suffix,
    };
    Some(match &request.query {
        Some(query) => format!("{path}?{query}").into(),
        None => path.into(),
    })
}

/// Rejects a request by cookie that changes something, or opens a websocket, unless a page of the app sends it.
fn reject_cross_site(context: &RequestContext<'_>, conditions: &Conditions) -> Result<(), ApiError> {
    let request = context.request;
    let is_handshake =
        ["Upgrade", "Sec-WebSocket-Key"].iter().any(|name| request.headers(name).next().is_some());
    // A proxy's subrequest is a GET. Without a reported method, the client's may be any.
    if matches!(client_method(context), Some("GET" | "HEAD")) && !is_handshake {
        return Ok(());
    }
    let guarded = guarded_request(context);
    let sent_origin = request.header("Origin");
    let is_named = conditions.origins.iter().any(|origin| sent_origin == Some(origin.as_str().as_bytes()));
    let app_origin = guarded.scheme.and_then(web_scheme).zip(guarded.host);
    let app_origin = app_origin.map(|(scheme, host)| login_redirect::origin(scheme, host));
    let is_same_origin = match request.header("Sec-Fetch-Site") {
        Some(site) => site == b"same-origin" || site == b"none",
        None => sent_origin.is_some() && sent_origin == app_origin.as_deref().map(str::as_bytes),
    };
    if is_same_origin || is_named { Ok(()) } else { Err(ApiError::cross_site()) }
}

/// Rejects spoofed identity headers in spellings that the proxy doesn't replace. CGI maps several spellings
/// to one variable (RFC 3875 section 4.1.18). The shipped configurations remove the spellings that their
/// proxy can match.
fn reject_spoofed_identity(request: &Request) -> Result<(), ApiError> {
    let is_replaced = |name: &str| SET_BY_PROXIES.iter().any(|set| set.eq_ignore_ascii_case(name));
    if request.header_names().any(|name| is_identity(name) && !is_replaced(name)) {
        let message =
            "A header's name begins like Remote-User or Remote-Groups; only the proxy may send such headers.";
        return Err(ApiError::new(ErrorCode::MalformedRequest, message));
    }
    Ok(())
}

/// Whether a header name starts with `remote-user` or `remote-groups`, in any case and with any separators.
fn is_identity(name: &str) -> bool {
    let mut words = name.split(|character: char| !character.is_ascii_alphanumeric());
    let begins = |word: &str, with: &str| {
        word.as_bytes().get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()))
    };
    words.next().is_some_and(|word| word.eq_ignore_ascii_case("remote"))
        && words
            .find(|word| !word.is_empty())
            .is_some_and(|word| begins(word, "user") || begins(word, "groups"))
}

/// The conditions: the query of `/api/verify`; in a longer path, whose query is the app's, the segment after
/// `/-/`.
fn conditions(request: &Request) -> &str {
    match suffix(&request.path) {
        None | Some("") => request.query.as_deref().unwrap_or_default(),
        Some(suffix) => {
            suffix.strip_prefix("/-/").and_then(|rest| rest.split('/').next()).unwrap_or_default()
        }
    }
}

/// What a browser that navigates and is not signed in gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Login {
    /// 401, as every client.
    #[default]
    Off,
    /// `login`: a redirect to the login page.
    Redirect,
    /// `login=401`: the same with 401 in place of 303, for proxies that replace other statuses.
    As401,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Conditions {
    /// `user=alice`: the usernames that are allowed; none allow all.
    users: Vec<String>,
    /// `group=staff`: the groups that are allowed, besides the users.
    groups: Vec<GroupName>,
    /// `groups`: the app gets the user's groups, though no condition names one.
    with_groups: bool,
    login: Login,
    /// `cookie-only`: the app reads `Authorization` itself.
    cookie_only: bool,
    /// `origin=https://spa.example.org`: further origins whose requests are accepted by cookie.
    origins: Vec<Origin>,
}

impl Conditions {
    /// Rejects anything unknown: a misspelt parameter would allow all users.
    fn parse(text: &str) -> Result<Self, ApiError> {
        if text.contains('+') {
            let message = "The conditions have a +, which can mean two things; send %20 for a space, %2B for a plus sign.";
            return Err(ApiError::new(ErrorCode::MalformedRequest, message));
        }
        let mut conditions = Self::default();
        let mut parameters = text.split('&').filter(|parameter| !parameter.is_empty());
        parameters.try_for_each(|parameter| conditions.add(parameter)).ok_or_else(|| {
            let message = "The conditions are not understood; expected user=NAME, group=NAME, groups, login, login=401, \
                           cookie-only or origin=ORIGIN, several with & between, percent-encoded.";
            ApiError::new(ErrorCode::MalformedRequest, message)
        })?;
        Ok(conditions)
    }

    /// Whether the answer needs the user's groups. Otherwise they are not read.
    fn asks_for_groups(&self) -> bool {
        self.with_groups || !self.groups.is_empty()
    }

    /// Adds one condition; `None` for an unknown one.
    fn add(&mut self, parameter: &str) -> Option<()> {
        match parameter.split_once('=') {
            None if parameter == "login" && self.login == Login::As401 => {}
            None if parameter == "login" => self.login = Login::Redirect,
            Some(("login", "401")) => self.login = Login::As401,
            None if parameter == "cookie-only" => self.cookie_only = true,
            None if parameter == "groups" => self.with_groups = true,
            Some(("group", name)) => self.groups.push(GroupName::parse(name).ok()?),
            Some(("user", name)) => self.users.push(percent::decode(name)?),
            Some(("origin", origin)) => self.origins.push(Origin::parse(&percent::decode(origin)?).ok()?),
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_conditions_are_rejected() {
        for (query, users) in [
            ("", vec![]),
            ("user=alice", vec!["alice"]),
            ("user=alice&user=bob&", vec!["alice", "bob"]),
            ("user=jos%c3%A9&user=a%2Bb&user=a%20b", vec!["josé", "a+b", "a b"]),
            ("user=", vec![""]),
        ] {
            let expected = users.iter().map(ToString::to_string).collect();
            let expected = Conditions { users: expected, ..Conditions::default() };
            assert_eq!(Conditions::parse(query).ok(), Some(expected), "{query}");
        }
        for query in [
            "users=alice",
            "alice",
            "user=alice&x=1",
            "user=%",
            "user=%4",
            "user=%zz",
            "user=%+1",
            "user=a+b",
            "+",
            "user=%FF",
            "User=a",
            "login=",
            "login=303",
            "Login",
            "cookie",
            "cookie-only=1",
            "group=",
            "group=Staff",
            "group=a,b",
            "groups=a",
            "group",
            "origin",
            "origin=*",
            "origin=https://a.example/",
        ] {
            assert!(Conditions::parse(query).is_err(), "{query}");
        }
    }

    #[test]
    fn conditions_can_be_combined() {
        let text = "login&user=a&cookie-only&origin=https%3A%2F%2Fspa.example.org&user=b";
        let expected = Conditions {
            users: vec!["a".into(), "b".into()],
            login: Login::Redirect,
            cookie_only: true,
            origins: vec![Origin::parse("https://spa.example.org").unwrap()],
            ..Conditions::default()
        };
        assert_eq!(Conditions::parse(text).unwrap(), expected);
        let expected = Conditions {
            groups: ["staff", "a.b"].map(|name| GroupName::parse(name).unwrap()).into(),
            with_groups: true,
            ..Conditions::default()
        };
        assert_eq!(Conditions::parse("group=staff&group=a.b&groups").unwrap(), expected);
    }

    #[test]
    fn envoy_sends_the_uri_of_the_app_behind_the_prefix() {
        for (target, expected) in [
            ("/api/verify", None),
            ("/api/verify?login", None),
            ("/api/verify/", Some("/")),
            ("/api/verify/page?x=1&y=2", Some("/page?x=1&y=2")),
            ("/api/verify/-/login/page?x=1", Some("/page?x=1")),
            ("/api/verify/-/login&user=a/-/b", Some("/-/b")),
            ("/api/verify/-/login", Some("/")),
        ] {
            assert_eq!(uri_of_app(&Request::new("GET", target)).as_deref(), expected, "{target}");
        }
    }

    #[test]
    fn conditions_are_in_the_query_or_in_a_path_segment() {
        for (target, expected) in [
            ("/api/verify", ""),
            ("/api/verify?user=a", "user=a"),
            ("/api/verify/?user=a", ""),
            ("/api/verify/app?user=a", ""),
            ("/api/verify/-?user=a", ""),
            ("/api/verify/-/user=a", "user=a"),
            ("/api/verify/-/user=a/", "user=a"),
            ("/api/verify/-/user=a&user=b/app/-/user=c?user=d", "user=a&user=b"),
            ("/api/verify/-//user=a", ""),
            ("/api/verify/app/-/user=a", ""),
            ("/api/verify//-/user=a", ""),
        ] {
            assert_eq!(conditions(&Request::new("GET", target)), expected, "{target}");
        }
    }

    #[test]
    fn a_spoofed_identity_header_is_detected_in_every_spelling() {
        for separator in "!#$%&'*+-.^_`|~".chars() {
            for name in ["Remote@User", "REMOTE@USER@ID", "remote@groups", "Remote@@User", "remote@username"]
            {
                let name = name.replace('@', separator.encode_utf8(&mut [0; 4]));
                assert!(is_identity(&name), "{name}");
            }
        }
        for name in
            ["X-Remote-User", "-Remote-User", "Remote", "Remote-", "RemoteUser", "Remote-Us", "Remote-Addr"]
        {
            assert!(!is_identity(name), "{name}");
        }
    }
}
