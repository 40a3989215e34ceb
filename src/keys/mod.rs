//! Key file: creates, reads, reloads and edits `signing-keys`, whose format is [`KeyRing::parse`](crate::signer::KeyRing::parse).
//!
//! - It is created under a temporary name and renamed without replacing a file: concurrent first starts agree
//!   on one key.
//! - It must be a private regular file: mode 0600 or 0400; 0640 or 0440 only with another owner or group, as
//!   for a service that reads root's file; 0444 or 0644 only for root's file in a read-only mount, as
//!   container secrets are.
//! - A running server reloads it, at most once a second, when it issues or verifies a token. So a removed key
//!   verifies nothing a second later. An invalid file leaves the old ring in use.
//!
//! ```
//! use gatekey::keys;
//! # let directory = tempfile::tempdir()?;
//! let path = directory.path().join("signing-keys");
//! keys::create_if_missing(&path)?;
//! assert_eq!(keys::load(&path)?.keys().count(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | file | content |
//! |---|---|
//! | `file.rs` | creates, reads and finds the file; its owners and modes |
//! | `watched.rs` | the keys in use, reloaded |
//! | `loaded.rs` | the keys that each running server has loaded, and its longest session |
//! | `edit.rs` | edits the file: locked, atomic |
//! | `new_key.rs` | rules for a secret that is added |
//! | `published.rs` | secrets from published documents |
//! | `rotation.rs` | key rotation: use of each key, and pruning |

mod edit;
mod file;
mod loaded;
mod new_key;
mod published;
mod rotation;
#[cfg(test)]
mod test_files;
mod watched;

pub use edit::KeyFile;
pub use file::{KeyFileError, create_if_missing, leftovers, load, new_secret};
pub use loaded::{Dropped, RunningServer, await_dropped, await_loaded, remove_abandoned};
pub use new_key::{AcceptedRisks, NewKeyError, check_secret};
pub use published::is_published;
pub use rotation::{KeyStatus, KeyUses, record_use, statuses};
pub use watched::{CHECK_INTERVAL, Keys, Refresh};
