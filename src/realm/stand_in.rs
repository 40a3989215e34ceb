//! Whose hash is verified where nobody is to get in, so that the time doesn't tell that.
//!
//! As long as all hashes are alike, a dummy would do. But imported hashes of other schemes take other times, and so do
//! those of another cost, until their users log in: a name at which the work is that of today's dummy would be nobody's,
//! or at which it isn't, somebody's. So a name that is nobody's costs what some user costs whom a keyed hash of the name
//! picks: always the same one, and as often one with a hash of this or that kind as there are such users. What the
//! verification finds is thrown away.
//!
//! The pick is one more read of a few rows. It is made for every name at which there is a hash, since it takes time as well.

use super::Realm;
use crate::random;
use crate::signer::SigningKey;
use crate::store::Store;
use alloc::string::String;
use std::sync::OnceLock;

/// What the hash of a name begins with, so that it is nothing that the throttle makes under the same key.
const PURPOSE: &[u8] = b"whose hash stands in";

/// The key under which names are hashed: the store's, so that a restart changes nothing. The throttle puts it there, or
/// the import of the first users.
#[derive(Debug, Default)]
pub(super) struct StandIns {
    key: OnceLock<SigningKey>,
}

impl StandIns {
    /// The number of a name. Where there is no key in the store, the key is one that this process makes up.
    fn number(&self, store: &Store, username: &str) -> Option<u64> {
        let key = if let Some(key) = self.key.get() {
            key
        } else {
            // Only read: a login must not wait for whoever writes.
            let key = store.find_throttle_key().ok().flatten().or_else(|| random::bytes().ok())?;
            let key = SigningKey::new(&key).ok()?;
            self.key.get_or_init(|| key)
        };
        let hash = key.sign_fields(&[PURPOSE, username.as_bytes()]);
        hash.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
    }
}

impl Realm {
    /// The stored hash that stands in for this name's; `None` where there is no user at all, or the store can't tell.
    pub(super) fn stand_in(&self, username: &str) -> Option<String> {
        let number = self.stand_ins.number(&self.store, username)?;
        self.store.draw_password_hash(number).ok().flatten()
    }
}
