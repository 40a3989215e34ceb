//! Leaky buckets of one kind, in a count-min sketch: fixed size, no eviction, never counts too little.
//!
//! A bucket is the generic cell rate algorithm (ITU-T I.371): an attempt adds the interval after which one
//! more is allowed, time drains it, and an attempt that doesn't fit is rejected. Its only state is the time
//! at which it is empty, so nothing needs sweeping.
//!
//! A table has cells and no keys. Each key has one cell in every row, by a keyed hash, so that no client can
//! choose its collisions. An attempt is added to all cells of its key, and the emptiest one counts (count-min
//! sketch, Cormode and Muthukrishnan 2005). A bucket may therefore show more than its key's attempts, if
//! others share all of its cells, and never less. Nothing is evicted: a client could otherwise flood the
//! table to remove its own attempts.

use super::rules::RateLimit;
use std::collections::BTreeMap;

/// Cells of each key; a collision matters only in all of them.
pub(super) const ROWS: usize = 4;
/// Cells in a row. A table takes 1 MiB; untouched pages take no memory.
pub(super) const WIDTH: usize = 1 << 15;

/// Kinds of buckets. The numbers are in saved counters: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Address = 0,
    User = 1,
    UserAndAddress = 2,
    Remembered = 3,
    Registrations = 4,
    Lookups = 5,
    LinkRequests = 6,
    LinkRequestsForName = 7,
}

pub(super) const KINDS: [Kind; 8] = [
    Kind::Address,
    Kind::User,
    Kind::UserAndAddress,
    Kind::Remembered,
    Kind::Registrations,
    Kind::Lookups,
    Kind::LinkRequests,
    Kind::LinkRequestsForName,
];

/// One table of each kind, in the order of [`KINDS`].
pub(super) type Tables = [Table; KINDS.len()];

impl Kind {
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Address => "wrong passwords from this address or network",
            Self::User => "wrong passwords for this name, from all addresses",
            Self::UserAndAddress => "wrong passwords for this name from this address",
            Self::Remembered => "wrong passwords for this user at an address that is known",
            Self::Registrations => "registrations from this address or network",
            Self::Lookups => "look-ups from this address or network",
            Self::LinkRequests => "requests for a link from this address or network, or in all",
            Self::LinkRequestsForName => "requests for a link for this name",
        }
    }

    pub(super) fn table(self, tables: &Tables) -> &Table {
        tables.get(self as usize).expect("there is one of each kind")
    }

    pub(super) fn table_mut(self, tables: &mut Tables) -> &mut Table {
        tables.get_mut(self as usize).expect("there is one of each kind")
    }
}

/// Milliseconds since the limiter was made.
pub(super) type Millis = u64;

/// A key's cells, one of each row.
type Cells = [usize; ROWS];

/// Identifies a bucket: its kind, and its cells in the table of that kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) kind: Kind,
    cells: Cells,
    /// Multiplies the limit for this key.
    multiplier: u64,
    /// Whether a full bucket rejects; otherwise it is only charged.
    is_limit: bool,
}

impl Key {
    /// The key of this kind and keyed hash.
    pub(super) fn new(kind: Kind, hash: &[u8; 32], multiplier: u64) -> Self {
        let mut words =
            hash.chunks_exact(4).map(|word| word.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)));
        let cells = core::array::from_fn(|row| {
            row * WIDTH + words.next().expect("a hash has a word for each row") % WIDTH
        });
        Self { kind, cells, multiplier, is_limit: true }
    }

    /// The same key, for a bucket that is charged and never rejects.
    pub(super) fn without_limit(self) -> Self {
        Self { is_limit: false, ..self }
    }
}

/// All buckets of one kind.
pub(super) struct Table {
    /// Size of a bucket, as the time that drains it.
    capacity: Millis,
    /// What one attempt adds.
    cost: Millis,
    /// When each cell is empty.
    empty_at: Box<[Millis]>,
    /// Charges of checks in flight, by cell: they don't drain, and may be refunded. Bounded by the requests
    /// in flight.
    pending: BTreeMap<usize, Millis>,
}

impl Table {
    pub(super) fn new(limit: RateLimit) -> Self {
        let cost = Millis::try_from(limit.every.as_millis()).unwrap_or(Millis::MAX).max(1);
        Self {
            capacity: cost.saturating_mul(limit.burst.into()),
            cost,
            empty_at: vec![0; ROWS * WIDTH].into(),
            pending: BTreeMap::new(),
        }
    }

    /// Checks that one more attempt fits. The error is the time until it does.
    pub(super) fn check(&self, key: Key, now: Millis) -> Result<(), Millis> {
        let needed = self.level(key, now).saturating_add(self.cost(key.multiplier));
        if needed <= self.capacity || !key.is_limit { Ok(()) } else { Err(needed - self.capacity) }
    }

    /// Level of a bucket, with checks in flight.
    pub(super) fn level(&self, key: Key, now: Millis) -> Millis {
        let level = |cell: usize| {
            let settled =
                self.empty_at.get(cell).copied().expect("a cell is in the table").saturating_sub(now);
            settled.saturating_add(self.pending.get(&cell).copied().unwrap_or(0))
        };
        key.cells.into_iter().map(level).min().expect("a key has cells")
    }

    /// What one attempt adds under this multiplier.
    fn cost(&self, multiplier: u64) -> Millis {
        self.cost.div_ceil(multiplier.max(1))
    }

    /// Attempts in a bucket, its limit, and the time until it is empty.
    pub(super) fn read(&self, key: Key, now: Millis) -> (u64, u64, Millis) {
        let (level, cost) = (self.level(key, now), self.cost(key.multiplier));
        (level.div_ceil(cost), self.capacity / cost, level)
    }

    /// Raises a bucket to this level, unless it is higher.
    pub(super) fn raise(&mut self, key: Key, level: Millis, now: Millis) {
        if level > 0 {
            key.cells.into_iter().for_each(|cell| self.fill(cell, level, now));
        }
    }

    /// Charges a check in flight.
    pub(super) fn charge(&mut self, Key { cells, multiplier, .. }: Key) {
        let cost = self.cost(multiplier);
        for cell in cells {
            let pending = self.pending.entry(cell).or_default();
            *pending = pending.saturating_add(cost);
        }
    }

    pub(super) fn refund(&mut self, Key { cells, multiplier, .. }: Key) {
        let cost = self.cost(multiplier);
        for cell in cells {
            if let Some(pending) = self.pending.get_mut(&cell) {
                *pending = pending.saturating_sub(cost);
                if *pending == 0 {
                    self.pending.remove(&cell);
                }
            }
        }
    }

    /// Turns the charge of a check in flight since `since` into a failed attempt.
    pub(super) fn confirm(&mut self, key: Key, since: Millis) {
        self.refund(key);
        let cost = self.cost(key.multiplier);
        for cell in key.cells {
            if let Some(empty_at) = self.empty_at.get_mut(cell) {
                *empty_at = (*empty_at).max(since).saturating_add(cost);
            }
        }
    }

    /// Every cell that is not empty, and its level; checks in flight count as failed.
    pub(super) fn levels(&self, now: Millis) -> impl Iterator<Item = (usize, Millis)> {
        self.empty_at.iter().enumerate().filter_map(move |(cell, empty_at)| {
            let pending = self.pending.get(&cell).copied().unwrap_or(0);
            let level = empty_at.saturating_sub(now).saturating_add(pending);
            (level > 0).then_some((cell, level))
        })
    }

    /// Raises one cell to this level, unless it is higher.
    pub(super) fn fill(&mut self, cell: usize, level: Millis, now: Millis) {
        if let Some(empty_at) = self.empty_at.get_mut(cell) {
            *empty_at = (*empty_at).max(now.saturating_add(level.min(self.capacity)));
        }
    }

    /// Number of cells with checks in flight.
    #[cfg(test)]
    pub(super) fn pending_cells(&self) -> usize {
        self.pending.len()
    }

    /// Empties every bucket; checks in flight stay charged.
    pub(super) fn clear(&mut self) {
        self.empty_at.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    const SECOND: Millis = 1_000;
    const A: Key = Key {
        kind: Kind::User,
        cells: [1, WIDTH + 1, 2 * WIDTH + 1, 3 * WIDTH + 1],
        multiplier: 1,
        is_limit: true,
    };

    /// Burst 3, then one every ten seconds.
    fn table() -> Table {
        Table::new(RateLimit { burst: 3, every: Duration::from_secs(10) })
    }

    /// A failed attempt, if it is allowed.
    fn attempt(table: &mut Table, key: Key, now: Millis) -> Result<(), Millis> {
        table.check(key, now)?;
        table.charge(key);
        table.confirm(key, now);
        Ok(())
    }

    #[test]
    fn a_burst_is_allowed_then_one_attempt_per_interval() {
        let mut table = table();
        for _ in 0..3 {
            assert_eq!(attempt(&mut table, A, 0), Ok(()));
        }
        assert_eq!(attempt(&mut table, A, 0), Err(10 * SECOND));
        assert_eq!(attempt(&mut table, A, 10 * SECOND - 1), Err(1));
        assert_eq!(attempt(&mut table, A, 10 * SECOND), Ok(()));
        assert_eq!(attempt(&mut table, A, 10 * SECOND), Err(10 * SECOND));
        assert_eq!(table.read(A, 10 * SECOND), (3, 3, 30 * SECOND));
        assert_eq!(table.read(A, 40 * SECOND), (0, 3, 0), "empty again");
    }

    #[test]
    fn a_multiplier_raises_the_limit() {
        let mut table = table();
        let network = Key { multiplier: 16, ..A };
        for _ in 0..48 {
            assert_eq!(attempt(&mut table, network, 0), Ok(()));
        }
        assert_eq!(attempt(&mut table, network, 0), Err(625));
        assert_eq!(table.read(network, 0), (48, 48, 30 * SECOND));
    }

    #[test]
    fn checks_in_flight_count_and_do_not_drain() {
        let mut table = table();
        for _ in 0..3 {
            table.charge(A);
        }
        assert_eq!(table.check(A, 60 * SECOND), Err(10 * SECOND), "however long it takes");
        table.confirm(A, 0);
        table.refund(A);
        table.refund(A);
        assert_eq!(
            table.read(A, 5 * SECOND),
            (1, 3, 5 * SECOND),
            "the wrong one counts from when it was made"
        );
        assert!(table.pending.is_empty());
    }

    #[test]
    fn only_a_collision_in_every_row_delays() {
        let mut table = table();
        for _ in 0..3 {
            assert_eq!(attempt(&mut table, A, 0), Ok(()));
        }
        let beside = Key { cells: [1, WIDTH + 1, 2 * WIDTH + 1, 3 * WIDTH + 2], ..A };
        assert_eq!(attempt(&mut table, beside, 0), Ok(()), "the other cell is empty");
        assert!(attempt(&mut table, A, 0).is_err());
    }

    #[test]
    fn a_key_has_a_cell_in_each_row() {
        for byte in 0..=255 {
            for (row, cell) in Key::new(Kind::User, &[byte; 32], 1).cells.into_iter().enumerate() {
                assert!((row * WIDTH..(row + 1) * WIDTH).contains(&cell));
            }
        }
    }
}
