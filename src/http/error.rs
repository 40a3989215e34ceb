//! Error codes: the `error` of an error body, and its status.
//!
//! `{"error":"snake_case_code","message":"One sentence a person can act on."}`

/// An error, for programs. The code is a contract; the message may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The request is syntactically wrong or contradicts itself.
    MalformedRequest,
    /// The body is not a JSON object.
    MalformedJson,
    /// A member of the JSON object is missing.
    MissingField,
    /// The username is not allowed.
    InvalidUsername,
    /// The password is not allowed.
    InvalidPassword,
    /// A user with this name, or a confusable one, exists.
    UsernameTaken,
    /// The name of a named token is not allowed.
    InvalidTokenName,
    /// The duration is not allowed.
    InvalidDuration,
    /// The user has as many named tokens as a user may have.
    TooManyTokens,
    /// The credentials are missing or invalid.
    Unauthorized,
    /// Only administrators add users.
    RegistrationClosed,
    /// The CSRF check rejected the request.
    CrossSite,
    /// The user is authenticated but not allowed to do this.
    Forbidden,
    /// The path has no route.
    NotFound,
    /// The route does not take the method.
    MethodNotAllowed,
    /// The request did not arrive in time.
    RequestTimeout,
    /// The body exceeds the limit.
    PayloadTooLarge,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// The request line exceeds the limit.
    UriTooLong,
    /// `Expect` is not `100-continue`.
    ExpectationFailed,
    /// A rate limit was exceeded; `Retry-After` has the wait.
    Throttled,
    /// The request line and headers exceed a limit.
    HeadTooLarge,
    /// The server does not implement the method or the transfer coding.
    NotImplemented,
    /// The version is neither HTTP/1.0 nor HTTP/1.1.
    VersionNotSupported,
    /// The server is overloaded; a retry will succeed.
    Busy,
    /// The server failed; a retry will not help.
    Internal,
    /// The database is unavailable; a retry may help.
    Unavailable,
}

impl ErrorCode {
    /// The code in the body.
    pub fn name(self) -> &'static str {
        self.name_and_status().0
    }

    /// The status of the response.
    pub fn status(self) -> u16 {
        self.name_and_status().1
    }

    fn name_and_status(self) -> (&'static str, u16) {
        match self {
            Self::MalformedRequest => ("malformed_request", 400),
            Self::MalformedJson => ("malformed_json", 400),
            Self::MissingField => ("missing_field", 400),
            Self::InvalidUsername => ("invalid_username", 400),
            Self::InvalidPassword => ("invalid_password", 400),
            Self::UsernameTaken => ("username_taken", 400),
            Self::InvalidTokenName => ("invalid_token_name", 400),
            Self::InvalidDuration => ("invalid_duration", 400),
            Self::TooManyTokens => ("too_many_tokens", 400),
            Self::Unauthorized => ("unauthorized", 401),
            Self::RegistrationClosed => ("registration_closed", 403),
            Self::CrossSite => ("cross_site", 403),
            Self::Forbidden => ("forbidden", 403),
            Self::NotFound => ("not_found", 404),
            Self::MethodNotAllowed => ("method_not_allowed", 405),
            Self::RequestTimeout => ("request_timeout", 408),
            Self::PayloadTooLarge => ("payload_too_large", 413),
            Self::UriTooLong => ("uri_too_long", 414),
            Self::UnsupportedMediaType => ("unsupported_media_type", 415),
            Self::ExpectationFailed => ("expectation_failed", 417),
            Self::Throttled => ("throttled", 429),
            Self::HeadTooLarge => ("head_too_large", 431),
            Self::Internal => ("internal", 500),
            Self::NotImplemented => ("not_implemented", 501),
            Self::Busy => ("busy", 503),
            Self::VersionNotSupported => ("version_not_supported", 505),
            Self::Unavailable => ("unavailable", 503),
        }
    }
}
