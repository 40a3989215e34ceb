//! Targets of requests: paths, their names in log and metrics, and their methods.

use super::pages::Page;
use super::verify;
use crate::user_id::UserId;

/// The path of the health check.
pub const HEALTH_PATH: &str = Target::Health.route();

/// The target of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The users.
    Users,
    /// One user, who need not exist.
    User(UserId),
    /// The principal's token.
    Token,
    /// The protected resource of the article.
    Resource,
    /// Forward auth.
    Verify,
    /// Health check.
    Health,
    /// The OpenAPI document.
    Description,
    /// The interactive page that demonstrates the API.
    Learn,
    /// A sign-in page.
    Page(Page),
}

impl Target {
    /// Finds the target of a path, which is not decoded: each has one spelling.
    pub(super) fn at(path: &str) -> Option<Self> {
        match path {
            "/api/users" => Some(Self::Users),
            "/api/token" => Some(Self::Token),
            "/api/resource" => Some(Self::Resource),
            HEALTH_PATH => Some(Self::Health),
            "/openapi.json" => Some(Self::Description),
            "/learn" => Some(Self::Learn),
            "/" => Some(Self::Page(Page::Home)),
            "/login" => Some(Self::Page(Page::Login)),
            "/logout" => Some(Self::Page(Page::Logout)),
            "/register" => Some(Self::Page(Page::Register)),
            "/account" => Some(Self::Page(Page::Account)),
            _ if verify::is_path(path) => Some(Self::Verify),
            _ => path.strip_prefix("/api/users/").and_then(UserId::parse).map(Self::User),
        }
    }

    /// The route's name in log and metrics.
    pub(super) const fn route(self) -> &'static str {
        match self {
            Self::Users => "/api/users",
            Self::User(_) => "/api/users/{id}",
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
            Self::Page(Page::Account) => "/account",
        }
    }

    /// The value of `Allow` (RFC 9110 section 10.2.1); `None` if any method is allowed.
    pub(super) fn allow(self) -> Option<&'static str> {
        match self {
            Self::Users => Some("OPTIONS, POST"),
            Self::User(_) => Some("DELETE, GET, HEAD, OPTIONS, PUT"),
            Self::Token => Some("DELETE, GET, HEAD, OPTIONS"),
            Self::Resource | Self::Health | Self::Description | Self::Learn | Self::Page(Page::Home) => {
                Some("GET, HEAD, OPTIONS")
            }
            Self::Page(_) => Some("GET, HEAD, OPTIONS, POST"),
            Self::Verify => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_one_spelling() {
        let user = |id| UserId::new(id).map(Target::User);
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
            ("//", None),
            ("/index.html", None),
            ("", None),
            ("*", None),
        ] {
            assert_eq!(Target::at(path), target, "{path:?}");
        }
    }
}
