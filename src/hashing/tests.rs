//! The hasher: costs, memory, how many it lets in, and whether its documentation is right about that.

use super::*;
use crate::tests::at_once;
use crate::user_id::Generation;
use core::cell::Cell;

const LOCAL: Client = Client::Local;
const CHEAP: &str = "ln=1,r=1,p=1";

impl Hasher {
    /// Does this while every slot is taken, so that nothing is hashed until it ends.
    pub(crate) fn while_slots_are_taken<T>(&self, work: impl FnOnce() -> T) -> T {
        let slots: Vec<_> = (0..self.pool.slots()).map(|_| self.reserve(LOCAL).unwrap().slot).collect();
        let result = work();
        drop(slots);
        result
    }

    /// The same hasher, in which no request waits too long for a slot, however slow the machine is.
    pub(crate) fn with_endless_patience(mut self) -> Self {
        self.pool.queue_timeout = Duration::MAX;
        self
    }

    /// How many are in here, hashing or waiting.
    pub(crate) fn inside(&self) -> usize {
        self.semaphore.acquired()
    }
}

/// An attempt at a password for a user with this hash, or without one. The limiter is off.
#[derive(Default)]
struct TestAttempt<'a> {
    stored: Option<&'a str>,
    decoy: Option<&'a str>,
    decoys: Cell<usize>,
    unusable: Cell<usize>,
}

impl<'a> Attempt for TestAttempt<'a> {
    type Error = HashError;
    type Charge = ();
    type Row = Option<&'a str>;

    fn check_limit(&self) -> Result<(), HashError> {
        Ok(())
    }

    fn charge(&self) -> Result<(), HashError> {
        Ok(())
    }

    fn refund(&self, (): ()) {}

    fn read_row(&self) -> Result<Self::Row, HashError> {
        Ok(self.stored)
    }

    fn stored_hash<'b>(&self, row: &'b Self::Row) -> Option<Stored<'b>> {
        row.map(|text| Stored { text, generation: Generation::FIRST })
    }

    fn on_unusable_hash(&self, _: &Self::Row, _: &HashError) {
        self.unusable.set(self.unusable.get() + 1);
    }

    fn decoy_hash(&self) -> Option<String> {
        self.decoys.set(self.decoys.get() + 1);
        self.decoy.map(String::from)
    }
}

fn hasher(cost: &str) -> Hasher {
    Hasher::new(cost.parse().unwrap(), 1 << 20).unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.into())
}

fn check(hasher: &Hasher, password: &str, stored: Option<&str>) -> Result<Verdict, HashError> {
    check_as(hasher, password, &TestAttempt { stored, ..TestAttempt::default() })
}

fn check_as(hasher: &Hasher, password: &str, attempt: &TestAttempt<'_>) -> Result<Verdict, HashError> {
    let check = Check { username: "ok", password: &secret(password), client: LOCAL, is_remembered: false };
    hasher.check(&check, crate::clock::monotonic(), attempt).map(|proof| proof.verdict)
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
fn a_decoy_is_verified_and_lets_no_one_in() {
    let hasher = hasher(CHEAP);
    let stored = hasher.hash(&secret("python"), LOCAL).unwrap();
    let outcome = |stored: Option<&str>, decoy: Option<&str>| {
        let attempt = TestAttempt { stored, decoy, ..TestAttempt::default() };
        let before = hasher.hashes();
        let verdict = check_as(&hasher, "python", &attempt).unwrap();
        (verdict, hasher.hashes() - before, attempt.decoys.get(), attempt.unusable.get())
    };
    assert_eq!(outcome(None, Some(&stored)), (Verdict::Wrong, 1, 1, 0));
    assert_eq!(outcome(None, None), (Verdict::Wrong, 1, 1, 0));
    // A decoy that can't be verified, or takes more memory than is allowed, is replaced by a dummy.
    assert_eq!(outcome(None, Some("python")), (Verdict::Wrong, 1, 1, 0));
    let costly = "$scrypt$ln=20,r=32,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaA";
    assert_eq!(outcome(None, Some(costly)), (Verdict::Wrong, 1, 1, 0));
    assert_eq!(outcome(Some("python"), Some(&stored)), (Verdict::Unusable, 1, 1, 1));
    // It is asked for beside a user's own hash, since that takes time; what is known already takes neither.
    assert_eq!(outcome(Some(&stored), Some("python")), (Verdict::Right, 1, 1, 0));
    assert_eq!(outcome(Some(&stored), Some("python")), (Verdict::Right, 0, 0, 0));
}

#[test]
fn a_second_hash_for_a_proved_user_needs_no_second_turn() {
    let hasher = hasher(CHEAP).with_slots(Some(1), 1);
    let stored = hasher.hash(&secret("python"), LOCAL).unwrap();
    let attempt = TestAttempt { stored: Some(&stored), ..TestAttempt::default() };
    let check = Check { username: "ok", password: &secret("python"), client: LOCAL, is_remembered: false };
    let proof = hasher.check(&check, crate::clock::monotonic(), &attempt).unwrap();
    thread::scope(|scope| {
        let stranger = scope.spawn(|| hasher.hash(&secret("perl"), LOCAL).unwrap());
        while hasher.stats().waiting < 1 {
            thread::yield_now();
        }
        assert!(matches!(hasher.hash(&secret("perl"), LOCAL), Err(HashError::Busy)), "the queue is full");
        let before = hasher.hashes();
        assert!(hasher.hash_for_proved_user(proof.reservation, &secret("ruby"), "ok", LOCAL).is_ok());
        assert!(hasher.hashes() > before);
        stranger.join().unwrap();
    });

    // Where the proof took no hash, the second one waits in the line of known users.
    let proof = hasher.check(&check, crate::clock::monotonic(), &attempt).unwrap();
    thread::scope(|scope| {
        let (stranger, proved) = hasher.while_slots_are_taken(|| {
            let stranger = scope.spawn(|| hasher.hash(&secret("perl"), LOCAL).is_ok());
            while hasher.stats().waiting < 1 {
                thread::yield_now();
            }
            let hash = || hasher.hash_for_proved_user(proof.reservation, &secret("ruby"), "ok", LOCAL);
            let proved = scope.spawn(|| hash().is_ok());
            while hasher.stats().waiting < 2 {
                thread::yield_now();
            }
            (stranger, proved)
        });
        assert!(stranger.join().unwrap() && proved.join().unwrap());
    });
}

#[test]
fn memory_ends_at_the_limit() {
    let cost = |text: &str| text.parse::<Cost>().unwrap();
    assert!(Hasher::new(cost("ln=10,r=8,p=1"), 1 << 20).is_ok()); // exactly 1 MiB
    let error = Hasher::new(cost("ln=10,r=9,p=1"), 1 << 20).unwrap_err().to_string();
    assert_eq!(error, "a hash of ln=10,r=9,p=1 takes 1179648 bytes, more than the 1048576 allowed");
    let stored = "$scrypt$ln=20,r=32,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaA";
    let refused = hasher(CHEAP).check_limits(stored);
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
    assert_eq!(checked, 23);
}

#[test]
fn a_request_without_a_permit_is_rejected_at_once_and_served_later() {
    let hasher = hasher(CHEAP).with_slots(Some(1), 64).with_max_requests(2);
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
    let hasher = hasher(CHEAP).with_max_requests(2);
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
    assert_eq!(served, 400, "a client that retries is served");
    assert_eq!(hasher.inside(), 0);
}
