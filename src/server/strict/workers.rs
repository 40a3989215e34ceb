//! The threads that serve: few are on duty, however many clients are connected.
//!
//! A thread on duty waits until something has arrived on some of the idle connections, takes those, a **round**, receives what
//! came on each, and goes on with one after the other until it is idle again, or over. That all is received before any is
//! answered lets one look at the database serve for the whole round ([`crate::snapshot`]).
//!
//! Before a thread waits for anything in between it says so ([`crate::blocking`]): it leaves duty, hands the rest of its round
//! over, and another thread takes its place. When it is done it is spare for a while, should another leave.
//!
//! ```text
//!            something has arrived                       hash, disk, slow client
//!   idle  --------------------------->  on duty  -------------------------------------->  off duty
//!   no thread                           a thread that never waits,  <---- spare <----     a thread that waits
//!     ^                                 for its round               a place is free           |
//!     '-----------------------------------'---------------------------------------------------'
//!                                     answered
//! ```
//!
//! Whoever sends requests without a break is treated like one who waits. Not announced is what nobody else can hold up: reading
//! the database, which is in memory mostly, and a line of the log, for which everybody would wait anyway.
//!
//! So an idle connection costs no thread; a request that is answered from memory costs no switch between threads while
//! others keep coming; and a request that waits holds nothing that others need. Once a thread has begun to answer it, a request
//! is that thread's to the last byte.

use super::PAUSE;
use super::connection::{Connection, Next};
use super::limits::{LEAVING, ROUND, SPARE, STACK_BYTES};
use super::stream::Stream;
use crate::blocking;
use crate::os::Readiness;
use crate::snapshot;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::sync::Arc;
use core::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The key of the descriptor that tells of the end; no connection's, since those are descriptors' numbers.
const CLOSING: u64 = u64::MAX;

/// The threads, and the connections that none of them is busy with.
#[derive(Debug)]
pub(super) struct Workers {
    most_on_duty: usize,
    readiness: Readiness,
    /// By the number of its descriptor, which is its own while it is open. `None` after the end.
    idle: Mutex<Option<HashMap<u64, Box<Connection>>>>,
    staff: Mutex<Staff>,
    changed: Condvar,
    closing: (UnixStream, UnixStream),
}

/// The connections that a thread has taken and not yet gone on with: its own, and shared with what it does before it waits.
type Round = Rc<RefCell<VecDeque<Box<Connection>>>>;

#[derive(Debug, Default)]
struct Staff {
    threads: usize,
    on_duty: usize,
    /// Those who could be, and those on their way.
    spare: usize,
    is_closed: bool,
}

impl Workers {
    /// With so many threads on duty, which wait for connections to be admitted.
    ///
    /// # Errors
    /// Where the system has no thread or no descriptor for it.
    pub(super) fn new(most_on_duty: usize) -> io::Result<Arc<Self>> {
        let (readiness, closing) = (Readiness::new()?, UnixStream::pair()?);
        readiness.add_for_all(&closing.0, CLOSING)?;
        let workers = Arc::new(Self {
            most_on_duty,
            readiness,
            idle: Mutex::new(Some(HashMap::new())),
            staff: Mutex::default(),
            changed: Condvar::new(),
            closing,
        });
        for _ in 0..most_on_duty {
            let called = workers.call(&mut lock(&workers.staff));
            called.inspect_err(|_| workers.close())?;
        }
        Ok(workers)
    }

    /// Takes in a new connection.
    ///
    /// # Errors
    /// Where the system has no memory to watch it.
    pub(super) fn admit(&self, connection: Connection) -> io::Result<()> {
        self.lay_down(Box::new(connection), Readiness::add)
    }

    /// Lays an idle connection down, for whoever is told that something has arrived on it.
    fn lay_down(
        &self,
        connection: Box<Connection>,
        watch: fn(&Readiness, &Stream, u64) -> io::Result<()>,
    ) -> io::Result<()> {
        let entry = connection.entry().clone();
        let key = key_of(&entry.stream);
        let mut idle = lock(&self.idle);
        if let Some(idle) = idle.as_mut() {
            idle.insert(key, connection);
        }
        drop(idle);
        // From here on another thread may have it.
        watch(&self.readiness, &entry.stream, key).inspect_err(|_| drop(self.take_up(key)))
    }

    fn take_up(&self, key: u64) -> Option<Box<Connection>> {
        lock(&self.idle).as_mut()?.remove(&key)
    }

    /// Has one more thread come.
    fn call(self: &Arc<Self>, staff: &mut Staff) -> io::Result<()> {
        let workers = self.clone();
        let builder = thread::Builder::new().name("worker".into()).stack_size(STACK_BYTES);
        builder.spawn(move || workers.work())?;
        staff.threads += 1;
        staff.spare += 1;
        Ok(())
    }

    /// One thread's life.
    fn work(self: Arc<Self>) {
        let (is_on_duty, round) = (Rc::new(Cell::new(false)), Round::default());
        let (workers, on_duty, rest) = (self.clone(), is_on_duty.clone(), round.clone());
        blocking::on_announcement(move || {
            on_duty.set(on_duty.get() && !workers.leave_duty());
            if !on_duty.get() {
                for connection in rest.take() {
                    workers.hand_over(connection);
                }
            }
            !on_duty.get()
        });
        snapshot::allow();
        while is_on_duty.get() || self.take_duty() {
            is_on_duty.set(true);
            let has_ended = !self.serve_round(&round);
            if has_ended || !is_on_duty.get() && !self.become_spare() {
                break;
            }
        }
        lock(&self.staff).threads -= 1;
        self.changed.notify_all();
    }

    /// Waits for connections on which something has arrived, and goes on with them; false at the end.
    fn serve_round(&self, round: &Round) -> bool {
        let mut has_ended = false;
        let told = self.readiness.wait::<ROUND>(|key| {
            has_ended |= key == CLOSING;
            round.borrow_mut().extend(self.take_up(key));
        });
        if told.is_err() {
            thread::sleep(PAUSE); // out of memory: that passes
        }
        round.borrow_mut().iter_mut().for_each(|connection| connection.receive());
        loop {
            let next = round.borrow_mut().pop_front();
            let Some(connection) = next else { break };
            self.serve(connection);
        }
        snapshot::let_go();
        !has_ended
    }

    fn serve(&self, mut connection: Box<Connection>) {
        // Handlers are guarded by themselves; this keeps the thread, whatever else happens.
        let next = panic::catch_unwind(AssertUnwindSafe(|| connection.resume()));
        if matches!(next, Ok(Next::Idle)) {
            // One that can't be watched ends.
            let _ = self.lay_down(connection, Readiness::rearm);
        }
    }

    /// Has somebody else go on with what this connection has received.
    fn hand_over(&self, connection: Box<Connection>) {
        let _ = self.lay_down(connection, Readiness::rearm_at_once);
    }

    /// From on duty to neither; another thread is called in. Where none can be made, the last one has to stay, and says
    /// false.
    fn leave_duty(self: &Arc<Self>) -> bool {
        let mut staff = lock(&self.staff);
        staff.on_duty -= 1;
        while !staff.is_closed
            && staff.on_duty + staff.spare < self.most_on_duty
            && self.call(&mut staff).is_ok()
        {}
        let is_last = !staff.is_closed && staff.on_duty + staff.spare == 0;
        staff.on_duty += usize::from(is_last);
        drop(staff);
        self.changed.notify_one();
        !is_last
    }

    /// From neither to spare, unless there are enough.
    fn become_spare(&self) -> bool {
        let mut staff = lock(&self.staff);
        let is_wanted = staff.spare < self.most_on_duty;
        staff.spare += usize::from(is_wanted);
        is_wanted
    }

    /// From spare to on duty, as soon as there is a place; false where there is none for a while, and at the end.
    fn take_duty(&self) -> bool {
        let is_full = |staff: &mut Staff| !staff.is_closed && staff.on_duty >= self.most_on_duty;
        let waited = self.changed.wait_timeout_while(lock(&self.staff), SPARE, is_full);
        let (mut staff, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        let has_place = !staff.is_closed && !waited.timed_out();
        staff.spare -= 1;
        staff.on_duty += usize::from(has_place);
        has_place
    }

    /// Ends all that is idle, and waits a moment for the threads that are not.
    pub(super) fn close(&self) {
        drop(lock(&self.idle).take());
        let mut staff = lock(&self.staff);
        staff.is_closed = true;
        self.changed.notify_all();
        let _ = (&self.closing.1).write(b"!"); // for those who wait for something to arrive
        let is_staffed = |staff: &mut Staff| staff.threads > 0;
        drop(self.changed.wait_timeout_while(staff, LEAVING, is_staffed));
    }
}

fn key_of(stream: &Stream) -> u64 {
    u64::try_from(stream.as_fd().as_raw_fd()).unwrap_or(CLOSING)
}

/// Nothing is ever half done under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, run};
    use crate::blocking;
    use crate::http::{Request, Response};
    use crate::proxies::TrustedProxies;
    use crate::server::Shutdown;
    use alloc::boxed::Box;
    use alloc::sync::Arc;
    use alloc::vec::Vec;
    use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use core::time::Duration;
    use std::io::{Read as _, Write as _};
    use std::net::{self, TcpListener, TcpStream};
    use std::sync::{Barrier, Mutex, mpsc};
    use std::thread;

    const WHO_WAIT: usize = 20;

    fn ask(address: core::net::SocketAddr, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).unwrap();
        let request = alloc::format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn status(mut stream: TcpStream) -> Vec<u8> {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer.split_off(9).into_iter().take(3).collect()
    }

    /// Asks and asks, without waiting for any answer, until it is over.
    fn keep_asking(address: core::net::SocketAddr, is_over: &AtomicBool) {
        let mut asking = TcpStream::connect(address).unwrap();
        let mut answers = asking.try_clone().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut bytes = [0; 4_096];
                while answers.read(&mut bytes).is_ok_and(|count| count > 0) {}
            });
            let requests = b"GET /takes-a-moment HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1_000);
            while !is_over.load(Ordering::Acquire) {
                asking.write_all(&requests).unwrap();
            }
            asking.shutdown(net::Shutdown::Both).unwrap();
        });
    }

    #[test]
    fn clients_that_ask_without_a_break_keep_nobody_out() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, is_over) = (Arc::new(Shutdown::default()), AtomicBool::new(false));
        let (until, answered) = (shutdown.clone(), Arc::new(AtomicUsize::new(0)));
        let count = answered.clone();
        let serve = move || {
            let handler = move |request: &Request| {
                if request.path == "/takes-a-moment" {
                    count.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(1)); // so that the next request is always there already
                }
                Response::empty(204)
            };
            let proxies = TrustedProxies::default();
            run(listener, Limits::default(), proxies, Box::new(handler), Box::new(|_| ()), &until)
        };
        let served = thread::spawn(serve);
        thread::scope(|scope| {
            let cores = thread::available_parallelism().map_or(2, core::num::NonZeroUsize::get);
            for _ in 0..cores.max(2) * 2 {
                scope.spawn(|| keep_asking(address, &is_over));
            }
            while answered.load(Ordering::Relaxed) < 200 {
                thread::yield_now();
            }
            let answers: Vec<_> = (0..2)
                .map(|_| {
                    let stream = ask(address, "/");
                    // It fails instead of waiting for ever.
                    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                    let mut answer = [0; 12];
                    (&stream).read_exact(&mut answer).map(|()| answer)
                })
                .collect();
            is_over.store(true, Ordering::Release);
            assert!(
                answers.iter().all(|answer| answer.as_ref().is_ok_and(|it| it == b"HTTP/1.1 204")),
                "{answers:?}"
            );
        });
        shutdown.request();
        served.join().unwrap().unwrap();
    }

    #[test]
    fn at_the_end_whoever_is_idle_for_too_long_goes_before_all_is_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, gate) = (Arc::new(Shutdown::default()), Arc::new(Barrier::new(2)));
        let (until, opens) = (shutdown.clone(), gate.clone());
        let handler = move |request: &Request| {
            if request.path == "/waits" {
                blocking::announce();
                opens.wait();
                opens.wait();
            }
            Response::empty(204)
        };
        let serve = move || {
            let limits = Limits { idle_timeout: Duration::from_secs(1), ..Limits::default() };
            let proxies = TrustedProxies::default();
            run(listener, limits, proxies, Box::new(handler), Box::new(|_| ()), &until)
        };
        let served = thread::spawn(serve);
        let waiting = ask(address, "/waits");
        gate.wait();
        let mut idle = TcpStream::connect(address).unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        idle.read_exact(&mut [0; 12]).unwrap();
        shutdown.request();
        let _ = idle.read_to_end(&mut Vec::new());
        gate.wait();
        assert_eq!(status(waiting), b"204", "it was not cut with the idle one");
        served.join().unwrap().unwrap();
    }

    fn ask_once_more(mut stream: &TcpStream, path: &str) {
        let request = alloc::format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
    }

    /// It fails instead of waiting for ever.
    fn assert_204(mut stream: &TcpStream) {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut answer = [0; 512];
        let count = stream.read(&mut answer).unwrap();
        assert!(answer[..count].starts_with(b"HTTP/1.1 204"), "{count}");
    }

    #[test]
    fn what_was_taken_together_with_a_request_that_waits_is_answered_by_others() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, gate) = (Arc::new(Shutdown::default()), Arc::new(Barrier::new(2)));
        let (until, opens) = (shutdown.clone(), gate.clone());
        let (is_busy, busy) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        let handler = move |request: &Request| {
            match request.path.as_str() {
                "/is-busy" => {
                    is_busy.send(()).unwrap();
                    released.lock().unwrap().recv().unwrap(); // and nobody is told
                }
                "/waits" => {
                    blocking::announce();
                    opens.wait();
                }
                _ => {}
            }
            Response::empty(204)
        };
        let serve = move || {
            let proxies = TrustedProxies::default();
            run(listener, Limits::default(), proxies, Box::new(handler), Box::new(|_| ()), &until)
        };
        let served = thread::spawn(serve);
        let idle: Vec<_> = (0..4).map(|_| TcpStream::connect(address).unwrap()).collect();
        for stream in &idle {
            ask_once_more(stream, "/");
            assert_204(stream);
        }
        // Nobody can look until one of these is done, who then finds all the others at once.
        let on_duty = thread::available_parallelism().map_or(2, core::num::NonZeroUsize::get).max(2);
        let one_is_busy = |_| (ask(address, "/is-busy"), busy.recv().unwrap()).0;
        let are_busy: Vec<_> = (0..on_duty).map(one_is_busy).collect();
        let (waiting, others) = idle.split_first().unwrap();
        ask_once_more(waiting, "/waits");
        for stream in others {
            ask_once_more(stream, "/");
        }
        release.send(()).unwrap();
        others.iter().for_each(assert_204);
        gate.wait();
        assert_204(waiting);
        (1..on_duty).for_each(|_| release.send(()).unwrap());
        assert!(are_busy.into_iter().map(status).all(|status| status == b"204"));
        shutdown.request();
        served.join().unwrap().unwrap();
    }

    #[test]
    fn however_many_requests_wait_another_is_answered_and_a_panic_costs_no_place() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, gate) = (Arc::new(Shutdown::default()), Arc::new(Barrier::new(WHO_WAIT + 1)));
        let (until, all) = (shutdown.clone(), gate.clone());
        let handler = move |request: &Request| {
            match request.path.as_str() {
                "/waits" => {
                    blocking::announce();
                    blocking::announce();
                    all.wait();
                }
                "/panics" => panic!("as the test wants it"),
                _ => {}
            }
            Response::empty(204)
        };
        let serve = move || {
            let proxies = TrustedProxies::default();
            run(listener, Limits::default(), proxies, Box::new(handler), Box::new(|_| ()), &until)
        };
        let served = thread::spawn(serve);
        // Twice: all threads that left duty have come back to it, or gone.
        for _ in 0..2 {
            for _ in 0..8 {
                assert_eq!(status(ask(address, "/panics")), b"500");
            }
            let waiting: Vec<_> = (0..WHO_WAIT).map(|_| ask(address, "/waits")).collect();
            for _ in 0..8 {
                assert_eq!(status(ask(address, "/")), b"204");
            }
            gate.wait();
            assert!(waiting.into_iter().map(status).all(|status| status == b"204"));
        }
        shutdown.request();
        served.join().unwrap().unwrap();
    }
}
