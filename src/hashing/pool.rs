//! Hash pool: a fixed number of threads that compute all password hashes, behind a fair queue.
//!
//! Memory is what a hash costs most, so the number of hashes at once must not follow the number of clients. A request
//! acquires a [`Slot`] first, the right to run one hash at a time. While all slots are taken it waits in the queue
//! (`queue.rs`), or is rejected: at once where the queue is full, after [`PATIENCE`] otherwise. So that decision depends
//! on nothing that is read later, under the slot: not on whether the user exists, nor on the kind of its hash.
//!
//! A slot may be kept for a second hash. A password change verifies the old password and hashes the new one in the same
//! slot, so nothing can come in between.
//!
//! The threads have a low priority: a storm of logins must not slow down requests with tokens.

use super::HashError;
use super::queue::{Full, Queue, Turn};
use crate::os;
use crate::wait::{assert_may_block, lock};
use core::time::Duration;
use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// How long a request waits for a slot.
const PATIENCE: Duration = Duration::from_secs(5);
/// How nice the threads are (sched(7)): beside others, they get about a tenth of a core, and alone all of it.
const NICENESS: i32 = 10;
/// Hashing needs little stack; its block is on the heap.
const STACK_BYTES: usize = 256 * 1024;

type Job = Box<dyn FnOnce() + Send>;

/// The threads and their queue. Threads are started when they are first needed: a command hashes once, or never.
#[derive(Debug)]
pub(super) struct Pool {
    slots: usize,
    pub(super) patience: Duration,
    shared: Arc<Shared>,
}

/// How much is being hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// So many hashes may be computed at once.
    pub slots: usize,
    /// So many slots are taken.
    pub busy: usize,
    /// So many requests wait for a slot.
    pub waiting: usize,
}

/// There is no slot, or none in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoSlot;

/// The right to run one hash at a time. Released when it is dropped.
#[derive(Debug)]
pub(super) struct Slot<'a>(&'a Pool);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    job_arrived: Condvar,
}

struct State {
    /// Wakes a thread that waits in [`Pool::acquire`]. While a slot is free, nothing waits.
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

impl Pool {
    /// A pool of so many slots; of known users and of strangers so many may wait for one.
    pub(super) fn new(slots: usize, max_queue: usize) -> Self {
        let queue = Queue::new(max_queue);
        let state = State { queue, taken: 0, jobs: VecDeque::new(), threads: 0, is_closed: false };
        let shared = Shared { state: Mutex::new(state), job_arrived: Condvar::new() };
        Self { slots: slots.max(1), patience: PATIENCE, shared: Arc::new(shared) }
    }

    /// How many slots there are.
    #[cfg(test)]
    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    /// What it is doing just now.
    pub(super) fn load(&self) -> Load {
        let state = self.shared.lock();
        Load { slots: self.slots, busy: state.taken, waiting: state.queue.len() }
    }

    /// Acquires a slot, and waits for it if need be.
    ///
    /// # Errors
    /// [`NoSlot`] where the queue is full, or a request that is due earlier takes this one's place, or the wait is over.
    pub(super) fn acquire(&self, turn: Turn) -> Result<Slot<'_>, NoSlot> {
        self.acquire_within(self.patience, turn)
    }

    fn acquire_within(&self, patience: Duration, turn: Turn) -> Result<Slot<'_>, NoSlot> {
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
        match granted.recv_timeout(patience) {
            Ok(()) => Ok(Slot(self)),
            Err(RecvTimeoutError::Disconnected) => Err(NoSlot), // displaced
            Err(RecvTimeoutError::Timeout) => {
                let was_waiting = self.shared.lock().queue.withdraw(ticket);
                // Otherwise it was displaced, or granted in this moment.
                if was_waiting || granted.try_recv().is_err() { Err(NoSlot) } else { Ok(Slot(self)) }
            }
        }
    }

    /// Starts a thread if all have a slot to serve. Where none can be started, those that run must do.
    fn start_thread(&self, state: &mut State) -> Result<(), NoSlot> {
        if state.threads <= state.taken {
            let shared = self.shared.clone();
            let builder = thread::Builder::new().name("hash".into()).stack_size(STACK_BYTES);
            if builder.spawn(move || work(&shared)).is_ok() {
                state.threads += 1;
            }
        }
        if state.threads == 0 { Err(NoSlot) } else { Ok(()) }
    }
}

impl Slot<'_> {
    /// Runs a task on a thread of the pool, and waits for it. If the task panics, so does this.
    pub(super) fn run<T: Send + 'static>(&self, task: impl FnOnce() -> T + Send + 'static) -> T {
        let (sender, receiver) = mpsc::sync_channel(1);
        let job = move || {
            let result = panic::catch_unwind(AssertUnwindSafe(task)); // the thread lives on for the others
            let _ = sender.send(result); // this thread always waits
        };
        assert_may_block();
        self.0.shared.lock().jobs.push_back(Box::new(job));
        self.0.shared.job_arrived.notify_one();
        let result = receiver.recv().expect("a pool thread runs each job while the pool is there");
        result.unwrap_or_else(|panicked| panic::resume_unwind(panicked))
    }
}

impl Drop for Slot<'_> {
    /// Hands the slot to the request whose turn it is.
    fn drop(&mut self) {
        let mut state = self.0.shared.lock();
        match state.queue.pop() {
            // A request that gives up looks for this message once it finds itself out of the queue.
            Some(waker) => drop(waker.send(())),
            None => state.taken -= 1,
        }
    }
}

impl Drop for Pool {
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

impl From<Full> for NoSlot {
    fn from(_: Full) -> Self {
        Self
    }
}

impl From<NoSlot> for HashError {
    fn from(_: NoSlot) -> Self {
        Self::Busy
    }
}

/// One thread: runs jobs until the pool is dropped.
fn work(shared: &Shared) {
    let _ = os::lower_priority_of_this_thread(NICENESS); // hashing goes on without
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
        job(); // catches what its task panics
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
