//! Hash pool: a fixed number of threads that compute all password hashes, behind a fair queue.
//!
//! A hash takes 16 MiB or more, so the number of hashes at once must not grow with the number of clients. A
//! request acquires a [`Slot`] first, the right to run one hash at a time. While all slots are taken it waits
//! in the queue (`queue.rs`), or is rejected: at once if the queue is full, after [`QUEUE_TIMEOUT`]
//! otherwise. User enumeration: that decision comes before the user is read, so it depends neither on the
//! user nor on the kind of the stored hash.
//!
//! A password change verifies the old password and hashes the new one in the same slot, so it waits once.
//!
//! The threads have a low priority, so that a storm of logins doesn't slow down requests with tokens.

use super::error::HashError;
use super::queue::{Queue, QueueFull, Turn};
use crate::os;
use crate::wait::{assert_may_block, lock};
use core::time::Duration;
use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);
/// Nice value of the threads (sched(7)): about a tenth of a core beside busy threads, all of an idle one.
const NICENESS: i32 = 10;
/// Hashing needs little stack: its memory is on the heap.
const STACK_BYTES: usize = 256 * 1024;

type Job = Box<dyn FnOnce() + Send>;

/// The threads and their queue. Threads start on demand: a command hashes once, or never.
#[derive(Debug)]
pub(super) struct HashPool {
    slots: usize,
    pub(super) queue_timeout: Duration,
    shared: Arc<Shared>,
}

/// Use of the hash pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStats {
    /// Hashes that may run at once.
    pub slots: usize,
    /// Slots that are taken.
    pub busy: usize,
    /// Requests that wait for a slot.
    pub waiting: usize,
}

/// The right to run one hash at a time, released on drop.
#[derive(Debug)]
pub(super) struct Slot<'a>(&'a HashPool);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    job_arrived: Condvar,
}

struct State {
    /// Each entry wakes a thread in [`HashPool::acquire`]. Empty while a slot is free.
    queue: Queue<SyncSender<()>>,
    taken: usize,
    /// At most one for each slot.
    jobs: VecDeque<Job>,
    threads: usize,
    is_closed: bool,
}

impl core::fmt::Debug for State {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "State({} waiting, {} slots taken, {} threads)", self.queue.len(), self.taken, self.threads)
    }
}

impl HashPool {
    /// A pool of so many slots, with `max_queue` places in each line of the queue.
    pub(super) fn new(slots: usize, max_queue: usize) -> Self {
        let queue = Queue::new(max_queue);
        let state = State { queue, taken: 0, jobs: VecDeque::new(), threads: 0, is_closed: false };
        let shared = Shared { state: Mutex::new(state), job_arrived: Condvar::new() };
        Self { slots: slots.max(1), queue_timeout: QUEUE_TIMEOUT, shared: Arc::new(shared) }
    }

    #[cfg(test)]
    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    pub(super) fn stats(&self) -> PoolStats {
        let state = self.shared.lock();
        PoolStats { slots: self.slots, busy: state.taken, waiting: state.queue.len() }
    }

    /// Acquires a slot; waits for one in the queue.
    ///
    /// # Errors
    /// [`QueueFull`] if the queue is full, if a request that is due earlier displaces this one, or after the
    /// timeout.
    pub(super) fn acquire(&self, turn: Turn) -> Result<Slot<'_>, QueueFull> {
        self.acquire_within(self.queue_timeout, turn)
    }

    fn acquire_within(&self, queue_timeout: Duration, turn: Turn) -> Result<Slot<'_>, QueueFull> {
        assert_may_block();
        let mut state = self.shared.lock();
        if state.taken < self.slots {
            self.start_thread(&mut state)?;
            state.taken += 1;
            state.queue.serve(turn);
            return Ok(Slot(self));
        }
        let (waker, granted) = mpsc::sync_channel(1);
        let ticket = state.queue.push(turn, waker)?;
        drop(state);
        match granted.recv_timeout(queue_timeout) {
            Ok(()) => Ok(Slot(self)),
            Err(RecvTimeoutError::Disconnected) => Err(QueueFull), // displaced
            Err(RecvTimeoutError::Timeout) => {
                let was_waiting = self.shared.lock().queue.withdraw(ticket);
                // Otherwise it was displaced, or granted just now.
                if was_waiting || granted.try_recv().is_err() { Err(QueueFull) } else { Ok(Slot(self)) }
            }
        }
    }

    /// Starts a thread if each has a slot to serve. If none can be started, the running ones suffice.
    fn start_thread(&self, state: &mut State) -> Result<(), QueueFull> {
        if state.threads <= state.taken {
            let shared = self.shared.clone();
            let builder = thread::Builder::new().name("hash".into()).stack_size(STACK_BYTES);
            if builder.spawn(move || work(&shared)).is_ok() {
                state.threads += 1;
            }
        }
        if state.threads == 0 { Err(QueueFull) } else { Ok(()) }
    }
}

impl Slot<'_> {
    /// Runs a task on a pool thread and waits for it. Propagates its panic.
    pub(super) fn run<T: Send + 'static>(&self, task: impl FnOnce() -> T + Send + 'static) -> T {
        let (sender, receiver) = mpsc::sync_channel(1);
        let job = move || {
            let result = panic::catch_unwind(AssertUnwindSafe(task));
            let _ = sender.send(result); // the receiver always waits
        };
        assert_may_block();
        self.0.shared.lock().jobs.push_back(Box::new(job));
        self.0.shared.job_arrived.notify_one();
        let result = receiver.recv().expect("a pool thread runs each job while the pool is there");
        result.unwrap_or_else(|panicked| panic::resume_unwind(panicked))
    }
}

impl Drop for Slot<'_> {
    /// Passes the slot to the next request.
    fn drop(&mut self) {
        let mut state = self.0.shared.lock();
        match state.queue.pop() {
            // A request that times out looks for this message when it is no longer in the queue.
            Some(waker) => drop(waker.send(())),
            None => state.taken -= 1,
        }
    }
}

impl Drop for HashPool {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.job_arrived.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl From<QueueFull> for HashError {
    fn from(_: QueueFull) -> Self {
        Self::Busy
    }
}

/// Pool thread: runs jobs until the pool is dropped.
fn work(shared: &Shared) {
    let _ = os::lower_priority_of_this_thread(NICENESS); // an optimization only
    loop {
        let mut state = shared.lock();
        let job = loop {
            match state.jobs.pop_front() {
                Some(job) => break job,
                None if state.is_closed => return,
                None => state = shared.job_arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(state);
        job(); // catches panics
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
