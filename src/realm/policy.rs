//! What an operator decides about a realm.

use crate::limiter::Rules;
use crate::store::SessionKind;
use core::time::Duration;

/// The rules that an operator may turn, with the defaults of `gatekey serve`.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How long a token is valid. Default: 10 minutes, the article's.
    pub token_lifetime: Duration,
    /// How long tokens may be renewed without the password. Default: 30 days (NIST SP 800-63B, AAL1).
    pub max_session: Duration,
    /// How long a browser stays signed in. Default: 30 days.
    pub browser_session: Duration,
    /// How long a named token may live; zero for no named tokens. Default: 365 days.
    pub max_token_lifetime: Duration,
    /// Whether strangers may register. Default: open.
    pub registration: Registration,
    /// Whose names may be looked up by id. Default: `None`, as [`Policy::effective_user_lookup`] fills it in: anybody's
    /// while registration is open, one's own when it is closed.
    pub user_lookup: Option<UserLookup>,
    /// The least number of characters of a new password. Default: 1.
    pub min_password_chars: usize,
    /// How often a password may be wrong, and a user registered or looked up; `None` for as often as one likes. Default:
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

    /// Whose names may be looked up, with the default filled in.
    pub fn effective_user_lookup(&self) -> UserLookup {
        self.user_lookup.unwrap_or(match self.registration {
            Registration::Open => UserLookup::Public,
            Registration::Closed => UserLookup::Own,
        })
    }
}

/// Whether strangers may register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Anybody may.
    Open,
    /// Only an operator adds users.
    Closed,
}

/// Whose names may be looked up by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserLookup {
    /// Anybody's, by anybody.
    Public,
    /// One's own.
    Own,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_up_follows_registration_unless_told_otherwise() {
        let policy = |registration, user_lookup| {
            Policy { registration, user_lookup, ..Policy::default() }.effective_user_lookup()
        };
        assert_eq!(policy(Registration::Open, None), UserLookup::Public);
        assert_eq!(policy(Registration::Closed, None), UserLookup::Own);
        assert_eq!(policy(Registration::Open, Some(UserLookup::Own)), UserLookup::Own);
        assert_eq!(policy(Registration::Closed, Some(UserLookup::Public)), UserLookup::Public);
    }
}
