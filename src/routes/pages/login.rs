//! `/login`: signs in by username and password, or issues a new guard cookie to a visitor who is signed in.

use super::form::FormFields;
use super::html::Html;
use super::page::Page;
use super::return_to::ReturnTo;
use super::view::{View, alert, text, with_error};
use super::{csrf, user_agent};
use crate::http::{AuditEvent, ErrorCode, Response};
use crate::realm::{Browser, NewSession, Principal};
use crate::routes::cookie;
use crate::routes::error::ApiError;
use crate::routes::percent;
use core::time::Duration;

/// How soon a browser that dropped the guard cookie comes back from the app.
const GUARD_CHECK: Duration = Duration::from_secs(60);

/// How long a browser on a shared computer stays signed in at most, as the page says.
const SHARED: Duration = Duration::from_secs(12 * 3_600);

/// What a form shows, besides what every visitor sees.
#[derive(Default)]
pub(super) struct Shown<'a> {
    /// As given before; the password is never kept.
    pub(super) username: &'a str,
    pub(super) rd: &'a str,
    pub(super) alert: Html,
    /// Of the error, if there was one.
    pub(super) code: Option<ErrorCode>,
}

/// `GET /login`: never redirects by itself, or a guard and this page could send a browser to and fro for ever.
pub(super) fn show(view: &View<'_>) -> Result<Response, ApiError> {
    let query = FormFields::from_query(view.context.request)?;
    page(view, 200, &Shown { rd: query.get("rd"), ..Shown::default() })
}

/// `POST /login` with a CSRF value that is not good any more: nothing was checked.
pub(super) fn stale(view: &View<'_>, form: &FormFields) -> Result<Response, ApiError> {
    let (username, rd) = (form.get("username"), form.get("rd"));
    page(view, 403, &Shown { username, rd, alert: alert("stale_form", &[]), code: None })
}

/// `POST /login`.
pub(super) fn submit(view: &View<'_>, mut form: FormFields) -> Result<Response, ApiError> {
    let context = view.context;
    if !form.get("continue").is_empty() {
        return match view.visitor() {
            Some(visitor) => redirect(view, visitor, &after_sign_in(view, &form)),
            None => stale(view, &form),
        };
    }
    let password = form.take_password("password");
    let name = user_agent::name(context.request);
    let lifetime = lifetime(view, !form.get("shared").is_empty());
    let browser = Browser { name: &name, lifetime };
    let signed_in =
        context.realm.sign_in(form.get("username"), &password, context.client(), browser, context.now);
    match context.form_auth(signed_in) {
        Ok(session) => enter(view, &session, &after_sign_in(view, &form)),
        Err(error) => {
            let error = Response::from(error);
            let (username, rd) = (form.get("username"), form.get("rd"));
            let shown = Shown { username, rd, alert: view.alert_of(&error), code: error.record.error };
            let mut response = with_error(page(view, error.status, &shown)?, error);
            if response.record.user.is_some() {
                response.record.username = Some(username.into());
            }
            Ok(response)
        }
    }
}

/// Sets the cookie of a new session, and ends the sessions of the cookies in the request.
pub(super) fn enter(view: &View<'_>, session: &NewSession, location: &str) -> Result<Response, ApiError> {
    for old in &view.sessions {
        view.context.realm.sign_out(old)?;
    }
    let cookie = view.pages.session_cookie();
    let cookie = cookie.set(session.token.expose(), max_age(view, &session.principal));
    let mut response = redirect(view, &session.principal, location)?;
    response.headers.push(("Set-Cookie", cookie.into()));
    Ok(response.with_audit_event(AuditEvent::SignedIn))
}

/// How long a browser stays signed in: less on a shared computer.
pub(super) fn lifetime(view: &View<'_>, is_shared: bool) -> Duration {
    let longest = view.context.realm.policy().browser_session;
    if is_shared { SHARED.min(longest / 2) } else { longest }
}

/// Whether the visitor signed in on a shared computer.
pub(super) fn is_shared(view: &View<'_>, visitor: &Principal) -> bool {
    let lasts = visitor.expires_at.map(|end| end.duration_since(visitor.auth_time));
    lasts.is_some_and(|lasts| lasts < view.context.realm.policy().browser_session)
}

/// `Max-Age` of the visitor's cookies. Without it they end with the browser, or on a phone with the app.
fn max_age(view: &View<'_>, visitor: &Principal) -> Option<Duration> {
    let now = view.context.realm.unix(view.context.now);
    visitor.expires_at.filter(|_| !is_shared(view, visitor)).map(|end| end.duration_since(now))
}

/// Where a visitor wanted to go.
pub(super) fn after_sign_in(view: &View<'_>, form: &FormFields) -> String {
    ReturnTo::parse(view.pages, form.get("rd")).map_or("/account".into(), |rd| rd.as_str().into())
}

/// Leads there, with a new guard cookie.
fn redirect(view: &View<'_>, visitor: &Principal, location: &str) -> Result<Response, ApiError> {
    let mut response =
        Response::empty(303).with_header("Location", String::from(location)).for_user(visitor.id);
    if let Some(cookie) = view.pages.guard_cookie() {
        let guard = view.context.realm.open_guard_session(visitor, view.context.now);
        let guard = guard.map_err(|error| ApiError::authenticate(&error, view.context.scheme))?;
        let check = view.pages.host_cookie(view.guard_check()).set("1", Some(GUARD_CHECK));
        response
            .headers
            .push(("Set-Cookie", cookie.set(guard.token.expose(), max_age(view, visitor)).into()));
        response.headers.push(("Set-Cookie", check.into()));
    }
    Ok(response)
}

fn page(view: &View<'_>, status: u16, shown: &Shown<'_>) -> Result<Response, ApiError> {
    let (csrf, set_cookie) = csrf::before_sign_in(view)?;
    let rd = ReturnTo::parse(view.pages, shown.rd);
    let is_wrong = shown.code == Some(ErrorCode::Unauthorized);
    let starts_at_password = !shown.username.is_empty();
    let attributes = |has_focus: bool| {
        let parts = [
            if has_focus { " autofocus" } else { "" },
            if is_wrong { " aria-invalid=\"true\" aria-describedby=\"alert\"" } else { "" },
        ];
        parts.into_iter().map(Html::constant).collect::<Html>()
    };
    let continue_form = match view.visitor() {
        Some(visitor) if rd.is_some() && browser_dropped_guard(view) => {
            let domain = view.pages.cookie_domain().unwrap_or_default();
            let name = Html::text(&visitor.username);
            alert("refused_cookie", &[("domain", Html::text(domain)), ("name", name)])
        }
        Some(visitor) => Html::fill(
            include_str!("html/continue.html"),
            &[
                ("name", Html::text(&visitor.username)),
                ("session_csrf", Html::text(&csrf::of_session(view, visitor)?)),
                ("rd", field(rd.as_ref())),
            ],
        ),
        None => Html::default(),
    };
    let has_button = view.visitor().is_some();
    let values = [
        ("destination", destination(rd.as_ref())),
        ("notice", view.basic_notice()),
        ("alert", [view.cookie_alert(), shown.alert.clone()].into_iter().collect()),
        ("continue_form", continue_form),
        ("csrf", Html::text(&csrf)),
        ("rd", field(rd.as_ref())),
        ("given_name", Html::text(shown.username)),
        ("username_attributes", attributes(!has_button && !starts_at_password)),
        ("password_attributes", attributes(!has_button && starts_at_password)),
        ("button_class", Html::constant(if has_button { " class=\"quiet\"" } else { "" })),
        ("forgot", forgot(view)),
        ("footer", footer(view, rd.as_ref())),
    ];
    let mut response = view.page(status, "sign_in", include_str!("html/login.html"), &values);
    response.headers.extend(set_cookie.map(|cookie| ("Set-Cookie", cookie.into())));
    Ok(response)
}

/// Whether the guard cookie was set a moment ago, and the browser doesn't have it.
fn browser_dropped_guard(view: &View<'_>) -> bool {
    let has = |name: &str| cookie::values(view.context.request, name).next().is_some();
    view.pages.guard_cookie().is_some_and(|guard| has(view.guard_check()) && !has(guard.name))
}

/// The value of the hidden field `rd`.
pub(super) fn field(rd: Option<&ReturnTo>) -> Html {
    rd.map_or_else(Html::default, |rd| Html::text(rd.as_str()))
}

/// Where the visitor goes afterwards.
pub(super) fn destination(rd: Option<&ReturnTo>) -> Html {
    let line = |rd: &ReturnTo| {
        Html::fill("<p class=\"destination\">{sign_in_to}</p>\n", &[("host", Html::text(rd.host()))])
    };
    rd.map(line).unwrap_or_default()
}

fn forgot(view: &View<'_>) -> Html {
    if view.context.config.link_requests.is_none() {
        return Html::default();
    }
    Html::fill("<p class=\"footer\"><a href=\"/forgot-password\">{forgot_password}</a></p>\n", &[])
}

fn footer(view: &View<'_>, rd: Option<&ReturnTo>) -> Html {
    if !view.is_registration_open() {
        return Html::default();
    }
    let values = [("link", link(Page::Register, rd)), ("register", text("register"))];
    Html::fill("<p class=\"footer\">{no_account} <a href=\"{link}\">{register}</a></p>", &values)
}

/// A link to the other form, which keeps the way back.
pub(super) fn link(page: Page, rd: Option<&ReturnTo>) -> Html {
    let path = if page == Page::Register { "/register" } else { "/login" };
    let is_kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/:".contains(&byte);
    let with_rd = |rd: &ReturnTo| format!("{path}?rd={}", percent::encode(rd.as_str(), is_kept));
    Html::text(&rd.map_or_else(|| path.into(), with_rd))
}
