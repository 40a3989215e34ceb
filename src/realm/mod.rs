//! The realm: users, keys and rules of one protection space (RFC 9110 section 11.5). It knows no HTTP.
//!
//! | file | content |
//! |---|---|
//! | `policy.rs` | the rules that an administrator configures |
//! | `state.rs` | the [`Realm`]: its state and what is saved of it |
//! | `time.rs` | realm time, monotonic across clock rollback |
//! | `notice.rs` | events for the log |
//! | `durable_limiter.rs` | persistence of the rate limiter |
//! | `login_attempt.rs` | login attempts: rate limiting, remembered addresses |
//! | `decoy.rs` | decoy hashes against user enumeration |
//! | `keys.rs` | key reload |
//! | `refusal.rs` | authentication errors |
//! | `channel.rs` | which kinds of tokens a channel accepts |
//! | `authenticate.rs` | authentication by password or token |
//! | `tokens.rs` | issuing and revocation |
//! | `new_password.rs` | validation of new passwords |
//! | `register.rs` | registration |
//! | `users.rs` | password change, deletion, look-up |
//! | `sessions.rs` | browser sessions, guard cookies, named tokens |
//! | `links.rs` | one-time links: invitations and forgotten passwords |
//!
//! Threads share a [`Realm`] by reference. It never reads a clock: public functions that depend on time take a
//! [`Now`](crate::clock::Now), and convert it in their first line to a `RealmNow` (`time.rs`), which private functions take.

mod policy;
mod state;
mod time;
mod notice;
mod durable_limiter;
mod login_attempt;
mod decoy;
mod keys;
mod refusal;
mod channel;
mod authenticate;
mod tokens;
mod new_password;
mod register;
mod users;
mod sessions;
mod groups;
mod links;

pub use authenticate::Principal;
#[cfg(feature = "cli")]
pub(crate) use authenticate::token_state;
pub use links::{Link, LinkError};
pub use login_attempt::FailedAttempts;
pub use new_password::PasswordError;
pub use notice::Notice;
pub use policy::{Policy, Registration, UserLookup};
pub use refusal::{AuthenticateError, RefusalReason, Refused};
pub use register::{RegisterError, Registered};
pub use sessions::{Browser, MAX_SESSION_NAME_CHARS, NamedTokenError, NewSession};
pub use state::Realm;
pub use tokens::{IssueTokenError, IssuedToken};
pub use users::UserChangeError;

#[cfg(test)]
mod tests;
