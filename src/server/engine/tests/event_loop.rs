//! One event loop, iteration by iteration.

use super::*;
use crate::http::{Request, Response};
use crate::server::engine::service::{Event, Service};
use crate::server::engine::tests::connected;
use crate::server::engine::worker_pool::Bounds;
use crate::wait::WouldBlock;
use std::io::{Read as _, Write as _};
use std::sync::Mutex;

fn event_loop() -> EventLoop {
    let pool = WorkerPool::new(Bounds::new(1)).unwrap();
    pool.close();
    let heartbeat = Heartbeats::new(clock::monotonic()).add(clock::monotonic());
    EventLoop::new(Arc::new(Inbox::new().unwrap()), pool, &[], heartbeat).unwrap()
}

#[test]
fn what_arrived_in_time_is_received_before_a_connection_is_ended_at_its_deadline() {
    let mut event_loop = event_loop();
    let (connection, client) = connected(&event_loop.inbox, |_: &Request| Response::empty(204));
    (&client).write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let deadline = connection.deadline;
    event_loop.insert(connection);
    event_loop.wait();
    event_loop.expire(deadline);
    let batch = event_loop.receive(deadline);
    assert!(matches!(batch[..], [Dispatched { step: Step::Dispatch, .. }]), "{}", batch.len());

    let (silent, _client) = connected(&event_loop.inbox, |_: &Request| Response::empty(204));
    let deadline = silent.deadline;
    event_loop.insert(silent);
    assert!(event_loop.receive(deadline).is_empty());
    assert_eq!(event_loop.connections.keys().len(), 1);
    event_loop.expire(deadline);
    assert_eq!(event_loop.connections.keys().len(), 0, "nothing was sent in time");
}

/// Blocks always, and records what it observes.
struct Blocking(Arc<Mutex<Vec<u16>>>);

impl Service for Blocking {
    fn answer(&self, _: &Request, _: Reads<'_>, _: Instant) -> Result<Response, WouldBlock> {
        Err(WouldBlock)
    }

    fn observe(&self, event: Event<'_>) {
        if let Event::Refused(_, response) = event {
            self.0.lock().unwrap().push(response.status);
        }
    }
}

#[test]
fn the_503_of_a_full_pool_is_observed() {
    let mut event_loop = event_loop();
    event_loop.readers.push(None);
    let observed = Arc::new(Mutex::default());
    let (connection, mut client) = connected(&event_loop.inbox, Blocking(observed.clone()));
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    event_loop.inbox.clone().send(connection);
    while observed.lock().unwrap().is_empty() {
        assert!(event_loop.iterate());
    }
    assert_eq!(*observed.lock().unwrap(), [503]);
    let mut response = [0; 12];
    client.read_exact(&mut response).unwrap();
    assert_eq!(&response, b"HTTP/1.1 503");
}
