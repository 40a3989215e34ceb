//! The threads that serve: few are on duty, however many clients are connected.
//!
//! A thread on duty waits until something has arrived on some of the idle connections, takes those, a **round**, receives what
//! came on each, and goes on with one after the other until it is idle again, or over. That all is received before any is
//! answered lets one look at the database serve for the whole round ([`crate::snapshot`]).
//!
//! Before a thread waits for anything in between it says so ([`crate::blocking`]): it leaves duty, hands the rest of its round
//! over, and another thread takes its place. When it is done it is spare for a while, should another leave.
//!
//! ```text
//!            something has arrived                       hash, disk, slow client
//!   idle  --------------------------->  on duty  -------------------------------------->  off duty
//!   no thread                           a thread that never waits,  <---- spare <----     a thread that waits
//!     ^                                 for its round               a place is free           |
//!     '-----------------------------------'---------------------------------------------------'
//!                                     answered
//! ```
//!
//! Whoever sends requests without a break is treated like one who waits. Not announced is what nobody else can hold up: reading
//! the database, which is in memory mostly, and a line of the log, for which everybody would wait anyway.
//!
//! So an idle connection costs no thread; a request that is answered from memory costs no switch between threads while
//! others keep coming; and a request that waits holds nothing that others need. Once a thread has begun to answer it, a request
//! is that thread's to the last byte.

use super::PAUSE;
use super::connection::{Connection, Next};
use super::limits::{LEAVING, ROUND, SPARE, STACK_BYTES};
use super::stream::Stream;
use crate::blocking::{self, lock_briefly};
use crate::os::Readiness;
use crate::snapshot;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::sync::Arc;
use core::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

/// The key of the descriptor that tells of the end; no connection's, since those are descriptors' numbers.
const CLOSING: u64 = u64::MAX;

/// The threads, and the connections that none of them is busy with.
#[derive(Debug)]
pub(super) struct Workers {
    most_on_duty: usize,
    readiness: Readiness,
    /// By the number of its descriptor, which is its own while it is open. `None` after the end.
    idle: Mutex<Option<HashMap<u64, Box<Connection>>>>,
    staff: Mutex<Staff>,
    changed: Condvar,
    closing: (UnixStream, UnixStream),
}

/// The connections that a thread has taken and not yet gone on with: its own, and shared with what it does before it waits.
type Round = Rc<RefCell<VecDeque<Box<Connection>>>>;

#[derive(Debug, Default)]
struct Staff {
    threads: usize,
    on_duty: usize,
    /// Those who could be, and those on their way.
    spare: usize,
    is_closed: bool,
}

impl Workers {
    /// With so many threads on duty, which wait for connections to be admitted.
    ///
    /// # Errors
    /// Where the system has no thread or no descriptor for it.
    pub(super) fn new(most_on_duty: usize) -> io::Result<Arc<Self>> {
        let (readiness, closing) = (Readiness::new()?, UnixStream::pair()?);
        readiness.add_for_all(&closing.0, CLOSING)?;
        let workers = Arc::new(Self {
            most_on_duty,
            readiness,
            idle: Mutex::new(Some(HashMap::new())),
            staff: Mutex::default(),
            changed: Condvar::new(),
            closing,
        });
        for _ in 0..most_on_duty {
            let called = workers.call(&mut lock_briefly(&workers.staff));
            called.inspect_err(|_| workers.close())?;
        }
        Ok(workers)
    }

    /// Takes in a new connection.
    ///
    /// # Errors
    /// Where the system has no memory to watch it.
    pub(super) fn admit(&self, connection: Connection) -> io::Result<()> {
        self.lay_down(Box::new(connection), Readiness::add)
    }

    /// Lays an idle connection down, for whoever is told that something has arrived on it.
    fn lay_down(
        &self,
        connection: Box<Connection>,
        watch: fn(&Readiness, &Stream, u64) -> io::Result<()>,
    ) -> io::Result<()> {
        let entry = connection.entry().clone();
        let key = key_of(&entry.stream);
        let mut idle = lock_briefly(&self.idle);
        if let Some(idle) = idle.as_mut() {
            idle.insert(key, connection);
        }
        drop(idle);
        // From here on another thread may have it.
        watch(&self.readiness, &entry.stream, key).inspect_err(|_| drop(self.take_up(key)))
    }

    fn take_up(&self, key: u64) -> Option<Box<Connection>> {
        lock_briefly(&self.idle).as_mut()?.remove(&key)
    }

    /// Has one more thread come.
    fn call(self: &Arc<Self>, staff: &mut Staff) -> io::Result<()> {
        let workers = self.clone();
        let builder = thread::Builder::new().name("worker".into()).stack_size(STACK_BYTES);
        builder.spawn(move || workers.work())?;
        staff.threads += 1;
        staff.spare += 1;
        Ok(())
    }

    /// One thread's life.
    fn work(self: Arc<Self>) {
        let (is_on_duty, round) = (Rc::new(Cell::new(false)), Round::default());
        let (workers, on_duty, rest) = (self.clone(), is_on_duty.clone(), round.clone());
        blocking::on_announcement(move || {
            on_duty.set(on_duty.get() && !workers.leave_duty());
            if !on_duty.get() {
                for connection in rest.take() {
                    workers.hand_over(connection);
                }
            }
            !on_duty.get()
        });
        snapshot::allow();
        while is_on_duty.get() || self.take_duty() {
            is_on_duty.set(true);
            let has_ended = !self.serve_round(&round);
            if has_ended || !is_on_duty.get() && !self.become_spare() {
                break;
            }
        }
        lock_briefly(&self.staff).threads -= 1;
        self.changed.notify_all();
    }

    /// Waits for connections on which something has arrived, and goes on with them; false at the end.
    fn serve_round(&self, round: &Round) -> bool {
        let mut has_ended = false;
        let told = self.readiness.wait::<ROUND>(|key| {
            has_ended |= key == CLOSING;
            round.borrow_mut().extend(self.take_up(key));
        });
        if told.is_err() {
            thread::sleep(PAUSE); // out of memory: that passes
        }
        round.borrow_mut().iter_mut().for_each(|connection| connection.receive());
        loop {
            let next = round.borrow_mut().pop_front();
            let Some(connection) = next else { break };
            self.serve(connection);
        }
        snapshot::let_go();
        !has_ended
    }

    fn serve(&self, mut connection: Box<Connection>) {
        // Handlers are guarded by themselves; this keeps the thread, whatever else happens.
        let next = panic::catch_unwind(AssertUnwindSafe(|| connection.resume()));
        if matches!(next, Ok(Next::Idle)) {
            // One that can't be watched ends.
            let _ = self.lay_down(connection, Readiness::rearm);
        }
    }

    /// Has somebody else go on with what this connection has received.
    fn hand_over(&self, connection: Box<Connection>) {
        let _ = self.lay_down(connection, Readiness::rearm_at_once);
    }

    /// From on duty to neither; another thread is called in. Where none can be made, the last one has to stay, and says
    /// false.
    fn leave_duty(self: &Arc<Self>) -> bool {
        let mut staff = lock_briefly(&self.staff);
        staff.on_duty -= 1;
        while !staff.is_closed
            && staff.on_duty + staff.spare < self.most_on_duty
            && self.call(&mut staff).is_ok()
        {}
        let is_last = !staff.is_closed && staff.on_duty + staff.spare == 0;
        staff.on_duty += usize::from(is_last);
        drop(staff);
        self.changed.notify_one();
        !is_last
    }

    /// From neither to spare, unless there are enough.
    fn become_spare(&self) -> bool {
        let mut staff = lock_briefly(&self.staff);
        let is_wanted = staff.spare < self.most_on_duty;
        staff.spare += usize::from(is_wanted);
        is_wanted
    }

    /// From spare to on duty, as soon as there is a place; false where there is none for a while, and at the end.
    fn take_duty(&self) -> bool {
        let is_full = |staff: &mut Staff| !staff.is_closed && staff.on_duty >= self.most_on_duty;
        let waited = self.changed.wait_timeout_while(lock_briefly(&self.staff), SPARE, is_full);
        let (mut staff, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        let has_place = !staff.is_closed && !waited.timed_out();
        staff.spare -= 1;
        staff.on_duty += usize::from(has_place);
        has_place
    }

    /// Ends all that is idle, and waits a moment for the threads that are not.
    pub(super) fn close(&self) {
        drop(lock_briefly(&self.idle).take());
        let mut staff = lock_briefly(&self.staff);
        staff.is_closed = true;
        self.changed.notify_all();
        let _ = (&self.closing.1).write(b"!"); // for those who wait for something to arrive
        let is_staffed = |staff: &mut Staff| staff.threads > 0;
        drop(self.changed.wait_timeout_while(staff, LEAVING, is_staffed));
    }
}

fn key_of(stream: &Stream) -> u64 {
    u64::try_from(stream.as_fd().as_raw_fd()).unwrap_or(CLOSING)
}

#[cfg(test)]
#[path = "workers_tests.rs"]
mod tests;
