//! The realm: the users, the keys, and the rules that hold between them, without a word of HTTP.
//!
//! | file | what |
//! |---|---|
//! | `policy.rs` | what an operator decides |
//! | `authenticate.rs` | who is this? from a password, or from a token |
//! | `guessing.rs` | the throttle, and which addresses are remembered |
//! | `stand_in.rs` | whose hash is verified where nobody is to get in |
//! | `time.rs` | time never goes back |
//! | `register.rs` | users come |
//! | `users.rs` | change the password, delete, keep out |
//!
//! A [`Realm`] is shared by reference among threads. It never reads a clock; every operation that depends on
//! the time is given it. Public functions are given a reading of the clocks as `now`, and turn it into the realm's time
//! (`time.rs`) in their first line; what they call is given that.

mod authenticate;
mod guessing;
mod policy;
mod register;
mod stand_in;
mod time;
mod users;

#[cfg(feature = "cli")]
pub(crate) use authenticate::token_state;
pub use authenticate::{AuthenticateError, Principal, Refusal, Why};
pub use guessing::FailedGuesses;
pub use policy::{Origin, OriginError, Policy, PublicUrl, PublicUrlError, Registration, UserLookup};
pub use register::{RegisterError, Registered};
pub use users::{PasswordError, UserChangeError};

use crate::client::Client;
use crate::clock::{Now, UnixTime};
use crate::hashing::{HashError, Hasher, Load};
use crate::keys::{KeyFileError, Keys, Refresh};
use crate::signer::KeyRing;
use crate::store::{Store, StoreError};
use crate::throttle::SavedError;
use crate::token::{self, Claims};
use crate::user_id::UserId;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use guessing::Guard;
use stand_in::StandIns;
use std::sync::OnceLock;
use time::RealmTime;

/// A protection space (RFC 9110 section 11.5): its users, its keys, its rules.
pub struct Realm {
    store: Store,
    keys: Keys,
    hasher: Hasher,
    policy: Policy,
    time: RealmTime,
    stand_ins: StandIns,
    /// `None` where the throttle is off.
    guard: Option<Guard>,
    /// What was to be told before there was an observer.
    untold: Vec<Notice<'static>>,
    observer: Box<dyn Fn(Notice<'_>) + Send + Sync>,
    undeclared_proxy: UndeclaredProxy,
}

/// Who first spoke for others without being trusted to, since the start.
#[derive(Debug, Default)]
struct UndeclaredProxy {
    peer: OnceLock<Client>,
    is_saved: AtomicBool,
}

impl UndeclaredProxy {
    /// Once, into the store: not when it is seen, since a request waits for no writer.
    fn save(&self, store: &Store, at: UnixTime) -> Result<(), StoreError> {
        let Some(peer) = self.peer.get() else { return Ok(()) };
        if !self.is_saved.load(Ordering::Relaxed) {
            store.note_undeclared_proxy(&proxy_name(*peer), at)?;
            self.is_saved.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// As `--trusted-proxy` names it.
fn proxy_name(peer: Client) -> String {
    match peer {
        Client::Ip(address) => address.to_string(),
        Client::Local => "unix".into(),
    }
}

impl fmt::Debug for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Realm").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// Something that an operator should know and no client may: it goes to the log.
#[derive(Debug)]
pub enum Notice<'a> {
    /// Another key file is in use.
    KeysChanged(&'a KeyRing),
    /// The key file can't be used; the old keys stay.
    KeysUnusable(&'a KeyFileError),
    /// The use of the keys could not be noted in the store.
    KeysNotNoted(&'a StoreError),
    /// This peer, which is no trusted proxy, spoke for others. Told of the first only.
    ForwardingIgnored(Client),
    /// This user's stored hash can't be verified, so the user can't log in.
    HashUnusable(UserId, &'a HashError),
    /// This user's outdated hash could not be replaced; the login went on.
    HashNotReplaced(UserId, &'a (dyn Error + Send + Sync)),
    /// The address of this user's login was not noted; the login went on.
    AddressNotRemembered(UserId, &'a StoreError),
    /// The saved counters of failed guesses can't be read; counting began anew.
    CountersLost(SavedError),
    /// What a restart must not forget was not saved: counters of failed guesses, the newest time.
    NotSaved(&'a StoreError),
    /// Counters that another process replaced could not be read.
    CountersNotRead(&'a StoreError),
    /// The clock is so far behind the newest time that the store has seen.
    ClockBehind(Duration),
}

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeysChanged(ring) => {
                let (count, newest) = (ring.keys().count(), ring.newest().fingerprint());
                write!(f, "signing keys read again: {count}, the newest has the fingerprint {newest}")
            }
            Self::KeysUnusable(error) => write!(f, "{error}; the keys read before stay in use"),
            Self::KeysNotNoted(error) => write!(f, "the use of the signing keys was not noted: {error}"),
            Self::ForwardingIgnored(peer) => {
                let name = proxy_name(*peer);
                write!(
                    f,
                    "X-Forwarded fields from {peer} are ignored; if that is your proxy, say --trusted-proxy {name} \
                     (this is said once, whoever sends more)"
                )
            }
            Self::HashUnusable(id, error) => write!(f, "user {id} can't log in: {error}"),
            Self::HashNotReplaced(id, error) => write!(f, "the outdated hash of user {id} stays: {error}"),
            Self::AddressNotRemembered(id, error) => {
                write!(f, "the address of a login of user {id} was not noted: {error}")
            }
            Self::CountersLost(error) => write!(f, "{error}; failed guesses are counted anew"),
            Self::NotSaved(error) => write!(
                f,
                "the counters of failed guesses and the newest time were not saved: {error}; they go on in memory"
            ),
            Self::CountersNotRead(error) => write!(
                f,
                "the counters of failed guesses were changed in the database, and could not be read: {error}; the next \
                 login tries again"
            ),
            Self::ClockBehind(by) => write!(
                f,
                "the clock is {} s behind the newest time in the database; time goes on from there, so that nothing \
                 expired comes back to life. Set the clock right; if it once ran ahead, tokens carry times of the \
                 future until it has caught up",
                by.as_secs()
            ),
        }
    }
}

/// A token just issued.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// The token.
    pub token: String,
    /// How long it is valid.
    pub lifetime: Duration,
}

impl Realm {
    /// A realm of these parts. What there is to tell is kept until [`Realm::with_observer`].
    ///
    /// # Errors
    /// [`StoreError`] where what the last run left in the store can't be read.
    pub fn open(
        store: Store,
        keys: Keys,
        hasher: Hasher,
        policy: Policy,
        now: Now,
    ) -> Result<Self, StoreError> {
        let (time, behind) = RealmTime::new(store.newest_time()?, now);
        let guard = policy.throttle.as_ref().map(|rules| Guard::open(&store, rules, now)).transpose()?;
        let counters_lost =
            guard.as_ref().map(|guard| guard.load(&store, time.at(now))).transpose()?.flatten();
        let clock_behind = (!behind.is_zero()).then_some(Notice::ClockBehind(behind));
        let untold = clock_behind.into_iter().chain(counters_lost).collect();
        Ok(Self {
            store,
            keys,
            hasher,
            policy,
            time,
            stand_ins: StandIns::default(),
            guard,
            untold,
            observer: Box::new(|_| ()),
            undeclared_proxy: UndeclaredProxy::default(),
        })
    }

    /// The same realm, with somebody to tell what an operator should know.
    #[must_use]
    pub fn with_observer(mut self, observer: impl Fn(Notice<'_>) + Send + Sync + 'static) -> Self {
        self.untold.drain(..).for_each(&observer);
        Self { observer: Box::new(observer), ..self }
    }

    /// What the operator decided.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Notes that a peer spoke for others without being trusted to: a proxy that the operator forgot to name, or a
    /// client that tries. The first one is told, and with the next [`Realm::save`] in the database.
    pub fn note_ignored_forwarding(&self, peer: Client) {
        if self.undeclared_proxy.peer.set(peer).is_ok() {
            (self.observer)(Notice::ForwardingIgnored(peer));
        }
    }

    /// Saves what a restart must not forget, if there is anything new: the counters of failed guesses, the newest
    /// time, and a proxy that isn't declared. To be called every few seconds, and at the end.
    pub fn save(&self, now: Now) {
        if let Err(error) = self.try_save(self.time.read(now)) {
            (self.observer)(Notice::NotSaved(&error));
        }
    }

    fn try_save(&self, now: Now) -> Result<(), StoreError> {
        if let Some(guard) = &self.guard
            && guard.save(&self.store, now)?
        {
            self.time.saved(now.unix);
        }
        if let Some(newest) = self.time.unsaved() {
            self.store.raise_newest_time(newest)?;
            self.time.saved(newest);
        }
        self.undeclared_proxy.save(&self.store, now.unix)
    }

    /// Whether the store answers, which it can only by reading its file: for whoever asks after the server's health.
    ///
    /// # Errors
    /// [`StoreError`] where it can't answer.
    pub fn ask_store(&self) -> Result<(), StoreError> {
        self.store.tokens_not_before().map(drop)
    }

    /// How many password hashes were computed since the start.
    pub fn hashes(&self) -> u64 {
        self.hasher.hashes()
    }

    /// How much is being hashed just now.
    pub fn hash_load(&self) -> Load {
        self.hasher.load()
    }

    /// Issues a token to somebody who was authenticated.
    ///
    /// A principal who showed a token gets a new one for what is left of the session: renewal carries the time
    /// of the password along, and `max_session` after that it ends.
    ///
    /// # Errors
    /// [`SessionOver`] when nothing is left.
    pub fn issue_token(&self, principal: &Principal, now: Now) -> Result<IssuedToken, SessionOver> {
        self.issue_token_for(principal, Duration::MAX, now)
    }

    /// The same, for no longer than this: whoever asks may want less than the policy gives, never more.
    ///
    /// # Errors
    /// [`SessionOver`] when nothing is left.
    pub fn issue_token_for(
        &self,
        principal: &Principal,
        at_most: Duration,
        now: Now,
    ) -> Result<IssuedToken, SessionOver> {
        let now = self.time.at(now);
        self.refresh_keys(now);
        let Policy { token_lifetime, max_session, .. } = self.policy;
        let session_ends = principal.auth_time.saturating_add(max_session);
        let expires_at = now.unix.saturating_add(token_lifetime.min(at_most)).min(session_ends);
        let lifetime = expires_at.duration_since(now.unix);
        if lifetime.is_zero() {
            return Err(SessionOver);
        }
        let claims = Claims {
            id: principal.id,
            generation: principal.generation,
            issued_at: now.unix,
            expires_at,
            auth_time: principal.auth_time,
        };
        Ok(IssuedToken { token: token::issue(&claims, &self.keys.ring()), lifetime })
    }

    /// Ends every token of this user.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn revoke_tokens(&self, id: UserId) -> Result<(), StoreError> {
        self.store.revoke_tokens(id).map(drop)
    }

    /// Ends every token issued until now, whoever it is for. Gives how long to wait before the next is issued, since what
    /// is issued earlier is dead too: a second, and more while the clock is behind the newest time in the store.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn revoke_all_tokens(&self, now: Now) -> Result<Duration, StoreError> {
        let time = self.time.read(now).unix;
        Ok(self.store.end_all_tokens(time, now.unix)?.duration_since(time))
    }

    /// Looks at the key file again, once a second at most.
    fn refresh_keys(&self, now: Now) {
        self.take_up(self.keys.refresh(now.monotonic), now);
    }

    /// Looks at the key file again now: for a signal that asks for it.
    pub fn reload_keys(&self, now: Now) {
        self.take_up(self.keys.refresh_now(now.monotonic), now);
    }

    /// Tells whoever watches, and notes new keys in the store.
    fn take_up(&self, refresh: Refresh, now: Now) {
        match refresh {
            Refresh::Same => {}
            Refresh::Changed => {
                (self.observer)(Notice::KeysChanged(&self.ring()));
                self.note_keys(now);
            }
            Refresh::Failed(error) => (self.observer)(Notice::KeysUnusable(&error)),
        }
    }

    /// Notes in the store which keys are in use, so that it is known when an old one may go. To be called once
    /// when serving begins; after that the realm does it itself.
    pub fn note_keys(&self, now: Now) {
        let now = self.time.read(now); // a key retired by a clock that is behind would be pruned too early
        let fingerprints: Vec<String> =
            self.ring().keys().map(crate::signer::SigningKey::fingerprint).collect();
        let fingerprints = fingerprints.iter().map(String::as_str);
        if let Err(error) = self.store.note_signing_keys(fingerprints, self.policy.token_lifetime, now.unix) {
            (self.observer)(Notice::KeysNotNoted(&error));
        }
    }

    /// The keys in use.
    pub fn ring(&self) -> Arc<KeyRing> {
        self.keys.ring()
    }
}

/// The password was shown too long ago: it must be shown again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionOver;

impl fmt::Display for SessionOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the session has lasted as long as one may")
    }
}

impl Error for SessionOver {}

#[cfg(test)]
mod tests;
