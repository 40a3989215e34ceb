//! The hasher: costs, memory, how many it lets in, and whether its documentation is right about that.

use super::*;
use crate::tests::at_once;
use std::sync::Barrier;

const LOCAL: Client = Client::Local;
const CHEAP: &str = "ln=1,r=1,p=1";

impl Hasher {
    /// Does this while every slot is taken, so that nothing is hashed until it ends.
    pub(crate) fn while_slots_are_taken<T>(&self, work: impl FnOnce() -> T) -> T {
        let (taken, done) = (Barrier::new(self.slots.count() + 1), Barrier::new(self.slots.count() + 1));
        let (taken, done) = (alloc::sync::Arc::new(taken), alloc::sync::Arc::new(done));
        thread::scope(|scope| {
            for _ in 0..self.slots.count() {
                let (taken, done) = (taken.clone(), done.clone());
                let hold = move || {
                    taken.wait();
                    done.wait();
                };
                scope.spawn(|| self.slots.run(Asker { client: LOCAL, is_remembered: false }, hold).unwrap());
            }
            taken.wait();
            let result = work();
            done.wait();
            result
        })
    }

    /// How many are in here, hashing or waiting.
    pub(crate) fn inside(&self) -> usize {
        self.room.taken()
    }
}

/// Everybody may guess.
struct Open;

impl Gate for Open {
    type Refused = HashError;
    type Charge = ();

    fn peek(&self) -> Result<(), HashError> {
        Ok(())
    }

    fn reserve(&self) -> Result<(), HashError> {
        Ok(())
    }

    fn give_back(&self, (): ()) {}
}

fn hasher(cost: &str) -> Hasher {
    Hasher::new(cost.parse().unwrap(), 1 << 20).unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.into())
}

fn check(hasher: &Hasher, password: &str, stored: Option<&str>) -> Result<Verdict, HashError> {
    let stored = stored.map(|text| hasher.admit(text, Generation::FIRST).unwrap());
    let check =
        Check { username: "ok", password: &secret(password), stored, client: LOCAL, is_remembered: false };
    hasher.check(&check, crate::clock::monotonic(), &Open, || None)
}

#[test]
fn a_hash_of_another_cost_is_right_but_outdated() {
    let (old, new) = (hasher(CHEAP), hasher("ln=2,r=1,p=1"));
    let stored = old.hash(&secret("python"), LOCAL).unwrap();
    assert_eq!(check(&old, "python", Some(&stored)).unwrap(), Verdict::Right);
    assert_eq!(check(&new, "python", Some(&stored)).unwrap(), Verdict::RightButOutdated);
    assert_eq!(check(&new, "ruby", Some(&stored)).unwrap(), Verdict::Wrong);
    assert_eq!(check(&new, "python", None).unwrap(), Verdict::Wrong);
    assert_eq!((old.hashes(), new.hashes()), (2, 3));
}

#[test]
fn what_stands_in_for_nobody_is_verified_and_lets_nobody_in() {
    let hasher = hasher(CHEAP);
    let stored = hasher.hash(&secret("python"), LOCAL).unwrap();
    let outcome = |stored: Option<&str>, stand_in: Option<&str>| {
        let stored = stored.map(|text| hasher.admit(text, Generation::FIRST).unwrap());
        let check = Check {
            username: "ok",
            password: &secret("python"),
            stored,
            client: LOCAL,
            is_remembered: false,
        };
        let (before, asked) = (hasher.hashes(), core::cell::Cell::new(0));
        let stand_in = || {
            asked.set(asked.get() + 1);
            stand_in.map(String::from)
        };
        let verdict = hasher.check(&check, crate::clock::monotonic(), &Open, stand_in).unwrap();
        (verdict, hasher.hashes() - before, asked.get())
    };
    assert_eq!(outcome(None, Some(&stored)), (Verdict::Wrong, 1, 1));
    assert_eq!(outcome(None, None), (Verdict::Wrong, 1, 1));
    // One that can't be verified, or takes more memory than is allowed, is as good as none.
    assert_eq!(outcome(None, Some("python")), (Verdict::Wrong, 1, 1));
    let costly = "$scrypt$ln=20,r=32,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaA";
    assert_eq!(outcome(None, Some(costly)), (Verdict::Wrong, 1, 1));
    // A user's own hash is asked beside it, since that takes time; what is known already takes neither.
    assert_eq!(outcome(Some(&stored), Some("python")), (Verdict::Right, 1, 1));
    assert_eq!(outcome(Some(&stored), Some("python")), (Verdict::Right, 0, 0));
}

#[test]
fn memory_ends_at_the_limit() {
    let cost = |text: &str| text.parse::<Cost>().unwrap();
    assert!(Hasher::new(cost("ln=10,r=8,p=1"), 1 << 20).is_ok()); // exactly 1 MiB
    let error = Hasher::new(cost("ln=10,r=9,p=1"), 1 << 20).unwrap_err().to_string();
    assert_eq!(error, "a hash of ln=10,r=9,p=1 takes 1179648 bytes, more than the 1048576 allowed");
    let stored = "$scrypt$ln=20,r=32,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaA";
    let refused = hasher(CHEAP).admit(stored, Generation::FIRST);
    assert!(matches!(refused, Err(HashError::TooMuchMemory { .. })));
}

#[test]
fn the_documented_bounds_stand_in_the_code() {
    let bounds =
        include_str!("mod.rs").lines().filter(|line| line.starts_with("//! | ")).filter_map(|line| {
            let (_, in_code) = line.trim_end_matches(" |").rsplit_once(" | ")?;
            in_code.split_once("`: `")
        });
    let mut checked = 0;
    for (path, constants) in bounds {
        let path = format!("{}/src/{}", env!("CARGO_MANIFEST_DIR"), path.trim_start_matches('`'));
        let code = std::fs::read_to_string(&path).unwrap();
        for constant in constants.trim_end_matches('`').split("`, `") {
            assert!(
                code.lines().any(|line| !line.starts_with("//!") && line.contains(constant)),
                "{path}: {constant}"
            );
            checked += 1;
        }
    }
    assert_eq!(checked, 22);
}

#[test]
fn whoever_finds_no_place_inside_is_refused_at_once_and_served_later() {
    let hasher = hasher(CHEAP).with_slots(Some(1), 64).with_max_inside(2);
    let stored = hasher.hash(&secret("python"), LOCAL).unwrap();
    assert_eq!(check(&hasher, "python", Some(&stored)).unwrap(), Verdict::Right);
    let before = hasher.hashes();
    thread::scope(|scope| {
        // One waits for a slot, another one for its verdict.
        let waiting = hasher.while_slots_are_taken(|| {
            let waiting = [0, 1].map(|_| scope.spawn(|| check(&hasher, "ruby", Some(&stored)).unwrap()));
            while hasher.inside() < 2 {
                thread::yield_now();
            }
            for password in ["ruby", "perl"] {
                assert!(matches!(check(&hasher, password, Some(&stored)), Err(HashError::Busy)));
            }
            assert!(matches!(hasher.hash(&secret("perl"), LOCAL), Err(HashError::Busy)));
            // What was proved needs no place.
            assert_eq!(check(&hasher, "python", Some(&stored)).unwrap(), Verdict::Right);
            waiting
        });
        for thread in waiting {
            assert_eq!(thread.join().unwrap(), Verdict::Wrong);
        }
    });
    assert_eq!(hasher.hashes(), before + 1);
    assert_eq!(check(&hasher, "perl", Some(&stored)).unwrap(), Verdict::Wrong);
    assert_eq!(hasher.inside(), 0);
}

#[test]
fn never_more_are_inside_than_may_be() {
    let hasher = hasher(CHEAP).with_max_inside(2);
    let stored = hasher.hash(&secret("python"), LOCAL).unwrap();
    let served: usize = at_once(8, |number| {
        let mut served = 0;
        while served < 50 {
            assert!(hasher.inside() <= 2);
            match check(&hasher, &format!("password {}", (number + served) % 3), Some(&stored)) {
                Ok(verdict) => {
                    assert_eq!(verdict, Verdict::Wrong);
                    served += 1;
                }
                Err(error) => {
                    assert!(matches!(error, HashError::Busy));
                    thread::yield_now();
                }
            }
        }
        served
    })
    .into_iter()
    .sum();
    assert_eq!(served, 400, "whoever comes again is served");
    assert_eq!(hasher.inside(), 0);
}
