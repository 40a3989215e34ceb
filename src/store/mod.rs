//! Store: all SQL, behind operations on plain values that know nothing of SQLite.
//!
//! One SQLite file in WAL mode with `synchronous=FULL`: when an operation returns, its changes are durable. A
//! connection pool has one writer and N readers; readers never wait for the writer. **The database decides**:
//! names are unique by a UNIQUE column, and a change that must not overwrite another is one conditional
//! UPDATE, never a read and a write.
//!
//! Operations fail with [`StoreError`] and change nothing then; their documentation has an `# Errors` section
//! only if there is more to say. Operations that return a `bool` return false, and change nothing, if there
//! is no such row.
//!
//! ```
//! use gatekey::{clock::UnixTime, store::{FirstGeneration, Reads, Store}, username::Username};
//! # let directory = tempfile::tempdir()?;
//! let store = Store::open_or_create(&directory.path().join("gatekey.sqlite3"), FirstGeneration::One)?;
//! let id = store.insert_user(&Username::parse("miguel")?, "$scrypt$...", UnixTime::EPOCH)?;
//! assert_eq!(store.find_user_by_name("miguel", Reads::PerCall)?.map(|user| user.id), Some(id));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | file | content |
//! |---|---|
//! | `schema.sql` (top level) | the schema |
//! | `schema.rs` | recognizes a database, creates the schema, migrates older versions |
//! | `open.rs` | opens a database, or creates it |
//! | `error.rs` | [`StoreError`] |
//! | `sqlite.rs` | connection pool: one writer, N readers; SQLite's errors as ours |
//! | `session.rs` | read sessions: one read transaction for a batch of requests |
//! | `io_errors.rs` | causes of SQLite's I/O errors |
//! | `lock.rs` | directory lock: shared by open stores, exclusive for a restore |
//! | `files.rs` | detects that an open file was moved or replaced |
//! | `columns.rs` | integer columns to checked types |
//! | `groups.rs` | table `user_groups` |
//! | `administrators.rs` | changes by administrators, and the check that one remains |
//! | `generations.rs` | token generations that were never signed for |
//! | `users.rs` | table `users` |
//! | `sessions.rs` | table `sessions`: signed-in browsers, their guard cookies, and named tokens |
//! | `import.rs` | bulk import |
//! | `original.rs` | reads the users of the Flask original's database |
//! | `watchdog.rs` | interrupts SQLite after a time limit |
//! | `logins.rs` | remembered addresses |
//! | `limiter.rs` | state of the rate limiter |
//! | `realm.rs` | state of the realm |
//! | `signing_keys.rs` | use of signing keys |
//! | `backup.rs` | online backup |
//! | `restore.rs` | restores a backup without reviving revoked tokens |
//! | `report.rs` | integrity check |
//! | `reset_clock.rs` | repairs a database whose clock ran ahead |

#![allow(clippy::missing_errors_doc, reason = "all operations fail with StoreError, as said above")]

mod administrators;
mod backup;
mod columns;
mod error;
mod files;
mod generations;
mod groups;
mod import;
mod io_errors;
mod links;
mod lock;
mod logins;
mod open;
mod original;
mod realm;
mod report;
mod reset_clock;
mod restore;
mod schema;
mod session;
mod sessions;
mod signing_keys;
mod sqlite;
mod limiter;
mod users;
mod watchdog;

pub use administrators::{ADMIN_GROUP, AdministerError, UserChanges};
pub use backup::{BackedUp, CopyError, back_up};
pub use error::StoreError;
pub use groups::MAX_GROUPS;
pub use import::{Import, ImportError, ImportedUser};
pub use limiter::SavedLimiter;
pub use links::LinkRow;
pub use logins::{LoginHistory, RememberedAddress};
pub use open::{FirstGeneration, Store};
pub use original::{OriginalUser, ReadError, read_original};
pub use realm::{Issued, MAX_UNSAVED, SAVE_INTERVAL};
pub use report::{DatabaseReport, FutureTimestamps, report};
pub use reset_clock::reset_clock;
pub use restore::{Backup, Restored};
pub use session::{ReadSession, Reader, Reads};
pub use sessions::{MAX_BROWSER_SESSIONS, MAX_NAMED_TOKENS, Session, SessionConflict, SessionKind};
pub use signing_keys::SigningKeyUse;
pub use users::{InsertError, TokenRow, User};

#[cfg(test)]
pub(crate) mod tests;
