//! The strict loop: our own accept loop, few threads for all connections and one more for each request that waits,
//! every wait under a deadline, every number under a limit. What `gatekey serve --loop strict` uses.
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
//! | `workers.rs` | the threads: few on duty, one more for each request that waits |
//!
//! Why not one thread a connection: then each request wakes a thread, and where the answer takes microseconds that
//! costs more than the answer. Why no event loop either: the work behind a request may be a hash or a write to the disk,
//! both of which block. So few threads wait for many connections, and whoever has to wait leaves its place to another;
//! what one request goes through is still one function, from top to bottom.

mod chunked;
mod connection;
mod head;
mod limits;
mod parser;
mod registry;
mod stream;
mod workers;

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
use alloc::sync::Arc;
use connection::Connection;
use core::num::NonZeroUsize;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use limits::{DRAIN, MIN_ON_DUTY, READ_BYTES};
use registry::Registry;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::thread;
use stream::Stream;
use workers::Workers;

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
    /// A connection has a place.
    Connected,
    /// It has ended.
    Disconnected {
        /// Whether it was told to, because others came.
        made_room: bool,
    },
}

/// Told of what the handler doesn't see, from any of the threads.
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
    // Accepting must never wait: whoever made the listener readable may have gone, or another process that shares this
    // socket may have taken that connection. The flag is the socket's, not the descriptor's, so that process sees it too:
    // where a new binary takes over from an old one, both wait by poll(2), and who comes second goes back to waiting.
    listener.set_nonblocking(true)?;
    let wake = wake_on(shutdown)?;
    let service = Arc::new(Service { limits, handler, watch, stopping: AtomicBool::new(false) });
    let registry = Arc::new(Registry::new(limits, proxies, clock::monotonic()));
    let cores = thread::available_parallelism().map_or(MIN_ON_DUTY, NonZeroUsize::get);
    let workers = Workers::new(cores.max(MIN_ON_DUTY))?;
    loop {
        let next_look = registry.expire(clock::monotonic());
        match os::wait_for_either(&wake, &listener, next_look) {
            Ok([true, _]) => break,
            Ok([_, true]) => accept(&listener, &service, &registry, &workers),
            Ok(_) => {}                     // somebody may have been idle for too long
            Err(_) => thread::sleep(PAUSE), // out of memory: that passes
        }
    }
    // Whoever comes now is refused at once, and may try elsewhere; or comes to whoever else has this socket, who also
    // gets those that nobody has accepted yet.
    drop(listener);
    service.stopping.store(true, Ordering::Release);
    registry.drain(DRAIN);
    workers.close();
    Ok(())
}

/// Takes one connection in, if there is one.
fn accept(listener: &Listener, service: &Arc<Service>, registry: &Arc<Registry>, workers: &Arc<Workers>) {
    match listener.accept() {
        Ok((stream, client)) => match registry.admit(stream, client, clock::monotonic()) {
            Ok(entry) => {
                let connection = Connection::new(service.clone(), registry.clone(), entry.clone(), client);
                if workers.admit(connection).is_err() {
                    turn_away(service, &entry.stream, client);
                }
            }
            Err(stream) => turn_away(service, &stream, client),
        },
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

/// All places are taken by requests being answered.
fn turn_away(service: &Service, stream: &Stream, client: Client) {
    let mut response = Response::error(ErrorCode::Busy, "All connections are taken; try again in a moment.")
        .with_field("Retry-After", "1");
    (service.watch)(Seen::Refused(client, &mut response));
    let bytes = response.encode(false, clock::unix(), Persistence::Closes);
    // Nobody waits at the door: the answer is one small write into an empty buffer, and where even that fails, the
    // client sees the close alone. What has arrived of a request by now is taken off first, since closing over it would
    // send a reset, which takes the answer along.
    let mut stream = stream;
    let _ = stream.read(&mut [0; READ_BYTES]);
    let _ = stream.write_all(&bytes);
}
