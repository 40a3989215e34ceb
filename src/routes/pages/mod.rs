//! Sign-in pages: HTML forms for browsers, without JavaScript.
//!
//! | page | GET | POST |
//! |---|---|---|
//! | `/` | links to the others | |
//! | `/login` | the sign-in form; `?rd=URL` is where to go afterwards | signs in, or renews the guard cookie |
//! | `/logout` | a form; changes nothing | ends this session, or with `session` another one |
//! | `/register` | the form, while registration is open | registers and signs in |
//! | `/forgot-password` | the form, with `--link-command` | asks for a link |
//! | `/set-password` | the form of a one-time link; `?token=` moves the link to a cookie | sets the password and signs in |
//! | `/account` | sessions, named tokens, password | changes the password, or makes a named token |
//!
//! Security, in the order of the checks: a post must come from the public URL's origin (`origin.rs`), with a CSRF value that
//! is bound to the session, or before sign-in to a cookie of the form's own (`csrf.rs`); the password is then checked by the
//! realm as for Basic. Pages authenticate by the host-only session cookie and nothing else (`view.rs`). HTML is escaped by
//! construction (`html.rs`), and no other site may frame a page or be a form's target.

mod account;
mod csrf;
mod forgot_password;
mod form;
pub(super) mod guard;
mod html;
mod login;
mod logout;
mod origin;
pub(super) mod page;
mod register;
mod return_to;
mod set_password;
mod texts;
mod user_agent;
mod view;

use super::context::RequestContext;
use super::error::ApiError;
use crate::http::Response;
use form::FormFields;
use page::Page;
use view::View;

/// Answers a request for a page. Errors are pages too.
pub(super) fn serve(context: &RequestContext<'_>, page: Page) -> Result<Response, ApiError> {
    let Some(pages) = &context.config.sign_in_pages else { return Ok(view::home_without_pages()) };
    let (view, served) = match View::new(context, pages) {
        Ok(view) => {
            let served = answer(&view, page);
            (view, served)
        }
        Err(error) => (View::signed_out(context, pages), Err(error)),
    };
    match served {
        Err(error) if !error.would_block => Ok(view.failed(error)),
        served => served,
    }
}

fn answer(view: &View<'_>, page: Page) -> Result<Response, ApiError> {
    if view.context.request.method != "POST" {
        return match page {
            Page::Home => Ok(view.home()),
            Page::Login => login::show(view),
            Page::Logout => logout::show(view),
            Page::Register => register::show(view),
            Page::ForgotPassword => forgot_password::show(view),
            Page::SetPassword => set_password::show(view),
            Page::Account => account::show(view),
        };
    }
    view.context.reads.may_block()?; // on hashes and writes
    if let Some(sent) = origin::foreign(view) {
        return Ok(view.foreign_form(sent));
    }
    let form = FormFields::from_body(view.context.request)?;
    let is_fresh = csrf::is_valid(view, page, form.get("csrf"))?;
    match (page, is_fresh) {
        (Page::Login, true) => login::submit(view, form),
        (Page::Login, false) => login::stale(view, &form),
        (Page::Register, true) => register::submit(view, form),
        (Page::Register, false) => register::stale(view, &form),
        (Page::ForgotPassword, true) => forgot_password::submit(view, &form),
        (Page::ForgotPassword, false) => forgot_password::stale(view, &form),
        (Page::SetPassword, true) => set_password::submit(view, form),
        (Page::SetPassword, false) => set_password::stale(view),
        (Page::Logout, true) => logout::submit(view, &form),
        (Page::Logout, false) => logout::stale(view, &form),
        (Page::Account, true) => account::submit(view, form),
        (Page::Account, false) => account::stale(view),
        (Page::Home, _) => Err(ApiError::not_found()),
    }
}
