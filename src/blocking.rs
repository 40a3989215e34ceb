//! A word before waiting.
//!
//! A server that answers many clients with few threads must know when one of them is about to wait: for a hash, for
//! the disk, for a slow client, for a lock that is held for long. So whoever waits says so first, and whoever lent the
//! thread hears it and puts another in its place. Where nobody lent the thread, nothing happens.
//!
//! Why it goes by the thread and not by an argument: between a server and those who wait stands the whole realm, and
//! none of its functions has to do with threads.

use crate::snapshot;
use alloc::boxed::Box;
use core::cell::RefCell;
use core::hint;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

std::thread_local! {
    static LENDER: RefCell<Option<Box<dyn Fn() -> bool>>> = const { RefCell::new(None) };
}

/// Says that this thread is about to wait; saying it twice costs no more than saying it once. What it keeps, it lets go. False
/// where nobody can take its place: whoever can do without waiting then should.
pub fn announce() -> bool {
    snapshot::let_go();
    LENDER.with_borrow(|lender| lender.as_ref().is_none_or(|hear| hear()))
}

/// Locks what is never held for long: for a few steps, and never while a client, a hash or the database is waited for. So nothing is
/// said before. What was being changed when a thread panicked is taken as it is.
pub fn lock_briefly<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often a lock is tried before a word is said: about a microsecond. Mostly it is let go within that, and for another thread to come
/// takes many times longer.
const TRIES: usize = 20;

/// Locks what may be held for longer; with a word before, where it has to wait. What was being changed when a thread panicked is
/// taken as it is.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    for _ in 0..TRIES {
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => hint::spin_loop(),
        }
    }
    announce();
    lock_briefly(mutex)
}

/// Has this called, on this thread, at each announcement from now on; it says whether somebody takes the thread's place.
pub fn on_announcement(hear: impl Fn() -> bool + 'static) {
    LENDER.set(Some(Box::new(hear)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::rc::Rc;
    use alloc::sync::Arc;
    use core::cell::Cell;
    use std::sync::mpsc;

    #[test]
    fn who_lent_the_thread_hears_of_each_wait_on_it() {
        assert!(announce());
        let heard = Rc::new(Cell::new(0));
        let count = heard.clone();
        on_announcement(move || {
            count.set(count.get() + 1);
            count.get() > 1
        });
        assert!(std::thread::spawn(announce).join().unwrap());
        assert_eq!(heard.get(), 0, "that was another thread");
        assert!(!announce());
        assert!(announce());
        assert_eq!(heard.get(), 2);
    }

    #[test]
    fn a_panic_under_a_lock_keeps_nobody_out() {
        let mutex = Mutex::new(7);
        let panics = || {
            let _guard = lock_briefly(&mutex);
            panic!("as the test wants it");
        };
        std::thread::scope(|scope| assert!(scope.spawn(panics).join().is_err()));
        assert!(mutex.is_poisoned());
        assert_eq!(*lock_briefly(&mutex), 7);
        assert_eq!(*lock(&mutex), 7);
    }

    #[test]
    fn a_lock_is_waited_for_with_a_word_before_and_taken_without() {
        let mutex = Arc::new(Mutex::new(0));
        let (said, hears) = mpsc::channel();
        *lock(&mutex) += 1;
        let held = lock(&mutex);
        let other = mutex.clone();
        let waiting = std::thread::spawn(move || {
            on_announcement(move || said.send(()).is_ok());
            *lock(&other) += 1;
            *lock(&other)
        });
        hears.recv().unwrap();
        drop(held);
        assert_eq!(waiting.join().unwrap(), 2);
        assert!(hears.recv().is_err(), "once");
    }
}
