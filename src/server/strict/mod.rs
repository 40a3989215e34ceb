//! The strict loop: our own accept loop, one thread a connection, every wait under a deadline, every number under
//! a limit. What `gatekey serve --loop strict` uses.
//!
//! | file | what |
//! |---|---|
//! | `limits.rs` | every number, with its reason |
//! | `head.rs` | a request's head: what it says, or why it is refused |
//! | `chunked.rs` | the chunked coding |
//! | `parser.rs` | bytes to requests, without a socket |
//! | `parser_property.rs` | what must hold of that for any bytes: for tests and fuzzers |
//! | `stream.rs` | sockets of both kinds |
//! | `connection.rs` | one connection, from its first byte to its close |
//! | `registry.rs` | who is connected, and who makes room |
//!
//! Why threads and not an event loop: the work behind a request is a hash or a read of the database, both of which
//! block; with 256 connections at most, 256 small stacks cost a few MiB, and each connection's life can be read
//! from top to bottom in one function.

mod chunked;
mod connection;
mod head;
mod limits;
mod parser;
mod registry;
mod stream;

pub use limits::Limits;
#[cfg(fuzzing)]
#[doc(hidden)]
pub use parser::property;
pub use stream::Listener;

use super::{Handler, Shutdown};
use crate::client::Client;
use crate::clock;
use crate::http::{ErrorCode, Persistence, Response};
use crate::os;
use crate::proxies::TrustedProxies;
use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use limits::{DRAIN, READ_BYTES, STACK_BYTES};
use registry::{Entry, Registry};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::thread;
use stream::Stream;

/// After an error of accepting or waiting that will not go away by itself at once (no descriptors, no memory).
const PAUSE: Duration = Duration::from_millis(50);

/// A request that is refused before it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refusal {
    code: ErrorCode,
    message: &'static str,
}

/// What all connections share.
struct Service {
    limits: Limits,
    handler: Box<Handler>,
    watch: Box<Watch>,
    stopping: AtomicBool,
}

/// What the handler doesn't see.
#[derive(Debug)]
pub enum Seen<'a> {
    /// An answer to what was no request; a field may be added to it.
    Refused(Client, &'a mut Response),
    /// A connection has a place and a thread.
    Connected,
    /// It has ended.
    Disconnected {
        /// Whether it was told to, because others came.
        made_room: bool,
    },
}

/// Who is told of that.
pub type Watch = dyn Fn(Seen<'_>) + Send + Sync;

/// Serves until the shutdown is requested and what was being answered is answered, 10 seconds at most.
///
/// # Errors
/// Where the listener is none, or no thread can be made.
pub fn run(
    listener: impl Into<Listener>,
    limits: Limits,
    proxies: TrustedProxies,
    handler: Box<Handler>,
    watch: Box<Watch>,
    shutdown: &Arc<Shutdown>,
) -> io::Result<()> {
    let listener = listener.into();
    // So that accepting never waits for one who has gone, or whom another process took that shares this socket. The
    // other sees it too, since the flag is the socket's and not the descriptor's: where a new binary takes the place of
    // an old one, both wait by poll(2), and whoever comes second to a connection goes back to waiting.
    listener.set_nonblocking(true)?;
    let wake = wake_on(shutdown)?;
    let service = Arc::new(Service { limits, handler, watch, stopping: AtomicBool::new(false) });
    let registry = Arc::new(Registry::new(limits, proxies, clock::now().monotonic));
    loop {
        match os::wait_for_either(&wake, &listener) {
            Ok(true) => break,
            Ok(false) => accept(&listener, &service, &registry),
            Err(_) => thread::sleep(PAUSE), // out of memory: that passes
        }
    }
    // Whoever comes now is refused at once, and may try elsewhere; or comes to whoever else has this socket, who also
    // gets those that nobody has accepted yet.
    drop(listener);
    service.stopping.store(true, Ordering::Release);
    registry.drain(DRAIN);
    Ok(())
}

/// Takes one connection in, if there is one.
fn accept(listener: &Listener, service: &Arc<Service>, registry: &Arc<Registry>) {
    match listener.accept() {
        Ok((stream, peer)) => open(service, registry, stream, peer),
        // Gone again, or never there.
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted) => {}
        Err(error) if error.kind() == ErrorKind::Interrupted => {}
        // Out of descriptors or memory: that passes, when somebody leaves.
        Err(_) => thread::sleep(PAUSE),
    }
}

/// A descriptor that becomes readable when the shutdown is requested.
fn wake_on(shutdown: &Arc<Shutdown>) -> io::Result<UnixStream> {
    let (wake, mut waker) = UnixStream::pair()?;
    let shutdown = shutdown.clone();
    let wait = move || {
        shutdown.wait();
        let _ = waker.write_all(b"!"); // closing it wakes as well
    };
    thread::Builder::new().name("shutdown".into()).spawn(wait)?;
    Ok(wake)
}

/// Finds a place and a thread for a new connection, or turns it away.
fn open(service: &Arc<Service>, registry: &Arc<Registry>, stream: Stream, client: Client) {
    let entry = match registry.admit(stream, client, clock::now().monotonic) {
        Ok(entry) => entry,
        Err(stream) => return turn_away(service, &stream, client),
    };
    let (thread_service, thread_registry, thread_entry) = (service.clone(), registry.clone(), entry.clone());
    let serve = move || {
        let leaving = Leaving { registry: &thread_registry, entry: &thread_entry };
        let watched = Watched::new(&thread_service, &thread_entry);
        connection::serve(&thread_service, &thread_registry, &thread_entry, client);
        drop(watched);
        drop(thread_service); // before the word that this connection is gone: what it holds is free then
        drop(leaving);
    };
    let name = format!("{client}");
    if thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn(serve).is_err() {
        turn_away(service, &entry.stream, client);
        registry.remove(&entry);
    }
}

/// Tells that a connection is there, and that it is gone however the thread ends.
struct Watched<'a> {
    service: &'a Service,
    entry: &'a Entry,
}

impl<'a> Watched<'a> {
    fn new(service: &'a Service, entry: &'a Entry) -> Self {
        (service.watch)(Seen::Connected);
        Self { service, entry }
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        (self.service.watch)(Seen::Disconnected { made_room: self.entry.is_evicted() });
    }
}

/// Leaves the registry however the thread ends.
struct Leaving<'a> {
    registry: &'a Registry,
    entry: &'a Arc<Entry>,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.registry.remove(self.entry);
    }
}

/// All places are taken by requests being answered.
fn turn_away(service: &Service, stream: &Stream, client: Client) {
    let mut response = Response::error(ErrorCode::Busy, "All connections are taken; try again in a moment.")
        .with_field("Retry-After", "1");
    (service.watch)(Seen::Refused(client, &mut response));
    let bytes = response.encode(false, clock::now().unix, Persistence::Closes);
    // Nobody waits at the door: the answer is one small write into an empty buffer, and where even that fails, the
    // client sees the close alone. What has arrived of a request by now is taken off first, since closing over it would
    // send a reset, which takes the answer along.
    if stream.set_nonblocking().is_ok() {
        let mut stream = stream;
        let _ = stream.read(&mut [0; READ_BYTES]);
        let _ = stream.write_all(&bytes);
    }
}
