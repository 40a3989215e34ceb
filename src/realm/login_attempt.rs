//! Guessing, as the realm sees it: what the limiter is asked, and which addresses are remembered.
//!
//! The order of a login, and what each step may depend on:
//!
//! | step | reads | depends on |
//! |---|---|---|
//! | is the address remembered for this name? | one statement, by a keyed hash of address and name | what the client sent |
//! | limiter: charge, or 429 | counters in memory | that |
//! | a place in the hash queue, or 503 | memory | that |
//! | the user's row, its hash | the database | the user |
//!
//! So a rejected login takes the same work whether the user exists, is disabled, or has a hash of another scheme. A
//! client can tell apart by time only whether *its own* address is remembered for a name.

use super::time::RealmNow;
use super::{AuthenticateError, Notice, Realm};
use crate::client::{AddressMark, Client};
use crate::clock::{Now, UnixTime};
use crate::hashing::{Attempt, HashError, Stored};
use crate::limiter::{Charged, Count, Limiter, PasswordAttempt, RateLimited};
use crate::store::{LoginHistory, Reads, RememberedAddress, StoreError, User};
use crate::user_id::UserId;
use crate::wait::WouldBlock;
use core::time::Duration;

/// An address is remembered for so long after the last login from it.
const REMEMBERED: Duration = Duration::from_secs(90 * 86_400);
/// A login from a remembered address is noted again when the note is so old: a write a day, not one a login.
const NOTED_AGAIN: Duration = Duration::from_secs(86_400);
/// Addresses remembered for each user: at home, at work, on the way. The oldest makes room.
const ADDRESSES: usize = 8;

/// A login, before anything is known of the user.
pub(super) struct LoginAttempt<'a> {
    realm: &'a Realm,
    username: String,
    client: Client,
    mark: AddressMark,
    remembered_at: Option<UnixTime>,
    reads: Reads<'a>,
    now: RealmNow,
}

/// Wrong passwords that count for a user's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedAttempts {
    /// The user's name.
    pub username: String,
    /// How many, of how many, and until when.
    pub count: Count,
}

impl Realm {
    /// Finds out whether the address is remembered for this name. Reads nothing of the user.
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
            self.take_up_counters(limiter_epoch, reads, now)?;
            remembered_at = seen_at;
        }
        Ok(LoginAttempt { realm: self, username, client, mark, remembered_at, reads, now })
    }

    /// An operator cleared the counters: in the store, by another process.
    fn take_up_counters(&self, epoch: u64, reads: Reads<'_>, now: RealmNow) -> Result<(), WouldBlock> {
        let Some(limiter) = &self.durable_limiter else { return Ok(()) };
        if limiter.try_epoch() == Some(epoch) {
            return Ok(());
        }
        reads.may_block()?; // on reading them, or on another thread that does
        match limiter.reload(&self.store, now) {
            Ok(notice) => notice.into_iter().for_each(|notice| (self.observer)(notice)),
            Err(error) => (self.observer)(Notice::CountersNotRead(&error)),
        }
        Ok(())
    }

    /// Notes the address of a login that succeeded. The login doesn't depend on it: a full disk must not reject anyone.
    pub(super) fn remember_address(&self, attempt: &LoginAttempt<'_>, id: UserId) {
        let LoginAttempt { mark, now, .. } = attempt;
        let Some(limiter) = self.limiter().filter(|_| !attempt.is_noted()) else { return };
        if !attempt.is_remembered() {
            limiter.promote(attempt.client, &attempt.username, now.monotonic);
        }
        let forget_before = remembered_since(now.unix);
        let noted = self.store.remember_address(id, mark, now.unix, ADDRESSES, forget_before);
        if let Err(error) = noted {
            (self.observer)(Notice::AddressNotRemembered(id, &error));
        }
    }

    /// Charges a registration, before it is made.
    pub(super) fn charge_registration(
        &self,
        client: Client,
        now: RealmNow,
    ) -> Result<Option<Charged<'_>>, RateLimited> {
        self.limiter().map(|limiter| limiter.charge_registration(client, now.monotonic)).transpose()
    }

    /// Counts a look-up of a user.
    ///
    /// # Errors
    /// [`RateLimited`] where this client made too many.
    pub fn charge_lookup(&self, client: Client, now: Now) -> Result<(), RateLimited> {
        self.limiter().map_or(Ok(()), |limiter| limiter.charge_lookup(client, now.monotonic))
    }

    /// The same, on an event loop.
    ///
    /// # Errors
    /// [`WouldBlock`] where another thread has the limiter locked.
    pub fn try_charge_lookup(&self, client: Client, now: Now) -> Result<Result<(), RateLimited>, WouldBlock> {
        self.limiter().map_or(Ok(Ok(())), |limiter| limiter.try_charge_lookup(client, now.monotonic))
    }

    /// Of up to `limit` users with ids above `after`, those for whose names wrong passwords count, as far as they were
    /// saved; also the last id that was looked at, `None` where there are no more users.
    ///
    /// # Errors
    /// [`StoreError`].
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

    /// What is noted of a user's logins: where there is a limiter, once a day from each address.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn login_history(&self, id: UserId, now: Now) -> Result<LoginHistory, StoreError> {
        self.store.login_history(id, remembered_since(self.time.peek(now).unix))
    }

    /// Forgets every count, here and in a server that runs on the same store.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was forgotten then.
    pub fn clear_failed_attempts(&self, now: Now) -> Result<(), StoreError> {
        self.store.replace_limiter(&Limiter::empty_save(), self.time.advance(now).unix)?;
        Ok(())
    }

    fn limiter(&self) -> Option<&Limiter> {
        self.durable_limiter.as_ref().map(|durable| &durable.limiter)
    }
}

/// What was noted before this is forgotten.
fn remembered_since(now: UnixTime) -> UnixTime {
    UnixTime::EPOCH.saturating_add(now.duration_since(UnixTime::EPOCH).saturating_sub(REMEMBERED))
}

impl LoginAttempt<'_> {
    /// The name, normalized.
    pub(super) fn username(&self) -> &str {
        &self.username
    }

    /// Who asks.
    pub(super) fn client(&self) -> Client {
        self.client
    }

    /// Whether the user has logged in from there before.
    pub(super) fn is_remembered(&self) -> bool {
        self.remembered_at.is_some_and(|at| self.now.unix.duration_since(at) < REMEMBERED)
    }

    /// Whether its success needs no note: it was noted within a day, or nothing is.
    pub(super) fn is_noted(&self) -> bool {
        self.realm.limiter().is_none()
            || self.remembered_at.is_some_and(|at| self.now.unix.duration_since(at) < NOTED_AGAIN)
    }

    fn password_attempt(&self) -> PasswordAttempt<'_> {
        PasswordAttempt { client: self.client, username: &self.username, is_remembered: self.is_remembered() }
    }
}

impl<'a> Attempt for LoginAttempt<'a> {
    type Error = AuthenticateError;
    /// `None` where the limiter is off.
    type Charge = Option<Charged<'a>>;
    type Row = Option<User>;

    fn check_limit(&self) -> Result<(), AuthenticateError> {
        let Some(limiter) = self.realm.limiter() else { return Ok(()) };
        match self.reads {
            Reads::PerCall => limiter.check(&self.password_attempt(), self.now.monotonic)?,
            Reads::Batch(_) => limiter.try_check(&self.password_attempt(), self.now.monotonic)??,
        }
        Ok(())
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
