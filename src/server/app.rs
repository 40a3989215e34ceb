//! The application: a realm's routes with request ids, access log and metrics.
//!
//! [`App`] works with any server, [`AppService`] adapts it to the engine, and [`metrics_endpoint`] serves its metrics on
//! a separate listener.

use super::engine::{Endpoint, Event, Limits, Service};
use super::heartbeats::Heartbeats;
use super::log::{self, Log};
use super::metrics::{self, Metrics};
#[cfg(feature = "tiny-http")]
use super::{Handler, Shutdown, engine, tiny};
use crate::client::Client;
use crate::clock::{self, Now};
use crate::http::{AccessRecord, AuditEvent, ErrorCode, REQUEST_ID, Request, RequestIds, Response};
use crate::os;
use crate::proxies::TrustedProxies;
use crate::random::RandomError;
use crate::realm::Realm;
use crate::routes::{self, UndeclaredProxy};
use crate::store::{Reader, Reads};
use crate::wait::{WouldBlock, lock};
#[cfg(feature = "tiny-http")]
use core::error::Error;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
#[cfg(feature = "tiny-http")]
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// Connections to the metrics listener. One or two monitoring systems connect every few seconds.
const METRICS_CONNECTIONS: usize = 4;
/// The idle timeout there. It is short, so that shutdown doesn't wait for idle connections.
const METRICS_IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// The minimum interval of notices about failed requests.
const FAILURE_NOTICE_INTERVAL: Duration = Duration::from_secs(60);

/// A realm's routes, and the records of each response.
pub struct App {
    realm: Arc<Realm>,
    config: routes::Config,
    undeclared_proxy: UndeclaredProxy,
    log: Log,
    ids: RequestIds,
    metrics: Metrics,
    heartbeats: Arc<Heartbeats>,
    last_failure_notice: Mutex<Option<Instant>>,
    has_warned_of_shared_limit: AtomicBool,
}

impl App {
    /// An application with new metrics. Records which signing keys are in use, for pruning.
    ///
    /// # Errors
    /// [`RandomError`] if the system has no random numbers for request ids.
    pub fn new(
        realm: Arc<Realm>,
        config: routes::Config,
        heartbeats: Arc<Heartbeats>,
        log: Log,
    ) -> Result<Self, RandomError> {
        realm.record_key_use(clock::now());
        Ok(Self {
            realm,
            config,
            undeclared_proxy: UndeclaredProxy::default(),
            log,
            ids: RequestIds::new()?,
            metrics: Metrics::default(),
            heartbeats,
            last_failure_notice: Mutex::default(),
            has_warned_of_shared_limit: AtomicBool::new(false),
        })
    }

    /// Answers a request; logs and counts it with the time since `received`.
    ///
    /// # Errors
    /// [`WouldBlock`] with [`Reads::Batch`] only, before any side effect.
    pub fn handle(
        &self,
        request: &Request,
        reads: Reads<'_>,
        received: Instant,
    ) -> Result<Response, WouldBlock> {
        let log = |request: &Request, response: &Response| {
            let took = clock::monotonic().saturating_duration_since(received);
            self.metrics.answered(response, took);
            self.log.request(request, response, took);
            self.log_failure(response);
            self.warn_of_shared_limit(response);
            if let Some(ignored) = self.undeclared_proxy.observe(&response.record) {
                log::notice(ignored);
            }
        };
        super::handle(&self.realm, &self.config, &self.ids, &self.heartbeats, request, reads, &log)
    }

    /// Saves the state that must survive a restart. Call it every few seconds and at shutdown.
    pub fn save(&self, now: Now) {
        self.realm.save(now);
        if let Err(error) = self.undeclared_proxy.save(&self.realm, now) {
            log::notice(format!("the undeclared proxy was not recorded: {error}"));
        }
    }

    pub(super) fn count_link(&self, was_sent: bool) {
        self.metrics.link(was_sent);
    }

    /// Warns once that users of an app on this machine may share a rate limit.
    fn warn_of_shared_limit(&self, response: &Response) {
        let AccessRecord { audit, client, .. } = &response.record;
        let is_local = client.is_some_and(Client::is_local);
        if *audit == Some(AuditEvent::RateLimited)
            && is_local
            && !self.has_warned_of_shared_limit.swap(true, Ordering::Relaxed)
        {
            log::notice(
                "a client on this machine was answered 429; if it is an app that passes its users' passwords on, they share \
                 one limit: let it send X-Forwarded-For, and name it with --trusted-proxy (logged once)",
            );
        }
    }

    /// Reports that requests fail, also if the access log is off.
    fn log_failure(&self, response: &Response) {
        let AccessRecord { error: Some(ErrorCode::Unavailable | ErrorCode::Internal), cause, .. } =
            &response.record
        else {
            return;
        };
        let now = clock::monotonic();
        let mut last = lock(&self.last_failure_notice);
        if last.is_none_or(|at| now.saturating_duration_since(at) >= FAILURE_NOTICE_INTERVAL) {
            *last = Some(now);
            let cause = cause.as_deref().unwrap_or_default();
            log::notice(format!("a request failed: {cause} (reported once a minute)"));
        }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The application as an engine service.
#[derive(Debug)]
pub struct AppService(pub Arc<App>);

impl Service for AppService {
    fn answer(&self, request: &Request, reads: Reads<'_>, received: Instant) -> Result<Response, WouldBlock> {
        self.0.handle(request, reads, received)
    }

    fn reader(&self) -> Option<Reader> {
        Some(self.0.realm.reader())
    }

    fn needs_body(&self, request: &Request) -> bool {
        routes::needs_body(request)
    }

    fn may_hash(&self, request: &Request) -> bool {
        routes::may_hash(request)
    }

    fn observe(&self, event: Event<'_>) {
        let App { log, ids, metrics, .. } = &*self.0;
        match event {
            Event::Refused(client, response) => {
                response.headers.push((REQUEST_ID, ids.next().into()));
                metrics.refused(response);
                log.refused(client, response);
            }
            Event::AcceptFailed(error) => {
                let cause = os::explain_descriptors(error).map_or_else(|| error.to_string(), String::from);
                log::notice(format!("can't accept connections: {cause}; clients wait"));
            }
            Event::Connected => metrics.connected(),
            Event::Disconnected { was_evicted } => metrics.disconnected(was_evicted),
        }
    }
}

struct MetricsService(Arc<App>);

impl Service for MetricsService {
    /// Never blocks.
    fn answer(&self, request: &Request, _: Reads<'_>, _: Instant) -> Result<Response, WouldBlock> {
        Ok(answer(&self.0.metrics, &self.0.realm, request))
    }

    fn needs_body(&self, _: &Request) -> bool {
        false
    }
}

/// An endpoint for `GET /metrics`.
///
/// # Errors
/// The listener has no local address.
pub fn metrics_endpoint(listener: TcpListener, app: &Arc<App>) -> io::Result<Endpoint> {
    let address = listener.local_addr()?;
    let limits = Limits {
        max_connections: METRICS_CONNECTIONS,
        max_connections_per_address: METRICS_CONNECTIONS,
        idle_timeout: METRICS_IDLE_TIMEOUT,
        proxy_idle_timeout: METRICS_IDLE_TIMEOUT,
        ..Limits::default()
    };
    log::notice(format!("metrics on http://{address}/metrics"));
    let service = Box::new(MetricsService(app.clone()));
    Ok(Endpoint { listener: listener.into(), limits, proxies: TrustedProxies::default(), service })
}

/// Serves the application by tiny_http until the shutdown is requested, and the metrics by an engine beside it. An error
/// of the metrics listener is logged and ends nothing else.
///
/// # Errors
/// The listener fails, or the system has no thread.
#[cfg(feature = "tiny-http")]
pub fn run_tiny(
    app: &Arc<App>,
    listener: TcpListener,
    metrics: Option<Endpoint>,
    shutdown: &Arc<Shutdown>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let (until, beats) = (shutdown.clone(), app.heartbeats.clone());
    let serve_metrics = |metrics: Endpoint| {
        thread::Builder::new().name("metrics".into()).spawn(move || {
            if let Err(error) = engine::run([metrics].into(), None, &beats, &until) {
                log::notice(format!("can't serve metrics: {error}; the server continues without them"));
            }
        })
    };
    let metrics = metrics.map(serve_metrics).transpose()?;
    let app = app.clone();
    // `Reads::PerCall` waits where a batch would return `WouldBlock`, so this error doesn't occur.
    let answer = move |request: &Request| {
        app.handle(request, Reads::PerCall, clock::monotonic()).unwrap_or_else(|_| routes::panicked())
    };
    let handler: Arc<Handler> = Arc::new(answer);
    let served = tiny::run(listener, &handler, shutdown);
    let _ = metrics.map(JoinHandle::join); // a panic there has been logged already
    served
}

fn answer(metrics: &Metrics, realm: &Realm, request: &Request) -> Response {
    match (request.path.as_str(), request.method.as_str()) {
        ("/metrics", "GET" | "HEAD") => {
            let sessions = realm.live_sessions().map(|(kind, count)| (kind.as_str(), count));
            let body = metrics.text(realm.hash_load(), realm.hashes(), sessions, log::dropped()).into_bytes();
            Response { body, ..Response::empty(200).with_header("Content-Type", metrics::CONTENT_TYPE) }
        }
        ("/metrics", _) => {
            let message = "This path takes GET, HEAD.";
            Response::error(ErrorCode::MethodNotAllowed, message).with_header("Allow", "GET, HEAD")
        }
        _ => Response::error(ErrorCode::NotFound, "Only /metrics is here."),
    }
}
