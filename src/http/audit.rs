//! Audit events: what a request did to an account, for log and metrics. The route that causes one sets it.

/// An audit event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditEvent {
    /// A password was verified and is wrong.
    LoginFailed,
    /// A rate limit rejected the request.
    RateLimited,
    /// A user registered.
    Registered,
    /// A user changed the password.
    PasswordChanged,
    /// A user deleted the own account.
    Deleted,
    /// A user revoked all of the own tokens.
    SignedOut,
    /// A token was issued.
    TokenIssued,
}
