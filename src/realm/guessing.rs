//! Guessing, as the realm sees it: what the throttle is asked, and which addresses are remembered.

use super::time::RealmNow;
use super::{AuthenticateError, Notice, Realm};
use crate::client::{AddressMark, Client};
use crate::clock::{Now, UnixTime};
use crate::hashing::Gate;
use crate::store::{LoginNotes, LoginSubject, Reads, StoreError, User};
use crate::throttle::{Charged, Count, Guess, Throttle, Throttled};
use crate::user_id::UserId;
use crate::wait::WouldBlock;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use std::time::Instant;

/// An address is remembered for so long after the last login from it.
const REMEMBERED: Duration = Duration::from_secs(90 * 86_400);
/// A login from a remembered address is noted again when the note is so old: a write a day, not one a login.
const NOTED_AGAIN: Duration = Duration::from_secs(86_400);
/// Addresses remembered for each user: at home, at work, on the way. The oldest makes room.
const ADDRESSES: usize = 8;

/// Somebody shows a name and a password: what one read of the store says to that.
pub(super) struct Login<'a> {
    /// The user of that name, if there is one.
    pub(super) user: Option<User>,
    guess: Guess<'a>,
    mark: AddressMark,
    remembered_at: Option<UnixTime>,
}

/// Wrong passwords that count for a user's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedGuesses {
    /// The user's name.
    pub username: String,
    /// How many, of how many, and until when.
    pub count: Count,
}

impl Login<'_> {
    /// Whether that user has logged in from there before.
    pub(super) fn is_remembered(&self) -> bool {
        self.guess.is_remembered
    }
}

impl Realm {
    /// Reads all that a login needs, in one statement, which costs the same for a name that nobody has.
    pub(super) fn find_login<'a>(
        &self,
        username: &'a str,
        client: Client,
        now: RealmNow,
    ) -> Result<Login<'a>, StoreError> {
        let mark = self.throttle().map(|throttle| throttle.mark(client, username)).unwrap_or_default();
        let LoginSubject { user, remembered_at, throttle_epoch } =
            self.store.find_login_subject(username, &mark, Reads::PerCall)?;
        self.take_up_counters(throttle_epoch, now);
        let is_remembered = remembered_at.is_some_and(|at| now.unix.duration_since(at) < REMEMBERED);
        let guess = Guess { client, username, is_remembered };
        Ok(Login { user, guess, mark, remembered_at })
    }

    /// An operator cleared the counters: in the store, by another process.
    fn take_up_counters(&self, epoch: u64, now: RealmNow) {
        let throttle = self.durable_throttle.as_ref();
        let Some(throttle) = throttle.filter(|throttle| throttle.epoch() != epoch) else { return };
        match throttle.reload(&self.store, now) {
            Ok(notice) => notice.into_iter().for_each(|notice| (self.observer)(notice)),
            Err(error) => (self.observer)(Notice::CountersNotRead(&error)),
        }
    }

    /// Who is asked before this login's password is checked.
    pub(super) fn gate<'a>(&'a self, login: &Login<'a>, now: RealmNow) -> LoginGate<'a> {
        LoginGate { throttle: self.throttle(), guess: login.guess, now: now.monotonic }
    }

    /// Notes the address of a login that succeeded. The login doesn't depend on it: a full disk must not keep anybody
    /// out.
    pub(super) fn remember_address(&self, login: &Login<'_>, now: RealmNow) {
        let is_noted = login.remembered_at.is_some_and(|at| now.unix.duration_since(at) < NOTED_AGAIN);
        let Some(User { id, .. }) = login.user else { return };
        if self.throttle().is_none() || is_noted {
            return;
        }
        let forget_before = remembered_since(now.unix);
        let noted = self.store.remember_address(id, &login.mark, now.unix, ADDRESSES, forget_before);
        if let Err(error) = noted {
            (self.observer)(Notice::AddressNotRemembered(id, &error));
        }
    }

    /// Charges a registration, before it is made.
    pub(super) fn charge_registration(
        &self,
        client: Client,
        now: RealmNow,
    ) -> Result<Option<Charged<'_>>, Throttled> {
        self.throttle().map(|throttle| throttle.charge_registration(client, now.monotonic)).transpose()
    }

    /// Counts a look-up of a user.
    ///
    /// # Errors
    /// [`Throttled`] where this client made too many.
    pub fn charge_lookup(&self, client: Client, now: Now) -> Result<(), Throttled> {
        self.throttle().map_or(Ok(()), |throttle| throttle.charge_lookup(client, now.monotonic))
    }

    /// The same, on an event loop.
    ///
    /// # Errors
    /// [`WouldBlock`] where another thread has the limiter locked.
    pub fn try_charge_lookup(&self, client: Client, now: Now) -> Result<Result<(), Throttled>, WouldBlock> {
        self.throttle().map_or(Ok(Ok(())), |throttle| throttle.try_charge_lookup(client, now.monotonic))
    }

    /// Of up to `limit` users with ids above `after`, those for whose names wrong passwords count, as far as they were
    /// saved; also the last id that was looked at, `None` where there are no more users.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn failed_guesses(
        &self,
        after: Option<UserId>,
        limit: u32,
        now: Now,
    ) -> Result<(Vec<FailedGuesses>, Option<UserId>), StoreError> {
        let Some(throttle) = self.throttle() else { return Ok((Vec::new(), None)) };
        let users = self.store.list_users(after, limit)?;
        let last = users.last().map(|user| user.id);
        let failed = users.into_iter().map(|User { username, .. }| FailedGuesses {
            count: throttle.count_of(&username, now.monotonic),
            username,
        });
        Ok((failed.filter(|failed| failed.count.failures > 0).collect(), last))
    }

    /// What is noted of a user's logins: where there is a throttle, once a day from each address.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn login_notes(&self, id: UserId, now: Now) -> Result<LoginNotes, StoreError> {
        self.store.login_notes(id, remembered_since(self.time.peek(now).unix))
    }

    /// Forgets every count, here and in a server that runs on the same store.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was forgotten then.
    pub fn clear_failed_guesses(&self, now: Now) -> Result<(), StoreError> {
        self.store.replace_throttle(&Throttle::nothing_saved(), self.time.advance(now).unix)?;
        Ok(())
    }

    fn throttle(&self) -> Option<&Throttle> {
        self.durable_throttle.as_ref().map(|durable| &durable.throttle)
    }
}

/// What was noted before this is forgotten.
fn remembered_since(now: UnixTime) -> UnixTime {
    UnixTime::EPOCH.saturating_add(now.duration_since(UnixTime::EPOCH).saturating_sub(REMEMBERED))
}

/// What stands before a check of a password; an open gate where the throttle is off.
pub(super) struct LoginGate<'a> {
    throttle: Option<&'a Throttle>,
    guess: Guess<'a>,
    now: Instant,
}

impl<'a> Gate for LoginGate<'a> {
    type Refused = AuthenticateError;
    type Charge = Option<Charged<'a>>;

    fn peek(&self) -> Result<(), AuthenticateError> {
        Ok(self.throttle.map_or(Ok(()), |throttle| throttle.peek(&self.guess, self.now))?)
    }

    fn reserve(&self) -> Result<Self::Charge, AuthenticateError> {
        Ok(self.throttle.map(|throttle| throttle.charge(&self.guess, self.now)).transpose()?)
    }

    fn give_back(&self, charge: Self::Charge) {
        if let Some(charged) = charge {
            charged.give_back();
        }
    }
}
