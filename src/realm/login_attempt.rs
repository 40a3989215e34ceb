//! Login attempts: rate limiting, and the addresses from which a user has logged in.
//!
//! The order of the steps prevents user enumeration by timing:
//!
//! | step | reads | depends on |
//! |---|---|---|
//! | is the address remembered for this name? | one row, by a keyed hash of address and name | the request |
//! | rate limiter: charge, or 429 | counters in memory | the request |
//! | hash queue, or 503 | memory | the request |
//! | the user's row and hash | the database | the user |
//!
//! The work for a rejected login is therefore the same for every user, existing or not. A client can only
//! find out whether *its own* address is remembered for a name.

use super::notice::Notice;
use super::refusal::AuthenticateError;
use super::state::Realm;
use super::time::RealmNow;
use crate::client::{AddressMark, Client};
use crate::clock::{Now, UnixTime};
use crate::hashing::{Attempt, Check, HashError, Stored};
use crate::limiter::{Charged, Count, Limiter, PasswordAttempt, RateLimited};
use crate::secret::Secret;
use crate::store::{LoginHistory, Reads, RememberedAddress, StoreError, User};
use crate::user_id::UserId;
use crate::wait::WouldBlock;
use core::time::Duration;

/// How long an address is remembered after the last login from it.
const REMEMBERED: Duration = Duration::from_secs(90 * 86_400);
/// How often a login from a remembered address is recorded: one write a day instead of one a login.
const RECORD_INTERVAL: Duration = Duration::from_secs(86_400);
/// How many addresses are remembered for a user. A new one evicts the oldest.
const MAX_ADDRESSES: usize = 8;

/// A login attempt, before the user's row is read.
pub(super) struct LoginAttempt<'a> {
    realm: &'a Realm,
    username: String,
    client: Client,
    mark: AddressMark,
    remembered_at: Option<UnixTime>,
    reads: Reads<'a>,
    now: RealmNow,
}

/// Failed attempts that count for a username.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedAttempts {
    /// The username.
    pub username: String,
    /// How many, the limit, and until when they count.
    pub count: Count,
}

impl Realm {
    /// Looks up whether the address is remembered for this name. Doesn't read the user.
    pub(super) fn login_attempt<'a>(
        &'a self,
        username: String,
        client: Client,
        reads: Reads<'a>,
        now: RealmNow,
    ) -> Result<LoginAttempt<'a>, StoreError> {
        let (mut mark, mut remembered_at) = (AddressMark::default(), None);
        if let Some(limiter) = self.limiter() {
            mark = limiter.mark(client, &username);
            let RememberedAddress { seen_at, limiter_epoch } =
                self.store.find_remembered_address(&mark, reads)?;
            self.reload_counters(limiter_epoch, reads, now)?;
            remembered_at = seen_at;
        }
        Ok(LoginAttempt { realm: self, username, client, mark, remembered_at, reads, now })
    }

    /// Reloads the limiter's counters if another process has replaced them.
    fn reload_counters(&self, epoch: u64, reads: Reads<'_>, now: RealmNow) -> Result<(), WouldBlock> {
        let Some(limiter) = &self.durable_limiter else { return Ok(()) };
        if limiter.try_epoch() == Some(epoch) {
            return Ok(());
        }
        reads.may_block()?; // on the store, or on another thread that reloads
        match limiter.reload(&self.store, now) {
            Ok(notice) => notice.into_iter().for_each(|notice| (self.observer)(notice)),
            Err(error) => (self.observer)(Notice::CountersNotReloaded(&error)),
        }
        Ok(())
    }

    /// Remembers the address of a successful login. A failure is only reported, so that a full disk blocks no
    /// login.
    pub(super) fn remember_address(&self, attempt: &LoginAttempt<'_>, id: UserId) {
        let LoginAttempt { mark, now, .. } = attempt;
        let Some(limiter) = self.limiter().filter(|_| !attempt.is_recorded()) else { return };
        if !attempt.is_remembered() {
            limiter.promote(attempt.client, &attempt.username, now.monotonic);
        }
        let forget_before = remembered_since(now.unix);
        let recorded = self.store.remember_address(id, mark, now.unix, MAX_ADDRESSES, forget_before);
        if let Err(error) = recorded {
            (self.observer)(Notice::AddressNotRemembered(id, &error));
        }
    }

    /// Charges a registration to the rate limit.
    pub(super) fn charge_registration(
        &self,
        client: Client,
        now: RealmNow,
    ) -> Result<Option<Charged<'_>>, RateLimited> {
        self.limiter().map(|limiter| limiter.charge_registration(client, now.monotonic)).transpose()
    }

    /// Charges a look-up of a user to the rate limit.
    ///
    /// # Errors
    /// [`RateLimited`] within, if the client made too many. [`WouldBlock`] with [`Reads::Batch`], if another thread has
    /// locked the limiter.
    pub fn charge_lookup(
        &self,
        client: Client,
        reads: Reads<'_>,
        now: Now,
    ) -> Result<Result<(), RateLimited>, WouldBlock> {
        let Some(limiter) = self.limiter() else { return Ok(Ok(())) };
        limiter.charge_lookup(client, reads.may_block().is_ok(), now.monotonic)
    }

    /// Pages through the users: of up to `limit` with ids above `after`, those with failed attempts, as last
    /// saved. Also returns the last id of the page, `None` at the end.
    pub fn failed_attempts(
        &self,
        after: Option<UserId>,
        limit: u32,
        now: Now,
    ) -> Result<(Vec<FailedAttempts>, Option<UserId>), StoreError> {
        let Some(limiter) = self.limiter() else { return Ok((Vec::new(), None)) };
        let users = self.store.list_users(after, limit)?;
        let last = users.last().map(|user| user.id);
        let failed = users.into_iter().map(|User { username, .. }| FailedAttempts {
            count: limiter.count_of(&username, now.monotonic),
            username,
        });
        Ok((failed.filter(|failed| failed.count.failures > 0).collect(), last))
    }

    /// The remembered logins of a user: without a limiter none, else at most one a day and address.
    pub fn login_history(&self, id: UserId, now: Now) -> Result<LoginHistory, StoreError> {
        self.store.login_history(id, remembered_since(self.time.peek(now).unix))
    }

    /// Clears all rate-limit counters in the store. A running server reloads them at the next login.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was cleared then.
    pub fn clear_failed_attempts(&self, now: Now) -> Result<(), StoreError> {
        self.store.replace_limiter(&Limiter::empty_save(), self.time.advance(now).unix)?;
        Ok(())
    }

    pub(super) fn limiter(&self) -> Option<&Limiter> {
        self.durable_limiter.as_ref().map(|durable| &durable.limiter)
    }
}

/// Logins before this time are forgotten.
fn remembered_since(now: UnixTime) -> UnixTime {
    UnixTime::EPOCH.saturating_add(now.duration_since(UnixTime::EPOCH).saturating_sub(REMEMBERED))
}

impl LoginAttempt<'_> {
    /// The check of this password by the hasher.
    pub(super) fn check<'b>(&'b self, password: &'b Secret) -> Check<'b> {
        let (username, client, is_remembered) = (&self.username, self.client, self.is_remembered());
        Check { username, password, client, is_remembered }
    }

    pub(super) fn client(&self) -> Client {
        self.client
    }

    /// Whether the user has logged in from this address before.
    pub(super) fn is_remembered(&self) -> bool {
        self.remembered_at.is_some_and(|at| self.now.unix.duration_since(at) < REMEMBERED)
    }

    /// Whether its success needs no write: it was recorded within [`RECORD_INTERVAL`], or there is no
    /// limiter.
    pub(super) fn is_recorded(&self) -> bool {
        self.realm.limiter().is_none()
            || self.remembered_at.is_some_and(|at| self.now.unix.duration_since(at) < RECORD_INTERVAL)
    }

    fn password_attempt(&self) -> PasswordAttempt<'_> {
        PasswordAttempt { client: self.client, username: &self.username, is_remembered: self.is_remembered() }
    }
}

impl<'a> Attempt for LoginAttempt<'a> {
    type Error = AuthenticateError;
    /// `None` without a limiter.
    type Charge = Option<Charged<'a>>;
    type Row = Option<User>;

    fn check_limit(&self) -> Result<(), AuthenticateError> {
        let Some(limiter) = self.realm.limiter() else { return Ok(()) };
        let may_block = self.reads.may_block().is_ok();
        Ok(limiter.check(&self.password_attempt(), may_block, self.now.monotonic)??)
    }

    fn charge(&self) -> Result<Self::Charge, AuthenticateError> {
        let limiter = self.realm.limiter();
        Ok(limiter.map(|limiter| limiter.charge(&self.password_attempt(), self.now.monotonic)).transpose()?)
    }

    fn refund(&self, charge: Self::Charge) {
        if let Some(charged) = charge {
            charged.refund();
        }
    }

    fn read_row(&self) -> Result<Option<User>, AuthenticateError> {
        Ok(self.realm.store.find_user_by_name(&self.username, self.reads)?)
    }

    fn stored_hash<'b>(&self, row: &'b Option<User>) -> Option<Stored<'b>> {
        let user = row.as_ref().filter(|user| !user.disabled)?;
        Some(Stored { text: &user.password_hash, generation: user.generation })
    }

    fn on_unusable_hash(&self, row: &Option<User>, error: &HashError) {
        if let Some(user) = row {
            (self.realm.observer)(Notice::HashUnusable(user.id, error));
        }
    }

    fn decoy_hash(&self) -> Option<String> {
        self.realm.decoy_hash(&self.username)
    }
}
