//! Forwarded headers: client address, scheme and host behind trusted proxies.
//!
//! A proxy connects in place of the client, and describes the client's request in `X-Forwarded-For`, `-Proto`
//! and `-Host`. Any client can send these headers, so they count only if the peer is in
//! [`Config::trusted_proxies`](super::Config::trusted_proxies).
//!
//! An undeclared proxy is a peer that sends them without being trusted: a proxy that the administrator forgot
//! to declare, or a client that forges its address. The first one since the start is logged, and recorded in
//! the store for `gatekey doctor`.

use super::RequestContext;
use crate::client::Client;
use crate::clock::Now;
use crate::http::{AccessRecord, Request, is_valid_host};
use crate::proxies::TrustedProxies;
use crate::realm::Realm;
use crate::store::StoreError;
use core::sync::atomic::{AtomicBool, Ordering};
use core::{fmt, str};
use std::sync::OnceLock;

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientOrigin {
    /// The client address: the forwarded one behind trusted proxies, the peer's otherwise.
    pub(super) client: Client,
    /// Whether the peer is a trusted proxy.
    pub(super) has_trusted_proxy: bool,
    /// The peer, if its forwarded headers were ignored.
    pub(super) ignored_forwarding: Option<Client>,
}

impl ClientOrigin {
    pub(super) fn of(proxies: &TrustedProxies, request: &Request) -> Self {
        let peer = request.peer;
        let has_trusted_proxy = proxies.trusts(peer);
        let is_forwarded = ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"]
            .iter()
            .any(|name| request.headers(name).next().is_some());
        Self {
            client: proxies.client_of(peer, request.headers("X-Forwarded-For")),
            has_trusted_proxy,
            ignored_forwarding: (is_forwarded && !has_trusted_proxy).then_some(peer),
        }
    }
}

/// The URL under which the client reached this server, for links in responses: the public URL, or else scheme
/// and host of the request. Empty without a valid `Host`; a link is then a relative reference (RFC 9110
/// section 10.2.2).
pub(super) fn base_url(context: &RequestContext<'_>) -> String {
    if let Some(public) = &context.config.public_url {
        return public.as_str().into();
    }
    let scheme = forwarded(context, "X-Forwarded-Proto").and_then(web_scheme).unwrap_or("http");
    requested_host(context).map_or_else(String::new, |host| format!("{scheme}://{host}"))
}

/// The scheme of the page: `https` or `http`, also for the scheme of its websocket, which Traefik reports. Schemes are
/// case-insensitive (RFC 3986 section 3.1).
pub(super) fn web_scheme(scheme: &str) -> Option<&'static str> {
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    match () {
        () if is("https") || is("wss") => Some("https"),
        () if is("http") || is("ws") => Some("http"),
        () => None,
    }
}

/// The host that the client requested, with an optional port: from a trusted proxy, else from `Host`.
pub(super) fn requested_host<'a>(context: &RequestContext<'a>) -> Option<&'a str> {
    let is_valid = |host: &&str| is_valid_host(host);
    let own_host = || str::from_utf8(context.request.header("Host")?).ok().filter(is_valid);
    let host = forwarded(context, "X-Forwarded-Host").filter(is_valid).or_else(own_host)?;
    Some(host.strip_suffix(':').unwrap_or(host)) // an empty port is the scheme's default
}

/// The last value of a header of a trusted proxy. Apache appends to what its client sent, so only the last
/// value is the proxy's own.
pub(super) fn forwarded<'a>(context: &RequestContext<'a>, name: &str) -> Option<&'a str> {
    forwarded_line(context, name)?.rsplit(',').next().map(str::trim_ascii)
}

/// The last header of this name that a trusted proxy sent, with any commas in its value.
pub(super) fn forwarded_line<'a>(context: &RequestContext<'a>, name: &str) -> Option<&'a str> {
    let last_line = context.request.headers(name).next_back().filter(|_| context.origin.has_trusted_proxy)?;
    str::from_utf8(last_line).ok()
}

/// The first undeclared proxy since the start.
#[derive(Debug, Default)]
pub struct UndeclaredProxy {
    peer: OnceLock<Client>,
    is_saved: AtomicBool,
}

impl UndeclaredProxy {
    /// Records the peer whose headers were ignored. Returns a notice for the log, once.
    pub fn observe(&self, record: &AccessRecord) -> Option<ForwardingIgnored> {
        let peer = record.ignored_forwarding?;
        self.peer.set(peer).is_ok().then_some(ForwardingIgnored(peer))
    }

    /// Writes the peer to the store, once. Call it as often as [`Realm::save`]; a request must not wait for a
    /// writer.
    ///
    /// # Errors
    /// [`StoreError`] if the store is unavailable; the next call retries.
    pub fn save(&self, realm: &Realm, now: Now) -> Result<(), StoreError> {
        let Some(peer) = self.peer.get() else { return Ok(()) };
        if !self.is_saved.load(Ordering::Relaxed) {
            realm.store().record_undeclared_proxy(&option_value(*peer), realm.unix(now))?;
            self.is_saved.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Notice for the log: `X-Forwarded` headers of this peer were ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForwardingIgnored(pub Client);

impl fmt::Display for ForwardingIgnored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (peer, value) = (self.0, option_value(self.0));
        write!(
            f,
            "X-Forwarded headers from {peer} are ignored; if that is your proxy, set --trusted-proxy {value} \
             (logged once, for the first such peer)"
        )
    }
}

/// The peer as a value of `--trusted-proxy`.
fn option_value(peer: Client) -> String {
    match peer {
        Client::Ip(address) => address.to_string(),
        Client::Local => "unix".into(),
    }
}
