//! What the tests of several modules share.

use alloc::vec::Vec;
use std::sync::Barrier;
use std::thread;

/// Runs this in so many threads that begin at once, and gives what each of them made.
pub(crate) fn at_once<T: Send>(threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(threads);
    thread::scope(|scope| {
        let start = |number| {
            let (barrier, work) = (&barrier, &work);
            scope.spawn(move || {
                barrier.wait();
                work(number)
            })
        };
        let threads: Vec<_> = (0..threads).map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// splitmix64, by Sebastiano Vigna: the same numbers in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next number, below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut number = self.0;
        number = (number ^ number >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        number = (number ^ number >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (number ^ number >> 31) % end
    }

    /// One of these.
    pub(crate) fn choose<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        let last = among.len() as u64;
        &among[usize::try_from(self.below(last)).unwrap()]
    }
}
