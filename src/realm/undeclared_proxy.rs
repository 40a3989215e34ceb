//! A proxy that the operator forgot to name, or a client that tries.

use super::{Notice, Realm};
use crate::client::Client;
use crate::clock::UnixTime;
use crate::store::{Store, StoreError};
use alloc::string::{String, ToString as _};
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::OnceLock;

/// Who first spoke for others without being trusted to, since the start.
#[derive(Debug, Default)]
pub(super) struct UndeclaredProxy {
    peer: OnceLock<Client>,
    is_saved: AtomicBool,
}

impl UndeclaredProxy {
    /// Once, into the store: not when it is seen, since a request waits for no writer.
    pub(super) fn save(&self, store: &Store, at: UnixTime) -> Result<(), StoreError> {
        let Some(peer) = self.peer.get() else { return Ok(()) };
        if !self.is_saved.load(Ordering::Relaxed) {
            store.note_undeclared_proxy(&proxy_name(*peer), at)?;
            self.is_saved.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Realm {
    /// Notes that a peer spoke for others without being trusted to: a proxy that the operator forgot to name, or a
    /// client that tries. The first one is told, and with the next [`Realm::save`] in the database.
    pub fn note_ignored_forwarding(&self, peer: Client) {
        if self.undeclared_proxy.peer.set(peer).is_ok() {
            (self.observer)(Notice::ForwardingIgnored(peer));
        }
    }
}

/// As `--trusted-proxy` names it.
pub(super) fn proxy_name(peer: Client) -> String {
    match peer {
        Client::Ip(address) => address.to_string(),
        Client::Local => "unix".into(),
    }
}
