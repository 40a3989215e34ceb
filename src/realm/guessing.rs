//! Guessing, as the realm sees it: the throttle, what of it stands in the store, and which addresses are remembered.

use super::time::RealmNow;
use super::{AuthenticateError, Notice, Realm};
use crate::blocking;
use crate::client::{AddressMark, Client};
use crate::clock::{Now, UnixTime};
use crate::hashing::Gate;
use crate::random::{self, RandomError};
use crate::signer::SigningKey;
use crate::store::{LoginNotes, LoginSubject, Store, StoreError, User};
use crate::throttle::{Charged, Count, Guess, Rules, SavedError, Throttle, Throttled};
use crate::user_id::UserId;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::time::Duration;
use std::sync::Mutex;
use std::time::Instant;

/// An address is remembered for so long after the last login from it.
const REMEMBERED: Duration = Duration::from_secs(90 * 86_400);
/// A login from a remembered address is noted again when the note is so old: a write a day, not one a login.
const NOTED_AGAIN: Duration = Duration::from_secs(86_400);
/// Addresses remembered for each user: at home, at work, on the way. The oldest makes room.
const ADDRESSES: usize = 8;

/// The throttle, whose counters the store keeps over a restart, and an operator may replace there.
#[derive(Debug)]
pub(super) struct DurableThrottle {
    throttle: Throttle,
    /// Of which epoch its counters are: whoever replaces those in the store begins another one.
    epoch: Mutex<u64>,
}

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

impl DurableThrottle {
    /// A throttle with the counters that stand in the store; also what there is to tell.
    pub(super) fn open(
        store: &Store,
        rules: &Rules,
        now: RealmNow,
    ) -> Result<(Self, Option<Notice<'static>>), StoreError> {
        let unavailable = |error: RandomError| StoreError::Unavailable(error.into());
        let key = store.throttle_key(&random::bytes().map_err(unavailable)?)?;
        let key = SigningKey::new(&key).map_err(|error| StoreError::Corrupt(error.to_string().into()))?;
        let throttle = Throttle::new(rules, key, now.monotonic);
        // The epoch first: were the counters changed in between, they would be read once more.
        let epoch = store.throttle_epoch()?;
        let counters_lost = restore(&throttle, store, now)?;
        Ok((Self { throttle, epoch: Mutex::new(epoch) }, counters_lost))
    }

    /// Takes up the counters in the store, if these are of another epoch by now.
    fn reload(&self, store: &Store, now: RealmNow) -> Result<Option<Notice<'static>>, StoreError> {
        // Held until all is done: of several who find another epoch only one reloads. Who saves meanwhile does so for the
        // old epoch, and is refused.
        let mut own_epoch = blocking::lock(&self.epoch);
        let epoch = store.throttle_epoch()?; // first, as above
        if *own_epoch == epoch {
            return Ok(None);
        }
        let counters_lost = restore(&self.throttle, store, now)?;
        *own_epoch = epoch;
        Ok(counters_lost)
    }

    /// Saves the counters if any changed, and says whether any did. Where the store's are of another epoch, those are
    /// taken up instead.
    pub(super) fn save(&self, store: &Store, now: RealmNow) -> Result<bool, StoreError> {
        let epoch = self.epoch();
        let Some(counters) = self.throttle.save_changed(now.monotonic) else { return Ok(false) };
        let saved = store.save_throttle(&counters, now.unix, epoch);
        if !saved.inspect_err(|_| self.throttle.save_again())? {
            // Somebody else may have taken that epoch's up by now, and counted on.
            self.throttle.save_again();
            self.reload(store, now)?;
            return Ok(false);
        }
        Ok(true)
    }

    fn epoch(&self) -> u64 {
        *blocking::lock(&self.epoch)
    }
}

/// Puts the store's counters in the place of the throttle's. Where they can't be read, the throttle's stay, and that is told.
fn restore(throttle: &Throttle, store: &Store, now: RealmNow) -> Result<Option<Notice<'static>>, StoreError> {
    let restored = match store.load_throttle() {
        Ok(Some(saved)) => {
            let elapsed = now.unix.duration_since(saved.saved_at);
            throttle.restore(&saved.counters, elapsed, now.monotonic)
        }
        Ok(None) => Ok(()),
        Err(StoreError::Corrupt(_)) => Err(SavedError),
        Err(error) => return Err(error),
    };
    Ok(restored.err().map(Notice::CountersLost))
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
            self.store.find_login_subject(username, &mark)?;
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
