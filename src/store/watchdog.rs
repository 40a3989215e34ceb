//! Watchdog: a thread that interrupts SQLite after a time limit.

use super::error::StoreError;
use crate::clock;
use core::time::Duration;
use rusqlite::InterruptHandle;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// Watches one connection until it is dropped.
#[derive(Debug)]
pub(super) struct Watchdog {
    watched: Arc<Watched>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Watched {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// SQLite has been working since.
    Working(Instant),
    Paused,
    Over,
}

impl Watchdog {
    /// Interrupts the connection when it works for longer than `limit`. Each pause resets the time.
    pub(super) fn new(handle: InterruptHandle, limit: Duration) -> Result<Self, StoreError> {
        let state = Mutex::new(State::Working(clock::monotonic()));
        let watched = Arc::new(Watched { state, changed: Condvar::new() });
        let (theirs, name) = (watched.clone(), "watchdog".into());
        let thread = thread::Builder::new().name(name).spawn(move || theirs.watch(&handle, limit));
        let thread = thread.map_err(|error| StoreError::Unavailable(error.into()))?;
        Ok(Self { watched, thread: Some(thread) })
    }

    /// Runs an operation that doesn't count as SQLite's work.
    pub(super) fn pause<T>(&self, operation: impl FnOnce() -> T) -> T {
        self.watched.set(State::Paused);
        let result = operation();
        self.watched.set(State::Working(clock::monotonic()));
        result
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.watched.set(State::Over);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Watched {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: State) {
        *self.lock() = state;
        if matches!(state, State::Over) {
            self.changed.notify_one(); // it reads other states at its next wake-up
        }
    }

    fn watch(&self, handle: &InterruptHandle, limit: Duration) {
        let mut state = self.lock();
        loop {
            let wait = match *state {
                State::Over => return,
                State::Paused => limit,
                State::Working(since) => {
                    let worked = clock::monotonic().saturating_duration_since(since);
                    if worked >= limit {
                        handle.interrupt();
                    }
                    limit.saturating_sub(worked).max(limit / 10)
                }
            };
            let waited = self.changed.wait_timeout(state, wait);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::{Connection, ErrorCode};

    const ENDLESS: &str =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

    #[test]
    fn endless_work_is_interrupted_and_a_pause_does_not_count() {
        let connection = Connection::open_in_memory().unwrap();
        let limit = Duration::from_millis(100);
        let watchdog = Watchdog::new(connection.get_interrupt_handle(), limit).unwrap();
        let one = || connection.query_row("SELECT 1", [], |row| row.get::<_, i64>(0));
        watchdog.pause(|| {
            thread::sleep(3 * limit);
            assert_eq!(one(), Ok(1));
        });
        let error = connection.query_row(ENDLESS, [], |_| Ok(())).unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::OperationInterrupted));
        drop(watchdog);
        assert_eq!(one(), Ok(1));
    }
}
