//! Many at once: threads of one process on one store, and stores of several processes on one file.

use super::*;
use crate::chain;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// More threads than the store has connections that read.
const THREADS: usize = 8;

/// Runs this in all of them at once, and gives what each of them made.
fn at_once<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    crate::tests::at_once(THREADS, work)
}

/// Asserts that of those who inserted one name, one was let.
#[track_caller]
fn assert_one_of(inserted: Vec<Result<UserId, InsertError>>) -> UserId {
    let (ids, errors): (Vec<_>, Vec<_>) = inserted.into_iter().partition(Result::is_ok);
    assert_eq!((ids.len(), errors.len()), (1, THREADS - 1));
    for error in errors {
        assert!(matches!(error, Err(InsertError::Taken)), "{error:?}");
    }
    ids.into_iter().next().unwrap().unwrap()
}

#[test]
fn one_of_many_threads_inserts_a_name() {
    let test = TestStore::new();
    for round in 0..50 {
        // Spelled in two ways, so that now the one column decides and now the other.
        let names = [name(&format!("user{round}")), name(&format!("USER{round}"))];
        let id = assert_one_of(at_once(|number| {
            test.store.insert_user(&names[number % 2], &format!("hash {number}"), at(1_000))
        }));
        assert_eq!(test.store.list_users(None, 100).unwrap().last().map(|user| user.id), Some(id));
    }
    assert_eq!(test.store.list_users(None, 100).unwrap().len(), 50);
}

#[test]
fn one_of_many_processes_inserts_a_name() {
    let test = TestStore::new();
    let stores: Vec<Store> = (0..THREADS).map(|_| Store::open(&test.path()).unwrap()).collect();
    for round in 0..20 {
        let name = name(&format!("user{round}"));
        assert_one_of(at_once(|number| stores[number].insert_user(&name, "the hash", at(1_000))));
    }
    assert_eq!(test.store.list_users(None, 100).unwrap().len(), 20);
}

#[test]
fn concurrent_first_starts_create_one_database() {
    for _ in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let stores =
            at_once(|_| open_or_create(&database_in(&directory)).map_err(|error| chain::describe(&error)));
        let stores: Vec<Store> = stores.into_iter().map(|store| store.unwrap()).collect();
        let id = stores[0].insert_user(&name("ok"), "the hash", at(1_000)).unwrap();
        for store in &stores {
            assert_eq!(store.find_user_by_name("ok", Reads::PerCall).unwrap().unwrap().id, id);
        }
    }
}

#[test]
fn many_threads_read_while_one_writes() {
    let test = TestStore::new();
    let id = test.insert("ok");
    let done = AtomicBool::new(false);
    let reads = at_once(|number| {
        if number == 0 {
            for _ in 0..300 {
                assert!(test.store.revoke_tokens(id).unwrap());
            }
            done.store(true, Ordering::Release);
            return 0;
        }
        let mut newest = Generation::FIRST;
        let mut reads = 0;
        while !done.load(Ordering::Acquire) || reads < 100 {
            let user = test.store.find_token_row(id, Reads::PerCall).unwrap().unwrap();
            assert!(user.generation >= newest, "a read went back from {newest} to {}", user.generation);
            newest = user.generation;
            assert_eq!(test.store.find_user_by_name("ok", Reads::PerCall).unwrap().unwrap().id, id);
            assert_eq!(test.store.list_users(None, 10).unwrap().len(), 1);
            reads += 1;
        }
        reads
    });
    assert!(reads[1..].iter().all(|reads| *reads >= 100));
    assert_eq!(test.user(id).generation.number(), 301);
}

#[test]
fn a_write_is_read_by_the_next_operation_of_any_thread() {
    let test = TestStore::new();
    let other = Store::open(&test.path()).unwrap();
    for number in 1..50 {
        let (writes, reads) = if number % 2 == 0 { (&test.store, &other) } else { (&other, &test.store) };
        let id = writes.insert_user(&name(&format!("user {number}")), "the hash", at(1_000)).unwrap();
        assert_eq!(
            reads.find_user_by_id(id, Reads::PerCall).unwrap().unwrap().username,
            format!("user {number}")
        );
        assert!(reads.revoke_tokens(id).unwrap());
        assert_eq!(writes.find_user_by_id(id, Reads::PerCall).unwrap().unwrap().generation.number(), 2);
        assert!(writes.delete_user(id).unwrap());
        assert_eq!(reads.find_token_row(id, Reads::PerCall).unwrap(), None);
    }
}

#[test]
fn closing_a_store_leaves_the_file_to_other_stores() {
    let test = TestStore::new();
    let id = test.insert("ok");
    let other = Store::open(&test.path()).unwrap();
    assert!(other.revoke_tokens(id).unwrap());
    drop(other);
    assert_eq!(test.user(id).generation.number(), 2);
    assert!(test.store.revoke_tokens(id).unwrap());
    assert_eq!(test.reopen().user(id).generation.number(), 3);
}

/// The ranges of this file that this process has locked, as the kernel knows them.
#[cfg(target_os = "linux")]
fn locked_ranges(path: &Path) -> std::collections::BTreeSet<String> {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap());
    // Other tests close theirs meanwhile.
    let of_this_file =
        descriptors.filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|file| file == path));
    let info = |name| std::fs::read_to_string(Path::new("/proc/self/fdinfo").join(name)).unwrap();
    let infos: Vec<String> = of_this_file.map(|entry| info(entry.file_name())).collect();
    // A line reads `lock:\t1: POSIX  ADVISORY  READ 4711 fe:00:1234 128 128`, first and last byte at its end.
    let locks = infos.iter().flat_map(|info| info.lines()).filter(|line| line.starts_with("lock:"));
    locks.map(|line| line.rsplit(' ').take(2).collect::<Vec<_>>().join(" to ")).collect()
}

/// When a process closes a file that it opened, it loses every lock that it has on it, by whatever other way
/// it opened it (POSIX). SQLite takes care of that; opening the file without SQLite breaks it, and then
/// the next process that closes the database removes the `-wal` file under the store.
#[cfg(target_os = "linux")]
#[test]
fn opening_a_second_store_keeps_the_locks_of_the_first() {
    let test = TestStore::new();
    let id = test.insert("ok");
    let locks = locked_ranges(&test.path());
    assert_eq!(locks.len(), 1, "in WAL mode, who has the file open holds one lock on it all the time");
    let second = open_or_create(&test.path()).unwrap();
    assert_eq!(locked_ranges(&test.path()), locks);
    drop(second);
    assert_eq!(locked_ranges(&test.path()), locks);
    assert_eq!(test.reopen().user(id).username, "ok");
}

/// It takes as long as the store waits for a lock: 5 s.
#[test]
fn a_long_write_of_another_process_blocks_writes_and_no_reads() {
    let test = TestStore::new();
    let id = test.insert("ok");
    let other = raw(&test.path());
    other.execute_batch("BEGIN IMMEDIATE; UPDATE users SET password_hash = 'not committed'").unwrap();
    let error = test.store.insert_user(&name("another"), "the hash", at(1_000)).unwrap_err();
    let InsertError::Store(StoreError::Unavailable(_)) = error else { panic!("{error:?}") };
    let message = "the database can't be used now: database is locked";
    assert_eq!(chain::describe(&error), message);
    assert_eq!(test.user(id).password_hash, "the hash");

    other.execute_batch("COMMIT").unwrap();
    test.insert("another");
    assert_eq!(test.user(id).password_hash, "not committed");
}

#[test]
fn a_panic_in_an_operation_leaves_the_store_usable() {
    let test = TestStore::new();
    let id = test.insert("ok");
    let database = &test.store.database;
    // More often than there are connections that read: each must have come back.
    for _ in 0..THREADS {
        let reading =
            thread::scope(|scope| scope.spawn(|| database.read::<()>(|_| panic!("on purpose"))).join());
        assert!(reading.is_err());
        let writing = thread::scope(|scope| {
            scope.spawn(|| database.write::<(), StoreError>(|_| panic!("on purpose"))).join()
        });
        assert!(writing.is_err());
    }
    assert!(test.store.revoke_tokens(id).unwrap());
    assert_eq!(test.user(id).generation.number(), 2);
}
