//! Password normalization: new hashes are of the normalized form, older ones may be of the bytes as sent.
//!
//! A new hash is of the password's OpaqueString (RFC 8265 section 4.2), however a device composes accents or
//! spaces. An older or imported hash may be of the bytes as sent. If the two forms differ, both are verified,
//! the normalized one first.
//!
//! User enumeration: until the right password is shown, the number of hashes depends on the input alone. A
//! decoy is another user's hash, whose password the client may know, so a match against a decoy doesn't end
//! the work.

use crate::password::{self, AnyHash};
use crate::secret::Secret;
use crate::unicode;

pub(super) struct Forms {
    sent: Secret,
    /// `None` if it is the form that was sent.
    normalized: Option<Secret>,
}

/// Result of [`Forms::verify`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Matched {
    pub(super) form: Option<Form>,
    pub(super) hashes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The form of new hashes.
    Normalized,
    /// The bytes that were sent.
    AsSent,
}

impl Forms {
    /// The forms of this password. A normalized form over the length limit is not used.
    pub(super) fn of(password: &Secret) -> Self {
        let normalized = unicode::opaque_string(password);
        let normalized = normalized.filter(|form| password::LENGTH.contains(&form.expose().len()));
        Self { sent: password.clone(), normalized }
    }

    pub(super) fn for_new_hash(&self) -> &Secret {
        self.normalized.as_ref().unwrap_or(&self.sent)
    }

    /// Verifies the forms in turn; against a decoy, every form.
    pub(super) fn verify(&self, stored: &AnyHash, is_decoy: bool) -> Matched {
        let is_normalized = stored.verify(self.for_new_hash());
        let is_done = self.normalized.is_none() || (is_normalized && !is_decoy);
        let is_as_sent = !is_done && stored.verify(&self.sent);
        let form = match (is_normalized, is_as_sent) {
            (true, _) => Some(Form::Normalized),
            (false, true) => Some(Form::AsSent),
            (false, false) => None,
        };
        Matched { form, hashes: if is_done { 1 } else { 2 } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NFC: &str = "p\u{e4}ss w\u{f6}rd";
    const NFD: &str = "pa\u{308}ss\u{a0}wo\u{308}rd";

    fn forms(text: &str) -> Forms {
        Forms::of(&Secret::new(text.into()))
    }

    fn stored(text: &str) -> AnyHash {
        let cost = "ln=1,r=1,p=1".parse().unwrap();
        password::hash(&Secret::new(text.into()), cost).unwrap().into()
    }

    #[test]
    fn hashes_of_both_forms_are_verified_with_work_that_the_input_decides() {
        let matched = |form, hashes| Matched { form, hashes };
        for (hash_of, sent, expected) in [
            (NFC, NFC, matched(Some(Form::Normalized), 1)),
            (NFC, NFD, matched(Some(Form::Normalized), 1)),
            (NFD, NFD, matched(Some(Form::AsSent), 2)),
            (NFD, NFC, matched(None, 1)),
            ("other", NFC, matched(None, 1)),
            ("other", NFD, matched(None, 2)),
        ] {
            assert_eq!(forms(sent).verify(&stored(hash_of), false), expected, "{hash_of:?} {sent:?}");
        }
    }

    #[test]
    fn against_a_decoy_a_match_saves_no_work() {
        for (hash_of, sent, hashes) in [(NFC, NFC, 1), (NFC, NFD, 2), (NFD, NFD, 2), ("other", NFD, 2)] {
            assert_eq!(forms(sent).verify(&stored(hash_of), true).hashes, hashes, "{hash_of:?} {sent:?}");
        }
    }

    #[test]
    fn a_normalized_form_that_is_too_long_is_not_used() {
        let sent: String = "\u{1d160}".repeat(256);
        assert_eq!(sent.len(), *password::LENGTH.end());
        assert_eq!(forms(&sent).for_new_hash().expose(), sent);
        let expected = Matched { form: Some(Form::Normalized), hashes: 1 };
        assert_eq!(forms(&sent).verify(&stored(&sent), false), expected);
    }
}
