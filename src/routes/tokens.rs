//! `/api/token`.

use super::Call;
use super::failure::Failure;
use crate::http::{ErrorCode, Response};
use crate::json::json;
use core::time::Duration;

/// `GET /api/token`: a token, for a password or for another token, and for how many seconds it is good. `?duration=15`
/// asks for one that is good for no longer than that.
pub(super) fn issue(call: &Call<'_>) -> Result<Response, Failure> {
    let at_most = at_most(call.request.query.as_deref().unwrap_or_default())?;
    let principal = call.authenticate()?;
    let issued = match at_most {
        Some(lifetime) => call.realm.issue_token_for(lifetime, &principal, call.now),
        None => call.realm.issue_token(&principal, call.now),
    };
    let issued = issued.map_err(|_session_over| Failure::unauthorized(call.scheme))?;
    let body = json!({"token": issued.token, "duration": issued.lifetime.as_secs()});
    Ok(Response::json(200, &body).for_user(principal.id))
}

/// The lifetime that a query asks for. Other parameters are nobody's business, as on every path but `/api/verify`.
fn at_most(query: &str) -> Result<Option<Duration>, Failure> {
    let mut given = query.split('&').filter_map(|parameter| parameter.strip_prefix("duration="));
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some(text), None) => seconds(text).map(Some).ok_or_else(bad_duration),
        (Some(_), Some(_)) => Err(bad_duration()),
    }
}

fn seconds(text: &str) -> Option<Duration> {
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let seconds = digits?.parse::<u32>().ok()?;
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}

fn bad_duration() -> Failure {
    let message = "The query is not understood; expected duration=SECONDS, once, 1 or more.";
    Failure::new(ErrorCode::MalformedRequest, message)
}

/// `DELETE /api/token`: ends every token of the user, on every device.
pub(super) fn revoke_all(call: &Call<'_>) -> Result<Response, Failure> {
    let principal = call.authenticate()?;
    call.realm.revoke_tokens(principal.id).map_err(|error| Failure::store(&error))?;
    Ok(Response::empty(204).for_user(principal.id))
}
