//! scrypt (RFC 7914) in the forms of Werkzeug and Django: N and not its logarithm, the salt's text, a hash of
//! 64 bytes.
//!
//! ```text
//! scrypt:32768:8:1$3MxcBc3UbBMnjXJO$51569526c2229892…
//! scrypt$16384$ol5odjCh9c9dO6pONgXrv9$8$1$Ti7qHchr31C1qe3Wtcsel/mR0LqqAFt0Zz/aUWWGQLSFBOs3A5ndXWnpX88oaQJ02oGNKUFLk5Jd3dp//Ohidg==
//! ```
//!
//! Werkzeug writes the hash in hexadecimal digits, Django in base64.

use super::super::cost::Cost;
use super::super::hash::derive;
use super::super::stored::StoredHashError;
use super::{is_salt, parse_hex};
use crate::encoding;
use crate::secret;

const WERKZEUG: &str = "scrypt:N:r:p$salt$hash with 128 hexadecimal digits";
const DJANGO: &str = "scrypt$N$salt$r$p$hash with 64 bytes in base64";
const HASH_BYTES: usize = 64;

#[derive(Clone, PartialEq, Eq)]
pub(super) struct ForeignScrypt {
    cost: Cost,
    salt: String,
    hash: Vec<u8>,
}

impl ForeignScrypt {
    /// `None` for another scheme.
    pub(super) fn parse(text: &str) -> Option<Result<Self, StoredHashError>> {
        match (text.strip_prefix("scrypt:"), text.strip_prefix("scrypt$")) {
            (Some(rest), _) => Some(Self::parse_werkzeug(rest)),
            (_, Some(rest)) => Some(Self::parse_django(rest)),
            (None, None) => None,
        }
    }

    fn parse_werkzeug(rest: &str) -> Result<Self, StoredHashError> {
        let malformed = StoredHashError::Form(WERKZEUG);
        let mut parts = rest.split('$');
        let (Some(cost), Some(salt), Some(hash), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed);
        };
        let mut numbers = cost.split(':');
        let (Some(n), Some(r), Some(p), None) =
            (numbers.next(), numbers.next(), numbers.next(), numbers.next())
        else {
            return Err(malformed);
        };
        let hash = parse_hex(hash, HASH_BYTES).ok_or(malformed)?;
        Self::new([n, r, p], salt, hash, malformed)
    }

    fn parse_django(rest: &str) -> Result<Self, StoredHashError> {
        let malformed = StoredHashError::Form(DJANGO);
        let mut parts = rest.split('$');
        let mut part = || parts.next().ok_or(malformed);
        let (n, salt, r, p, hash) = (part()?, part()?, part()?, part()?, part()?);
        let hash = encoding::decode_base64(hash).map_err(|_| malformed)?;
        if parts.next().is_some() || hash.len() != HASH_BYTES {
            return Err(malformed);
        }
        Self::new([n, r, p], salt, hash, malformed)
    }

    fn new(
        numbers: [&str; 3],
        salt: &str,
        hash: Vec<u8>,
        malformed: StoredHashError,
    ) -> Result<Self, StoredHashError> {
        let cost = parse_cost(numbers).ok_or(malformed)??;
        if is_salt(salt) { Ok(Self { cost, salt: salt.into(), hash }) } else { Err(malformed) }
    }

    pub(super) fn cost(&self) -> Cost {
        self.cost
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let mut hash = [0; HASH_BYTES];
        derive(password, self.salt.as_bytes(), self.cost, &mut hash);
        secret::ct_eq(&hash, &self.hash)
    }
}

/// N, r and p; `None` if they are not numbers, or N is not a power of two.
fn parse_cost(numbers: [&str; 3]) -> Option<Result<Cost, StoredHashError>> {
    let [n, r, p] = numbers.map(|number| number.parse::<u32>().ok());
    let n = n.filter(|n| n.is_power_of_two())?;
    let log_n = u8::try_from(n.trailing_zeros()).ok()?;
    Some(Cost::new(log_n, r?, p?).map_err(|_| StoredHashError::Cost))
}
