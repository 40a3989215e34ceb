//! The worker pool: threads for requests that block on a hash, a write or a lock.
//!
//! There is a thread for each request in the pool, started on demand: the bound on requests is the bound on threads, and none
//! waits for another's hash. Fairness among logins is the hash queue's. Some threads never hash, so that a storm of logins
//! can't block revocations.

use super::connection::{Connection, Step};
use super::head::Head;
use super::inbox::Message;
use super::limits::{IDLE_WORKER, LEAVING, MAX_HASHING, MIN_WORKERS, NEVER_HASHING, STACK_BYTES};
use crate::clock;
use crate::routes;
use crate::server;
use crate::store::Reads;
use crate::wait::lock;
use std::collections::VecDeque;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

/// A request to be answered, with its connection.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) connection: Box<Connection>,
    pub(super) head: Head,
    may_hash: bool,
}

impl Job {
    pub(super) fn new(connection: Box<Connection>, head: Head) -> Self {
        let may_hash = connection.service().may_hash(&head.request);
        Self { connection, head, may_hash }
    }
}

/// The threads and their jobs.
#[derive(Debug)]
pub(super) struct WorkerPool {
    /// Jobs at once that may hash.
    max_hashing: usize,
    /// All jobs at once.
    max_jobs: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Jobs that no thread has taken.
    jobs: VecDeque<Box<Job>>,
    /// Jobs that are not done and may hash.
    hashing: usize,
    /// All jobs that are not done.
    unfinished: usize,
    threads: usize,
    idle: usize,
    is_closed: bool,
}

impl WorkerPool {
    /// For so many connections.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(super) fn new(max_connections: usize) -> io::Result<Arc<Self>> {
        let max_hashing = max_connections.min(MAX_HASHING);
        let max_jobs = max_hashing + NEVER_HASHING;
        let pool = Arc::new(Self { max_hashing, max_jobs, state: Mutex::default(), changed: Condvar::new() });
        for _ in 0..MIN_WORKERS {
            let spawned = pool.spawn(&mut lock(&pool.state));
            spawned.inspect_err(|_| pool.close())?;
        }
        Ok(pool)
    }

    /// Has a thread answer a request; the job back where the pool is full.
    pub(super) fn submit(self: &Arc<Self>, job: Job) -> Result<(), Box<Job>> {
        let job = Box::new(job);
        let mut state = lock(&self.state);
        let is_full = job.may_hash && state.hashing >= self.max_hashing || state.unfinished >= self.max_jobs;
        if state.is_closed || is_full {
            return Err(job);
        }
        state.hashing += usize::from(job.may_hash);
        state.unfinished += 1;
        state.jobs.push_back(job);
        if state.idle < state.jobs.len() {
            // Where no thread can be made, those that are there must do.
            let _ = self.spawn(&mut state);
        }
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    fn spawn(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        let pool = self.clone();
        let builder = thread::Builder::new().name("worker".into()).stack_size(STACK_BYTES);
        builder.spawn(move || pool.work())?;
        state.threads += 1;
        Ok(())
    }

    fn work(&self) {
        while let Some(job) = self.next_job() {
            let may_hash = job.may_hash;
            // Handlers are guarded by themselves; this keeps the thread, whatever else happens.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| answer(*job)));
            let mut state = lock(&self.state);
            state.hashing -= usize::from(may_hash);
            state.unfinished -= 1;
        }
    }

    /// `None` where there has been none for a while, or will be none.
    fn next_job(&self) -> Option<Box<Job>> {
        let mut state = lock(&self.state);
        state.idle += 1;
        loop {
            let is_needed = state.threads <= MIN_WORKERS;
            let has_no_work = |state: &mut State| state.jobs.is_empty() && !state.is_closed;
            let is_idle = if is_needed {
                state = self.changed.wait_while(state, has_no_work).unwrap_or_else(PoisonError::into_inner);
                false
            } else {
                let waited = self.changed.wait_timeout_while(state, IDLE_WORKER, has_no_work);
                let (waited, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                state = waited;
                timeout.timed_out()
            };
            let job = state.jobs.pop_front();
            if job.is_some() {
                state.idle -= 1;
                return job;
            }
            if state.is_closed || is_idle && state.threads > MIN_WORKERS {
                state.idle -= 1;
                state.threads -= 1;
                drop(state);
                self.changed.notify_all();
                return None;
            }
        }
    }

    /// Ends the threads, and waits a moment for those that are still at work.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        state.jobs.clear();
        self.changed.notify_all();
        drop(self.changed.wait_timeout_while(state, LEAVING, |state| state.threads > 0));
    }
}

/// Answers a request, and returns its connection to its event loop.
fn answer(Job { mut connection, head, .. }: Job) {
    let response = server::guarded(|| connection.service().answer(&head.request, Reads::PerCall));
    // A service that would block, where it may, is broken.
    let response = response.unwrap_or_else(|_| routes::panicked());
    let now = clock::monotonic();
    connection.respond(&head, &response, now);
    if !matches!(connection.write(now), Step::Close) {
        connection.inbox().send(Message::Returned(connection));
    }
}
