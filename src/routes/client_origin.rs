//! Senders: who sent a request, seen through the trusted proxies between.

use crate::client::Client;
use crate::http::Request;
use crate::proxies::TrustedProxies;

/// Who sent a request, and by way of whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientOrigin {
    /// Who asked, as far as is known.
    pub(super) client: Client,
    /// Whether a trusted proxy passed it on, and its other `X-Forwarded` headers count too.
    pub(super) has_trusted_proxy: bool,
    /// The peer, if it sent `X-Forwarded` headers without being a trusted proxy.
    pub(super) ignored_forwarding: Option<Client>,
}

impl ClientOrigin {
    /// Judges by the peer, and by what it says if it is trusted to speak for others.
    pub(super) fn of(proxies: &TrustedProxies, request: &Request) -> Self {
        let peer = request.peer;
        let has_trusted_proxy = proxies.trusts(peer);
        let speaks_for_others = ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"]
            .iter()
            .any(|name| request.headers(name).next().is_some());
        Self {
            client: proxies.client_of(peer, request.headers("X-Forwarded-For")),
            has_trusted_proxy,
            ignored_forwarding: (speaks_for_others && !has_trusted_proxy).then_some(peer),
        }
    }
}
