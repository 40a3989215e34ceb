//! Which keys sign and verify: the file is looked at again, and the store notes what is in use.

use super::time::RealmNow;
use super::{Notice, Realm};
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

    /// Notes in the store which keys are in use, so that it is known when an old one may go. To be called once
    /// when serving begins; after that the realm does it itself.
    pub fn record_key_use(&self, now: Now) {
        self.note_ring(self.time.peek(now));
    }

    /// Looks at the key file again now: for a signal that asks for it.
    pub fn reload_keys(&self, now: Now) {
        let now = self.time.peek(now);
        self.take_up(self.keys.refresh_now(now.monotonic), now);
    }

    /// Looks at the key file, once a second at most, as each request does that depends on it. To be called every second, so
    /// that a server without requests drops a removed key, too.
    pub fn watch_keys(&self, now: Now) {
        let now = self.time.peek(now);
        self.take_up(self.keys.refresh(now.monotonic), now);
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

    /// Looks at the key file again, once a second at most: of all requests on event loops, one a second goes to a worker
    /// thread for that.
    pub(super) fn refresh_keys(&self, reads: Reads<'_>, now: RealmNow) -> Result<(), WouldBlock> {
        if !self.keys.is_refresh_due(now.monotonic) {
            return Ok(());
        }
        reads.may_block()?;
        self.take_up(self.keys.refresh(now.monotonic), now);
        Ok(())
    }

    /// Tells whoever watches, and notes new keys in the store.
    fn take_up(&self, refresh: Refresh, now: RealmNow) {
        match refresh {
            Refresh::Unchanged => {}
            Refresh::Changed => {
                (self.observer)(Notice::KeysChanged(&self.ring()));
                self.note_ring(now);
            }
            Refresh::Failed(error) => (self.observer)(Notice::KeysUnusable(&error)),
            Refresh::NotAnnounced(error) => (self.observer)(Notice::KeysNotAnnounced(&error)),
        }
    }

    /// Not at the clock's time: a key retired by a clock that is behind would be pruned too early.
    fn note_ring(&self, now: RealmNow) {
        let lifetime = self.policy.token_lifetime;
        if let Err(error) = keys::record_use(&self.store, &self.ring(), lifetime, now.unix) {
            (self.observer)(Notice::KeysNotNoted(&error));
        }
    }
}
