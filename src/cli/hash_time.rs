//! Benchmark of a password hash at normal priority, with several concurrent ones.

use crate::clock;
use crate::password::{self, Cost};
use crate::secret::Secret;
use core::time::Duration;
use std::thread;

/// Number of measurements; the median counts.
const ROUNDS: usize = 3;

/// The median time of a hash with this number of concurrent hashes; `None` without random bytes.
pub(super) fn measure(cost: Cost, at_once: usize) -> Option<Duration> {
    let mut times: Vec<_> = (0..ROUNDS).flat_map(|_| round(cost, at_once)).collect::<Option<_>>()?;
    times.sort();
    times.get(times.len() / 2).copied()
}

fn round(cost: Cost, at_once: usize) -> Vec<Option<Duration>> {
    thread::scope(|scope| {
        let hashes: Vec<_> = (0..at_once).map(|_| scope.spawn(move || time_one(cost))).collect();
        hashes.into_iter().map(|hash| hash.join().ok().flatten()).collect()
    })
}

fn time_one(cost: Cost) -> Option<Duration> {
    let password = Secret::new("correct horse battery staple".into());
    let start = clock::monotonic();
    password::hash(&password, cost).ok()?;
    Some(clock::monotonic().saturating_duration_since(start))
}
