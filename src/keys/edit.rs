//! Edits the key file: one process at a time, atomically.
//!
//! - **Locked**: an edit holds a flock(2) on the file. Each edit replaces the file, so after the lock it
//!   checks that the file is still the one at the path.
//! - **Atomic**: a temporary file with the old owner, group and mode is written, synced and renamed; then the
//!   directory is synced.
//! - A symbolic link stays: its target is replaced.
//!
//! Left out: access lists and extended attributes are lost.

use super::file::{self, KeyFileError};
use crate::os::{self, FileId};
use crate::secret::SecretBytes;
use crate::signer::{self, KeyRing, SigningKey};
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

/// The locked key file, during an edit.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    metadata: Metadata,
    ring: KeyRing,
    /// The lines of the file, one for each key, without line feeds.
    lines: Vec<SecretBytes>,
    /// Held until this is dropped.
    _lock: File,
}

impl KeyFile {
    /// Locks and reads the file. Waits for an edit of another process.
    pub fn open(path: &Path) -> Result<Self, KeyFileError> {
        os::refuse_other_owners_as_root(path).map_err(KeyFileError::io(path, "change it"))?;
        let real = fs::canonicalize(path).map_err(KeyFileError::io(path, "read it"))?;
        let file = lock(&real)?;
        let (bytes, metadata) = file::read(&real, &file)?;
        let ring = file::parse(&real, &bytes)?;
        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let lines = text.split(|byte| *byte == b'\n').map(|line| SecretBytes::new(line.to_vec())).collect();
        Ok(Self { path: real, metadata, ring, lines, _lock: file })
    }

    /// The keys in it.
    pub fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// Puts a new secret ([`super::new_secret`]) at the end, so that it signs.
    ///
    /// # Errors
    /// [`KeyFileError`] where it can't be written, or would hold too many keys or one that is none.
    pub fn rotate(mut self, new: &[u8]) -> Result<KeyRing, KeyFileError> {
        self.lines.push(SecretBytes::new(new.to_vec()));
        self.save()
    }

    /// Puts a secret that others know at the end, so that it signs access tokens.
    pub fn add_newest(mut self, secret: &[u8]) -> Result<KeyRing, KeyFileError> {
        self.lines.push(SecretBytes::new(signer::encode_line(secret)));
        self.save()
    }

    /// Puts a secret that others know at the beginning, so that it verifies and never signs.
    pub fn add_oldest(mut self, secret: &[u8]) -> Result<KeyRing, KeyFileError> {
        self.lines.insert(0, SecretBytes::new(signer::encode_line(secret)));
        self.save()
    }

    /// Drops every key, and puts this new secret in their place.
    pub fn replace_all(mut self, new: &[u8]) -> Result<KeyRing, KeyFileError> {
        self.lines = [SecretBytes::new(new.to_vec())].into();
        self.save()
    }

    /// Removes the keys for which `keep` is false.
    ///
    /// # Errors
    /// As [`KeyFile::rotate`]; also if none is left.
    pub fn retain(mut self, keep: impl Fn(&SigningKey) -> bool) -> Result<KeyRing, KeyFileError> {
        let mut kept = self.ring.keys().map(keep);
        self.lines.retain(|_| kept.next().unwrap_or(true));
        drop(kept);
        self.save()
    }

    /// Replaces the file by the lines, and returns their ring.
    fn save(self) -> Result<KeyRing, KeyFileError> {
        let mut bytes = SecretBytes::default();
        for line in &self.lines {
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
        }
        let ring = file::parse(&self.path, &bytes)?;
        let temporary = file::temporary_beside(&self.path).map_err(KeyFileError::at(&self.path))?;
        let replaced = write_like(&self.metadata, &temporary, &bytes)
            .and_then(|()| fs::rename(&temporary, &self.path))
            .inspect_err(|_| drop(fs::remove_file(&temporary)))
            .and_then(|()| os::sync_directory_of(&self.path));
        replaced.map_err(KeyFileError::io(&self.path, "replace it"))?;
        Ok(ring)
    }
}

/// Locks the file at this path; retries if it was replaced meanwhile.
fn lock(path: &Path) -> Result<File, KeyFileError> {
    loop {
        let file = file::open(path)?;
        let is_current =
            file.lock().and_then(|()| Ok(FileId::of(&file.metadata()?) == FileId::of(&fs::metadata(path)?)));
        if is_current.map_err(KeyFileError::io(path, "lock it"))? {
            return Ok(file);
        }
    }
}

/// Writes a file with the owner, group and mode of the old one, which are set before it contains a secret.
fn write_like(old: &Metadata, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = os::create_private_file(path)?;
    let made = file.metadata()?;
    if (made.uid(), made.gid()) != (old.uid(), old.gid()) {
        fchown(&file, Some(old.uid()), Some(old.gid()))?;
    }
    file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{chown, symlink};

    const OLD: &str = "a secret of sixteen bytes or more";

    fn file(mode: u32) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signing-keys");
        fs::write(&path, OLD).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (directory, path)
    }

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn keys_are_added_at_either_end_and_removed() {
        let (directory, path) = file(0o600);
        KeyFile::open(&path).unwrap().rotate(b"the newest of the secrets").unwrap();
        KeyFile::open(&path).unwrap().add_oldest(b"the oldest\nof the secrets").unwrap();
        let oldest = "base64:dGhlIG9sZGVzdApvZiB0aGUgc2VjcmV0cw==";
        assert_eq!(text(&path), format!("{oldest}\n{OLD}\nthe newest of the secrets\n"));
        let middle = SigningKey::new(OLD.as_bytes()).unwrap().fingerprint();
        let ring = KeyFile::open(&path).unwrap().retain(|key| key.fingerprint() != middle).unwrap();
        assert_eq!(ring.keys().count(), 2);
        assert_eq!(text(&path), format!("{oldest}\nthe newest of the secrets\n"));
        KeyFile::open(&path).unwrap().replace_all(b"the only secret there is").unwrap();
        assert_eq!(text(&path), "the only secret there is\n");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_change_that_would_leave_no_ring_changes_nothing() {
        let (directory, path) = file(0o600);
        let error = KeyFile::open(&path).unwrap().retain(|_| false).unwrap_err();
        assert!(error.to_string().ends_with("it holds no key, expected one secret a line"));
        assert!(KeyFile::open(&path).unwrap().rotate(&[b'x'; 1025]).is_err());
        assert_eq!(text(&path), OLD);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_new_file_has_the_mode_and_the_owner_of_the_old_one() {
        let (_directory, path) = file(0o400);
        // Only root may give files away; other users see that the mode stays.
        let was_given_away = chown(&path, Some(65_534), Some(65_533)).is_ok();
        let before = fs::metadata(&path).unwrap();
        assert_eq!((before.uid() == 65_534, before.gid() == 65_533), (was_given_away, was_given_away));
        KeyFile::open(&path).unwrap().rotate(b"the newest of the secrets").unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_ne!(after.ino(), before.ino(), "it is another file");
        assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
    }

    #[test]
    fn a_symbolic_link_stays_one() {
        let (directory, path) = file(0o600);
        let link = directory.path().join("link");
        symlink(&path, &link).unwrap();
        KeyFile::open(&link).unwrap().replace_all(b"the only secret there is").unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(text(&path), "the only secret there is\n");
    }

    #[test]
    fn concurrent_changes_are_serialized() {
        let (_directory, path) = file(0o600);
        std::thread::scope(|scope| {
            for number in 0..15 {
                let (secret, path) = (format!("secret number {number:04}"), &path);
                scope.spawn(move || KeyFile::open(path).unwrap().rotate(secret.as_bytes()).unwrap());
            }
        });
        let mut lines: Vec<_> = text(&path).lines().map(String::from).collect();
        assert_eq!(lines.remove(0), OLD);
        lines.sort();
        let expected: Vec<_> = (0..15).map(|number| format!("secret number {number:04}")).collect();
        assert_eq!(lines, expected);
    }
}
