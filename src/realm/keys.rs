//! Key reload: the realm checks the key file for changes, and records in the store which keys are in use.

use super::notice::Notice;
use super::state::Realm;
use super::time::RealmNow;
use crate::clock::Now;
use crate::json::Object;
use crate::keys::{self, Refresh};
use crate::signed_value::{self, Purpose};
use crate::signer::KeyRing;
use crate::store::Reads;
use crate::wait::WouldBlock;
use core::time::Duration;
use std::sync::Arc;

impl Realm {
    /// The keys in use.
    pub fn ring(&self) -> Arc<KeyRing> {
        self.keys.ring()
    }

    /// Records in the store which keys are in use, for pruning. Call it once at start; the realm repeats it
    /// when the keys change.
    pub fn record_key_use(&self, now: Now) {
        self.record_ring(self.time.peek(now));
    }

    /// Reloads the key file now, for SIGHUP.
    pub fn reload_keys(&self, now: Now) {
        let now = self.time.peek(now);
        self.apply_refresh(self.keys.refresh_now(now.monotonic), now);
    }

    /// Reloads a changed key file, at most once a second. Requests do it too; call it every second, so that a
    /// server without requests drops a removed key.
    pub fn watch_keys(&self, now: Now) {
        let now = self.time.peek(now);
        self.apply_refresh(self.keys.refresh(now.monotonic), now);
    }

    /// Signs a value for one purpose; `None` where no key of the ring was made by gatekey.
    ///
    /// # Errors
    /// [`WouldBlock`] on an event loop, before any side effect.
    pub fn sign_value(
        &self,
        purpose: Purpose,
        claims: Object,
        lifetime: Duration,
        reads: Reads<'_>,
        now: Now,
    ) -> Result<Option<String>, WouldBlock> {
        let now = self.time.advance(now);
        self.refresh_keys(reads, now)?;
        Ok(signed_value::sign(purpose, claims, now.unix, lifetime, &self.ring()))
    }

    /// The claims of a value that was signed for this purpose and is valid now.
    ///
    /// # Errors
    /// [`WouldBlock`] on an event loop, before any side effect.
    pub fn verify_value(
        &self,
        purpose: Purpose,
        value: &str,
        reads: Reads<'_>,
        now: Now,
    ) -> Result<Option<Object>, WouldBlock> {
        let now = self.time.advance(now);
        self.refresh_keys(reads, now)?;
        Ok(signed_value::verify(purpose, value, now.unix, &self.ring()))
    }

    /// Reloads a changed key file, at most once a second. On an event loop the request that is due returns
    /// `WouldBlock`.
    pub(super) fn refresh_keys(&self, reads: Reads<'_>, now: RealmNow) -> Result<(), WouldBlock> {
        if !self.keys.is_refresh_due(now.monotonic) {
            return Ok(());
        }
        reads.may_block()?;
        self.apply_refresh(self.keys.refresh(now.monotonic), now);
        Ok(())
    }

    fn apply_refresh(&self, refresh: Refresh, now: RealmNow) {
        match refresh {
            Refresh::Unchanged => {}
            Refresh::Changed => {
                (self.observer)(Notice::KeysChanged(&self.ring()));
                self.record_ring(now);
            }
            Refresh::Failed(error) => (self.observer)(Notice::KeysUnusable(&error)),
            Refresh::NotAnnounced(error) => (self.observer)(Notice::KeysNotAnnounced(&error)),
        }
    }

    /// Takes the realm's time, not the clock's: a clock that is behind would let a retired key be pruned too
    /// early.
    fn record_ring(&self, now: RealmNow) {
        let lifetime = self.policy.token_lifetime;
        if let Err(error) = keys::record_use(&self.store, &self.ring(), lifetime, now.unix) {
            (self.observer)(Notice::KeyUseNotRecorded(&error));
        }
    }
}
