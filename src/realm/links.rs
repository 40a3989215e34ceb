//! One-time links: invitations, and new passwords for users who forgot theirs.
//!
//! A link is the signed value ([`Purpose::SetPassword`]) of these claims:
//!
//! ```text
//! {"id": 7, "gen": 3, "link": 2, "iat": 1790000000, "exp": 1790259200, "use": "set-password"}
//! ```
//!
//! It is alive while the user's row has the same generation and the same link number. Each new link of an administrator,
//! each use and each password change raises that number, so a newer one ends the older ones. A link that a user asked for
//! carries the current number and raises none: asking ends no other link.

use super::new_password::{PasswordError, check_differs};
use super::refusal::AuthenticateError;
use super::register::{RegisterError, Registered};
use super::sessions::{Browser, NewSession};
use super::state::Realm;
use super::time::RealmNow;
use crate::client::Client;
use crate::clock::{Now, UnixTime};
use crate::hashing::HashError;
use crate::json::{self, Value};
use crate::limiter::{Limiter, RateLimited};
use crate::random;
use crate::secret::Secret;
use crate::signed_value::{self, Purpose};
use crate::store::{LinkRow, Reads, StoreError};
use crate::unicode;
use crate::user_id::{Generation, UserId};
use core::time::Duration;

/// A one-time link, without the URL of the page that takes it.
#[derive(Clone, Debug)]
pub struct Link {
    /// The value of the query parameter `token`.
    pub token: Secret,
    /// The first second at which the link is dead.
    pub expires_at: UnixTime,
}

impl Realm {
    /// The lifetime of a link that an administrator makes for a user, unless told otherwise.
    pub const LINK_LIFETIME: Duration = Duration::from_secs(86_400);
    /// The lifetime of a link that a user asked for.
    pub const REQUESTED_LINK_LIFETIME: Duration = Duration::from_secs(60 * 60);

    /// Adds a user without a password, for whom [`Realm::make_link`] makes an invitation.
    ///
    /// The stored hash is of a random password that is not kept. So an invited user costs a login as much work as any.
    ///
    /// # Errors
    /// [`RegisterError`], but never [`RegisterError::Closed`] or [`RegisterError::RateLimited`].
    pub fn invite_user(&self, username: &str, at: UnixTime) -> Result<Registered, RegisterError> {
        let random: [u8; 32] = random::bytes().map_err(HashError::Random)?;
        let password = Secret::new(crate::encoding::encode_base64url(random));
        self.add_user(username, &password, at)
    }

    /// Makes a link with which the user sets a password, and ends the user's older links.
    ///
    /// # Errors
    /// [`LinkError::Dead`] for a user who is gone or disabled; [`LinkError::NoOwnKey`] and [`LinkError::Store`].
    pub fn make_link(&self, user: UserId, lifetime: Duration, now: Now) -> Result<Link, LinkError> {
        let now = self.time.advance(now);
        let row = self.store.next_link(user)?.filter(|row| !row.disabled).ok_or(LinkError::Dead)?;
        self.sign_link(&row, lifetime, now)
    }

    /// Charges a request for a link to the rate limit: by name, known or not, by address, and in all. Reads no user.
    pub fn charge_link_request(&self, username: &str, client: Client, now: Now) -> Result<(), RateLimited> {
        let username = unicode::nfc(username);
        let charge = |limiter: &Limiter| limiter.charge_link_request(client, &username, now.monotonic);
        self.limiter().map_or(Ok(()), charge)
    }

    /// Makes a link for a user who forgot the password. It ends no other.
    pub fn make_requested_link(&self, user: UserId, now: Now) -> Result<Link, LinkError> {
        let now = self.time.advance(now);
        let row = self.store.find_link_row(user, Reads::PerCall)?;
        let row = row.filter(|row| !row.disabled).ok_or(LinkError::Dead)?;
        self.sign_link(&row, Self::REQUESTED_LINK_LIFETIME, now)
    }

    fn sign_link(&self, row: &LinkRow, lifetime: Duration, now: RealmNow) -> Result<Link, LinkError> {
        let claims = json::object([
            ("id", row.id.number().into()),
            ("gen", row.generation.number().into()),
            ("link", row.link.into()),
        ]);
        let token = signed_value::sign(Purpose::SetPassword, claims, now.unix, lifetime, &self.ring());
        let token = Secret::new(token.ok_or(LinkError::NoOwnKey)?);
        Ok(Link { token, expires_at: now.unix.saturating_add(lifetime) })
    }

    /// The name of the user who may set a password by this link.
    ///
    /// # Errors
    /// [`LinkError::Dead`]; with [`Reads::Batch`] [`StoreError::WouldBlock`], before any side effect.
    pub fn check_link(&self, token: &str, reads: Reads<'_>, now: Now) -> Result<String, LinkError> {
        Ok(self.live_link(token, reads, now)?.username)
    }

    /// Sets the password by a link, and signs the browser in.
    pub fn set_password_by_link(
        &self,
        token: &str,
        new: &Secret,
        client: Client,
        browser: Browser<'_>,
        now: Now,
    ) -> Result<NewSession, LinkError> {
        self.check_new_password(new)?;
        let row = self.live_link(token, Reads::PerCall, now)?;
        check_differs(&row.username, new)?;
        let hash = self.hasher.hash(new, client)?;
        if !self.store.use_link(&row, &hash)? {
            return Err(LinkError::Dead);
        }
        let user = self.store.find_user_by_id(row.id, Reads::PerCall)?;
        let user = user.filter(|user| user.password_hash == hash).ok_or(LinkError::Dead)?;
        let now = self.time.advance(now);
        Ok(self.open_browser_session(self.principal(user, now), browser, now)?)
    }

    fn live_link(&self, token: &str, reads: Reads<'_>, now: Now) -> Result<LinkRow, LinkError> {
        let claims = self.verify_value(Purpose::SetPassword, token, reads, now);
        let claims = claims.map_err(StoreError::from)?.ok_or(LinkError::Dead)?;
        let number = |name| claims.get(name).and_then(Value::as_u64);
        let id = number("id").and_then(|id| i64::try_from(id).ok()).and_then(UserId::new);
        let issued_at = number("iat").and_then(UnixTime::new).ok_or(LinkError::Dead)?;
        let row = self.store.find_link_row(id.ok_or(LinkError::Dead)?, reads)?;
        let is_alive = |row: &LinkRow| {
            number("gen").and_then(Generation::new) == Some(row.generation)
                && number("link") == Some(row.link)
                && issued_at >= row.tokens_not_before
                && !row.disabled
        };
        row.filter(is_alive).ok_or(LinkError::Dead)
    }
}

/// Why a link was not made or used.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The link was used, replaced or has expired, or is none; or its user is gone or disabled.
    #[error("the link was used, replaced or has expired, or its user is disabled")]
    Dead,
    /// No key of the ring was made by gatekey, so nothing can sign links.
    #[error("no signing key was made by gatekey; run: gatekey key rotate")]
    NoOwnKey,
    /// The new password is not allowed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The store is unavailable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The hash pool is busy.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The password was set, but the browser was not signed in.
    #[error(transparent)]
    SignIn(#[from] AuthenticateError),
}
