//! The password cache, with a clock that is moved by hand.

use super::*;
use crate::client::Client;
use crate::hashing::Admitted;
use crate::secret::Secret;
use crate::user_id::Generation;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::panic::{self, AssertUnwindSafe};
use std::thread;

const LIFETIME: Duration = Duration::from_secs(60);
const STORED: &str = "$scrypt$ln=1,r=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaA";

/// Counts what it is asked; refuses when it is told to.
#[derive(Default)]
struct TestGate {
    is_closed: Cell<bool>,
    peeks: Cell<usize>,
    charged: Cell<usize>,
    given_back: Cell<usize>,
}

#[derive(Debug)]
enum Refused {
    Closed,
    Hash(HashError),
}

impl From<HashError> for Refused {
    fn from(error: HashError) -> Self {
        Self::Hash(error)
    }
}

impl Gate for TestGate {
    type Refused = Refused;
    type Charge = ();

    fn peek(&self) -> Result<(), Refused> {
        self.peeks.set(self.peeks.get() + 1);
        if self.is_closed.get() { Err(Refused::Closed) } else { Ok(()) }
    }

    fn reserve(&self) -> Result<(), Refused> {
        if self.is_closed.get() {
            return Err(Refused::Closed);
        }
        self.charged.set(self.charged.get() + 1);
        Ok(())
    }

    fn give_back(&self, (): ()) {
        self.given_back.set(self.given_back.get() + 1);
    }
}

impl TestGate {
    /// How often it was asked to peek, to charge, and to give back.
    fn asked(&self) -> (usize, usize, usize) {
        (self.peeks.get(), self.charged.get(), self.given_back.get())
    }
}

/// A password cache and all that goes with it.
struct Test {
    cache: PasswordCache,
    room: Room,
    gate: TestGate,
    start: Instant,
}

impl Test {
    fn new(lifetime: Duration) -> Self {
        let (cache, room) = (PasswordCache::new(lifetime).unwrap(), Room::new(usize::MAX));
        Self { cache, room, gate: TestGate::default(), start: crate::clock::monotonic() }
    }

    /// A check `after` the start that finds this when it hashes; and whether it hashed.
    fn check(
        &self,
        number: u64,
        after: Duration,
        found: Result<Verdict, HashError>,
    ) -> (Result<Verdict, Refused>, bool) {
        let has_hashed = Cell::new(false);
        let hash = || {
            has_hashed.set(true);
            found
        };
        let now = self.start + after;
        (self.cache.check(key(number), now, &self.gate, &self.room, hash), has_hashed.get())
    }

    /// Whether a check costs no hash; where it does, this is what it finds.
    fn needs_no_hash(&self, number: u64, after: Duration, otherwise: Verdict) -> bool {
        let (verdict, has_hashed) = self.check(number, after, Ok(otherwise));
        assert_eq!(verdict.unwrap(), if has_hashed { otherwise } else { Verdict::Right });
        !has_hashed
    }

    fn remembered(&self) -> usize {
        let state = self.cache.lock();
        assert_eq!(state.proved.len(), state.by_age.len());
        state.proved.len()
    }
}

fn key(number: u64) -> CheckKey {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    CheckKey(bytes)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn what_is_right_is_remembered_for_a_lifetime_from_when_it_was_proved() {
    let test = Test::new(LIFETIME);
    assert!(!test.needs_no_hash(1, seconds(0), Verdict::Right));
    for second in [0, 1, 30, 59] {
        assert!(test.needs_no_hash(1, seconds(second), Verdict::Wrong), "hits don't extend it");
    }
    assert!(test.needs_no_hash(1, Duration::from_nanos(59_999_999_999), Verdict::Wrong));
    assert!(!test.needs_no_hash(1, LIFETIME, Verdict::Right));
    assert!(test.needs_no_hash(1, seconds(119), Verdict::Wrong), "it was proved again");
    assert!(!test.needs_no_hash(1, seconds(120), Verdict::Wrong));
    assert!(!test.needs_no_hash(2, seconds(1), Verdict::Wrong), "another key is another check");
}

#[test]
fn an_outdated_hash_is_remembered_as_right() {
    let test = Test::new(LIFETIME);
    assert!(!test.needs_no_hash(1, seconds(0), Verdict::RightButOutdated));
    assert!(test.needs_no_hash(1, seconds(1), Verdict::Wrong));
}

#[test]
fn what_is_wrong_or_failed_is_never_remembered() {
    let test = Test::new(LIFETIME);
    for _ in 0..3 {
        assert!(!test.needs_no_hash(1, seconds(0), Verdict::Wrong));
        let (failed, has_hashed) = test.check(1, seconds(0), Err(HashError::Busy));
        assert!(matches!(failed, Err(Refused::Hash(HashError::Busy))) && has_hashed);
    }
    assert_eq!(test.remembered(), 0);
}

#[test]
fn a_lifetime_of_zero_remembers_nothing() {
    let test = Test::new(Duration::ZERO);
    for _ in 0..3 {
        assert!(!test.needs_no_hash(1, seconds(0), Verdict::Right));
    }
    assert_eq!(test.remembered(), 0);
}

#[test]
fn memory_ends_at_the_limit_and_the_oldest_go_first() {
    let test = Test::new(LIFETIME);
    for number in 0..100_000 {
        assert!(!test.needs_no_hash(number, Duration::from_micros(number), Verdict::Right));
        assert!(test.remembered() <= MAX_PROVED);
    }
    assert_eq!(test.remembered(), MAX_PROVED);
    assert_eq!(test.cache.lock().pending.len(), 0);
    let oldest = 100_000 - MAX_PROVED as u64;
    assert!(test.needs_no_hash(oldest, seconds(1), Verdict::Wrong));
    assert!(test.needs_no_hash(99_999, seconds(1), Verdict::Wrong));
    assert!(!test.needs_no_hash(oldest - 1, seconds(1), Verdict::Wrong));
}

#[test]
fn what_is_over_goes_before_what_is_not() {
    let test = Test::new(LIFETIME);
    // Proved later, but by a request that came earlier.
    for (number, after) in [(1, 30), (2, 0), (3, 29)] {
        assert!(!test.needs_no_hash(number, seconds(after), Verdict::Right));
    }
    assert_eq!(test.remembered(), 3);
    assert!(!test.needs_no_hash(4, seconds(60), Verdict::Right));
    assert_eq!(test.remembered(), 3);
    assert!(
        !test.needs_no_hash(2, seconds(0), Verdict::Wrong),
        "gone for good, whatever the time of who asks"
    );
    assert!(
        test.needs_no_hash(1, seconds(89), Verdict::Wrong)
            && test.needs_no_hash(3, seconds(88), Verdict::Wrong)
    );
}

#[test]
fn the_gate_is_charged_for_a_hash_and_given_back_unless_the_password_is_wrong() {
    let test = Test::new(LIFETIME);
    assert!(!test.needs_no_hash(1, seconds(0), Verdict::Wrong));
    assert_eq!(test.gate.asked(), (0, 1, 0));
    let (busy, _) = test.check(1, seconds(0), Err(HashError::Busy));
    assert!(busy.is_err());
    assert_eq!(test.gate.asked(), (0, 2, 1));
    assert!(!test.needs_no_hash(1, seconds(0), Verdict::RightButOutdated));
    assert_eq!(test.gate.asked(), (0, 3, 2));
    assert!(test.needs_no_hash(1, seconds(0), Verdict::Wrong));
    assert_eq!(test.gate.asked(), (1, 3, 2), "what is known is only asked for");
}

#[test]
fn a_closed_gate_refuses_what_is_known_and_starts_no_hash() {
    let test = Test::new(LIFETIME);
    assert!(!test.needs_no_hash(1, seconds(0), Verdict::Right));
    test.gate.is_closed.set(true);
    for number in [1, 2] {
        let (refused, has_hashed) = test.check(number, seconds(1), Ok(Verdict::Right));
        assert!(matches!(refused, Err(Refused::Closed)) && !has_hashed);
    }
    assert_eq!(test.gate.asked(), (1, 1, 1));
    test.gate.is_closed.set(false);
    assert!(!test.needs_no_hash(2, seconds(1), Verdict::Right), "nothing stays under way");
    assert!(test.needs_no_hash(1, seconds(1), Verdict::Wrong));
    assert_eq!(test.room.taken(), 0);
}

#[test]
fn a_closed_gate_lets_nobody_wait_for_what_is_under_way() {
    let test = Test::new(LIFETIME);
    let joined = Cell::new(None);
    let hash = || {
        test.gate.is_closed.set(true);
        joined.set(Some(test.check(1, seconds(0), Ok(Verdict::Right))));
        Ok(Verdict::Right)
    };
    let first = test.cache.check(key(1), test.start, &test.gate, &test.room, hash);
    assert!(matches!(first, Ok(Verdict::Right)));
    let (refused, has_hashed) = joined.take().unwrap();
    assert!(matches!(refused, Err(Refused::Closed)) && !has_hashed);
}

#[test]
fn whoever_finds_no_room_is_charged_nothing() {
    let test = Test { room: Room::new(0), ..Test::new(LIFETIME) };
    let (busy, has_hashed) = test.check(1, seconds(0), Ok(Verdict::Right));
    assert!(matches!(busy, Err(Refused::Hash(HashError::Busy))) && !has_hashed);
    assert_eq!(test.gate.asked(), (0, 1, 1), "what was charged is given back");
}

#[test]
fn a_panic_leaves_the_charge_and_nothing_under_way() {
    let test = Test::new(LIFETIME);
    let panicking = || panic!("as the test wants it");
    let check = || test.cache.check(key(1), test.start, &test.gate, &test.room, panicking);
    assert!(panic::catch_unwind(AssertUnwindSafe(check)).is_err());
    assert_eq!(test.gate.asked(), (0, 1, 0));
    assert_eq!(test.room.taken(), 0);
    assert!(!test.needs_no_hash(1, seconds(0), Verdict::Right));
}

/// Lets this many ask for one key while the first of them hashes, and gives what they are told and how many hashed.
fn share(lifetime: Duration, found: fn() -> Result<Verdict, HashError>) -> (Vec<String>, usize) {
    const ASKING: usize = 32;
    let Test { cache, room, start, .. } = Test::new(lifetime);
    let hashed = AtomicUsize::new(0);
    let hash = || {
        hashed.fetch_add(1, Ordering::SeqCst);
        while room.taken() < ASKING {
            thread::yield_now();
        }
        found()
    };
    let told = crate::tests::at_once(ASKING, |_| {
        let gate = TestGate::default();
        let check = || cache.check(key(1), start, &gate, &room, hash);
        let told = match panic::catch_unwind(AssertUnwindSafe(check)) {
            Ok(result) => alloc::format!("{result:?}"),
            Err(_) => "panicked".into(),
        };
        let (_, charged, _) = gate.asked();
        assert!(charged == 1 || told != "panicked");
        (told, charged)
    });
    assert_eq!(
        told.iter().map(|(_, charged)| charged).sum::<usize>(),
        1,
        "only the one who hashes is charged"
    );
    assert_eq!((room.taken(), cache.lock().pending.len()), (0, 0));
    let mut told: Vec<String> = told.into_iter().map(|(told, _)| told).collect();
    told.sort();
    (told, hashed.into_inner())
}

#[test]
fn who_asks_for_the_same_at_once_shares_one_hash() {
    for lifetime in [LIFETIME, Duration::ZERO] {
        let all = |text: &str| (alloc::vec![String::from(text); 32], 1);
        assert_eq!(share(lifetime, || Ok(Verdict::Right)), all("Ok(Right)"));
        assert_eq!(share(lifetime, || Ok(Verdict::Wrong)), all("Ok(Wrong)"));
        assert_eq!(share(lifetime, || Err(HashError::Busy)), all("Err(Hash(Busy))"));
    }
}

#[test]
fn of_those_who_share_an_outdated_hash_one_makes_it_anew() {
    let (told, hashes) = share(LIFETIME, || Ok(Verdict::RightButOutdated));
    assert_eq!(hashes, 1);
    assert_eq!(told.iter().filter(|told| *told == "Ok(RightButOutdated)").count(), 1);
    assert_eq!(told.iter().filter(|told| *told == "Ok(Right)").count(), 31);
}

#[test]
fn a_panic_wakes_those_who_wait() {
    let (told, hashes) = share(LIFETIME, || panic!("as the test wants it"));
    assert_eq!(hashes, 1);
    assert_eq!(told.iter().filter(|told| *told == "panicked").count(), 1);
    assert_eq!(told.iter().filter(|told| *told == "Err(Hash(Busy))").count(), 31);
}

#[test]
fn every_part_of_a_check_is_in_its_key() {
    let cache = PasswordCache::new(LIFETIME).unwrap();
    let here = Client::Ip("192.0.2.1".parse().unwrap());
    let key = |username, password: &str, stored: Option<(&str, u64)>, client| {
        let password = &Secret::new(password.into());
        let stored = stored.map(|(text, generation)| Admitted {
            text,
            generation: Generation::new(generation).unwrap(),
            parsed: STORED.parse().unwrap(),
        });
        cache.key(&Check { username, password, stored, client, is_remembered: false })
    };
    let keys = [
        key("ok", "python", Some(("hash", 1)), here),
        key("ok", "python", Some(("hash", 2)), here),
        key("ok", "python", Some(("hashes", 1)), here),
        key("ok", "ruby", Some(("hash", 1)), here),
        key("OK", "python", Some(("hash", 1)), here),
        key("okp", "ython", Some(("hash", 1)), here), // a byte moved from one part to the next
        key("o", "kpython", Some(("hash", 1)), here),
        key("", "okpython", Some(("hash", 1)), here),
        key("ok", "python", Some(("hash", 1)), Client::Local),
        key("ok", "python", Some(("hash", 1)), Client::Ip("192.0.2.2".parse().unwrap())),
        key("ok", "python", None, here),
        key("okp", "ython", None, here),
        key("ok", "python", Some(("", 1)), here),
        key("ok", "python", Some(("", 0)), here),
    ];
    for (number, one) in keys.iter().enumerate() {
        assert!(keys[..number].iter().all(|other| one != other), "{number}");
    }
    assert!(keys[0] == key("ok", "python", Some(("hash", 1)), here));
    let mapped = Client::Ip("::ffff:192.0.2.1".parse().unwrap());
    assert!(keys[0] == key("ok", "python", Some(("hash", 1)), mapped));
    let other_process = PasswordCache::new(LIFETIME).unwrap();
    let check = Check {
        username: "ok",
        password: &Secret::new("python".into()),
        stored: None,
        client: here,
        is_remembered: false,
    };
    assert!(cache.key(&check) != other_process.key(&check));
}
