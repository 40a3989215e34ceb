//! scrypt (RFC 7914) as Werkzeug writes it: N and not its logarithm, the salt's text, 64 bytes in hexadecimal.
//!
//! ```text
//! scrypt:32768:8:1$3MxcBc3UbBMnjXJO$51569526c2229892…
//! ```

use super::super::{Cost, StoredHashError, derive};
use super::{is_salt, parse_hex};
use crate::secret;
use alloc::string::String;
use alloc::vec::Vec;

const FORM: &str = "scrypt:N:r:p$salt$hash with 128 hexadecimal digits";
const HASH_BYTES: usize = 64;

#[derive(Clone, PartialEq, Eq)]
pub(super) struct WerkzeugScrypt {
    cost: Cost,
    salt: String,
    hash: Vec<u8>,
}

impl WerkzeugScrypt {
    /// `None` where it is another scheme.
    pub(super) fn parse(text: &str) -> Option<Result<Self, StoredHashError>> {
        text.strip_prefix("scrypt:").map(Self::parse_rest)
    }

    fn parse_rest(rest: &str) -> Result<Self, StoredHashError> {
        let malformed = StoredHashError::Form(FORM);
        let mut parts = rest.split('$');
        let (Some(cost), Some(salt), Some(hash), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed);
        };
        let hash = parse_hex(hash, HASH_BYTES).ok_or(malformed)?;
        let cost = parse_cost(cost).ok_or(malformed)??;
        if is_salt(salt) { Ok(Self { cost, salt: salt.into(), hash }) } else { Err(malformed) }
    }

    pub(super) fn cost(&self) -> Cost {
        self.cost
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let mut hash = [0; HASH_BYTES];
        derive(password, self.salt.as_bytes(), self.cost, &mut hash);
        secret::equal(&hash, &self.hash)
    }
}

/// `32768:8:1`; `None` where it is not of that form.
fn parse_cost(text: &str) -> Option<Result<Cost, StoredHashError>> {
    let mut numbers = text.split(':').map(|number| number.parse::<u32>().ok());
    let (n, r, p) = (numbers.next()??, numbers.next()??, numbers.next()??);
    if numbers.next().is_some() || !n.is_power_of_two() {
        return None;
    }
    let log_n = u8::try_from(n.trailing_zeros()).ok()?;
    Some(Cost::new(log_n, r, p).map_err(|_| StoredHashError::Cost))
}
