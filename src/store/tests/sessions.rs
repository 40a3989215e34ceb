//! Read sessions: what one shows, and for how long.

use super::*;

fn generation(store: &Store, id: UserId, reads: Reads<'_>) -> u64 {
    store.find_token_row(id, reads).unwrap().unwrap().generation.number()
}

#[test]
fn a_session_is_a_snapshot_and_the_next_one_shows_later_writes() {
    let test = TestStore::new();
    let elsewhere = Store::open(&test.path()).unwrap();
    let id = test.insert("ok");
    let mut reader = test.store.reader();
    for seen in 1..4 {
        let session = reader.session();
        let reads = Reads::Batch(&session);
        assert_eq!(generation(&test.store, id, reads), seen);
        assert!(elsewhere.revoke_tokens(id).unwrap());
        assert_eq!(generation(&test.store, id, reads), seen, "the same state");
        let user = test.store.find_user_by_id(id, reads).unwrap().unwrap();
        assert_eq!(user.generation.number(), seen, "for another statement, too");
        assert_eq!(generation(&test.store, id, Reads::PerCall), seen + 1);
    }
}

#[test]
fn a_session_begins_with_its_first_read() {
    let test = TestStore::new();
    let id = test.insert("ok");
    let mut reader = test.store.reader();
    let session = reader.session();
    assert!(test.store.revoke_tokens(id).unwrap());
    assert_eq!(generation(&test.store, id, Reads::Batch(&session)), 2);
}

#[test]
#[should_panic(expected = "a session is of the store that is read")]
fn a_session_of_another_store_is_not_read_from() {
    let (one, other) = (TestStore::new(), TestStore::new());
    let id = one.insert("ok");
    let mut reader = other.store.reader();
    let session = reader.session();
    let _ = one.store.find_user_by_id(id, Reads::Batch(&session));
}

#[test]
fn a_session_of_no_store_would_block() {
    let test = TestStore::new();
    let session = ReadSession::none();
    let found = test.store.tokens_not_before(Reads::Batch(&session));
    assert!(matches!(found, Err(StoreError::WouldBlock)));
}

#[test]
fn the_next_session_detects_a_moved_database() {
    let test = TestStore::new();
    let id = test.insert("ok");
    let mut reader = test.store.reader();
    let session = reader.session();
    assert_eq!(generation(&test.store, id, Reads::Batch(&session)), 1);
    std::fs::rename(test.path(), test.directory.path().join("elsewhere")).unwrap();
    assert_eq!(generation(&test.store, id, Reads::Batch(&session)), 1);
    drop(session);
    let session = reader.session();
    let found = test.store.find_user_by_id(id, Reads::Batch(&session));
    assert!(matches!(found, Err(StoreError::Unavailable(_))));
}

#[test]
fn a_session_does_not_wait_for_a_writer() {
    let test = TestStore::new();
    let id = test.insert("ok");
    let mut reader = test.store.reader();
    let writes = Connection::open(test.path()).unwrap();
    writes.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(generation(&test.store, id, Reads::Batch(&reader.session())), 1);
}

#[test]
fn sessions_of_many_threads_leave_no_transaction_open() {
    let test = TestStore::new();
    let id = test.insert("ok");
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut reader = test.store.reader();
                for _ in 0..20 {
                    assert_eq!(generation(&test.store, id, Reads::Batch(&reader.session())), 1);
                }
            });
        }
    });
    // The last connection to close moves all that was written into the database.
    test.reopen().user(id);
}
