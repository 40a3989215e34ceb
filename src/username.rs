//! User names: which are allowed, and which are the same to the eye.
//!
//! A name is 1 to 64 characters (Unicode scalar values). It has no colon (Basic ends it there), no control,
//! format or line-separator character (zero-width, bidirectional, U+2028), and no white space at either end:
//! nothing that hides between letters, turns a line round, or that a log or terminal would act on.
//!
//! Names are compared exactly when somebody logs in. When somebody registers, the name is also *folded*, by
//! NFKC (Unicode Standard Annex 15) and lower case, and must not fold to what an existing one does: `Admin`
//! and `ａｄｍｉｎ` are not to stand beside `admin`, since the apps behind us may fold names themselves.
//!
//! Left out on purpose: characters that show nothing but are letters or marks by category (variation
//! selectors, which emoji need, and Hangul fillers); and confusables of different scripts (Unicode Technical
//! Standard 39): `аdmin` with a Cyrillic `а` is another name.

use crate::credentials::MAX_USERNAME_CHARS;
use alloc::string::String;
use core::fmt;
use unicode_normalization::UnicodeNormalization as _;

/// A name that a user may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username {
    name: String,
    folded: String,
}

impl Username {
    /// Checks a name.
    ///
    /// ```
    /// use gatekey::username::Username;
    /// assert_eq!(Username::parse("Ａdmin")?.folded(), "admin");
    /// assert!(Username::parse("a:b").is_err());
    /// # Ok::<(), gatekey::username::UsernameError>(())
    /// ```
    ///
    /// # Errors
    /// Each variant of [`UsernameError`], for what its name says.
    pub fn parse(name: &str) -> Result<Self, UsernameError> {
        if name.is_empty() {
            return Err(UsernameError::Empty);
        }
        if name.chars().count() > MAX_USERNAME_CHARS {
            return Err(UsernameError::TooLong);
        }
        if name.contains(':') {
            return Err(UsernameError::Colon);
        }
        if name.chars().any(is_invisible) {
            return Err(UsernameError::Invisible);
        }
        if name.trim() != name {
            return Err(UsernameError::WhiteSpaceAround);
        }
        Ok(Self { name: name.into(), folded: fold(name) })
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The form in which no two users may be equal.
    pub fn folded(&self) -> &str {
        &self.folded
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// NFKC, lower case, and NFKC once more, because lower case can undo it. Character by character:
/// `str::to_lowercase` looks at a sigma's neighbours, and then `ΣΑΣ` and `σασ` would be two names.
fn fold(name: &str) -> String {
    let nfkc = |text: &str| text.nfkc().collect::<String>();
    nfkc(&nfkc(name).chars().flat_map(char::to_lowercase).collect::<String>())
}

/// Control characters (Cc), format characters (Cf), line and paragraph separators (Zl, Zp).
fn is_invisible(character: char) -> bool {
    character.is_control()
        || FORMAT_AND_SEPARATORS.iter().any(|(first, last)| (*first..=*last).contains(&character))
}

/// The characters of Unicode's general categories Cf, Zl and Zp; `tests/it/interop.rs` compares them with Python's.
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

/// Why a text is no user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsernameError {
    /// It has no character.
    Empty,
    /// It has more than [`MAX_USERNAME_CHARS`] characters.
    TooLong,
    /// There is a colon in it.
    Colon,
    /// There is a control, format or line-separator character in it.
    Invisible,
    /// It begins or ends with white space.
    WhiteSpaceAround,
}

impl fmt::Display for UsernameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the user name is empty, expected 1 to 64 characters",
            Self::TooLong => "the user name is over 64 characters long",
            Self::Colon => "the user name has a colon, which HTTP Basic can't carry",
            Self::Invisible => "the user name has a control, format or line-separator character",
            Self::WhiteSpaceAround => "the user name begins or ends with white space",
        })
    }
}

impl core::error::Error for UsernameError {}

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
    fn names_that_deceive_are_refused() {
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
        ] {
            assert_eq!(Username::parse(name), Err(error), "{name:?}");
        }
    }

    #[test]
    fn names_that_look_the_same_fold_to_the_same() {
        for (one, other) in [
            ("admin", "Admin"),
            ("admin", "ａｄｍｉｎ"),
            ("admin", "ⒶⒹⓂⒾⓃ"),
            ("jos\u{e9}", "JOSE\u{301}"),
            ("ﬁne", "Fine"),
            ("ΣΑΣ", "σασ"),
        ] {
            assert_eq!(Username::parse(one).unwrap().folded(), Username::parse(other).unwrap().folded());
        }
        assert_ne!(Username::parse("a b").unwrap().folded(), Username::parse("ab").unwrap().folded());
    }

    #[test]
    fn folding_twice_is_folding_once() {
        let assigned = (0..=0x2_ffff).filter_map(char::from_u32);
        for name in assigned.filter_map(|c| Username::parse(c.encode_utf8(&mut [0; 4])).ok()) {
            assert_eq!(fold(name.folded()), name.folded(), "{name:?}");
        }
    }
}
