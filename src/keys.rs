//! Key file: creates, reads, reloads and edits `signing-keys`, whose format is [`KeyRing::parse`].
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
//! | `loaded.rs` | the keys that each running server has loaded, and its longest session |
//! | `edit.rs` | edits the file: locked, atomic |
//! | `new_key.rs` | rules for a secret that is added |
//! | `permissions.rs` | accepted owners and modes |
//! | `published.rs` | secrets from published documents |
//! | `rotation.rs` | key rotation: use of each key, and pruning |
//! | `leftovers.rs` | temporary files of interrupted edits |

mod edit;
mod leftovers;
mod loaded;
mod new_key;
mod permissions;
mod published;
mod rotation;

pub use edit::KeyFile;
pub use leftovers::leftovers;
pub use loaded::{Dropped, RunningServer, await_dropped, await_loaded, remove_abandoned};
pub use new_key::{AcceptedRisks, NewKeyError, check_secret};
pub use published::is_published;
pub use rotation::{KeyStatus, KeyUses, record_use, statuses};

use crate::encoding;
use crate::os::{self, FileId};
use crate::random::{self, RandomError};
use crate::secret::SecretBytes;
use crate::shell;
use crate::signer::{KeyRing, KeyRingError, SigningKey};
use core::time::Duration;
use loaded::Announcement;
use permissions::{is_mounted_secret, is_private};
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::{Mutex, PoisonError, RwLock, TryLockError};
use std::time::Instant;

/// Maximum size of the file: more than 16 keys of 1 KiB in base64.
const MAX_FILE_BYTES: u64 = 32 * 1024;
/// Interval at which a server checks the file.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Error of the key file. Messages begin with its path.
#[derive(Debug, thiserror::Error)]
#[error("signing keys {}: {problem}", path.display())]
pub struct KeyFileError {
    path: PathBuf,
    #[source]
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("can't {0}: {1}")]
    Io(&'static str, #[source] io::Error),
    #[error("not a regular file")]
    NotAFile,
    #[error(
        "others may read it (mode {mode:04o}); expected 0600 or 0400, so: chmod 600 {}",
        shell::quote_path(path)
    )]
    Mode { path: PathBuf, mode: u32 },
    #[error("over {MAX_FILE_BYTES} bytes long, so it is no file of keys")]
    TooLarge,
    #[error(transparent)]
    Ring(KeyRingError),
    #[error(transparent)]
    Random(RandomError),
}

impl KeyFileError {
    fn io(path: &Path, attempt: &'static str, error: io::Error) -> Self {
        Self { path: path.into(), problem: Problem::Io(attempt, error) }
    }

    /// Whether the file doesn't exist.
    pub fn is_missing(&self) -> bool {
        matches!(&self.problem, Problem::Io(_, error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// Whether others may read the file.
    pub fn is_exposed(&self) -> bool {
        matches!(&self.problem, Problem::Mode { .. })
    }
}

/// Creates the file with one new key, unless it exists.
///
/// # Errors
/// [`KeyFileError`].
pub fn create_if_missing(path: &Path) -> Result<(), KeyFileError> {
    let failed = |problem| KeyFileError { path: path.into(), problem };
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    os::refuse_other_owners_as_root(path).map_err(|error| failed(Problem::Io("make it", error)))?;
    let random_failed = |error| failed(Problem::Random(error));
    let secret = new_secret().map_err(random_failed)?;
    let temporary = temporary_beside(path).map_err(random_failed)?;
    let made = write_and_sync(&temporary, &secret).and_then(|()| os::rename_to_free_name(&temporary, path));
    let made = made.or_else(|error| {
        let _ = fs::remove_file(&temporary);
        // A concurrent first start created it.
        if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) }
    });
    made.and_then(|()| os::sync_directory_of(path)).map_err(|error| failed(Problem::Io("make it", error)))
}

/// A new secret: 32 random bytes in base64url, a line of the file without its line feed.
///
/// # Errors
/// [`RandomError`].
pub fn new_secret() -> Result<SecretBytes, RandomError> {
    let secret = random::bytes::<{ SigningKey::STRONG_BYTES }>()?;
    Ok(SecretBytes::new(encoding::encode_base64url(secret).into_bytes()))
}

/// A random name in the same directory.
fn temporary_beside(path: &Path) -> Result<PathBuf, RandomError> {
    let name = encoding::encode_base64url(random::bytes::<6>()?);
    Ok(path.with_extension(format!("new-{name}")))
}

fn write_and_sync(path: &Path, line: &[u8]) -> io::Result<()> {
    let mut file = os::create_private_file(path)?;
    file.write_all(line)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// Reads the file.
///
/// # Errors
/// [`KeyFileError`].
pub fn load(path: &Path) -> Result<KeyRing, KeyFileError> {
    load_with_stamp(path).map(|(ring, _)| ring)
}

fn load_with_stamp(path: &Path) -> Result<(KeyRing, Stamp), KeyFileError> {
    let (bytes, metadata) = read(path, &open(path)?)?;
    Ok((parse(path, &bytes)?, Stamp::of(&metadata)))
}

fn open(path: &Path) -> Result<File, KeyFileError> {
    let failed = |problem| KeyFileError { path: path.into(), problem };
    let read_failed = |error| failed(Problem::Io("read it", error));
    // Before opening, which blocks on a pipe. The open file is checked again.
    if !fs::metadata(path).map_err(read_failed)?.is_file() {
        return Err(failed(Problem::NotAFile));
    }
    File::open(path).map_err(read_failed)
}

fn read(path: &Path, file: &File) -> Result<(SecretBytes, Metadata), KeyFileError> {
    let failed = |problem| KeyFileError { path: path.into(), problem };
    let read_failed = |error| failed(Problem::Io("read it", error));
    let metadata = file.metadata().map_err(read_failed)?;
    let is_secret = || is_mounted_secret(&metadata, os::is_in_read_only_mount(file));
    if !is_private(&metadata, os::effective_ids()) && !is_secret() {
        return Err(failed(Problem::Mode { path: path.into(), mode: metadata.mode() & 0o7777 }));
    }
    let mut bytes = SecretBytes::default();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(read_failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(failed(Problem::TooLarge));
    }
    Ok((bytes, metadata))
}

fn parse(path: &Path, bytes: &[u8]) -> Result<KeyRing, KeyFileError> {
    let ring = KeyRing::parse(bytes).map(|ring| ring.disown(is_published));
    ring.map_err(|error| KeyFileError { path: path.into(), problem: Problem::Ring(error) })
}

/// Identifies a version of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    id: FileId,
    modified: (i64, i64),
    changed: (i64, i64),
    bytes: u64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            id: FileId::of(metadata),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            bytes: metadata.len(),
        }
    }
}

/// The key ring in use, and the file from which it is reloaded.
#[derive(Debug)]
pub struct Keys {
    ring: RwLock<Arc<KeyRing>>,
    file: Option<Watched>,
}

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    last: Mutex<LastCheck>,
    /// Directory in which the loaded keys are announced.
    announced_in: Option<PathBuf>,
}

#[derive(Debug)]
struct LastCheck {
    stamp: Stamp,
    at: Option<Instant>,
    /// The last error, which is reported once.
    last_error: Option<String>,
    announcement: Announcement,
}

impl LastCheck {
    fn is_due(&self, now: Instant) -> bool {
        self.at.is_none_or(|at| now.saturating_duration_since(at) >= CHECK_INTERVAL)
    }
}

/// Result of a refresh.
#[derive(Debug)]
pub enum Refresh {
    /// The file is unchanged, or its error was reported before.
    Unchanged,
    /// The keys of a new file are in use.
    Changed,
    /// The file can't be used; the old keys stay in use.
    Failed(KeyFileError),
    /// The loaded keys can't be announced; the next refresh retries.
    NotAnnounced(KeyFileError),
}

impl Keys {
    /// Keys without a file.
    pub fn fixed(ring: KeyRing) -> Self {
        Self { ring: RwLock::new(Arc::new(ring)), file: None }
    }

    /// Loads the keys of a file, to be refreshed.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn watched(path: PathBuf) -> Result<Self, KeyFileError> {
        let (ring, stamp) = load_with_stamp(&path)?;
        let announcement = Announcement::default();
        let last = Mutex::new(LastCheck { stamp, at: None, last_error: None, announcement });
        let file = Some(Watched { path, last, announced_in: None });
        Ok(Self { ring: RwLock::new(Arc::new(ring)), file })
    }

    /// Announces the loaded keys and the limit for tokens in a data directory until the drop, for
    /// [`await_dropped`] and [`await_loaded`]. Reloads the file. On a failure the next refresh retries and
    /// reports it.
    #[must_use]
    pub fn announced_in(mut self, directory: &Path, max_session: Duration) -> Self {
        if let Some(Watched { announced_in, .. }) = &mut self.file {
            *announced_in = Some(directory.into());
        }
        if let Some(Watched { path, last, announced_in }) = &self.file {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            last.announcement.is_stale = true;
            last.announcement.max_session = max_session;
            self.read_again(path, &mut last, announced_in.as_deref());
            last.last_error = None;
        }
        self
    }

    /// The ring in use.
    pub fn ring(&self) -> Arc<KeyRing> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether [`Keys::refresh`] would check the file, which may block.
    pub fn is_refresh_due(&self, now: Instant) -> bool {
        let Some(Watched { last, .. }) = &self.file else { return false };
        match last.try_lock() {
            Ok(last) => last.is_due(now),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().is_due(now),
            Err(TryLockError::WouldBlock) => false,
        }
    }

    /// Reloads the file if it has changed; checks it once per [`CHECK_INTERVAL`], in one thread.
    pub fn refresh(&self, now: Instant) -> Refresh {
        let Some(Watched { path, last, announced_in }) = &self.file else { return Refresh::Unchanged };
        let mut last = match last.try_lock() {
            Ok(last) => last,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Refresh::Unchanged,
        };
        if !last.is_due(now) {
            return Refresh::Unchanged;
        }
        last.at = Some(now);
        let is_same = fs::metadata(path).is_ok_and(|metadata| Stamp::of(&metadata) == last.stamp);
        if is_same && last.last_error.is_none() && !last.announcement.is_stale {
            return Refresh::Unchanged;
        }
        self.read_again(path, &mut last, announced_in.as_deref())
    }

    /// Reloads the file now.
    pub fn refresh_now(&self, now: Instant) -> Refresh {
        let Some(Watched { path, last, announced_in }) = &self.file else { return Refresh::Unchanged };
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        last.at = Some(now);
        self.read_again(path, &mut last, announced_in.as_deref())
    }

    fn read_again(&self, path: &Path, last: &mut LastCheck, announced_in: Option<&Path>) -> Refresh {
        // Before the read: a command that doesn't see the announcement has changed the key file before it.
        let created = announced_in.map_or(Ok(()), |directory| last.announcement.create_in(directory));
        let read = load_with_stamp(path).map(|(ring, stamp)| {
            *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
            last.stamp = stamp;
        });
        let announced = created.and_then(|()| last.announcement.publish(&self.ring()));
        let announced = announced.map_err(|error| match announced_in {
            Some(directory) => KeyFileError::io(directory, "say there which keys are in use", error),
            None => KeyFileError::io(path, "say which keys are in use", error),
        });
        let (error, refresh): (KeyFileError, fn(KeyFileError) -> Refresh) = match (read, announced) {
            (Err(error), _) => (error, Refresh::Failed),
            (Ok(()), Err(error)) => (error, Refresh::NotAnnounced),
            (Ok(()), Ok(())) => {
                last.last_error = None;
                return Refresh::Changed;
            }
        };
        match last.last_error.replace(error.to_string()) {
            Some(last_error) if last_error == error.to_string() => Refresh::Unchanged,
            _ => refresh(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn write(path: &Path, text: &str, mode: u32) {
        let _ = fs::remove_file(path);
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_new_file_has_one_strong_key_and_mode_0600() {
        let directory = directory();
        let path = directory.path().join("signing-keys");
        create_if_missing(&path).unwrap();
        let ring = load(&path).unwrap();
        assert_eq!(ring.keys().count(), 1);
        assert!(!ring.newest().is_weak());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "the temporary file is gone");
    }

    #[test]
    fn an_existing_file_is_never_overwritten() {
        let directory = directory();
        let path = directory.path().join("signing-keys");
        write(&path, "the secret that was here", 0o600);
        create_if_missing(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "the secret that was here");
    }

    #[test]
    fn concurrent_first_starts_create_one_key() {
        let directory = directory();
        let path = directory.path().join("signing-keys");
        let fingerprints: std::collections::BTreeSet<String> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        create_if_missing(&path).unwrap();
                        load(&path).unwrap().newest().fingerprint()
                    })
                })
                .collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert_eq!(fingerprints.len(), 1);
    }

    #[test]
    fn a_key_file_that_others_may_read_is_rejected() {
        let directory = directory();
        let path = directory.path().join("signing-keys");
        for (mode, accepted) in
            [(0o600, true), (0o400, true), (0o640, false), (0o644, false), (0o660, false), (0o604, false)]
        {
            write(&path, "a secret of sixteen bytes or more", mode);
            match load(&path) {
                Ok(_) => assert!(accepted, "{mode:o}"),
                Err(error) => {
                    let path = path.display();
                    let message = format!(
                        "signing keys {path}: others may read it (mode {mode:04o}); expected 0600 or 0400, so: chmod 600 {path}"
                    );
                    assert_eq!(error.to_string(), message);
                    assert!(!accepted, "{mode:o}");
                }
            }
        }
    }

    #[test]
    fn group_may_read_where_the_group_was_chosen() {
        let directory = directory();
        let path = directory.path().join("signing-keys");
        write(&path, "a secret of sixteen bytes or more", 0o640);
        let metadata = fs::metadata(&path).unwrap();
        let (uid, gid) = (metadata.uid(), metadata.gid());
        assert!(!is_private(&metadata, (uid, gid)));
        assert!(is_private(&metadata, (uid + 1, gid)), "root's file, our group");
        assert!(is_private(&metadata, (uid, gid + 1)), "our file, a group chosen for it");
    }

    #[test]
    fn a_panic_during_a_refresh_does_not_stop_later_ones() {
        let directory = directory();
        let path = directory.path().join("signing-keys");
        write(&path, "the first secret of them", 0o600);
        let keys = Keys::watched(path.clone()).unwrap();
        let looking = || {
            let _last = keys.file.as_ref().unwrap().last.lock();
            panic!("as the test wants it");
        };
        std::thread::scope(|scope| assert!(scope.spawn(looking).join().is_err()));
        write(&path, "the second secret of them", 0o600);
        assert!(
            matches!(keys.refresh(Instant::now()), Refresh::Changed),
            "a key that was removed verifies on"
        );
    }

    #[test]
    fn a_new_key_file_is_loaded_within_a_second_and_an_invalid_one_is_not() {
        let directory = directory();
        let path = directory.path().join("signing-keys");
        write(&path, "the first secret of them", 0o600);
        let keys = Keys::watched(path.clone()).unwrap();
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let first = keys.ring().newest().fingerprint();
        assert!(matches!(keys.refresh(start), Refresh::Unchanged));

        write(&path, "the first secret of them\nthe second secret of them", 0o600);
        assert!(matches!(keys.refresh(after(999)), Refresh::Unchanged), "not before a second has passed");
        assert!(matches!(keys.refresh(after(1_000)), Refresh::Changed));
        let second = keys.ring().newest().fingerprint();
        assert_ne!(first, second);

        write(&path, "", 0o600);
        let Refresh::Failed(error) = keys.refresh(after(2_000)) else { panic!("an empty file was taken") };
        assert!(error.to_string().ends_with("it holds no key, expected one secret a line"));
        assert!(matches!(keys.refresh(after(3_000)), Refresh::Unchanged), "reported once");
        fs::remove_file(&path).unwrap();
        let Refresh::Failed(error) = keys.refresh_now(after(3_001)) else { panic!("no file was taken") };
        assert!(error.is_missing());
        assert_eq!(keys.ring().newest().fingerprint(), second);

        write(&path, "the third secret of them", 0o600);
        assert!(matches!(keys.refresh(after(5_000)), Refresh::Changed));
    }
}
