//! JSON request bodies.

use super::error::ApiError;
use crate::http::{Body, ErrorCode, Request};
use crate::json::{self, Object, Value};
use crate::secret::Secret;
use core::time::Duration;

/// Parses the body as a JSON object.
///
/// # Errors
/// 415 for another media type or a content coding, 400 for anything but one object.
pub(super) fn object(request: &Request) -> Result<Object, ApiError> {
    if !request.header("Content-Type").is_some_and(is_json) {
        return Err(ApiError::unsupported_body("Accept", "application/json"));
    }
    let is_plain = |coding: &[u8]| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity");
    if !request.headers("Content-Encoding").all(is_plain) {
        return Err(ApiError::unsupported_body("Accept-Encoding", "identity"));
    }
    let Body::Complete(text) = &request.body else { return Err(malformed("longer than it may be")) };
    json::parse_object(text).map_err(malformed)
}

fn malformed(what: impl core::fmt::Display) -> ApiError {
    let message = format!("The body is {what}; send one JSON object, each member once.");
    ApiError::new(ErrorCode::MalformedJson, message)
}

/// Whether the media type is `application/json` or `application/…+json` (RFC 9110 section 8.3.1, RFC 6839).
fn is_json(media_type: &[u8]) -> bool {
    let essence = media_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let essence = essence.to_ascii_lowercase();
    match essence.strip_prefix(b"application/") {
        Some(subtype) => subtype == b"json" || (subtype.len() > 5 && subtype.ends_with(b"+json")),
        None => false,
    }
}

/// Takes a string member. As in the article's server, `null` counts as missing; unlike there, numbers and
/// booleans are not converted.
pub(super) fn take_text(body: &mut Object, name: &str, wrong_type: ErrorCode) -> Result<String, ApiError> {
    match body.remove(name) {
        Some(Value::String(text)) => Ok(text),
        None | Some(Value::Null) => Err(ApiError::new(
            ErrorCode::MissingField,
            format!("\"{name}\" is missing or null; send it as a string."),
        )),
        Some(_) => Err(ApiError::new(wrong_type, format!("\"{name}\" is not a string; send it as one."))),
    }
}

/// Takes a whole number of seconds.
pub(super) fn take_duration(body: &mut Object) -> Result<Duration, ApiError> {
    let (code, message) = match body.remove("duration") {
        None | Some(Value::Null) => {
            (ErrorCode::MissingField, "\"duration\" is missing or null; send it as a number of seconds.")
        }
        Some(value) => match value.as_u64() {
            Some(seconds) => return Ok(Duration::from_secs(seconds)),
            None => {
                (ErrorCode::InvalidDuration, "\"duration\" is not a whole number of seconds; send it as one.")
            }
        },
    };
    Err(ApiError::new(code, message))
}

/// Takes the password, which is wiped when it is dropped.
pub(super) fn take_password(body: &mut Object) -> Result<Secret, ApiError> {
    take_text(body, "password", ErrorCode::InvalidPassword).map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_media_types_are_accepted() {
        for yes in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/vnd.api+json",
            "application/json ;x",
        ] {
            assert!(is_json(yes.as_bytes()), "{yes}");
        }
        for no in [
            "",
            "json",
            "text/json",
            "application/jsonp",
            "application/+json",
            "application/x-www-form-urlencoded",
            "text/plain; a=application/json",
        ] {
            assert!(!is_json(no.as_bytes()), "{no}");
        }
    }
}
