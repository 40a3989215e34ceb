//! `/api/token`.

use super::Call;
use super::failure::Failure;
use crate::http::Response;
use crate::json::json;

/// `GET /api/token`: a token, for a password or for another token, and for how many seconds it is good.
pub(super) fn issue(call: &Call<'_>) -> Result<Response, Failure> {
    let principal = call.authenticate()?;
    let issued = call.realm.issue_token(&principal, call.now);
    let issued = issued.map_err(|_session_over| Failure::unauthorized(call.scheme))?;
    let body = json!({"token": issued.token, "duration": issued.lifetime.as_secs()});
    Ok(Response::json(200, &body).for_user(principal.id))
}

/// `DELETE /api/token`: ends every token of the user, on every device.
pub(super) fn revoke_all(call: &Call<'_>) -> Result<Response, Failure> {
    let principal = call.authenticate()?;
    call.realm.revoke_tokens(principal.id).map_err(|error| Failure::store(&error))?;
    Ok(Response::empty(204).for_user(principal.id))
}
