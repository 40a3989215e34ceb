//! Sessions: their rows, what bounds them, and what deletes them.

use super::*;
use crate::session_id::SessionId;

const DAY: u64 = 86_400;

fn id(number: u16) -> SessionId {
    let [high, low] = number.to_be_bytes();
    let mut bytes = [0; SessionId::BYTES];
    bytes[..2].copy_from_slice(&[high, low]);
    SessionId::from_bytes(bytes)
}

/// A session that begins at second 1000 + `number` and lasts a day.
fn session(user_id: UserId, number: u16, kind: SessionKind) -> Session {
    let begins = at(1_000 + u64::from(number));
    Session {
        id: id(number),
        user_id,
        kind,
        parent: None,
        name: "a name".into(),
        auth_time: begins,
        created_at: begins,
        expires_at: at(begins.seconds() + DAY),
        used_at: begins,
    }
}

fn guard(user_id: UserId, number: u16, parent: u16) -> Session {
    Session { parent: Some(id(parent)), ..session(user_id, number, SessionKind::Guard) }
}

impl TestStore {
    fn open_session(&self, session: &Session) -> Result<(), SessionConflict> {
        let generation = self.user(session.user_id).generation;
        self.store.insert_session(session, generation, at(0)).unwrap()
    }

    fn session(&self, user: UserId, number: u16) -> Option<Session> {
        self.store.find_session(user, id(number), Reads::PerCall).unwrap().and_then(|(_, session)| session)
    }

    fn numbers(&self, user: UserId) -> Vec<u16> {
        let listed = self.store.list_sessions(user).unwrap();
        listed
            .iter()
            .map(|session| u16::from_be_bytes(session.id.as_bytes()[..2].try_into().unwrap()))
            .collect()
    }
}

#[test]
fn a_session_is_found_with_its_user_in_one_statement_and_only_with_its_own() {
    let test = TestStore::new();
    let (user, other) = (test.insert("ok"), test.insert("other"));
    let inserted = session(user, 1, SessionKind::Browser);
    assert_eq!(test.open_session(&inserted), Ok(()));
    let mut reader = test.store.reader();
    let read = reader.session();
    let (found, statements) =
        trace::statements_of(|| test.store.find_session(user, id(1), Reads::Batch(&read)).unwrap().unwrap());
    let selects = statements.iter().filter(|sql| sql.starts_with("SELECT")).count();
    assert_eq!((selects, found.0.username.as_str(), found.1), (1, "ok", Some(inserted)));
    assert_eq!(test.session(other, 1), None);
    let (row, none) = test.store.find_session(other, id(1), Reads::PerCall).unwrap().unwrap();
    assert_eq!((row.id, none), (other, None));
    let absent = UserId::new(99).unwrap();
    assert_eq!(test.store.find_session(absent, id(1), Reads::PerCall).unwrap(), None);
}

#[test]
fn a_session_is_inserted_only_for_an_enabled_user_of_that_generation() {
    let test = TestStore::new();
    let user = test.insert("ok");
    let before = test.user(user).generation;
    let browser = session(user, 1, SessionKind::Browser);
    assert!(test.store.revoke_tokens(user).unwrap());
    assert_eq!(test.store.insert_session(&browser, before, at(0)).unwrap(), Err(SessionConflict::Revoked));
    assert!(test.store.set_disabled(user, true).unwrap());
    assert_eq!(test.open_session(&browser), Err(SessionConflict::Revoked));
    assert!(test.store.set_disabled(user, false).unwrap());
    assert_eq!(test.open_session(&browser), Ok(()));
    test.store.revoke_all_tokens(at(1_002), at(0)).unwrap();
    let early = session(user, 2, SessionKind::Browser);
    assert_eq!(
        test.open_session(&early),
        Err(SessionConflict::Revoked),
        "all users' tokens of then are dead"
    );
    assert!(test.store.delete_user(user).unwrap());
    let gone = test.store.insert_session(&session(user, 900, SessionKind::Browser), before, at(0));
    assert_eq!(gone.unwrap(), Err(SessionConflict::Revoked));
}

#[test]
fn a_guard_session_needs_a_browser_session_of_the_same_user_and_ends_with_it() {
    let test = TestStore::new();
    let (user, other) = (test.insert("ok"), test.insert("other"));
    assert_eq!(test.open_session(&guard(user, 2, 1)), Err(SessionConflict::Revoked));
    assert_eq!(test.open_session(&session(user, 1, SessionKind::Browser)), Ok(()));
    assert_eq!(test.open_session(&guard(other, 2, 1)), Err(SessionConflict::Revoked));
    assert_eq!(test.open_session(&guard(user, 2, 1)), Ok(()));
    assert_eq!(test.open_session(&guard(user, 3, 2)), Err(SessionConflict::Revoked), "a guard has no guard");
    assert_eq!(test.numbers(user), [1], "the list is of what a user can end");
    for number in 4..9 {
        assert_eq!(test.open_session(&guard(user, number, 1)), Ok(()));
    }
    let kept = (2..9).filter(|number| test.session(user, *number).is_some());
    assert_eq!(kept.collect::<Vec<_>>(), [5, 6, 7, 8], "the newest four");
    assert!(test.store.delete_session(user, id(1)).unwrap());
    assert_eq!(test.session(user, 8), None);
}

#[test]
fn a_user_deletes_only_own_sessions() {
    let test = TestStore::new();
    let (user, other) = (test.insert("ok"), test.insert("other"));
    test.open_session(&session(user, 1, SessionKind::Token)).unwrap();
    assert!(!test.store.delete_session(other, id(1)).unwrap());
    assert!(test.store.delete_session(user, id(1)).unwrap());
    assert!(!test.store.delete_session(user, id(1)).unwrap());
}

#[test]
fn the_oldest_browser_session_makes_place_for_the_fifty_first() {
    let test = TestStore::new();
    let (user, other) = (test.insert("ok"), test.insert("other"));
    test.open_session(&session(other, 500, SessionKind::Browser)).unwrap();
    for number in 1..=53 {
        test.open_session(&session(user, number, SessionKind::Browser)).unwrap();
    }
    assert_eq!(test.numbers(user), (4..=53).collect::<Vec<_>>());
    assert_eq!(test.numbers(other), [500]);
    // One that is refused ends none.
    let generation = Generation::new(77).unwrap();
    let refused = test.store.insert_session(&session(user, 54, SessionKind::Browser), generation, at(0));
    assert_eq!(refused.unwrap(), Err(SessionConflict::Revoked));
    assert_eq!(test.numbers(user).len(), 50);
}

#[test]
fn a_hundred_live_named_tokens_are_the_most() {
    let test = TestStore::new();
    let user = test.insert("ok");
    for number in 1..=100 {
        test.open_session(&session(user, number, SessionKind::Token)).unwrap();
    }
    let next = session(user, 101, SessionKind::Token);
    assert_eq!(test.open_session(&next), Err(SessionConflict::TooManyTokens));
    assert_eq!(test.open_session(&session(user, 102, SessionKind::Browser)), Ok(()), "they count apart");
    let later = Session { created_at: at(1_001 + DAY), expires_at: at(1_001 + 2 * DAY), ..next.clone() };
    assert_eq!(test.open_session(&later), Ok(()), "the first has expired");
    let generation = test.user(user).generation;
    let since =
        |oldest| test.store.insert_session(&Session { id: id(103), ..next.clone() }, generation, oldest);
    assert_eq!(since(at(1_001)).unwrap(), Err(SessionConflict::TooManyTokens));
    assert_eq!(since(at(1_003)).unwrap(), Ok(()), "older ones are dead by today's policy");
}

type Revocation = fn(&Store, &User);

#[test]
fn whatever_raises_the_generation_deletes_the_users_sessions() {
    let one: [(&str, Revocation); 4] = [
        ("changing the password", |store, user| assert!(store.change_password(user, "new").unwrap())),
        ("setting the password", |store, user| assert!(store.set_password(user.id, "new").unwrap())),
        ("revoking", |store, user| assert!(store.revoke_tokens(user.id).unwrap())),
        ("disabling", |store, user| assert!(store.set_disabled(user.id, true).unwrap())),
    ];
    let all: [(&str, Revocation); 3] = [
        ("revoking all", |store, _| {
            store.revoke_all_tokens(at(0), at(0)).unwrap();
        }),
        ("deleting all sessions", |store, _| store.delete_all_sessions().unwrap()),
        ("an import", |store, _| store.import(|_| Ok::<_, StoreError>((true, ()))).unwrap()),
    ];
    let ends = one.map(|case| (case, false)).into_iter().chain(all.map(|case| (case, true)));
    for ((what, revoke), ends_all) in ends {
        let test = TestStore::new();
        let (user, other) = (test.insert("ok"), test.insert("other"));
        for (number, kind) in [(1, SessionKind::Browser), (2, SessionKind::Token)] {
            test.open_session(&session(user, number, kind)).unwrap();
        }
        test.open_session(&guard(user, 3, 1)).unwrap();
        test.open_session(&session(other, 4, SessionKind::Browser)).unwrap();
        revoke(&test.store, &test.user(user));
        assert_eq!((1..4).filter_map(|number| test.session(user, number)).count(), 0, "{what}");
        assert_eq!(test.session(other, 4).is_none(), ends_all, "{what}");
    }
}

#[test]
fn a_change_that_is_refused_and_a_rehash_end_no_session() {
    let test = TestStore::new();
    let user = test.insert("ok");
    test.open_session(&session(user, 1, SessionKind::Browser)).unwrap();
    let stranger =
        User { password_hash: "another".into(), generation: Generation::IMPORTED, ..test.user(user) };
    assert!(!test.store.change_password(&stranger, "new").unwrap());
    assert!(test.store.replace_password_hash(user, "the hash", "the rehash").unwrap());
    assert_eq!(test.store.import(|_| Ok::<_, StoreError>((false, ()))).ok(), Some(()));
    assert!(test.session(user, 1).is_some());
    assert!(test.store.delete_user(user).unwrap());
    let rows: i64 =
        raw(&test.path()).query_row("SELECT count(*) FROM sessions", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 0, "a deleted user's sessions are deleted");
}

#[test]
fn expired_sessions_are_swept_in_steps_and_live_ones_stay() {
    let test = TestStore::new();
    let user = test.insert("ok");
    let mut connection = raw(&test.path());
    let transaction = connection.transaction().unwrap();
    let sql = "INSERT INTO sessions VALUES (?1, ?2, 'token', NULL, '', 0, 0, ?3, 0)";
    for number in 0..1_200_u16 {
        let expires_at = if number < 1_100 { 1_000 } else { 1_001 };
        transaction
            .execute(sql, rusqlite::params![id(number).as_bytes(), user.number(), expires_at])
            .unwrap();
    }
    transaction.commit().unwrap();
    let mut left = vec![];
    for _ in 0..4 {
        test.store.sweep_sessions(at(1_000)).unwrap();
        left.push(test.store.list_sessions(user).unwrap().len());
    }
    assert_eq!(left, [700, 200, 100, 100]);
}

#[test]
fn a_use_is_noted_and_never_goes_back() {
    let test = TestStore::new();
    let user = test.insert("ok");
    test.open_session(&session(user, 1, SessionKind::Browser)).unwrap();
    for (now, noted) in [(2_000, 2_000), (1_500, 2_000), (3_000, 3_000)] {
        test.store.touch_sessions([id(1), id(2)].into_iter(), at(now)).unwrap();
        assert_eq!(test.session(user, 1).unwrap().used_at, at(noted));
    }
}

#[test]
fn a_session_is_live_before_it_expires_and_while_it_is_young_enough() {
    let session = session(UserId::new(1).unwrap(), 0, SessionKind::Browser);
    let live = |age, now| session.is_live(core::time::Duration::from_secs(age), at(1_000 + now));
    assert!(live(2 * DAY, DAY - 1) && !live(2 * DAY, DAY));
    assert!(live(60, 59) && !live(60, 60) && !live(0, 0));
}
