//! Serialization of the counters, so that a restart keeps them.
//!
//! ```text
//! 1, ROWS, WIDTH as 4 bytes          version, and shape of the tables
//! kind, cell, level                  1, 4 and 8 bytes, for each cell that is not empty
//! ```
//!
//! Numbers are big-endian, levels are milliseconds. Without the key, nothing shows which name or address a
//! cell belongs to.

use super::charge::Limiter;
use super::table::{KINDS, Kind, Millis, ROWS, Table, WIDTH};
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::time::Instant;

/// Version of the tables' meaning: saved counters of another version are rejected.
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 6;
const RECORD_BYTES: usize = 13;

/// The bytes are not counters of this version and shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the saved counters are damaged, or of another version")]
pub struct SavedError;

fn head() -> [u8; HEAD_BYTES] {
    let rows = u8::try_from(ROWS).expect("there are few rows");
    let [a, b, c, d] = u32::try_from(WIDTH).expect("a row has fewer than 2^32 cells").to_be_bytes();
    [VERSION, rows, a, b, c, d]
}

impl Limiter {
    /// Serializes all counters, if any changed since the last save or restore. Checks in flight count as
    /// failed.
    pub fn save_changed(&self, now: Instant) -> Option<Vec<u8>> {
        self.is_save_urgent.store(false, Ordering::Release);
        self.has_changed.swap(false, Ordering::AcqRel).then(|| self.save(now))
    }

    /// Whether a bucket has become full since the last save: a restart must not accept a client that is
    /// rejected now.
    pub fn is_save_urgent(&self) -> bool {
        self.is_save_urgent.load(Ordering::Acquire)
    }

    /// Notes that the last save was not stored.
    pub fn mark_unsaved(&self) {
        self.has_changed.store(true, Ordering::Release);
    }

    /// Serializes all counters.
    pub fn save(&self, now: Instant) -> Vec<u8> {
        let (tables, now) = (self.lock(), self.millis(now));
        self.saves.fetch_add(1, Ordering::AcqRel);
        let mut saved = head().to_vec();
        for (kind, table) in KINDS.iter().zip(tables.iter()) {
            for (cell, level) in table.levels(now) {
                saved.push(*kind as u8);
                saved.extend(u32::try_from(cell).unwrap_or(u32::MAX).to_be_bytes());
                saved.extend(level.to_be_bytes());
            }
        }
        saved
    }

    /// Replaces all counters by saved ones; `elapsed` has passed since they were saved.
    ///
    /// # Errors
    /// [`SavedError`]; then the counters are unchanged.
    pub fn restore(&self, saved: &[u8], elapsed: Duration, now: Instant) -> Result<(), SavedError> {
        let (records, rest) = saved.strip_prefix(&head()).ok_or(SavedError)?.as_chunks::<RECORD_BYTES>();
        if !rest.is_empty() {
            return Err(SavedError);
        }
        let records: Vec<_> = records.iter().map(parse).collect::<Option<_>>().ok_or(SavedError)?;
        let elapsed = Millis::try_from(elapsed.as_millis()).unwrap_or(Millis::MAX);
        let (mut tables, now) = (self.lock(), self.millis(now));
        tables.iter_mut().for_each(Table::clear);
        for (kind, cell, level) in records {
            kind.table_mut(&mut tables).fill(cell, level.saturating_sub(elapsed), now);
        }
        self.has_changed.store(false, Ordering::Release);
        Ok(())
    }

    /// Empty counters, serialized.
    pub fn empty_save() -> Vec<u8> {
        head().to_vec()
    }
}

/// Kind, cell, level.
fn parse(record: &[u8; RECORD_BYTES]) -> Option<(Kind, usize, Millis)> {
    let (kind, rest) = record.split_first()?;
    let (cell, level) = rest.split_first_chunk()?;
    let kind = *KINDS.get(usize::from(*kind))?;
    let cell = usize::try_from(u32::from_be_bytes(*cell)).ok()?;
    let level = Millis::from_be_bytes(*level.first_chunk()?);
    (cell < ROWS * WIDTH).then_some((kind, cell, level))
}
