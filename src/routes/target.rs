//! Targets of requests: paths, their names in log and metrics, and their methods.

use super::pages::page::Page;
use super::verify;
use crate::session_id::SessionId;
use crate::user_id::UserId;

/// The path of the health check.
pub const HEALTH_PATH: &str = Target::Health.route();

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The users.
    Users,
    /// One user, who need not exist; `None` is the principal.
    User(Option<UserId>),
    /// A one-time link for a user, who need not exist.
    UserLink(UserId),
    /// The principal.
    Me,
    /// The principal's sessions and named tokens.
    Sessions,
    /// One of them, which need not exist.
    Session(SessionId),
    /// The principal's token.
    Token,
    /// The protected resource of the article.
    Resource,
    /// Forward auth.
    Verify,
    Health,
    /// The OpenAPI document.
    Description,
    /// The interactive page that demonstrates the API.
    Learn,
    Page(Page),
}

impl Target {
    /// Finds the target of a path, which is not decoded: each has one spelling.
    pub(super) fn at(path: &str) -> Option<Self> {
        match path {
            "/api/users" => Some(Self::Users),
            "/api/users/me" => Some(Self::User(None)),
            "/api/me" => Some(Self::Me),
            "/api/tokens" => Some(Self::Sessions),
            "/api/token" => Some(Self::Token),
            "/api/resource" => Some(Self::Resource),
            HEALTH_PATH => Some(Self::Health),
            "/openapi.json" => Some(Self::Description),
            "/learn" => Some(Self::Learn),
            "/" => Some(Self::Page(Page::Home)),
            "/login" => Some(Self::Page(Page::Login)),
            "/logout" => Some(Self::Page(Page::Logout)),
            "/register" => Some(Self::Page(Page::Register)),
            "/forgot-password" => Some(Self::Page(Page::ForgotPassword)),
            "/set-password" => Some(Self::Page(Page::SetPassword)),
            "/account" => Some(Self::Page(Page::Account)),
            _ if verify::is_path(path) => Some(Self::Verify),
            _ => match (path.strip_prefix("/api/users/"), path.strip_prefix("/api/tokens/")) {
                (Some(rest), _) => match rest.strip_suffix("/link") {
                    Some(id) => UserId::parse(id).map(Self::UserLink),
                    None => UserId::parse(rest).map(|id| Self::User(Some(id))),
                },
                (None, Some(id)) => SessionId::parse(id).map(Self::Session),
                (None, None) => None,
            },
        }
    }

    /// The route's name in log and metrics.
    pub(super) const fn route(self) -> &'static str {
        match self {
            Self::Users => "/api/users",
            Self::User(_) => "/api/users/{id}",
            Self::UserLink(_) => "/api/users/{id}/link",
            Self::Me => "/api/me",
            Self::Sessions => "/api/tokens",
            Self::Session(_) => "/api/tokens/{id}",
            Self::Token => "/api/token",
            Self::Resource => "/api/resource",
            Self::Verify => "/api/verify",
            Self::Health => "/healthz",
            Self::Description => "/openapi.json",
            Self::Learn => "/learn",
            Self::Page(Page::Home) => "/",
            Self::Page(Page::Login) => "/login",
            Self::Page(Page::Logout) => "/logout",
            Self::Page(Page::Register) => "/register",
            Self::Page(Page::ForgotPassword) => "/forgot-password",
            Self::Page(Page::SetPassword) => "/set-password",
            Self::Page(Page::Account) => "/account",
        }
    }

    /// The value of `Allow` (RFC 9110 section 10.2.1); `None` if any method is allowed.
    pub(super) fn allow(self) -> Option<&'static str> {
        match self {
            Self::UserLink(_) => Some("OPTIONS, POST"),
            Self::User(_) => Some("DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
            Self::Session(_) => Some("DELETE, OPTIONS"),
            Self::Token => Some("DELETE, GET, HEAD, OPTIONS"),
            Self::Me
            | Self::Resource
            | Self::Health
            | Self::Description
            | Self::Learn
            | Self::Page(Page::Home) => Some("GET, HEAD, OPTIONS"),
            Self::Users | Self::Sessions | Self::Page(_) => Some("GET, HEAD, OPTIONS, POST"),
            Self::Verify => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_one_spelling() {
        let user = |id| UserId::new(id).map(|id| Target::User(Some(id)));
        let session = SessionId::parse("AAECAwQFBgcICQoLDA0ODw").map(Target::Session);
        for (path, target) in [
            ("/api/users", Some(Target::Users)),
            ("/api/users/1", user(1)),
            ("/api/users/9223372036854775807", user(i64::MAX)),
            ("/api/token", Some(Target::Token)),
            ("/api/resource", Some(Target::Resource)),
            ("/api/verify", Some(Target::Verify)),
            ("/api/verify/", Some(Target::Verify)),
            ("/api/verify/app/../x", Some(Target::Verify)),
            ("/api/verify-", None),
            ("/api/verif", None),
            ("/healthz", Some(Target::Health)),
            ("/healthz/", None),
            ("/openapi.json", Some(Target::Description)),
            ("/api/users/me", Some(Target::User(None))),
            ("/api/users/ME", None),
            ("/api/users/7/link", UserId::new(7).map(Target::UserLink)),
            ("/api/users/me/link", None),
            ("/api/users/7/link/", None),
            ("/api/users//link", None),
            ("/api/me", Some(Target::Me)),
            ("/api/tokens", Some(Target::Sessions)),
            ("/api/tokens/", None),
            ("/api/tokens/AAECAwQFBgcICQoLDA0ODw", session),
            ("/api/tokens/AAECAwQFBgcICQoLDA0ODx", None),
            ("/api/tokens/AAECAwQFBgcICQoLDA0ODw==", None),
            ("/api/users/", None),
            ("/api/users/0", None),
            ("/api/users/01", None),
            ("/api/users/-1", None),
            ("/api/users/+1", None),
            ("/api/users/1/", None),
            ("/api/users/9223372036854775808", None),
            ("/api/users/%31", None),
            ("/api//users", None),
            ("/api/../api/users", None),
            ("/API/users", None),
            ("/api/token/", None),
            ("/learn", Some(Target::Learn)),
            ("/learn/", None),
            ("/", Some(Target::Page(Page::Home))),
            ("/login", Some(Target::Page(Page::Login))),
            ("/login/", None),
            ("/set-password", Some(Target::Page(Page::SetPassword))),
            ("//", None),
            ("/index.html", None),
            ("", None),
            ("*", None),
        ] {
            assert_eq!(Target::at(path), target, "{path:?}");
        }
    }
}
