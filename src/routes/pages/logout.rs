//! `/logout`: ends this browser's session, or one of the visitor's others.

use super::form::FormFields;
use super::html::Html;
use super::return_to::ReturnTo;
use super::view::{View, alert};
use super::{csrf, login};
use crate::http::{AuditEvent, Response};
use crate::realm::Principal;
use crate::routes::error::ApiError;
use crate::session_id::SessionId;

/// `GET /logout`: a form. It changes nothing, so that no link or image signs a visitor out.
pub(super) fn show(view: &View<'_>) -> Result<Response, ApiError> {
    let query = FormFields::from_query(view.context.request)?;
    page(view, 200, query.get("rd"), Html::default())
}

/// `POST /logout` with an invalid or expired CSRF value.
pub(super) fn stale(view: &View<'_>, form: &FormFields) -> Result<Response, ApiError> {
    page(view, 403, form.get("rd"), alert("stale_form", &[]))
}

/// `POST /logout`. Deletes the session's row before the cookies: if that fails, copies of the cookies are still
/// valid, and the visitor must not see a successful sign-out.
pub(super) fn submit(view: &View<'_>, form: &FormFields) -> Result<Response, ApiError> {
    let Some(visitor) = view.visitor() else { return stale(view, form) };
    let own = visitor.session.map(|(id, _kind)| id);
    let other = SessionId::parse(form.get("session")).filter(|id| Some(*id) != own);
    if let Some(other) = other {
        return end(view, visitor, other);
    }
    if let Err(error) = view.context.realm.sign_out(visitor) {
        let error = Response::from(ApiError::from(error));
        let page = page(view, error.status, form.get("rd"), alert("not_signed_out", &[]))?;
        return Ok(super::view::with_error(page, error));
    }
    let rd = ReturnTo::parse(view.pages, form.get("rd"));
    let location = rd.map_or("/".into(), |rd| String::from(rd.as_str()));
    Ok(leave(view, visitor, location).with_audit_event(AuditEvent::SignedOut))
}

/// Deletes the cookies of a session that has ended.
pub(super) fn leave(view: &View<'_>, visitor: &Principal, location: String) -> Response {
    let cookies = [Some(view.pages.session_cookie()), view.pages.guard_cookie()];
    let mut response = Response::empty(303).with_header("Location", location).for_user(visitor.id);
    response
        .headers
        .extend(cookies.into_iter().flatten().map(|cookie| ("Set-Cookie", cookie.delete().into())));
    response
}

fn end(view: &View<'_>, visitor: &Principal, session: SessionId) -> Result<Response, ApiError> {
    view.context.realm.end_session(visitor.id, session)?;
    let response = Response::empty(303).with_header("Location", "/account?done=ended").for_user(visitor.id);
    Ok(response.with_audit_event(AuditEvent::SessionEnded))
}

fn page(view: &View<'_>, status: u16, rd: &str, alert: Html) -> Result<Response, ApiError> {
    let Some(visitor) = view.visitor() else {
        let alerts = [view.cookie_alert(), alert, view.basic_notice()].into_iter().collect();
        return Ok(view.message(status, "not_signed_in", alerts, "/login", "back_to_sign_in"));
    };
    let values = [
        ("name", Html::text(&visitor.username)),
        ("notice", view.basic_notice()),
        ("alert", alert),
        ("csrf", Html::text(&csrf::of_session(view, visitor)?)),
        ("rd", login::field(ReturnTo::parse(view.pages, rd).as_ref())),
    ];
    Ok(view.page(status, "sign_out", include_str!("html/logout.html"), &values))
}
