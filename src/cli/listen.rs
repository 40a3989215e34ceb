//! Listener of `serve`: an address and port, a Unix socket, or a socket passed as standard input.

use super::cli_error::CliError;
use super::config::{ListenRefusal, ServeConfig, cleartext_advice};
use super::values::ListenAddress;
use crate::server::listener::{self, BoundListener};
use crate::server::service_manager::ProbeTarget;
use std::net::TcpListener;
use std::path::PathBuf;

pub(super) fn listen(config: &ServeConfig) -> Result<BoundListener, CliError> {
    let check = |address: &ListenAddress| config.check_listener(address).map_err(|refusal| refused(&refusal));
    check(&config.listen)?;
    let bound = match &config.listen {
        ListenAddress::Tcp(address) => listener::at_address(*address),
        ListenAddress::Unix(path) => listener::at_path(path.clone()),
        ListenAddress::Stdin => listener::on_stdin(),
    };
    let bound = bound.map_err(|error| CliError::Failed(error.to_string()))?;
    // The address of a socket on standard input is known only now.
    check(&match &bound.probe_target {
        ProbeTarget::Tcp(address) => ListenAddress::Tcp(*address),
        ProbeTarget::Unix(_) => ListenAddress::Unix(PathBuf::new()),
    })?;
    Ok(bound)
}

fn refused(refusal: &ListenRefusal) -> CliError {
    CliError::Usage(match refusal {
        ListenRefusal::Cleartext(address) => format!(
            "--listen {address} is not a loopback address: passwords would cross the network in cleartext; {}",
            cleartext_advice(*address)
        ),
        ListenRefusal::NeedsTrustedProxy => {
            "a Unix socket needs --trusted-proxy unix, and a proxy that sends the client's address in \
             X-Forwarded-For: without it, all clients would count as one"
                .into()
        }
        ListenRefusal::NeedsStrict => "--loop tiny-http listens on an address and a port only".into(),
    })
}

pub(super) fn listen_for_metrics(config: &ServeConfig) -> Result<Option<TcpListener>, CliError> {
    let Some(address) = config.metrics else { return Ok(None) };
    let failed = |error| CliError::failed(format!("can't listen on {address} for metrics"), &error);
    TcpListener::bind(address).map(Some).map_err(failed)
}
