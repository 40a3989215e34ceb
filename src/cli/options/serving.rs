//! Options of the server: where it listens, whom it believes, how much it takes.

use super::opt::Opt;

pub(in crate::cli) const LISTEN: Opt = Opt {
    name: "listen",
    value: Some("ADDR:PORT|unix:PATH|stdin"),
    default: Some("127.0.0.1:5000"),
    help: "Where to listen: an IP address (not a name) and a port, where 0 chooses a free one; a Unix \
           socket, accessible to its owner and group; or stdin, the listening socket on standard input that \
           systemd passes.",
};
pub(in crate::cli) const PUBLIC_URL: Opt = Opt {
    name: "public-url",
    value: Some("URL"),
    default: None,
    help: "The URL under which clients reach this server. Location headers begin with it. State-changing \
           requests from browsers are served only under its host, a localhost name or an IP address \
           (protection from DNS rebinding).",
};
pub(in crate::cli) const TRUSTED_PROXY: Opt = Opt {
    name: "trusted-proxy",
    value: Some("CIDR|unix"),
    default: None,
    help: "A reverse proxy whose X-Forwarded-For, -Host and -Proto are believed: an address, a network such \
           as 10.0.0.0/8, or unix for all peers on a Unix socket. It must set these headers itself and never \
           pass on its clients'. Repeatable; in the variable, separated by commas. Default: none.",
};
pub(in crate::cli) const CORS_ORIGIN: Opt = Opt {
    name: "cors-origin",
    value: Some("ORIGIN"),
    default: None,
    help: "An origin whose pages may send requests and read responses (CORS), such as \
           https://app.example.org; never with credentials stored by the browser. Repeatable; in the \
           variable, separated by commas. Default: none.",
};
pub(in crate::cli) const NO_PAGE: Opt = Opt {
    name: "no-page",
    value: None,
    default: None,
    help: "Don't serve the page at /learn, which demonstrates registration, passwords and tokens with real \
           requests.",
};
pub(in crate::cli) const ALLOW_CLEARTEXT: Opt = Opt {
    name: "allow-cleartext",
    value: None,
    default: None,
    help: "Listen on other than loopback addresses, although passwords then cross the network in cleartext.",
};
pub(in crate::cli) const LOOP: Opt = Opt {
    name: "loop",
    value: Some("strict|tiny-http"),
    default: Some("strict"),
    help: "The server loop. tiny-http is for reading and embedding, not for an open network.",
};
pub(in crate::cli) const MAX_CONNECTIONS: Opt = Opt {
    name: "max-connections",
    value: Some("NUMBER"),
    default: Some("256"),
    help: "Maximum number of connections of the strict loop. Beyond it, a new connection replaces one that \
           waits. Fewer if the process may not open as many descriptors.",
};
pub(in crate::cli) const MAX_CONNECTIONS_PER_ADDRESS: Opt = Opt {
    name: "max-connections-per-address",
    value: Some("NUMBER"),
    default: None,
    help: "The same per address (IPv6: per /64). Default: 64, and no limit for this machine, where a proxy \
           may run. A number given here applies to this machine too, but never to trusted proxies.",
};
pub(in crate::cli) const EVENT_LOOPS: Opt = Opt {
    name: "event-loops",
    value: Some("NUMBER"),
    default: None,
    help: "Number of event loops of the strict loop, 1 to 256: threads that serve all requests that don't block. \
           Default: the number of cores, at least 2.",
};
pub(in crate::cli) const REQUEST_TIMEOUT: Opt = Opt {
    name: "request-timeout",
    value: Some("DURATION"),
    default: Some("10"),
    help: "Deadline of the strict loop for the headers of a request, from their first byte; then for the \
           body; then for the response.",
};
pub(in crate::cli) const IDLE_TIMEOUT: Opt = Opt {
    name: "idle-timeout",
    value: Some("DURATION"),
    default: None,
    help: "How long the strict loop keeps an idle connection. Default: 75, and 150 from trusted proxies, \
           which is longer than proxies keep theirs. A duration given here applies to both.",
};
pub(in crate::cli) const MAX_HEAD: Opt = Opt {
    name: "max-head",
    value: Some("SIZE"),
    default: Some("32K"),
    help: "Maximum size of request line and headers in the strict loop, 1K to 1M. Longer ones are answered \
           414 or 431.",
};
pub(in crate::cli) const MAX_BODY: Opt = Opt {
    name: "max-body",
    value: Some("SIZE"),
    default: Some("16K"),
    help: "Maximum size of a request body in the strict loop, 1K to 1M. A longer one is answered 413. With \
           --loop tiny-http it is 16K.",
};
pub(in crate::cli) const LOG: Opt = Opt {
    name: "log",
    value: Some("text|json|off"),
    default: Some("text"),
    help: "Access log and audit events on standard error (failed logins, rate limited requests, changed \
           users), as text, as JSON objects, or none. Notices for the operator are always written.",
};
pub(in crate::cli) const METRICS: Opt = Opt {
    name: "metrics",
    value: Some("ADDR:PORT"),
    default: None,
    help: "Serve GET /metrics in Prometheus's format on this address: a loopback address, or any with \
           --allow-cleartext. Default: none.",
};
