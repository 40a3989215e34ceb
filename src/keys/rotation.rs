//! Key rotation: the use of each key, and when a retired key may be pruned.
//!
//! A key signs while it is the newest of the ring. After that it is retired, and only verifies. It may be
//! pruned when the last token that it signed has expired.

use super::published::is_published;
use crate::clock::UnixTime;
use crate::signer::{KeyRing, SigningKey};
use crate::store::{SigningKeyUse, Store, StoreError};
use core::time::Duration;
use std::collections::BTreeMap;

/// How long a running server may go on signing with a key after it was retired: it reads the file once a
/// second.
const LAST_SIGNATURE: Duration = Duration::from_secs(2);

/// The recorded use of each key, by its fingerprint.
pub type KeyUses = BTreeMap<String, SigningKeyUse>;

/// A key of a ring, and its recorded use.
#[derive(Debug)]
pub struct KeyStatus<'a> {
    /// The key.
    pub key: &'a SigningKey,
    /// Its fingerprint.
    pub fingerprint: String,
    /// Whether it is the newest, which signs.
    pub signs: bool,
    /// Whether links and forms are signed with keys that are derived from it.
    pub signs_values: bool,
    /// Its use; `None` if the store has no record of it.
    pub recorded: Option<SigningKeyUse>,
    /// The time from which it may be pruned; `None` if it signs (links and forms, too), or if its use is not
    /// recorded.
    pub prunable_from: Option<UnixTime>,
}

/// The keys of a ring, oldest first. `max_session` is the longest time for which tokens signed elsewhere are
/// accepted.
pub fn statuses<'a>(ring: &'a KeyRing, uses: &KeyUses, max_session: Duration) -> Vec<KeyStatus<'a>> {
    let newest = ring.newest().fingerprint();
    let newest_own = ring.newest_own().map(SigningKey::fingerprint);
    let status = |key: &'a SigningKey| {
        let fingerprint = key.fingerprint();
        let signs = fingerprint == newest;
        let recorded = uses.get(&fingerprint).copied();
        let prunable_from = recorded.filter(|_| !signs).and_then(|known| prunable_from(known, max_session));
        let signs_values = newest_own.as_ref() == Some(&fingerprint);
        KeyStatus { key, fingerprint, signs, signs_values, recorded, prunable_from }
    };
    ring.keys().map(status).collect()
}

/// The time at which the last token that a retired key signed has expired. The lifetime of tokens that were
/// signed elsewhere is not recorded; they are accepted for `max_session` at most. A session's token lives as
/// long as the session.
fn prunable_from(known: SigningKeyUse, max_session: Duration) -> Option<UnixTime> {
    let lifetime = match known.longest_lifetime {
        Duration::ZERO => max_session,
        lifetime => lifetime,
    };
    let tokens_until = known.retired_at?.saturating_add(LAST_SIGNATURE).saturating_add(lifetime);
    Some(known.sessions_until.map_or(tokens_until, |until| until.max(tokens_until)))
}

impl KeyStatus<'_> {
    /// Whether no valid token depends on the key.
    pub fn may_be_pruned(&self, now: UnixTime) -> bool {
        self.prunable_from.is_some_and(|from| from <= now)
    }

    /// The longest lifetime of a token that it signed; `None` if it never signed here.
    pub fn longest_lifetime(&self) -> Option<Duration> {
        self.recorded.map(|known| known.longest_lifetime).filter(|lifetime| !lifetime.is_zero())
    }

    /// How many live sessions have a token that it may have signed.
    pub fn sessions(&self) -> u64 {
        self.recorded.map_or(0, |known| known.sessions)
    }

    /// Whether its secret is published, in the article or in documentation.
    pub fn is_published(&self) -> bool {
        is_published(self.key)
    }
}

/// Records that the keys of this ring are in use. `lifetime` is that of the tokens which its newest key signs
/// here; zero where it signs none.
pub fn record_use(
    store: &Store,
    ring: &KeyRing,
    lifetime: Duration,
    now: UnixTime,
) -> Result<(), StoreError> {
    let fingerprints: Vec<_> = ring.keys().map(SigningKey::fingerprint).collect();
    let own = ring.newest_own().map(SigningKey::fingerprint);
    store.record_signing_keys(fingerprints.iter().map(String::as_str), own.as_deref(), lifetime, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_be_pruned_when_its_last_token_has_expired() {
        let at = |seconds| UnixTime::new(seconds).unwrap();
        let max_session = Duration::from_secs(86_400);
        let key = |retired_at: Option<u64>, lifetime| SigningKeyUse {
            first_seen_at: at(10),
            retired_at: retired_at.map(at),
            longest_lifetime: Duration::from_secs(lifetime),
            sessions: 0,
            sessions_until: None,
        };
        let with_session = |until| SigningKeyUse { sessions_until: Some(at(until)), ..key(Some(1_000), 600) };
        assert_eq!(prunable_from(with_session(9_000), max_session), Some(at(9_000)));
        assert_eq!(prunable_from(with_session(1_100), max_session), Some(at(1_602)));
        assert_eq!(prunable_from(key(Some(1_000), 600), max_session), Some(at(1_602)));
        assert_eq!(prunable_from(key(Some(1_000), 0), max_session), Some(at(87_402)), "it never signed here");
        assert_eq!(prunable_from(key(None, 600), max_session), None);
    }
}
