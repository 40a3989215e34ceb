//! A password check: what the client sent, the verdict, and the callbacks to the rate limiter and the user's
//! row.

use super::error::HashError;
use crate::client::Client;
use crate::secret::Secret;
use crate::user_id::Generation;

/// A stored hash, and the generation in the same row.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// The hash, as text.
    pub text: &'a str,
    /// The generation.
    pub generation: Generation,
}

/// A password check: what the client sent.
#[derive(Debug)]
pub struct Check<'a> {
    /// The user name as sent.
    pub username: &'a str,
    /// The password.
    pub password: &'a Secret,
    /// The client.
    pub client: Client,
    /// Whether the user has logged in from there before: then the check waits in the line of known users.
    pub is_remembered: bool,
}

/// The verdict on a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not the password.
    Wrong,
    /// The password.
    Right,
    /// The password; its stored hash has another cost, form or scheme than new ones and should be replaced.
    RightButOutdated,
    /// The stored hash can't be verified.
    Unusable,
}

impl Verdict {
    pub(super) fn is_right(self) -> bool {
        matches!(self, Self::Right | Self::RightButOutdated)
    }
}

/// What the hasher calls, in this order. `cache.rs` says which check calls what.
pub trait Attempt {
    /// The reason for a rejection.
    type Error: From<HashError>;
    /// A charge of the rate limiter. It stays charged if it is dropped.
    type Charge;
    /// The user's row, or its absence.
    type Row;

    /// Checks the rate limit without a charge. Called under the cache's lock.
    ///
    /// # Errors
    /// If the limit is exceeded: else the cache would confirm a right guess beyond it.
    fn check_limit(&self) -> Result<(), Self::Error>;

    /// Charges the rate limiter before the check. Called under the cache's lock, so that the look-up in the
    /// cache and the charge are atomic. It must not read the user.
    ///
    /// # Errors
    /// If the limit is exceeded; then nothing is charged.
    fn charge(&self) -> Result<Self::Charge, Self::Error>;

    /// Takes the charge back: the password was right, or the check had no result.
    fn refund(&self, charge: Self::Charge);

    /// Reads the user's row.
    ///
    /// # Errors
    /// If it can't be read.
    fn read_row(&self) -> Result<Self::Row, Self::Error>;

    /// The hash to verify; `None` for an unknown or disabled user.
    fn stored_hash<'a>(&self, row: &'a Self::Row) -> Option<Stored<'a>>;

    /// Reports that the row's hash can't be verified.
    fn on_unusable_hash(&self, row: &Self::Row, error: &HashError);

    /// Decoy: another user's hash, verified if this row has none, so that the work is that of a user's hash.
    /// Called before every hash, needed or not, since the call takes time too.
    fn decoy_hash(&self) -> Option<String>;
}
