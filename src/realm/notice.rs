//! What an operator is told.

use crate::hashing::HashError;
use crate::keys::KeyFileError;
use crate::limiter::SavedError;
use crate::signer::KeyRing;
use crate::store::StoreError;
use crate::user_id::UserId;
use core::error::Error;
use core::fmt;
use core::time::Duration;

/// Something that an operator should know and no client may: it goes to the log.
#[derive(Debug)]
pub enum Notice<'a> {
    /// Another key file is in use.
    KeysChanged(&'a KeyRing),
    /// The key file can't be used; the old keys stay.
    KeysUnusable(&'a KeyFileError),
    /// Commands that remove a key can't see which keys are in use here.
    KeysNotAnnounced(&'a KeyFileError),
    /// The use of the keys could not be noted in the store.
    KeysNotNoted(&'a StoreError),
    /// This user's stored hash can't be verified, so the user can't log in.
    HashUnusable(UserId, &'a HashError),
    /// This user's outdated hash could not be replaced; the login went on.
    HashNotReplaced(UserId, &'a (dyn Error + Send + Sync)),
    /// The address of this user's login was not noted; the login went on.
    AddressNotRemembered(UserId, &'a StoreError),
    /// The saved counters of failed guesses can't be read; counting began anew.
    CountersLost(SavedError),
    /// What a restart must not forget was not saved: counters of failed guesses, the newest time.
    NotSaved(&'a StoreError),
    /// Counters that another process replaced could not be read.
    CountersNotRead(&'a StoreError),
    /// The clock is so far behind the newest time that the store has seen.
    ClockBehind(Duration),
}

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeysChanged(ring) => {
                let (count, newest) = (ring.keys().count(), ring.newest().fingerprint());
                write!(f, "signing keys read again: {count}, the newest has the fingerprint {newest}")
            }
            Self::KeysUnusable(error) => write!(f, "{error}; the keys read before stay in use"),
            Self::KeysNotAnnounced(error) => write!(
                f,
                "{error}; gatekey key rotate --compromised and key prune don't wait for this server until it can"
            ),
            Self::KeysNotNoted(error) => write!(f, "the use of the signing keys was not noted: {error}"),
            Self::HashUnusable(id, error) => write!(f, "user {id} can't log in: {error}"),
            Self::HashNotReplaced(id, error) => write!(f, "the outdated hash of user {id} stays: {error}"),
            Self::AddressNotRemembered(id, error) => {
                write!(f, "the address of a login of user {id} was not noted: {error}")
            }
            Self::CountersLost(error) => write!(f, "{error}; failed guesses are counted anew"),
            Self::NotSaved(error) => write!(
                f,
                "the counters of failed guesses and the newest time were not saved: {error}; they go on in memory"
            ),
            Self::CountersNotRead(error) => write!(
                f,
                "the counters of failed guesses were changed in the database, and could not be read: {error}; the next \
                 login tries again"
            ),
            Self::ClockBehind(by) => write!(
                f,
                "the clock is {} s behind the newest time in the database; time goes on from there, so that nothing \
                 expired comes back to life. Set the clock right; if it once ran ahead, tokens carry times of the \
                 future until it has caught up",
                by.as_secs()
            ),
        }
    }
}
