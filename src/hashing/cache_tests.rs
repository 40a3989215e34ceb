//! The password cache, with a clock that is moved by hand.

use super::*;
use crate::client::Client;
use crate::secret::Secret;
use crate::user_id::Generation;
use core::cell::Cell;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::panic::{self, AssertUnwindSafe};
use std::thread;

const LIFETIME: Duration = Duration::from_secs(60);
const STORED: &str = "$scrypt$ln=1,r=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaA";

/// Counts its calls; rejects on request.
#[derive(Default)]
struct TestAttempt {
    is_closed: Cell<bool>,
    /// The generation in the user's row; `None` for no user.
    generation: Cell<Option<u64>>,
    peeks: Cell<usize>,
    charged: Cell<usize>,
    refunded: Cell<usize>,
    reads: Cell<usize>,
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

impl Attempt for TestAttempt {
    type Error = Refused;
    type Charge = ();
    type Row = Option<u64>;

    fn check_limit(&self) -> Result<(), Refused> {
        self.peeks.set(self.peeks.get() + 1);
        if self.is_closed.get() { Err(Refused::Closed) } else { Ok(()) }
    }

    fn charge(&self) -> Result<(), Refused> {
        if self.is_closed.get() {
            return Err(Refused::Closed);
        }
        self.charged.set(self.charged.get() + 1);
        Ok(())
    }

    fn refund(&self, (): ()) {
        self.refunded.set(self.refunded.get() + 1);
    }

    fn read_row(&self) -> Result<Option<u64>, Refused> {
        self.reads.set(self.reads.get() + 1);
        Ok(self.generation.get())
    }

    fn stored_hash<'a>(&self, row: &'a Option<u64>) -> Option<Stored<'a>> {
        row.map(|generation| Stored { text: STORED, generation: Generation::new(generation).unwrap() })
    }

    fn on_unusable_hash(&self, _: &Option<u64>, _: &HashError) {}

    fn decoy_hash(&self) -> Option<String> {
        None
    }
}

impl TestAttempt {
    /// For a user whose row has this generation.
    fn of(generation: u64) -> Self {
        Self { generation: Cell::new(Some(generation)), ..Self::default() }
    }

    /// How often it was asked to check_limit, to charge, and to refund.
    fn asked(&self) -> (usize, usize, usize) {
        (self.peeks.get(), self.charged.get(), self.refunded.get())
    }
}

/// A password cache and all that goes with it.
struct Test {
    cache: PasswordCache,
    semaphore: Semaphore,
    attempt: TestAttempt,
    start: Instant,
}

impl Test {
    fn new(lifetime: Duration) -> Self {
        let cache = PasswordCache::new(lifetime).unwrap();
        let (semaphore, attempt) = (Semaphore::new(usize::MAX), TestAttempt::of(1));
        Self { cache, semaphore, attempt, start: crate::clock::monotonic() }
    }

    /// A check `after` the start that finds this when it hashes; and whether it hashed.
    fn check(
        &self,
        number: u64,
        after: Duration,
        found: Result<Verdict, HashError>,
    ) -> (Result<Verdict, Refused>, bool) {
        let has_hashed = Cell::new(false);
        let verify = |_: &_, (): &()| {
            has_hashed.set(true);
            found
        };
        let now = self.start + after;
        (check(&self.cache, number, now, &self.attempt, &self.semaphore, verify), has_hashed.get())
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

/// A check for which there is a slot at once.
fn check(
    cache: &PasswordCache,
    number: u64,
    now: Instant,
    attempt: &TestAttempt,
    semaphore: &Semaphore,
    verify: impl FnOnce(&Option<u64>, &()) -> Result<Verdict, HashError>,
) -> Result<Verdict, Refused> {
    let checked = cache.check(key(number), now, attempt, semaphore, || Ok(()), verify)?;
    Ok(checked.verdict)
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
fn a_right_password_is_cached_for_a_lifetime_from_its_proof() {
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
fn a_right_password_of_an_outdated_hash_is_cached() {
    let test = Test::new(LIFETIME);
    assert!(!test.needs_no_hash(1, seconds(0), Verdict::RightButOutdated));
    assert!(test.needs_no_hash(1, seconds(1), Verdict::Wrong));
}

#[test]
fn a_wrong_or_failed_check_is_never_cached() {
    let test = Test::new(LIFETIME);
    for _ in 0..3 {
        assert!(!test.needs_no_hash(1, seconds(0), Verdict::Wrong));
        let (failed, has_hashed) = test.check(1, seconds(0), Err(HashError::Busy));
        assert!(matches!(failed, Err(Refused::Hash(HashError::Busy))) && has_hashed);
    }
    assert_eq!(test.remembered(), 0);
}

#[test]
fn a_lifetime_of_zero_caches_nothing() {
    let test = Test::new(Duration::ZERO);
    for _ in 0..3 {
        assert!(!test.needs_no_hash(1, seconds(0), Verdict::Right));
    }
    assert_eq!(test.remembered(), 0);
}

#[test]
fn the_oldest_entries_are_evicted_at_the_limit() {
    let test = Test::new(LIFETIME);
    for number in 0..100_000 {
        assert!(!test.needs_no_hash(number, Duration::from_micros(number), Verdict::Right));
        assert!(test.remembered() <= MAX_PROVED);
    }
    assert_eq!(test.remembered(), MAX_PROVED);
    assert_eq!(test.cache.lock().in_flight.len(), 0);
    let oldest = 100_000 - MAX_PROVED as u64;
    assert!(test.needs_no_hash(oldest, seconds(1), Verdict::Wrong));
    assert!(test.needs_no_hash(99_999, seconds(1), Verdict::Wrong));
    assert!(!test.needs_no_hash(oldest - 1, seconds(1), Verdict::Wrong));
}

#[test]
fn expired_entries_are_evicted_first() {
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
fn the_limiter_is_charged_for_a_hash_and_refunded_unless_the_password_is_wrong() {
    let test = Test::new(LIFETIME);
    assert!(!test.needs_no_hash(1, seconds(0), Verdict::Wrong));
    assert_eq!(test.attempt.asked(), (0, 1, 0));
    let (busy, _) = test.check(1, seconds(0), Err(HashError::Busy));
    assert!(busy.is_err());
    assert_eq!(test.attempt.asked(), (0, 2, 1));
    assert!(!test.needs_no_hash(1, seconds(0), Verdict::RightButOutdated));
    assert_eq!(test.attempt.asked(), (0, 3, 2));
    assert!(test.needs_no_hash(1, seconds(0), Verdict::Wrong));
    assert_eq!(test.attempt.asked(), (1, 3, 2), "what is known is only asked for");
}

#[test]
fn a_rate_limited_check_is_rejected_though_it_is_cached_and_starts_no_hash() {
    let test = Test::new(LIFETIME);
    assert!(!test.needs_no_hash(1, seconds(0), Verdict::Right));
    test.attempt.is_closed.set(true);
    for number in [1, 2] {
        let (refused, has_hashed) = test.check(number, seconds(1), Ok(Verdict::Right));
        assert!(matches!(refused, Err(Refused::Closed)) && !has_hashed);
    }
    assert_eq!(test.attempt.asked(), (1, 1, 1));
    test.attempt.is_closed.set(false);
    assert!(!test.needs_no_hash(2, seconds(1), Verdict::Right), "nothing stays under way");
    assert!(test.needs_no_hash(1, seconds(1), Verdict::Wrong));
    assert_eq!(test.semaphore.acquired(), 0);
}

#[test]
fn a_rate_limited_check_joins_no_check_in_flight() {
    let test = Test::new(LIFETIME);
    let joined = Cell::new(None);
    let verify = |_: &_, (): &()| {
        test.attempt.is_closed.set(true);
        joined.set(Some(test.check(1, seconds(0), Ok(Verdict::Right))));
        Ok(Verdict::Right)
    };
    let first = check(&test.cache, 1, test.start, &test.attempt, &test.semaphore, verify);
    assert!(matches!(first, Ok(Verdict::Right)));
    let (refused, has_hashed) = joined.take().unwrap();
    assert!(matches!(refused, Err(Refused::Closed)) && !has_hashed);
}

#[test]
fn a_check_without_a_permit_is_charged_nothing_and_reads_nothing() {
    let test = Test { semaphore: Semaphore::new(0), ..Test::new(LIFETIME) };
    let (busy, has_hashed) = test.check(1, seconds(0), Ok(Verdict::Right));
    assert!(matches!(busy, Err(Refused::Hash(HashError::Busy))) && !has_hashed);
    assert_eq!(test.attempt.asked(), (0, 1, 1), "what was charged is refunded");
    assert_eq!(test.attempt.reads.get(), 0);
}

#[test]
fn a_check_that_is_rejected_by_the_limiter_or_the_queue_reads_nothing_of_the_user() {
    let test = Test::new(LIFETIME);
    test.attempt.is_closed.set(true);
    assert!(matches!(test.check(1, seconds(0), Ok(Verdict::Right)).0, Err(Refused::Closed)));
    test.attempt.is_closed.set(false);
    let Test { cache, semaphore, attempt, start } = &test;
    let full = || Err::<(), _>(HashError::Busy);
    let busy = cache.check(key(1), *start, attempt, semaphore, full, |_, ()| panic!("there is no slot"));
    assert!(matches!(busy, Err(Refused::Hash(HashError::Busy))));
    assert_eq!((attempt.asked(), attempt.reads.get()), ((0, 1, 1), 0));
    assert!(!test.needs_no_hash(1, seconds(0), Verdict::Wrong), "nothing stays in flight");
    assert_eq!(attempt.reads.get(), 1);
}

#[test]
fn a_proof_for_another_stored_hash_is_not_used() {
    let test = Test::new(LIFETIME);
    assert!(!test.needs_no_hash(1, seconds(0), Verdict::Right));
    test.attempt.generation.set(Some(2));
    assert!(!test.needs_no_hash(1, seconds(1), Verdict::Wrong), "a wrong verdict leaves what was proved");
    test.attempt.generation.set(None);
    assert!(!test.needs_no_hash(1, seconds(1), Verdict::Wrong), "the user is gone, or disabled");
    test.attempt.generation.set(Some(1));
    assert!(test.needs_no_hash(1, seconds(1), Verdict::Wrong));
    test.attempt.generation.set(Some(2));
    assert!(!test.needs_no_hash(1, seconds(2), Verdict::Right));
    assert!(test.needs_no_hash(1, seconds(3), Verdict::Wrong));
}

#[test]
fn a_check_that_joined_one_for_another_stored_hash_hashes_itself() {
    for (first, second) in [(Verdict::Wrong, Verdict::Right), (Verdict::Right, Verdict::Wrong)] {
        let Test { cache, semaphore, start, .. } = Test::new(LIFETIME);
        thread::scope(|scope| {
            let mut joined = None;
            let old = TestAttempt::of(1);
            let leader = check(&cache, 1, start, &old, &semaphore, |_, ()| {
                joined = Some(scope.spawn(|| {
                    // The password was changed after the first check has read the row.
                    let new = TestAttempt::of(2);
                    let verdict = check(&cache, 1, start, &new, &semaphore, |_, ()| Ok(second));
                    (verdict.unwrap(), new.asked())
                }));
                while semaphore.acquired() < 2 {
                    thread::yield_now();
                }
                Ok(first)
            });
            assert_eq!(leader.unwrap(), first);
            let (verdict, (_, charged, refunded)) = joined.unwrap().join().unwrap();
            assert_eq!((verdict, charged - refunded), (second, usize::from(second == Verdict::Wrong)));
        });
    }
}

#[test]
fn a_panic_leaves_the_charge_and_no_check_in_flight() {
    let test = Test::new(LIFETIME);
    let panicking = |_: &_, (): &()| panic!("as the test wants it");
    let check = || check(&test.cache, 1, test.start, &test.attempt, &test.semaphore, panicking);
    assert!(panic::catch_unwind(AssertUnwindSafe(check)).is_err());
    assert_eq!(test.attempt.asked(), (0, 1, 0));
    assert_eq!(test.semaphore.acquired(), 0);
    assert!(!test.needs_no_hash(1, seconds(0), Verdict::Right));
}

/// Makes this many identical checks while the first of them hashes. Returns what each got, how many wrong
/// verdicts were charged and not refunded, and how many hashed.
fn share(lifetime: Duration, found: fn() -> Result<Verdict, HashError>) -> (Vec<String>, usize, usize) {
    const ASKING: usize = 32;
    let Test { cache, semaphore, start, .. } = Test::new(lifetime);
    let hashed = AtomicUsize::new(0);
    let verify = |_: &_, (): &()| {
        hashed.fetch_add(1, Ordering::SeqCst);
        while semaphore.acquired() < ASKING {
            thread::yield_now();
        }
        found()
    };
    let results = crate::tests::at_once(ASKING, |_| {
        let attempt = TestAttempt::of(1);
        let check = || check(&cache, 1, start, &attempt, &semaphore, verify);
        let result = match panic::catch_unwind(AssertUnwindSafe(check)) {
            Ok(result) => format!("{result:?}"),
            Err(_) => "panicked".into(),
        };
        let (_, charged, refunded) = attempt.asked();
        (result, charged - refunded)
    });
    assert_eq!((semaphore.acquired(), cache.lock().in_flight.len()), (0, 0));
    let charged = results.iter().map(|(_, charged)| charged).sum();
    let mut results: Vec<String> = results.into_iter().map(|(result, _)| result).collect();
    results.sort();
    (results, charged, hashed.into_inner())
}

#[test]
fn identical_checks_at_once_share_one_hash_and_each_wrong_verdict_is_charged() {
    for lifetime in [LIFETIME, Duration::ZERO] {
        let all = |text: &str, charged| (vec![String::from(text); 32], charged, 1);
        assert_eq!(share(lifetime, || Ok(Verdict::Right)), all("Ok(Right)", 0));
        assert_eq!(share(lifetime, || Ok(Verdict::Wrong)), all("Ok(Wrong)", 32));
        assert_eq!(share(lifetime, || Ok(Verdict::Unusable)), all("Ok(Unusable)", 32));
        assert_eq!(share(lifetime, || Err(HashError::Busy)), all("Err(Hash(Busy))", 0));
    }
}

#[test]
fn one_of_the_checks_that_share_an_outdated_hash_replaces_it() {
    let (told, _, hashes) = share(LIFETIME, || Ok(Verdict::RightButOutdated));
    assert_eq!(hashes, 1);
    assert_eq!(told.iter().filter(|told| *told == "Ok(RightButOutdated)").count(), 1);
    assert_eq!(told.iter().filter(|told| *told == "Ok(Right)").count(), 31);
}

#[test]
fn a_panic_wakes_the_waiting_checks() {
    let (told, _, hashes) = share(LIFETIME, || panic!("as the test wants it"));
    assert_eq!(hashes, 1);
    assert_eq!(told.iter().filter(|told| *told == "panicked").count(), 1);
    assert_eq!(told.iter().filter(|told| *told == "Err(Hash(Busy))").count(), 31);
}

#[test]
fn every_part_of_a_check_is_in_its_key() {
    let cache = PasswordCache::new(LIFETIME).unwrap();
    let here = Client::Ip("192.0.2.1".parse().unwrap());
    let key_of = |cache: &PasswordCache, username, password: &str, client| {
        let password = &Secret::new(password.into());
        cache.key(&Check { username, password, client, is_remembered: false })
    };
    let key = |username, password, client| key_of(&cache, username, password, client);
    let keys = [
        key("ok", "python", here),
        key("ok", "ruby", here),
        key("OK", "python", here),
        key("okp", "ython", here), // a byte moved from one part to the next
        key("o", "kpython", here),
        key("", "okpython", here),
        key("ok", "python", Client::Local),
        key("ok", "python", Client::Ip("192.0.2.2".parse().unwrap())),
    ];
    for (number, one) in keys.iter().enumerate() {
        assert!(keys[..number].iter().all(|other| one != other), "{number}");
    }
    assert!(keys[0] == key("ok", "python", here));
    assert!(keys[0] == key("ok", "python", Client::Ip("::ffff:192.0.2.1".parse().unwrap())));
    let other_process = PasswordCache::new(LIFETIME).unwrap();
    assert!(keys[0] != key_of(&other_process, "ok", "python", here));
}

#[test]
fn a_verdict_applies_to_one_stored_hash_and_generation() {
    let cache = PasswordCache::new(LIFETIME).unwrap();
    let fingerprint = |generation| {
        let attempt = TestAttempt { generation: Cell::new(generation), ..TestAttempt::default() };
        cache.fingerprint(&attempt, &attempt.generation.get())
    };
    assert_eq!(fingerprint(None), None);
    assert_eq!(fingerprint(Some(1)), fingerprint(Some(1)));
    assert_ne!(fingerprint(Some(1)), fingerprint(Some(2)));
}
