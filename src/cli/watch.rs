//! What `serve` shows of itself: the log, the ids in it, and the metrics on a listener of their own.

use super::Failure;
use super::listen;
use super::log::{self, Log};
use super::options;
use super::settings::Settings;
use crate::blocking;
use crate::clock;
use crate::http::{About, ErrorCode, REQUEST_ID, Request, RequestIds, Response};
use crate::proxies::TrustedProxies;
use crate::realm::Realm;
use crate::server::metrics::{self, Metrics};
use crate::server::strict::{self, Limits, Seen};
use crate::server::{self, Shutdown};
use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use core::net::SocketAddr;
use core::time::Duration;
use std::net::TcpListener;
use std::sync::Mutex;
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// Who reads metrics is one or two programs, every few seconds; they don't need to keep a connection, and the server
/// need not wait for it at its end.
const LIMITS: (usize, Duration) = (4, Duration::from_secs(1));

/// How often it is told that requests fail, at most.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Where everything that is answered is noted.
pub(super) struct Watch {
    log: Log,
    ids: RequestIds,
    metrics: Metrics,
    /// When it was told last that requests fail.
    told: Mutex<Option<Instant>>,
}

impl Watch {
    pub(super) fn new(log: Log) -> Result<Self, Failure> {
        let ids = RequestIds::new().map_err(|error| Failure::failed("can't name requests", &error))?;
        Ok(Self { log, ids, metrics: Metrics::default(), told: Mutex::default() })
    }

    /// Answers a request, and notes that.
    pub(super) fn handle(&self, realm: &Realm, request: &Request) -> Response {
        server::handle(realm, &self.ids, request, &|request, response, took| {
            self.metrics.answered(response, took);
            self.log.request(request, response, took);
            self.tell_of_failure(response);
        })
    }

    /// What keeps the server from serving is a notice too: where requests are not logged, nothing else would say it.
    fn tell_of_failure(&self, response: &Response) {
        let About { error: Some(ErrorCode::Unavailable | ErrorCode::Internal), cause, .. } = &response.about
        else {
            return;
        };
        let now = clock::monotonic();
        let mut told = blocking::lock_briefly(&self.told);
        if told.is_none_or(|at| now.saturating_duration_since(at) >= TOLD_EVERY) {
            *told = Some(now);
            let cause = cause.as_deref().unwrap_or_default();
            log::notice(format!("a request failed: {cause} (more within a minute are not told here)"));
        }
    }

    /// Notes what no handler sees.
    pub(super) fn see(&self, seen: Seen<'_>) {
        match seen {
            Seen::Refused(client, response) => {
                response.fields.push((REQUEST_ID, self.ids.next().into()));
                self.metrics.refused(response);
                self.log.refused(client, response);
            }
            Seen::Connected => self.metrics.connected(),
            Seen::Disconnected { made_room } => self.metrics.disconnected(made_room),
        }
    }
}

/// Where metrics are to be had, if anywhere.
pub(super) fn listen(settings: &Settings<'_>) -> Result<Option<TcpListener>, Failure> {
    let Some(address) = address(settings)? else { return Ok(None) };
    let failed = |error| Failure::failed(format!("can't listen on {address} for metrics"), &error);
    TcpListener::bind(address).map(Some).map_err(failed)
}

/// As `--metrics` names it.
pub(super) fn address(settings: &Settings<'_>) -> Result<Option<SocketAddr>, Failure> {
    let expected = "expected an IP address and a port, such as 127.0.0.1:9469";
    let address =
        settings.read(&options::METRICS, |text| text.parse::<SocketAddr>().map_err(|_| expected))?;
    let Some(address) = address else { return Ok(None) };
    if !listen::is_loopback(address) && !settings.flag(&options::ALLOW_CLEARTEXT)? {
        return Err(Failure::Usage(format!(
            "{address} is not a loopback address: everybody there could read the metrics. Listen on 127.0.0.1, or say \
             --allow-cleartext"
        )));
    }
    Ok(Some(address))
}

/// Serves `GET /metrics` there until the shutdown is requested.
pub(super) fn serve_metrics(
    listener: TcpListener,
    watch: &Arc<Watch>,
    realm: &Arc<Realm>,
    shutdown: &Arc<Shutdown>,
) -> Result<JoinHandle<()>, Failure> {
    let failed = |error| Failure::failed("can't serve metrics", &error);
    let address = listener.local_addr().map_err(failed)?;
    let (watch, realm, shutdown) = (watch.clone(), realm.clone(), shutdown.clone());
    let (max_connections, idle_timeout) = LIMITS;
    let limits = Limits {
        max_connections,
        max_connections_per_address: max_connections,
        idle_timeout,
        proxy_idle_timeout: idle_timeout,
        ..Limits::default()
    };
    let handler = move |request: &Request| answer(&watch.metrics, &realm, request);
    let serve = move || {
        let (nobody, unwatched) = (TrustedProxies::default(), Box::new(|_: Seen<'_>| ()));
        let served = strict::run(listener, limits, nobody, Box::new(handler), unwatched, &shutdown);
        if let Err(error) = served {
            log::notice(format!("can't serve metrics: {error}; everything else goes on"));
        }
    };
    let thread = thread::Builder::new().name("metrics".into()).spawn(serve).map_err(failed)?;
    log::notice(format!("metrics on http://{address}/metrics"));
    Ok(thread)
}

fn answer(metrics: &Metrics, realm: &Realm, request: &Request) -> Response {
    match (request.path.as_str(), request.method.as_str()) {
        ("/metrics", "GET" | "HEAD") => {
            let body = metrics.text(realm.hash_load(), realm.hashes()).into_bytes();
            Response { body, ..Response::empty(200).with_field("Content-Type", metrics::CONTENT_TYPE) }
        }
        ("/metrics", _) => {
            let message = "This path takes GET, HEAD.";
            Response::error(ErrorCode::MethodNotAllowed, message).with_field("Allow", "GET, HEAD")
        }
        _ => Response::error(ErrorCode::NotFound, "Only /metrics is here."),
    }
}
