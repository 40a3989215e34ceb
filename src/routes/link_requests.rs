//! Requests for a link to set a new password: a bounded queue from `/forgot-password` to the thread that sends links.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Requests that wait for the thread. One takes it 10 s at most.
const QUEUE_LENGTH: usize = 32;

/// The sending end of the queue, which the page has.
#[derive(Clone, Debug)]
pub struct LinkRequests(SyncSender<String>);

impl LinkRequests {
    /// A queue of user names as they were sent, known or not; and its receiving end.
    pub fn queue() -> (Self, Receiver<String>) {
        let (sender, receiver) = sync_channel(QUEUE_LENGTH);
        (Self(sender), receiver)
    }

    /// Queues a request. Returns whether there was a free slot. Never blocks, and reads no user.
    pub(super) fn push(&self, username: String) -> bool {
        self.0.try_send(username).is_ok()
    }
}
