//! The keys in use, and the file from which they are reloaded.

use super::file::{KeyFileError, Stamp, load_with_stamp};
use super::loaded::Announcement;
use crate::signer::KeyRing;
use crate::wait::{lock, try_lock};
use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

/// Interval at which a server checks the file.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(1);

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
    pub fn watched(path: PathBuf) -> Result<Self, KeyFileError> {
        let (ring, stamp) = load_with_stamp(&path)?;
        let announcement = Announcement::default();
        let last = Mutex::new(LastCheck { stamp, at: None, last_error: None, announcement });
        Ok(Self { ring: RwLock::new(Arc::new(ring)), file: Some(Watched { path, last }) })
    }

    /// Announces the loaded keys and the limit for tokens in a data directory until the drop, for
    /// [`await_dropped`](super::await_dropped) and [`await_loaded`](super::await_loaded). Reloads the file. On a
    /// failure the next refresh retries and reports it.
    #[must_use]
    pub fn announced_in(self, directory: &Path, max_session: Duration) -> Self {
        if let Some(Watched { path, last }) = &self.file {
            let mut last = lock(last);
            last.announcement = Announcement::new(directory, max_session);
            self.read_again(path, &mut last);
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
        self.file.as_ref().is_some_and(|file| try_lock(&file.last).is_ok_and(|last| last.is_due(now)))
    }

    /// Reloads the file if it has changed; checks it once per [`CHECK_INTERVAL`], in one thread.
    pub fn refresh(&self, now: Instant) -> Refresh {
        let Some(Watched { path, last }) = &self.file else { return Refresh::Unchanged };
        let Ok(mut last) = try_lock(last) else { return Refresh::Unchanged };
        if !last.is_due(now) {
            return Refresh::Unchanged;
        }
        last.at = Some(now);
        let is_same = fs::metadata(path).is_ok_and(|metadata| Stamp::of(&metadata) == last.stamp);
        if is_same && last.last_error.is_none() && !last.announcement.is_stale {
            return Refresh::Unchanged;
        }
        self.read_again(path, &mut last)
    }

    /// Reloads the file now.
    pub fn refresh_now(&self, now: Instant) -> Refresh {
        let Some(Watched { path, last }) = &self.file else { return Refresh::Unchanged };
        let mut last = lock(last);
        last.at = Some(now);
        self.read_again(path, &mut last)
    }

    fn read_again(&self, path: &Path, last: &mut LastCheck) -> Refresh {
        // Before the read: a command that doesn't see the announcement has changed the key file before it.
        let created = last.announcement.create();
        let read = load_with_stamp(path).map(|(ring, stamp)| {
            *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
            last.stamp = stamp;
        });
        let announced = created.and_then(|()| last.announcement.publish(&self.ring()));
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
    use crate::keys::test_files::{directory, write};

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
