//! Options of the server: where it listens, whom it believes, how much it takes.

use super::Opt;

pub(in crate::cli) const LISTEN: Opt = Opt {
    name: "listen",
    value: Some("ADDR:PORT|unix:PATH|stdin"),
    default: Some("127.0.0.1:5000"),
    help: "Where to listen: an IP address, not a name, and a port, of which 0 takes a free one; a Unix socket, which its \
           owner and group may connect to; or the listening socket that standard input is, as systemd hands it over.",
};
pub(in crate::cli) const PUBLIC_URL: Opt = Opt {
    name: "public-url",
    value: Some("URL"),
    default: None,
    help: "Under which URL clients reach this server; Location fields begin with it. State-changing requests from browsers \
           are served only under its host, a localhost name or an IP address (protection from DNS rebinding).",
};
pub(in crate::cli) const TRUSTED_PROXY: Opt = Opt {
    name: "trusted-proxy",
    value: Some("CIDR|unix"),
    default: None,
    help: "A proxy that is believed what it says of its clients in X-Forwarded-For, -Host and -Proto: an address, a \
           network such as 10.0.0.0/8, or unix for whoever connects to a Unix socket. It must set these fields itself, never pass \
           on what its clients sent. May be given several times; in \
           the variable, commas stand between. Default: nobody.",
};
pub(in crate::cli) const CORS_ORIGIN: Opt = Opt {
    name: "cors-origin",
    value: Some("ORIGIN"),
    default: None,
    help: "A site whose pages may send requests and read the answers, such as https://app.example.org; never with \
           credentials that the browser remembers. May be given several times; in the variable, commas stand between. \
           Default: none.",
};
pub(in crate::cli) const NO_PAGE: Opt = Opt {
    name: "no-page",
    value: None,
    default: None,
    help: "Don't serve the page at /, which walks whoever opens it through registration, passwords and tokens with \
           requests of their own.",
};
pub(in crate::cli) const ALLOW_CLEARTEXT: Opt = Opt {
    name: "allow-cleartext",
    value: None,
    default: None,
    help: "Listen on other than loopback addresses, where passwords cross the network readable for everybody on it.",
};
pub(in crate::cli) const LOOP: Opt = Opt {
    name: "loop",
    value: Some("strict|tiny-http"),
    default: Some("strict"),
    help: "Which server loop carries the requests; tiny-http is for reading and embedding, not for an open network.",
};
pub(in crate::cli) const MAX_CONNECTIONS: Opt = Opt {
    name: "max-connections",
    value: Some("NUMBER"),
    default: Some("256"),
    help: "Connections at once in the strict loop; a newcomer beyond that takes the place of one that waits. Fewer \
           where the process may not open so many descriptors.",
};
pub(in crate::cli) const MAX_CONNECTIONS_PER_ADDRESS: Opt = Opt {
    name: "max-connections-per-address",
    value: Some("NUMBER"),
    default: None,
    help: "The same from one address, of IPv6 from one /64. Default: 64, and any number from this machine, \
           where a proxy may stand; a number given here counts there too, but never for trusted proxies.",
};
pub(in crate::cli) const REQUEST_TIMEOUT: Opt = Opt {
    name: "request-timeout",
    value: Some("DURATION"),
    default: Some("10"),
    help: "How long a request's head may take in the strict loop, from its first byte; then its body; then the answer.",
};
pub(in crate::cli) const IDLE_TIMEOUT: Opt = Opt {
    name: "idle-timeout",
    value: Some("DURATION"),
    default: None,
    help: "How long the strict loop keeps a connection that sends nothing. Default: 75, and 150 from trusted proxies, \
           which is longer than proxies keep theirs; a duration given here counts for both.",
};
pub(in crate::cli) const MAX_HEAD: Opt = Opt {
    name: "max-head",
    value: Some("SIZE"),
    default: Some("32K"),
    help: "The longest head of a request in the strict loop, request line and fields together, 1K to 1M; a longer one \
           is answered 414 or 431.",
};
pub(in crate::cli) const MAX_BODY: Opt = Opt {
    name: "max-body",
    value: Some("SIZE"),
    default: Some("16K"),
    help: "The longest body of a request in the strict loop, 1K to 1M; a longer one is answered 413. With --loop \
           tiny-http it is 16K.",
};
pub(in crate::cli) const LOG: Opt = Opt {
    name: "log",
    value: Some("text|json|off"),
    default: Some("text"),
    help: "One line a request on standard error, and one for each failed login, throttled request and changed user, as \
           text or as JSON objects; or none. What an operator should know is always written.",
};
pub(in crate::cli) const METRICS: Opt = Opt {
    name: "metrics",
    value: Some("ADDR:PORT"),
    default: None,
    help: "Serve GET /metrics there, for Prometheus, to whoever can connect; a loopback address, or any with \
           --allow-cleartext. Default: nowhere.",
};
