//! Fairness of the hash queue: who logs in however others crowd it. There is one slot, and nothing is hashed
//! until all wait.

use super::*;
use crate::hashing::HashError;
use crate::limiter::{RateLimit, Rules};
use std::thread::{self, Scope, ScopedJoinHandle};

const SHARED: &str = "192.0.2.1";
const HOME: &str = "192.0.2.2";

fn client(address: &str) -> Client {
    Client::Ip(address.parse().unwrap())
}

/// What a login comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Accepted,
    Refused,
    Busy,
}

fn answer<T>(result: Result<T, AuthenticateError>) -> Answer {
    match result {
        Ok(_) => Answer::Accepted,
        Err(AuthenticateError::Refused(_)) => Answer::Refused,
        Err(AuthenticateError::Hash(HashError::Busy)) => Answer::Busy,
        Err(error) => panic!("{error:?}"),
    }
}

/// A realm with one slot, whose limiter leaves these tests alone, and a user `victim` who has logged in at
/// two addresses.
fn realm(password_cache: Duration) -> TestRealm {
    let many = RateLimit::new(1_000, 1);
    let rules = Rules {
        attempts_per_address: many,
        attempts_per_user: many,
        attempts_per_user_and_address: many,
        ..Rules::default()
    };
    let mut test = TestRealm::with_policy(Policy { rate_limits: Some(rules), ..Policy::default() });
    let hasher = Hasher::new(OLD_COST.parse().unwrap(), Hasher::DEFAULT_MAX_MEMORY_BYTES).unwrap();
    let hasher = hasher.with_slots(Some(1), Hasher::DEFAULT_MAX_QUEUE);
    test.realm.hasher = hasher.with_password_cache(password_cache).with_endless_patience();
    test.add_user("victim", "python");
    for address in [SHARED, HOME] {
        assert_eq!(log_in(&test, "victim", "python", address), Answer::Accepted);
    }
    test
}

fn log_in(test: &TestRealm, username: &str, password: &str, address: &str) -> Answer {
    answer(test.realm.authenticate(&shown(username, password), client(address), test.now))
}

/// Waits until so many requests wait for the slot.
fn await_waiting(test: &TestRealm, waiting: usize) {
    while test.realm.hash_load().waiting != waiting {
        thread::yield_now();
    }
}

/// One request after the other begins to wait; those that are rejected end.
fn crowd<'scope>(
    scope: &'scope Scope<'scope, '_>,
    test: &'scope TestRealm,
    logins: impl Iterator<Item = (String, String, String)>,
) -> Vec<ScopedJoinHandle<'scope, Answer>> {
    let begin = |(username, password, address): (String, String, String)| {
        let waiting = test.realm.hash_load().waiting;
        let login = scope.spawn(move || log_in(test, &username, &password, &address));
        while test.realm.hash_load().waiting == waiting && !login.is_finished() {
            thread::yield_now();
        }
        login
    };
    logins.map(begin).collect()
}

fn count(answers: Vec<ScopedJoinHandle<'_, Answer>>, counted: Answer) -> usize {
    answers.into_iter().filter_map(|login| login.join().ok()).filter(|answer| *answer == counted).count()
}

#[test]
fn eight_logins_at_once_of_a_neighbour_reject_no_login_of_a_user_at_the_same_address() {
    let test = realm(Duration::ZERO);
    test.add_user("neighbour", "python");
    assert_eq!(log_in(&test, "neighbour", "python", SHARED), Answer::Accepted);
    for _ in 0..20 {
        thread::scope(|scope| {
            let (neighbours, victim) = test.realm.hasher.while_slots_are_taken(|| {
                let eight = (0..8).map(|n| ("neighbour".into(), n.to_string(), SHARED.into()));
                let neighbours = crowd(scope, &test, eight);
                await_waiting(&test, 2);
                let victim = scope.spawn(|| log_in(&test, "victim", "python", SHARED));
                await_waiting(&test, 3);
                (neighbours, victim)
            });
            assert_eq!(victim.join().unwrap(), Answer::Accepted);
            assert_eq!(count(neighbours, Answer::Busy), 6);
        });
    }
}

#[test]
fn sixty_four_addresses_with_accounts_of_their_own_reject_no_login_of_a_user() {
    let test = realm(Duration::ZERO);
    let attacker = |n: usize| (format!("attacker {n}"), "python".to_owned(), format!("198.51.100.{n}"));
    for n in 0..64 {
        let (username, password, address) = attacker(n);
        test.add_user(&username, &password);
        assert_eq!(log_in(&test, &username, &password, &address), Answer::Accepted);
    }
    for attackers in [33, 64] {
        thread::scope(|scope| {
            let (crowd, victim) = test.realm.hasher.while_slots_are_taken(|| {
                let logins = (0..2 * attackers).map(|n| {
                    let (username, _, address) = attacker(n % attackers);
                    (username, n.to_string(), address)
                });
                let crowd = crowd(scope, &test, logins);
                await_waiting(&test, 64);
                let victim = scope.spawn(|| log_in(&test, "victim", "python", HOME));
                // Those that found no place, and the one that was displaced.
                while crowd.iter().filter(|login| login.is_finished()).count() < 2 * attackers - 63 {
                    thread::yield_now();
                }
                (crowd, victim)
            });
            assert_eq!(victim.join().unwrap(), Answer::Accepted, "{attackers}");
            assert_eq!(count(crowd, Answer::Refused), 63, "one of them was displaced");
        });
    }
}

#[test]
fn a_neighbour_who_shows_wrong_passwords_for_a_user_rejects_no_login_of_that_user_elsewhere() {
    let test = realm(Duration::ZERO);
    thread::scope(|scope| {
        let victim = test.realm.hasher.while_slots_are_taken(|| {
            let wrong = (0..8).map(|n| ("victim".into(), n.to_string(), SHARED.into()));
            let neighbours = crowd(scope, &test, wrong);
            await_waiting(&test, 2);
            let victim = scope.spawn(|| log_in(&test, "victim", "python", HOME));
            // One neighbour more than the six that found no place.
            while neighbours.iter().filter(|login| login.is_finished()).count() < 7 {
                thread::yield_now();
            }
            victim
        });
        assert_eq!(victim.join().unwrap(), Answer::Accepted);
    });
}

#[test]
fn strangers_reject_no_password_change_though_they_fill_their_line() {
    let test = realm(Hasher::DEFAULT_PASSWORD_CACHE);
    let id = test.realm.find_user_by_name("victim").unwrap().unwrap().id;
    // The first change verifies the password in the queue, the second one finds it in the cache.
    for (old, new, is_cached) in [("python", "ruby", false), ("ruby", "perl", true)] {
        let now = Now { monotonic: test.now.monotonic + Duration::from_secs(60), ..test.now };
        if is_cached {
            let logged_in = test.realm.authenticate(&shown("victim", old), client(HOME), now);
            assert_eq!(answer(logged_in), Answer::Accepted);
        }
        thread::scope(|scope| {
            let change = test.realm.hasher.while_slots_are_taken(|| {
                let strangers =
                    (0..64).map(|n| (format!("absent {n}"), "x".into(), format!("198.51.100.{n}")));
                drop(crowd(scope, &test, strangers));
                await_waiting(&test, 64);
                let (test, new) = (&test, secret(new));
                let change = scope.spawn(move || {
                    let changed =
                        test.realm.change_password(id, &shown("victim", old), &new, client(HOME), now);
                    changed.is_ok()
                });
                await_waiting(test, 65);
                change
            });
            assert!(change.join().unwrap(), "{old} to {new}");
        });
    }
}
