//! Where `serve` listens: at an address, at a path, or on a socket that it was given as its standard input.

use super::cli_error::CliError;
use super::serve_config::{ListenAddress, ServeConfig, is_loopback};
use crate::client::Client;
use crate::proxies::TrustedProxies;
use crate::server::listener::{self, BoundListener, ListenError};
use crate::server::service_manager::ProbeTarget;
use core::net::SocketAddr;
use std::net::TcpListener;

/// Opens what `--listen` names, if the operator has said what has to be said with it.
pub(super) fn listen(config: &ServeConfig) -> Result<BoundListener, CliError> {
    let proxies = &config.routes.trusted_proxies;
    let needs_strict = !matches!(config.listen, ListenAddress::Address(_));
    if needs_strict && !config.is_strict {
        // tiny_http removes, when it ends, whatever stands at its path by then, and leaves a shared socket with one
        // connection taken that nobody will answer.
        return Err(CliError::Usage("--loop tiny-http listens on an address and a port only".into()));
    }
    let failed = |error: ListenError| CliError::Failed(error.to_string());
    match &config.listen {
        ListenAddress::Address(address) => {
            refuse_cleartext(config, *address)?;
            listener::at_address(*address).map_err(failed)
        }
        ListenAddress::Path(path) => {
            require_trusted_proxy(proxies)?;
            listener::at_path(path.clone()).map_err(failed)
        }
        ListenAddress::Stdin => {
            let bound = listener::on_stdin().map_err(failed)?;
            match bound.door {
                ProbeTarget::Tcp(address) => refuse_cleartext(config, address)?,
                ProbeTarget::Unix(_) => require_trusted_proxy(proxies)?,
            }
            Ok(bound)
        }
    }
}

/// Loopback addresses are let through, others where the operator insists.
fn refuse_cleartext(config: &ServeConfig, address: SocketAddr) -> Result<(), CliError> {
    if is_loopback(address) || config.allows_cleartext {
        return Ok(());
    }
    Err(CliError::Usage(format!(
        "{address} is not a loopback address: passwords would cross the network readable. Put a proxy that ends \
         TLS in front and listen on 127.0.0.1, or say --allow-cleartext"
    )))
}

/// A Unix socket's peer has no address: without a proxy that says whose request it is, all clients would be one, and
/// the first who guesses passwords would spend everybody's guesses.
fn require_trusted_proxy(proxies: &TrustedProxies) -> Result<(), CliError> {
    if proxies.trusts(Client::Local) {
        return Ok(());
    }
    Err(CliError::Usage(
        "a Unix socket needs --trusted-proxy unix: a proxy must stand there that says in X-Forwarded-For who its \
         client is, or all clients would count as one"
            .into(),
    ))
}

/// The listener for metrics, if `--metrics` asks for one.
pub(super) fn listen_for_metrics(config: &ServeConfig) -> Result<Option<TcpListener>, CliError> {
    let Some(address) = config.metrics else { return Ok(None) };
    let failed = |error| CliError::failed(format!("can't listen on {address} for metrics"), &error);
    TcpListener::bind(address).map(Some).map_err(failed)
}
