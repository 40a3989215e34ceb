//! The operations, one at a time.

use super::*;
use core::time::Duration;
use rusqlite::{StatementStatus, params};

#[test]
fn an_inserted_user_is_found_by_name_and_id_after_a_restart() {
    let test = TestStore::new();
    let id = test.store.insert_user(&name("José"), "the hash", at(1_234)).unwrap();
    let test = test.reopen();
    let user = User {
        id,
        username: "José".into(),
        password_hash: "the hash".into(),
        generation: Generation::FIRST,
        disabled: false,
        created_at: at(1_234),
    };
    assert_eq!(test.store.find_user_by_name("José", Reads::PerCall).unwrap(), Some(user.clone()));
    assert_eq!(test.store.find_user_by_id(id, Reads::PerCall).unwrap(), Some(user.clone()));
    let User { username, generation, disabled, .. } = user;
    let subject = TokenRow { id, username, generation, disabled, tokens_not_before: UnixTime::EPOCH };
    assert_eq!(test.store.find_token_row(id, Reads::PerCall).unwrap(), Some(subject));
}

#[test]
fn a_name_is_found_exactly_as_it_was_registered() {
    let test = TestStore::new();
    test.insert("Ok");
    for other in ["ok", "OK", "Ok ", "Оk", "", "Ok\0", "O_", "%", "' OR 1=1 --"] {
        assert_eq!(test.store.find_user_by_name(other, Reads::PerCall).unwrap(), None, "{other:?}");
    }
}

#[test]
fn an_empty_database_has_no_user() {
    let TestStore { store, directory: _directory } = TestStore::new();
    let id = UserId::new(1).unwrap();
    assert_eq!(store.find_user_by_name("ok", Reads::PerCall).unwrap(), None);
    assert_eq!(store.find_user_by_id(id, Reads::PerCall).unwrap(), None);
    assert_eq!(store.find_token_row(id, Reads::PerCall).unwrap(), None);
    assert_eq!(store.list_users(None, 10).unwrap(), []);
    assert!(!store.is_username_taken(&name("ok")).unwrap());
}

#[test]
fn an_operation_on_an_unknown_user_returns_false() {
    let TestStore { store, directory: _directory } = TestStore::new();
    let id = UserId::new(1).unwrap();
    assert!(!store.replace_password_hash(id, "the hash", "another").unwrap());
    assert!(!store.set_password(id, "another").unwrap());
    assert!(!store.set_disabled(id, true).unwrap());
    assert!(!store.revoke_tokens(id).unwrap());
    assert!(!store.delete_user(id).unwrap());
}

#[test]
fn users_are_listed_page_by_page_in_the_order_of_their_ids() {
    let test = TestStore::new();
    let mut ids: Vec<UserId> =
        ["d", "b", "e", "a", "c", "f"].into_iter().map(|name| test.insert(name)).collect();
    assert!(test.store.delete_user(ids.remove(2)).unwrap());
    let page = |after, limit| -> Vec<UserId> {
        test.store.list_users(after, limit).unwrap().iter().map(|user| user.id).collect()
    };
    assert_eq!(page(None, 2), ids[..2]);
    assert_eq!(page(Some(ids[1]), 2), ids[2..4]);
    assert_eq!(page(Some(ids[3]), 2), ids[4..]);
    assert_eq!(page(Some(ids[4]), 2), []);
    assert_eq!(page(None, 5), ids);
    assert_eq!(page(None, u32::MAX), ids);
    assert_eq!(page(None, 0), []);
    assert_eq!(page(UserId::new(i64::MAX), 2), []);
}

#[test]
fn a_name_that_exists_or_folds_the_same_is_taken() {
    let test = TestStore::new();
    let first = test.insert("Admin");
    for taken in ["Admin", "admin", "ADMIN", "ａｄｍｉｎ", "Ⓐdmin"] {
        assert!(test.store.is_username_taken(&name(taken)).unwrap(), "{taken}");
        let error = test.store.insert_user(&name(taken), "another hash", at(2_000)).unwrap_err();
        assert!(matches!(error, InsertError::Taken), "{taken}: {error:?}");
    }
    assert!(!test.store.is_username_taken(&name("admin2")).unwrap());
    let all: Vec<UserId> = test.store.list_users(None, 10).unwrap().iter().map(|user| user.id).collect();
    assert_eq!(all, [first]);
    assert_eq!(test.user(first).password_hash, "the hash");
}

#[test]
fn a_name_is_free_again_when_its_user_was_deleted() {
    let test = TestStore::new();
    let first = test.insert("ok");
    assert!(test.store.delete_user(first).unwrap());
    assert!(!test.store.is_username_taken(&name("ok")).unwrap());
    assert!(test.insert("ok") > first);
}

#[test]
fn an_id_is_never_used_again() {
    let test = TestStore::new();
    let (_, newest) = (test.insert("a"), test.insert("b"));
    assert!(test.store.delete_user(newest).unwrap());
    let test = test.reopen();
    let next = test.insert("c");
    assert!(next > newest, "{next} after {newest}");

    // Nor without any user.
    for user in test.store.list_users(None, 10).unwrap() {
        assert!(test.store.delete_user(user.id).unwrap());
    }
    let test = test.reopen();
    assert!(test.insert("a") > next);
}

#[test]
fn disabling_revokes_every_token_and_enabling_revokes_none() {
    let test = TestStore::new();
    let id = test.insert("ok");
    let state = || {
        let user = test.user(id);
        (user.disabled, user.generation.number())
    };
    assert_eq!(state(), (false, 1));
    assert!(test.store.set_disabled(id, true).unwrap());
    assert_eq!(state(), (true, 2));
    assert!(test.store.set_disabled(id, false).unwrap());
    assert_eq!(state(), (false, 2));
}

#[test]
fn an_operation_on_one_user_leaves_the_others_unchanged() {
    let test = TestStore::new();
    let (other, id) = (test.insert("other"), test.insert("ok"));
    let untouched = test.user(other);
    assert!(test.store.set_password(id, "another hash").unwrap());
    let user = test.user(id);
    assert_eq!((user.password_hash.as_str(), user.generation.number()), ("another hash", 2));
    assert!(test.store.revoke_tokens(id).unwrap());
    assert_eq!(test.user(id), User { generation: Generation::new(3).unwrap(), ..user });
    assert!(test.store.set_disabled(id, true).unwrap());
    assert!(test.store.delete_user(id).unwrap());
    assert_eq!(test.store.list_users(None, 10).unwrap(), [untouched]);
}

#[test]
fn tokens_not_before_never_goes_back() {
    let test = TestStore::new();
    let id = test.insert("ok");
    assert_eq!(test.store.tokens_not_before(Reads::PerCall).unwrap(), UnixTime::EPOCH);
    // The newest time that the caller knows of, the clock; since when tokens count.
    for (newest, clock, then) in [
        (2_000, 2_000, 2_001),
        (2_001, 2_001, 2_002),
        (1_000, 1_000, 2_018), // the clock is behind: 10 s between two saves, 5 s for a save, and the next second
        (3_000, 1_000, 3_016),
        (3_016, 3_016, 3_017),
    ] {
        assert_eq!(test.store.revoke_all_tokens(at(newest), at(clock)).unwrap(), at(then));
        assert_eq!(test.store.tokens_not_before(Reads::PerCall).unwrap(), at(then));
        assert_eq!(test.store.newest_time().unwrap(), at(then), "who opens it later begins there");
        assert_eq!(
            test.store.find_token_row(id, Reads::PerCall).unwrap().unwrap().tokens_not_before,
            at(then)
        );
    }
    assert_eq!(test.reopen().store.tokens_not_before(Reads::PerCall).unwrap(), at(3_017));
}

/// What is known of each key: fingerprint, first seen, retired, longest lifetime.
fn keys(test: &TestStore) -> Vec<(String, i64, Option<i64>, i64)> {
    let connection = raw(&test.path());
    let sql = "SELECT fingerprint, first_seen_at, retired_at, longest_lifetime FROM signing_keys ORDER BY fingerprint";
    let mut statement = connection.prepare(sql).unwrap();
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    statement.query_map([], row).unwrap().map(|key| key.unwrap()).collect()
}

#[test]
fn a_key_is_first_seen_once_retired_once_and_its_lifetime_only_grows() {
    let test = TestStore::new();
    let note = |fingerprints: &[&str], lifetime, now| {
        let lifetime = Duration::from_secs(lifetime);
        test.store.record_signing_keys(fingerprints.iter().copied(), None, lifetime, at(now)).unwrap();
    };
    let key = |name: &str, seen, retired, lifetime| (name.to_owned(), seen, retired, lifetime);
    for (fingerprints, lifetime, now, known) in [
        (&["a"][..], 600, 10, vec![key("a", 10, None, 600)]),
        (&["a"], 3_600, 20, vec![key("a", 10, None, 3_600)]),
        (&["a"], 60, 30, vec![key("a", 10, None, 3_600)]),
        (&["a", "b"], 600, 40, vec![key("a", 10, Some(40), 3_600), key("b", 40, None, 600)]),
        (&["a", "b"], 7_200, 50, vec![key("a", 10, Some(40), 3_600), key("b", 40, None, 7_200)]),
        // The newest was taken back: the old one signs again, and the one that is gone is retired.
        (&["a"], 600, 60, vec![key("a", 10, None, 3_600), key("b", 40, Some(60), 7_200)]),
        (&["b", "a"], 600, 70, vec![key("a", 10, None, 3_600), key("b", 40, Some(60), 7_200)]),
        // A key that comes in as an old one never signed here.
        (
            &["c", "b", "a"],
            600,
            80,
            vec![key("a", 10, None, 3_600), key("b", 40, Some(60), 7_200), key("c", 80, Some(80), 0)],
        ),
    ] {
        note(fingerprints, lifetime, now);
        assert_eq!(keys(&test), known, "at {now}");
        let uses = test.store.signing_keys(at(now)).unwrap();
        let read = uses.into_iter().map(|(name, key)| {
            let retired = key.retired_at.map(UnixTime::seconds);
            (name, key.first_seen_at.seconds(), retired, key.longest_lifetime.as_secs())
        });
        let known = known.into_iter().map(|(name, seen, retired, lifetime)| {
            (name, seen.unsigned_abs(), retired.map(i64::unsigned_abs), lifetime.unsigned_abs())
        });
        assert_eq!(read.collect::<Vec<_>>(), known.collect::<Vec<_>>(), "at {now}");
    }
}

#[test]
fn a_lifetime_out_of_range_is_the_longest() {
    let test = TestStore::new();
    test.store.record_signing_keys(["a"].into_iter(), None, Duration::MAX, UnixTime::MAX).unwrap();
    let seen = i64::try_from(UnixTime::MAX.seconds()).unwrap();
    assert_eq!(keys(&test), [("a".to_owned(), seen, None, i64::MAX)]);
}

#[test]
fn a_row_with_values_out_of_range_is_an_error() {
    let test = TestStore::new();
    let id = test.insert("ok");
    let too_large = 1_i64 << 53;
    for (column, value) in [("generation", too_large), ("created_at", too_large), ("created_at", -1)] {
        let good = test.user(id);
        let connection = raw(&test.path());
        connection.execute(&format!("UPDATE users SET {column} = ?1"), params![value]).unwrap();
        assert!(
            matches!(test.store.find_user_by_name("ok", Reads::PerCall), Err(StoreError::Corrupt(_))),
            "{column}"
        );
        let subject = test.store.find_token_row(id, Reads::PerCall);
        // Of a token, only what decides about it is read.
        assert_eq!(matches!(subject, Err(StoreError::Corrupt(_))), column == "generation", "{column}");
        connection.execute("UPDATE users SET generation = 1, created_at = 1000", []).unwrap();
        assert_eq!(test.user(id), good);
    }
    raw(&test.path()).execute("UPDATE users SET password_hash = CAST(x'ff' AS TEXT)", []).unwrap();
    assert!(matches!(test.store.find_user_by_id(id, Reads::PerCall), Err(StoreError::Corrupt(_))));
}

/// Planning costs more than running, and nothing but time would show it.
#[test]
fn a_statement_is_planned_once_however_often_it_runs() {
    let test = TestStore::new();
    let planned_again = test.store.database.read(|connection| {
        let mut statement = connection.prepare("SELECT username FROM users, realm WHERE id = ?1")?;
        for id in 1..4 {
            statement.query([id])?.next()?;
        }
        Ok(statement.get_status(StatementStatus::RePrepare))
    });
    assert_eq!(planned_again.unwrap(), 0);
}
