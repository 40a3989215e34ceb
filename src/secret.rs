//! Secrets in memory: never shown, wiped when dropped, compared in constant time.

use core::fmt;
use ctutils::CtEq as _;
use zeroize::Zeroizing;

/// A text that is nobody's business: a password, or a token as it was sent.
///
/// It has no `Display`, its `Debug` is redacted, and its memory is wiped when it is dropped. Copies that
/// others made before it came here (the bytes of a request, say) are not.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text in, without copying it.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// Bytes that are wiped when they are dropped.
pub type SecretBytes = Zeroizing<Vec<u8>>;

/// Whether two byte strings are equal, in a time that depends on their lengths alone.
pub fn ct_eq(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).to_bool()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secrets_debug_output_is_redacted() {
        let secret = Secret::new("python".into());
        assert_eq!(format!("{secret:?}"), "Secret(redacted)");
        assert_eq!(secret.expose(), "python");
    }

    #[test]
    fn ct_eq_compares_lengths_and_every_byte() {
        assert!(ct_eq(b"", b""));
        assert!(ct_eq(b"abc", b"abc"));
        for other in [&b"abd"[..], b"bbc", b"ab", b"abcd", b""] {
            assert!(!ct_eq(b"abc", other));
        }
    }
}
