//! Names of groups: `[a-z0-9][a-z0-9_.-]{0,31}`. No character separates in a header, and none needs encoding in a URL.

use core::fmt;

/// A valid name of a group, such as `staff`.
///
/// ```
/// use gatekey::group_name::GroupName;
/// assert_eq!(GroupName::parse("staff")?.as_str(), "staff");
/// assert!(GroupName::parse("Staff").is_err() && GroupName::parse("a,b").is_err());
/// # Ok::<(), gatekey::group_name::GroupNameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupName(String);

impl GroupName {
    /// The longest name, in characters.
    pub const MAX_CHARS: usize = 32;

    /// Parses a name.
    ///
    /// # Errors
    /// [`GroupNameError`].
    pub fn parse(text: &str) -> Result<Self, GroupNameError> {
        let is_alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_name = (1..=Self::MAX_CHARS).contains(&text.len())
            && text.bytes().all(|byte| is_alphanumeric(&byte) || b"_.-".contains(&byte))
            && text.as_bytes().first().is_some_and(is_alphanumeric);
        if is_name { Ok(Self(text.into())) } else { Err(GroupNameError) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no name of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a group's name has 1 to 32 characters of a-z, 0-9, _ . and -, and begins with a letter or digit")]
pub struct GroupNameError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_need_no_encoding_are_parsed() {
        let long = "a".repeat(GroupName::MAX_CHARS);
        for name in ["a", "0", "staff", "a.b_c-d", &long] {
            assert_eq!(GroupName::parse(name).unwrap().to_string(), name);
        }
        for name in [
            "",
            "Staff",
            "-a",
            ".a",
            "_a",
            "a b",
            "a,b",
            "a;b",
            "a|b",
            "a/b",
            "\u{e9}",
            "a\n",
            &(long.clone() + "a"),
        ] {
            assert_eq!(GroupName::parse(name), Err(GroupNameError), "{name:?}");
        }
    }
}
