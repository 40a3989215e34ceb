//! `/set-password`: sets a password by a one-time link, and signs the browser in.
//!
//! Opening the link only moves its token from the URL to a cookie. So the token is in no `Referer`, and a scanner that
//! opens links changes nothing. The form is bound to the link for which it was shown: a second link that is opened in
//! another tab replaces the cookie, and a password never reaches another account than the form names.

use super::form::FormFields;
use super::html::Html;
use super::view::{View, alert, with_error};
use super::{csrf, login, user_agent};
use crate::encoding;
use crate::http::{AuditEvent, ErrorCode, Response};
use crate::realm::{Browser, LinkError};
use crate::routes::cookie;
use crate::routes::error::ApiError;
use crate::signer;
use core::time::Duration;

/// How long the form may stay open.
const COOKIE_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// `GET /set-password`, with `?token=` or with the cookie.
pub(super) fn show(view: &View<'_>) -> Result<Response, ApiError> {
    let query = FormFields::from_query(view.context.request)?;
    let token = query.get("token");
    if token.is_empty() {
        return page(view, 200, Html::default(), false);
    }
    if !token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return Ok(no_link(view, 410, "link_dead")); // and not in a header
    }
    let cookie = view.pages.host_cookie(cookie_name(view)).set(token, Some(COOKIE_LIFETIME));
    Ok(Response::empty(303).with_header("Location", "/set-password").with_header("Set-Cookie", cookie))
}

/// `POST /set-password` with a CSRF value that is not good any more, or from the form of another link.
pub(super) fn stale(view: &View<'_>) -> Result<Response, ApiError> {
    page(view, 403, alert("stale_form", &[]), false)
}

/// `POST /set-password`.
pub(super) fn submit(view: &View<'_>, mut form: FormFields) -> Result<Response, ApiError> {
    let context = view.context;
    let Some(token) = token(view).filter(|token| digest(token) == form.get("link")) else {
        return stale(view);
    };
    let password = form.take_password("password");
    let name = user_agent::name(context.request);
    let browser = Browser { name: &name, lifetime: login::lifetime(view, false) };
    let set = context.realm.set_password_by_link(token, &password, context.client(), browser, context.now);
    let mut response = match set {
        Ok(session) => login::enter(view, &session, "/account")?,
        Err(LinkError::SignIn(error)) => {
            let mut response = Response::empty(303).with_header("Location", "/login");
            response.record.cause = Some(error.to_string());
            response
        }
        Err(LinkError::Dead) => return Ok(no_link(view, 410, "link_dead")),
        Err(error) => {
            let error = Response::from(ApiError::from(error));
            let is_wrong = error.record.error == Some(ErrorCode::InvalidPassword);
            let page = page(view, error.status, view.alert_of(&error), is_wrong)?;
            return Ok(with_error(page, error));
        }
    };
    let deletion = view.pages.host_cookie(cookie_name(view)).delete();
    response.headers.push(("Set-Cookie", deletion.into()));
    Ok(response.with_audit_event(AuditEvent::PasswordChanged))
}

fn page(view: &View<'_>, status: u16, alert: Html, is_wrong: bool) -> Result<Response, ApiError> {
    let context = view.context;
    let Some(token) = token(view) else { return Ok(no_link(view, 403, "link_missing")) };
    let name = match context.realm.check_link(token, context.reads, context.now) {
        Err(LinkError::Dead) => return Ok(no_link(view, 410, "link_dead")),
        checked => checked?,
    };
    let (csrf, set_cookie) = csrf::before_sign_in(view)?;
    let password = if is_wrong {
        " aria-invalid=\"true\" aria-describedby=\"alert password-hint\""
    } else {
        " aria-describedby=\"password-hint\""
    };
    let values = [
        ("alert", alert),
        ("csrf", Html::text(&csrf)),
        ("link", Html::text(&digest(token))),
        ("name", Html::text(&name)),
        ("password_attributes", Html::constant(password)),
        ("password_hint", view.password_hint()),
    ];
    let mut response = view.page(status, "set_password", include_str!("html/set_password.html"), &values);
    response.headers.extend(set_cookie.map(|cookie| ("Set-Cookie", cookie.into())));
    Ok(response)
}

fn no_link(view: &View<'_>, status: u16, name: &'static str) -> Response {
    let mut page = view.message(status, "not_possible", alert(name, &[]), "/login", "back_to_sign_in");
    page.record.cause = Some(LinkError::Dead.to_string());
    page
}

/// The token of the link that was opened last in this browser.
fn token<'a>(view: &View<'a>) -> Option<&'a str> {
    cookie::values(view.context.request, cookie_name(view)).next()
}

fn cookie_name(view: &View<'_>) -> &'static str {
    if view.pages.is_loopback { "gatekey-link" } else { "__Host-gatekey-link" }
}

/// What binds a form to its link, and isn't the link.
fn digest(token: &str) -> String {
    encoding::encode_base64url(signer::sha256(token.as_bytes()))
}
