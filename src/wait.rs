//! Blocking: which threads may block, and mutexes.
//!
//! An event loop serves many clients with one thread, so no call on it may block: not on a hash, a write, a
//! lock held across I/O, or a client. An operation that would block returns [`WouldBlock`] **before any side
//! effect**, and a worker thread repeats the request from the beginning. [`crate::store::Reads`] says which
//! kind of thread calls.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;

/// The operation would block an event loop. It had no side effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operation would block an event loop")]
pub struct WouldBlock;

/// Name of the threads that must not block.
pub const EVENT_LOOP: &str = "event-loop";

/// Panics on an event loop's thread, in builds with debug assertions. Every operation that hashes or writes
/// calls it.
pub fn assert_may_block() {
    debug_assert_ne!(thread::current().name(), Some(EVENT_LOOP), "an event loop must not block");
}

/// Locks a mutex that is held briefly. Ignores poisoning.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks a mutex that may be held for longer.
///
/// # Errors
/// [`WouldBlock`] while another thread holds it.
pub fn try_lock<T>(mutex: &Mutex<T>) -> Result<MutexGuard<'_, T>, WouldBlock> {
    match mutex.try_lock() {
        Ok(guard) => Ok(guard),
        Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => Err(WouldBlock),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_under_a_lock_does_not_block_others() {
        let mutex = Mutex::new(7);
        let panics = || {
            let _guard = lock(&mutex);
            panic!("as the test wants it");
        };
        thread::scope(|scope| assert!(scope.spawn(panics).join().is_err()));
        assert!(mutex.is_poisoned());
        assert_eq!(*lock(&mutex), 7);
        assert_eq!(try_lock(&mutex).map(|guard| *guard), Ok(7));
    }

    #[test]
    fn a_lock_that_is_held_would_block() {
        let mutex = Mutex::new(7);
        let held = lock(&mutex);
        assert_eq!(try_lock(&mutex).map(drop), Err(WouldBlock));
        drop(held);
        assert_eq!(try_lock(&mutex).map(drop), Ok(()));
    }

    #[test]
    #[should_panic(expected = "must not block")]
    fn an_event_loop_must_not_block() {
        let on_a_loop = thread::Builder::new().name(EVENT_LOOP.into()).spawn(assert_may_block).unwrap();
        let panicked = on_a_loop.join().unwrap_err();
        std::panic::resume_unwind(panicked);
    }
}
