//! What the tests of several modules share.

#[path = "../tests/it/fuzz/mutations.rs"]
pub(crate) mod mutations;

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
