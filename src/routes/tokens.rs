//! `/api/token`.

use super::Call;
use super::failure::Failure;
use crate::http::{ErrorCode, Response};
use crate::json::json;
use core::time::Duration;

/// `GET /api/token`: a token, for a password or for another token, and for how many seconds it is good. Who wants it for
/// less than the policy gives asks for `?duration=15`.
pub(super) fn issue(call: &Call<'_>) -> Result<Response, Failure> {
    let at_most = asked_for(call.request.query.as_deref().unwrap_or_default())?;
    let principal = call.authenticate()?;
    let issued = call.realm.issue_token_for(&principal, at_most, call.now);
    let issued = issued.map_err(|_session_over| Failure::unauthorized(call.scheme))?;
    let body = json!({"token": issued.token, "duration": issued.lifetime.as_secs()});
    Ok(Response::json(200, &body).for_user(principal.id))
}

/// The duration in a query; whatever else stands there is nobody's.
fn asked_for(query: &str) -> Result<Duration, Failure> {
    let mut asked = query.split('&').filter_map(|parameter| parameter.strip_prefix("duration="));
    let seconds = match (asked.next(), asked.next()) {
        (None, _) => return Ok(Duration::MAX),
        (Some(text), None) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse::<u32>().ok(),
        _ => None,
    };
    seconds.filter(|seconds| *seconds > 0).map(|seconds| Duration::from_secs(seconds.into())).ok_or_else(
        || {
            let message = "The duration is not understood; send it once, as a number of seconds from 1 on.";
            Failure::new(ErrorCode::MalformedRequest, message)
        },
    )
}

/// `DELETE /api/token`: ends every token of the user, on every device.
pub(super) fn revoke_all(call: &Call<'_>) -> Result<Response, Failure> {
    let principal = call.authenticate()?;
    call.realm.revoke_tokens(principal.id).map_err(|error| Failure::store(&error))?;
    Ok(Response::empty(204).for_user(principal.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_asked_for_in_whole_seconds_from_1_on() {
        for (query, asked) in [
            ("", Duration::MAX),
            ("access_token=x", Duration::MAX),
            ("duration=1", Duration::from_secs(1)),
            ("x=1&duration=15", Duration::from_secs(15)),
            ("duration=4294967295", Duration::from_secs(4_294_967_295)),
        ] {
            assert_eq!(asked_for(query).unwrap(), asked, "{query}");
        }
        for query in [
            "duration=",
            "duration=0",
            "duration=+1",
            "duration=-1",
            "duration=1.5",
            "duration=10m",
            "duration=4294967296",
            "duration=1&duration=2",
        ] {
            assert!(asked_for(query).is_err(), "{query}");
        }
    }
}
