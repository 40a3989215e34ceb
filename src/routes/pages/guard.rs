//! Forward auth with cookies: who is signed in at a guarded app, and the pages for visitors who are not.

use super::html::Html;
use super::view::{self, View};
use crate::http::{Request, Response};
use crate::realm::Principal;
use crate::routes::context::RequestContext;
use crate::routes::cookie;
use crate::routes::error::ApiError;
use crate::routes::sign_in_pages::SignInPages;
use crate::store::SessionKind;

/// Who a request's cookies say is signed in.
pub(in crate::routes) enum Visitor {
    /// One live session.
    SignedIn(Principal),
    /// No live session.
    SignedOut,
    /// Two live sessions. Another host under the domain may have set the second one, so neither counts.
    Ambiguous,
}

/// Who is signed in, by the cookie that guarded apps receive: the guard cookie, or without a cookie domain the session
/// cookie.
///
/// # Errors
/// The store is unavailable.
pub(in crate::routes) fn visitor(
    context: &RequestContext<'_>,
    pages: &SignInPages,
) -> Result<Visitor, ApiError> {
    let (name, kind) = match pages.guard_cookie() {
        Some(guard) => (guard.name, SessionKind::Guard),
        None => (pages.session_cookie().name, SessionKind::Browser),
    };
    only_session(context, name, kind)
}

/// Who is signed in at gatekey itself, by the session cookie.
///
/// # Errors
/// The store is unavailable.
pub(in crate::routes) fn browser(
    context: &RequestContext<'_>,
    pages: &SignInPages,
) -> Result<Visitor, ApiError> {
    only_session(context, pages.session_cookie().name, SessionKind::Browser)
}

fn only_session(
    context: &RequestContext<'_>,
    cookie_name: &str,
    kind: SessionKind,
) -> Result<Visitor, ApiError> {
    let mut sessions = view::live_sessions(context, cookie_name, kind)?;
    Ok(match (sessions.pop(), sessions.is_empty()) {
        (Some(only), true) => Visitor::SignedIn(only),
        (Some(_), false) => Visitor::Ambiguous,
        (None, _) => Visitor::SignedOut,
    })
}

/// Whether a cookie is gatekey's own.
fn is_own(name: &str) -> bool {
    let unprefixed = ["__Host-", "__Secure-"].iter().find_map(|prefix| name.strip_prefix(prefix));
    unprefixed.unwrap_or(name).starts_with("gatekey")
}

/// Whether the client sent one of gatekey's cookies, live or not.
pub(in crate::routes) fn has_own_cookie(request: &Request) -> bool {
    cookie::all(request).any(|(name, _)| is_own(name))
}

/// The client's cookies without gatekey's own, for the app; `None` if the client sent no cookie.
pub(in crate::routes) fn cookies_of_app(request: &Request) -> Option<String> {
    request.headers("Cookie").next()?;
    let others = cookie::all(request).filter(|(name, _)| !is_own(name));
    Some(others.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; "))
}

/// A page for a visitor of an app who is not signed in, where a redirect can't help: within a frame, or after a form.
pub(in crate::routes) fn sign_in_page(
    context: &RequestContext<'_>,
    pages: &SignInPages,
    is_framed: bool,
    login_url: &str,
) -> Response {
    let (heading, text) = if is_framed { ("sign_in", "framed") } else { ("not_signed_in", "form_not_sent") };
    let values = [
        ("heading", view::text(heading)),
        ("text", view::text(text)),
        ("link", Html::text(login_url)),
        ("link_text", view::text("back_to_sign_in")),
        ("target", Html::constant(if is_framed { "_top" } else { "_blank" })),
    ];
    let mut response =
        View::signed_out(context, pages).page(401, heading, include_str!("html/guard.html"), &values);
    if is_framed {
        // The app's page frames this one. It has a link and nothing else.
        let is_policy = |name: &str| name == "Content-Security-Policy";
        for (_, value) in response.headers.iter_mut().filter(|(name, _)| is_policy(name)) {
            *value = value.replace("; frame-ancestors 'none'", "").into();
        }
    }
    response
}
