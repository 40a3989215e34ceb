//! Persistence of the rate limiter: its counters survive a restart, and an administrator can clear them.
//!
//! A server saves the counters every few seconds and restores them at start. `gatekey throttle clear`
//! replaces them in the store and increments an epoch there. Every login reads the epoch; on a change the
//! server reloads the counters.

use super::notice::Notice;
use super::time::RealmNow;
use crate::limiter::{Limiter, Rules, SavedError};
use crate::random::{self, RandomError};
use crate::signer::SigningKey;
use crate::store::{Store, StoreError};
use crate::wait::{lock, try_lock};
use std::sync::Mutex;

/// The limiter, and the epoch of its counters.
#[derive(Debug)]
pub(super) struct DurableLimiter {
    pub(super) limiter: Limiter,
    epoch: Mutex<u64>,
}

impl DurableLimiter {
    /// Restores the counters. The notice tells that they were unreadable.
    pub(super) fn open(
        store: &Store,
        rules: &Rules,
        now: RealmNow,
    ) -> Result<(Self, Option<Notice<'static>>), StoreError> {
        let unavailable = |error: RandomError| StoreError::Unavailable(error.into());
        let key = store.limiter_key(&random::bytes().map_err(unavailable)?)?;
        let key = SigningKey::new(&key).map_err(|error| StoreError::Corrupt(error.to_string().into()))?;
        let limiter = Limiter::new(rules, key, now.monotonic);
        // Before the counters, so that a change in between is noticed at the next login.
        let epoch = store.limiter_epoch()?;
        let counters_lost = restore(&limiter, store, now)?;
        Ok((Self { limiter, epoch: Mutex::new(epoch) }, counters_lost))
    }

    /// Restores the counters again if the store has another epoch.
    pub(super) fn reload(&self, store: &Store, now: RealmNow) -> Result<Option<Notice<'static>>, StoreError> {
        // Locked until the end, so that only one thread reloads. A save meanwhile is for the old epoch and is
        // rejected.
        let mut own_epoch = lock(&self.epoch);
        let epoch = store.limiter_epoch()?; // first, as above
        if *own_epoch == epoch {
            return Ok(None);
        }
        let counters_lost = restore(&self.limiter, store, now)?;
        *own_epoch = epoch;
        Ok(counters_lost)
    }

    /// Saves changed counters. Returns whether any were saved. With another epoch in the store, reloads
    /// instead.
    pub(super) fn save(&self, store: &Store, now: RealmNow) -> Result<bool, StoreError> {
        let epoch = *lock(&self.epoch);
        let Some(counters) = self.limiter.save_changed(now.monotonic) else { return Ok(false) };
        let saved = store.save_limiter(&counters, now.unix, epoch);
        if !saved.inspect_err(|_| self.limiter.mark_unsaved())? {
            // Another thread may have reloaded and charged meanwhile.
            self.limiter.mark_unsaved();
            self.reload(store, now)?;
            return Ok(false);
        }
        Ok(true)
    }

    /// The epoch; `None` while another thread reloads.
    pub(super) fn try_epoch(&self) -> Option<u64> {
        try_lock(&self.epoch).ok().map(|epoch| *epoch)
    }
}

/// Replaces the limiter's counters by the store's. Unreadable ones are ignored, with a notice.
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
