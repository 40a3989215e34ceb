//! `gatekey serve --loop tiny-http`: the tiny_http server, with the metrics listener on a thread beside it.

use super::cli_error::CliError;
use crate::clock;
use crate::http::{Request, Response};
use crate::routes;
use crate::server::app::App;
use crate::server::engine::{self, Endpoint};
use crate::server::heartbeats::Heartbeats;
use crate::server::log;
use crate::server::{Handler, Shutdown, tiny};
use crate::store::Reads;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// Serves until the shutdown is requested. An error of the metrics listener is logged and ends nothing else.
///
/// # Errors
/// The listener fails, or the system has no thread for the metrics.
pub(super) fn run(
    listener: TcpListener,
    metrics: Option<Endpoint>,
    app: Arc<App>,
    heartbeats: &Arc<Heartbeats>,
    shutdown: &Arc<Shutdown>,
) -> Result<(), CliError> {
    let (until, beats) = (shutdown.clone(), heartbeats.clone());
    let serve_metrics = |metrics: Endpoint| {
        thread::Builder::new().name("metrics".into()).spawn(move || {
            if let Err(error) = engine::run([metrics].into(), None, &beats, &until) {
                log::notice(format!("can't serve metrics: {error}; the server continues without them"));
            }
        })
    };
    let metrics = metrics.map(serve_metrics).transpose().map_err(|error| CliError::no_thread(&error))?;
    // `Reads::PerCall` waits where a batch would return `WouldBlock`, so this error doesn't occur.
    let answer = move |request: &Request| -> Response {
        app.handle(request, Reads::PerCall, clock::monotonic()).unwrap_or_else(|_| routes::panicked())
    };
    let handler: Arc<Handler> = Arc::new(answer);
    let served = tiny::run(listener, &handler, shutdown);
    let _ = metrics.map(JoinHandle::join); // a panic there has been logged already
    served.map_err(|error| CliError::Failed(format!("can't serve: {error}")))
}
