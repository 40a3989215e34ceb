//! Limits and timeouts, each with its reason.

use crate::http::MAX_BODY_BYTES;
use core::num::NonZeroUsize;
use core::time::Duration;

/// The configurable limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Concurrent connections. Each takes a descriptor, and a worker thread while its request blocks.
    pub max_connections: usize,
    /// Concurrent connections per client address (per /64 for IPv6). A browser opens six, an office behind
    /// one address a few dozen.
    pub max_connections_per_address: usize,
    /// Whether clients on this machine are exempt from the limit per address, since one of them may be the
    /// reverse proxy. Trusted proxies always are.
    pub exempts_local: bool,
    /// Keep-alive timeout of an idle connection.
    pub idle_timeout: Duration,
    /// Keep-alive timeout of a trusted proxy's idle connection. It exceeds those of proxies (Traefik 90 s,
    /// Caddy 120 s), so that the proxy closes first and sends no request into a connection that is being
    /// closed.
    pub proxy_idle_timeout: Duration,
    /// Deadline for the headers, from their first byte; then for the body; then for sending the response.
    pub request_timeout: Duration,
    /// Maximum bytes of request line and headers. Browsers send 1 to 2 KiB; cookies of a shared domain can
    /// make 16.
    pub max_head: usize,
    /// Maximum bytes of a body.
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

/// Maximum headers of a request.
pub(super) const MAX_FIELDS: usize = 100;
/// Maximum bytes of a chunk size with its extensions, which are ignored.
pub(super) const MAX_CHUNK_LINE: usize = 256;
/// Maximum bytes of all trailers, which are ignored.
pub(super) const MAX_TRAILERS: usize = 4 * 1024;
/// Bytes of one recv(2): most requests are shorter, with their body.
pub(super) const READ_BYTES: usize = 16 * 1024;
/// An idle connection frees a parser buffer that is larger than this.
pub(super) const IDLE_BUFFER_BYTES: usize = 4 * 1024;
/// Bytes of the kernel's send buffer of a TCP connection. (The kernel doubles the number, for its overhead.)
/// The rest of a longer response is kept in memory, and the next request of the connection waits until it is
/// sent.
pub(super) const SEND_BUFFER_BYTES: usize = 32 * 1024;
/// Bytes of the kernel's receive buffer of a TCP connection, likewise.
pub(super) const RECEIVE_BUFFER_BYTES: usize = 32 * 1024;
/// Minimum number of event loops, also on one core: while one is preempted, the other serves.
pub(super) const MIN_EVENT_LOOPS: NonZeroUsize = NonZeroUsize::new(2).unwrap();
/// Maximum requests that an event loop dispatches in one iteration. Enough to share the cost of a read
/// session, and few enough that no request waits long for the others.
pub(super) const BATCH: usize = 16;
/// Interval at which an event loop scans for expired deadlines.
pub(super) const SCAN_EVERY: Duration = Duration::from_millis(250);
/// Maximum requests in the worker pool that may hash a password.
pub(super) const MAX_HASHING: usize = 224;
/// Worker threads beyond those, so that a storm of logins can't block revocations: 256 in all.
pub(super) const NEVER_HASHING: usize = 32;
/// Worker threads that never end. They serve alone where the system has no more threads.
pub(super) const MIN_WORKERS: usize = 2;
/// Idle timeout of the other worker threads.
pub(super) const IDLE_WORKER: Duration = Duration::from_secs(1);
/// Timeout of a wait that needs none.
pub(super) const FAR: Duration = Duration::from_secs(3_600);
/// Stack of a thread. Measured in a debug build with the deepest calls, those of SQLite and scrypt. Untouched
/// pages cost nothing.
pub(super) const STACK_BYTES: usize = 512 * 1024;
/// A connection whose body is incomplete for this long can be evicted. Earlier, the body is probably on its
/// way.
pub(super) const BODY_GRACE: Duration = Duration::from_secs(1);
/// Maximum evicted connections that are not closed yet. Beyond it, the acceptor waits before it admits
/// another connection.
pub(super) const MAX_CLOSING: usize = 4;
/// The acceptor waits this long at most. An event loop closes evicted connections at once, but on a busy
/// machine it may take a while until its thread runs.
pub(super) const EVICTION_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum rejected connections that are not closed yet. For the next one, the oldest is closed.
pub(super) const MAX_REJECTED: usize = 8;
/// Maximum connections accepted from a listener's backlog at shutdown, as many as the kernel queues by
/// default (`net.core.somaxconn`). Clients may go on connecting, so the backlog may never be empty.
pub(super) const MAX_BACKLOG: usize = 4_096;
/// Duration of a lingering close: unread input is discarded for this long after the last byte of the
/// response. Closing over unread input would send a reset, which can destroy the response (RFC 9112 section
/// 9.6).
pub(super) const LINGER: Duration = Duration::from_secs(1);
/// Maximum bytes discarded meanwhile: a proxy that forwards a body may read the response only after the whole
/// body.
pub(super) const LINGER_BYTES: usize = 2 * 1024 * 1024;
/// At shutdown, time for requests in flight, and for the next request of idle connections.
pub(super) const DRAIN: Duration = Duration::from_secs(10);
/// At shutdown, time for threads to end after that.
pub(super) const CLOSE: Duration = Duration::from_secs(1);
