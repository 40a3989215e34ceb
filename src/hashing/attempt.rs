//! One attempt at a password: what the hasher needs of its caller.

use super::HashError;
use crate::user_id::Generation;

/// What the hasher calls, in this order (`cache.rs` says which of it for which check).
pub trait Attempt {
    /// Why the attempt is rejected.
    type Error: From<HashError>;
    /// What was charged to the limiter. Dropping it leaves it charged.
    type Charge;
    /// The user's row, or that there is none.
    type Row;

    /// Whether the limiter would allow one more wrong password; charges nothing. Called under the cache's lock.
    ///
    /// # Errors
    /// Where it would not: otherwise the cache would answer guesses that are right, for free.
    fn peek(&self) -> Result<(), Self::Error>;

    /// Charges a wrong password to the limiter, before the check. Called under the cache's lock, so what is known of a
    /// check and whether it may be made is one decision. It must not read anything about the user.
    ///
    /// # Errors
    /// Where it is not allowed; then nothing is charged.
    fn charge(&self) -> Result<Self::Charge, Self::Error>;

    /// Takes the charge back: the password was right, or the check came to nothing.
    fn refund(&self, charge: Self::Charge);

    /// Reads the user's row.
    ///
    /// # Errors
    /// Where it can't be read.
    fn read_row(&self) -> Result<Self::Row, Self::Error>;

    /// The hash in a row that lets the user in; `None` where no password does.
    fn stored_hash<'a>(&self, row: &'a Self::Row) -> Option<Stored<'a>>;

    /// Called where the row's hash can't be verified.
    fn on_unusable_hash(&self, row: &Self::Row, error: &HashError);

    /// Another user's hash, which is verified where this row has none: a decoy, so that the work is what users' hashes
    /// cost. Called before every hash, needed or not, since the call takes time too.
    fn decoy_hash(&self) -> Option<String>;
}

/// A stored hash, and the generation in the same row.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// The hash, as text.
    pub text: &'a str,
    /// The generation.
    pub generation: Generation,
}
