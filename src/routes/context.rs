//! The context of a request: what a route works with, and authentication with its audit record.

use super::client_origin::ClientOrigin;
use super::config::Config;
use super::error::ApiError;
use crate::client::Client;
use crate::clock::Now;
use crate::credentials::{self, Credentials, CredentialsError, Scheme};
use crate::http::{AuditEvent, AuthOutcome, AuthRecord, CredentialKind, ErrorCode, Request, Response};
use crate::realm::{AuthenticateError, Principal, Realm, UserChangeError};
use crate::store::Reads;
use core::cell::Cell;

/// A request, and what a route needs to answer it.
pub(super) struct RequestContext<'a> {
    pub(super) realm: &'a Realm,
    pub(super) config: &'a Config,
    pub(super) request: &'a Request,
    pub(super) origin: ClientOrigin,
    pub(super) reads: Reads<'a>,
    pub(super) now: Now,
    /// The scheme of the credentials; its challenge is in a 401.
    pub(super) scheme: Scheme,
    credentials: Result<Credentials, CredentialsError>,
    auth: Cell<Option<AuthRecord>>,
}

impl<'a> RequestContext<'a> {
    /// Parses the credentials.
    ///
    /// # Errors
    /// 400 for more than one `Authorization` header: a proxy might have checked one, and the realm the other.
    pub(super) fn new(
        realm: &'a Realm,
        config: &'a Config,
        request: &'a Request,
        origin: ClientOrigin,
        reads: Reads<'a>,
        now: Now,
    ) -> Result<Self, ApiError> {
        let mut headers = request.headers("Authorization");
        let header = headers.next().unwrap_or_default();
        if headers.next().is_some() {
            let message = "The request has more than one Authorization header; send one.";
            return Err(ApiError::new(ErrorCode::MalformedRequest, message));
        }
        let (scheme, credentials) = credentials::parse(header);
        Ok(Self { realm, config, request, origin, reads, now, scheme, credentials, auth: Cell::new(None) })
    }

    pub(super) fn client(&self) -> Client {
        self.origin.client
    }

    /// The credentials, not yet verified.
    ///
    /// # Errors
    /// 401 without any.
    pub(super) fn credentials(&self) -> Result<&Credentials, ApiError> {
        self.credentials.as_ref().map_err(|_| ApiError::unauthorized(self.scheme))
    }

    pub(super) fn authenticate(&self) -> Result<Principal, ApiError> {
        let credentials = self.credentials()?;
        let result = self.realm.authenticate_from(credentials, self.client(), self.reads, self.now);
        self.record_auth(self.kind(), result.as_ref().err());
        result.map_err(|error| ApiError::authenticate(&error, self.scheme))
    }

    /// Authenticates the client by a password; a token is refused.
    pub(super) fn authenticate_password(&self) -> Result<Principal, ApiError> {
        let credentials = self.credentials()?;
        self.reads.may_block()?; // on a hash
        let result = self.realm.authenticate_password(credentials, self.client(), self.now);
        self.record_auth(self.kind(), result.as_ref().err());
        result.map_err(|error| ApiError::authenticate(&error, self.scheme))
    }

    /// The result of a change for which the client showed a password.
    pub(super) fn user_change<T>(&self, result: Result<T, UserChangeError>) -> Result<T, ApiError> {
        self.record_user_change(self.kind(), result)
    }

    /// The result of a check of a password that was in a form.
    pub(super) fn form_auth<T>(&self, result: Result<T, AuthenticateError>) -> Result<T, ApiError> {
        self.record_auth(Some(CredentialKind::Password), result.as_ref().err());
        result.map_err(|error| ApiError::authenticate(&error, self.scheme))
    }

    /// The result of a change for which a password was in a form.
    pub(super) fn form_user_change<T>(&self, result: Result<T, UserChangeError>) -> Result<T, ApiError> {
        self.record_user_change(Some(CredentialKind::Password), result)
    }

    /// Whether the client sends an `Authorization` header, valid or not. Then cookies don't authenticate.
    pub(super) fn has_authorization(&self) -> bool {
        self.request.headers("Authorization").next().is_some()
    }

    /// Whether the client sends a password by HTTP Basic.
    pub(super) fn has_basic_password(&self) -> bool {
        self.kind() == Some(CredentialKind::Password)
    }

    fn kind(&self) -> Option<CredentialKind> {
        match &self.credentials {
            Ok(Credentials::Password { .. }) => Some(CredentialKind::Password),
            Ok(Credentials::Token(_)) => Some(CredentialKind::Token),
            Err(_) => None,
        }
    }

    fn record_user_change<T>(
        &self,
        kind: Option<CredentialKind>,
        result: Result<T, UserChangeError>,
    ) -> Result<T, ApiError> {
        match &result {
            Err(UserChangeError::Authenticate(error)) => self.record_auth(kind, Some(error)),
            Err(UserChangeError::Password(_)) => {} // the new password is checked first
            _ => self.record_auth(kind, None),
        }
        result.map_err(|error| ApiError::user_change(&error, self.scheme))
    }

    fn record_auth(&self, kind: Option<CredentialKind>, error: Option<&AuthenticateError>) {
        let outcome = match error {
            None => AuthOutcome::Accepted,
            Some(AuthenticateError::Refused(_)) => AuthOutcome::Refused,
            Some(AuthenticateError::RateLimited(_)) => AuthOutcome::RateLimited,
            Some(AuthenticateError::Store(_) | AuthenticateError::Hash(_)) => AuthOutcome::Error,
        };
        self.auth.set(kind.map(|kind| AuthRecord { kind, outcome }));
    }

    /// Completes the access record with the authentication. A failed login is an audit event.
    pub(super) fn complete_record(&self, mut response: Response) -> Response {
        let record = &mut response.record;
        record.auth = self.auth.get();
        if record.auth == Some(AuthRecord { kind: CredentialKind::Password, outcome: AuthOutcome::Refused }) {
            record.audit = Some(AuditEvent::LoginFailed);
            if let (Some(_), None, Ok(Credentials::Password { username, .. })) =
                (record.user, &record.username, &self.credentials)
            {
                record.username = Some(username.clone());
            }
        }
        response
    }
}
