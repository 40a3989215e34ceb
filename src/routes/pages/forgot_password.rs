//! `/forgot-password`: asks for a link to set a new password, with `--link-command`.
//!
//! The name is charged and queued, and no user is read. So known, unknown and disabled names get the same bytes after the
//! same work, and another thread sends the link after the response.

use super::csrf;
use super::form::FormFields;
use super::html::Html;
use super::view::{View, alert, notice, with_error};
use crate::http::{AuditEvent, ErrorCode, Response};
use crate::routes::error::ApiError;
use crate::routes::link_requests::LinkRequests;

/// `GET /forgot-password`.
pub(super) fn show(view: &View<'_>) -> Result<Response, ApiError> {
    page(view, 200, "", Html::default())
}

/// `POST /forgot-password` with a CSRF value that is not good any more.
pub(super) fn stale(view: &View<'_>, form: &FormFields) -> Result<Response, ApiError> {
    page(view, 403, form.get("username"), alert("stale_form", &[]))
}

/// `POST /forgot-password`.
pub(super) fn submit(view: &View<'_>, form: &FormFields) -> Result<Response, ApiError> {
    let (context, username) = (view.context, form.get("username"));
    let requests = requests(view)?;
    let charged = context.realm.charge_link_request(username, context.client(), context.now);
    let error = match charged {
        Err(limited) => ApiError::rate_limited(limited, "links were asked for"),
        Ok(()) if requests.push(username.into()) => {
            let sent = notice("good", "link_requested");
            let page = view.message(200, "forgot_password", sent, "/login", "back_to_sign_in");
            return Ok(page.with_audit_event(AuditEvent::LinkRequested));
        }
        Ok(()) => ApiError::new(ErrorCode::Busy, "").because("the queue of the link command is full"),
    };
    let error = Response::from(error);
    Ok(with_error(page(view, error.status, username, view.alert_of(&error))?, error))
}

fn requests<'a>(view: &View<'a>) -> Result<&'a LinkRequests, ApiError> {
    view.context.config.link_requests.as_ref().ok_or_else(ApiError::not_found)
}

fn page(view: &View<'_>, status: u16, username: &str, alert: Html) -> Result<Response, ApiError> {
    requests(view)?;
    let (csrf, set_cookie) = csrf::before_sign_in(view)?;
    let values = [("alert", alert), ("csrf", Html::text(&csrf)), ("given_name", Html::text(username))];
    let html = include_str!("html/forgot_password.html");
    let mut response = view.page(status, "forgot_password", html, &values);
    response.headers.extend(set_cookie.map(|cookie| ("Set-Cookie", cookie.into())));
    Ok(response)
}
