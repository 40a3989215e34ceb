//! The limiter: what it promises, over random sequences and at once.
//!
//! The sequences are checked against buckets of the test's own: exact ones, one a key, that know nothing of
//! tables, hashes or restarts.

use super::super::{RateLimit, SavedError, table};
use super::*;
use crate::clock;
use crate::tests::at_once;
use crate::tests::mutations::Random;
use std::collections::BTreeMap;
use std::string::{String, ToString as _};

const KEY: [u8; 32] = [7; 32];

fn rules() -> Rules {
    Rules {
        attempts_per_address: RateLimit::new(12, 60),
        attempts_per_user: RateLimit::new(15, 120),
        attempts_per_user_and_address: RateLimit::new(4, 240),
        registrations_per_address: RateLimit::new(3, 60),
        lookups_per_address: RateLimit::new(5, 1),
    }
}

fn limiter(now: Instant) -> Limiter {
    Limiter::new(&rules(), SigningKey::new(&KEY).unwrap(), now)
}

fn client(address: &str) -> Client {
    Client::at(address.parse().unwrap())
}

fn stranger<'a>(address: &str, username: &'a str) -> PasswordAttempt<'a> {
    PasswordAttempt { client: client(address), username, is_remembered: false }
}

/// How many wrong attempts are let through, if one doesn't stop.
fn failed_attempts(limiter: &Limiter, attempt: PasswordAttempt<'_>, now: Instant) -> usize {
    core::iter::repeat_with(|| limiter.charge(&attempt, now).is_ok())
        .take(1_000)
        .take_while(|admitted| *admitted)
        .count()
}

#[test]
fn failed_attempts_at_a_name_from_one_address_are_limited() {
    let now = clock::monotonic();
    let limiter = limiter(now);
    let alice = stranger("192.0.2.1", "alice");
    assert_eq!(failed_attempts(&limiter, alice, now), 4);
    let refused = limiter.charge(&alice, now).unwrap_err();
    assert_eq!(refused.retry_after, Duration::from_secs(240));
    assert_eq!(
        limiter.check(&alice, true, now),
        Ok(Err(refused)),
        "nor is a password that was just proved looked at"
    );
    assert_eq!(
        limiter.check(&stranger("192.0.2.2", "alice"), true, now),
        Ok(Ok(())),
        "others are not concerned"
    );
    assert_eq!(failed_attempts(&limiter, alice, now + Duration::from_secs(240)), 1);
}

#[test]
fn failed_attempts_from_one_address_are_limited_over_all_names() {
    let now = clock::monotonic();
    let limiter = limiter(now);
    let names: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let admitted = |address: &str| {
        names.iter().filter(|name| limiter.charge(&stranger(address, name), now).is_ok()).count()
    };
    assert_eq!(admitted("192.0.2.1"), 12, "one address, a hundred names");
    assert_eq!(admitted("2001:db8:0:1::1"), 12);
    assert_eq!(admitted("2001:db8:0:1:ffff::"), 0, "the same /64");
    let networks = (2..100).map(|subnet| admitted(&std::format!("2001:db8:0:{subnet:x}::1"))).sum::<usize>();
    assert_eq!(networks + 12, 12 * 16, "one /48");
    assert_eq!(admitted("2001:db8:1::1"), 12, "another /48");
}

#[test]
fn many_addresses_share_the_limit_of_a_name_and_its_user_logs_in_at_a_remembered_address() {
    let now = clock::monotonic();
    let limiter = limiter(now);
    let flood =
        |number: u8| failed_attempts(&limiter, stranger(&std::format!("198.51.100.{number}"), "alice"), now);
    assert_eq!((0..=255).map(flood).sum::<usize>(), 15);
    assert_eq!(
        limiter.count_of("alice", now),
        Count { failures: 15, allowed: 15, forgotten_in: Duration::from_secs(15 * 120) }
    );
    let elsewhere = stranger("192.0.2.1", "alice");
    assert!(limiter.charge(&elsewhere, now).is_err());
    let at_home = PasswordAttempt { is_remembered: true, ..elsewhere };
    limiter.charge(&at_home, now).unwrap().refund();
    assert_eq!(
        failed_attempts(&limiter, at_home, now),
        4,
        "who sits at that address may guess as one address may"
    );
}

#[test]
fn a_correct_password_refunds_its_own_charge_only() {
    let now = clock::monotonic();
    let limiter = limiter(now);
    let alice = stranger("192.0.2.1", "alice");
    let mut admitted = 0;
    for _ in 0..100 {
        if let Ok(own) = limiter.charge(&stranger("192.0.2.1", "mallory"), now) {
            own.refund();
        }
        admitted += usize::from(limiter.charge(&alice, now).is_ok());
    }
    assert_eq!(admitted, 4);
}

#[test]
fn concurrent_attempts_do_not_exceed_the_limit() {
    let now = clock::monotonic();
    let limiter = limiter(now);
    let admitted = at_once(32, |_| failed_attempts(&limiter, stranger("192.0.2.1", "alice"), now));
    assert_eq!(admitted.into_iter().sum::<usize>(), 4);
    let held: Vec<_> = (0..15)
        .filter_map(|number| {
            limiter.charge(&stranger(&std::format!("192.0.2.{}", 100 + number), "bob"), now).ok()
        })
        .collect();
    assert_eq!(held.len(), 15);
    assert!(limiter.charge(&stranger("192.0.2.9", "bob"), now).is_err(), "while they are being checked");
    held.into_iter().for_each(Charged::refund);
    assert!(limiter.charge(&stranger("192.0.2.9", "bob"), now).is_ok());
}

#[test]
fn registrations_and_lookups_have_buckets_of_their_own() {
    let now = clock::monotonic();
    let limiter = limiter(now);
    let here = client("192.0.2.1");
    let registered = (0..10).filter(|_| limiter.charge_registration(here, now).is_ok()).count();
    let looked_up = (0..10).filter(|_| limiter.charge_lookup(here, true, now).unwrap().is_ok()).count();
    assert_eq!((registered, looked_up), (3, 5));
    let refused = limiter.charge_lookup(here, true, now).unwrap().unwrap_err().to_string();
    assert_eq!(refused, "too many look-ups from this address or network; again in 1 s");
    assert_eq!(failed_attempts(&limiter, stranger("192.0.2.1", "alice"), now), 4);
}

#[test]
fn a_restart_keeps_the_counters() {
    let now = clock::monotonic();
    let before = limiter(now);
    let alice = stranger("192.0.2.1", "alice");
    let _under_way = before.charge(&alice, now).unwrap();
    assert_eq!(failed_attempts(&before, alice, now), 3);
    let saved = before.save(now);
    let restored = |saved: &[u8], elapsed: u64| {
        let after = limiter(now);
        after.restore(saved, Duration::from_secs(elapsed), now).map(|()| failed_attempts(&after, alice, now))
    };
    assert_eq!(restored(&saved, 0), Ok(0), "what was being checked counts as wrong");
    assert_eq!(restored(&saved, 239), Ok(0));
    assert_eq!(restored(&saved, 240), Ok(1));
    assert_eq!(restored(&saved, 10_000), Ok(4));
    for damaged in [&saved[..saved.len() - 1], &saved[1..], &[], &[saved.as_slice(), &[9; 13]].concat()] {
        assert_eq!(restored(damaged, 0), Err(SavedError));
    }
}

#[test]
fn unchanged_counters_are_not_saved() {
    let now = clock::monotonic();
    let limiter = limiter(now);
    assert_eq!(limiter.save_changed(now), None);
    limiter.charge(&stranger("192.0.2.1", "alice"), now).unwrap().refund();
    assert_eq!(limiter.save_changed(now), None, "a right password changes nothing");
    drop(limiter.charge(&stranger("192.0.2.1", "alice"), now));
    assert_eq!(limiter.save_changed(now), Some(limiter.save(now)));
    assert_eq!(limiter.save_changed(now), None);
    limiter.restore(&Limiter::empty_save(), Duration::ZERO, now).unwrap();
    assert_eq!(limiter.save(now), Limiter::empty_save());
    assert_eq!(limiter.save_changed(now), None);
}

#[test]
fn a_refund_after_a_save_is_saved() {
    let now = clock::monotonic();
    let limiter = limiter(now);
    let charged = limiter.charge(&stranger("192.0.2.1", "alice"), now).unwrap();
    assert_ne!(limiter.save(now), Limiter::empty_save());
    charged.refund();
    assert_eq!(limiter.save_changed(now), Some(Limiter::empty_save()));
}

#[test]
fn memory_is_bounded() {
    let now = clock::monotonic();
    let limiter = limiter(now);
    for number in 0..100_000_u32 {
        let client = Client::at(core::net::Ipv4Addr::from_bits(number).into());
        let username = number.to_string();
        drop(limiter.charge(&PasswordAttempt { client, username: &username, is_remembered: false }, now));
    }
    // Nothing is pending, and the levels are in a fixed number of cells.
    let cells = KINDS.len() * table::ROWS * table::WIDTH;
    assert!(limiter.save(now).len() <= 6 + 13 * cells);
    for (table, kind) in limiter.lock().iter().zip(KINDS) {
        assert_eq!(table.pending_cells(), 0, "{kind:?}");
    }
}

/// An exact bucket: how much is in it, and since when.
#[derive(Default)]
struct Bucket(BTreeMap<String, (f64, f64)>);

impl Bucket {
    /// Pours one attempt in and says how full the bucket is then.
    fn pour(&mut self, key: String, every: f64, at: f64) -> f64 {
        let (level, since) = self.0.get(&key).copied().unwrap_or((0.0, at));
        let level = (level - (at - since).max(0.0) / every).max(0.0) + 1.0;
        self.0.insert(key, (level, at));
        level
    }
}

/// Who may do what in a random sequence: some share a /64, some a /48.
const ADDRESSES: [&str; 8] = [
    "192.0.2.1",
    "192.0.2.2",
    "::ffff:192.0.2.2",
    "2001:db8:0:1::1",
    "2001:db8:0:1::2",
    "2001:db8:0:2::1",
    "2001:db8:0:3::1",
    "2001:db8:1::1",
];
const NAMES: [&str; 5] = ["alice", "bob", "carol", "absent", ""];

/// Alice has logged in from the first address before, bob from the second.
fn is_remembered(address: &str, name: &str) -> bool {
    [("192.0.2.1", "alice"), ("192.0.2.2", "bob"), ("::ffff:192.0.2.2", "bob")].contains(&(address, name))
}

/// Every key that an attempt counts under, with its allowance and how many times that.
fn keys(address: &str, name: &str) -> Vec<(String, RateLimit, u32)> {
    let rules = rules();
    let prefix = std::format!("{:?}", client(address).prefix());
    let pair = std::format!("{prefix} {name:?}");
    if is_remembered(address, name) {
        return std::vec![(std::format!("remembered {pair}"), rules.attempts_per_user_and_address, 1)];
    }
    let network = client(address)
        .network()
        .map(|network| (std::format!("{network:?}"), rules.attempts_per_address, 16));
    [
        (std::format!("name {name:?}"), rules.attempts_per_user, 1),
        (pair, rules.attempts_per_user_and_address, 1),
        (prefix, rules.attempts_per_address, 1),
    ]
    .into_iter()
    .chain(network)
    .collect()
}

#[test]
fn no_sequence_of_attempts_exceeds_a_limit() {
    for seed in 0..8 {
        let mut random = Random(seed);
        let start = clock::monotonic();
        let mut limiter = limiter(start);
        let (mut now, mut buckets) = (start, Bucket::default());
        let mut refused = 0;
        for step in 0..2_000 {
            let (address, name) =
                (ADDRESSES[random.below(ADDRESSES.len())], NAMES[random.below(NAMES.len())]);
            let attempt = PasswordAttempt {
                client: client(address),
                username: name,
                is_remembered: is_remembered(address, name),
            };
            match random.below(100) {
                // Some of these are right, or the server is busy.
                0..20 => {
                    if let Ok(charged) = limiter.charge(&attempt, now) {
                        charged.refund();
                    }
                }
                20..25 => now += Duration::from_millis(random.next() % 120_000),
                25 => {
                    // A restart, while others wait.
                    let elapsed = Duration::from_millis(random.next() % 5_000);
                    let saved = limiter.save(now);
                    now += elapsed;
                    limiter = self::limiter(now);
                    limiter.restore(&saved, elapsed, now).unwrap();
                }
                _ => match limiter.charge(&attempt, now) {
                    Err(_) => refused += 1,
                    Ok(_wrong) => {
                        for (key, RateLimit { burst, every }, times) in keys(address, name) {
                            let every = every.as_secs_f64() / f64::from(times);
                            let level = buckets.pour(key, every, (now - start).as_secs_f64());
                            // A millisecond here and there is lost in rounding.
                            let most = f64::from(burst * times) + 0.01;
                            assert!(
                                level <= most,
                                "seed {seed}, step {step}: {level} attempts for {address} {name}"
                            );
                        }
                    }
                },
            }
        }
        assert!(refused > 100, "seed {seed}: the sequence tried too little");
    }
}

/// One user at one address, where the user logs in now and then and a guesser attempts: what the store says
/// of the address changes, may be late, and is forgotten, and checks are in flight meanwhile.
#[test]
fn no_interleaving_with_logins_of_the_user_exceeds_a_limit() {
    let RateLimit { burst, every } = rules().attempts_per_user_and_address;
    let alice = stranger("192.0.2.1", "alice");
    for seed in 0..32 {
        let mut random = Random(seed);
        let start = clock::monotonic();
        let (mut now, limiter) = (start, Limiter::new(&rules(), SigningKey::new(&KEY).unwrap(), start));
        let (mut exact, mut in_flight) = (Bucket::default(), Vec::new());
        let (mut promoted, mut is_remembered) = (None::<Instant>, false);
        let (mut attempts, mut promotions) = (0, 0);
        for step in 0..3_000 {
            let is_fresh = promoted.is_some_and(|at| now - at < Duration::from_secs(60));
            // A check that asked the store before the login.
            let is_late = is_fresh && random.below(2) == 0;
            let attempt = PasswordAttempt { is_remembered: is_remembered && !is_late, ..alice };
            match random.below(10) {
                0 => {
                    if let Ok(charged) = limiter.charge(&attempt, now) {
                        charged.refund();
                        if !attempt.is_remembered {
                            limiter.promote(alice.client, alice.username, now);
                            (promoted, is_remembered, promotions) = (Some(now), true, promotions + 1);
                        }
                    }
                }
                1 if !is_fresh => is_remembered = false,
                2 => in_flight.clear(), // all were wrong
                3 => now += Duration::from_millis(random.next() % 240_000),
                _ => {
                    if let Ok(wrong) = limiter.charge(&attempt, now) {
                        in_flight.push(wrong);
                        attempts += 1;
                        let level =
                            exact.pour(String::new(), every.as_secs_f64(), (now - start).as_secs_f64());
                        assert!(level <= f64::from(burst) + 0.01, "seed {seed}, step {step}: {level}");
                    }
                }
            }
        }
        assert!(attempts > 50 && promotions > 5, "seed {seed}: {attempts} attempts, {promotions} promotions");
    }
}

#[test]
fn failures_before_the_first_login_at_an_address_count_after_it() {
    let now = clock::monotonic();
    let limiter = limiter(now);
    let alice = stranger("192.0.2.1", "alice");
    for _ in 0..3 {
        drop(limiter.charge(&alice, now).unwrap());
    }
    limiter.charge(&alice, now).unwrap().refund();
    limiter.promote(alice.client, alice.username, now);
    let at_home = PasswordAttempt { is_remembered: true, ..alice };
    assert_eq!(failed_attempts(&limiter, at_home, now), 1);
    assert_eq!(failed_attempts(&limiter, alice, now), 0, "a check that asked the store before the login");
    let later = now + Duration::from_secs(60);
    assert_eq!(failed_attempts(&limiter, alice, later), 0, "the address was forgotten again");
    assert_eq!(failed_attempts(&limiter, stranger("192.0.2.1", "bob"), now), 4, "others are not concerned");
}

#[test]
fn no_sequence_of_others_limits_a_user_at_a_remembered_address() {
    for seed in 0..8 {
        let mut random = Random(seed);
        let mut now = clock::monotonic();
        let limiter = limiter(now);
        let alice = PasswordAttempt { is_remembered: true, ..stranger("192.0.2.1", "alice") };
        for step in 0..2_000 {
            let (address, name) =
                (ADDRESSES[random.below(ADDRESSES.len())], NAMES[random.below(NAMES.len())]);
            // Other clients, also at the same address for another name.
            if !is_remembered(address, name) {
                drop(limiter.charge(&stranger(address, name), now));
            }
            now += Duration::from_millis(random.next() % 100);
            let right = limiter.charge(&alice, now);
            right.unwrap_or_else(|refused| panic!("seed {seed}, step {step}: {refused}")).refund();
        }
        assert!(
            limiter.charge(&stranger("192.0.2.1", "absent"), now).is_err(),
            "the others had used theirs up"
        );
    }
}
