//! A word before waiting.
//!
//! A server that answers many clients with few threads must know when one of them is about to wait: for a hash, for
//! the disk, for a slow client. So whoever waits says so first, and whoever lent the thread hears it and puts another
//! in its place. Where nobody lent the thread, nothing happens.
//!
//! Why it goes by the thread and not by an argument: between a server and those who wait stands the whole realm, and
//! none of its functions has to do with threads.

use alloc::boxed::Box;
use core::cell::RefCell;

std::thread_local! {
    static LENDER: RefCell<Option<Box<dyn Fn()>>> = const { RefCell::new(None) };
}

/// Says that this thread is about to wait. Saying it twice costs no more than saying it once.
pub fn announce() {
    LENDER.with_borrow(|lender| {
        if let Some(hear) = lender {
            hear();
        }
    });
}

/// Has this called, on this thread, at each announcement from now on.
pub fn on_announcement(hear: impl Fn() + 'static) {
    LENDER.set(Some(Box::new(hear)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::rc::Rc;
    use core::cell::Cell;

    #[test]
    fn who_lent_the_thread_hears_of_each_wait_on_it() {
        announce();
        let heard = Rc::new(Cell::new(0));
        let count = heard.clone();
        on_announcement(move || count.set(count.get() + 1));
        std::thread::spawn(announce).join().unwrap();
        assert_eq!(heard.get(), 0, "that was another thread");
        announce();
        announce();
        assert_eq!(heard.get(), 2);
    }
}
