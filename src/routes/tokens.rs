//! `/api/token`: issuing, renewal and revocation of tokens.

use super::context::RequestContext;
use super::error::ApiError;
use crate::http::{AuditEvent, ErrorCode, Response};
use crate::json::json;
use core::time::Duration;

/// `GET /api/token`: issues a token for a password, or renews a token. `?duration=15` asks for a shorter
/// lifetime in seconds than the policy's.
pub(super) fn issue(context: &RequestContext<'_>) -> Result<Response, ApiError> {
    let max_lifetime = parse_duration(context.request.query.as_deref().unwrap_or_default())?;
    let principal = context.authenticate()?;
    let issued = context.realm.issue_token_for(&principal, max_lifetime, context.now);
    let issued = issued.map_err(|error| ApiError::issue_token(error, principal.id, context.scheme))?;
    let body = json!({
        "id": principal.id.number(),
        "token": issued.token,
        "duration": issued.lifetime.as_secs(),
    });
    Ok(Response::json(200, &body).for_user(principal.id).with_audit_event(AuditEvent::TokenIssued))
}

/// Parses the duration in a query. Other parameters are ignored.
fn parse_duration(query: &str) -> Result<Duration, ApiError> {
    let mut values = query.split('&').filter_map(|parameter| parameter.strip_prefix("duration="));
    let seconds = match (values.next(), values.next()) {
        (None, _) => return Ok(Duration::MAX),
        (Some(text), None) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse::<u32>().ok(),
        _ => None,
    };
    seconds.filter(|seconds| *seconds > 0).map(|seconds| Duration::from_secs(seconds.into())).ok_or_else(
        || {
            let message = "The duration is not understood; send it once, as a number of seconds from 1 on.";
            ApiError::new(ErrorCode::MalformedRequest, message)
        },
    )
}

/// `DELETE /api/token`: revokes all tokens and sessions of the user; by a named token, that one.
pub(super) fn revoke(context: &RequestContext<'_>) -> Result<Response, ApiError> {
    let principal = context.authenticate()?;
    context.reads.may_block()?; // on a write
    context.realm.sign_out(&principal)?;
    let event = if principal.session.is_some() { AuditEvent::SessionEnded } else { AuditEvent::SignedOut };
    Ok(Response::empty(204).for_user(principal.id).with_audit_event(event))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{self, UnixTime};
    use crate::data_dir::DataDir;
    use crate::hashing::Hasher;
    use crate::http::Request;
    use crate::realm::{Policy, Realm};
    use crate::routes::{Config, dispatch};
    use crate::secret::Secret;
    use crate::token::{self, Claims};
    use crate::user_id::Generation;

    #[test]
    fn an_expired_session_is_401_and_the_log_has_user_and_cause() {
        let directory = tempfile::tempdir().unwrap();
        let (store, keys) = DataDir::new(directory.path()).open_or_create().unwrap();
        let hasher = Hasher::new("ln=1,r=1,p=1".parse().unwrap(), Hasher::DEFAULT_MAX_MEMORY_BYTES).unwrap();
        let now = clock::now();
        let realm = Realm::open(store, keys, hasher, Policy::default(), now).unwrap();
        let id = realm.add_user("ok", &Secret::new("python".into()), now.unix).unwrap().id;
        // Its token was renewed shortly before --max-session was lowered.
        let claims = Claims {
            id,
            generation: Generation::new(1).unwrap(),
            issued_at: now.unix,
            expires_at: now.unix.saturating_add(Duration::from_secs(60)),
            auth_time: UnixTime::new(now.unix.seconds() - 31 * 86_400).unwrap(),
        };
        let bearer = format!("Bearer {}", token::issue(&claims, &realm.ring()));
        let ask = |path| {
            dispatch(
                &realm,
                &Config::default(),
                &Request::new("GET", path).with_header("Authorization", &bearer),
                now,
            )
        };
        assert_eq!(ask("/api/resource").status, 200);
        let refused = ask("/api/token");
        assert_eq!((refused.status, refused.record.user), (401, Some(id)));
        let cause = "the session has lasted as long as one may";
        assert_eq!(refused.record.cause.as_deref(), Some(cause));
        let stranger = dispatch(
            &realm,
            &Config::default(),
            &Request::new("GET", "/api/token").with_header("Authorization", "Bearer x"),
            now,
        );
        assert_eq!(refused.body, stranger.body);
    }

    #[test]
    fn a_duration_is_a_whole_number_of_seconds_from_1_on() {
        for (query, duration) in [
            ("", Duration::MAX),
            ("access_token=x", Duration::MAX),
            ("duration=1", Duration::from_secs(1)),
            ("x=1&duration=15", Duration::from_secs(15)),
            ("duration=4294967295", Duration::from_secs(4_294_967_295)),
        ] {
            assert_eq!(parse_duration(query).unwrap(), duration, "{query}");
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
            assert!(parse_duration(query).is_err(), "{query}");
        }
    }
}
