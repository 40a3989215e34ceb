//! Worker pool: threads for requests that block on a hash, a write or a lock.
//!
//! The pool starts threads on demand, one for each request and one more, so that no request waits for the
//! hash of another. The hash queue provides fairness among logins. Some threads are reserved for requests
//! that don't hash, so that a storm of logins can't block revocations. If the system has no threads left, at
//! least one of the running threads never hashes.

use super::connection::{Connection, Step};
use super::limits::{CLOSE, FAR, IDLE_WORKER, MAX_HASHING, MIN_WORKERS, NEVER_HASHING, STACK_BYTES};
use crate::clock;
use crate::store::Reads;
use crate::wait::lock;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::{io, thread};

/// A connection whose request would block an event loop.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) connection: Box<Connection>,
    pub(super) may_hash: bool,
}

#[derive(Debug)]
pub(super) struct WorkerPool {
    bounds: Bounds,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Unanswered jobs that may hash.
    pub(super) hashing: usize,
    /// All unanswered jobs.
    pub(super) jobs: usize,
    pub(super) threads: usize,
}

impl Bounds {
    pub(super) fn new(max_connections: usize) -> Self {
        let hashing = max_connections.min(MAX_HASHING);
        let jobs = hashing + NEVER_HASHING;
        Self { hashing, jobs, threads: (max_connections + 1).clamp(MIN_WORKERS, MAX_HASHING + NEVER_HASHING) }
    }
}

#[derive(Debug, Default)]
struct State {
    /// Jobs that no thread has taken yet.
    queue: VecDeque<Job>,
    unanswered: usize,
    /// Of these, those that may hash.
    hashing: usize,
    /// Of these, those in progress.
    hashing_now: usize,
    threads: usize,
    is_closed: bool,
}

impl State {
    /// The queue position of the next job for a thread. Always leaves one thread that doesn't hash.
    fn next(&self) -> Option<usize> {
        let may_hash = self.hashing_now + 1 < self.threads;
        self.queue.iter().position(|job| may_hash || !job.may_hash)
    }
}

impl WorkerPool {
    /// # Errors
    /// The system has no thread left.
    pub(super) fn new(bounds: Bounds) -> io::Result<Arc<Self>> {
        let pool = Arc::new(Self { bounds, state: Mutex::default(), changed: Condvar::new() });
        for _ in 0..MIN_WORKERS {
            let spawned = pool.spawn(&mut lock(&pool.state));
            spawned.inspect_err(|_| pool.close())?;
        }
        Ok(pool)
    }

    /// Queues a job; returns it if the pool is full.
    pub(super) fn submit(self: &Arc<Self>, job: Job) -> Result<(), Job> {
        let mut state = lock(&self.state);
        let is_full =
            job.may_hash && state.hashing >= self.bounds.hashing || state.unanswered >= self.bounds.jobs;
        if state.is_closed || is_full {
            return Err(job);
        }
        state.hashing += usize::from(job.may_hash);
        state.unanswered += 1;
        state.queue.push_back(job);
        // One more thread than jobs, since one thread never hashes.
        if state.threads <= state.unanswered && state.threads < self.bounds.threads {
            // If the system has no thread left, the job waits for a running thread.
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
        while let Some(Job { mut connection, may_hash }) = self.next_job() {
            let step = connection.step(|connection| connection.answer(Reads::PerCall));
            // Before the response is sent, or the client's next request could find the pool full.
            self.answered(may_hash);
            let step = connection.step(|connection| match step {
                Step::Write => connection.write(clock::monotonic()),
                Step::Block { .. } => connection.fail(), // the service is broken: it may block here
                step => step,
            });
            if !matches!(step, Step::Close) {
                connection.inbox().send(connection);
            }
        }
    }

    /// Waits for a job; `None` if this thread is to end.
    fn next_job(&self) -> Option<Job> {
        let mut state = lock(&self.state);
        loop {
            let is_waiting = |state: &mut State| state.next().is_none() && !state.is_closed;
            let timeout = if state.threads > MIN_WORKERS { IDLE_WORKER } else { FAR };
            let waited = self.changed.wait_timeout_while(state, timeout, is_waiting);
            let waited = waited.unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            if let Some(job) = state.next().and_then(|position| state.queue.remove(position)) {
                state.hashing_now += usize::from(job.may_hash);
                return Some(job);
            }
            // A thread that doesn't hash remains.
            let is_spare = state.threads > MIN_WORKERS.max(state.hashing_now + 1);
            if state.is_closed || is_spare {
                state.threads -= 1;
                drop(state);
                self.changed.notify_all();
                return None;
            }
        }
    }

    fn answered(&self, may_hash: bool) {
        let mut state = lock(&self.state);
        state.unanswered -= 1;
        state.hashing -= usize::from(may_hash);
        state.hashing_now -= usize::from(may_hash);
        drop(state);
        self.changed.notify_one(); // a job may wait for a thread that may hash
    }

    /// Ends the threads, and waits for at most [`CLOSE`].
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        state.queue.clear();
        self.changed.notify_all();
        drop(self.changed.wait_timeout_while(state, CLOSE, |state| state.threads > 0));
    }
}

#[cfg(test)]
#[path = "tests/worker_pool.rs"]
mod tests;
