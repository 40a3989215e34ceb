//! `/account`: sessions and named tokens of the visitor, and the password. Ending a session is `logout.rs`'.

use super::form::FormFields;
use super::html::Html;
use super::view::{View, alert, notice, number, text, with_error};
use super::{csrf, login, logout, user_agent};
use crate::clock::UnixTime;
use crate::credentials::Credentials;
use crate::http::{AuditEvent, ErrorCode, Response};
use crate::realm::{Browser, NamedTokenError, Principal, UserChangeError};
use crate::routes::error::ApiError;
use crate::store::{Session, SessionKind};
use core::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
/// Lifetimes that are offered, in days, as far as the policy allows them.
const LIFETIMES: [u32; 4] = [7, 30, 90, 365];
const DEFAULT_LIFETIME: u32 = 90;

/// Which of the forms failed, and why.
#[derive(Default)]
struct Failed<'a> {
    form: &'a str,
    alert: Html,
    code: Option<ErrorCode>,
    token_name: &'a str,
}

/// `GET /account`.
pub(super) fn show(view: &View<'_>) -> Result<Response, ApiError> {
    let query = FormFields::from_query(view.context.request)?;
    match view.visitor() {
        Some(visitor) => page(view, 200, visitor, done(&query), &Failed::default()),
        None => Ok(Response::empty(303).with_header("Location", "/login")),
    }
}

/// `POST /account` with a CSRF value that is not good any more.
pub(super) fn stale(view: &View<'_>) -> Result<Response, ApiError> {
    if let Some(visitor) = view.visitor() {
        let failed = Failed { alert: alert("stale_form", &[]), ..Failed::default() };
        return page(view, 403, visitor, Html::default(), &failed);
    }
    let alert = alert("signed_out_meanwhile", &[]);
    Ok(view.message(401, "not_signed_in", alert, "/login", "back_to_sign_in"))
}

/// `POST /account`: each form asks for the password, which the limiter counts as anywhere.
pub(super) fn submit(view: &View<'_>, mut form: FormFields) -> Result<Response, ApiError> {
    let Some(visitor) = view.visitor() else { return stale(view) };
    let password = form.take_password("password");
    let shown = Credentials::Password { username: visitor.username.clone(), password };
    match form.get("form") {
        "password" => change_password(view, visitor, &shown, form),
        "delete" => delete(view, visitor, &shown),
        "token" => make_token(view, visitor, &shown, &form),
        _ => stale(view),
    }
}

fn change_password(
    view: &View<'_>,
    visitor: &Principal,
    shown: &Credentials,
    mut form: FormFields,
) -> Result<Response, ApiError> {
    let context = view.context;
    let new = form.take_password("new-password");
    let name = user_agent::name(context.request);
    let lifetime = login::lifetime(view, login::is_shared(view, visitor));
    let browser = Browser { name: &name, lifetime };
    let changed = context.realm.change_password_and_sign_in(
        visitor.id,
        shown,
        &new,
        context.client(),
        browser,
        context.now,
    );
    let form = if matches!(changed, Err(UserChangeError::Password(_))) { "new" } else { "password" };
    match context.form_user_change(changed) {
        Ok(session) => {
            let response = login::enter(view, &session, "/account?done=password")?;
            Ok(response.with_audit_event(AuditEvent::PasswordChanged))
        }
        Err(error) => fail(view, visitor, error, form, ""),
    }
}

fn delete(view: &View<'_>, visitor: &Principal, shown: &Credentials) -> Result<Response, ApiError> {
    let context = view.context;
    let deleted = context.realm.delete_own_user(visitor.id, shown, context.client(), context.now);
    match context.form_user_change(deleted) {
        Ok(_) => Ok(logout::leave(view, visitor, "/".into()).with_audit_event(AuditEvent::Deleted)),
        Err(error) => fail(view, visitor, error, "delete", ""),
    }
}

fn make_token(
    view: &View<'_>,
    visitor: &Principal,
    shown: &Credentials,
    form: &FormFields,
) -> Result<Response, ApiError> {
    let (context, name) = (view.context, form.get("name"));
    let lifetime = form.get("days").parse().map_or(Duration::ZERO, |days: u32| DAY * days.min(3_660));
    let realm = context.realm;
    if realm.check_named_token(name, lifetime).is_err() {
        return reject_token(view, visitor, "invalid_token_name", name);
    }
    let principal = match context.form_auth(realm.authenticate(shown, context.client(), context.now)) {
        Ok(principal) => principal,
        Err(error) => return fail(view, visitor, error, "token", name),
    };
    match realm.issue_named_token(&principal, name, lifetime, context.now) {
        Ok(made) => {
            let values = [("token", Html::text(made.token.expose()))];
            let page = view.page(200, "the_token", include_str!("html/token.html"), &values);
            Ok(page.with_audit_event(AuditEvent::NamedTokenIssued))
        }
        Err(NamedTokenError::TooMany) => reject_token(view, visitor, "too_many_tokens", name),
        Err(NamedTokenError::Authenticate(error)) => {
            fail(view, visitor, ApiError::authenticate(&error, context.scheme), "token", name)
        }
        Err(_) => reject_token(view, visitor, "invalid_token_name", name),
    }
}

fn reject_token(
    view: &View<'_>,
    visitor: &Principal,
    text: &'static str,
    token_name: &str,
) -> Result<Response, ApiError> {
    let failed = Failed { form: "token", alert: alert(text, &[]), code: None, token_name };
    page(view, 400, visitor, Html::default(), &failed)
}

fn fail(
    view: &View<'_>,
    visitor: &Principal,
    error: ApiError,
    form: &str,
    token_name: &str,
) -> Result<Response, ApiError> {
    let error = Response::from(error);
    let failed = Failed { form, alert: view.alert_of(&error), code: error.record.error, token_name };
    let page = page(view, error.status, visitor, Html::default(), &failed)?;
    let mut response = with_error(page, error);
    if response.record.error == Some(ErrorCode::Unauthorized) {
        response.record.username = Some(visitor.username.clone());
    }
    Ok(response)
}

fn page(
    view: &View<'_>,
    status: u16,
    visitor: &Principal,
    notice: Html,
    failed: &Failed<'_>,
) -> Result<Response, ApiError> {
    view.context.reads.may_block()?; // on a list that no batch has
    let realm = view.context.realm;
    let sessions = realm.list_sessions(visitor.id, view.context.now)?;
    let csrf = Html::text(&csrf::of_session(view, visitor)?);
    let rows = |kind| {
        let newest_first = sessions.iter().rev().filter(move |session| session.kind == kind);
        newest_first.map(|session| row(visitor, session, &csrf)).collect::<Vec<_>>()
    };
    let token_rows = match rows(SessionKind::Token) {
        none if none.is_empty() => Html::fill("<p>{no_tokens}</p>", &[]),
        some => Html::fill("<ul class=\"rows\">{rows}</ul>", &[("rows", some.into_iter().collect())]),
    };
    let invalid = |form: &str| {
        let is_wrong = failed.form == form && (form == "new" || failed.code == Some(ErrorCode::Unauthorized));
        Html::constant(if is_wrong {
            " autofocus aria-invalid=\"true\" aria-describedby=\"alert\""
        } else {
            ""
        })
    };
    let values = [
        ("name", Html::text(&visitor.username)),
        ("csrf", csrf.clone()),
        ("notice", notice),
        ("alert", failed.alert.clone()),
        ("browser_rows", rows(SessionKind::Browser).into_iter().collect()),
        ("token_rows", token_rows),
        ("token_open", Html::constant(if failed.form == "token" { " open" } else { "" })),
        ("given_name", Html::text(failed.token_name)),
        ("lifetimes", lifetimes(realm.policy().max_token_lifetime)),
        ("token_attributes", invalid("token")),
        ("current_attributes", invalid("password")),
        ("delete_attributes", invalid("delete")),
        ("delete_open", Html::constant(if failed.form == "delete" { " open" } else { "" })),
        ("new_attributes", invalid("new")),
        ("password_hint", view.password_hint()),
    ];
    Ok(view.page(status, "account", include_str!("html/account.html"), &values))
}

/// A notice that goes with a successful post.
fn done(query: &FormFields) -> Html {
    match query.get("done") {
        "password" => notice("good", "password_changed"),
        "ended" => notice("good", "ended"),
        _ => Html::default(),
    }
}

fn row(visitor: &Principal, session: &Session, csrf: &Html) -> Html {
    let is_own = visitor.session.is_some_and(|(id, _kind)| id == session.id);
    let name = if session.name.is_empty() { text("unnamed_browser") } else { Html::text(&session.name) };
    let tag = if is_own { "<span class=\"tag\">{this_browser}</span>" } else { "" };
    let is_token = session.kind == SessionKind::Token;
    let values = [
        ("session_name", name),
        ("tag", Html::fill(tag, &[])),
        ("from", date(session.created_at)),
        ("until", date(session.expires_at)),
        ("used", date(session.used_at)),
        ("csrf", csrf.clone()),
        ("id", Html::text(&session.id.to_string())),
        ("button", text(if is_token { "end" } else { "sign_out" })),
        ("end_form", Html::default()),
    ];
    if is_own {
        return Html::fill(include_str!("html/row.html"), &values); // the button is above
    }
    let end_form = Html::fill(include_str!("html/end.html"), &values);
    let values: Vec<_> = [("end_form", end_form)].into_iter().chain(values).collect();
    Html::fill(include_str!("html/row.html"), &values)
}

fn lifetimes(max: Duration) -> Html {
    let allowed = LIFETIMES.into_iter().filter(|days| DAY * *days <= max);
    let option = |days: u32| {
        let selected = if days == DEFAULT_LIFETIME { " selected" } else { "" };
        let values = [("number", number(days.into())), ("selected", Html::constant(selected))];
        Html::fill("<option value=\"{number}\"{selected}>{days}</option>", &values)
    };
    allowed.map(option).collect()
}

/// A day, as ISO 8601 has it.
fn date(time: UnixTime) -> Html {
    Html::text(time.to_string().get(..10).unwrap_or_default())
}
