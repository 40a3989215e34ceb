//! `/register`: registers a user and signs the browser in.

use super::form::FormFields;
use super::html::Html;
use super::login::{self, Shown};
use super::page::Page;
use super::return_to::ReturnTo;
use super::view::{View, alert, with_error};
use super::{csrf, user_agent};
use crate::http::{AuditEvent, ErrorCode, Response};
use crate::realm::{Browser, RegisterError};
use crate::routes::error::ApiError;

/// `GET /register`.
pub(super) fn show(view: &View<'_>) -> Result<Response, ApiError> {
    let query = FormFields::from_query(view.context.request)?;
    page(view, 200, &Shown { rd: query.get("rd"), ..Shown::default() })
}

/// `POST /register` with a CSRF value that is not good any more.
pub(super) fn stale(view: &View<'_>, form: &FormFields) -> Result<Response, ApiError> {
    let (username, rd) = (form.get("username"), form.get("rd"));
    page(view, 403, &Shown { username, rd, alert: alert("stale_form", &[]), code: None })
}

/// `POST /register`.
pub(super) fn submit(view: &View<'_>, mut form: FormFields) -> Result<Response, ApiError> {
    let context = view.context;
    let password = form.take_password("password");
    let name = user_agent::name(context.request);
    let browser = Browser { name: &name, lifetime: login::lifetime(view, false) };
    let username = form.get("username");
    match context.realm.register_and_sign_in(username, &password, context.client(), browser, context.now) {
        Ok(session) => {
            let response = login::enter(view, &session, &login::after_sign_in(view, &form))?;
            Ok(response.with_audit_event(AuditEvent::Registered))
        }
        Err(RegisterError::SignIn(error)) => Err(ApiError::authenticate(&error, context.scheme)),
        Err(error) => {
            let error = Response::from(ApiError::from(error));
            let alert = view.alert_of(&error);
            let shown = Shown { username, rd: form.get("rd"), alert, code: error.record.error };
            Ok(with_error(page(view, error.status, &shown)?, error))
        }
    }
}

fn page(view: &View<'_>, status: u16, shown: &Shown<'_>) -> Result<Response, ApiError> {
    if !view.is_registration_open() {
        return Err(ApiError::registration_closed());
    }
    let (csrf, set_cookie) = csrf::before_sign_in(view)?;
    let rd = ReturnTo::parse(view.pages, shown.rd);
    let is_password = shown.code == Some(ErrorCode::InvalidPassword);
    let is_name = matches!(shown.code, Some(ErrorCode::InvalidUsername | ErrorCode::UsernameTaken));
    let name = match (is_name, is_password) {
        (true, _) => " autofocus aria-invalid=\"true\" aria-describedby=\"alert\"",
        (false, false) => " autofocus",
        (false, true) => "",
    };
    let password = if is_password {
        " autofocus aria-invalid=\"true\" aria-describedby=\"alert password-hint\""
    } else {
        " aria-describedby=\"password-hint\""
    };
    let values = [
        ("destination", login::destination(rd.as_ref())),
        ("alert", shown.alert.clone()),
        ("csrf", Html::text(&csrf)),
        ("rd", login::field(rd.as_ref())),
        ("given_name", Html::text(shown.username)),
        ("username_attributes", Html::constant(name)),
        ("password_attributes", Html::constant(password)),
        ("password_hint", view.password_hint()),
        ("login_link", login::link(Page::Login, rd.as_ref())),
    ];
    let mut response = view.page(status, "register", include_str!("html/register.html"), &values);
    response.headers.extend(set_cookie.map(|cookie| ("Set-Cookie", cookie.into())));
    Ok(response)
}
