//! `/api/users` and `/api/users/{id}`: registration, look-up, password change. What
//! administrators do is in `administrators.rs`.

use super::context::RequestContext;
use super::error::ApiError;
use super::pages::guard::{self, Visitor};
use super::{administrators, body, forwarded};
use crate::clock::UnixTime;
use crate::http::{AuditEvent, ErrorCode, Response};
use crate::json::json;
use crate::realm::{Registration, UserLookup};
use crate::user_id::UserId;

/// `POST /api/users`: registers a user. While registration is closed, an administrator does.
pub(super) fn register(context: &RequestContext<'_>) -> Result<Response, ApiError> {
    let mut body = body::object(context.request)?;
    let username = body::take_text(&mut body, "username", ErrorCode::InvalidUsername)?;
    let password = body::take_password(&mut body)?;
    context.reads.may_block()?; // on a hash and a write
    let realm = context.realm;
    let (registered, administrator) = match realm.policy().registration {
        Registration::Open => (realm.register(&username, &password, context.client(), context.now)?, None),
        Registration::Closed => {
            let administrator = administrators::authenticate(context)?;
            (realm.add_user(&username, &password, realm.unix(context.now))?, Some(administrator.id))
        }
    };
    let location = format!("{}/api/users/{}", forwarded::base_url(context), registered.id);
    let body = json!({"id": registered.id.number(), "username": registered.username.as_str()});
    let response = Response::json(201, &body).with_header("Location", location);
    Ok(match administrator {
        None => response.for_user(registered.id).with_audit_event(AuditEvent::Registered),
        Some(actor) => administrators::done(response, actor, registered.id, AuditEvent::AddedByAdministrator),
    })
}

/// `GET /api/me`: the principal, and until when the credentials are valid, unless they are a password. Without an
/// `Authorization` header, the session cookie authenticates.
pub(super) fn show_me(context: &RequestContext<'_>) -> Result<Response, ApiError> {
    let pages = context.config.sign_in_pages.as_ref().filter(|_| !context.has_authorization());
    let principal = match pages {
        Some(pages) => match guard::browser(context, pages)? {
            Visitor::SignedIn(visitor) => visitor,
            Visitor::SignedOut | Visitor::Ambiguous => context.authenticate()?,
        },
        None => context.authenticate()?,
    };
    let body = json!({
        "id": principal.id.number(),
        "username": principal.username,
        "groups": context.realm.groups_of(principal.id, context.reads)?,
        "auth_time": principal.auth_time.seconds(),
        "expires_at": principal.expires_at.map(UnixTime::seconds),
    });
    Ok(Response::json(200, &body).for_user(principal.id))
}

/// `GET /api/users/{id}`: the user's name. The policy decides whether other users' names are public.
pub(super) fn show(context: &RequestContext<'_>, id: Option<UserId>) -> Result<Response, ApiError> {
    let (principal, id) = match (context.realm.policy().effective_user_lookup(), id) {
        (UserLookup::Public, Some(id)) => (None, id),
        (_, id) => {
            let principal = context.authenticate()?.id; // not charged as a look-up
            (Some(principal), id.unwrap_or(principal))
        }
    };
    if let Some(principal) = principal.filter(|principal| *principal != id) {
        return Err(ApiError::forbidden(principal)); // also for an unknown id
    }
    let user = context.realm.find_user_by_id(id, context.reads)?;
    if principal.is_none() {
        charge_lookup(context)?; // last: a side effect must not precede `WouldBlock`
    }
    let user = user.ok_or_else(ApiError::not_found)?;
    let mut response = Response::json(200, &json!({"username": user.username}));
    response.record.user = principal;
    Ok(response)
}

fn charge_lookup(context: &RequestContext<'_>) -> Result<(), ApiError> {
    let charged = context.realm.charge_lookup(context.client(), context.reads, context.now)?;
    charged.map_err(|error| ApiError::rate_limited(error, "users were looked up"))
}

/// `PUT /api/users/{id}`: changes the password and revokes all tokens of the user.
pub(super) fn change_password(
    context: &RequestContext<'_>,
    id: Option<UserId>,
) -> Result<Response, ApiError> {
    let new = body::take_password(&mut body::object(context.request)?)?;
    // The realm checks it too, but an invalid body precedes missing credentials in the order of checks.
    context.realm.check_new_password(&new)?;
    context.reads.may_block()?; // on hashes and a write
    let changed =
        context.realm.change_password(id, context.credentials()?, &new, context.client(), context.now);
    let id = context.user_change(changed)?;
    Ok(Response::empty(204).for_user(id).with_audit_event(AuditEvent::PasswordChanged))
}
