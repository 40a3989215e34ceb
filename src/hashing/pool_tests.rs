//! The hash pool, with threads: slots are taken, handed over and given up.

use super::super::queue::Line;
use super::*;
use core::sync::atomic::{AtomicUsize, Ordering};

const LOCAL: Turn = Turn { line: Line::Strangers, owner: 0, source: 0, is_capped: false };

fn known(user: u64) -> Turn {
    Turn { line: Line::Known, owner: user, source: user, is_capped: true }
}

/// Waits until so many requests wait for a slot.
fn await_waiting(pool: &HashPool, waiting: usize) {
    while pool.stats().waiting < waiting {
        thread::yield_now();
    }
}

#[test]
fn never_more_hashes_run_at_once_than_there_are_slots() {
    let pool = HashPool::new(3, 100);
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    crate::tests::at_once(32, |_| {
        let (running, most) = (running.clone(), most.clone());
        let done = pool.acquire(LOCAL).unwrap().run(move || {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::yield_now();
            running.fetch_sub(1, Ordering::SeqCst);
            7
        });
        assert_eq!(done, 7);
    });
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
    assert_eq!(pool.stats(), PoolStats { slots: 3, busy: 0, waiting: 0 });
    assert!(pool.shared.lock().threads <= 3);
}

#[test]
fn a_full_queue_rejects_at_once_and_serves_again_later() {
    let pool = HashPool::new(2, 0);
    let slots = [pool.acquire(LOCAL).unwrap(), pool.acquire(LOCAL).unwrap()];
    assert_eq!(pool.stats(), PoolStats { slots: 2, busy: 2, waiting: 0 });
    assert!(pool.acquire(LOCAL).is_err(), "all slots are taken, and none may wait");
    drop(slots);
    assert_eq!(pool.acquire(LOCAL).unwrap().run(|| 7), 7);
}

#[test]
fn a_request_that_waits_too_long_is_rejected_and_leaves_the_queue() {
    let pool = HashPool::new(1, 10);
    let slot = pool.acquire(LOCAL).unwrap();
    assert!(pool.acquire_within(Duration::from_millis(1), LOCAL).is_err());
    assert_eq!(pool.stats(), PoolStats { slots: 1, busy: 1, waiting: 0 });
    drop(slot);
    assert_eq!(pool.acquire(LOCAL).unwrap().run(|| 7), 7);
}

#[test]
fn a_displaced_request_is_rejected_at_once() {
    let pool = HashPool::new(1, 1);
    drop(pool.acquire(known(1)).unwrap());
    let slot = pool.acquire(known(2)).unwrap();
    thread::scope(|scope| {
        let displaced = scope.spawn(|| pool.acquire(known(1)).is_err());
        await_waiting(&pool, 1);
        let served = scope.spawn(|| pool.acquire(known(3)).is_ok());
        assert!(displaced.join().unwrap());
        drop(slot);
        assert!(served.join().unwrap());
    });
}

#[test]
fn a_kept_slot_runs_a_second_task_before_waiting_requests() {
    let pool = HashPool::new(1, 10);
    let slot = pool.acquire(LOCAL).unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let run = |slot: &Slot<'_>, name: &'static str| {
        let order = order.clone();
        slot.run(move || order.lock().unwrap().push(name));
    };
    thread::scope(|scope| {
        run(&slot, "verify");
        scope.spawn(|| run(&pool.acquire(LOCAL).unwrap(), "stranger"));
        await_waiting(&pool, 1);
        run(&slot, "hash");
        drop(slot);
    });
    assert_eq!(*order.lock().unwrap(), ["verify", "hash", "stranger"]);
}

#[test]
fn a_panic_in_a_task_releases_its_slot() {
    let pool = HashPool::new(1, 10);
    let panicking = || pool.acquire(LOCAL).unwrap().run(|| panic!("as the test wants it"));
    let panicked: Result<(), _> = panic::catch_unwind(AssertUnwindSafe(panicking));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"as the test wants it"));
    assert_eq!(pool.stats().busy, 0);
    assert_eq!(pool.acquire(LOCAL).unwrap().run(|| 7), 7);
}

#[test]
fn slots_are_passed_on_while_requests_time_out() {
    let pool = HashPool::new(2, 100);
    let served = crate::tests::at_once(16, |number| {
        let queue_timeout = Duration::from_micros(number as u64 * 20);
        (0..200)
            .filter(|_| pool.acquire_within(queue_timeout, LOCAL).map(|slot| slot.run(|| ())).is_ok())
            .count()
    });
    assert!(served.iter().sum::<usize>() > 0);
    assert_eq!(
        pool.stats(),
        PoolStats { slots: 2, busy: 0, waiting: 0 },
        "no slot was lost, and nothing waits"
    );
}
