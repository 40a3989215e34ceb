//! Decoy hashes against user enumeration by timing.
//!
//! If a check without a usable hash (unknown user, disabled user, unusable hash) took no time, or the time of
//! a dummy at the current cost, its duration would reveal that. Stored hashes differ in time: imported ones
//! have other schemes and old ones other costs until their users log in.
//!
//! Such a check therefore verifies the hash of another user and discards the result. A keyed hash of the
//! username picks that user: always the same one for a name, and each kind of hash as often as users have it.
//! The pick itself takes time, so it precedes every hash, needed or not.

use super::state::Realm;
use crate::random;
use crate::signer::SigningKey;

/// Separates these keyed hashes from the limiter's, which has the same key. The value is arbitrary; changing
/// it changes the picks.
const DOMAIN: &[u8] = b"decoy hash";

impl Realm {
    /// The decoy hash for a username; `None` without any user or if the store can't be read.
    pub(super) fn decoy_hash(&self, username: &str) -> Option<String> {
        let hash = self.decoy_key()?.sign_fields(&[DOMAIN, username.as_bytes()]);
        let number = hash.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))?;
        self.store.pick_decoy_hash(number).ok().flatten()
    }

    /// The key from the store, so that picks survive a restart; else a random one. Never written here: a
    /// login must not wait for a writer.
    fn decoy_key(&self) -> Option<&SigningKey> {
        if let Some(key) = self.decoy_key.get() {
            return Some(key);
        }
        let key = self.store.find_limiter_key().ok().flatten().or_else(|| random::bytes().ok())?;
        let key = SigningKey::new(&key).ok()?;
        Some(self.decoy_key.get_or_init(|| key))
    }
}
