//! The worker pool: its bounds, and the threads that never hash.

use super::*;
use crate::http::{Request, Response};
use crate::server::engine::inbox::Inbox;
use crate::server::engine::limits::NEVER_HASHING;
use crate::server::engine::tests::{Mixed, dispatched};
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::sync::{Barrier, mpsc};

/// Submits a request; its client's end, unless the pool is full.
fn submit(
    pool: &Arc<WorkerPool>,
    path: &str,
    handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
) -> Option<UnixStream> {
    let inbox = Arc::new(Inbox::new().unwrap());
    inbox.close();
    let (connection, client) = dispatched(&inbox, Mixed(handler), &format!("GET {path} HTTP/1.0\r\n\r\n"));
    pool.submit(Job { connection, may_hash: path == "/hash" }).is_ok().then_some(client)
}

#[test]
fn a_full_pool_rejects_requests_and_keeps_threads_for_those_that_never_hash() {
    let pool = WorkerPool::new(Bounds::new(1)).unwrap();
    let (gate, (answered, answers)) = (Arc::new(Barrier::new(2)), mpsc::channel());
    let submit = |path: &str| {
        let (opens, answered) = (gate.clone(), answered.clone());
        let handler = move |request: &Request| {
            if request.path == "/hash" {
                opens.wait();
            }
            answered.send(request.path.clone()).unwrap();
            Response::empty(204)
        };
        submit(&pool, path, handler).is_some()
    };
    assert!(submit("/hash"));
    assert!(!submit("/hash"), "one hashes at once, as there is one connection");
    for _ in 0..NEVER_HASHING {
        assert!(submit("/"));
        assert_eq!(answers.recv().unwrap(), "/", "beside the one that hashes");
    }
    gate.wait();
    assert_eq!(answers.recv().unwrap(), "/hash");
    pool.close();
    assert!(!submit("/"));
}

#[test]
fn threads_never_exceed_their_bound() {
    let pool = WorkerPool::new(Bounds { hashing: 1, jobs: 8, threads: MIN_WORKERS }).unwrap();
    let (answered, answers) = mpsc::channel();
    for _ in 0..500 {
        let answered = answered.clone();
        // Its thread is still busy when the next request comes.
        let handler = move |_: &Request| {
            answered.send(()).unwrap();
            Response::empty(204)
        };
        assert!(submit(&pool, "/", handler).is_some());
        answers.recv().unwrap();
        assert!(lock(&pool.state).threads <= MIN_WORKERS);
    }
}

#[test]
fn where_no_more_threads_can_be_made_one_of_them_never_hashes() {
    let pool = WorkerPool::new(Bounds { hashing: 4, jobs: 8, threads: MIN_WORKERS }).unwrap();
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let hash = || {
        let released = released.clone();
        let handler = move |_: &Request| {
            let _ = released.lock().unwrap().recv();
            Response::empty(204)
        };
        submit(&pool, "/hash", handler).unwrap()
    };
    let hashing: Vec<_> = (0..4).map(|_| hash()).collect();
    let mut revocation = submit(&pool, "/revoke", |_: &Request| Response::empty(204)).unwrap();
    assert!(revocation.read(&mut [0; 256]).unwrap() > 0, "it waits for no hash");
    drop(release);
    for mut client in hashing {
        assert!(client.read(&mut [0; 256]).unwrap() > 0);
    }
}

#[test]
fn a_request_that_is_answered_is_not_in_the_pool_any_more() {
    let pool = WorkerPool::new(Bounds { hashing: 1, jobs: 1, threads: MIN_WORKERS }).unwrap();
    for number in 0..500 {
        let client = submit(&pool, "/hash", |_: &Request| Response::empty(204));
        let mut client = client.unwrap_or_else(|| panic!("{number}: the pool is full"));
        assert!(client.read(&mut [0; 256]).unwrap() > 0);
    }
}
