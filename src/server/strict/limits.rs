//! Every number that a client meets, with its reason.

use crate::http::MAX_BODY_BYTES;
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
/// Bytes taken from a socket at once: a request with its body is usually less.
pub(super) const READ_BYTES: usize = 4 * 1024;
/// A buffer that grew beyond this is given back while the connection is idle.
pub(super) const IDLE_BUFFER_BYTES: usize = 4 * 1024;
/// Threads on duty, also where there are fewer cores: one that is kept from its core keeps nobody else waiting.
pub(super) const MIN_ON_DUTY: usize = 2;
/// Connections that a thread takes at once, if something has arrived on so many: enough that what is looked at once for all of
/// them costs little for each, and few enough that none waits long for the others.
pub(super) const ROUND: usize = 16;
/// A thread that nobody needs waits for so long before it goes: whoever left duty for a moment would have to make it anew.
pub(super) const SPARE: Duration = Duration::from_secs(1);
/// A client that sends on without a break is served by a thread on duty for so many steps, each a read or a request; then
/// that thread leaves duty, or as many such clients as there are threads would have all of them to themselves.
pub(super) const MAX_STEPS: u32 = 16;
/// Stack of a worker. Measured with the deepest calls there are, SQLite's and scrypt's, in a debug
/// build; pages that are not touched cost nothing.
pub(super) const STACK_BYTES: usize = 512 * 1024;
/// A body that was withheld for so long makes room like half a head. Before that it is on its way, and whoever was
/// told to continue may send it.
pub(super) const BODY_GRACE: Duration = Duration::from_secs(1);
/// Connections that were told to make room and are not gone yet: beyond so many, newcomers wait at the door.
pub(super) const MAX_LEAVING: usize = 8;
/// A newcomer waits so long at the door at most. Who was told to go goes at once, but on a busy machine it takes until a
/// thread gets to run.
pub(super) const LEAVING: Duration = Duration::from_secs(1);
/// After a closing answer, unread input is thrown away for so long, or a reset would take the answer along.
pub(super) const LINGER: Duration = Duration::from_secs(1);
/// So many bytes of unread input are thrown away after a closing answer.
pub(super) const LINGER_BYTES: usize = 64 * 1024;
/// At the end, what is being answered and idle connections' next requests get this long.
pub(super) const DRAIN: Duration = Duration::from_secs(10);
