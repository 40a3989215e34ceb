//! JSON (RFC 8259): strict parsing of untrusted objects.
//!
//! Two inputs that most parsers accept are errors here. **Duplicate members** mean different things to
//! parsers that take the first and the last (RFC 8259 section 4). **Deep nesting** overflows the stack of a
//! recursive parser, and serde_json's limit of 128 is too deep for the small stacks of server threads.
//!
//! One scan over the bytes finds both. Every member has exactly one `:` outside strings, so an object with
//! duplicates has more colons than the parsed value has members.

#![warn(clippy::arithmetic_side_effects)]

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Any JSON value.
pub use serde_json::Value;
/// Makes a [`Value`] from a JSON literal: `json!({"username": name})`.
pub use serde_json::json;

/// A JSON object: its members by name.
pub type Object = serde_json::Map<String, Value>;

/// An object of these members. `extend`, since `collect` sorts first, with 5 KB of code for each array type.
pub fn object<const N: usize>(members: [(&str, Value); N]) -> Object {
    let mut object = Object::new();
    object.extend(members.map(|(name, value)| (String::from(name), value)));
    object
}

/// The JSON text of a value. `to_string` writes the same text through `fmt`, in twice as many instructions.
#[allow(clippy::missing_panics_doc, reason = "a broken invariant of serde_json")]
pub fn to_bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).expect("the keys of a Value are strings")
}

/// Maximum nesting depth. The API needs one level.
pub const MAX_DEPTH: usize = 16;

/// Error of [`parse_object`].
#[derive(Debug)]
pub enum JsonError {
    /// Nested more than [`MAX_DEPTH`] levels deep.
    TooDeep,
    /// Not JSON; the source has the position.
    Syntax(serde_json::Error),
    /// JSON, but not an object.
    NotAnObject,
    /// An object at any level has a member twice.
    DuplicateMember,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDeep => write!(f, "nested more than {MAX_DEPTH} levels deep"),
            Self::Syntax(error) => write!(f, "not JSON: {error}"),
            Self::NotAnObject => f.write_str("not a JSON object"),
            Self::DuplicateMember => f.write_str("an object has a duplicate member"),
        }
    }
}

impl core::error::Error for JsonError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Syntax(error) => Some(error),
            _ => None,
        }
    }
}

/// Parses one JSON object without duplicate members.
///
/// ```
/// let object = gatekey::json::parse_object(br#"{"username":"ok","password":"python"}"#)?;
/// assert_eq!(object["username"], "ok");
/// # Ok::<(), gatekey::json::JsonError>(())
/// ```
pub fn parse_object(text: &[u8]) -> Result<Object, JsonError> {
    let written_members = scan(text)?;
    match serde_json::from_slice(text).map_err(JsonError::Syntax)? {
        Value::Object(object) if members_of(&object) == written_members => Ok(object),
        Value::Object(_) => Err(JsonError::DuplicateMember),
        _ => Err(JsonError::NotAnObject),
    }
}

/// Counts the colons outside strings; rejects nesting over [`MAX_DEPTH`]. The parser rejects text that is not
/// JSON later.
fn scan(text: &[u8]) -> Result<usize, JsonError> {
    let (mut depth, mut colons) = (0_usize, 0_usize);
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'{' | b'[' if depth == MAX_DEPTH => return Err(JsonError::TooDeep),
            b'{' | b'[' => depth = depth.saturating_add(1),
            b'}' | b']' => depth = depth.saturating_sub(1),
            b':' => colons = colons.saturating_add(1),
            _ => {}
        }
    }
    Ok(colons)
}

/// Advances past the end of a string, after its opening quote.
fn skip_string(bytes: &mut core::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => return,
            _ => {}
        }
    }
}

/// Number of members of an object, at all levels.
fn members_of(object: &Object) -> usize {
    object.len().saturating_add(object.values().map(members).sum())
}

/// Number of members in a value, at all levels.
fn members(value: &Value) -> usize {
    match value {
        Value::Object(object) => members_of(object),
        Value::Array(values) => values.iter().map(members).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn error(text: &str) -> String {
        parse_object(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_duplicate_member_is_rejected_at_every_level() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"\u0061":3}"#, // one name, two spellings
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":[{"b":1,"b":2}]}"#,
        ] {
            assert_eq!(error(text), "an object has a duplicate member", "{text}");
        }
    }

    #[test]
    fn colons_and_brackets_inside_strings_are_ignored() {
        let text = r#"{"a:b{[":"::}]\"{[[[[[[[[[[[[[[[[[[[[:","c":[":",{"d":":"}]}"#;
        assert_eq!(parse_object(text.as_bytes()).unwrap().len(), 2);
    }

    #[test]
    fn nesting_is_limited() {
        let nested = |depth: usize| alloc::format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse_object(nested(MAX_DEPTH - 1).as_bytes()).is_ok());
        assert_eq!(error(&nested(MAX_DEPTH)), "nested more than 16 levels deep");
    }

    #[test]
    fn deep_nesting_does_not_overflow_a_small_stack() {
        let refused = std::thread::Builder::new()
            .stack_size(64 * 1024)
            .spawn(|| matches!(parse_object(&[b'['; 16 * 1024]), Err(JsonError::TooDeep)));
        assert!(refused.unwrap().join().unwrap());
    }

    #[test]
    fn a_text_that_is_not_an_object_is_rejected() {
        assert_eq!(error("[1]"), "not a JSON object");
        assert_eq!(error("null"), "not a JSON object");
        assert_eq!(error(""), "not JSON: EOF while parsing a value at line 1 column 0");
        assert_eq!(error("{\"a\":1} x"), "not JSON: trailing characters at line 1 column 9");
        assert!(error("{\"a\":\"\u{0}\"}").starts_with("not JSON: control character"));
    }
}
