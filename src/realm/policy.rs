//! Policy: the rules of a realm that an administrator configures.

use crate::limiter::Rules;
use crate::store::SessionKind;
use core::time::Duration;

/// The rules, with the defaults of `gatekey serve`.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The lifetime of a token. Default: 10 minutes, as in the article.
    pub token_lifetime: Duration,
    /// How long a token can be renewed without the password. Default: 30 days (NIST SP 800-63B, AAL1).
    pub max_session: Duration,
    /// How long a browser stays signed in. Default: 30 days.
    pub browser_session: Duration,
    /// How long a named token may live; zero for no named tokens. Default: 365 days.
    pub max_token_lifetime: Duration,
    /// Who can register. Default: open.
    pub registration: Registration,
    /// Whose names can be looked up by id. `None`, the default, depends on registration: public while it is
    /// open, own when it is closed ([`Policy::effective_user_lookup`]).
    pub user_lookup: Option<UserLookup>,
    /// The minimum length of a new password in characters. Default: 1.
    pub min_password_chars: usize,
    /// Rate limits of failed passwords, registrations and look-ups; `None` for no limits. Default:
    /// [`Rules::default`].
    pub rate_limits: Option<Rules>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            token_lifetime: Duration::from_secs(600),
            max_session: Duration::from_secs(30 * 86_400),
            browser_session: Duration::from_secs(30 * 86_400),
            max_token_lifetime: Duration::from_secs(365 * 86_400),
            registration: Registration::Open,
            user_lookup: None,
            min_password_chars: 1,
            rate_limits: Some(Rules::default()),
        }
    }
}

impl Policy {
    /// How old a session of this kind may be.
    pub fn max_age(&self, kind: SessionKind) -> Duration {
        match kind {
            SessionKind::Browser | SessionKind::Guard => self.browser_session,
            SessionKind::Token => self.max_token_lifetime,
        }
    }

    /// Whose names can be looked up, with the default resolved.
    pub fn effective_user_lookup(&self) -> UserLookup {
        self.user_lookup.unwrap_or(match self.registration {
            Registration::Open => UserLookup::Public,
            Registration::Closed => UserLookup::Own,
        })
    }
}

/// Who can register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Anyone.
    Open,
    /// Only administrators add users.
    Closed,
}

/// Whose names can be looked up by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserLookup {
    /// All users', without credentials.
    Public,
    /// The principal's own.
    Own,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_lookup_depends_on_registration_unless_it_is_set() {
        let policy = |registration, user_lookup| {
            Policy { registration, user_lookup, ..Policy::default() }.effective_user_lookup()
        };
        assert_eq!(policy(Registration::Open, None), UserLookup::Public);
        assert_eq!(policy(Registration::Closed, None), UserLookup::Own);
        assert_eq!(policy(Registration::Open, Some(UserLookup::Own)), UserLookup::Own);
        assert_eq!(policy(Registration::Closed, Some(UserLookup::Public)), UserLookup::Public);
    }
}
