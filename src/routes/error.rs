//! Every error that a client can see: its code, its words, its headers. Here, and only here, an error of the
//! layers below becomes a status.
//!
//! The client gets a fixed text; the log gets the error with all its causes.

use crate::chain;
use crate::client::Client;
use crate::credentials::Scheme;
use crate::hashing::HashError;
use crate::http::{ASTERISK_MESSAGE, AccessRecord, AuditEvent, ErrorCode, Response};
use crate::limiter::RateLimited;
use crate::realm::{
    AuthenticateError, PasswordError, Refused, RegisterError, SessionExpired, UserChangeError,
};
use crate::store::StoreError;
use crate::user_id::UserId;
use crate::username::UsernameError;
use crate::wait::WouldBlock;
use core::error::Error;
use std::borrow::Cow;

/// An answer that is an error.
#[derive(Debug)]
pub(super) struct ApiError {
    code: ErrorCode,
    message: Cow<'static, str>,
    header: Option<(&'static str, Cow<'static, str>)>,
    user: Option<UserId>,
    cause: Option<String>,
    audit: Option<AuditEvent>,
    /// This is no answer: the request is to be dispatched again, by a thread that may block.
    pub(super) would_block: bool,
}

impl ApiError {
    pub(super) fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            header: None,
            user: None,
            cause: None,
            audit: None,
            would_block: false,
        }
    }

    fn for_user(self, user: Option<UserId>) -> Self {
        Self { user, ..self }
    }

    fn because_of(self, error: &(dyn Error + 'static)) -> Self {
        Self { cause: Some(chain::describe(error)), ..self }
    }

    pub(super) fn not_found() -> Self {
        Self::new(ErrorCode::NotFound, "Nothing is at this path.")
    }

    pub(super) fn method_not_allowed(allow: &'static str) -> Self {
        let message = format!("This path takes {allow}.");
        Self { header: Some(("Allow", allow.into())), ..Self::new(ErrorCode::MethodNotAllowed, message) }
    }

    /// The target `*` with another method than OPTIONS.
    pub(super) fn asterisk() -> Self {
        Self::new(ErrorCode::MalformedRequest, ASTERISK_MESSAGE)
    }

    /// Not a method that HTTP defines: 501, not 405 (RFC 9110 section 15.6.2).
    pub(super) fn unknown_method() -> Self {
        Self::new(
            ErrorCode::NotImplemented,
            "This server does not know the method; method names are in upper case.",
        )
    }

    /// The body is of another media type, or encoded; the header says what is accepted (RFC 9110 section 15.5.16).
    pub(super) fn unsupported_body(header: &'static str, accepted: &'static str) -> Self {
        let message = match header {
            "Accept-Encoding" => "Send the body without Content-Encoding.",
            _ => "Send the body as JSON, with Content-Type: application/json.",
        };
        Self {
            header: Some((header, accepted.into())),
            ..Self::new(ErrorCode::UnsupportedMediaType, message)
        }
    }

    pub(super) fn cross_site() -> Self {
        let message =
            "A page of another site sent this; requests that change something must come from this one.";
        Self::new(ErrorCode::CrossSite, message)
    }

    /// A browser may have been led here by DNS rebinding. The host is only for the log.
    pub(super) fn unknown_host(host: Option<&str>) -> Self {
        let message = "A browser sent this under a host that this server does not know; expected that of --public-url, \
                       localhost or an IP address. The operator can set --public-url to the URL that browsers use.";
        let cause = match host {
            Some(host) => {
                format!("unknown host {host}: set --public-url to the URL that browsers use")
            }
            None => "a browser's request without a host".into(),
        };
        Self { cause: Some(cause), ..Self::new(ErrorCode::CrossSite, message) }
    }

    pub(super) fn registration_closed() -> Self {
        Self::new(ErrorCode::RegistrationClosed, "Registration is closed; ask the operator for an account.")
    }

    /// The one answer, per scheme, to everybody who is not authenticated, whatever the reason.
    pub(super) fn unauthorized(scheme: Scheme) -> Self {
        let message = "Unauthorized Access. Send a user name and its password, or a valid token.";
        let header = Some(("WWW-Authenticate", scheme.challenge().into()));
        Self { header, ..Self::new(ErrorCode::Unauthorized, message) }
    }

    fn refused(refused: &Refused, scheme: Scheme) -> Self {
        let cause = Some(refused.reason.to_string());
        Self { cause, ..Self::unauthorized(scheme).for_user(refused.user) }
    }

    /// Authenticated by a token, but the password has to be shown again.
    pub(super) fn session_over(error: SessionExpired, user: UserId, scheme: Scheme) -> Self {
        Self::unauthorized(scheme).for_user(Some(user)).because_of(&error)
    }

    /// Authenticated, but it is another one's.
    pub(super) fn forbidden(user: UserId) -> Self {
        Self::new(ErrorCode::Forbidden, "You may see and change only your own account.").for_user(Some(user))
    }

    /// Authenticated, but not among those who may come in.
    pub(super) fn not_admitted(user: UserId) -> Self {
        Self::new(ErrorCode::Forbidden, "Your account may not be used here.").for_user(Some(user))
    }

    fn username(error: UsernameError) -> Self {
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

    pub(super) fn password(error: PasswordError) -> Self {
        let message = match error {
            PasswordError::TooShort { min_chars: 1 } => {
                "The password is empty; send at least 1 character.".into()
            }
            PasswordError::TooShort { min_chars } => {
                Cow::Owned(format!("The password is too short; send at least {min_chars} characters."))
            }
            PasswordError::TooLong => {
                "The password is over 1024 bytes of UTF-8 long; send a shorter one.".into()
            }
            PasswordError::Nul => "The password ends in a NUL character; send one that doesn't.".into(),
            PasswordError::IsTheName => "The password is the user name; send another one.".into(),
        };
        Self::new(ErrorCode::InvalidPassword, message)
    }

    pub(super) fn authenticate(error: &AuthenticateError, scheme: Scheme) -> Self {
        match error {
            AuthenticateError::Refused(refused) => Self::refused(refused, scheme),
            AuthenticateError::Store(error) => Self::store(error),
            AuthenticateError::Hash(error) => Self::hash(error),
            AuthenticateError::RateLimited(error) => Self::throttled(*error, "passwords were wrong"),
        }
    }

    pub(super) fn register(error: &RegisterError) -> Self {
        match error {
            RegisterError::Closed => Self::registration_closed(),
            RegisterError::Username(error) => Self::username(*error),
            RegisterError::Password(error) => Self::password(*error),
            RegisterError::Taken => {
                let message =
                    "A user with this name, or one that looks the same, exists; choose another one.";
                Self::new(ErrorCode::UsernameTaken, message)
            }
            RegisterError::Store(error) => Self::store(error),
            RegisterError::Hash(error) => Self::hash(error),
            RegisterError::RateLimited(error) => Self::throttled(*error, "users were registered"),
        }
    }

    pub(super) fn user_change(error: &UserChangeError, scheme: Scheme) -> Self {
        match error {
            UserChangeError::Authenticate(error) => Self::authenticate(error, scheme),
            UserChangeError::Forbidden(user) => Self::forbidden(*user),
            UserChangeError::Password(error) => Self::password(*error),
        }
    }

    /// The same whoever is concerned, known or not, and whatever the password.
    pub(super) fn throttled(error: RateLimited, what: &str) -> Self {
        let seconds = error.retry_after_seconds();
        let message = format!("Too many {what}; try again in {seconds} s.");
        let header = Some(("Retry-After", Cow::Owned(seconds.to_string())));
        let audit = Some(AuditEvent::RateLimited);
        Self { header, audit, ..Self::new(ErrorCode::Throttled, message) }.because_of(&error)
    }

    /// Adds to a 429 why it may concern a user who did nothing: an app on this machine that passes its users' passwords
    /// on is one client, unless it is a trusted proxy that sends `X-Forwarded-For`.
    pub(super) fn explained_to(self, client: Client) -> Self {
        if self.code != ErrorCode::Throttled || !client.is_local() {
            return self;
        }
        let message = format!("{} {SHARED_LIMIT}", self.message);
        Self { message: message.into(), ..self }
    }

    pub(super) fn store(error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => {
                Self::new(ErrorCode::Unavailable, "The server can't use its database now; try again later.")
            }
            StoreError::Missing
            | StoreError::Empty
            | StoreError::Newer { .. }
            | StoreError::Older { .. }
            | StoreError::Foreign(_)
            | StoreError::Corrupt(_) => Self::internal(),
            StoreError::WouldBlock => return WouldBlock.into(),
        }
        .because_of(error)
    }

    fn hash(error: &HashError) -> Self {
        match error {
            HashError::Busy => Self {
                header: Some(("Retry-After", "1".into())),
                ..Self::new(
                    ErrorCode::Busy,
                    "Too many passwords are being checked at once; try again in a moment.",
                )
            },
            HashError::Stored(_) | HashError::TooMuchMemory { .. } | HashError::Random(_) => Self::internal(),
        }
        .because_of(error)
    }

    fn internal() -> Self {
        Self::new(ErrorCode::Internal, INTERNAL_MESSAGE)
    }
}

const SHARED_LIMIT: &str = "The users of an app on this machine share one limit, unless the app is a trusted proxy \
                            (--trusted-proxy) and sends X-Forwarded-For.";
const INTERNAL_MESSAGE: &str = "The server failed; its log says why.";

/// The answer that a server loop gives when its handler panicked: a 500 like any other.
pub fn panicked() -> Response {
    ApiError { cause: Some("a panic; its message stands above".into()), ..ApiError::internal() }.into()
}

impl From<WouldBlock> for ApiError {
    fn from(_: WouldBlock) -> Self {
        Self { would_block: true, ..Self::internal() }
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
