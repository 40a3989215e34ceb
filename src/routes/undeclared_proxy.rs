//! Undeclared proxy: a peer that sends `X-Forwarded` headers without being a trusted proxy.
//!
//! It is a proxy that the administrator forgot to declare, or a client that tries to forge its address. The headers are
//! ignored either way. The first such peer since the start is reported once, and recorded in the store for
//! `gatekey doctor`.

use crate::client::Client;
use crate::clock::Now;
use crate::http::AccessRecord;
use crate::realm::Realm;
use crate::store::StoreError;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::OnceLock;

/// The first undeclared proxy since the start. A server has one, and shows it every response.
#[derive(Debug, Default)]
pub struct UndeclaredProxy {
    peer: OnceLock<Client>,
    is_saved: AtomicBool,
}

impl UndeclaredProxy {
    /// Remembers the peer whose headers a response ignored. Returns the notice for the log, for the first one only.
    pub fn observe(&self, record: &AccessRecord) -> Option<ForwardingIgnored> {
        let peer = record.ignored_forwarding?;
        self.peer.set(peer).is_ok().then_some(ForwardingIgnored(peer))
    }

    /// Records it in the store, once. Not part of a request, which must not wait for a writer: call it as often as
    /// [`Realm::save`].
    ///
    /// # Errors
    /// [`StoreError`] if it can't be written; the next call tries again.
    pub fn save(&self, realm: &Realm, now: Now) -> Result<(), StoreError> {
        let Some(peer) = self.peer.get() else { return Ok(()) };
        if !self.is_saved.load(Ordering::Relaxed) {
            realm.store().record_undeclared_proxy(&proxy_name(*peer), realm.unix(now))?;
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
        let (peer, name) = (self.0, proxy_name(self.0));
        write!(
            f,
            "X-Forwarded headers from {peer} are ignored; if that is your proxy, say --trusted-proxy {name} \
             (this is said once, whoever sends more)"
        )
    }
}

/// The peer as `--trusted-proxy` names it.
fn proxy_name(peer: Client) -> String {
    match peer {
        Client::Ip(address) => address.to_string(),
        Client::Local => "unix".into(),
    }
}
