//! Rate limiting through the routes and across restarts, without account lockout.

use crate::fuzz::mutations::Random;
use crate::harness::{CHEAP, TestRealm, basic, error, header, json_request, object, text};
use crate::process::{Server, status, written};
use gatekey::client::Client;
use gatekey::clock::{self, Now};
use gatekey::data_dir::{DATABASE, DataDir};
use gatekey::hashing::Hasher;
use gatekey::http::{Request, Response};
use gatekey::limiter::{RateLimit, Rules};
use gatekey::realm::{Policy, Realm, UserLookup};
use gatekey::store::Reads;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const HOME: &str = "192.0.2.1";
const ELSEWHERE: &str = "198.51.100.1";

fn rules() -> Rules {
    Rules {
        attempts_per_address: RateLimit::new(40, 60),
        attempts_per_user: RateLimit::new(20, 300),
        attempts_per_user_and_address: RateLimit::new(10, 600),
        registrations_per_address: RateLimit::new(6, 60),
        lookups_per_address: RateLimit::new(5, 1),
    }
}

fn throttled() -> TestRealm {
    TestRealm::throttled(Policy { rate_limits: Some(rules()), ..Policy::default() })
}

fn from(address: &str, request: Request) -> Request {
    request.from_peer(Client::at(address.parse().unwrap()))
}

fn log_in(address: &str, username: &str, password: &str) -> Request {
    let request =
        Request::new("GET", "/api/resource").with_header("Authorization", basic(username, password));
    from(address, request)
}

/// Shows wrong passwords, each another one, until one is not looked at any more; how many were.
fn guess(test: &TestRealm, address: &str, username: &str) -> usize {
    let wrong = |number| test.send(&log_in(address, username, &format!("guess {number}"))).status;
    (0..1_000).map(wrong).take_while(|status| *status == 401).count()
}

#[test]
fn too_many_wrong_passwords_are_a_429_for_the_right_one_too() {
    let test = throttled();
    test.add_user("ok", "python");
    assert_eq!(guess(&test, ELSEWHERE, "ok"), 10);
    let hashes = test.realm.hashes();
    for password in ["python", "ruby"] {
        let refused = test.send(&log_in(ELSEWHERE, "ok", password));
        assert_eq!(error(&refused), (429, "throttled".into()));
        assert_eq!(header(&refused, "Retry-After"), Some("600"));
        let message =
            r#"{"error":"throttled","message":"Too many passwords were wrong; try again in 600 s."}"#;
        assert_eq!(text(&refused), message);
    }
    assert_eq!(test.realm.hashes(), hashes, "nothing was hashed");
    test.advance(Duration::from_secs(600));
    assert_eq!(test.send(&log_in(ELSEWHERE, "ok", "python")).status, 200);
}

#[test]
fn a_429_to_a_client_on_this_machine_explains_the_shared_limit() {
    let test = throttled();
    test.add_user("ok", "python");
    assert_eq!(guess(&test, "127.0.0.1", "ok"), 10);
    let rejected = test.send(&log_in("127.0.0.1", "ok", "python"));
    assert_eq!(error(&rejected), (429, "throttled".into()));
    assert!(text(&rejected).contains("share one limit, unless the app is a trusted proxy (--trusted-proxy)"));
}

/// The obvious app asks for its users by their passwords, from one address.
#[test]
fn a_limit_that_users_of_one_app_share_is_logged_once() {
    let server = Server::start(&["--throttle", "on", "--guesses-per-user-and-address", "2/10m"]);
    assert_eq!(status(&server.register("ok", "python")), 201);
    assert_eq!(server.login("ok", "python"), 200);
    let statuses = ["a", "b", "c", "d"].map(|wrong| server.login("ok", wrong));
    assert_eq!(statuses, [401, 401, 429, 429]);
    let log = server.stop().1;
    assert_eq!(log.matches("they share one limit: let it send X-Forwarded-For").count(), 1, "{log}");
}

#[test]
fn an_unknown_user_is_rate_limited_like_a_known_one() {
    let test = throttled();
    test.add_user("ok", "python");
    test.add_user("disabled", "python");
    let disabled = test.realm.find_user_by_name("disabled").unwrap().unwrap();
    test.realm.set_disabled(disabled.id, true).unwrap();
    let answers = ["ok", "absent", "disabled"].map(|name| {
        let address = format!("192.0.2.{}", name.len());
        let guesses = guess(&test, &address, name);
        let Response { status, headers, body, .. } = test.send(&log_in(&address, name, "python"));
        (guesses, status, headers, body)
    });
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
    assert_eq!((answers[0].0, answers[0].1), (10, 429));
}

#[test]
fn a_flood_against_a_name_locks_no_user_out_of_a_remembered_address() {
    let test = throttled();
    test.add_user("ok", "python");
    let token = test.token("ok", "python");
    assert_eq!(
        test.send(&log_in(HOME, "ok", "python")).status,
        200,
        "from here on, the address is remembered"
    );
    let flood: usize = (0..50).map(|number| guess(&test, &format!("198.51.100.{number}"), "ok")).sum();
    assert_eq!(flood, 20);
    assert_eq!(test.send(&log_in(ELSEWHERE, "ok", "python")).status, 429);
    assert_eq!(test.send(&log_in(HOME, "ok", "python")).status, 200);
    assert_eq!(test.bearer("GET", "/api/resource", &token).status, 200);
    assert_eq!(test.bearer("GET", "/api/token", &token).status, 200);
}

#[test]
fn an_address_is_remembered_for_90_days_and_eight_of_them() {
    let test = throttled();
    test.add_user("ok", "python");
    let day = Duration::from_secs(86_400);
    let is_known = |address: &str| {
        // The name's counter is full: only those who are remembered come in.
        while (0..50).any(|number| guess(&test, &format!("203.0.113.{number}"), "ok") > 0) {}
        test.send(&log_in(address, "ok", "python")).status == 200
    };
    assert_eq!(test.send(&log_in(HOME, "ok", "python")).status, 200);
    test.advance(day * 89);
    assert!(is_known(HOME));
    test.advance(day * 90);
    assert!(!is_known(HOME), "since the last login");

    test.advance(day);
    for number in 1..=9 {
        assert_eq!(test.send(&log_in(&format!("192.0.2.{number}"), "ok", "python")).status, 200);
        test.advance(Duration::from_secs(1));
    }
    test.advance(Duration::from_secs(60)); // for so long the limiter itself remembers a first login at an address
    let known = (1..=9).filter(|number| is_known(&format!("192.0.2.{number}"))).count();
    assert_eq!(known, 8);
    assert!(!is_known("192.0.2.1"), "the oldest made room");
}

#[test]
fn the_password_cache_confirms_no_guess_beyond_the_rate_limit() {
    let directory = tempfile::tempdir().unwrap();
    let now = clock::now();
    let realm = open(directory.path(), now);
    let send = |request: &Request| crate::harness::dispatch(&realm, request, now);
    let body = r#"{"username":"ok","password":"python"}"#;
    assert_eq!(send(&json_request("POST", "/api/users", body)).status, 201);
    assert_eq!(send(&log_in(HOME, "ok", "python")).status, 200);
    let wrong =
        (0..100).filter(|number| send(&log_in(HOME, "ok", &number.to_string())).status == 401).count();
    assert_eq!(wrong, 10);
    let hashes = realm.hashes();
    assert_eq!(send(&log_in(HOME, "ok", "python")).status, 429, "though it needs no hash");
    assert_eq!(realm.hashes(), hashes);
}

#[test]
fn a_users_first_login_at_an_address_does_not_reset_its_rate_limit() {
    let test = throttled();
    test.add_user("ok", "python");
    let wrong = |number: u32| test.send(&log_in(HOME, "ok", &format!("guess {number}"))).status;
    assert_eq!((0..9).map(wrong).collect::<Vec<_>>(), [401; 9]);
    assert_eq!(test.send(&log_in(HOME, "ok", "python")).status, 200, "remembered from here on");
    assert_eq!((9..12).map(wrong).collect::<Vec<_>>(), [401, 429, 429]);
    test.advance(Duration::from_secs(600));
    assert_eq!(test.send(&log_in(HOME, "ok", "python")).status, 200);
    assert_eq!((12..14).map(wrong).collect::<Vec<_>>(), [401, 429]);
}

#[test]
fn identical_concurrent_wrong_passwords_are_each_charged() {
    let directory = tempfile::tempdir().unwrap();
    let now = clock::now();
    let realm = open(directory.path(), now);
    for name in ["ok", "absent"] {
        if name == "ok" {
            let body = r#"{"username":"ok","password":"python"}"#;
            let registered = crate::harness::dispatch(&realm, &json_request("POST", "/api/users", body), now);
            assert_eq!(registered.status, 201);
        }
        let refused = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| {
                    let status =
                        crate::harness::dispatch(&realm, &log_in(ELSEWHERE, name, "ruby"), now).status;
                    assert!([401, 429].contains(&status), "{status}");
                    refused.fetch_add(usize::from(status == 401), Ordering::Relaxed);
                });
            }
        });
        assert_eq!(refused.into_inner(), 10, "{name}");
    }
}

#[test]
fn every_route_that_takes_a_password_is_rate_limited_and_tokens_are_not() {
    let test = throttled();
    let user = test.add_user("ok", "python");
    let wrong = |request: Request| request.with_header("Authorization", basic("ok", "ruby"));
    let change = json_request("PUT", &user, r#"{"password":"another"}"#);
    let requests = [
        Request::new("GET", "/api/resource"),
        Request::new("GET", "/api/token"),
        Request::new("DELETE", "/api/token"),
        change,
        Request::new("DELETE", &user),
    ];
    for request in &requests {
        for _ in 0..2 {
            assert_eq!(test.send(&wrong(request.clone())).status, 401);
        }
    }
    for request in requests {
        assert_eq!(test.send(&wrong(request)).status, 429);
    }
    for _ in 0..100 {
        assert_eq!(test.bearer("GET", "/api/resource", &"x".repeat(100)).status, 401);
    }
}

#[test]
fn registrations_and_lookups_are_rate_limited_per_address() {
    let test = throttled();
    let register = |address: &str, name: &str| {
        let body = format!(r#"{{"username":"{name}","password":"python"}}"#);
        test.send(&from(address, json_request("POST", "/api/users", &body)))
    };
    for number in 0..5 {
        assert_eq!(register(HOME, &format!("user {number}")).status, 201);
    }
    assert_eq!(error(&register(HOME, "user 0")), (400, "username_taken".into()));
    let refused = register(HOME, "user 0");
    assert_eq!(error(&refused), (429, "throttled".into()), "else one could ask who is here");
    assert_eq!(header(&refused, "Retry-After"), Some("60"));
    assert_eq!(
        error(&register(HOME, "a:b")),
        (400, "invalid_username".into()),
        "what is wrong costs nothing"
    );
    assert_eq!(register(ELSEWHERE, "user 5").status, 201);

    let look_up = |address: &str| test.send(&from(address, Request::new("GET", "/api/users/1"))).status;
    assert_eq!((0..6).map(|_| look_up(HOME)).collect::<Vec<_>>(), [200, 200, 200, 200, 200, 429]);
    assert_eq!(look_up(ELSEWHERE), 200);
    assert_eq!(guess(&test, HOME, "user 1"), 10, "each is counted by itself");
}

#[test]
fn private_lookups_are_not_charged() {
    let test = TestRealm::throttled(Policy {
        rate_limits: Some(rules()),
        user_lookup: Some(UserLookup::Own),
        ..Policy::default()
    });
    let user = test.add_user("ok", "python");
    let token = test.token("ok", "python");
    for _ in 0..100 {
        assert_eq!(test.send(&Request::new("GET", &user)).status, 401);
    }
    assert_eq!(test.bearer("GET", &user, &token).status, 200);
}

/// Everything that strangers can send, from addresses of which some share a prefix, one with alice.
fn stranger(random: &mut Random) -> Request {
    const ADDRESSES: [&str; 6] =
        [HOME, ELSEWHERE, "198.51.100.2", "2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:1::1"];
    const NAMES: [&str; 4] = ["alice", "bob", "absent", "mallory"];
    let address = ADDRESSES[random.below(ADDRESSES.len())];
    // Who shares alice's address may guess at her password as often as she may be wrong: not her name, from there.
    let names = if address == HOME { &NAMES[1..] } else { &NAMES[..] };
    let name = names[random.below(names.len())];
    let password = ["wrong", "python", "", "mallory's own"][random.below(4)];
    let password = if name == "alice" { "wrong" } else { password };
    let body = format!(r#"{{"username":"{name}{}","password":"{password}"}}"#, random.below(1_000));
    let id = 1 + random.below(4);
    let request = match random.below(8) {
        0 => json_request("POST", "/api/users", &body),
        1 => Request::new("GET", &format!("/api/users/{id}")),
        2 => json_request("PUT", &format!("/api/users/{id}"), r#"{"password":"stolen"}"#),
        3 => Request::new("DELETE", &format!("/api/users/{id}")),
        4 => Request::new("DELETE", "/api/token"),
        _ => Request::new("GET", "/api/resource"),
    };
    from(address, request.with_header("Authorization", basic(name, password)))
}

#[test]
fn no_flood_locks_a_user_out_at_a_remembered_address() {
    for seed in 0..5 {
        let mut random = Random(seed);
        let test = throttled();
        test.add_user("alice", "python");
        assert_eq!(test.send(&log_in(HOME, "alice", "python")).status, 200);
        let mut statuses = BTreeSet::new();
        for step in 0..400 {
            statuses.insert(test.send(&stranger(&mut random)).status);
            test.advance(Duration::from_millis(random.next() % 1_000));
            if step % 10 == 0 {
                let known = test.send(&log_in(HOME, "alice", "python"));
                assert_eq!(known.status, 200, "seed {seed}, step {step}: {}", text(&known));
                let token = test.send(&from(
                    HOME,
                    Request::new("GET", "/api/token").with_header("Authorization", basic("alice", "python")),
                ));
                let token = object(&token)["token"].as_str().unwrap().to_owned();
                let bearer = Request::new("GET", "/api/resource")
                    .with_header("Authorization", format!("Bearer {token}"));
                assert_eq!(test.send(&from(ELSEWHERE, bearer)).status, 200, "seed {seed}, step {step}");
            }
        }
        assert!([201, 401, 429].iter().all(|status| statuses.contains(status)), "{statuses:?}");
    }
}

#[test]
fn concurrent_attempts_do_not_exceed_the_limit() {
    let directory = tempfile::tempdir().unwrap();
    let now = clock::now();
    let realm = open(directory.path(), now);
    let body = r#"{"username":"ok","password":"python"}"#;
    assert_eq!(crate::harness::dispatch(&realm, &json_request("POST", "/api/users", body), now).status, 201);
    let (next, looked_at) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..20 {
                    // Another password each time, and one's own good login in between.
                    let password = next.fetch_add(1, Ordering::Relaxed).to_string();
                    for (address, password) in [(ELSEWHERE, password.as_str()), (HOME, "python")] {
                        let answer = crate::harness::dispatch(&realm, &log_in(address, "ok", password), now);
                        looked_at.fetch_add(usize::from(answer.status == 401), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(looked_at.into_inner(), 10);
    drop(realm);
    let realm = open(directory.path(), now);
    let answer = crate::harness::dispatch(&realm, &log_in(ELSEWHERE, "ok", "python"), now);
    assert_eq!(answer.status, 200, "what was not saved is forgotten");
}

/// A realm with the password cache, as `serve` has it.
fn open(directory: &Path, now: Now) -> Realm {
    let (store, keys) = DataDir::new(directory).open_or_create().unwrap();
    let hasher = Hasher::new(CHEAP.parse().unwrap(), Hasher::DEFAULT_MAX_MEMORY_BYTES).unwrap();
    let policy = Policy { rate_limits: Some(rules()), ..Policy::default() };
    Realm::open(store, keys, hasher, policy, now).unwrap()
}

fn guesses_of(realm: &Realm, now: Now) -> Vec<u64> {
    realm.failed_attempts(None, 1_000, now).unwrap().0.iter().map(|failed| failed.count.failures).collect()
}

#[test]
fn counters_cleared_by_an_administrator_are_not_saved_again_by_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let now = clock::now();
    let (server, command) = (open(directory.path(), now), open(directory.path(), now));
    let body = r#"{"username":"ok","password":"python"}"#;
    crate::harness::dispatch(&server, &json_request("POST", "/api/users", body), now);
    let guess =
        |password: &str| crate::harness::dispatch(&server, &log_in(ELSEWHERE, "ok", password), now).status;
    assert_eq!((guess("1"), guess("2")), (401, 401));
    command.clear_failed_attempts(now).unwrap();
    server.save(now);
    assert_eq!(guesses_of(&open(directory.path(), now), now), Vec::<u64>::new());
    assert_eq!(guess("3"), 401);
    server.save(now);
    assert_eq!(guesses_of(&open(directory.path(), now), now), [1], "what is counted since is saved");
}

#[test]
fn an_idle_realm_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let now = clock::now();
    let realm = open(directory.path(), now);
    realm.save(now);
    let database = rusqlite::Connection::open(directory.path().join(DATABASE)).unwrap();
    let version = || database.query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0)).unwrap();
    let before = version();
    for seconds in 1..5 {
        let later = Duration::from_secs(10 * seconds);
        realm.save(Now { unix: now.unix.saturating_add(later), monotonic: now.monotonic + later });
    }
    assert_eq!(version(), before);
    crate::harness::dispatch(&realm, &log_in(HOME, "absent", "python"), now);
    realm.save(now);
    assert_ne!(version(), before);
}

#[test]
fn clock_rollback_revives_no_token_across_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let start = clock::now();
    let after = |seconds: u64| Now {
        unix: start.unix.saturating_add(Duration::from_secs(seconds)),
        monotonic: start.monotonic + Duration::from_secs(seconds),
    };
    let show = |realm: &Realm, token: &str, now: Now| {
        let request =
            Request::new("GET", "/api/resource").with_header("Authorization", format!("Bearer {token}"));
        crate::harness::dispatch(realm, &request, now).status
    };
    let realm = open(directory.path(), start);
    let user = realm.add_user("ok", &gatekey::secret::Secret::new("python".into()), start.unix).unwrap();
    let user = realm.find_user_by_id(user.id, Reads::PerCall).unwrap().unwrap();
    let token = realm.issue_token(&realm.principal_for_operator(&user, start), start).unwrap().token;
    assert_eq!(show(&realm, &token, after(599)), 200);
    assert_eq!(show(&realm, &token, after(600)), 401, "expired");
    let set_back = Now { unix: start.unix, ..after(601) };
    assert_eq!(show(&realm, &token, set_back), 401, "and it stays so");
    realm.save(set_back);
    drop(realm);

    let realm = open(directory.path(), set_back);
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let notices = told.clone();
    let realm = realm.with_observer(move |notice| notices.lock().unwrap().push(notice.to_string()));
    assert_eq!(show(&realm, &token, set_back), 401, "also after a restart");
    let told = told.lock().unwrap().concat();
    assert!(told.starts_with("the clock is 601 s behind the newest time in the database"), "{told}");
}

#[test]
fn a_restart_keeps_the_counters_and_an_administrator_clears_them() {
    let options = ["--throttle", "on", "--guesses-per-user-and-address", "3/1h", "--scrypt", CHEAP];
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start_in(data.clone(), &options);
    assert_eq!(status(&server.register("ok", "python")), 201);
    let guesses: Vec<_> = (0..4).map(|number| server.login("ok", &number.to_string())).collect();
    assert_eq!(guesses, [401, 401, 401, 429]);
    assert_eq!(server.stop().0, Some(0));
    let server = Server::start_in(data, &options);
    assert_eq!(server.login("ok", "python"), 429);

    let throttle = |command: &str| {
        let (status, out, err) = written(&server.command(&["throttle", command], ""));
        assert_eq!(status, Some(0), "{err}");
        (out, err.contains("no user has failed attempts"))
    };
    let (listed, is_empty) = throttle("list");
    assert!(!is_empty);
    let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["FAILED", "OF", "FORGOTTEN", "NAME"]);
    assert_eq!((lines[1][0], lines[1][1], lines[1][3]), ("3", "100", "ok"), "{listed}");
    assert_eq!(
        throttle("clear").0,
        "forgot every wrong password, registration and look-up that was counted\n"
    );
    assert!(throttle("list").1);
    assert_eq!(server.login("ok", "python"), 200, "the running server sees it at once");
}

/// A server that is killed forgets what was counted since the last save: not that a client is rejected by now.
#[test]
fn a_counter_that_reaches_its_limit_is_saved_at_once() {
    let test = throttled();
    test.add_user("ok", "python");
    let wrong = |number| test.send(&log_in(ELSEWHERE, "ok", &format!("guess {number}"))).status;
    for number in 0..9 {
        assert_eq!((wrong(number), test.realm.is_save_urgent()), (401, false), "{number}");
    }
    assert_eq!((wrong(9), test.realm.is_save_urgent()), (401, true));
    test.realm.save(test.now());
    assert!(!test.realm.is_save_urgent());
    assert_eq!((wrong(10), test.realm.is_save_urgent()), (429, false), "it is full already");
    // Another one on the same store, as after a kill.
    let (store, keys) = DataDir::new(test.directory.path()).open_or_create().unwrap();
    let hasher = Hasher::new(CHEAP.parse().unwrap(), Hasher::DEFAULT_MAX_MEMORY_BYTES).unwrap();
    let policy = Policy { rate_limits: Some(rules()), ..Policy::default() };
    let realm = Realm::open(store, keys, hasher, policy, test.now()).unwrap();
    let answer = crate::harness::dispatch(&realm, &log_in(ELSEWHERE, "ok", "python"), test.now());
    assert_eq!(answer.status, 429);
}

#[test]
fn rate_limits_can_be_turned_off() {
    let server = Server::start(&["--throttle", "off"]);
    assert_eq!(status(&server.register("ok", "python")), 201);
    assert_eq!((0..200).filter(|number| server.login("ok", &number.to_string()) == 401).count(), 200);
}
