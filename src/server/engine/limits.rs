//! Every number that a client meets, with its reason.

use crate::http::MAX_BODY_BYTES;
use core::num::NonZeroUsize;
use core::time::Duration;

/// The limits that an operator may turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once. Each costs a descriptor, and a thread while a request of its has to wait.
    pub max_connections: usize,
    /// Connections at once from one address (of IPv6, from one /64): a page with its assets opens six, an office
    /// behind one address a few dozen.
    pub max_connections_per_address: usize,
    /// Whether clients on this machine may have more than that: one of them may be the proxy through which everybody
    /// comes. A trusted proxy always may.
    pub exempts_local: bool,
    /// An idle connection is kept this long.
    pub idle_timeout: Duration,
    /// An idle connection of a trusted proxy is kept this long: longer than proxies keep theirs (Traefik 90 s, Caddy 120 s), so that it is
    /// the proxy who closes, and no request of its clients crosses our closing.
    pub proxy_idle_timeout: Duration,
    /// From the first byte of a head to its last; then the same for a body; then the same for the answer. A
    /// person on a bad line needs less, and no slow client holds a thread longer.
    pub request_timeout: Duration,
    /// Bytes of a head. Browsers send 1 to 2 KiB; cookies of a shared domain can make 16.
    pub max_head: usize,
    /// Bytes of a body.
    pub max_body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 256,
            max_connections_per_address: 64,
            exempts_local: true,
            idle_timeout: Duration::from_secs(75),
            proxy_idle_timeout: Duration::from_secs(150),
            request_timeout: Duration::from_secs(10),
            max_head: 32 * 1024,
            max_body: MAX_BODY_BYTES,
        }
    }
}

/// Fields of a head.
pub(super) const MAX_FIELDS: usize = 100;
/// Bytes of a chunk's size and its extensions, which are ignored.
pub(super) const MAX_CHUNK_LINE: usize = 256;
/// Bytes of all trailers, which are dropped.
pub(super) const MAX_TRAILERS: usize = 4 * 1024;
/// Bytes received at once: a request with its body is usually less.
pub(super) const READ_BYTES: usize = 16 * 1024;
/// A parser's buffer that grew beyond this is freed while the connection is idle.
pub(super) const IDLE_BUFFER_BYTES: usize = 4 * 1024;
/// What the kernel may buffer of responses that a TCP client doesn't read; it allows twice as much, for its own overhead. A
/// response that is longer waits in our memory for the rest, and the next request of its connection waits for it.
pub(super) const SEND_BUFFER_BYTES: usize = 32 * 1024;
/// What the kernel may buffer of requests that were not received yet, likewise.
pub(super) const RECEIVE_BUFFER_BYTES: usize = 32 * 1024;
/// Event loops, also where there are fewer cores: one that is kept from its core doesn't stop the other.
pub(super) const MIN_EVENT_LOOPS: NonZeroUsize = NonZeroUsize::new(2).unwrap();
/// Connections that are received from, and requests that are dispatched, in one iteration of an event loop: enough that what
/// is done once for all of them costs little for each, and few enough that none waits long for the others.
pub(super) const BATCH: usize = 16;
/// How often an event loop looks for deadlines that have passed.
pub(super) const SCAN_EVERY: Duration = Duration::from_millis(250);
/// Worker threads that may hash a password at once, or wait for one: more would only wait for the hash queue's turn.
pub(super) const MAX_HASHING: usize = 224;
/// Worker threads beyond those, so that a storm of logins can't block revocations: 256 in all.
pub(super) const NEVER_HASHING: usize = 32;
/// Worker threads that are always there: where no more can be made, requests that block are served by these.
pub(super) const MIN_WORKERS: usize = 2;
/// Any other worker thread ends when it has had no work for so long.
pub(super) const IDLE_WORKER: Duration = Duration::from_secs(1);
/// Stack of a thread. Measured with the deepest calls there are, SQLite's and scrypt's, in a debug
/// build; pages that are not touched cost nothing.
pub(super) const STACK_BYTES: usize = 512 * 1024;
/// A body that was withheld for so long makes its connection one to evict, like half a head. Before that it is on its way, and
/// a client that was told to continue may send it.
pub(super) const BODY_GRACE: Duration = Duration::from_secs(1);
/// Evicted connections that are not closed yet: beyond so many, the acceptor waits before it admits another.
pub(super) const MAX_CLOSING: usize = 4;
/// The acceptor waits so long at most. An event loop closes evicted connections at once, but on a busy machine it takes until
/// its thread gets to run.
pub(super) const EVICTION_TIMEOUT: Duration = Duration::from_secs(1);
/// Rejected connections that are not closed yet: beyond so many, the oldest is closed for the next.
pub(super) const MAX_REJECTED: usize = 8;
/// At shutdown, so many connections that wait to be accepted still are, at each listener: the kernel's bound is the same
/// (`net.core.somaxconn`), and clients may go on connecting.
pub(super) const MAX_BACKLOG: usize = 4_096;
/// After the last response, unread input is discarded for so long, or a reset would take the response along (RFC 9112
/// section 9.6). Where a body is on its way it is the request's timeout instead.
pub(super) const LINGER: Duration = Duration::from_secs(1);
/// So many bytes of unread input are discarded: a proxy that sends a body on reads the response when it has sent all of it.
pub(super) const LINGER_BYTES: usize = 2 * 1024 * 1024;
/// At shutdown, threads that have nothing left to do get this long to end.
pub(super) const CLOSE: Duration = Duration::from_secs(1);
/// At shutdown, requests being answered and idle connections' next requests get this long.
pub(super) const DRAIN: Duration = Duration::from_secs(10);
