//! One table, of the counters of one kind: of a fixed size, never evicting, never counting too little.
//!
//! A counter is a leaky bucket (the generic cell rate algorithm of ITU-T I.371, which telephone networks count cells
//! by): each attempt pours in the time after which one more is allowed, time itself lets it run out, and what doesn't
//! fit any more is refused. All that is kept of it is the moment when it will be empty, so nothing needs sweeping.
//!
//! A table has no keys, only places: each key has one in every row, by a keyed hash, so that nobody can choose whom to
//! collide with. What is poured goes into all of the key's places, and the emptiest of them counts (a count-min sketch,
//! Cormode and Muthukrishnan 2005). So a counter may show more than its key's own attempts, when strangers share all
//! its places, and never less. Nothing is ever thrown out to make room: whoever could flood the table would otherwise
//! wash their own attempts out of it.

use super::{Kind, RateLimit};
use std::collections::BTreeMap;

/// Places that each key has: a stranger must share all of them before it is noticed.
pub(super) const ROWS: usize = 4;
/// Places in a row. A table takes 1 MiB, of which untouched pages are not even there.
pub(super) const WIDTH: usize = 1 << 15;

/// Milliseconds since the limiter was made.
pub(super) type Millis = u64;

/// Where a key's counter stands, in each row.
type Places = [usize; ROWS];

/// What is counted under: its counter's kind, and where that counter stands in the kind's table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) kind: Kind,
    places: Places,
    /// How many times the allowance this key has.
    times: u64,
    /// Whether a full bucket rejects; otherwise it is only charged.
    is_limit: bool,
}

impl Key {
    /// The key of this kind and keyed hash, with so many times the allowance.
    pub(super) fn new(kind: Kind, hash: &[u8; 32], times: u64) -> Self {
        let mut words =
            hash.chunks_exact(4).map(|word| word.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)));
        let places = core::array::from_fn(|row| row * WIDTH + words.next().unwrap_or(0) % WIDTH);
        Self { kind, places, times, is_limit: true }
    }

    /// The same, for a bucket that is charged and never rejects.
    pub(super) fn without_limit(self) -> Self {
        Self { is_limit: false, ..self }
    }
}

/// A table.
pub(super) struct Table {
    /// What a counter holds, in milliseconds of running out.
    capacity: Millis,
    /// What one attempt pours in.
    cost: Millis,
    /// When each counter is empty.
    empty_at: Box<[Millis]>,
    /// What is poured into counters by attempts that are being checked: it neither runs out, nor stays if the attempt
    /// turns out to be right. There are no more of these than requests being served.
    pending: BTreeMap<usize, Millis>,
}

impl Table {
    pub(super) fn new(allowance: RateLimit) -> Self {
        let cost = Millis::try_from(allowance.every.as_millis()).unwrap_or(Millis::MAX).max(1);
        Self {
            capacity: cost.saturating_mul(allowance.burst.into()),
            cost,
            empty_at: vec![0; ROWS * WIDTH].into(),
            pending: BTreeMap::new(),
        }
    }

    /// Whether one more attempt fits; else how long it takes until it does.
    pub(super) fn admits(&self, key: Key, now: Millis) -> Result<(), Millis> {
        let Key { places, times, is_limit, .. } = key;
        if !is_limit {
            return Ok(());
        }
        let needed = self.level(places, now).saturating_add(self.cost(times));
        if needed <= self.capacity { Ok(()) } else { Err(needed - self.capacity) }
    }

    /// What a counter holds, what is being checked included.
    fn level(&self, places: Places, now: Millis) -> Millis {
        let level = |place: usize| {
            let settled = self.empty_at.get(place).copied().unwrap_or(0).saturating_sub(now);
            settled.saturating_add(self.pending.get(&place).copied().unwrap_or(0))
        };
        places.into_iter().map(level).min().unwrap_or(0)
    }

    /// What one attempt pours in, where so many times as many are allowed.
    fn cost(&self, times: u64) -> Millis {
        self.cost.div_ceil(times.max(1))
    }

    /// How many attempts a counter holds, of how many, and how long until it is empty.
    pub(super) fn read(&self, Key { places, times, .. }: Key, now: Millis) -> (u64, u64, Millis) {
        let (level, cost) = (self.level(places, now), self.cost(times));
        (level.div_ceil(cost), self.capacity / cost, level)
    }

    /// What a bucket holds, what is being checked included.
    pub(super) fn held(&self, key: Key, now: Millis) -> Millis {
        self.level(key.places, now)
    }

    /// Puts so much into a bucket, unless more is in it.
    pub(super) fn raise(&mut self, key: Key, level: Millis, now: Millis) {
        if level > 0 {
            key.places.into_iter().for_each(|place| self.fill(place, level, now));
        }
    }

    /// An attempt is being checked.
    pub(super) fn begin(&mut self, Key { places, times, .. }: Key) {
        let cost = self.cost(times);
        for place in places {
            let pending = self.pending.entry(place).or_default();
            *pending = pending.saturating_add(cost);
        }
    }

    /// An attempt that was being checked has come to nothing, or was right.
    pub(super) fn give_back(&mut self, Key { places, times, .. }: Key) {
        let cost = self.cost(times);
        for place in places {
            if let Some(pending) = self.pending.get_mut(&place) {
                *pending = pending.saturating_sub(cost);
                if *pending == 0 {
                    self.pending.remove(&place);
                }
            }
        }
    }

    /// An attempt that was being checked since then was wrong.
    pub(super) fn settle(&mut self, key: Key, since: Millis) {
        self.give_back(key);
        let cost = self.cost(key.times);
        for place in key.places {
            if let Some(empty_at) = self.empty_at.get_mut(place) {
                *empty_at = (*empty_at).max(since).saturating_add(cost);
            }
        }
    }

    /// Every place that holds something, and what: attempts that are being checked count as wrong ones.
    pub(super) fn levels(&self, now: Millis) -> impl Iterator<Item = (usize, Millis)> {
        self.empty_at.iter().enumerate().filter_map(move |(place, empty_at)| {
            let pending = self.pending.get(&place).copied().unwrap_or(0);
            let level = empty_at.saturating_sub(now).saturating_add(pending);
            (level > 0).then_some((place, level))
        })
    }

    /// Puts so much into one place, unless more is there.
    pub(super) fn fill(&mut self, place: usize, level: Millis, now: Millis) {
        if let Some(empty_at) = self.empty_at.get_mut(place) {
            *empty_at = (*empty_at).max(now.saturating_add(level.min(self.capacity)));
        }
    }

    /// How many places hold something that is being checked.
    #[cfg(test)]
    pub(super) fn pending_places(&self) -> usize {
        self.pending.len()
    }

    /// Empties every counter; attempts that are being checked stay.
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
        places: [1, WIDTH + 1, 2 * WIDTH + 1, 3 * WIDTH + 1],
        times: 1,
        is_limit: true,
    };

    /// Three at once, then one every ten seconds.
    fn table() -> Table {
        Table::new(RateLimit { burst: 3, every: Duration::from_secs(10) })
    }

    /// A wrong attempt, if it is allowed.
    fn attempt(table: &mut Table, key: Key, now: Millis) -> Result<(), Millis> {
        table.admits(key, now)?;
        table.begin(key);
        table.settle(key, now);
        Ok(())
    }

    #[test]
    fn so_many_at_once_then_one_every_so_often() {
        let mut table = table();
        for _ in 0..3 {
            assert_eq!(attempt(&mut table, A, 0), Ok(()));
        }
        assert_eq!(attempt(&mut table, A, 0), Err(10 * SECOND));
        assert_eq!(attempt(&mut table, A, 10 * SECOND - 1), Err(1));
        assert_eq!(attempt(&mut table, A, 10 * SECOND), Ok(()));
        assert_eq!(attempt(&mut table, A, 10 * SECOND), Err(10 * SECOND));
        assert_eq!(table.read(A, 10 * SECOND), (3, 3, 30 * SECOND));
        assert_eq!(table.read(A, 40 * SECOND), (0, 3, 0), "and all is forgotten");
    }

    #[test]
    fn a_network_has_as_many_as_it_has_times() {
        let mut table = table();
        let network = Key { times: 16, ..A };
        for _ in 0..48 {
            assert_eq!(attempt(&mut table, network, 0), Ok(()));
        }
        assert_eq!(attempt(&mut table, network, 0), Err(625));
        assert_eq!(table.read(network, 0), (48, 48, 30 * SECOND));
    }

    #[test]
    fn what_is_being_checked_counts_and_does_not_run_out() {
        let mut table = table();
        for _ in 0..3 {
            table.begin(A);
        }
        assert_eq!(table.admits(A, 60 * SECOND), Err(10 * SECOND), "however long it takes");
        table.settle(A, 0);
        table.give_back(A);
        table.give_back(A);
        assert_eq!(
            table.read(A, 5 * SECOND),
            (1, 3, 5 * SECOND),
            "the wrong one counts from when it was made"
        );
        assert!(table.pending.is_empty());
    }

    #[test]
    fn sharing_some_places_is_not_noticed_and_sharing_all_delays() {
        let mut table = table();
        for _ in 0..3 {
            assert_eq!(attempt(&mut table, A, 0), Ok(()));
        }
        let beside = Key { places: [1, WIDTH + 1, 2 * WIDTH + 1, 3 * WIDTH + 2], ..A };
        assert_eq!(attempt(&mut table, beside, 0), Ok(()), "the other place is empty");
        assert!(attempt(&mut table, A, 0).is_err());
    }

    #[test]
    fn a_key_has_a_place_in_each_row() {
        for byte in 0..=255 {
            for (row, place) in Key::new(Kind::User, &[byte; 32], 1).places.into_iter().enumerate() {
                assert!((row * WIDTH..(row + 1) * WIDTH).contains(&place));
            }
        }
    }
}
