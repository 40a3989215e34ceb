//! Blocking: whether the calling thread may, and mutexes.
//!
//! An event loop serves many clients with one thread, so nothing that it calls may block: not on a hash, a write, a lock
//! held across I/O, or a client. What would block there returns [`WouldBlock`] **before any side effect**, and the loop
//! has a worker thread do all of it again, from the beginning. [`crate::store::Reads`] says which kind of thread calls.

use core::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;

/// The operation would block, and the calling thread may not. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WouldBlock;

impl fmt::Display for WouldBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operation would block an event loop")
    }
}

impl core::error::Error for WouldBlock {}

/// The name of the threads that may not block.
pub const EVENT_LOOP: &str = "event-loop";

/// In builds with debug assertions: panics on an event loop's thread. Called by everything that hashes or writes.
pub fn assert_may_block() {
    debug_assert_ne!(thread::current().name(), Some(EVENT_LOOP), "an event loop must not block");
}

/// Locks a mutex that is only ever held for a few steps. What a thread that panicked was changing is taken as it is.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks a mutex that may be held for longer, if it isn't held now.
///
/// # Errors
/// [`WouldBlock`].
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
