//! User ids, and token generations for revocation.

use core::fmt;

/// A user's id: 1 to 2^63 - 1, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(i64);

impl UserId {
    /// From a positive number.
    pub const fn new(number: i64) -> Option<Self> {
        if number > 0 { Some(Self(number)) } else { None }
    }

    /// Parses decimal digits without sign or leading zero, so that each user has one URL.
    ///
    /// ```
    /// use gatekey::user_id::UserId;
    /// assert_eq!(UserId::parse("17"), UserId::new(17));
    /// assert_eq!(UserId::parse("017"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let canonical = text.starts_with(|c: char| matches!(c, '1'..='9'));
        if canonical { text.parse().ok().and_then(Self::new) } else { None }
    }

    /// The id as a number.
    pub const fn number(self) -> i64 {
        self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Token generation, 0 to 2^53 - 1: a user's token is valid only with the generation in the user's row.
///
/// A password change, disabling and signing out everywhere increment it. That revokes all earlier tokens
/// without a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(u64);

impl Generation {
    /// Users imported from the Flask original, whose tokens have no generation.
    pub const IMPORTED: Self = Self(0);
    /// Registered users.
    pub const FIRST: Self = Self(1);

    /// From a number below 2^53.
    pub const fn new(number: u64) -> Option<Self> {
        if number < 1 << 53 { Some(Self(number)) } else { None }
    }

    /// The generation as a number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        assert_eq!(UserId::parse("1"), Some(UserId(1)));
        assert_eq!(UserId::parse("9223372036854775807"), Some(UserId(i64::MAX)));
        for text in ["", "0", "01", "+1", "-1", " 1", "1 ", "1.0", "0x1", "١", "9223372036854775808", "abc"]
        {
            assert_eq!(UserId::parse(text), None, "{text:?}");
        }
    }
}
