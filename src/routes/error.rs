//! API errors: the one place where an error of a lower layer becomes a status and a message.
//!
//! The client gets a fixed text. The access log gets the error with its chain of causes.

use crate::chain;
use crate::client::Client;
use crate::credentials::Scheme;
use crate::hashing::HashError;
use crate::http::{AccessRecord, AuditEvent, ErrorCode, Response};
use crate::limiter::RateLimited;
use crate::realm::{
    AuthenticateError, IssueTokenError, LinkError, MAX_SESSION_NAME_CHARS, NamedTokenError, PasswordError,
    RegisterError, UserChangeError,
};
use crate::store::{MAX_GROUPS, MAX_NAMED_TOKENS, StoreError};
use crate::user_id::UserId;
use crate::username::UsernameError;
use crate::wait::WouldBlock;
use core::error::Error;
use std::borrow::Cow;

/// An error response, or [`WouldBlock`].
#[derive(Debug)]
pub(super) struct ApiError {
    code: ErrorCode,
    message: Cow<'static, str>,
    header: Option<(&'static str, Cow<'static, str>)>,
    user: Option<UserId>,
    cause: Option<String>,
    audit: Option<AuditEvent>,
    /// Whether this is [`WouldBlock`] instead of a response.
    pub(super) would_block: bool,
}

impl ApiError {
    pub(super) fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        Self { code, message, header: None, user: None, cause: None, audit: None, would_block: false }
    }

    fn with_header(self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        Self { header: Some((name, value.into())), ..self }
    }

    pub(super) fn for_user(self, user: Option<UserId>) -> Self {
        Self { user, ..self }
    }

    fn because_of(self, error: &(dyn Error + 'static)) -> Self {
        Self { cause: Some(chain::describe(error)), ..self }
    }

    /// The same error, with this cause in the log.
    pub(super) fn because(self, cause: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    pub(super) fn not_found() -> Self {
        Self::new(ErrorCode::NotFound, "Nothing is at this path.")
    }

    pub(super) fn method_not_allowed(allow: &'static str) -> Self {
        let message = format!("This path takes {allow}.");
        Self::new(ErrorCode::MethodNotAllowed, message).with_header("Allow", allow)
    }

    /// A method that HTTP does not define: 501, not 405 (RFC 9110 section 15.6.2).
    pub(super) fn unknown_method() -> Self {
        let message = "This server does not know the method; method names are in upper case.";
        Self::new(ErrorCode::NotImplemented, message)
    }

    /// Another media type or a content coding. The header has what is accepted (RFC 9110 section 15.5.16).
    pub(super) fn unsupported_body(header: &'static str, accepted: &'static str) -> Self {
        let message = match header {
            "Accept-Encoding" => "Send the body without Content-Encoding.",
            _ => "Send the body as JSON, with Content-Type: application/json.",
        };
        Self::new(ErrorCode::UnsupportedMediaType, message).with_header(header, accepted)
    }

    pub(super) fn cross_site() -> Self {
        let message =
            "A page of another site sent this; requests that change something must come from this one.";
        Self::new(ErrorCode::CrossSite, message)
    }

    /// Possible DNS rebinding. Only the log gets the host.
    pub(super) fn unknown_host(host: Option<&str>) -> Self {
        let message = "A browser sent this under a host that this server does not know; expected that of --public-url, \
                       localhost or an IP address. The operator can set --public-url to the URL that browsers use.";
        let cause = match host {
            Some(host) => format!("unknown host {host}: set --public-url to the URL that browsers use"),
            None => "a browser's request without a host".into(),
        };
        Self { cause: Some(cause), ..Self::new(ErrorCode::CrossSite, message) }
    }

    pub(super) fn registration_closed() -> Self {
        Self::new(ErrorCode::RegistrationClosed, "Registration is closed; ask the operator for an account.")
    }

    /// Every failed authentication returns the same 401 for a scheme, so that responses don't reveal whether
    /// a user exists.
    pub(super) fn unauthorized(scheme: Scheme) -> Self {
        let message = "Unauthorized Access. Send a user name and its password, or a valid token.";
        Self::new(ErrorCode::Unauthorized, message).with_header("WWW-Authenticate", scheme.challenge())
    }

    /// A browser is not signed in. No `Basic` challenge: the browser would open its password dialog over the app.
    pub(super) fn not_signed_in() -> Self {
        Self::new(ErrorCode::Unauthorized, "You are not signed in.")
            .with_header("WWW-Authenticate", COOKIE_CHALLENGE)
    }

    pub(super) fn issue_token(error: IssueTokenError, user: UserId, scheme: Scheme) -> Self {
        let response = match error {
            IssueTokenError::SessionExpired => Self::unauthorized(scheme),
            IssueTokenError::OfSession => Self::new(
                ErrorCode::Forbidden,
                "A named token issues no tokens; send a user name and its password.",
            ),
        };
        response.for_user(Some(user)).because_of(&error)
    }

    pub(super) fn named_token(error: &NamedTokenError, scheme: Scheme) -> Self {
        let (code, message) = match error {
            NamedTokenError::Authenticate(error) => return Self::authenticate(error, scheme),
            NamedTokenError::Off => (ErrorCode::Forbidden, "This server issues no named tokens.".into()),
            NamedTokenError::Name => {
                let max = MAX_SESSION_NAME_CHARS;
                let message =
                    format!("The name is not allowed; send 1 to {max} characters, no control characters.");
                (ErrorCode::InvalidTokenName, message)
            }
            NamedTokenError::Lifetime { max } => {
                let message = format!("The duration is not allowed; send 1 to {} seconds.", max.as_secs());
                (ErrorCode::InvalidDuration, message)
            }
            NamedTokenError::TooMany => {
                let message = format!("You have {MAX_NAMED_TOKENS} named tokens; delete one first.");
                (ErrorCode::TooManyTokens, message)
            }
        };
        Self::new(code, message)
    }

    /// The request concerns another user.
    pub(super) fn forbidden(user: UserId) -> Self {
        Self::new(ErrorCode::Forbidden, "You may see and change only your own account.").for_user(Some(user))
    }

    /// Without the user there would be no administrator.
    fn last_administrator(user: UserId) -> Self {
        let message = "You are the last administrator; make another user one first.";
        Self::new(ErrorCode::Forbidden, message).for_user(Some(user))
    }

    /// The conditions of forward auth exclude the user.
    pub(super) fn not_allowed(user: UserId) -> Self {
        Self::new(ErrorCode::Forbidden, "Your account may not be used here.").for_user(Some(user))
    }

    pub(super) fn authenticate(error: &AuthenticateError, scheme: Scheme) -> Self {
        match error {
            AuthenticateError::Refused(refused) => {
                let cause = Some(refused.reason.to_string());
                Self { cause, ..Self::unauthorized(scheme).for_user(refused.user) }
            }
            AuthenticateError::Store(error) => error.into(),
            AuthenticateError::Hash(error) => error.into(),
            AuthenticateError::RateLimited(error) => Self::rate_limited(*error, "passwords were wrong"),
        }
    }

    pub(super) fn user_change(error: &UserChangeError, scheme: Scheme) -> Self {
        match error {
            UserChangeError::Authenticate(error) => Self::authenticate(error, scheme),
            UserChangeError::Forbidden(user) => Self::forbidden(*user),
            UserChangeError::LastAdministrator(user) => Self::last_administrator(*user),
            UserChangeError::NoSuchUser(user) => Self::not_found().for_user(Some(*user)),
            UserChangeError::TooManyGroups(user) => {
                let message = format!("A user may be in {MAX_GROUPS} groups; remove others first.");
                Self::new(ErrorCode::MalformedRequest, message).for_user(Some(*user))
            }
            UserChangeError::Password(error) => (*error).into(),
        }
    }

    /// The response doesn't depend on the user or the password, so that it reveals nothing about them.
    pub(super) fn rate_limited(error: RateLimited, what: &str) -> Self {
        let seconds = error.retry_after_seconds();
        let message = format!("Too many {what}; try again in {seconds} s.");
        let response =
            Self::new(ErrorCode::Throttled, message).with_header("Retry-After", seconds.to_string());
        Self { audit: Some(AuditEvent::RateLimited), ..response.because_of(&error) }
    }

    /// Adds to a 429 for a local client that it may be shared: an app on this machine that passes on its
    /// users' passwords is one client, unless it is a trusted proxy that sends `X-Forwarded-For`.
    pub(super) fn explained_to(self, client: Client) -> Self {
        if self.code != ErrorCode::Throttled || !client.is_local() {
            return self;
        }
        Self { message: format!("{} {SHARED_LIMIT}", self.message).into(), ..self }
    }

    /// Forms are signed by a key that gatekey made itself.
    pub(super) fn no_own_key() -> Self {
        let cause = "no signing key was made by gatekey itself: run gatekey key rotate";
        Self { cause: Some(cause.into()), ..Self::internal() }
    }

    fn internal() -> Self {
        Self::new(ErrorCode::Internal, "The server failed; its log says why.")
    }
}

/// The challenge of a 401 to a browser, which RFC 9110 section 15.5.2 requires.
pub(super) const COOKIE_CHALLENGE: &str = "Cookie form-action=\"/login\"";
const SHARED_LIMIT: &str = "The users of an app on this machine share one limit, unless the app is a trusted proxy \
                            (--trusted-proxy) and sends X-Forwarded-For.";

/// The 500 of a server whose handler panicked.
pub fn panicked() -> Response {
    ApiError { cause: Some("a panic; its message precedes this line".into()), ..ApiError::internal() }.into()
}

impl From<WouldBlock> for ApiError {
    fn from(_: WouldBlock) -> Self {
        Self { would_block: true, ..Self::internal() }
    }
}

impl From<&StoreError> for ApiError {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::WouldBlock => return WouldBlock.into(),
            StoreError::Unavailable(_) => {
                Self::new(ErrorCode::Unavailable, "The server can't use its database now; try again later.")
            }
            StoreError::Missing
            | StoreError::Empty
            | StoreError::Newer { .. }
            | StoreError::Older { .. }
            | StoreError::Foreign(_)
            | StoreError::Corrupt(_) => Self::internal(),
        }
        .because_of(error)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::from(&error)
    }
}

impl From<&HashError> for ApiError {
    fn from(error: &HashError) -> Self {
        match error {
            HashError::Busy => {
                let message = "Too many passwords are being checked at once; try again in a moment.";
                Self::new(ErrorCode::Busy, message).with_header("Retry-After", "1")
            }
            HashError::Stored(_) | HashError::TooMuchMemory { .. } | HashError::Random(_) => Self::internal(),
        }
        .because_of(error)
    }
}

impl From<UsernameError> for ApiError {
    fn from(error: UsernameError) -> Self {
        let message = match error {
            UsernameError::Empty => "The user name is empty; send 1 to 64 characters.",
            UsernameError::TooLong => "The user name is over 64 characters long; send a shorter one.",
            UsernameError::Colon => {
                "The user name has a colon, which HTTP Basic can't carry; send one without."
            }
            UsernameError::Invisible => {
                "The user name has control or invisible characters; send one without."
            }
            UsernameError::WhiteSpaceAround => {
                "The user name begins or ends with white space; send it trimmed."
            }
        };
        Self::new(ErrorCode::InvalidUsername, message)
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        let message = match error {
            PasswordError::TooShort { min_chars: 1 } => "The password is empty; send at least 1 character.",
            PasswordError::TooShort { min_chars } => {
                let message = format!("The password is too short; send at least {min_chars} characters.");
                return Self::new(ErrorCode::InvalidPassword, message);
            }
            PasswordError::TooLong => "The password is over 1024 bytes of UTF-8 long; send a shorter one.",
            PasswordError::Nul => "The password ends in a NUL character; send one that doesn't.",
            PasswordError::IsTheName => "The password is the user name; send another one.",
        };
        Self::new(ErrorCode::InvalidPassword, message)
    }
}

impl From<RegisterError> for ApiError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Closed => Self::registration_closed(),
            RegisterError::Username(error) => error.into(),
            RegisterError::Password(error) => error.into(),
            RegisterError::Taken => {
                let message =
                    "A user with this name, or one that looks the same, exists; choose another one.";
                Self::new(ErrorCode::UsernameTaken, message)
            }
            RegisterError::Store(error) => error.into(),
            RegisterError::Hash(error) => Self::from(&error),
            RegisterError::RateLimited(error) => Self::rate_limited(error, "users were registered"),
            RegisterError::SignIn(error) => Self::authenticate(&error, Scheme::Basic),
        }
    }
}

impl From<LinkError> for ApiError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Dead => Self::not_found().because_of(&error),
            LinkError::NoOwnKey => Self::no_own_key(),
            LinkError::Password(error) => error.into(),
            LinkError::Store(error) => error.into(),
            LinkError::Hash(error) => Self::from(&error),
            LinkError::SignIn(error) => Self::authenticate(&error, Scheme::Basic),
        }
    }
}

impl From<ApiError> for Response {
    fn from(error: ApiError) -> Self {
        let ApiError { code, message, header, user, cause, audit, would_block: _ } = error;
        let mut response = Self::error(code, &message);
        response.headers.extend(header);
        let cause = cause.or_else(|| Some(code.name().into()));
        response.record = AccessRecord { user, audit, cause, ..response.record };
        response
    }
}
