//! Rate limiter state: key, counters and epoch; and the newest time.

use super::*;

/// The counters that stand in the store.
fn saved(test: &TestStore) -> Option<(Vec<u8>, u64)> {
    test.store.load_limiter().unwrap().map(|saved| (saved.counters, saved.saved_at.seconds()))
}

#[test]
fn the_first_key_stays() {
    let test = TestStore::new();
    assert_eq!(test.store.limiter_key(&[1; 32]).unwrap(), [1; 32]);
    assert_eq!(test.store.limiter_key(&[2; 32]).unwrap(), [1; 32]);
    assert_eq!(test.reopen().store.limiter_key(&[3; 32]).unwrap(), [1; 32]);
}

#[test]
fn concurrent_callers_get_the_same_key() {
    for _ in 0..20 {
        let test = TestStore::new();
        let stores: Vec<Store> = (0..4).map(|_| Store::open(&test.path()).unwrap()).collect();
        let keys = crate::tests::at_once(4, |number| {
            stores[number].limiter_key(&[u8::try_from(number).unwrap(); 32]).unwrap()
        });
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
        assert_eq!(test.store.limiter_key(&[9; 32]).unwrap(), keys[0]);
    }
}

#[test]
fn a_key_of_another_length_is_corrupt() {
    let test = TestStore::new();
    for length in [0, 31, 33] {
        let key = vec![1_u8; length];
        raw(&test.path()).execute("UPDATE realm SET limiter_key = ?1", [&key]).unwrap();
        let error = test.store.limiter_key(&[2; 32]).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt(_)), "{length}: {error:?}");
    }
}

#[test]
fn counters_are_saved_with_the_time() {
    let test = TestStore::new();
    assert_eq!(saved(&test), None);
    let large: Vec<u8> = (0..=u8::MAX).cycle().take(1 << 18).collect();
    for (counters, seconds) in [(&b"\0one"[..], 10), (&large, 20), (&[], 30)] {
        assert!(test.store.save_limiter(counters, at(seconds), 0).unwrap());
        assert_eq!(saved(&test), Some((counters.to_vec(), seconds)));
        assert_eq!(test.store.newest_time().unwrap(), at(seconds));
    }
    assert_eq!(saved(&test.reopen()), Some((vec![], 30)));
}

#[test]
fn a_save_of_an_earlier_time_leaves_the_newest_time() {
    let test = TestStore::new();
    assert!(test.store.save_limiter(b"one", at(20), 0).unwrap());
    assert!(test.store.save_limiter(b"two", at(10), 0).unwrap());
    assert_eq!(saved(&test), Some((b"two".to_vec(), 10)));
    assert_eq!(test.store.newest_time().unwrap(), at(20));
}

#[test]
fn a_save_of_an_older_epoch_does_not_overwrite_counters() {
    let test = TestStore::new();
    assert_eq!(test.store.limiter_epoch().unwrap(), 0);
    assert!(test.store.save_limiter(b"counted", at(10), 0).unwrap());
    Store::open(&test.path()).unwrap().replace_limiter(b"cleared", at(20)).unwrap();
    assert_eq!((test.store.limiter_epoch().unwrap(), saved(&test)), (1, Some((b"cleared".to_vec(), 20))));

    for unknown in [0, 2, u64::MAX] {
        assert!(!test.store.save_limiter(b"counted", at(30), unknown).unwrap(), "epoch {unknown}");
        assert_eq!(saved(&test), Some((b"cleared".to_vec(), 20)));
        assert_eq!(test.store.newest_time().unwrap(), at(10));
    }
    assert!(test.store.save_limiter(b"counted anew", at(40), 1).unwrap());
    assert_eq!(saved(&test), Some((b"counted anew".to_vec(), 40)));
    assert_eq!(test.reopen().store.limiter_epoch().unwrap(), 1);
}

#[test]
fn counters_can_be_replaced_before_the_first_save() {
    let test = TestStore::new();
    test.store.replace_limiter(b"cleared", at(20)).unwrap();
    assert_eq!((test.store.limiter_epoch().unwrap(), saved(&test)), (1, Some((b"cleared".to_vec(), 20))));
}

#[test]
fn a_replacement_wins_over_a_concurrent_save() {
    let test = TestStore::new();
    let stores = [&test.store, &Store::open(&test.path()).unwrap()];
    for round in 0..50 {
        crate::tests::at_once(2, |number| match number {
            0 => drop(stores[0].save_limiter(b"counted", at(10), round).unwrap()),
            _ => stores[1].replace_limiter(b"cleared", at(10)).unwrap(),
        });
        assert_eq!(saved(&test), Some((b"cleared".to_vec(), 10)), "in round {round}");
    }
}

#[test]
fn the_newest_time_never_goes_back() {
    let test = TestStore::new();
    assert_eq!(test.store.newest_time().unwrap(), UnixTime::EPOCH);
    for (raise, then) in [(2_000, 2_000), (1_000, 2_000), (2_001, 2_001)] {
        test.store.raise_newest_time(at(raise)).unwrap();
        assert_eq!(test.store.newest_time().unwrap(), at(then));
    }
    let test = test.reopen();
    assert_eq!(test.store.newest_time().unwrap(), at(2_001));
    test.store.raise_newest_time(UnixTime::MAX).unwrap();
    assert_eq!(test.store.newest_time().unwrap(), UnixTime::MAX);
}

#[test]
fn numbers_out_of_range_are_corrupt() {
    let test = TestStore::new();
    test.store.replace_limiter(b"counters", at(10)).unwrap();
    let statements =
        "UPDATE limiter SET saved_at = -1; UPDATE realm SET newest_time = -1, limiter_epoch = -1";
    raw(&test.path()).execute_batch(statements).unwrap();
    assert!(matches!(test.store.load_limiter(), Err(StoreError::Corrupt(_))));
    assert!(matches!(test.store.newest_time(), Err(StoreError::Corrupt(_))));
    assert!(matches!(test.store.limiter_epoch(), Err(StoreError::Corrupt(_))));
}
