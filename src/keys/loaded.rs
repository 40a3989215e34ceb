//! Loaded keys: each running server announces them. A command that removes a key waits until no server uses
//! it, and one that issues a token checks that every server accepts it.
//!
//! A server has a file in the data directory, `loaded-keys-` and a random name:
//!
//! ```text
//! 1234 2592000           the server's process id, and its --max-session in seconds
//! Kp3v0m8dX1bQz9aL       the fingerprint of each key in use
//! 3q2-7w…                SHA-256 of the lines before, which detects a partial file
//! ```
//!
//! The server holds a flock(2) on the file, which the kernel releases by kill -9 too: an unlocked file is
//! abandoned. The file is created before the keys are read, and rewritten after a reload. So a server that
//! [`await_dropped`] doesn't see reads the key file later.

use super::file::{KeyFileError, load};
use crate::clock;
use crate::encoding;
use crate::os;
use crate::random;
use crate::signer::{self, KeyRing, SigningKey};
use core::time::Duration;
use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::{process, thread};

const NAME: &str = "loaded-keys-";
/// Maximum size of the file: more than that of a full ring.
const MAX_BYTES: u64 = 1024;
/// Polling interval of the servers' files.
const PAUSE: Duration = Duration::from_millis(20);

/// What other processes can read about the keys in use.
#[derive(Debug, Default)]
pub(super) struct Announcement {
    /// `None` announces nothing.
    directory: Option<PathBuf>,
    max_session: Duration,
    file: Option<LoadedKeys>,
    /// Whether other keys than the file's are in use.
    pub(super) is_stale: bool,
}

impl Announcement {
    pub(super) fn new(directory: &Path, max_session: Duration) -> Self {
        Self { directory: Some(directory.into()), max_session, file: None, is_stale: true }
    }

    /// Creates the file, unless it exists.
    pub(super) fn create(&mut self) -> Result<(), KeyFileError> {
        let (Some(directory), None) = (&self.directory, &self.file) else { return Ok(()) };
        self.file = Some(LoadedKeys::create_in(directory).map_err(cant_announce(directory))?);
        Ok(())
    }

    pub(super) fn publish(&mut self, ring: &KeyRing) -> Result<(), KeyFileError> {
        let (Some(directory), Some(file)) = (&self.directory, &self.file) else { return Ok(()) };
        let published = file.publish(ring, self.max_session).map_err(cant_announce(directory));
        self.is_stale = published.is_err();
        published
    }
}

fn cant_announce(directory: &Path) -> impl Fn(io::Error) -> KeyFileError {
    KeyFileError::io(directory, "say there which keys are in use")
}

/// A server's file, removed on drop.
#[derive(Debug)]
struct LoadedKeys {
    path: PathBuf,
    /// Holds the lock.
    file: File,
}

impl LoadedKeys {
    /// Creates the file. Until [`LoadedKeys::publish`], the server counts as using any key.
    fn create_in(directory: &Path) -> io::Result<Self> {
        remove_abandoned(directory)?;
        let name = random::bytes::<9>().map_err(io::Error::other)?;
        let path = directory.join(format!("{NAME}{}", encoding::encode_base64url(name)));
        // Renamed after it is locked: an unlocked file looks abandoned.
        let unlocked = directory.join(format!(".{NAME}{}", encoding::encode_base64url(name)));
        let file = os::create_private_file(&unlocked)?;
        let locked = file.lock().and_then(|()| os::rename_to_free_name(&unlocked, &path));
        locked.inspect_err(|_| drop(fs::remove_file(&unlocked)))?;
        Ok(Self { path, file })
    }

    /// Announces that the server uses these keys only.
    fn publish(&self, ring: &KeyRing, max_session: Duration) -> io::Result<()> {
        let mut text = format!("{} {}\n", process::id(), max_session.as_secs());
        for key in ring.keys() {
            text.push_str(&key.fingerprint());
            text.push('\n');
        }
        text.push_str(&checksum(&text));
        text.push('\n');
        self.file.write_all_at(text.as_bytes(), 0)?;
        self.file.set_len(text.len() as u64)
    }
}

impl Drop for LoadedKeys {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path); // else removed later, as abandoned
    }
}

fn checksum(text: &str) -> String {
    encoding::encode_base64url(signer::sha256(text.as_bytes()))
}

/// A running server.
#[derive(Clone, Debug)]
pub struct RunningServer {
    /// Its process id.
    pub pid: u32,
    /// It rejects a token that expires later than this from now.
    pub max_session: Duration,
    keys: BTreeSet<String>,
}

impl RunningServer {
    /// Whether it accepts what the key with this fingerprint signed.
    pub fn has_key(&self, fingerprint: &str) -> bool {
        self.keys.contains(fingerprint)
    }
}

/// Removes the files of killed servers.
///
/// # Errors
/// If the directory can't be read, or a file not removed.
pub fn remove_abandoned(directory: &Path) -> io::Result<()> {
    running_servers(directory).map(drop)
}

/// A file that a running server has locked.
struct Locked {
    /// `None` while the file is partial.
    server: Option<RunningServer>,
}

fn running_servers(directory: &Path) -> io::Result<Vec<Locked>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut servers = Vec::new();
    for entry in entries {
        let entry = entry?;
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(NAME));
        if is_ours && entry.file_type()?.is_file() {
            servers.extend(running_server(&entry.path())?);
        }
    }
    Ok(servers)
}

/// `None`, and removed, if no server has it locked.
fn running_server(path: &Path) -> io::Result<Option<Locked>> {
    let missing = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Ok(None), // the server has just ended
        _ => Err(error),
    };
    let file = match os::open_regular_file(path) {
        Ok(file) => file,
        Err(error) => return missing(error),
    };
    match file.try_lock_shared() {
        Ok(()) => fs::remove_file(path).map(|()| None).or_else(missing),
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            file.take(MAX_BYTES).read_to_string(&mut text)?;
            Ok(Some(Locked { server: parse(&text) }))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn parse(text: &str) -> Option<RunningServer> {
    let (content, sum) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let content = format!("{content}\n");
    let mut lines = content.lines();
    let (pid, max_session) = lines.next()?.split_once(' ')?;
    let (pid, max_session) = (pid.parse().ok()?, Duration::from_secs(max_session.parse().ok()?));
    let keys = lines.map(String::from).collect();
    (checksum(&content) == sum).then_some(RunningServer { pid, max_session, keys })
}

fn cant_look(directory: &Path) -> impl Fn(io::Error) -> KeyFileError {
    KeyFileError::io(directory, "find out which servers run")
}

/// Result of [`await_dropped`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Process ids of the servers that use only keys in the file.
    pub confirmed: Vec<String>,
    /// Process ids of the servers that did not confirm it in time.
    pub unconfirmed: Vec<String>,
}

/// Waits, at most `limit`, until each running server in this data directory uses only the keys in the key
/// file.
///
/// # Errors
/// [`KeyFileError`] if the files can't be read.
pub fn await_dropped(directory: &Path, key_file: &Path, limit: Duration) -> Result<Dropped, KeyFileError> {
    let start = clock::monotonic();
    loop {
        // Each time: another command may change it.
        let current: BTreeSet<_> = load(key_file)?.keys().map(SigningKey::fingerprint).collect();
        let mut dropped = Dropped::default();
        for Locked { server } in running_servers(directory).map_err(cant_look(directory))? {
            match server {
                Some(RunningServer { pid, keys, .. }) if keys.is_subset(&current) => {
                    dropped.confirmed.push(pid.to_string());
                }
                Some(RunningServer { pid, .. }) => dropped.unconfirmed.push(pid.to_string()),
                None => dropped.unconfirmed.push("that is starting".into()),
            }
        }
        if dropped.unconfirmed.is_empty() || start.elapsed() >= limit {
            return Ok(dropped);
        }
        thread::sleep(PAUSE);
    }
}

/// Waits until each running server in this data directory has loaded the key with this fingerprint, for no
/// longer than `limit`: a server reads a changed key file within [`super::CHECK_INTERVAL`]. Returns those
/// servers; not one that is just starting, which reads the file later.
///
/// # Errors
/// [`KeyFileError`] where the servers' files can't be read.
pub fn await_loaded(
    directory: &Path,
    fingerprint: &str,
    limit: Duration,
) -> Result<Vec<RunningServer>, KeyFileError> {
    let start = clock::monotonic();
    loop {
        let servers = running_servers(directory).map_err(cant_look(directory))?;
        let servers: Vec<_> = servers.into_iter().filter_map(|locked| locked.server).collect();
        if servers.iter().all(|server| server.has_key(fingerprint)) || start.elapsed() >= limit {
            return Ok(servers);
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{KeyFile, Keys, Refresh};

    const OLD: &str = "a secret of sixteen bytes or more";
    const MAX_SESSION: Duration = Duration::from_secs(3_600);

    fn key_file(directory: &Path) -> PathBuf {
        let path = directory.join("signing-keys");
        os::create_private_file(&path).unwrap();
        fs::write(&path, OLD).unwrap();
        path
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_removed_key_is_dropped_when_every_running_server_has_read_the_file_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = key_file(directory.path());
        let dropped = || await_dropped(directory.path(), &path, Duration::ZERO).unwrap();
        assert_eq!(dropped(), Dropped::default(), "no server runs");
        let servers = [(); 2]
            .map(|()| Keys::watched(path.clone()).unwrap().announced_in(directory.path(), MAX_SESSION));
        let pid = process::id().to_string();
        assert_eq!(dropped().confirmed, [pid.clone(), pid.clone()]);

        // Two changes: the servers have not even seen the first.
        KeyFile::open(&path).unwrap().replace_all(b"the second of the secrets").unwrap();
        KeyFile::open(&path).unwrap().replace_all(b"the third of the secrets").unwrap();
        assert_eq!(
            dropped(),
            Dropped { confirmed: [].into(), unconfirmed: [pid.clone(), pid.clone()].into() }
        );
        assert!(matches!(servers[0].refresh_now(clock::monotonic()), Refresh::Changed));
        assert_eq!(dropped(), Dropped { confirmed: [pid.clone()].into(), unconfirmed: [pid.clone()].into() });
        let [first, second] = servers;
        drop(second);
        assert_eq!(dropped().confirmed, [pid]);
        drop(first);
        assert_eq!(names(directory.path()), ["signing-keys"]);
    }

    #[test]
    fn a_server_publishes_its_keys_and_how_long_tokens_may_live() {
        let directory = tempfile::tempdir().unwrap();
        let path = key_file(directory.path());
        let old = load(&path).unwrap().newest().fingerprint();
        let servers = |key: &str| await_loaded(directory.path(), key, Duration::ZERO).unwrap();
        assert!(servers(&old).is_empty(), "no server runs");
        let server = Keys::watched(path.clone()).unwrap().announced_in(directory.path(), MAX_SESSION);
        let [ref found] = servers(&old)[..] else { panic!("one server runs") };
        assert_eq!((found.pid, found.max_session), (process::id(), MAX_SESSION));
        let new = KeyFile::open(&path).unwrap().add_newest(b"the second of the secrets").unwrap();
        let new = new.newest().fingerprint();
        let has = |key: &str| servers(key).iter().map(|server| server.has_key(key)).collect::<Vec<_>>();
        assert_eq!((has(&old), has(&new)), ([true].into(), [false].into()));
        assert!(matches!(server.refresh_now(clock::monotonic()), Refresh::Changed));
        assert_eq!(has(&new), [true]);
    }

    #[test]
    fn a_link_that_took_the_place_of_a_file_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("loaded-keys-x");
        std::os::unix::fs::symlink(key_file(directory.path()), &link).unwrap();
        assert!(running_server(&link).is_err());
        assert_eq!(names(directory.path()).len(), 2);
    }

    #[test]
    fn a_killed_server_is_ignored_and_a_partial_file_confirms_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = key_file(directory.path());
        let server = LoadedKeys::create_in(directory.path()).unwrap();
        let dropped = || await_dropped(directory.path(), &path, Duration::ZERO).unwrap();
        assert_eq!(dropped().unconfirmed, ["that is starting"]);
        server.publish(&load(&path).unwrap(), MAX_SESSION).unwrap();
        assert_eq!(dropped().confirmed.len(), 1);
        let whole = fs::read(&server.path).unwrap();
        for end in 0..whole.len() {
            fs::write(&server.path, &whole[..end]).unwrap();
            assert_eq!(dropped().unconfirmed.len(), 1, "{end}");
        }
        // The lock ends with the process, and the file stays.
        server.file.unlock().unwrap();
        assert_eq!(dropped(), Dropped::default());
        assert_eq!(names(directory.path()), ["signing-keys"]);
    }
}
