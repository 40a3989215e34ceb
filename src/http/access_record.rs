//! What the access log, the metrics and the audit events know of a request. Never sent to the client.

use super::error::ErrorCode;
use crate::client::Client;
use crate::user_id::UserId;

/// The record of one request, filled in by its route.
#[derive(Clone, Debug, Default)]
pub struct AccessRecord {
    /// The route's name: `/api/users/{id}`. `None` if the path has no route.
    pub route: Option<&'static str>,
    /// The client address, behind trusted proxies the forwarded one. `None` if the request was rejected
    /// before that was known.
    pub client: Option<Client>,
    /// The peer whose `X-Forwarded` headers were ignored, because it is not a trusted proxy.
    pub ignored_forwarding: Option<Client>,
    /// The user who was authenticated, or whom the rejected credentials name.
    pub user: Option<UserId>,
    /// The result of the authentication. `None` if no credentials were checked.
    pub auth: Option<AuthRecord>,
    /// The name of the existing user of a failed login. Only security events may log it: people type
    /// passwords into the name field.
    pub username: Option<String>,
    /// The user whom an administrator changed.
    pub target: Option<UserId>,
    /// The audit event that the request caused.
    pub audit: Option<AuditEvent>,
    /// The code of an error response.
    pub error: Option<ErrorCode>,
    /// The error and its chain of causes.
    pub cause: Option<String>,
}

/// The result of an authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthRecord {
    /// What the client sent.
    pub kind: CredentialKind,
    /// What the check found.
    pub outcome: AuthOutcome,
}

/// A kind of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// A username and a password: a login.
    Password,
    /// A token.
    Token,
}

/// What the check of credentials found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthOutcome {
    /// They are valid.
    Accepted,
    /// They are invalid.
    Refused,
    /// A rate limit rejected the attempt before the check.
    RateLimited,
    /// The check failed: the store or the hash pool was unavailable.
    Error,
}

/// What a request did to an account. The route that causes an event sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditEvent {
    /// A password was wrong.
    LoginFailed,
    /// A rate limit rejected the request.
    RateLimited,
    /// A user registered.
    Registered,
    /// A user changed the password.
    PasswordChanged,
    /// A user deleted the own account.
    Deleted,
    /// An administrator, proved by the password, added the user [`AccessRecord::target`].
    AddedByAdministrator,
    /// An administrator, proved by the password, deleted the user [`AccessRecord::target`].
    DeletedByAdministrator,
    /// An administrator, proved by the password, changed the user [`AccessRecord::target`].
    ChangedByAdministrator,
    /// An administrator, proved by the password, made a link for the user [`AccessRecord::target`].
    LinkMade,
    /// A user revoked all own tokens.
    SignedOut,
    /// A token was issued.
    TokenIssued,
    /// A named token was issued.
    NamedTokenIssued,
    /// A browser signed in.
    SignedIn,
    /// Someone asked for a link to set a new password.
    LinkRequested,
    /// A browser session or a named token was ended.
    SessionEnded,
}
