//! Tests of the realm, with the helpers that they share.

mod enumeration;
mod fairness;
mod hashes;
mod keys;
mod links;
mod meanwhile;
mod races;
mod password_cache;
mod registering;
mod sessions;

use super::*;
use crate::client::Client;
use crate::clock::{self, Now};
use crate::credentials::Credentials;
use crate::data_dir::DataDir;
use crate::hashing::Hasher;
use crate::password::StoredHash;
use crate::secret::Secret;
use crate::store::{Reads, User};
use crate::user_id::UserId;
use core::time::Duration;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Two costs that a hash can have: the cheapest, and one that differs.
const OLD_COST: &str = "ln=1,r=1,p=1";
const NEW_COST: &str = "ln=2,r=1,p=1";

const FIREFOX: Browser<'_> = Browser { name: "Firefox", lifetime: Duration::MAX };

/// A realm in a directory of its own, that records its notices.
struct TestRealm {
    realm: Realm,
    notices: Arc<Mutex<Vec<String>>>,
    directory: Arc<TempDir>,
    now: Now,
}

impl TestRealm {
    fn new() -> Self {
        Self::with_policy(Policy { rate_limits: None, ..Policy::default() })
    }

    fn with_policy(policy: Policy) -> Self {
        Self::in_directory(Arc::new(tempfile::tempdir().unwrap()), OLD_COST, policy)
    }

    /// Another realm with the same data and another hash cost, for which the stored hashes are outdated.
    fn with_new_cost(&self) -> Self {
        Self::in_directory(self.directory.clone(), NEW_COST, self.realm.policy.clone())
    }

    fn in_directory(directory: Arc<TempDir>, cost: &str, policy: Policy) -> Self {
        let (store, keys) = DataDir::new(directory.path()).open_or_create().unwrap();
        let hasher = Hasher::new(cost.parse().unwrap(), Hasher::DEFAULT_MAX_MEMORY_BYTES).unwrap();
        let hasher = hasher.with_password_cache(Duration::ZERO);
        let notices = Arc::new(Mutex::new(Vec::new()));
        let told = notices.clone();
        let now = clock::now();
        let realm = Realm::open(store, keys, hasher, policy, now)
            .unwrap()
            .with_observer(move |notice| told.lock().unwrap().push(notice.to_string()));
        Self { realm, notices, directory, now }
    }

    /// A connection that is not the store's.
    fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(DataDir::new(self.directory.path()).database()).unwrap()
    }

    fn add_user(&self, username: &str, password: &str) -> UserId {
        self.realm.add_user(username, &secret(password), self.now.unix).unwrap().id
    }

    fn user(&self, id: UserId) -> User {
        self.realm.find_user_by_id(id, Reads::PerCall).unwrap().unwrap()
    }

    fn log_in(&self, username: &str, password: &str) -> Result<Principal, Refused> {
        self.authenticate(&shown(username, password))
    }

    fn show_token(&self, token: &str) -> Result<Principal, Refused> {
        self.authenticate(&Credentials::Token(secret(token)))
    }

    /// Who shows this; everything but a refusal fails the test.
    fn authenticate(&self, credentials: &Credentials) -> Result<Principal, Refused> {
        self.realm.authenticate(credentials, Client::Local, self.now).map_err(|error| match error {
            AuthenticateError::Refused(refusal) => refusal,
            error => panic!("{error:?}"),
        })
    }

    /// A change by the user; everything but a refusal fails the test.
    fn change_password(&self, id: UserId, credentials: &Credentials, new: &str) -> Result<(), Refused> {
        match self.realm.change_password(id, credentials, &secret(new), Client::Local, self.now) {
            Ok(changed) => {
                assert_eq!(changed, id);
                Ok(())
            }
            Err(UserChangeError::Authenticate(AuthenticateError::Refused(refusal))) => Err(refusal),
            Err(error) => panic!("{error:?}"),
        }
    }

    fn issue_token(&self, principal: &Principal) -> String {
        self.realm.issue_token(principal, self.now).unwrap().token
    }

    /// The notices since the last call.
    fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut self.notices.lock().unwrap())
    }

    /// How many hashes this work cost.
    fn hashes_for<T>(&self, work: impl FnOnce() -> T) -> (T, u64) {
        let before = self.realm.hashes();
        let result = work();
        (result, self.realm.hashes() - before)
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.into())
}

fn shown(username: &str, password: &str) -> Credentials {
    Credentials::Password { username: username.into(), password: secret(password) }
}

fn refused(user: UserId, reason: RefusalReason) -> Refused {
    Refused { user: Some(user), reason }
}

/// The cost that a stored hash says it has.
fn cost_of(user: &User) -> String {
    user.password_hash.parse::<StoredHash>().unwrap().cost().to_string()
}
