//! Restore: exclusive, and high-water marks of the old database are carried forward.

use super::*;
use crate::chain;
use crate::store::lock::DirLock;
use std::os::unix::fs::MetadataExt as _;

#[test]
fn the_directory_lock_excludes_a_restore_while_the_database_is_open() {
    let test = TestStore::new();
    assert!(DirLock::exclusive(&test.path()).unwrap().is_none());
    let TestStore { store, directory } = test;
    drop(store);
    let exclusive = DirLock::exclusive(&database_in(&directory)).unwrap().unwrap();
    for open in [Store::open, open_or_create] {
        let error = open(&database_in(&directory)).unwrap_err();
        let message =
            "the database can't be used now: gatekey restore is at work on it; try again when it is done";
        assert_eq!(chain::describe(&error), message);
    }
    drop(exclusive);
    assert!(Store::open(&database_in(&directory)).is_ok());
}

#[test]
fn a_restore_carries_high_water_marks_forward() {
    // The newest time of the backup, that of the old database, the clock; since when tokens live.
    for (own, old, clock, not_before) in
        [(5_000, 6_000, 7_000, 7_001), (5_000, 8_000, 7_000, 8_016), (9_000, 9_000, 7_000, 9_016)]
    {
        let test = TestStore::new();
        test.insert("ok");
        assert_eq!(test.store.revoke_all_tokens(at(3_000), at(3_999)).unwrap(), at(4_000));
        test.store.raise_newest_time(at(own)).unwrap();
        let file = test.directory.path().join("backup");
        back_up(&test.path(), &file).unwrap();
        test.store.raise_newest_time(at(old)).unwrap();
        let TestStore { store, directory } = test;
        drop(store);

        let restored = Backup::open(&file).unwrap().restore_to(&database_in(&directory), at(clock)).unwrap();
        let kept = directory.path().join(format!("gatekey.sqlite3.before-restore-{clock}"));
        let expected = Restored {
            users: 1,
            kept: Some(kept),
            last_id: 1,
            ids_are_known: true,
            tokens_not_before: at(not_before),
        };
        assert_eq!(restored, expected);
        let store = Store::open(&database_in(&directory)).unwrap();
        assert_eq!(store.newest_time().unwrap(), at(not_before));
        assert_eq!(store.tokens_not_before(Reads::PerCall).unwrap(), at(not_before));
    }
}

#[test]
fn a_restore_over_another_realms_database_skips_ids() {
    let test = TestStore::new();
    test.insert("ok");
    test.store.limiter_key(&[1; 32]).unwrap();
    let file = test.directory.path().join("backup");
    assert_eq!(back_up(&test.path(), &file).unwrap().users, 1);

    let other = TestStore::new();
    other.store.limiter_key(&[2; 32]).unwrap();
    for name in ["a", "b", "c"] {
        other.insert(name);
    }
    let TestStore { store, directory } = other;
    drop(store);
    let restored = Backup::open(&file).unwrap().restore_to(&database_in(&directory), at(1_000)).unwrap();
    assert_eq!((restored.ids_are_known, restored.last_id), (false, 1_000_003));
}

#[test]
fn a_backup_and_a_restored_database_have_mode_0600() {
    let test = TestStore::new();
    let (file, elsewhere) = (test.directory.path().join("backup"), tempfile::tempdir().unwrap());
    back_up(&test.path(), &file).unwrap();
    let database = database_in(&elsewhere);
    let restored = Backup::open(&file).unwrap().restore_to(&database, at(1_000)).unwrap();
    assert_eq!((restored.users, restored.kept), (0, None));
    for path in [file, database] {
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o600);
    }
}
