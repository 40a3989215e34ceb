//! What administrators do in `/api/users`: list, change and delete users, and make one-time links for them.
//!
//! An administrator shows name and password with each request. A token is refused, and so is a page of an
//! origin in `--cors-origin`: one such app would command all accounts.

use super::context::RequestContext;
use super::error::ApiError;
use super::{body, cors};
use crate::group_name::GroupName;
use crate::http::{AuditEvent, ErrorCode, Response};
use crate::json::{Object, Value, json};
use crate::realm::Realm;
use crate::store::{User, UserChanges};
use crate::user_id::UserId;

/// Users in one answer, unless `limit` says otherwise, and at most.
const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1_000;

/// `GET /api/users`: a page of all users in the order of their ids. `?after=ID&limit=N` is the next one.
pub(super) fn list(context: &RequestContext<'_>) -> Result<Response, ApiError> {
    let (after, limit) = parse_page(context.request.query.as_deref().unwrap_or_default())?;
    let administrator = authenticate(context)?;
    let users = context.realm.list_users(after, limit)?;
    let is_full = u32::try_from(users.len()).is_ok_and(|count| count == limit);
    let next = users.last().filter(|_| is_full).map(|user| user.id.number());
    let users: Vec<_> = users.iter().map(|user| described(context, user)).collect::<Result<_, _>>()?;
    Ok(Response::json(200, &json!({"users": users, "next": next})).for_user(administrator.id))
}

fn described(context: &RequestContext<'_>, user: &User) -> Result<Value, ApiError> {
    let groups = context.realm.groups_of(user.id, context.reads)?;
    let User { id, username, disabled, created_at, .. } = user;
    let created_at = created_at.seconds();
    Ok(
        json!({"id": id.number(), "username": username, "disabled": disabled, "groups": groups, "created_at": created_at}),
    )
}

/// `POST /api/users/{id}/link`: makes a link with which the user sets a password, and ends the user's older links.
pub(super) fn make_link(context: &RequestContext<'_>, id: UserId) -> Result<Response, ApiError> {
    let administrator = authenticate(context)?;
    let not_found = |why: &str| ApiError::not_found().for_user(Some(administrator.id)).because(why);
    let no_pages = "there are no sign-in pages, so links lead nowhere: set --public-url";
    let pages = context.config.sign_in_pages.as_ref().ok_or_else(|| not_found(no_pages))?;
    let user = context.realm.find_user_by_id(id, context.reads)?;
    let user = user.ok_or_else(|| not_found("there is no such user"))?;
    if user.disabled {
        let message = "The user is disabled; enable the user first.";
        return Err(ApiError::new(ErrorCode::Forbidden, message).for_user(Some(administrator.id)));
    }
    let made = context.realm.make_link(id, Realm::LINK_LIFETIME, context.now)?;
    let link = pages.public_url.one_time_link(&made);
    let body = json!({"link": link.expose(), "expires_at": made.expires_at.seconds()});
    Ok(done(Response::json(201, &body), administrator.id, id, AuditEvent::LinkMade))
}

/// `PATCH /api/users/{id}`: changes a user.
pub(super) fn change(context: &RequestContext<'_>, id: Option<UserId>) -> Result<Response, ApiError> {
    refuse_cors_origin(context)?;
    let changes = parse_changes(body::object(context.request)?)?;
    context.reads.may_block()?; // on a hash and a write
    let result =
        context.realm.administer(id, &changes, context.credentials()?, context.client(), context.now);
    let (actor, target) = context.user_change(result)?;
    Ok(done(Response::empty(204), actor, target, AuditEvent::ChangedByAdministrator))
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
    Ok(done(Response::empty(204), actor, target, AuditEvent::DeletedByAdministrator))
}

/// The administrator who sends the request.
pub(super) fn authenticate(context: &RequestContext<'_>) -> Result<User, ApiError> {
    refuse_cors_origin(context)?;
    context.reads.may_block()?; // on a hash
    let shown = context.credentials()?;
    context.user_change(context.realm.authenticate_administrator(shown, context.client(), context.now))
}

/// The response to what an administrator did to another user, with its audit event.
pub(super) fn done(response: Response, actor: UserId, target: UserId, event: AuditEvent) -> Response {
    let mut response = response.for_user(actor).with_audit_event(event);
    response.record.target = Some(target);
    response
}

fn is_from_cors_origin(context: &RequestContext<'_>) -> bool {
    cors::allowed_origin(&context.config.cors_origins, context.request).is_some()
}

fn refuse_cors_origin(context: &RequestContext<'_>) -> Result<(), ApiError> {
    if is_from_cors_origin(context) { Err(ApiError::cross_site()) } else { Ok(()) }
}

fn malformed(what: &str) -> ApiError {
    ApiError::new(ErrorCode::MalformedRequest, format!("{what}."))
}

/// Parses `after=7&limit=100`, each optional and once.
fn parse_page(query: &str) -> Result<(Option<UserId>, u32), ApiError> {
    let (mut after, mut limit) = (None, None);
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("after", id)) if after.is_none() => {
                let id =
                    UserId::parse(id).ok_or_else(|| malformed("\"after\" is no id; send that of a user"))?;
                after = Some(id);
            }
            Some(("limit", number)) if limit.is_none() => {
                let number = number.parse().ok().filter(|number| (1..=MAX_LIMIT).contains(number));
                let range = || malformed(&format!("\"limit\" is not understood; send 1 to {MAX_LIMIT}"));
                limit = Some(number.ok_or_else(range)?);
            }
            _ => return Err(malformed("The query has another parameter than after and limit, or one twice")),
        }
    }
    Ok((after, limit.unwrap_or(DEFAULT_LIMIT)))
}

/// Parses `{"disabled":true,"groups_add":["staff"],"groups_remove":[]}`, each member optional.
fn parse_changes(mut body: Object) -> Result<UserChanges, ApiError> {
    let disabled = match body.remove("disabled") {
        None => None,
        Some(Value::Bool(disabled)) => Some(disabled),
        Some(_) => return Err(malformed("\"disabled\" is not a boolean; send it as one")),
    };
    let mut groups = |name: &str| match body.remove(name) {
        None => Ok(Vec::new()),
        Some(Value::Array(names)) => {
            let parse = |name: &Value| GroupName::parse(name.as_str()?).ok();
            let parsed: Option<Vec<_>> = names.iter().map(parse).collect();
            parsed.ok_or_else(|| malformed(&format!("\"{name}\" has a text that is no name of a group")))
        }
        Some(_) => Err(malformed(&format!("\"{name}\" is not a list; send a list of groups"))),
    };
    let (groups_add, groups_remove) = (groups("groups_add")?, groups("groups_remove")?);
    if groups_add.iter().any(|group| groups_remove.contains(group)) {
        return Err(malformed("A group is in both lists; send it in one"));
    }
    if !body.is_empty() {
        return Err(malformed("The body has another member than disabled, groups_add and groups_remove"));
    }
    Ok(UserChanges { disabled, groups_add, groups_remove })
}
