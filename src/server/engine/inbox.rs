//! The inbox of an event loop: how other threads hand connections (`C`) to it.

use crate::os::Waker;
use crate::wait::lock;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::io;
use std::sync::Mutex;

/// What an event loop is handed.
#[derive(Debug)]
pub(super) enum Message<C> {
    /// A connection that the acceptor has admitted.
    Admitted(Box<C>),
    /// A connection whose request a worker thread has answered.
    Returned(Box<C>),
    /// The engine ends: close all connections, and end.
    Close,
}

/// Messages for one event loop, from any thread.
#[derive(Debug)]
pub(super) struct Inbox<C> {
    /// `None` when the loop has ended.
    messages: Mutex<Option<Vec<Message<C>>>>,
    /// Whether the loop has been woken since it took messages last: one wake-up serves for any number of them.
    is_woken: AtomicBool,
    waker: Waker,
    /// Connections that the loop owns, or a worker thread for it.
    connections: AtomicUsize,
}

impl<C> Inbox<C> {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            messages: Mutex::new(Some(Vec::new())),
            is_woken: AtomicBool::new(false),
            waker: Waker::new()?,
            connections: AtomicUsize::new(0),
        })
    }

    /// Where the loop has ended, the message is dropped.
    pub(super) fn send(&self, message: Message<C>) {
        match &mut *lock(&self.messages) {
            Some(messages) => messages.push(message),
            None => return,
        }
        if !self.is_woken.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// Called by the loop alone. A message that comes after this wakes it again.
    pub(super) fn take(&self) -> Vec<Message<C>> {
        self.is_woken.store(false, Ordering::Release);
        lock(&self.messages).as_mut().map(core::mem::take).unwrap_or_default()
    }

    /// The loop has ended.
    pub(super) fn close(&self) {
        let messages = lock(&self.messages).take();
        drop(messages); // not under the lock
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
        let (inbox, poller) = (Inbox::<()>::new().unwrap(), Poller::new().unwrap());
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
