//! The inbox of an event loop: how other threads hand connections (`C`) to it.

use crate::os::Waker;
use crate::wait::lock;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::io;
use std::sync::Mutex;

/// Connections for one event loop, from any thread.
#[derive(Debug)]
pub(super) struct Inbox<C> {
    /// `None` once the inbox is closed.
    connections: Mutex<Option<Vec<Box<C>>>>,
    /// Whether the loop has been woken since it took connections last: one wake-up serves for any number of them.
    is_woken: AtomicBool,
    waker: Waker,
    /// Connections that the loop owns, or a worker thread for it.
    owned: AtomicUsize,
}

impl<C> Inbox<C> {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            connections: Mutex::new(Some(Vec::new())),
            is_woken: AtomicBool::new(false),
            waker: Waker::new()?,
            owned: AtomicUsize::new(0),
        })
    }

    /// Hands a connection to the loop. Once the inbox is closed, the connection is dropped.
    pub(super) fn send(&self, connection: Box<C>) {
        let mut connections = lock(&self.connections);
        let Some(open) = &mut *connections else { return };
        open.push(connection);
        drop(connections);
        self.wake();
    }

    /// The connections that were sent since; `None` once the inbox is closed. Called by the loop alone. What comes after this
    /// wakes it again.
    pub(super) fn take(&self) -> Option<Vec<Box<C>>> {
        self.is_woken.store(false, Ordering::Release);
        lock(&self.connections).as_mut().map(core::mem::take)
    }

    /// Ends the loop: it closes its connections, and what was not taken is dropped.
    pub(super) fn close(&self) {
        let connections = lock(&self.connections).take();
        drop(connections); // not under the lock
        self.wake();
    }

    fn wake(&self) {
        if !self.is_woken.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// What becomes readable, edge by edge, when there are connections, or the inbox is closed.
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    pub(super) fn connections(&self) -> usize {
        self.owned.load(Ordering::Relaxed)
    }

    pub(super) fn connection_added(&self) {
        self.owned.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn connection_ended(&self) {
        self.owned.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::Poller;
    use core::time::Duration;

    fn wake_ups(poller: &Poller) -> usize {
        let mut count = 0;
        poller.wait(Some(Duration::ZERO), |_| count += 1).unwrap();
        count
    }

    #[test]
    fn many_connections_wake_the_loop_once_and_the_next_one_again() {
        let (inbox, poller) = (Inbox::<()>::new().unwrap(), Poller::new().unwrap());
        poller.add(inbox.waker(), 0).unwrap();
        for _ in 0..2 {
            for _ in 0..5 {
                inbox.send(Box::new(()));
            }
            assert_eq!(wake_ups(&poller), 1);
            assert_eq!(inbox.take().unwrap().len(), 5);
            assert_eq!((wake_ups(&poller), inbox.take().unwrap().len()), (0, 0));
        }
    }
}
