//! Use of signing keys, by fingerprint: decides when an old key may be pruned. Contains no keys.

use super::columns::{optional_timestamp, seconds, timestamp, unsigned};
use super::error::StoreError;
use super::open::Store;
use super::realm::MAX_UNSAVED;
use crate::clock::UnixTime;
use core::time::Duration;
use rusqlite::{Row, params};
use std::collections::BTreeMap;

/// Use of a signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigningKeyUse {
    /// The first record of the key.
    pub first_seen_at: UnixTime,
    /// When another key began to sign; `None` while this one signs.
    pub retired_at: Option<UnixTime>,
    /// The longest token lifetime while it signed; zero if it never signed here.
    pub longest_lifetime: Duration,
    /// How many live sessions have a token that it may have signed.
    pub sessions: u64,
    /// When the last of these ends.
    pub sessions_until: Option<UnixTime>,
}

impl Store {
    /// Records that these keys, oldest first, are in use, and that the newest signs tokens of this lifetime.
    /// `own` signs links and forms, and may be older. All other keys become retired.
    pub fn record_signing_keys<'a>(
        &self,
        fingerprints: impl Iterator<Item = &'a str>,
        own: Option<&str>,
        lifetime: Duration,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let insert =
            "INSERT INTO signing_keys (fingerprint, first_seen_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        let sign = "UPDATE signing_keys SET retired_at = NULL, longest_lifetime = max(longest_lifetime, ?2) \
                    WHERE fingerprint = ?1";
        let sign_own = "UPDATE signing_keys SET retired_at = NULL WHERE fingerprint = ?1";
        let retire = "UPDATE signing_keys SET retired_at = ?3 \
                      WHERE fingerprint <> ?1 AND fingerprint <> ifnull(?2, ?1) AND retired_at IS NULL";
        let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        self.database.write(|connection| {
            let transaction = connection.transaction()?;
            let mut newest = None;
            for fingerprint in fingerprints {
                transaction.execute(insert, params![fingerprint, seconds(now)])?;
                newest = Some(fingerprint);
            }
            transaction.execute(sign, params![newest, lifetime])?;
            transaction.execute(sign_own, params![own])?;
            transaction.execute(retire, params![newest, own, seconds(now)])?;
            transaction.commit()?;
            Ok(())
        })
    }

    /// The recorded use of each key, by fingerprint.
    pub fn signing_keys(&self, now: UnixTime) -> Result<BTreeMap<String, SigningKeyUse>, StoreError> {
        // A session's token was signed when its row was made, by the key that signed then.
        let sql = "SELECT fingerprint, first_seen_at, retired_at, longest_lifetime, count(id), max(expires_at) \
                   FROM signing_keys LEFT JOIN sessions ON expires_at > ?1 \
                   AND created_at >= first_seen_at - ?2 AND created_at <= ifnull(retired_at, ?1) + ?2 \
                   GROUP BY fingerprint";
        self.database.read_on_writer(|connection| {
            let slack = MAX_UNSAVED.as_secs().cast_signed(); // between the times of two servers
            let mut statement = connection.prepare(sql)?;
            let mut rows = statement.query(params![seconds(now), slack])?;
            let mut uses = BTreeMap::new();
            while let Some(row) = rows.next()? {
                uses.insert(row.get(0)?, key_use(row)?);
            }
            Ok(uses)
        })
    }
}

fn key_use(row: &Row<'_>) -> rusqlite::Result<SigningKeyUse> {
    Ok(SigningKeyUse {
        first_seen_at: timestamp(row, 1)?,
        retired_at: optional_timestamp(row, 2)?,
        longest_lifetime: Duration::from_secs(unsigned(row, 3)?),
        sessions: unsigned(row, 4)?,
        sessions_until: optional_timestamp(row, 5)?,
    })
}
