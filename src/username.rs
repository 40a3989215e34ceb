//! User names: validation, normalization and uniqueness.
//!
//! A name has 1 to 64 characters (Unicode scalar values) in NFC. It has no colon (it ends the name in HTTP
//! Basic), no control, format or line-separator character (zero-width, bidirectional, U+2028), and no white
//! space at either end.
//!
//! A login compares the NFC exactly. For registration the name is also *folded* ([`unicode::fold`]), and
//! folded names are unique: `Admin`, `ａｄｍｉｎ` and `admın` can't be registered beside `admin`, since apps may
//! fold names themselves. An app should still use the user's id as key.
//!
//! Left out: characters without a glyph that are letters or marks by category (variation selectors, Hangul
//! fillers) are allowed, and ignored for uniqueness. Confusables of different scripts (Unicode Technical
//! Standard 39) are other names: `аdmin` with a Cyrillic `а`.

use crate::credentials::MAX_USERNAME_CHARS;
use crate::unicode;
use core::fmt;

/// A valid user name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username {
    name: String,
    folded: String,
}

impl Username {
    /// Normalizes and validates a name.
    ///
    /// ```
    /// use gatekey::username::Username;
    /// assert_eq!(Username::parse("Ａdmin")?.folded(), "admin");
    /// assert!(Username::parse("a:b").is_err());
    /// # Ok::<(), gatekey::username::UsernameError>(())
    /// ```
    pub fn parse(name: &str) -> Result<Self, UsernameError> {
        let name = unicode::nfc(name);
        let visible: String = unicode::visible(&name).collect();
        if name.is_empty() {
            return Err(UsernameError::Empty);
        }
        if name.chars().count() > MAX_USERNAME_CHARS {
            return Err(UsernameError::TooLong);
        }
        if name.contains(':') {
            return Err(UsernameError::Colon);
        }
        if visible.is_empty() || name.chars().any(is_invisible) {
            return Err(UsernameError::Invisible);
        }
        if visible.trim() != visible {
            return Err(UsernameError::WhiteSpaceAround);
        }
        let folded = unicode::fold(&name);
        Ok(Self { name, folded })
    }

    /// The name in NFC.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The folded form, unique among users.
    pub fn folded(&self) -> &str {
        &self.folded
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Control characters (Cc), format characters (Cf), line and paragraph separators (Zl, Zp).
fn is_invisible(character: char) -> bool {
    character.is_control()
        || FORMAT_AND_SEPARATORS.iter().any(|(first, last)| (*first..=*last).contains(&character))
}

/// The characters of Unicode's general categories Cf, Zl and Zp; `tests/it/interop.rs` compares them with
/// Python's.
const FORMAT_AND_SEPARATORS: [(char, char); 20] = [
    ('\u{ad}', '\u{ad}'),       // soft hyphen
    ('\u{600}', '\u{605}'),     // Arabic number signs
    ('\u{61c}', '\u{61c}'),     // Arabic letter mark
    ('\u{6dd}', '\u{6dd}'),     // Arabic end of ayah
    ('\u{70f}', '\u{70f}'),     // Syriac abbreviation mark
    ('\u{890}', '\u{891}'),     // Arabic pound and piastre mark
    ('\u{8e2}', '\u{8e2}'),     // Arabic disputed end of ayah
    ('\u{180e}', '\u{180e}'),   // Mongolian vowel separator
    ('\u{200b}', '\u{200f}'),   // zero-width space and joiners, direction marks
    ('\u{2028}', '\u{202e}'),   // line and paragraph separator, bidirectional embeddings
    ('\u{2060}', '\u{2064}'),   // word joiner, invisible operators
    ('\u{2066}', '\u{206f}'),   // bidirectional isolates
    ('\u{feff}', '\u{feff}'),   // byte order mark
    ('\u{fff9}', '\u{fffb}'),   // interlinear annotation
    ('\u{110bd}', '\u{110bd}'), // Kaithi number sign
    ('\u{110cd}', '\u{110cd}'), // Kaithi number sign above
    ('\u{13430}', '\u{1343f}'), // Egyptian hieroglyph format controls
    ('\u{1bca0}', '\u{1bca3}'), // shorthand format controls
    ('\u{1d173}', '\u{1d17a}'), // musical symbols
    ('\u{e0001}', '\u{e007f}'), // tags
];

/// Error of [`Username::parse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    /// It has no character.
    #[error("the user name is empty, expected 1 to 64 characters")]
    Empty,
    /// It has more than [`MAX_USERNAME_CHARS`] characters.
    #[error("the user name is over 64 characters long")]
    TooLong,
    /// It has a colon.
    #[error("the user name has a colon, which HTTP Basic can't carry")]
    Colon,
    /// It has a control, format or line-separator character, or no character with a glyph.
    #[error("the user name has a control, format or line-separator character")]
    Invisible,
    /// It begins or ends with white space.
    #[error("the user name begins or ends with white space")]
    WhiteSpaceAround,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_scripts_are_allowed() {
        let longest = "é".repeat(64);
        for name in
            ["a", "Jos\u{e9}", "東京", "<b>&'\"/", "with space", "🔑", "o'brien@example.org", "-", &longest]
        {
            assert_eq!(Username::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn deceptive_names_are_rejected() {
        let too_long = "é".repeat(65);
        for (name, error) in [
            ("", UsernameError::Empty),
            (&too_long, UsernameError::TooLong),
            ("a:b", UsernameError::Colon),
            (":", UsernameError::Colon),
            ("a\nb", UsernameError::Invisible),
            ("a\0b", UsernameError::Invisible),
            ("a\u{7f}b", UsernameError::Invisible),
            ("a\u{85}b", UsernameError::Invisible),
            ("a\u{200b}b", UsernameError::Invisible),
            ("a\u{202e}b", UsernameError::Invisible),
            ("a\u{2028}b", UsernameError::Invisible),
            ("\u{feff}a", UsernameError::Invisible),
            (" a", UsernameError::WhiteSpaceAround),
            ("a\u{3000}", UsernameError::WhiteSpaceAround),
            ("a \u{34f}", UsernameError::WhiteSpaceAround),
            ("\u{3164}", UsernameError::Invisible),
            ("\u{fe0f}\u{34f}", UsernameError::Invisible),
        ] {
            assert_eq!(Username::parse(name), Err(error), "{name:?}");
        }
    }

    #[test]
    fn a_name_is_stored_as_nfc_and_counted_in_that_form() {
        let decomposed = "e\u{301}".repeat(64);
        assert_eq!(Username::parse(&decomposed).unwrap().as_str(), "é".repeat(64));
        assert_eq!(Username::parse(&"e\u{301}".repeat(65)), Err(UsernameError::TooLong));
        assert_eq!(Username::parse("\u{212b}").unwrap().as_str(), "\u{c5}");
        assert_eq!(Username::parse("ﬁne").unwrap().as_str(), "ﬁne");
    }
}
