//! Log on standard error: the access log with one line a request, audit events, and notices.
//!
//! ```text
//! 2026-11-23T19:04:12Z 127.0.0.1 GET /api/token 200 31.4ms user=1 id=3f2a91c0-1
//! 2026-11-23T19:04:15Z 127.0.0.1 GET /api/resource 401 29.9ms user=1 cause="wrong password" id=3f2a91c0-2
//! 2026-11-23T19:04:15Z gatekey: login failed: client=127.0.0.1 user=1 name=susan id=3f2a91c0-2
//! 2026-11-23T19:04:16Z gatekey: signing keys read again: 1, the newest has the fingerprint 5b0c...
//! ```
//!
//! The systemd journal records the time itself; lines of text omit it there. With `--log json` each line is
//! an object: a request has `status`, everything else has `event`.
//!
//! Credentials and query strings are never logged. Usernames are logged only for failed logins of existing
//! users, since people type passwords into the wrong field. Text from the client (method, path, name) is
//! truncated, and escaped against log injection and terminal control sequences. Spaces are escaped too, so
//! that `deploy/fail2ban` can rely on the first words of a line.
//!
//! Lines are formatted by hand, not by `serde_json`: every request writes one.

use super::log_writer::{self, FlushAtEnd, write};
use crate::client::Client;
use crate::clock;
use crate::http::{AuditEvent, REQUEST_ID, Request, Response};
use crate::json::Value;
use crate::os;
use crate::realm::Notice;
use crate::routes;
use core::fmt::Display;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::borrow::Cow;
use std::sync::LazyLock;
use std::{io, panic, thread};

/// Longer methods, paths and names are truncated to this many characters.
const MAX_CHARS: usize = 128;

/// Whether lines are JSON. One for the process, as standard error is.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// The format of the access log and audit events. Notices are always logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// Lines of text.
    Text,
    /// JSON objects, one a line.
    Json,
    /// No access log.
    Off,
}

impl Log {
    /// Sets the format for the process and starts the log writer, so that no thread blocks on standard error.
    ///
    /// # Errors
    /// The system has no thread.
    pub fn begin(self) -> io::Result<FlushAtEnd> {
        IS_JSON.store(self == Self::Json, Ordering::Relaxed);
        let flush_at_end = log_writer::start(dropped_line)?;
        // The default hook writes to standard error directly, which can block.
        panic::set_hook(Box::new(|panic| {
            let thread = thread::current();
            write(&format!("thread '{}' {panic}\n", thread.name().unwrap_or("unnamed")));
        }));
        Ok(flush_at_end)
    }

    /// Logs a request, and its audit event if there is one.
    pub fn request(self, request: &Request, response: &Response, took: Duration) {
        if routes::is_healthy(response) {
            return; // health checks come every few seconds; only failures are of interest
        }
        let line = Line::of(request, response);
        let event = event_of(response);
        let (event, line) = match self {
            Self::Off => return,
            Self::Text => (event.map(|event| line.event_as_text(event)), line.as_text(took)),
            Self::Json => (event.map(|event| line.event_as_json(event)), line.as_json(took)),
        };
        event.into_iter().chain([line]).for_each(|line| write(&line));
    }

    /// Logs the response to a malformed request, which has neither method nor path.
    pub fn refused(self, client: Client, response: &Response) {
        let line = Line { client, method: "-", path: "-", response };
        match self {
            Self::Off => {}
            Self::Text => write(&line.as_text(Duration::ZERO)),
            Self::Json => write(&line.as_json(Duration::ZERO)),
        }
    }
}

/// Logs a notice for the administrator.
pub fn notice(text: impl Display) {
    write_notice("notice", &text);
}

/// Logs a notice of the realm.
pub fn realm_notice(notice: &Notice<'_>) {
    let event = match notice {
        Notice::KeysChanged(_) => "key_reloaded",
        Notice::KeysUnusable(_) => "key_not_reloaded",
        Notice::KeysNotAnnounced(_) => "keys_not_announced",
        _ => "notice",
    };
    write_notice(event, notice);
}

fn write_notice(event: &str, text: &dyn Display) {
    write(&notice_line(event, text));
}

fn notice_line(event: &str, text: &dyn Display) -> String {
    if IS_JSON.load(Ordering::Relaxed) {
        let time = clock::unix();
        format!("{{\"time\":\"{time}\",\"event\":\"{event}\",\"message\":{}}}\n", quoted(&text.to_string()))
    } else {
        format!("{}gatekey: {}\n", time_prefix(), one_line(&text.to_string()))
    }
}

/// The time and a space; empty in the journal.
fn time_prefix() -> String {
    static IS_JOURNAL: LazyLock<bool> = LazyLock::new(os::stderr_is_journal);
    if *IS_JOURNAL { String::new() } else { format!("{} ", clock::unix()) }
}

/// The number of lines dropped since the start.
pub fn dropped() -> u64 {
    log_writer::dropped()
}

fn dropped_line(count: u64) -> String {
    let text = format!("{count} log lines were dropped, since standard error did not accept them");
    notice_line("log_lines_dropped", &text)
}

/// An audit event in the log: its name, and a detail with its key.
type Event<'a> = (&'static str, Option<(&'static str, Cow<'a, str>)>);

/// The audit event of a response, if it is logged.
fn event_of(response: &Response) -> Option<Event<'_>> {
    let target = || ("target", response.record.target.map_or("-".into(), |id| id.to_string().into()));
    let change = |change: &'static str| Some(("user changed", Some(("change", change.into()))));
    match response.record.audit? {
        AuditEvent::LoginFailed => {
            let name = response.record.username.as_deref().map_or("-".into(), shortened);
            Some(("login failed", Some(("name", name))))
        }
        AuditEvent::RateLimited => Some(("throttled", None)),
        AuditEvent::SignedIn => Some(("signed in", None)),
        AuditEvent::LinkRequested => Some(("link requested", None)),
        AuditEvent::Registered => change("registered"),
        AuditEvent::PasswordChanged => change("password"),
        AuditEvent::Deleted => change("deleted"),
        AuditEvent::SignedOut => change("signed_out"),
        AuditEvent::NamedTokenIssued => change("named_token"),
        AuditEvent::SessionEnded => change("session_ended"),
        AuditEvent::AddedByAdministrator => Some(("added by password", Some(target()))),
        AuditEvent::DeletedByAdministrator => Some(("deleted by password", Some(target()))),
        AuditEvent::ChangedByAdministrator => Some(("administered by password", Some(target()))),
        AuditEvent::LinkMade => Some(("link made by password", Some(target()))),
        AuditEvent::TokenIssued => None,
    }
}

struct Line<'a> {
    client: Client,
    method: &'a str,
    path: &'a str,
    response: &'a Response,
}

impl<'a> Line<'a> {
    fn of(request: &'a Request, response: &'a Response) -> Self {
        let client = response.record.client.unwrap_or(request.peer);
        Self { client, method: &request.method, path: &request.path, response }
    }

    fn id(&self) -> &str {
        self.response.header(REQUEST_ID).unwrap_or("-")
    }

    /// The user's id, or `none`.
    fn user(&self, none: &str) -> String {
        self.response.record.user.map_or_else(|| none.to_string(), |id| id.to_string())
    }

    fn as_text(&self, took: Duration) -> String {
        let (time, client, status) = (time_prefix(), self.client, self.response.status);
        let (method, path) = (shortened(self.method), shortened(self.path));
        let (user, millis, id) = (self.user("-"), took.as_secs_f64() * 1_000.0, self.id());
        let cause = self.response.record.cause.as_deref();
        let cause = cause.map_or(String::new(), |cause| format!(" cause={cause:?}"));
        format!("{time}{client} {method} {path} {status} {millis:.1}ms user={user}{cause} id={id}\n")
    }

    fn as_json(&self, took: Duration) -> String {
        let (time, client, status) = (clock::unix(), self.client, self.response.status);
        let (method, path) = (quoted(&shortened(self.method)), quoted(&shortened(self.path)));
        let (user, seconds, id) = (self.user("null"), took.as_secs_f64(), self.id());
        let cause = self.response.record.cause.as_deref();
        let cause = cause.map_or(String::new(), |cause| format!(",\"cause\":{}", quoted(cause)));
        format!(
            "{{\"time\":\"{time}\",\"client\":\"{client}\",\"method\":{method},\"path\":{path},\"status\":{status},\
             \"seconds\":{seconds:.6},\"user\":{user}{cause},\"request_id\":\"{id}\"}}\n"
        )
    }

    fn event_as_text(&self, (name, detail): Event<'_>) -> String {
        let (time, client) = (time_prefix(), self.client);
        let (user, id) = (self.user("-"), self.id());
        let detail = detail.map_or(String::new(), |(key, value)| format!(" {key}={value}"));
        format!("{time}gatekey: {name}: client={client} user={user}{detail} id={id}\n")
    }

    fn event_as_json(&self, (name, detail): Event<'_>) -> String {
        let (time, client, name) = (clock::unix(), self.client, name.replace(' ', "_"));
        let (user, id) = (self.user("null"), self.id());
        let detail = detail.map_or(String::new(), |(key, value)| format!(",\"{key}\":{}", quoted(&value)));
        format!(
            "{{\"time\":\"{time}\",\"event\":\"{name}\",\"client\":\"{client}\",\"user\":{user}{detail},\
             \"request_id\":\"{id}\"}}\n"
        )
    }
}

fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_CHARS).and_then(|(end, _)| text.get(..end)) {
        Some(start) => format!("{}...", visible(start)).into(),
        None => visible(text),
    }
}

/// Escapes spaces, control characters and non-ASCII characters, so that the text is one visible word.
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return text.into();
    }
    let escaped = |character: char| match character {
        '\\' => "\\\\".to_string(),
        ' ' => "\\x20".to_string(),
        c if c.is_control() || c.is_whitespace() || !c.is_ascii() => c.escape_default().to_string(),
        c => c.to_string(),
    };
    text.chars().map(escaped).collect::<String>().into()
}

/// A text as one line: control characters, which would break the line or control a terminal, are escaped.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect::<String>().into()
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::user_id::UserId;

    const TOOK: Duration = Duration::from_micros(1_250);

    fn without_time(line: &str) -> &str {
        line.split_once(' ').unwrap().1.strip_suffix('\n').unwrap()
    }

    fn logged(target: &str, response: &Response) -> String {
        without_time(&Line::of(&Request::new("GET", target), response).as_text(TOOK)).into()
    }

    fn refused_login(username: Option<&str>) -> Response {
        let mut response = Response::empty(401).with_header(REQUEST_ID, "a-1");
        response.record.audit = Some(AuditEvent::LoginFailed);
        response.record.user = username.and_then(|_| UserId::new(7));
        response.record.username = username.map(Into::into);
        response.record.cause = Some("\"why\"\n".into());
        response
    }

    #[test]
    fn an_access_log_line_has_client_request_status_time_user_and_id() {
        let response = Response::empty(200).for_user(UserId::new(7).unwrap()).with_header(REQUEST_ID, "a-1");
        assert_eq!(logged("/api/token", &response), "local GET /api/token 200 1.2ms user=7 id=a-1");
    }

    #[test]
    fn a_query_is_not_logged_and_a_path_can_not_inject_a_line() {
        let response = Response::empty(404);
        assert_eq!(logged("/x?token=secret", &response), "local GET /x 404 1.2ms user=- id=-");
        let hostile = logged("/a b\r\n\u{1b}[31m\u{202e}\\é", &response);
        assert_eq!(hostile, "local GET /a\\x20b\\r\\n\\u{1b}[31m\\u{202e}\\\\\\u{e9} 404 1.2ms user=- id=-");
        let long = logged(&"/".repeat(1_000), &response);
        assert_eq!(long, format!("local GET {}... 404 1.2ms user=- id=-", "/".repeat(MAX_CHARS)));
    }

    #[test]
    fn a_failed_login_is_an_audit_event_with_the_name_of_an_existing_user() {
        let request = Request::new("GET", "/api/token");
        for (name, expected) in
            [(Some("a b=\"c\"\u{2028}"), "user=7 name=a\\x20b=\"c\"\\u{2028}"), (None, "user=- name=-")]
        {
            let response = refused_login(name);
            let line = Line::of(&request, &response).event_as_text(event_of(&response).unwrap());
            let expected = format!("gatekey: login failed: client=local {expected} id=a-1");
            assert_eq!(without_time(&line), expected);
        }
    }

    #[test]
    fn every_json_line_is_one_object() {
        let request = Request::new("GET", "/\"x\"\u{7f}");
        let response = refused_login(Some("\"\\\u{202e}"));
        let line = Line::of(&request, &response);
        let parsed = |text: &str| {
            assert_eq!(text.matches('\n').count(), 1, "{text}");
            json::parse_object(text.as_bytes()).unwrap()
        };
        let mut object = parsed(&line.as_json(TOOK));
        object.remove("time").unwrap();
        let expected = json::json!({
            "client": "local", "method": "GET", "path": "/\"x\"\\u{7f}", "status": 401, "seconds": 0.00125,
            "user": 7, "cause": "\"why\"\n", "request_id": "a-1",
        });
        assert_eq!(Value::Object(object), expected);
        let mut object = parsed(&line.event_as_json(event_of(&response).unwrap()));
        object.remove("time").unwrap();
        let expected = json::json!({
            "event": "login_failed", "client": "local", "user": 7, "name": "\"\\\\\\u{202e}", "request_id": "a-1",
        });
        assert_eq!(Value::Object(object), expected);
    }
}
