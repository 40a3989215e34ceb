//! The limiter's counters, over a restart and between processes.
//!
//! A server saves them every few seconds, and begins with those that it saved last. An operator's command clears them in
//! the store, under a server that runs: so the store counts an epoch, which each login reads along, and a server that finds
//! another one than its own takes up what stands there.

use super::Notice;
use super::time::RealmNow;
use crate::limiter::{Limiter, Rules, SavedError};
use crate::random::{self, RandomError};
use crate::signer::SigningKey;
use crate::store::{Store, StoreError};
use crate::wait::{lock, try_lock};
use std::sync::Mutex;

/// The limiter, whose counters the store keeps over a restart, and an operator may replace there.
#[derive(Debug)]
pub(super) struct DurableLimiter {
    pub(super) limiter: Limiter,
    /// Of which epoch its counters are: whoever replaces those in the store begins another one.
    epoch: Mutex<u64>,
}

impl DurableLimiter {
    /// A limiter with the counters that stand in the store; also what there is to tell.
    pub(super) fn open(
        store: &Store,
        rules: &Rules,
        now: RealmNow,
    ) -> Result<(Self, Option<Notice<'static>>), StoreError> {
        let unavailable = |error: RandomError| StoreError::Unavailable(error.into());
        let key = store.limiter_key(&random::bytes().map_err(unavailable)?)?;
        let key = SigningKey::new(&key).map_err(|error| StoreError::Corrupt(error.to_string().into()))?;
        let limiter = Limiter::new(rules, key, now.monotonic);
        // The epoch first: were the counters changed in between, they would be read once more.
        let epoch = store.limiter_epoch()?;
        let counters_lost = restore(&limiter, store, now)?;
        Ok((Self { limiter, epoch: Mutex::new(epoch) }, counters_lost))
    }

    /// Takes up the counters in the store, if these are of another epoch by now.
    pub(super) fn reload(&self, store: &Store, now: RealmNow) -> Result<Option<Notice<'static>>, StoreError> {
        // Held until all is done: of several who find another epoch only one reloads. Who saves meanwhile does so for the
        // old epoch, and is refused.
        let mut own_epoch = lock(&self.epoch);
        let epoch = store.limiter_epoch()?; // first, as above
        if *own_epoch == epoch {
            return Ok(None);
        }
        let counters_lost = restore(&self.limiter, store, now)?;
        *own_epoch = epoch;
        Ok(counters_lost)
    }

    /// Saves the counters if any changed, and says whether any did. Where the store's are of another epoch, those are
    /// taken up instead.
    pub(super) fn save(&self, store: &Store, now: RealmNow) -> Result<bool, StoreError> {
        let epoch = self.epoch();
        let Some(counters) = self.limiter.save_changed(now.monotonic) else { return Ok(false) };
        let saved = store.save_limiter(&counters, now.unix, epoch);
        if !saved.inspect_err(|_| self.limiter.mark_unsaved())? {
            // Somebody else may have taken that epoch's up by now, and counted on.
            self.limiter.mark_unsaved();
            self.reload(store, now)?;
            return Ok(false);
        }
        Ok(true)
    }

    fn epoch(&self) -> u64 {
        *lock(&self.epoch)
    }

    /// `None` while another thread takes up new counters.
    pub(super) fn try_epoch(&self) -> Option<u64> {
        try_lock(&self.epoch).ok().map(|epoch| *epoch)
    }
}

/// Puts the store's counters in the place of the limiter's. Where they can't be read, the limiter's stay, and that is told.
fn restore(limiter: &Limiter, store: &Store, now: RealmNow) -> Result<Option<Notice<'static>>, StoreError> {
    let restored = match store.load_limiter() {
        Ok(Some(saved)) => {
            let elapsed = now.unix.duration_since(saved.saved_at);
            limiter.restore(&saved.counters, elapsed, now.monotonic)
        }
        Ok(None) => Ok(()),
        Err(StoreError::Corrupt(_)) => Err(SavedError),
        Err(error) => return Err(error),
    };
    Ok(restored.err().map(Notice::CountersLost))
}
