//! Notices: events that the realm reports to the administrator through the log.

use crate::hashing::HashError;
use crate::keys::KeyFileError;
use crate::limiter::SavedError;
use crate::signer::KeyRing;
use crate::store::StoreError;
use crate::user_id::UserId;
use core::error::Error;
use core::fmt;
use core::time::Duration;

/// An event for the log. Clients never see it.
#[derive(Debug)]
pub enum Notice<'a> {
    /// The key file was reloaded.
    KeysChanged(&'a KeyRing),
    /// The key file is unusable; the old keys stay in use.
    KeysUnusable(&'a KeyFileError),
    /// The file that tells commands which keys this server uses can't be written.
    KeysNotAnnounced(&'a KeyFileError),
    /// The use of the keys was not recorded in the store.
    KeyUseNotRecorded(&'a StoreError),
    /// The user's stored hash can't be verified, so the user can't log in.
    HashUnusable(UserId, &'a HashError),
    /// The user's outdated hash was not replaced. The login succeeded.
    HashNotReplaced(UserId, &'a (dyn Error + Send + Sync)),
    /// The address of the user's login was not recorded. The login succeeded.
    AddressNotRemembered(UserId, &'a StoreError),
    /// The saved counters of failed attempts are unreadable and start at zero.
    CountersLost(SavedError),
    /// The counters of failed attempts or the newest time were not saved.
    NotSaved(&'a StoreError),
    /// Counters that another process replaced were not reloaded.
    CountersNotReloaded(&'a StoreError),
    /// The clock is behind the newest time in the store, by this much.
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
            Self::KeyUseNotRecorded(error) => {
                write!(f, "the use of the signing keys was not recorded: {error}")
            }
            Self::HashUnusable(id, error) => write!(f, "user {id} can't log in: {error}"),
            Self::HashNotReplaced(id, error) => write!(f, "the outdated hash of user {id} stays: {error}"),
            Self::AddressNotRemembered(id, error) => {
                write!(f, "the address of a login of user {id} was not recorded: {error}")
            }
            Self::CountersLost(error) => write!(f, "{error}; failed attempts are counted from zero"),
            Self::NotSaved(error) => write!(
                f,
                "the counters of failed attempts and the newest time were not saved: {error}; they stay in memory"
            ),
            Self::CountersNotReloaded(error) => write!(
                f,
                "the counters of failed attempts were replaced in the database and not reloaded: {error}; the next \
                 login retries"
            ),
            Self::ClockBehind(by) => write!(
                f,
                "the clock is {} s behind the newest time in the database; time continues from there, so that expired \
                 tokens stay expired. Set the clock right; if it once ran ahead, tokens carry future times until it \
                 has caught up",
                by.as_secs()
            ),
        }
    }
}
