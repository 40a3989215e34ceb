//! Ten thousand registrations from eight threads, many of them for the same names at once, each with a login:
//! what was promised then holds after a restart.

use crate::harness::{self, CHEAP, basic, error, header, json_request, object, text};
use gatekey::clock;
use gatekey::data_dir::DataDir;
use gatekey::hashing::Hasher;
use gatekey::http::{Request, Response};
use gatekey::json;
use gatekey::realm::{Policy, Realm};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Barrier;
use std::thread;

const THREADS: usize = 8;
const REGISTRATIONS_PER_THREAD: usize = 1_250;
/// Each so many registrations, all threads want the same name at the same moment.
const CONTESTED_EVERY: usize = 5;

fn open(directory: &Path) -> Realm {
    let (store, keys) = DataDir::new(directory).open_or_create().unwrap();
    let hasher = Hasher::new(CHEAP.parse().unwrap(), Hasher::DEFAULT_MAX_MEMORY_BYTES).unwrap();
    Realm::open(store, keys, hasher, Policy { rate_limits: None, ..Policy::default() }, clock::now()).unwrap()
}

/// What one thread asked for, and what it got.
struct Attempt {
    username: String,
    password: String,
    response: Response,
}

impl Attempt {
    /// A contested name is spelled in two ways, which fold to the same.
    fn new(realm: &Realm, thread: usize, number: usize) -> Self {
        let username = match (number % CONTESTED_EVERY, thread % 2) {
            (0, 0) => format!("contested {number}"),
            (0, _) => format!("CONTESTED {number}"),
            _ => format!("thread {thread} user {number}"),
        };
        let password = format!("password {number} of thread {thread}");
        let body = json::json!({"username": username, "password": password}).to_string();
        let request = json_request("POST", "/api/users", &body);
        let response = harness::dispatch(realm, &request, clock::now());
        Self { username, password, response }
    }

    fn won(&self) -> bool {
        self.response.status == 201
    }

    fn log_in(&self, realm: &Realm) -> Response {
        let credentials = basic(&self.username, &self.password);
        let request = Request::new("GET", "/api/token").with_header("Authorization", credentials);
        harness::dispatch(realm, &request, clock::now())
    }
}

/// Runs all threads, and gives all that they tried.
fn register_all(realm: &Realm) -> Vec<Attempt> {
    let barrier = Barrier::new(THREADS);
    let work = |thread| {
        let (barrier, attempts) = (&barrier, 0..REGISTRATIONS_PER_THREAD);
        attempts.map(move |number| {
            if number % CONTESTED_EVERY == 0 {
                barrier.wait();
            }
            let attempt = Attempt::new(realm, thread, number);
            let expected = if attempt.won() { 200 } else { 401 };
            assert_eq!(attempt.log_in(realm).status, expected, "{}", attempt.username);
            attempt
        })
    };
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|thread| scope.spawn(move || work(thread).collect::<Vec<_>>())).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn every_201_creates_a_user_and_every_name_is_unique() {
    let directory = tempfile::tempdir().unwrap();
    let realm = open(directory.path());
    let attempts = register_all(&realm);
    assert_eq!(attempts.len(), 10_000);
    drop(realm);

    let (winners, losers): (Vec<_>, Vec<_>) = attempts.iter().partition(|attempt| attempt.won());
    for loser in &losers {
        assert_eq!(error(&loser.response), (400, "username_taken".to_owned()), "{}", text(&loser.response));
    }
    let contested = REGISTRATIONS_PER_THREAD / CONTESTED_EVERY;
    assert_eq!(losers.len(), contested * (THREADS - 1));
    let mut wins: BTreeMap<String, usize> =
        attempts.iter().map(|attempt| (attempt.username.to_lowercase(), 0)).collect();
    for winner in &winners {
        *wins.get_mut(&winner.username.to_lowercase()).unwrap() += 1;
    }
    assert!(wins.values().all(|wins| *wins == 1));
    let paths: BTreeSet<&str> =
        winners.iter().map(|winner| header(&winner.response, "Location").unwrap()).collect();
    assert_eq!(paths.len(), winners.len(), "each has an id of its own");

    let realm = open(directory.path());
    assert_eq!(realm.list_users(None, u32::MAX).unwrap().len(), winners.len());
    for winner in &winners {
        let response = winner.log_in(&realm);
        assert_eq!(response.status, 200, "{}: {}", winner.username, text(&response));
        let token = object(&response)["token"].as_str().unwrap().to_owned();
        let request =
            Request::new("GET", "/api/resource").with_header("Authorization", format!("Bearer {token}"));
        let response = harness::dispatch(&realm, &request, clock::now());
        let expected = json::json!({"data": format!("Hello, {}!", winner.username)}).to_string();
        assert_eq!((response.status, text(&response)), (200, expected.as_str()));
        let path = header(&winner.response, "Location").unwrap();
        let shown = harness::dispatch(&realm, &Request::new("GET", path), clock::now());
        let expected = json::json!({"username": winner.username}).to_string();
        assert_eq!((shown.status, text(&shown)), (200, expected.as_str()));
    }
    for loser in &losers {
        assert_eq!(loser.log_in(&realm).status, 401, "{}", loser.username);
    }
}
