//! What became of the credentials that were shown, for log and metrics; clients learn nothing from here.

use super::RequestContext;
use crate::credentials::Credentials;
use crate::http::{AuditEvent, Checked, Evidence, Outcome, Response};
use crate::realm::{AuthenticateError, UserChangeError};

impl RequestContext<'_> {
    /// Notes what the realm said about the credentials.
    pub(super) fn note_authentication<T>(&self, result: &Result<T, AuthenticateError>) {
        self.note(result.as_ref().map_or_else(outcome_of, |_| Outcome::Accepted));
    }

    /// The same where they were shown to change a user.
    pub(super) fn note_user_change<T>(&self, result: &Result<T, UserChangeError>) {
        self.note(match result {
            Ok(_) | Err(UserChangeError::Forbidden(_)) => Outcome::Accepted,
            Err(UserChangeError::Authenticate(error)) => outcome_of(error),
            Err(UserChangeError::Password(_)) => return, // the new one, which is looked at first
        });
    }

    fn note(&self, outcome: Outcome) {
        let evidence = match &self.credentials {
            Ok(Credentials::Password { .. }) => Evidence::Password,
            Ok(Credentials::Token(_)) => Evidence::Token,
            Err(_) => return,
        };
        self.checked.set(Some(Checked { evidence, outcome }));
    }

    /// Adds to the answer what was noted.
    pub(super) fn tell(&self, mut response: Response) -> Response {
        response.about.checked = self.checked.get();
        let refused = Checked { evidence: Evidence::Password, outcome: Outcome::Refused };
        if response.about.checked == Some(refused) {
            response.about.audit = Some(AuditEvent::LoginFailed);
            if let (Some(_), Ok(Credentials::Password { username, .. })) =
                (response.about.user, &self.credentials)
            {
                response.about.username = Some(username.clone());
            }
        }
        response
    }
}

fn outcome_of(error: &AuthenticateError) -> Outcome {
    match error {
        AuthenticateError::Refused(_) => Outcome::Refused,
        AuthenticateError::Throttled(_) => Outcome::Throttled,
        AuthenticateError::Store(_) | AuthenticateError::Hash(_) => Outcome::Undecided,
    }
}
