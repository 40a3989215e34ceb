//! Secrets in memory: redacted, wiped on drop, compared in constant time (timing side channel).

use core::fmt;
use ctutils::CtEq as _;
use zeroize::Zeroizing;

/// A secret text: a password, or a token as sent. No `Display`, redacted `Debug`, wiped on drop.
///
/// Earlier copies, in the bytes of a request for instance, are not wiped.
///
/// ```
/// use gatekey::secret::Secret;
/// let secret = Secret::new("python".into());
/// assert_eq!((secret.expose(), format!("{secret:?}").as_str()), ("python", "Secret(redacted)"));
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes ownership, without a copy.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// Bytes that are wiped on drop.
pub type SecretBytes = Zeroizing<Vec<u8>>;

/// Constant-time equality: the time depends on the lengths alone.
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
