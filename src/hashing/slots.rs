//! Slots: a few threads that do all the hashing, and a bounded queue before them.
//!
//! Memory is what a hash costs most, so the number of hashes at once must not follow the number of clients. Whoever
//! finds the queue full, or waits too long for a slot, is told to come again; meanwhile nothing is held that
//! others need.
//!
//! An address has two places in the queue. Users at an address that they have logged in from before have a queue of the same
//! size beside it, with two places an address too, and every other turn is theirs; so strangers can't hold them up, not even
//! from the same house. This machine may have any number: behind a proxy that stands here, everybody has its address.
//!
//! The threads have a low priority: a storm of logins must not slow down those who show tokens.

use crate::client::{Client, Prefix};
use crate::os;
use crate::wait::{assert_may_block, lock};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::time::Duration;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Whoever has waited so long for a slot goes without: by then most people have.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of those who wait, so many of each kind may be of one address: a household that logs in gets through within [`PATIENCE`], and
/// whoever guesses holds two places, not the queue.
const MAX_WAITING_PER_ADDRESS: usize = 2;
/// How nice the threads are (sched(7)): beside others, they get about a tenth of a core, and alone all of it.
const NICENESS: i32 = 10;
/// Hashing needs little stack; its block is on the heap.
const STACK_BYTES: usize = 256 * 1024;

type Job = Box<dyn FnOnce() + Send>;

/// The threads and their queue. Threads are made when they are first needed: a command hashes once, or never.
#[derive(Debug)]
pub(super) struct Slots {
    count: usize,
    max_queue: usize,
    shared: Arc<Shared>,
}

/// How much is being hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// So many hashes may be computed at once.
    pub slots: usize,
    /// So many are.
    pub busy: usize,
    /// So many wait.
    pub waiting: usize,
}

/// There is no slot to be had, or not in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoSlot;

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Queued>,
    next_number: u64,
    threads: usize,
    idle_threads: usize,
    /// Whose turn it was last.
    was_remembered: bool,
    is_closed: bool,
}

/// Who asks for a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) client: Client,
    /// Whether it is a user at an address from which that user has logged in before, as far as the name tells.
    pub(super) is_remembered: bool,
}

struct Queued {
    number: u64,
    /// `None` for this machine: behind an app or a proxy that stands here, everybody has that address.
    asked_by: Option<Prefix>,
    is_remembered: bool,
    job: Job,
}

impl core::fmt::Debug for Queue {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Queue({} jobs, {} threads)", self.jobs.len(), self.threads)
    }
}

impl Slots {
    /// So many threads, and so many waiting for one of them.
    pub(super) fn new(count: usize, max_queue: usize) -> Self {
        Self { count: count.max(1), max_queue, shared: Arc::default() }
    }

    /// How many threads there may be.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// What they are doing just now.
    pub(super) fn load(&self) -> Load {
        let queue = self.shared.lock();
        let busy = queue.threads.saturating_sub(queue.idle_threads);
        Load { slots: self.count, busy, waiting: queue.jobs.len() }
    }

    /// Runs a task in a slot, and waits for it. If the task panics, so does this.
    pub(super) fn run<T: Send + 'static>(
        &self,
        asker: Asker,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NoSlot> {
        self.run_within(PATIENCE, asker, task)
    }

    fn run_within<T: Send + 'static>(
        &self,
        patience: Duration,
        asker: Asker,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NoSlot> {
        assert_may_block();
        let (sender, receiver) = mpsc::sync_channel(1);
        let job = move || {
            let result = panic::catch_unwind(AssertUnwindSafe(task)); // the thread lives on for the others
            let _ = sender.send(result); // whoever asked always waits
        };
        let number = self.enqueue(asker, Box::new(job))?;
        let result = match receiver.recv_timeout(patience) {
            Err(RecvTimeoutError::Timeout) if self.withdraw(number) => return Err(NoSlot),
            Err(RecvTimeoutError::Timeout) => receiver.recv().map_err(|_| NoSlot)?, // it is under way
            in_time => in_time.map_err(|_| NoSlot)?,
        };
        result.or_else(|panicked| panic::resume_unwind(panicked))
    }

    fn enqueue(&self, Asker { client, is_remembered }: Asker, job: Job) -> Result<u64, NoSlot> {
        let asked_by = if client.is_local() { None } else { Some(client.prefix()) };
        let mut queue = self.shared.lock();
        if queue.jobs.len() >= queue.idle_threads && queue.threads < self.count {
            self.spawn(&mut queue);
        }
        // Those who will be taken at once don't count as waiting.
        if queue.threads == 0 || queue.waiting(is_remembered) >= queue.idle_threads + self.max_queue {
            return Err(NoSlot);
        }
        if asked_by.is_some_and(|address| queue.waiting_of(address, is_remembered) >= MAX_WAITING_PER_ADDRESS)
        {
            return Err(NoSlot);
        }
        let number = queue.next_number;
        queue.next_number = number.wrapping_add(1);
        queue.jobs.push_back(Queued { number, asked_by, is_remembered, job });
        drop(queue);
        self.shared.arrived.notify_one();
        Ok(number)
    }

    /// Where no thread can be made, those that are there must do.
    fn spawn(&self, queue: &mut Queue) {
        let shared = self.shared.clone();
        let builder = thread::Builder::new().name("hash".into()).stack_size(STACK_BYTES);
        if builder.spawn(move || work(&shared)).is_ok() {
            queue.threads += 1;
            queue.idle_threads += 1;
        }
    }

    /// Takes a job back, if nobody has begun with it.
    fn withdraw(&self, number: u64) -> bool {
        let mut queue = self.shared.lock();
        let position = queue.jobs.iter().position(|queued| queued.number == number);
        position.and_then(|position| queue.jobs.remove(position)).is_some()
    }
}

impl Queue {
    /// How many of a kind are in the queue.
    fn waiting(&self, is_remembered: bool) -> usize {
        self.jobs.iter().filter(|queued| queued.is_remembered == is_remembered).count()
    }

    /// The oldest of the kind whose turn it is, or else the oldest.
    fn take(&mut self) -> Option<Job> {
        let turn = !self.was_remembered;
        let position = self.jobs.iter().position(|queued| queued.is_remembered == turn).unwrap_or(0);
        let queued = self.jobs.remove(position)?;
        self.was_remembered = queued.is_remembered;
        Some(queued.job)
    }

    /// How many of this address and kind wait, beside those who will be taken at once.
    fn waiting_of(&self, address: Prefix, is_remembered: bool) -> usize {
        let waiting = self.jobs.iter().skip(self.idle_threads);
        waiting
            .filter(|queued| queued.asked_by == Some(address) && queued.is_remembered == is_remembered)
            .count()
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.arrived.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }
}

/// One thread: takes jobs until nobody can send any more. It counts as idle while it looks for one.
fn work(shared: &Shared) {
    let _ = os::lower_priority_of_this_thread(NICENESS); // hashing goes on without
    loop {
        let mut queue = shared.lock();
        let job = loop {
            match queue.take() {
                Some(job) => break job,
                None if queue.is_closed => return,
                None => queue = shared.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        };
        queue.idle_threads -= 1;
        drop(queue);
        job(); // catches what its task panics
        shared.lock().idle_threads += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::Barrier;

    const LOCAL: Asker = Asker { client: Client::Local, is_remembered: false };

    fn stranger(client: Client) -> Asker {
        Asker { client, is_remembered: false }
    }

    /// Occupies every slot until it is told to stop.
    fn occupy(slots: &Arc<Slots>, gate: &Arc<Barrier>) -> Vec<thread::JoinHandle<Result<(), NoSlot>>> {
        let started = Arc::new(Barrier::new(slots.count + 1));
        let hold = |_| {
            let (slots, gate, started) = (slots.clone(), gate.clone(), started.clone());
            thread::spawn(move || {
                slots.run(LOCAL, move || {
                    started.wait();
                    gate.wait();
                })
            })
        };
        let holders = (0..slots.count).map(hold).collect();
        started.wait();
        holders
    }

    #[test]
    fn never_more_run_at_once_than_there_are_slots() {
        let slots = Arc::new(Slots::new(3, 100));
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        thread::scope(|scope| {
            for _ in 0..32 {
                let (slots, running, most) = (slots.clone(), running.clone(), most.clone());
                scope.spawn(move || {
                    let done = slots.run(LOCAL, move || {
                        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                        7
                    });
                    assert_eq!(done, Ok(7));
                });
            }
        });
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
    }

    #[test]
    fn a_full_queue_refuses_at_once_and_serves_again_later() {
        let slots = Arc::new(Slots::new(2, 0));
        let gate = Arc::new(Barrier::new(3));
        let holders = occupy(&slots, &gate);
        assert_eq!(slots.load(), Load { slots: 2, busy: 2, waiting: 0 });
        assert_eq!(slots.run(LOCAL, || ()), Err(NoSlot), "two at work, and none may wait");
        gate.wait();
        for holder in holders {
            assert_eq!(holder.join().unwrap(), Ok(()));
        }
        while slots.run(LOCAL, || 7) != Ok(7) {
            thread::yield_now(); // a thread is idle a moment after its result has arrived
        }
    }

    #[test]
    fn who_waits_too_long_goes_without_and_the_task_is_not_done() {
        let slots = Arc::new(Slots::new(1, 10));
        let gate = Arc::new(Barrier::new(2));
        let holders = occupy(&slots, &gate);
        let done = Arc::new(AtomicUsize::new(0));
        let count = done.clone();
        let waited =
            slots.run_within(Duration::from_millis(1), LOCAL, move || count.fetch_add(1, Ordering::SeqCst));
        assert_eq!(waited, Err(NoSlot));
        gate.wait();
        for holder in holders {
            assert_eq!(holder.join().unwrap(), Ok(()), "what is under way is waited for");
        }
        assert_eq!(done.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn of_those_who_wait_two_may_be_of_one_address() {
        let client = |address: &str| Client::Ip(address.parse().unwrap());
        let slots = Arc::new(Slots::new(2, 100));
        let gate = Arc::new(Barrier::new(3));
        let holders = occupy(&slots, &gate);
        let try_to_wait = |client| slots.enqueue(client, Box::new(|| ()));
        for (address, waits) in [
            ("192.0.2.1", true),
            ("192.0.2.1", true),
            ("::ffff:192.0.2.1", false),
            ("192.0.2.2", true),
            ("2001:db8::1", true),
            ("2001:db8::2", true),
            ("2001:db8::3", false),
            ("2001:db8:0:1::1", true),
        ] {
            assert_eq!(try_to_wait(stranger(client(address))).is_ok(), waits, "{address}");
        }
        for local in [client("127.0.0.1"), client("::1"), Client::Local] {
            assert!((0..5).all(|_| try_to_wait(stranger(local)).is_ok()), "{local}: a proxy may stand there");
        }
        gate.wait();
        for holder in holders {
            assert_eq!(holder.join().unwrap(), Ok(()));
        }
        // What is taken at once doesn't wait.
        let same = client("192.0.2.1");
        while slots.run(stranger(same), || 7) != Ok(7) {
            thread::yield_now();
        }
    }

    #[test]
    fn strangers_behind_the_same_address_don_t_take_the_places_of_who_is_remembered_there() {
        let slots = Arc::new(Slots::new(1, 100));
        let gate = Arc::new(Barrier::new(2));
        let holders = occupy(&slots, &gate);
        let household = Client::Ip("192.0.2.1".parse().unwrap());
        let try_to_wait =
            |is_remembered| slots.enqueue(Asker { client: household, is_remembered }, Box::new(|| ()));
        for (is_remembered, waits) in [(false, [true, true, false]), (true, [true, true, false])] {
            assert_eq!(
                waits.map(|_| try_to_wait(is_remembered).is_ok()),
                waits,
                "remembered: {is_remembered}"
            );
        }
        gate.wait();
        for holder in holders {
            assert_eq!(holder.join().unwrap(), Ok(()));
        }
    }

    #[test]
    fn a_panic_costs_its_own_task_and_no_slot() {
        let slots = Slots::new(1, 10);
        let task = || panic!("as the test wants it");
        let panicked: Result<Result<(), NoSlot>, _> =
            panic::catch_unwind(AssertUnwindSafe(|| slots.run(LOCAL, task)));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"as the test wants it"));
        assert_eq!(slots.run(LOCAL, || 7), Ok(7));
    }

    #[test]
    fn strangers_don_t_stand_in_the_way_of_who_is_remembered() {
        let slots = Arc::new(Slots::new(1, 2));
        let gate = Arc::new(Barrier::new(2));
        let holders = occupy(&slots, &gate);
        let order = Arc::new(Mutex::new(Vec::new()));
        let wait = |name: &'static str, is_remembered| {
            let order = order.clone();
            let job = move || order.lock().unwrap().push(name);
            slots.enqueue(Asker { client: Client::Local, is_remembered }, Box::new(job)).is_ok()
        };
        assert!(wait("first stranger", false) && wait("second stranger", false));
        assert!(!wait("third stranger", false), "the queue is full of strangers");
        assert!(wait("remembered", true) && wait("also remembered", true));
        assert!(!wait("one too many", true));
        gate.wait();
        for holder in holders {
            assert_eq!(holder.join().unwrap(), Ok(()));
        }
        while order.lock().unwrap().len() < 4 {
            thread::yield_now();
        }
        let order = order.lock().unwrap().clone();
        assert_eq!(order, ["remembered", "first stranger", "also remembered", "second stranger"]);
    }
}
