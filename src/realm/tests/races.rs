//! Races between threads, in rounds: the invariants hold for every order.

use super::*;

/// Those who race in a round; the first of them is special.
const RACERS: usize = 8;
const ROUNDS: usize = 40;

/// Runs this in all of them at once, and gives what each of them made.
fn race<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    crate::tests::at_once(RACERS, work)
}

#[test]
fn logins_with_an_outdated_hash_never_undo_a_change() {
    let old = TestRealm::new();
    let id = old.add_user("ok", "python");
    let new = old.with_new_cost();
    for round in 0..ROUNDS {
        let (first, second) = (format!("first {round}"), format!("second {round}"));
        old.realm.set_password(&old.user(id), &secret(&first)).unwrap();
        assert_eq!(cost_of(&new.user(id)), OLD_COST);
        race(|number| {
            if number == 0 {
                assert_eq!(new.change_password(id, &shown("ok", &first), &second), Ok(()));
                return;
            }
            for _ in 0..5 {
                match new.log_in("ok", &first) {
                    Ok(principal) => assert_eq!(principal.id, id),
                    Err(refusal) => assert_eq!(refusal, refused(id, RefusalReason::WrongPassword)),
                }
            }
        });
        assert_eq!(cost_of(&new.user(id)), NEW_COST);
        assert_eq!(new.log_in("ok", &second).unwrap().id, id, "round {round}");
        assert_eq!(new.log_in("ok", &first), Err(refused(id, RefusalReason::WrongPassword)), "round {round}");
    }
    assert_eq!(new.take_notices(), [""; 0]);
}

#[test]
fn no_token_for_the_old_password_outlives_the_change() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "password 0");
    for round in 0..ROUNDS {
        let (old, new) = (format!("password {round}"), format!("password {}", round + 1));
        let principal = test.log_in("ok", &old).unwrap();
        let tokens: Vec<String> = race(|number| {
            if number == 0 {
                assert_eq!(test.change_password(id, &shown("ok", &old), &new), Ok(()));
                return Vec::new();
            }
            let mut tokens = vec![test.issue_token(&principal)];
            for _ in 0..5 {
                tokens.extend(test.log_in("ok", &old).map(|principal| test.issue_token(&principal)));
                // A token of a token, for as long as that is possible.
                tokens.extend(test.show_token(&tokens[0]).map(|principal| test.issue_token(&principal)));
            }
            tokens
        })
        .concat();
        assert!(tokens.len() >= RACERS - 1);
        for token in tokens {
            assert_eq!(
                test.show_token(&token),
                Err(refused(id, RefusalReason::OtherGeneration)),
                "round {round}"
            );
        }
    }
}

#[test]
fn one_of_many_concurrent_password_changes_succeeds() {
    let test = TestRealm::new();
    let id = test.add_user("ok", "first");
    let mut old = "first".to_owned();
    for round in 0..ROUNDS {
        let new = |number| format!("round {round}, racer {number}");
        let results = race(|number| test.change_password(id, &shown("ok", &old), &new(number)));
        let winners: Vec<usize> = (0..RACERS).filter(|number| results[*number].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{results:?}");
        for refusal in results.into_iter().filter_map(Result::err) {
            // A request that read the row after the change fails at the hash, one before it at the store.
            let expected =
                [refused(id, RefusalReason::ChangedMeanwhile), refused(id, RefusalReason::WrongPassword)];
            assert!(expected.contains(&refusal), "{refusal:?}");
        }
        for number in 0..RACERS {
            assert_eq!(test.log_in("ok", &new(number)).is_ok(), number == winners[0]);
        }
        assert_eq!(test.log_in("ok", &old), Err(refused(id, RefusalReason::WrongPassword)));
        old = new(winners[0]);
    }
    let changes = u64::try_from(ROUNDS).unwrap();
    assert_eq!(test.user(id).generation.number(), 1 + changes);
}

#[test]
fn a_concurrent_password_change_and_deletion_exclude_each_other() {
    let test = TestRealm::new();
    for round in 0..ROUNDS {
        let id = test.add_user("ok", "python");
        let credentials = shown("ok", "python");
        let done = race(|number| match number {
            0 => test.change_password(id, &credentials, "ruby").is_ok(),
            1 => test.realm.delete_own_user(id, &credentials, Client::Local, test.now).is_ok(),
            _ => false,
        });
        assert!(done[0] != done[1], "round {round}: {done:?}");
        match test.realm.find_user_by_id(id, Reads::PerCall).unwrap() {
            Some(user) => {
                assert!(done[0]);
                assert_eq!(test.log_in("ok", "ruby").unwrap().id, id);
                test.realm.delete_user(user.id).unwrap();
            }
            None => assert!(done[1]),
        }
    }
}

#[test]
fn one_of_many_concurrent_registrations_of_a_name_succeeds() {
    let test = TestRealm::new();
    for round in 0..ROUNDS {
        let name = |number| if number % 2 == 0 { format!("user{round}") } else { format!("USER{round}") };
        let results = race(|number| {
            test.realm.register(
                &name(number),
                &secret(&format!("password of {number}")),
                Client::Local,
                test.now,
            )
        });
        let winners: Vec<usize> = (0..RACERS).filter(|number| results[*number].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{results:?}");
        for error in results.into_iter().filter_map(Result::err) {
            assert!(matches!(error, RegisterError::Taken), "{error:?}");
        }
        for number in 0..RACERS {
            let logged_in = test.log_in(&name(number), &format!("password of {number}"));
            assert_eq!(logged_in.is_ok(), number == winners[0]);
        }
    }
}
