//! Decoy hashes against user enumeration: what is verified where no password lets anyone in.
//!
//! Not every user's hash takes the same time. Imported ones are of other schemes, and old ones of another cost, until their
//! users log in. If a dummy of today's cost were verified instead, a name whose check takes another time would be a
//! user's.
//!
//! So where there is no usable hash (the name is unknown, the user disabled, the hash unusable), some user's is verified.
//! A keyed hash of the name picks it: the same user each time, and each kind of hash about as often as users have it. The
//! result is discarded.
//!
//! The pick is made before every check that hashes, needed or not, since it takes time too: a read of a few rows.

use super::Realm;
use crate::random;
use crate::signer::SigningKey;
use crate::store::Store;
use std::sync::OnceLock;

/// What the hash of a name begins with, so that it is nothing that the limiter makes under the same key.
const PURPOSE: &[u8] = b"whose hash stands in";

/// The key under which names are hashed: the store's, so that a restart changes nothing. The limiter puts it there, or
/// the import of the first users.
#[derive(Debug, Default)]
pub(super) struct Decoys {
    key: OnceLock<SigningKey>,
}

impl Decoys {
    /// The number of a name. Where there is no key in the store, the key is one that this process makes up.
    fn number(&self, store: &Store, username: &str) -> Option<u64> {
        let key = if let Some(key) = self.key.get() {
            key
        } else {
            // Only read: a login must not wait for a writer.
            let key = store.find_limiter_key().ok().flatten().or_else(|| random::bytes().ok())?;
            let key = SigningKey::new(&key).ok()?;
            self.key.get_or_init(|| key)
        };
        let hash = key.sign_fields(&[PURPOSE, username.as_bytes()]);
        hash.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
    }
}

impl Realm {
    /// The decoy for this name; `None` where there is no user at all, or the store can't be read.
    pub(super) fn decoy_hash(&self, username: &str) -> Option<String> {
        let number = self.decoys.number(&self.store, username)?;
        self.store.pick_decoy_hash(number).ok().flatten()
    }
}
