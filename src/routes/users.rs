//! `/api/users` and `/api/users/{id}`.

use super::error::ApiError;
use super::{RequestContext, base_url, body};
use crate::http::{AuditEvent, ErrorCode, Response};
use crate::json::json;
use crate::realm::UserLookup;
use crate::store::Reads;
use crate::user_id::UserId;

/// `POST /api/users`: registers a user.
pub(super) fn register(context: &RequestContext<'_>) -> Result<Response, ApiError> {
    let mut body = body::object(context.request)?;
    let username = body::take_text(&mut body, "username", ErrorCode::InvalidUsername)?;
    let password = body::take_password(&mut body)?;
    context.reads.may_block()?; // on a hash and a write
    let registered = context.realm.register(&username, &password, context.client(), context.now);
    let registered = registered.map_err(|error| ApiError::register(&error))?;
    let location = format!("{}/api/users/{}", base_url::base_url(context), registered.id);
    Ok(Response::json(201, &json!({"username": registered.username.as_str()}))
        .with_header("Location", location)
        .for_user(registered.id)
        .with_audit_event(AuditEvent::Registered))
}

/// `GET /api/users/{id}`: the user's name; anybody's, or one's own, as the policy says.
pub(super) fn show(context: &RequestContext<'_>, id: UserId) -> Result<Response, ApiError> {
    let asker = match context.realm.policy().effective_user_lookup() {
        UserLookup::Public => None,
        // Who sees only oneself looks nobody up; and others must not use up what one's token is good for.
        UserLookup::Own => Some(context.authenticate()?.id),
    };
    if let Some(asker) = asker.filter(|asker| *asker != id) {
        return Err(ApiError::forbidden(asker)); // the same for an id that nobody has
    }
    let user =
        context.realm.find_user_by_id_from(id, context.reads).map_err(|error| ApiError::store(&error))?;
    if asker.is_none() {
        charge_lookup(context)?; // last, since what would block must come before any side effect
    }
    let user = user.ok_or_else(ApiError::not_found)?;
    let mut response = Response::json(200, &json!({"username": user.username}));
    response.record.user = asker;
    Ok(response)
}

fn charge_lookup(context: &RequestContext<'_>) -> Result<(), ApiError> {
    let charged = match context.reads {
        Reads::PerCall => context.realm.charge_lookup(context.client(), context.now),
        Reads::Batch(_) => context.realm.try_charge_lookup(context.client(), context.now)?,
    };
    charged.map_err(|error| ApiError::throttled(error, "users were looked up"))
}

/// `PUT /api/users/{id}`: changes the password; every token of the user dies.
pub(super) fn change_password(context: &RequestContext<'_>, id: UserId) -> Result<Response, ApiError> {
    let new = body::take_password(&mut body::object(context.request)?)?;
    // The realm looks at it too, but only once there are credentials; and what is wrong with the body is said before what
    // is wrong with those.
    context.realm.check_new_password(&new).map_err(ApiError::password)?;
    context.reads.may_block()?; // on hashes and a write
    let changed =
        context.realm.change_password(id, context.credentials()?, &new, context.client(), context.now);
    context.note_user_change(&changed);
    changed.map_err(|error| ApiError::user_change(&error, context.scheme))?;
    Ok(Response::empty(204).for_user(id).with_audit_event(AuditEvent::PasswordChanged))
}

/// `DELETE /api/users/{id}`: deletes the user.
pub(super) fn delete(context: &RequestContext<'_>, id: UserId) -> Result<Response, ApiError> {
    context.reads.may_block()?; // on a hash and a write
    let deleted = context.realm.delete_own_user(id, context.credentials()?, context.client(), context.now);
    context.note_user_change(&deleted);
    deleted.map_err(|error| ApiError::user_change(&error, context.scheme))?;
    Ok(Response::empty(204).for_user(id).with_audit_event(AuditEvent::Deleted))
}
