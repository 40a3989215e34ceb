//! Parses `application/x-www-form-urlencoded` (URL Standard, section 5.1): the bodies of forms, and queries.

use crate::http::{Body, ErrorCode, Request};
use crate::routes::error::ApiError;
use crate::secret::Secret;

/// More fields than any form of ours has.
const MAX_FIELDS: usize = 32;

/// The fields of a form, each name once.
pub(super) struct FormFields(Vec<(String, String)>);

impl FormFields {
    pub(super) fn from_body(request: &Request) -> Result<Self, ApiError> {
        let media_type = request.header("Content-Type").unwrap_or_default();
        let essence = media_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if !essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            return Err(ApiError::new(ErrorCode::UnsupportedMediaType, "Send the form as a browser does."));
        }
        let Body::Complete(body) = &request.body else { return Err(malformed()) };
        Self::parse(body)
    }

    pub(super) fn from_query(request: &Request) -> Result<Self, ApiError> {
        Self::parse(request.query.as_deref().unwrap_or_default().as_bytes())
    }

    /// Rejects a name that is given twice: two readers might each take another one.
    fn parse(text: &[u8]) -> Result<Self, ApiError> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for field in text.split(|byte| *byte == b'&').filter(|field| !field.is_empty()) {
            let equals = field.iter().position(|byte| *byte == b'=').unwrap_or(field.len());
            let (name, value) = field.split_at(equals);
            let name = decode(name).ok_or_else(malformed)?;
            let value = decode(value.get(1..).unwrap_or_default()).ok_or_else(malformed)?;
            if fields.len() == MAX_FIELDS || fields.iter().any(|(given, _)| *given == name) {
                return Err(malformed());
            }
            fields.push((name, value));
        }
        Ok(Self(fields))
    }

    /// The value of a field; empty if the form doesn't have it.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value)
    }

    /// Takes a password out of the form, to be wiped after use.
    pub(super) fn take_password(&mut self, name: &str) -> Secret {
        let field = self.0.iter_mut().find(|(given, _)| given == name);
        Secret::new(field.map(|(_, value)| core::mem::take(value)).unwrap_or_default())
    }
}

fn malformed() -> ApiError {
    ApiError::new(ErrorCode::MalformedRequest, "The form is not one that this server sent.")
}

/// Decodes `+` and percent-encoded bytes; `None` if the result isn't UTF-8.
fn decode(text: &[u8]) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| *first == b'%').and_then(|digits| {
            let digits = str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_hexdigit))?;
            u8::from_str_radix(digits, 16).ok()
        });
        decoded.push(hex.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = after.get(if hex.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_as_browsers_encode_them() {
        let form = FormFields::parse(b"a=1+2%2B&&b=%C3%A9%&c&d==%zz&%65=&f=%2").unwrap();
        for (name, value) in
            [("a", "1 2+"), ("b", "\u{e9}%"), ("c", ""), ("d", "=%zz"), ("e", ""), ("f", "%2")]
        {
            assert_eq!(form.get(name), value, "{name}");
        }
        assert_eq!(form.0.len(), 6);
    }

    #[test]
    fn a_name_twice_too_many_fields_or_other_than_utf_8_is_malformed() {
        let many = |count| (0..count).map(|number| format!("f{number}=")).collect::<Vec<_>>().join("&");
        assert!(FormFields::parse(many(MAX_FIELDS).as_bytes()).is_ok());
        for text in [&b"rd=a&rd=b"[..], b"rd=a&r%64=b", b"a=%ff", b"%ff", many(MAX_FIELDS + 1).as_bytes()] {
            assert!(FormFields::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_a_form_is_a_form() {
        let parse = |media_type: &str| {
            let request = Request::new("POST", "/login").with_header("Content-Type", media_type);
            FormFields::from_body(&request.with_body(Body::Complete(b"a=b".to_vec())))
        };
        assert!(parse("application/x-www-form-urlencoded; charset=UTF-8").is_ok());
        for other in ["text/plain", "application/json", "multipart/form-data", ""] {
            assert!(parse(other).is_err(), "{other}");
        }
    }
}
