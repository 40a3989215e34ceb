//! The codes of error bodies: `{"error":"snake_case_code","message":"One sentence a person can act on."}`.

/// What went wrong, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The request contradicts itself.
    MalformedRequest,
    /// The body is not a JSON object.
    MalformedJson,
    /// The body lacks a member.
    MissingField,
    /// The user name is not allowed.
    InvalidUsername,
    /// The password is not allowed.
    InvalidPassword,
    /// A user has this name, or one that looks the same.
    UsernameTaken,
    /// No credentials, or none that hold.
    Unauthorized,
    /// Strangers may not register.
    RegistrationClosed,
    /// A page of another site sent it.
    CrossSite,
    /// The credentials hold, but not for this.
    Forbidden,
    /// Nothing is at this path.
    NotFound,
    /// Something is, but this can't be done with it.
    MethodNotAllowed,
    /// The request did not arrive in time.
    RequestTimeout,
    /// The body is too long.
    PayloadTooLarge,
    /// The body is not said to be JSON.
    UnsupportedMediaType,
    /// The request line is too long.
    UriTooLong,
    /// Something other than `100-continue` is expected.
    ExpectationFailed,
    /// Tried too often; after a while it may be tried again.
    Throttled,
    /// The head is too long, or has too many headers.
    HeadTooLarge,
    /// A transfer coding or a method that this server doesn't have.
    NotImplemented,
    /// Neither HTTP/1.0 nor HTTP/1.1.
    VersionNotSupported,
    /// Too much to do; trying again in a moment will help.
    Busy,
    /// Our fault; trying again won't help.
    Internal,
    /// The store can't be used now; trying again may help.
    Unavailable,
}

impl ErrorCode {
    /// The code as it stands in the body.
    pub fn name(self) -> &'static str {
        self.name_and_status().0
    }

    /// The status that goes with it.
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
