//! What of a database lies in the future, and the way back from there.

use super::*;

/// A row of everything that has a time: the first half of them at this second, the second half at another.
fn with_times(test: &TestStore, late: i64, early: i64) {
    let sql = format!(
        "UPDATE realm SET newest_time = {late}, tokens_not_before = {early};
         INSERT INTO users (id, username, folded, password_hash, generation, created_at)
             VALUES (1, 'a', 'a', 'x', 7, {late}), (2, 'b', 'b', 'x', 0, {early});
         INSERT INTO limiter VALUES (1, {late}, x'01');
         INSERT INTO remembered_addresses VALUES (1, x'01', {late}), (1, x'02', {early});
         INSERT INTO signing_keys VALUES ('retired', {early}, {late}, 600), ('signs', {late}, NULL, 600);"
    );
    raw(&test.path()).execute_batch(&sql).unwrap();
}

/// Every time in the database in the order of [`with_times`], and the generations.
fn times(path: &Path) -> String {
    let sql = "SELECT concat_ws(' ', newest_time, tokens_not_before, \
               (SELECT group_concat(created_at || ':' || generation, ' ') FROM users), \
               (SELECT saved_at FROM limiter), \
               (SELECT group_concat(seen_at, ' ') FROM remembered_addresses), \
               (SELECT group_concat(first_seen_at || ':' || ifnull(retired_at, '-'), ' ') FROM signing_keys)) FROM realm";
    raw(path).query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_clock_reset_lowers_future_times_and_revokes_every_token() {
    let test = TestStore::new();
    with_times(&test, 9_000, 1_000);
    let TestStore { store, directory } = test;
    let path = database_in(&directory);
    assert!(matches!(reset_clock(&path, at(5_000)), Err(CopyError::InUse(in_use)) if in_use == path));
    assert_eq!(times(&path), "9000 1000 9000:7 1000:0 9000 9000 1000 1000:9000 9000:-");
    drop(store);
    reset_clock(&path, at(5_000)).unwrap();
    let store = Store::open(&path).unwrap();
    let generation = store.list_users(None, 1).unwrap()[0].generation;
    assert!(generation.number() > 1 << 32, "{generation}");
    let expected = format!("5000 1000 5000:{generation} 1000:{generation} 5000 5000 1000 1000:5000 5000:-");
    assert_eq!(times(&path), expected);
}

#[test]
fn future_times_are_counted() {
    let test = TestStore::new();
    with_times(&test, 9_000, 1_000);
    let found = |at_seconds| report(&test.path(), at(at_seconds)).unwrap();
    let times = |others| FutureTimestamps { newest_time: at(9_000), tokens_not_before: at(1_000), others };
    assert_eq!((found(9_000).future_timestamps, found(9_000).users), (times(0), 2));
    assert_eq!(
        found(8_999).future_timestamps,
        times(4),
        "a user, an address, a key retired then, and one seen then"
    );
}

#[test]
fn a_missing_database_is_not_created() {
    let directory = tempfile::tempdir().unwrap();
    let path = database_in(&directory);
    assert!(matches!(report(&path, at(0)), Err(StoreError::Missing)));
    assert!(matches!(reset_clock(&path, at(0)), Err(CopyError::Store(_, StoreError::Missing))));
    assert!(!path.exists());
}
