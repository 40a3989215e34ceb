//! Unicode normalization: the forms in which user names and passwords are stored and compared.
//!
//! | form | for | source |
//! |---|---|---|
//! | [`nfc`] | user names: stored, looked up, counted by the rate limiter | Unicode Standard Annex 15 |
//! | [`fold`] | uniqueness of user names | NFKC_Casefold (Unicode Standard, section 3.13), and upper case |
//! | [`opaque_string`] | passwords, before they are hashed | RFC 8265 section 4.2 |
//!
//! Case mappings are the standard library's, normalization forms are the unicode-normalization crate's. Only
//! the default-ignorable code points have a table here.
//!
//! Left out: confusables of different scripts (Unicode Technical Standard 39). `аdmin` with a Cyrillic `а`
//! stays another name.

use crate::secret::Secret;
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

/// An NFC text in bytes of UTF-8 is at most this many times as long (Unicode Standard Annex 15, table 1).
const MAX_NFC_GROWTH: usize = 3;
/// [`fold`] changes nothing after two rounds. The limit only bounds the loop.
const MAX_FOLD_ROUNDS: usize = 8;

/// Normalization Form C: independent of how an input method composes accents.
pub fn nfc(text: &str) -> String {
    if is_nfc(text) { text.into() } else { text.nfc().collect() }
}

/// Folds a name: names that other software may treat as equal have the same folded form. Ignores case, in
/// both directions, compatibility variants and characters without a glyph.
///
/// ```
/// use gatekey::unicode::fold;
/// assert_eq!(fold("Ａdmın"), "admin");
/// assert_eq!(fold("straße"), fold("STRASSE"));
/// ```
pub fn fold(text: &str) -> String {
    let mut folded = fold_once(text);
    for _ in 1..MAX_FOLD_ROUNDS {
        let again = fold_once(&folded);
        if again == folded {
            break;
        }
        folded = again;
    }
    folded
}

/// Maps case character by character, since `str::to_lowercase` treats a final sigma differently, so that
/// `ΣΑΣ` and `σασ` would differ. Full case folding is lower case of upper case, after a lower case for `ẞ`.
/// Decomposed, since U+0345 is a mark whose upper case is a letter (Unicode Standard, definition 145).
fn fold_once(text: &str) -> String {
    visible(text)
        .nfkd()
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfkc()
        .collect()
}

/// The text's characters except the default-ignorable ones.
pub fn visible(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|character| !is_default_ignorable(*character))
}

/// OpaqueString (RFC 8265 section 4.2) of a password, if it differs: non-ASCII spaces become ASCII spaces,
/// then NFC.
///
/// Only the mapping of the profile is applied; a password may contain characters that it forbids.
pub fn opaque_string(password: &Secret) -> Option<Secret> {
    let sent = password.expose();
    let is_mapped = sent.is_ascii() || (is_nfc(sent) && !sent.chars().any(is_non_ascii_space));
    if is_mapped {
        return None;
    }
    // Sized in advance: a string that grows leaves a copy that is not wiped.
    let mut mapped = String::with_capacity(sent.len().saturating_mul(MAX_NFC_GROWTH));
    mapped.extend(sent.chars().map(|c| if is_non_ascii_space(c) { ' ' } else { c }).nfc());
    let mapped = Secret::new(mapped);
    (mapped.expose() != sent).then_some(mapped)
}

/// General category Zs without U+0020.
fn is_non_ascii_space(character: char) -> bool {
    let is_separator = matches!(character, '\u{2028}' | '\u{2029}'); // Zl, Zp
    !character.is_ascii() && character.is_whitespace() && !character.is_control() && !is_separator
}

fn is_default_ignorable(character: char) -> bool {
    DEFAULT_IGNORABLE.iter().any(|(first, last)| (*first..=*last).contains(&character))
}

/// The property Default_Ignorable_Code_Point, the same in Unicode 14.0 and 17.0. Printed by
///
/// ```text
/// node -e 'let first = null; for (let c = 0; c <= 0x110000; c++) {
///     const is = c < 0x110000 && /\p{Default_Ignorable_Code_Point}/u.test(String.fromCodePoint(c));
///     if (is) first ??= c; else if (first !== null) { console.log(first.toString(16), (c - 1).toString(16)); first = null; } }'
/// ```
const DEFAULT_IGNORABLE: [(char, char); 17] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fff8}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn opaque(text: &str) -> Option<String> {
        opaque_string(&Secret::new(text.into())).map(|mapped| mapped.expose().into())
    }

    #[test]
    fn names_that_other_software_folds_together_fold_to_the_same() {
        for (one, other) in [
            ("admin", "Admin"),
            ("admin", "ａｄｍｉｎ"),
            ("admin", "ⒶⒹⓂⒾⓃ"),
            ("admin", "admın"), // upper case is ADMIN
            ("admin", "ad\u{34f}min"),
            ("admin", "\u{3164}admin\u{115f}"),
            ("admin", "adm\u{fe0f}in\u{e0100}"),
            ("admin", "ad\u{ad}min"),
            ("straße", "strasse"),
            ("straße", "STRAẞE"),
            ("ſam", "Sam"),
            ("kelvin", "\u{212a}elvin"),
            ("jos\u{e9}", "JOSE\u{301}"),
            ("ﬁne", "Fine"),
            ("ΣΑΣ", "σας"),
            ("ᾳ", "ΑΙ"),
            ("ŉ", "ʼN"),
            ("Ꭰ", "ꭰ"),
            ("µ", "Μ"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        for (one, other) in [("a b", "ab"), ("admin", "аdmin"), ("i", "j"), ("o", "ø")] {
            assert_ne!(fold(one), fold(other), "{one} {other}");
        }
    }

    /// Names as they are stored, in NFC. Left out is a mark behind U+0345: software that maps case without
    /// normalizing puts it on another letter than software that normalizes first.
    #[test]
    fn folding_is_stable_and_ignores_normalization_and_case() {
        let mut tried = 0;
        for character in (0..=0x0010_ffff).filter_map(char::from_u32).filter(|c| is_mapped(*c)) {
            let has_iota_below = character.nfd().any(|part| part == '\u{345}');
            let marked = (!has_iota_below).then(|| format!("{character}\u{30c}"));
            for name in marked.into_iter().chain([format!("a{character}b")]) {
                let name = nfc(&name);
                let folded = fold(&name);
                assert_eq!(fold(&folded), folded, "{name:?}");
                for variant in [name.nfkd().collect(), name.to_uppercase(), name.to_lowercase()] {
                    assert_eq!(fold(&variant), folded, "{name:?} {variant:?}");
                }
                tried += 1;
            }
        }
        assert!(tried > 10_000, "{tried}");
    }

    /// Whether case or normalization changes a character. Few Hangul syllables are tried: an algorithm
    /// composes them.
    fn is_mapped(character: char) -> bool {
        let is_syllable = ('\u{ac40}'..='\u{d7a3}').contains(&character);
        let mut cased = character.to_uppercase().chain(character.to_lowercase());
        !is_syllable && (cased.any(|c| c != character) || !character.nfkd().eq([character]))
    }

    /// RFC 8265 section 4.3, examples 1 to 4, and composed accents.
    #[test]
    fn an_opaque_string_has_ascii_spaces_and_is_nfc() {
        assert_eq!(opaque("correct horse battery staple"), None);
        assert_eq!(opaque("Correct Horse Battery Staple"), None);
        assert_eq!(opaque("πßå"), None);
        assert_eq!(opaque("Jack of \u{2666}s"), None);
        assert_eq!(opaque("foo\u{1680}bar").as_deref(), Some("foo bar"));
        assert_eq!(opaque("a\u{a0}b\u{2003}c\u{3000}").as_deref(), Some("a b c "));
        assert_eq!(opaque("pa\u{308}sswo\u{308}rd").as_deref(), Some("pässwörd"));
        assert_eq!(opaque("\u{212b}").as_deref(), Some("å".to_uppercase().as_str()));
        assert_eq!(opaque("line\u{2028}tab\tnext\u{85}é"), None, "separators and controls are no spaces");
        assert_eq!(opaque("ﬁne"), None, "compatibility variants are kept");
    }

    #[test]
    fn an_opaque_string_is_its_own_and_fits_its_buffer() {
        for character in (0..=0x0010_ffff).filter_map(char::from_u32) {
            let sent = format!("{character}\u{345}\u{301}");
            let Some(mapped) = opaque(&sent) else { continue };
            assert_eq!(opaque(&mapped), None, "{sent:?}");
            assert!(mapped.len() <= sent.len() * MAX_NFC_GROWTH, "{sent:?}");
        }
    }
}
