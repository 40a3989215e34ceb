//! Nothing blocks an event loop: every request is dispatched on one, with a hasher and a store that panic there. And one that
//! stalls all the same is noticed.

use crate::harness::{self, CHEAP, TestRealm, basic, json_request};
use gatekey::clock::{self, Now};
use gatekey::data_dir::DataDir;
use gatekey::hashing::Hasher;
use gatekey::http::{Request, RequestIds, Response};
use gatekey::realm::{Policy, Realm, UserLookup};
use gatekey::routes::{self, Config};
use gatekey::secret::Secret;
use gatekey::server;
use gatekey::server::app::{self, App};
use gatekey::server::heartbeats::Heartbeats;
use gatekey::server::log::Log;
use gatekey::store::Reads;
use gatekey::user_id::UserId;
use gatekey::wait::{EVENT_LOOP, WouldBlock};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY", "CONNECT"];
/// What openapi.json doesn't list: pages, queries, what is not there.
const OTHER_PATHS: [&str; 9] = [
    "/",
    "/learn",
    "/nothing",
    "*",
    "/api/token?duration=5",
    "/api/users/1",
    "/api/users/999",
    "/api/verify?user=ok",
    "/api/verify/-/user=ok/",
];
const BODY: &str = r#"{"username":"new","password":"a new password"}"#;

/// What an event loop does with a request.
fn dispatch_on_a_loop(test: &TestRealm, request: &Request) -> Result<Response, WouldBlock> {
    dispatch_there(&test.realm, request, test.now())
}

fn dispatch_there(realm: &Realm, request: &Request, now: Now) -> Result<Response, WouldBlock> {
    let dispatch = || {
        let mut reader = realm.reader();
        let session = reader.session();
        routes::dispatch_from(realm, &Config::default(), request, Reads::Batch(&session), now)
    };
    thread::scope(|scope| {
        let event_loop = thread::Builder::new().name(EVENT_LOOP.into()).spawn_scoped(scope, dispatch);
        event_loop.unwrap().join().expect("it blocks an event loop")
    })
}

/// Every path of openapi.json, as user 2's where it has an id, and the others.
fn paths(test: &TestRealm) -> Vec<String> {
    let document = harness::object(&test.send(&Request::new("GET", "/openapi.json")));
    let paths = document["paths"].as_object().unwrap().keys().map(|path| path.replace("{id}", "2"));
    paths.chain(OTHER_PATHS.map(String::from)).collect()
}

/// Everything that can stand in `Authorization`.
fn credentials(test: &TestRealm) -> Vec<Option<String>> {
    let revoked = test.token("ok", "python");
    assert_eq!(test.bearer("DELETE", "/api/token", &revoked).status, 204);
    let good = test.token("ok", "python");
    let forged = format!("{}AAAA", &good[..good.len() - 4]);
    let mut credentials: Vec<_> = [&good, &forged, &revoked]
        .into_iter()
        .flat_map(|token| [Some(format!("Bearer {token}")), Some(basic(token, "unused"))])
        .collect();
    for (name, password) in
        [("ok", "python"), ("ok", "wrong"), ("unknown", "python"), ("disabled", "python"), ("ok", "")]
    {
        credentials.push(Some(basic(name, password)));
    }
    credentials.extend([None, Some("Digest x".into()), Some("Basic !".into())]);
    credentials
}

#[test]
fn no_route_blocks_an_event_loop_with_any_method_and_credentials() {
    let policy = Policy { user_lookup: Some(UserLookup::Public), ..Policy::default() };
    for policy in [Policy { rate_limits: None, ..policy.clone() }, policy] {
        let test = TestRealm::throttled(policy);
        test.add_user("ok", "python");
        let id = test.realm.add_user("disabled", &Secret::new("python".into()), test.unix()).unwrap().id;
        test.realm.set_disabled(id, true).unwrap();
        let all = credentials(&test);
        let (mut answered, mut would_block) = (0, 0);
        let paths = paths(&test);
        for (method, path) in METHODS.iter().flat_map(|method| paths.iter().map(move |path| (*method, path)))
        {
            for authorization in &all {
                let request = json_request(method, path, BODY);
                let request = authorization
                    .iter()
                    .fold(request, |request, value| request.with_header("Authorization", value));
                let before = (test.realm.hashes(), test.realm.list_users(None, 100).unwrap());
                match dispatch_on_a_loop(&test, &request) {
                    Ok(response) => {
                        assert!(
                            response.status < 500,
                            "{method} {path} {authorization:?}: {}",
                            response.status
                        );
                        answered += 1;
                    }
                    Err(WouldBlock) => would_block += 1,
                }
                let after = (test.realm.hashes(), test.realm.list_users(None, 100).unwrap());
                assert_eq!(before, after, "{method} {path} {authorization:?} has had an effect");
            }
        }
        assert!(answered > 500 && would_block > 50, "{answered} answered, {would_block} would block");
    }
}

#[test]
fn the_hasher_and_the_writer_panic_on_an_event_loop() {
    let test = TestRealm::new();
    test.add_user("ok", "python");
    let (realm, now) = (&test.realm, test.now());
    let login = Request::new("GET", "/api/resource").with_header("Authorization", basic("ok", "python"));
    let panics_on_a_loop = |block: &(dyn Fn() + Sync)| {
        thread::scope(|scope| {
            let event_loop = thread::Builder::new().name(EVENT_LOOP.into()).spawn_scoped(scope, block);
            event_loop.unwrap().join().is_err()
        })
    };
    let id = UserId::new(1).unwrap();
    assert!(panics_on_a_loop(&|| drop(realm.list_users(None, 1))), "the pool of readers");
    assert!(panics_on_a_loop(&|| realm.set_disabled(id, true).unwrap()), "the writer");
    let password = Secret::new("a new password".into());
    let new = realm.list_users(None, 1).unwrap().remove(0);
    assert!(panics_on_a_loop(&|| drop(realm.set_password(&new, &password))), "the hasher");
    assert!(
        panics_on_a_loop(&|| drop(harness::dispatch(realm, &login, now))),
        "a request that reads per call"
    );
}

/// An app may send the password with each request: what was just proved right takes neither a hash nor a write.
#[test]
fn a_password_that_was_just_proved_is_accepted_on_an_event_loop_until_it_changes() {
    for rate_limits in [None, Policy::default().rate_limits] {
        let directory = tempfile::tempdir().unwrap();
        let (store, keys) = DataDir::new(directory.path()).open_or_create().unwrap();
        let hasher = Hasher::new(CHEAP.parse().unwrap(), Hasher::DEFAULT_MAX_MEMORY_BYTES).unwrap();
        let (now, policy) = (clock::now(), Policy { rate_limits, ..Policy::default() });
        let realm = Realm::open(store, keys, hasher, policy, now).unwrap();
        realm.add_user("ok", &Secret::new("python".into()), now.unix).unwrap();
        let ask = |password| {
            Request::new("GET", "/api/resource").with_header("Authorization", basic("ok", password))
        };
        let status = |password| dispatch_there(&realm, &ask(password), now).map(|response| response.status);
        assert_eq!(status("python"), Err(WouldBlock));
        assert_eq!(harness::dispatch(&realm, &ask("python"), now).status, 200);
        let before = realm.hashes();
        assert_eq!((status("python"), status("ruby")), (Ok(200), Err(WouldBlock)));
        let user = realm.find_user_by_name("ok").unwrap().unwrap();
        realm.set_disabled(user.id, true).unwrap();
        assert_eq!(status("python"), Err(WouldBlock), "from the next request on");
        realm.set_disabled(user.id, false).unwrap();
        assert_eq!(status("python"), Err(WouldBlock), "of another generation");
        assert_eq!(realm.hashes(), before);
    }
}

/// One request a second looks at the key file; on an event loop it would block, and the others are answered meanwhile.
#[test]
fn looking_at_the_key_file_would_block_an_event_loop() {
    let test = TestRealm::new();
    test.add_user("ok", "python");
    let bearer = format!("Bearer {}", test.token("ok", "python"));
    let request = Request::new("GET", "/api/resource").with_header("Authorization", bearer);
    assert_eq!(dispatch_on_a_loop(&test, &request).map(|response| response.status), Ok(200));
    test.advance(Duration::from_secs(2));
    assert_eq!(dispatch_on_a_loop(&test, &request).map(|response| response.status), Err(WouldBlock));
    assert_eq!(test.send(&request).status, 200);
    assert_eq!(dispatch_on_a_loop(&test, &request).map(|response| response.status), Ok(200));
}

#[test]
fn the_duration_of_a_request_counts_from_when_it_was_received() {
    let TestRealm { realm, directory: _directory, .. } = TestRealm::new();
    let heartbeats = Arc::new(Heartbeats::new(clock::monotonic()));
    let app = Arc::new(App::new(Arc::new(realm), Config::default(), heartbeats, Log::Off).unwrap());
    let received = clock::monotonic().checked_sub(Duration::from_secs(100)).unwrap();
    app.handle(&Request::new("GET", "/"), Reads::PerCall, received).unwrap();
    let endpoint = app::metrics_endpoint(TcpListener::bind("127.0.0.1:0").unwrap(), &app).unwrap();
    let request = Request::new("GET", "/metrics");
    let metrics = endpoint.service.answer(&request, Reads::PerCall, clock::monotonic()).unwrap();
    let mut lines = harness::text(&metrics).lines();
    let sum = lines.find_map(|line| line.strip_prefix("gatekey_http_request_duration_seconds_sum "));
    assert!(sum.unwrap().parse::<f64>().unwrap() >= 100.0);
}

#[test]
fn a_server_with_a_stalled_thread_is_not_healthy() {
    let test = TestRealm::new();
    let started = clock::monotonic().checked_sub(2 * Heartbeats::STALLED_AFTER).unwrap();
    let (ids, heartbeats) = (RequestIds::new().unwrap(), Heartbeats::new(started));
    let ask = |path: &str, reads: Reads<'_>| {
        let request = Request::new("GET", path);
        let config = Config::default();
        let answered = server::handle(&test.realm, &config, &ids, &heartbeats, &request, reads, &|_, _| ());
        answered.unwrap().status
    };
    let mut reader = test.realm.reader();
    let session = reader.session();
    let event_loop = heartbeats.add(clock::monotonic());
    assert_eq!(ask("/healthz", Reads::Batch(&session)), 200);
    event_loop.beat(clock::monotonic().checked_sub(Heartbeats::STALLED_AFTER).unwrap());
    assert_eq!(ask("/healthz", Reads::Batch(&session)), 503);
    assert_eq!(ask("/healthz", Reads::PerCall), 503);
    assert_eq!(ask("/api/resource", Reads::PerCall), 401, "it is served as well as it can be");
    event_loop.beat(clock::monotonic());
    assert_eq!(ask("/healthz", Reads::PerCall), 200);
}
