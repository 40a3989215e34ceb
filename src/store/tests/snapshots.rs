//! What a thread sees that keeps its snapshot, and for how long.

use super::*;
use crate::{blocking, snapshot};

#[test]
fn a_thread_sees_what_it_saw_until_it_lets_go_waits_or_writes() {
    let test = TestStore::new();
    let elsewhere = Store::open(&test.path()).unwrap();
    let id = test.insert("ok");
    let generation = || test.store.find_token_subject(id).unwrap().unwrap().generation.number();
    snapshot::allow();
    let mut seen = generation();
    let waits = || assert!(blocking::announce());
    let writes = || assert!(test.store.revoke_tokens(id).unwrap());
    for (ends, by_itself) in [(&snapshot::let_go as &dyn Fn(), 0), (&waits, 0), (&writes, 1)] {
        // By another thread: whoever writes lets go.
        std::thread::scope(|scope| scope.spawn(|| elsewhere.revoke_tokens(id).unwrap()).join().unwrap());
        assert_eq!(generation(), seen, "another operation of the same round");
        assert_eq!(test.user(id).generation.number(), seen, "another statement");
        ends();
        assert_eq!(generation(), seen + 1 + by_itself);
        seen = generation();
    }
}

#[test]
fn a_snapshot_is_one_stores_alone() {
    let (one, other) = (TestStore::new(), TestStore::new());
    let id = one.insert("ok");
    snapshot::allow();
    assert!(one.store.find_user_by_id(id).unwrap().is_some());
    assert_eq!(other.store.find_user_by_id(id).unwrap(), None);
    assert!(one.store.find_user_by_id(id).unwrap().is_some());
}

#[test]
fn a_database_that_was_moved_away_is_missed_by_the_next_round() {
    let test = TestStore::new();
    let id = test.insert("ok");
    snapshot::allow();
    test.user(id);
    std::fs::rename(test.path(), test.directory.path().join("elsewhere")).unwrap();
    test.user(id);
    snapshot::let_go();
    assert!(matches!(test.store.find_user_by_id(id), Err(StoreError::Unavailable(_))));
}

/// More threads than there are connections for readers: each gives its own back.
#[test]
fn who_let_go_holds_nobody_up() {
    let test = TestStore::new();
    let id = test.insert("ok");
    let cores = std::thread::available_parallelism().map_or(2, core::num::NonZeroUsize::get);
    std::thread::scope(|scope| {
        for _ in 0..cores * 4 {
            scope.spawn(|| {
                snapshot::allow();
                for _ in 0..20 {
                    test.user(id);
                    snapshot::let_go();
                }
            });
        }
    });
    // The last of them to close moves all that was written into the database.
    test.reopen().user(id);
}
