//! The inbox of an event loop: how other threads hand connections to it.

use super::connection::Connection;
use crate::os::Waker;
use crate::wait::lock;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::io;
use std::sync::Mutex;

/// What an event loop is handed.
#[derive(Debug)]
pub(super) enum Message {
    /// A connection that the acceptor has admitted.
    Admitted(Box<Connection>),
    /// A connection whose request a worker thread has answered.
    Returned(Box<Connection>),
    /// The engine ends: close all connections, and end.
    Close,
}

/// Messages for one event loop, from any thread.
#[derive(Debug)]
pub(super) struct Inbox {
    messages: Mutex<Vec<Message>>,
    /// Whether the loop has been woken since it took messages last: one wake-up serves for any number of them.
    is_woken: AtomicBool,
    waker: Waker,
    /// Connections that the loop owns, or a worker thread for it.
    connections: AtomicUsize,
}

impl Inbox {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            messages: Mutex::default(),
            is_woken: AtomicBool::new(false),
            waker: Waker::new()?,
            connections: AtomicUsize::new(0),
        })
    }

    pub(super) fn send(&self, message: Message) {
        lock(&self.messages).push(message);
        if !self.is_woken.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// Called by the loop alone. A message that comes after this wakes it again.
    pub(super) fn take(&self) -> Vec<Message> {
        self.is_woken.store(false, Ordering::Release);
        core::mem::take(&mut *lock(&self.messages))
    }

    /// What becomes readable, edge by edge, when there are messages.
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(super) fn connection_added(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn connection_ended(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
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
    fn many_messages_wake_the_loop_once_and_the_next_one_again() {
        let (inbox, poller) = (Inbox::new().unwrap(), Poller::new().unwrap());
        poller.add(inbox.waker(), 0).unwrap();
        for _ in 0..2 {
            for _ in 0..5 {
                inbox.send(Message::Close);
            }
            assert_eq!(wake_ups(&poller), 1);
            assert_eq!(inbox.take().len(), 5);
            assert_eq!((wake_ups(&poller), inbox.take().len()), (0, 0));
        }
    }
}
