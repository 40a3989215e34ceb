//! Inbox of an event loop: a queue through which other threads hand connections (`C`) to it.

use crate::os::Waker;
use crate::wait::lock;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::io;
use std::sync::Mutex;

/// A queue of connections for one event loop, with an eventfd to wake it.
#[derive(Debug)]
pub(super) struct Inbox<C> {
    /// `None` once the inbox is closed.
    connections: Mutex<Option<Vec<Box<C>>>>,
    /// Whether the event loop was woken since the last [`Inbox::take`], so that many connections cost one
    /// wake-up.
    is_woken: AtomicBool,
    waker: Waker,
    /// The number of open connections of the event loop, with those that worker threads own for it.
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

    /// Hands a connection to the event loop. A closed inbox drops it.
    pub(super) fn send(&self, connection: Box<C>) {
        let mut connections = lock(&self.connections);
        let Some(open) = &mut *connections else { return };
        open.push(connection);
        drop(connections);
        self.wake();
    }

    /// Takes the queued connections; `None` once the inbox is closed. Only the event loop calls this.
    pub(super) fn take(&self) -> Option<Vec<Box<C>>> {
        self.is_woken.store(false, Ordering::Release);
        lock(&self.connections).as_mut().map(core::mem::take)
    }

    /// Ends the event loop, and drops the queued connections.
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

    /// The eventfd that signals a queued connection, or that the inbox is closed.
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
