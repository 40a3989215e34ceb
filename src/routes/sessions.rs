//! `/api/tokens`: named tokens are issued, listed and ended, and browser sessions listed and ended.

use super::body;
use super::context::RequestContext;
use super::error::ApiError;
use crate::http::{AuditEvent, ErrorCode, Response};
use crate::json::{Value, json};
use crate::session_id::SessionId;
use crate::store::Session;

/// `POST /api/tokens`: issues a named token, for a password. The token is in this response alone.
pub(super) fn issue_token(context: &RequestContext<'_>) -> Result<Response, ApiError> {
    let mut body = body::object(context.request)?;
    let name = body::take_text(&mut body, "name", ErrorCode::InvalidTokenName)?;
    let lifetime = body::take_duration(&mut body)?;
    context
        .realm
        .check_named_token(&name, lifetime)
        .map_err(|error| ApiError::named_token(&error, context.scheme))?;
    let principal = context.authenticate_password()?;
    let issued = context.realm.issue_named_token(&principal, &name, lifetime, context.now);
    let issued = issued.map_err(|error| ApiError::named_token(&error, context.scheme))?;
    let body = json!({
        "id": issued.id.to_string(),
        "name": name,
        "token": issued.token.expose(),
        "duration": lifetime.as_secs(),
        "expires_at": issued.expires_at.seconds(),
    });
    let response = Response::json(201, &body).for_user(principal.id);
    Ok(response.with_audit_event(AuditEvent::NamedTokenIssued))
}

/// `GET /api/tokens`: the live browser sessions and named tokens of the user, for a password.
pub(super) fn list(context: &RequestContext<'_>) -> Result<Response, ApiError> {
    let principal = context.authenticate_password()?;
    let sessions = context.realm.list_sessions(principal.id, context.now)?;
    let sessions: Vec<_> = sessions.iter().map(described).collect();
    Ok(Response::json(200, &json!({ "tokens": sessions })).for_user(principal.id))
}

fn described(session: &Session) -> Value {
    json!({
        "id": session.id.to_string(),
        "kind": session.kind.as_str(),
        "name": session.name,
        "created_at": session.created_at.seconds(),
        "expires_at": session.expires_at.seconds(),
        "used_at": session.used_at.seconds(),
    })
}

/// `DELETE /api/tokens/{id}`: ends a session of the user. Others' ids are unknown.
pub(super) fn end(context: &RequestContext<'_>, id: SessionId) -> Result<Response, ApiError> {
    let principal = context.authenticate()?;
    context.reads.may_block()?; // on a write
    if !context.realm.end_session_as(&principal, id)? {
        return Err(ApiError::not_found().for_user(Some(principal.id)));
    }
    Ok(Response::empty(204).for_user(principal.id).with_audit_event(AuditEvent::SessionEnded))
}
