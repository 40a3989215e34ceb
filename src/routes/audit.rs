//! What became of the credentials that were shown, for log and metrics; clients learn nothing from here.

use super::RequestContext;
use crate::credentials::Credentials;
use crate::http::{AuditEvent, AuthOutcome, AuthRecord, CredentialKind, Response};
use crate::realm::{AuthenticateError, UserChangeError};

impl RequestContext<'_> {
    /// Notes what the realm said about the credentials.
    pub(super) fn note_authentication<T>(&self, result: &Result<T, AuthenticateError>) {
        self.note(result.as_ref().map_or_else(outcome_of, |_| AuthOutcome::Accepted));
    }

    /// The same where they were shown to change a user.
    pub(super) fn note_user_change<T>(&self, result: &Result<T, UserChangeError>) {
        self.note(match result {
            Ok(_) | Err(UserChangeError::Forbidden(_)) => AuthOutcome::Accepted,
            Err(UserChangeError::Authenticate(error)) => outcome_of(error),
            Err(UserChangeError::Password(_)) => return, // the new one, which is looked at first
        });
    }

    fn note(&self, outcome: AuthOutcome) {
        let kind = match &self.credentials {
            Ok(Credentials::Password { .. }) => CredentialKind::Password,
            Ok(Credentials::Token(_)) => CredentialKind::Token,
            Err(_) => return,
        };
        self.auth.set(Some(AuthRecord { kind, outcome }));
    }

    /// Adds to the answer what was noted.
    pub(super) fn tell(&self, mut response: Response) -> Response {
        response.record.auth = self.auth.get();
        let refused = AuthRecord { kind: CredentialKind::Password, outcome: AuthOutcome::Refused };
        if response.record.auth == Some(refused) {
            response.record.audit = Some(AuditEvent::LoginFailed);
            if let (Some(_), Ok(Credentials::Password { username, .. })) =
                (response.record.user, &self.credentials)
            {
                response.record.username = Some(username.clone());
            }
        }
        response
    }
}

fn outcome_of(error: &AuthenticateError) -> AuthOutcome {
    match error {
        AuthenticateError::Refused(_) => AuthOutcome::Refused,
        AuthenticateError::RateLimited(_) => AuthOutcome::RateLimited,
        AuthenticateError::Store(_) | AuthenticateError::Hash(_) => AuthOutcome::Error,
    }
}
