//! `/api/users` and `/api/users/{id}`: registration, look-up, password change, deletion.

use super::context::RequestContext;
use super::error::ApiError;
use super::pages::guard::{self, Visitor};
use super::{body, cors, forwarded};
use crate::clock::UnixTime;
use crate::group_name::GroupName;
use crate::http::{AuditEvent, ErrorCode, Response};
use crate::json::{Object, Value, json};
use crate::realm::UserLookup;
use crate::store::UserChanges;
use crate::user_id::UserId;

/// `POST /api/users`: registers a user.
pub(super) fn register(context: &RequestContext<'_>) -> Result<Response, ApiError> {
    let mut body = body::object(context.request)?;
    let username = body::take_text(&mut body, "username", ErrorCode::InvalidUsername)?;
    let password = body::take_password(&mut body)?;
    context.reads.may_block()?; // on a hash and a write
    let registered = context.realm.register(&username, &password, context.client(), context.now)?;
    let location = format!("{}/api/users/{}", forwarded::base_url(context), registered.id);
    let body = json!({"id": registered.id.number(), "username": registered.username.as_str()});
    Ok(Response::json(201, &body)
        .with_header("Location", location)
        .for_user(registered.id)
        .with_audit_event(AuditEvent::Registered))
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

/// `DELETE /api/users/{id}`: deletes the own account, or another by an administrator.
pub(super) fn delete(context: &RequestContext<'_>, id: Option<UserId>) -> Result<Response, ApiError> {
    context.reads.may_block()?; // on a hash and a write
    let (realm, shown) = (context.realm, context.credentials()?);
    let deleted = if is_from_cors_origin(context) {
        realm.delete_own_user(id, shown, context.client(), context.now).map(|id| (id, id))
    } else {
        realm.delete_user_as(id, shown, context.client(), context.now)
    };
    let (actor, target) = context.user_change(deleted)?;
    if actor == target {
        return Ok(Response::empty(204).for_user(actor).with_audit_event(AuditEvent::Deleted));
    }
    Ok(administered(actor, target, AuditEvent::DeletedByAdministrator))
}

/// `PATCH /api/users/{id}`: changes a user by an administrator.
pub(super) fn administer(context: &RequestContext<'_>, id: Option<UserId>) -> Result<Response, ApiError> {
    if is_from_cors_origin(context) {
        return Err(ApiError::cross_site());
    }
    let changes = changes(body::object(context.request)?)?;
    context.reads.may_block()?; // on a hash and a write
    let result =
        context.realm.administer(id, &changes, context.credentials()?, context.client(), context.now);
    let (actor, target) = context.user_change(result)?;
    Ok(administered(actor, target, AuditEvent::ChangedByAdministrator))
}

fn administered(actor: UserId, target: UserId, event: AuditEvent) -> Response {
    let mut response = Response::empty(204).for_user(actor).with_audit_event(event);
    response.record.target = Some(target);
    response
}

/// Pages of the origins in `--cors-origin` may not administer: one such app would command all accounts.
fn is_from_cors_origin(context: &RequestContext<'_>) -> bool {
    cors::allowed_origin(&context.config.cors_origins, context.request).is_some()
}

/// Parses `{"disabled":true,"groups_add":["staff"],"groups_remove":[]}`, each member optional.
fn changes(mut body: Object) -> Result<UserChanges, ApiError> {
    let invalid = |what: &str| ApiError::new(ErrorCode::MalformedRequest, format!("{what}."));
    let disabled = match body.remove("disabled") {
        None => None,
        Some(Value::Bool(disabled)) => Some(disabled),
        Some(_) => return Err(invalid("\"disabled\" is not a boolean; send it as one")),
    };
    let mut groups = |name: &str| match body.remove(name) {
        None => Ok(Vec::new()),
        Some(Value::Array(names)) => {
            let parse = |name: &Value| GroupName::parse(name.as_str()?).ok();
            let parsed: Option<Vec<_>> = names.iter().map(parse).collect();
            parsed.ok_or_else(|| invalid(&format!("\"{name}\" has a text that is no name of a group")))
        }
        Some(_) => Err(invalid(&format!("\"{name}\" is not a list; send a list of groups"))),
    };
    let (groups_add, groups_remove) = (groups("groups_add")?, groups("groups_remove")?);
    if groups_add.iter().any(|group| groups_remove.contains(group)) {
        return Err(invalid("A group is in both lists; send it in one"));
    }
    if !body.is_empty() {
        return Err(invalid("The body has another member than disabled, groups_add and groups_remove"));
    }
    Ok(UserChanges { disabled, groups_add, groups_remove })
}
