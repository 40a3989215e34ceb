//! Client address behind proxies, and undeclared proxies.
//!
//! An undeclared proxy is a peer that sends `X-Forwarded` headers without being trusted: a proxy that the administrator
//! forgot to declare, or a client that forges its address. The first one since the start is logged, and recorded in the
//! store for `gatekey doctor`.

use crate::client::Client;
use crate::clock::Now;
use crate::http::{AccessRecord, Request};
use crate::proxies::TrustedProxies;
use crate::realm::Realm;
use crate::store::StoreError;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
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
