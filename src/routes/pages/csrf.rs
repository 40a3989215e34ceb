//! CSRF tokens: signed values in hidden form fields, bound to a cookie of the browser.
//!
//! A value contains the session's id or, before sign-in, the random number in the form cookie. Another site can
//! read neither the value nor the cookie. A sibling host or subdomain can't set a `__Host-` cookie. This also prevents
//! login CSRF, which signs a visitor in to the attacker's account.
//!
//! A page that receives no form cookie sets one with a random name, so that tabs which load at the same time don't
//! overwrite each other's cookie.

use super::page::Page;
use super::view::View;
use crate::encoding;
use crate::json;
use crate::random;
use crate::realm::Principal;
use crate::routes::cookie;
use crate::routes::error::ApiError;
use crate::signed_value::Purpose;
use crate::store::StoreError;
use core::time::Duration;

/// The longest that a form may stay open; then it is shown anew.
const MAX_AGE: Duration = Duration::from_secs(86_400);

/// The claim of a value that is bound to a session, and of one that is bound to a form's cookie.
const SESSION: &str = "session";
const FORM: &str = "form";

/// The CSRF value of forms before sign-in, and the `Set-Cookie` that goes with it.
pub(super) fn before_sign_in(view: &View<'_>) -> Result<(String, Option<String>), ApiError> {
    if let Some(number) = numbers(view).next() {
        return Ok((sign(view, FORM, number)?, None));
    }
    let random: [u8; 16] = random::bytes().map_err(|error| StoreError::Unavailable(error.into()))?;
    let number = encoding::encode_base64url(random);
    let name = format!("{}{}", prefix(view), number.get(..6).unwrap_or_default());
    let cookie = view.pages.host_cookie(&name).set(&number, Some(MAX_AGE));
    Ok((sign(view, FORM, &number)?, Some(cookie)))
}

/// The CSRF value of a signed-in visitor's forms.
pub(super) fn of_session(view: &View<'_>, visitor: &Principal) -> Result<String, ApiError> {
    sign(view, SESSION, &session_id(visitor))
}

/// Whether a form's value is good for this page: bound to the session, or on the pages before sign-in to the form's cookie.
pub(super) fn is_valid(view: &View<'_>, page: Page, value: &str) -> Result<bool, ApiError> {
    let context = view.context;
    let claims = context.realm.verify_value(Purpose::Csrf, value, context.reads, context.now)?;
    let claim = |name| claims.as_ref().and_then(|claims| claims.get(name)?.as_str());
    let is_before_sign_in =
        matches!(page, Page::Login | Page::Register | Page::ForgotPassword | Page::SetPassword);
    Ok(match (claim(SESSION), claim(FORM)) {
        (Some(session), None) => view.visitor().is_some_and(|visitor| session_id(visitor) == session),
        (None, Some(number)) => is_before_sign_in && numbers(view).any(|held| held == number),
        _ => false,
    })
}

fn sign(view: &View<'_>, claim: &str, held: &str) -> Result<String, ApiError> {
    let (context, claims) = (view.context, json::object([(claim, held.into())]));
    let value = context.realm.sign_value(Purpose::Csrf, claims, MAX_AGE, context.reads, context.now)?;
    value.ok_or_else(ApiError::no_own_key)
}

fn session_id(visitor: &Principal) -> String {
    visitor.session.map(|(id, _kind)| id.to_string()).unwrap_or_default()
}

/// The random numbers in the forms' cookies.
fn numbers<'a>(view: &'a View<'_>) -> impl Iterator<Item = &'a str> {
    let is_number = |value: &&str| encoding::decode_base64url(value).is_ok_and(|bytes| bytes.len() == 16);
    let ours = cookie::all(view.context.request).filter(|(name, _)| name.starts_with(prefix(view)));
    ours.map(|(_, value)| value).filter(is_number)
}

fn prefix(view: &View<'_>) -> &'static str {
    if view.pages.is_loopback { "gatekey-form-" } else { "__Host-gatekey-form-" }
}
