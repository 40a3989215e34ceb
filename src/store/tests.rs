//! The store: opening it, its operations, and many of both at once.

mod administrators;
mod report;
mod conditional;
mod importing;
mod logins;
mod opening;
mod operations;
mod restoring;
mod session_rows;
mod sessions;
mod threads;
mod limiter;
pub(crate) use super::sqlite::trace;
mod versions;

use super::*;
use crate::clock::UnixTime;
use crate::user_id::{Generation, UserId};
use crate::username::Username;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// As a first start does.
fn open_or_create(path: &Path) -> Result<Store, StoreError> {
    Store::open_or_create(path, FirstGeneration::One)
}

/// A directory with a database in it, and the store that is open on it.
struct TestStore {
    store: Store,
    directory: TempDir,
}

impl TestStore {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = open_or_create(&database_in(&directory)).unwrap();
        Self { store, directory }
    }

    fn path(&self) -> PathBuf {
        database_in(&self.directory)
    }

    /// Closes the store and opens it again, as a restart does.
    fn reopen(self) -> Self {
        let Self { store, directory } = self;
        drop(store);
        let store = Store::open(&database_in(&directory)).unwrap();
        Self { store, directory }
    }

    /// Inserts a user whose name must be free.
    fn insert(&self, username: &str) -> UserId {
        self.store.insert_user(&name(username), "the hash", at(1_000)).unwrap()
    }

    /// The row of a user who must be there.
    fn user(&self, id: UserId) -> User {
        self.store.find_user_by_id(id, Reads::PerCall).unwrap().unwrap()
    }
}

fn database_in(directory: &TempDir) -> PathBuf {
    directory.path().join("gatekey.sqlite3")
}

/// A connection of another process to the same file.
fn raw(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

fn name(text: &str) -> Username {
    Username::parse(text).unwrap()
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::new(seconds).unwrap()
}
