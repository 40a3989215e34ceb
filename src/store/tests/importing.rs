//! Imports are whole, ids are given once, and a user is drawn fairly.

use super::*;

fn user(name: &Username, id: Option<i64>) -> ImportedUser<'_> {
    let id = id.map(|id| UserId::new(id).unwrap());
    ImportedUser {
        name,
        password_hash: "a hash",
        id,
        generation: Generation::IMPORTED,
        disabled: true,
        at: at(9),
    }
}

#[test]
fn an_import_that_is_rolled_back_leaves_nothing() {
    let test = TestStore::new();
    let (first, second) = (name("first"), name("second"));
    let counted = test.store.import(|into| {
        into.insert(&user(&first, Some(7)))?;
        Ok::<_, ImportError>((false, 1))
    });
    assert_eq!(counted.unwrap(), 1);
    let failed = test.store.import(|into| -> Result<(bool, ()), ImportError> {
        into.insert(&user(&first, Some(7)))?;
        Err(ImportError::NameTaken)
    });
    assert!(matches!(failed, Err(ImportError::NameTaken)));
    assert_eq!(test.store.list_users(None, 9).unwrap(), []);
    assert_eq!(test.store.insert_user(&second, "a hash", at(1)).unwrap().number(), 1, "no id was used");
}

#[test]
fn an_import_keeps_ids_and_never_reuses_one() {
    let test = TestStore::new();
    let names = ["first", "FIRST", "second", "third", "fourth"].map(name);
    let outcomes = test.store.import(|into| {
        let users = [
            user(&names[0], Some(7)),
            user(&names[1], Some(8)),
            user(&names[2], Some(7)),
            user(&names[3], Some(1 << 53)),
            user(&names[4], None),
        ];
        let outcomes = users.map(|user| into.insert(&user).map_err(|error| error.to_string()).err());
        Ok::<_, StoreError>((true, outcomes))
    });
    let said = [ImportError::NameTaken, ImportError::IdTaken, ImportError::IdTooLarge]
        .map(|error| error.to_string());
    let [name_taken, id_taken, too_large] = said.map(Some);
    assert_eq!(outcomes.unwrap(), [None, name_taken, id_taken, too_large, None]);
    let users = test.store.list_users(None, 9).unwrap();
    let seen: Vec<_> = users.iter().map(|user| (user.id.number(), user.username.as_str())).collect();
    assert_eq!(seen, [(7, "first"), (8, "fourth")]);
    assert_eq!(
        (users[0].generation, users[0].disabled, users[0].created_at),
        (Generation::IMPORTED, true, at(9))
    );

    // Each id up to the largest assigned one may have had a user.
    test.store.delete_user(UserId::new(8).unwrap()).unwrap();
    let again = test.store.import(|into| {
        let outcomes = [1, 7, 8, 9].map(|id| into.insert(&user(&names[3], Some(id))).is_ok());
        Ok::<_, StoreError>((true, outcomes))
    });
    assert_eq!(again.unwrap(), [false, false, false, true]);
}

#[test]
fn every_user_is_picked_as_decoy_about_equally_often() {
    let test = TestStore::new();
    assert_eq!(test.store.pick_decoy_hash(0).unwrap(), None);
    let raw = raw(&test.path());
    let insert = "INSERT INTO users (id, username, folded, password_hash, created_at) VALUES (?1, ?1, ?1, 'of ' || ?1, 0)";
    for id in [1, 2, 3, 4, 5, 6, 7, 1_000_000] {
        raw.execute(insert, [id]).unwrap();
    }
    // Odd, so that the low bits take every value equally often.
    let numbers = (0..8_192_u64).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let drawn: Vec<String> =
        numbers.map(|number| test.store.pick_decoy_hash(number).unwrap().unwrap()).collect();
    for id in 1..=7 {
        let count = drawn.iter().filter(|hash| **hash == format!("of {id}")).count();
        assert!((900..=2_200).contains(&count), "user {id} was drawn {count} times of 8192");
    }
    assert_eq!(test.store.pick_decoy_hash(1_000_000).unwrap().as_deref(), Some("of 1000000"));
    assert_eq!(
        test.store.pick_decoy_hash(0).unwrap().as_deref(),
        Some("of 1"),
        "whatever the number, it is a user's"
    );
    assert_eq!(test.store.pick_decoy_hash(u64::MAX).unwrap().as_deref(), Some("of 7"));
}
