//! The id of a session: 128 random bits, so that none is given twice (not after a restore either) and none tells a count.

use crate::encoding;
use core::fmt;

/// The id of a signed-in browser, its guard cookie, or a named token. It is no secret: it authenticates nothing without a
/// signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; Self::BYTES]);

impl SessionId {
    /// How many bytes an id has.
    pub const BYTES: usize = 16;

    /// The id of these bytes.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// Parses 22 characters of base64url, the one spelling that an id has.
    ///
    /// ```
    /// use gatekey::session_id::SessionId;
    /// let id = SessionId::parse("AAECAwQFBgcICQoLDA0ODw").unwrap();
    /// assert_eq!(id.to_string(), "AAECAwQFBgcICQoLDA0ODw");
    /// assert_eq!(SessionId::parse("AAECAwQFBgcICQoLDA0ODx"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = encoding::decode_base64url(text).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encoding::encode_base64url(self.0))
    }
}
