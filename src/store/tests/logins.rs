//! Which addresses are remembered of each user.

use super::*;
use crate::client::AddressMark;
use crate::store::logins::FIND_REMEMBERED_ADDRESS;
use rusqlite::{StatementStatus, params};

const HOME: AddressMark = *b"at home.";
const WORK: AddressMark = *b"at work.";

/// When this address was seen last.
fn seen_at(test: &TestStore, address: AddressMark) -> Option<UnixTime> {
    test.store.find_remembered_address(&address, Reads::PerCall).unwrap().seen_at
}

/// Remembers up to eight addresses, for as long as time goes back.
fn remember(test: &TestStore, id: UserId, address: AddressMark, seconds: u64) {
    test.store.remember_address(id, &address, at(seconds), 8, UnixTime::EPOCH).unwrap();
}

/// All that is remembered, of whomever: whose, which, and when it was seen.
fn remembered(test: &TestStore) -> Vec<(i64, AddressMark, i64)> {
    let connection = raw(&test.path());
    let sql = "SELECT user_id, address, seen_at FROM remembered_addresses ORDER BY user_id, seen_at, address";
    let mut statement = connection.prepare(sql).unwrap();
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    statement.query_map([], row).unwrap().map(|row| row.unwrap()).collect()
}

#[test]
fn an_address_is_found_without_the_user_and_with_the_epoch_of_the_counters() {
    let test = TestStore::new();
    let nothing = RememberedAddress { seen_at: None, limiter_epoch: 0 };
    assert_eq!(test.store.find_remembered_address(&HOME, Reads::PerCall).unwrap(), nothing);
    let id = test.insert("Ok");
    remember(&test, id, HOME, 2_000);
    test.store.replace_limiter(b"counters", at(1)).unwrap();
    let at_home = RememberedAddress { seen_at: Some(at(2_000)), limiter_epoch: 1 };
    assert_eq!(test.store.find_remembered_address(&HOME, Reads::PerCall).unwrap(), at_home);
    let elsewhere = RememberedAddress { seen_at: None, ..at_home };
    assert_eq!(test.store.find_remembered_address(&WORK, Reads::PerCall).unwrap(), elsewhere);
}

#[test]
fn an_address_is_found_by_an_index() {
    let test = TestStore::new();
    let connection = raw(&test.path());
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {FIND_REMEMBERED_ADDRESS}")).unwrap();
    let steps = statement.query_map([HOME], |row| row.get::<_, String>("detail")).unwrap();
    assert_eq!(
        steps.map(|step| step.unwrap()).collect::<Vec<_>>(),
        [
            "SCAN realm", // of one row
            "SCALAR SUBQUERY 1",
            "SEARCH remembered_addresses USING COVERING INDEX remembered_addresses_by_address (address=?)",
        ]
    );
}

/// Counts the steps of SQLite's virtual machine, which are the same each time.
#[test]
fn an_unknown_address_takes_the_same_work_for_every_name() {
    let test = TestStore::new();
    for number in 0..500 {
        let id = test.insert(&format!("user {number}"));
        remember(&test, id, u64::to_be_bytes(number << 32), 1);
    }
    let connection = raw(&test.path());
    let mut statement = connection.prepare(FIND_REMEMBERED_ADDRESS).unwrap();
    let mut steps = |address: AddressMark| {
        statement.reset_status(StatementStatus::VmStep);
        statement.query_row([address], |_| Ok(())).unwrap();
        statement.get_status(StatementStatus::VmStep)
    };
    let first = steps(u64::to_be_bytes(7));
    assert!((0..2_000).all(|number| steps(u64::to_be_bytes((number << 31) + 7)) == first));
}

#[test]
fn an_address_is_remembered_when_it_was_seen_last() {
    let test = TestStore::new();
    let id = test.insert("ok");
    for (seen, then) in [(2_000, 2_000), (3_000, 3_000), (1_000, 3_000), (3_000, 3_000)] {
        remember(&test, id, HOME, seen);
        assert_eq!(seen_at(&test, HOME), Some(at(then)));
        assert_eq!(remembered(&test).len(), 1);
    }
    let test = test.reopen();
    assert_eq!(seen_at(&test, HOME), Some(at(3_000)));
}

#[test]
fn the_oldest_addresses_are_deleted_beyond_the_limit() {
    let test = TestStore::new();
    let (id, other) = (test.insert("ok"), test.insert("other"));
    remember(&test, other, HOME, 1);
    for (seen, keep, left) in [
        (10, 3, &[10][..]),
        (40, 3, &[10, 40]),
        (30, 3, &[10, 30, 40]),
        (20, 3, &[20, 30, 40]),
        (15, 3, &[20, 30, 40]), // older than all that are kept
        (50, 3, &[30, 40, 50]),
        (60, 1, &[60]),
        (70, usize::MAX, &[60, 70]),
        (80, 0, &[]),
    ] {
        let address = [u8::try_from(seen).unwrap(); 8];
        test.store.remember_address(id, &address, at(seen), keep, UnixTime::EPOCH).unwrap();
        let left = left.iter().map(|seen| (id.number(), [u8::try_from(*seen).unwrap(); 8], *seen));
        let all: Vec<_> = left.chain([(other.number(), HOME, 1)]).collect();
        assert_eq!(remembered(&test), all, "after {seen}");
    }
}

#[test]
fn the_newest_of_addresses_of_the_same_second_is_kept() {
    let test = TestStore::new();
    let id = test.insert("ok");
    for (address, other) in [(HOME, WORK), (WORK, HOME), (HOME, WORK)] {
        test.store.remember_address(id, &address, at(10), 1, UnixTime::EPOCH).unwrap();
        assert_eq!(remembered(&test), [(id.number(), address, 10)]);
        assert_eq!(seen_at(&test, other), None);
    }
}

#[test]
fn an_old_address_is_deleted() {
    let test = TestStore::new();
    let (id, other) = (test.insert("ok"), test.insert("other"));
    remember(&test, other, HOME, 1);
    remember(&test, id, HOME, 100);
    test.store.remember_address(id, &WORK, at(200), 8, at(100)).unwrap();
    assert_eq!(seen_at(&test, HOME), Some(at(100)));
    test.store.remember_address(id, &WORK, at(200), 8, at(101)).unwrap();
    assert_eq!(remembered(&test), [(id.number(), WORK, 200), (other.number(), HOME, 1)]);
}

#[test]
fn remembered_addresses_are_deleted_with_the_user() {
    let test = TestStore::new();
    let (other, id) = (test.insert("other"), test.insert("ok"));
    for (user, address) in [(other, HOME), (id, HOME), (id, WORK)] {
        remember(&test, user, address, 10);
    }
    assert!(test.store.delete_user(id).unwrap());
    assert_eq!(remembered(&test), [(other.number(), HOME, 10)]);
    // A login that ends after its user was deleted.
    remember(&test, id, HOME, 20);
    assert_eq!(remembered(&test), [(other.number(), HOME, 10)]);

    let next = test.user(test.insert("ok"));
    remember(&test, next.id, WORK, 30);
    assert_eq!(remembered(&test), [(other.number(), HOME, 10), (next.id.number(), WORK, 30)]);
    assert!(test.store.delete_proved_user(&next).unwrap());
    assert_eq!(remembered(&test), [(other.number(), HOME, 10)]);
}

#[test]
fn a_damaged_row_of_an_address_is_an_error() {
    let test = TestStore::new();
    let id = test.insert("ok");
    remember(&test, id, HOME, 10);
    let connection = raw(&test.path());
    for (table, column, value) in [
        ("remembered_addresses", "seen_at", -1),
        ("remembered_addresses", "seen_at", 1_i64 << 53),
        ("realm", "limiter_epoch", -1),
    ] {
        connection.execute(&format!("UPDATE {table} SET {column} = ?1"), params![value]).unwrap();
        let error = test.store.find_remembered_address(&HOME, Reads::PerCall).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt(_)), "{column} {value}: {error:?}");
        connection.execute(&format!("UPDATE {table} SET {column} = 10"), []).unwrap();
        assert_eq!(seen_at(&test, HOME), Some(at(10)));
    }
}
