//! A thread's snapshot of the database: what it saw once serves for every request that had arrived before.
//!
//! Of requests that had all arrived before something was read, each may be answered from that one reading: it is as new as a
//! reading of its own would have been. So where a server takes several requests at once (`server/strict/workers.rs`), the first of
//! them looks, and the others go by what it saw:
//!
//! ```text
//!   bytes of a, b, c arrive  ->  a: look, answer   b: answer   c: answer  ->  let go  ->  wait for more
//! ```
//!
//! Whoever lends the thread ([`allow`]) must [`let_go`] whenever bytes come in, since they may have been sent by somebody who
//! knows of a later change; and before waiting, since an old snapshot keeps the database from tidying up.
//! [`crate::blocking::announce`] does so too. A thread on which nobody does keeps nothing: that is the default.
//!
//! What a snapshot is, the store knows ([`crate::store`]); here it is anything.

use alloc::boxed::Box;
use core::any::Any;
use core::cell::{Cell, RefCell};

std::thread_local! {
    static IS_ALLOWED: Cell<bool> = const { Cell::new(false) };
    static KEPT: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

/// From now on this thread keeps things: whoever says so sees to it that it lets them go.
pub fn allow() {
    IS_ALLOWED.set(true);
}

/// Whether it is worth while to make something to be kept.
pub fn is_allowed() -> bool {
    IS_ALLOWED.get()
}

/// What was kept, if it is of this type. Whoever wants it kept for longer gives it back by [`keep`].
pub fn take<T: 'static>() -> Option<Box<T>> {
    KEPT.take()?.downcast().ok()
}

/// Keeps this, instead of what was kept until now; or drops it at once, on a thread that keeps nothing.
pub fn keep<T: 'static>(thing: Box<T>) {
    if is_allowed() {
        drop(KEPT.replace(Some(thing)));
    }
}

/// Drops what is kept.
pub fn let_go() {
    drop(KEPT.take());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocking;
    use alloc::rc::Rc;

    #[test]
    fn a_thread_keeps_nothing_unless_it_is_allowed_to() {
        keep(Box::new(1));
        assert_eq!(take::<i32>(), None);
        allow();
        keep(Box::new(1));
        assert_eq!(take(), Some(Box::new(1)));
        assert_eq!(take::<i32>(), None, "it was taken");
    }

    #[test]
    fn it_goes_when_that_is_said_and_before_each_wait() {
        allow();
        for end in [let_go, || assert!(blocking::announce()), || keep(Box::new(0))] {
            let kept = Rc::new(());
            keep(Box::new(kept.clone()));
            assert_eq!(Rc::strong_count(&kept), 2);
            end();
            assert_eq!(Rc::strong_count(&kept), 1);
        }
    }
}
