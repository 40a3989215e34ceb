//! The counters as bytes, so that a restart forgets nothing.
//!
//! ```text
//! 1, ROWS, WIDTH as 4 bytes          a version, and the shape of the tables
//! kind, place, level                 1, 4 and 8 bytes, for each place that holds something
//! ```
//!
//! All numbers are big-endian, levels are milliseconds of running out. Which name or address stands where, only the
//! key tells, and only by trying.

use super::table::{Millis, ROWS, WIDTH};
use super::{KINDS, Kind, Limiter, Table};
use core::fmt;
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::time::Instant;

/// The version of the tables' shape and meaning: counters saved under another are not read.
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 6;
const RECORD_BYTES: usize = 13;

/// What was saved can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedError;

impl fmt::Display for SavedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the saved counters are damaged, or of another version")
    }
}

impl core::error::Error for SavedError {}

fn head() -> [u8; HEAD_BYTES] {
    let rows = u8::try_from(ROWS).unwrap_or(u8::MAX);
    let [a, b, c, d] = u32::try_from(WIDTH).unwrap_or(u32::MAX).to_be_bytes();
    [VERSION, rows, a, b, c, d]
}

impl Limiter {
    /// All counters, if any changed since they were last saved or restored. Checks under way count as failed.
    pub fn save_changed(&self, now: Instant) -> Option<Vec<u8>> {
        self.is_save_urgent.store(false, Ordering::Release);
        self.has_changed.swap(false, Ordering::AcqRel).then(|| self.save(now))
    }

    /// Whether a counter has become full since they were last saved: a client that is rejected from now on must not be let
    /// in by a restart.
    pub fn is_save_urgent(&self) -> bool {
        self.is_save_urgent.load(Ordering::Acquire)
    }

    /// What was saved last didn't get to where it was to be kept.
    pub fn save_again(&self) {
        self.has_changed.store(true, Ordering::Release);
    }

    /// All counters.
    pub fn save(&self, now: Instant) -> Vec<u8> {
        let (tables, now) = (self.lock(), self.millis(now));
        self.saves.fetch_add(1, Ordering::AcqRel);
        let mut saved = head().to_vec();
        for (kind, table) in KINDS.iter().zip(tables.iter()) {
            for (place, level) in table.levels(now) {
                saved.push(*kind as u8);
                saved.extend(u32::try_from(place).unwrap_or(u32::MAX).to_be_bytes());
                saved.extend(level.to_be_bytes());
            }
        }
        saved
    }

    /// Puts saved counters in the place of those that are here; `elapsed` has passed since they were saved.
    ///
    /// # Errors
    /// [`SavedError`]; the counters stay as they are then.
    pub fn restore(&self, saved: &[u8], elapsed: Duration, now: Instant) -> Result<(), SavedError> {
        let (records, rest) = saved.strip_prefix(&head()).ok_or(SavedError)?.as_chunks::<RECORD_BYTES>();
        if !rest.is_empty() {
            return Err(SavedError);
        }
        let records: Vec<_> = records.iter().map(parse).collect::<Option<_>>().ok_or(SavedError)?;
        let elapsed = Millis::try_from(elapsed.as_millis()).unwrap_or(Millis::MAX);
        let (mut tables, now) = (self.lock(), self.millis(now));
        tables.iter_mut().for_each(Table::clear);
        for (kind, place, level) in records {
            kind.table_mut(&mut tables).fill(place, level.saturating_sub(elapsed), now);
        }
        self.has_changed.store(false, Ordering::Release);
        Ok(())
    }

    /// Counters that hold nothing, as they are saved.
    pub fn nothing_saved() -> Vec<u8> {
        head().to_vec()
    }
}

/// Kind, place, level.
fn parse(record: &[u8; RECORD_BYTES]) -> Option<(Kind, usize, Millis)> {
    let (kind, rest) = record.split_first()?;
    let (place, level) = rest.split_first_chunk()?;
    let kind = *KINDS.get(usize::from(*kind))?;
    let place = usize::try_from(u32::from_be_bytes(*place)).ok()?;
    let level = Millis::from_be_bytes(*level.first_chunk()?);
    (place < ROWS * WIDTH).then_some((kind, place, level))
}
