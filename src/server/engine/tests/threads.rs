//! The engine's threads: how they start and end, and which connections they hand to each other.

use super::*;
use crate::server::catch_panic;
use crate::store::Reader;
use acceptor::Acceptor;
use core::slice;
use core::time::Duration;

/// Runs the threads of an engine with this service.
fn start(count: usize, service: impl Service + 'static, heartbeats: &Heartbeats) -> io::Result<Threads> {
    let endpoint = Endpoint::new(TcpListener::bind("127.0.0.1:0").unwrap(), service);
    let (_, context) = prepare(0, endpoint).unwrap();
    let pool = WorkerPool::new(Bounds::new(1)).unwrap();
    Threads::start(NonZeroUsize::new(count).unwrap(), pool, &[context], heartbeats, &Arc::default())
}

#[test]
fn a_stalled_event_loop_is_not_waited_for_at_the_end() {
    let (stalls, stalled) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let handler = move |_: &Request| {
        stalls.send(()).unwrap();
        let _ = released.lock().unwrap().recv();
        Response::empty(204)
    };
    let threads = start(1, |_: &Request| Response::empty(204), &Heartbeats::new(clock::monotonic())).unwrap();
    let (connection, client) = connected(&threads.inboxes[0], Mixed(handler));
    threads.inboxes[0].send(connection);
    write!(&client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    stalled.recv().unwrap();
    let ended = threads.close(clock::monotonic());
    assert_eq!(ended.unwrap_err().to_string(), "an event loop is stalled");
    drop(release);
}

/// Its second event loop can't be made.
struct OneReader(AtomicBool);

impl Service for OneReader {
    fn answer(&self, _: &Request, _: Reads<'_>, _: Instant) -> Result<Response, WouldBlock> {
        Ok(Response::empty(204))
    }

    fn reader(&self) -> Option<Reader> {
        assert!(!self.0.swap(true, Ordering::AcqRel));
        None
    }
}

#[test]
fn event_loops_end_where_not_all_of_them_start() {
    let now = clock::monotonic();
    let heartbeats = Heartbeats::new(now);
    assert!(catch_panic(|| start(2, OneReader(AtomicBool::new(false)), &heartbeats)).is_none());
    // One that still runs would have missed its beat by then.
    while !heartbeats.all_beat(now + Duration::from_secs(1_000_000)) {
        thread::yield_now();
    }
}

#[test]
fn connections_in_the_backlog_are_accepted_at_shutdown() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let clients: Vec<_> = (0..5).map(|_| connect(address)).collect();
    let listeners = vec![prepare(0, Endpoint::new(listener, |_: &Request| Response::empty(204))).unwrap()];
    let (inbox, wake) = (Arc::new(Inbox::new().unwrap()), Waker::new().unwrap());
    let heartbeats = Heartbeats::new(clock::monotonic());
    wake.wake();
    let heartbeat = heartbeats.add(clock::monotonic());
    Acceptor { listeners, inboxes: slice::from_ref(&inbox), heartbeat }.run(&wake);
    assert_eq!(inbox.take().unwrap().len(), clients.len());
}

/// Notes when each request arrived, and blocks.
#[derive(Clone, Default)]
struct Noting(Arc<Mutex<Vec<Instant>>>);

impl Service for Noting {
    fn answer(&self, _: &Request, reads: Reads<'_>, received: Instant) -> Result<Response, WouldBlock> {
        self.0.lock().unwrap().push(received);
        reads.may_block()?;
        Ok(Response::empty(204))
    }
}

#[test]
fn the_time_of_a_request_counts_from_its_arrival_also_after_it_waited_for_a_worker() {
    let noting = Noting::default();
    serving_service(None, Limits::default(), noting.clone(), |address, _| {
        assert_eq!(status(ask(address, "/")), b"204");
    });
    let noted = noting.0.lock().unwrap();
    assert_eq!(noted.len(), 2);
    assert_eq!(noted[0], noted[1]);
}
