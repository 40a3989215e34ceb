//! Whose hash is verified where nobody is to get in, so that the time doesn't tell that.
//!
//! Not every user's hash takes the same time: imported ones are of other schemes, and old ones of another cost, until their
//! users log in. If a dummy of today's cost stood in, a name whose check takes another time would be a user's.
//!
//! So where no hash lets anybody in (the name is unknown, the user disabled, the hash unusable), some user's is verified,
//! whom a keyed hash of the name picks: the same user each time, and each kind of hash about as often as users have it. What
//! the verification finds is thrown away.
//!
//! The pick is made before every check that hashes, needed or not, since it takes time too: a read of a few rows.

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
