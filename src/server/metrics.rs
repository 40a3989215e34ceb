//! Metrics in Prometheus's text format (version 0.0.4).
//!
//! A request costs atomic additions, no lock: the table of requests has a row for each route, a column for
//! each status and a fixed size. Text from clients is never a label. Gauges are read when the metrics are
//! requested.

use crate::hashing::PoolStats;
use crate::http::{AuditEvent, AuthOutcome, CredentialKind, Response};
use core::fmt::{Display, Write as _};
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::OnceLock;

/// The media type of the format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Rows of the table of requests. A row belongs to the route that is first counted in it.
const ROUTES: usize = 24;
/// The label of requests without a route.
const NO_ROUTE: &str = "none";
/// Every status that a response has; 0 counts any other.
const STATUSES: [u16; 21] =
    [200, 201, 204, 303, 400, 401, 403, 404, 405, 408, 413, 414, 415, 417, 429, 431, 500, 501, 503, 505, 0];
/// Upper bounds of the histogram's buckets in seconds. A token check takes less than the first, a hash some
/// tenths, and the wait for one at most 5 s.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Labels of outcomes, in the order of [`position`].
const OUTCOMES: [&str; 4] = ["accepted", "refused", "throttled", "undecided"];

/// The counters of one server.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: [Row; ROUTES],
    durations: Histogram,
    logins: [Counter; OUTCOMES.len()],
    token_checks: [Counter; OUTCOMES.len()],
    throttled: Counter,
    tokens_issued: Counter,
    sign_ins: Counter,
    links_sent: Counter,
    links_failed: Counter,
    accepted: Counter,
    closed: Counter,
    evicted: Counter,
}

#[derive(Debug, Default)]
struct Row {
    route: OnceLock<&'static str>,
    by_status: [Counter; STATUSES.len()],
}

#[derive(Debug, Default)]
struct Histogram {
    /// Counts per bucket, not cumulative; the last is unbounded.
    buckets: [Counter; BUCKETS.len() + 1],
    nanoseconds: Counter,
}

#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Counter {
    fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Metrics {
    /// Counts a response to a request.
    pub fn answered(&self, response: &Response, took: Duration) {
        self.count(response);
        self.durations.observe(took);
        if let Some(auth) = response.record.auth {
            let counters = match auth.kind {
                CredentialKind::Password => &self.logins,
                CredentialKind::Token => &self.token_checks,
            };
            counters.get(position(auth.outcome)).into_iter().for_each(|counter| counter.add(1));
        }
        match response.record.audit {
            Some(AuditEvent::TokenIssued | AuditEvent::NamedTokenIssued) => self.tokens_issued.add(1),
            Some(AuditEvent::SignedIn) => self.sign_ins.add(1),
            Some(AuditEvent::RateLimited) => self.throttled.add(1),
            _ => {}
        }
    }

    /// Counts a response to a malformed request.
    pub fn refused(&self, response: &Response) {
        self.count(response);
    }

    /// Counts a run of the link command.
    pub fn link(&self, was_sent: bool) {
        let counter = if was_sent { &self.links_sent } else { &self.links_failed };
        counter.add(1);
    }

    /// Counts an accepted connection.
    pub fn connected(&self) {
        self.accepted.add(1);
    }

    /// Counts a closed connection.
    pub fn disconnected(&self, was_evicted: bool) {
        self.closed.add(1);
        self.evicted.add(u64::from(was_evicted));
    }

    fn count(&self, response: &Response) {
        let row = self.row(response.record.route.unwrap_or(NO_ROUTE));
        let is_ours = |status: &u16| *status == response.status || *status == 0;
        let column = STATUSES.iter().position(is_ours).and_then(|column| row?.by_status.get(column));
        if let Some(counter) = column {
            counter.add(1);
        }
    }

    /// The row of the route, assigned when it is first counted.
    fn row(&self, route: &'static str) -> Option<&Row> {
        self.requests.iter().find(|row| *row.route.get_or_init(|| route) == route)
    }

    /// The metrics in text format, with the load of the hash pool, the numbers of hashes and dropped log lines,
    /// and of live sessions by kind.
    pub fn text(
        &self,
        pool: PoolStats,
        hashes: u64,
        sessions: impl Iterator<Item = (&'static str, u64)>,
        log_lines_dropped: u64,
    ) -> String {
        // Before `accepted`, so that the difference is never negative.
        let closed = self.closed.value();
        let accepted = self.accepted.value();
        let mut text = Text(String::new());
        text.requests(&self.requests);
        text.histogram(
            "gatekey_http_request_duration_seconds",
            "Time from a whole request to its answer.",
            &self.durations,
        );
        text.outcomes("gatekey_logins_total", "Passwords shown, by what became of them.", &self.logins);
        let help = "Tokens shown, by what became of them.";
        text.outcomes("gatekey_token_checks_total", help, &self.token_checks);
        text.counter("gatekey_throttled_total", "Requests answered 429.", self.throttled.value());
        text.counter("gatekey_tokens_issued_total", "Tokens issued over HTTP.", self.tokens_issued.value());
        text.counter("gatekey_hashes_total", "Password hashes computed.", hashes);
        text.gauge("gatekey_hash_slots", "Password hashes that may be computed at once.", pool.slots);
        text.gauge("gatekey_hash_slots_busy", "Password hashes being computed.", pool.busy);
        text.gauge("gatekey_hash_queue_depth", "Requests waiting for a hash slot.", pool.waiting);
        let open = accepted.saturating_sub(closed);
        text.gauge("gatekey_connections", "Open connections of the server engine.", open);
        text.counter(
            "gatekey_connections_accepted_total",
            "Connections that the server engine has admitted.",
            accepted,
        );
        let help = "Connections ended to make room for others.";
        text.counter("gatekey_connections_evicted_total", help, self.evicted.value());
        let help = "Log lines that standard error did not accept.";
        text.counter("gatekey_log_lines_dropped_total", help, log_lines_dropped);
        text.counter("gatekey_sign_ins_total", "Browsers signed in.", self.sign_ins.value());
        let name = "gatekey_links_total";
        text.family(name, "counter", "Links that the link command sent, or failed to send.");
        text.sample(name, &[("outcome", "sent")], self.links_sent.value());
        text.sample(name, &[("outcome", "failed")], self.links_failed.value());
        text.family("gatekey_sessions", "gauge", "Live sessions: browsers, guard cookies and named tokens.");
        sessions.for_each(|(kind, count)| text.sample("gatekey_sessions", &[("kind", kind)], count));
        text.family("gatekey_build_info", "gauge", "Which gatekey this is; always 1.");
        text.sample("gatekey_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        text.0
    }
}

impl Histogram {
    fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = BUCKETS.iter().position(|end| seconds <= *end).unwrap_or(BUCKETS.len());
        self.buckets.get(bucket).into_iter().for_each(|counter| counter.add(1));
        self.nanoseconds.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }
}

fn position(outcome: AuthOutcome) -> usize {
    match outcome {
        AuthOutcome::Accepted => 0,
        AuthOutcome::Refused => 1,
        AuthOutcome::RateLimited => 2,
        AuthOutcome::Error => 3,
    }
}

/// Builder of the text. Names, labels and help are constants of this program and need no escaping.
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}"); // a String never fails
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}"); // likewise
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn requests(&mut self, rows: &[Row]) {
        let name = "gatekey_http_requests_total";
        let help = "Answers, by route and status; what came to no route has the route none.";
        self.family(name, "counter", help);
        for (row, route) in rows.iter().filter_map(|row| row.route.get().map(|route| (row, route))) {
            for (status, counter) in STATUSES.iter().zip(&row.by_status) {
                if counter.value() > 0 {
                    self.sample(name, &[("route", route), ("status", &format!("{status}"))], counter.value());
                }
            }
        }
    }

    fn outcomes(&mut self, name: &str, help: &str, counters: &[Counter]) {
        self.family(name, "counter", help);
        for (outcome, counter) in OUTCOMES.into_iter().zip(counters) {
            self.sample(name, &[("outcome", outcome)], counter.value());
        }
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.family(name, "histogram", help);
        let ends = BUCKETS.iter().map(|end| format!("{end}")).chain([String::from("+Inf")]);
        let (mut total, sum) = (0, Duration::from_nanos(histogram.nanoseconds.value()));
        for (end, counter) in ends.zip(&histogram.buckets) {
            total += counter.value();
            self.sample(&format!("{name}_bucket"), &[("le", &end)], total);
        }
        self.sample(&format!("{name}_sum"), &[], sum.as_secs_f64());
        self.sample(&format!("{name}_count"), &[], total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::AuthRecord;

    const STATS: PoolStats = PoolStats { slots: 2, busy: 1, waiting: 3 };

    fn to(route: Option<&'static str>, status: u16) -> Response {
        let mut response = Response::empty(status);
        response.record.route = route;
        response
    }

    fn has(metrics: &Metrics, lines: &[&str]) {
        let text = metrics.text(STATS, 5, [("token", 3)].into_iter(), 6);
        for line in lines {
            assert!(text.lines().any(|found| found == *line), "no {line}: {text}");
        }
    }

    #[test]
    fn requests_are_counted_by_route_and_status() {
        let metrics = Metrics::default();
        for (route, status) in [(Some("/a"), 200), (Some("/b"), 200), (Some("/a"), 401), (Some("/a"), 200)] {
            metrics.answered(&to(route, status), Duration::ZERO);
        }
        metrics.refused(&to(None, 400));
        metrics.refused(&to(None, 599));
        let lines = [
            "gatekey_http_requests_total{route=\"/a\",status=\"200\"} 2",
            "gatekey_http_requests_total{route=\"/a\",status=\"401\"} 1",
            "gatekey_http_requests_total{route=\"/b\",status=\"200\"} 1",
            "gatekey_http_requests_total{route=\"none\",status=\"400\"} 1",
            "gatekey_http_requests_total{route=\"none\",status=\"0\"} 1",
        ];
        has(&metrics, &lines);
        assert_eq!(
            metrics
                .text(STATS, 5, [("token", 3)].into_iter(), 6)
                .matches("gatekey_http_requests_total{")
                .count(),
            lines.len()
        );
    }

    #[test]
    fn histogram_buckets_are_cumulative() {
        let metrics = Metrics::default();
        for millis in [1, 2, 250, 11_000] {
            let took = Duration::from_millis(millis);
            metrics.answered(&to(None, 200), took);
        }
        has(
            &metrics,
            &[
                "gatekey_http_request_duration_seconds_bucket{le=\"0.0005\"} 0",
                "gatekey_http_request_duration_seconds_bucket{le=\"0.001\"} 1",
                "gatekey_http_request_duration_seconds_bucket{le=\"0.1\"} 2",
                "gatekey_http_request_duration_seconds_bucket{le=\"0.25\"} 3",
                "gatekey_http_request_duration_seconds_bucket{le=\"10\"} 3",
                "gatekey_http_request_duration_seconds_bucket{le=\"+Inf\"} 4",
                "gatekey_http_request_duration_seconds_sum 11.253",
                "gatekey_http_request_duration_seconds_count 4",
            ],
        );
    }

    #[test]
    fn logins_token_checks_and_connections_have_separate_counters() {
        let metrics = Metrics::default();
        for (kind, outcome, status, event) in [
            (CredentialKind::Password, AuthOutcome::Accepted, 200, Some(AuditEvent::TokenIssued)),
            (CredentialKind::Password, AuthOutcome::Refused, 401, None),
            (CredentialKind::Password, AuthOutcome::RateLimited, 429, Some(AuditEvent::RateLimited)),
            (CredentialKind::Token, AuthOutcome::Accepted, 200, Some(AuditEvent::TokenIssued)),
            (CredentialKind::Token, AuthOutcome::Error, 503, None),
        ] {
            let mut response = to(Some("/api/token"), status);
            response.record.auth = Some(AuthRecord { kind, outcome });
            response.record.audit = event;
            metrics.answered(&response, Duration::ZERO);
        }
        (0..3).for_each(|_| metrics.connected());
        metrics.disconnected(true);
        metrics.disconnected(false);
        has(
            &metrics,
            &[
                "gatekey_logins_total{outcome=\"accepted\"} 1",
                "gatekey_logins_total{outcome=\"refused\"} 1",
                "gatekey_logins_total{outcome=\"throttled\"} 1",
                "gatekey_logins_total{outcome=\"undecided\"} 0",
                "gatekey_token_checks_total{outcome=\"accepted\"} 1",
                "gatekey_token_checks_total{outcome=\"undecided\"} 1",
                "gatekey_tokens_issued_total 2",
                "gatekey_sign_ins_total 0",
                "gatekey_links_total{outcome=\"sent\"} 0",
                "gatekey_links_total{outcome=\"failed\"} 0",
                "gatekey_sessions{kind=\"token\"} 3",
                "gatekey_throttled_total 1",
                "gatekey_hashes_total 5",
                "gatekey_hash_slots 2",
                "gatekey_hash_slots_busy 1",
                "gatekey_hash_queue_depth 3",
                "gatekey_connections 1",
                "gatekey_connections_accepted_total 3",
                "gatekey_connections_evicted_total 1",
                "gatekey_log_lines_dropped_total 6",
            ],
        );
    }
}
