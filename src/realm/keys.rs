//! Which keys sign and verify: the file is looked at again, and the store notes what is in use.

use super::time::RealmNow;
use super::{Notice, Realm};
use crate::clock::Now;
use crate::keys::Refresh;
use crate::signer::{KeyRing, SigningKey};
use crate::store::Reads;
use crate::wait::WouldBlock;
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
        let fingerprints: Vec<String> = self.ring().keys().map(SigningKey::fingerprint).collect();
        let fingerprints = fingerprints.iter().map(String::as_str);
        if let Err(error) = self.store.record_signing_keys(fingerprints, self.policy.token_lifetime, now.unix)
        {
            (self.observer)(Notice::KeysNotNoted(&error));
        }
    }
}
