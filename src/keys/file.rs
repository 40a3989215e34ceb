//! Key file: created, read, and its owners and modes checked.

use super::published::is_published;
use crate::encoding;
use crate::os::{self, FileId};
use crate::random::{self, RandomError};
use crate::secret::SecretBytes;
use crate::shell;
use crate::signer::{KeyRing, KeyRingError, SigningKey};
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Maximum size of the file: more than 16 keys of 1 KiB in base64.
const MAX_FILE_BYTES: u64 = 32 * 1024;

/// Error of the key file. Messages begin with its path.
#[derive(Debug, thiserror::Error)]
#[error("signing keys {}: {problem}", path.display())]
pub struct KeyFileError {
    path: PathBuf,
    #[source]
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
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
    Ring(#[from] KeyRingError),
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl KeyFileError {
    /// Attributes a problem to the file at this path.
    pub(super) fn at<E: Into<Problem>>(path: &Path) -> impl Fn(E) -> Self {
        move |problem| Self { path: path.into(), problem: problem.into() }
    }

    /// Attributes the error of an attempt to the file at this path.
    pub(super) fn io(path: &Path, attempt: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self { path: path.into(), problem: Problem::Io(attempt, error) }
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
pub fn create_if_missing(path: &Path) -> Result<(), KeyFileError> {
    let failed = KeyFileError::io(path, "make it");
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    os::refuse_other_owners_as_root(path).map_err(&failed)?;
    let secret = new_secret().map_err(KeyFileError::at(path))?;
    let temporary = temporary_beside(path).map_err(KeyFileError::at(path))?;
    let made = write_and_sync(&temporary, &secret).and_then(|()| os::rename_to_free_name(&temporary, path));
    let made = made.or_else(|error| {
        let _ = fs::remove_file(&temporary);
        // A concurrent first start created it.
        if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) }
    });
    made.and_then(|()| os::sync_directory_of(path)).map_err(failed)
}

/// A new secret: 32 random bytes in base64url, a line of the file without its line feed.
pub fn new_secret() -> Result<SecretBytes, RandomError> {
    let secret = random::bytes::<{ SigningKey::STRONG_BYTES }>()?;
    Ok(SecretBytes::new(encoding::encode_base64url(secret).into_bytes()))
}

/// A random name in the same directory.
pub(super) fn temporary_beside(path: &Path) -> Result<PathBuf, RandomError> {
    let name = encoding::encode_base64url(random::bytes::<6>()?);
    Ok(path.with_extension(format!("new-{name}")))
}

/// The temporary files of this key file: one of an edit in progress, others of interrupted ones.
///
/// # Errors
/// If the directory can't be read.
pub fn leftovers(path: &Path) -> io::Result<Vec<PathBuf>> {
    // An edit follows a link to the file.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.into());
    let directory = os::directory_of(&path);
    // As `temporary_beside` names them.
    let is_one = |other: &Path| {
        let is_new = other.extension().is_some_and(|end| end.as_encoded_bytes().starts_with(b"new-"));
        is_new && other.file_stem() == path.file_stem()
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?.path();
        if is_one(&entry) {
            found.push(entry);
        }
    }
    found.sort();
    Ok(found)
}

fn write_and_sync(path: &Path, line: &[u8]) -> io::Result<()> {
    let mut file = os::create_private_file(path)?;
    file.write_all(line)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// Reads the file.
pub fn load(path: &Path) -> Result<KeyRing, KeyFileError> {
    load_with_stamp(path).map(|(ring, _)| ring)
}

pub(super) fn load_with_stamp(path: &Path) -> Result<(KeyRing, Stamp), KeyFileError> {
    let (bytes, metadata) = read(path, &open(path)?)?;
    Ok((parse(path, &bytes)?, Stamp::of(&metadata)))
}

pub(super) fn open(path: &Path) -> Result<File, KeyFileError> {
    let failed = KeyFileError::io(path, "read it");
    // Before opening, which blocks on a pipe. The open file is checked again.
    if !fs::metadata(path).map_err(&failed)?.is_file() {
        return Err(KeyFileError::at(path)(Problem::NotAFile));
    }
    File::open(path).map_err(failed)
}

pub(super) fn read(path: &Path, file: &File) -> Result<(SecretBytes, Metadata), KeyFileError> {
    let failed = KeyFileError::io(path, "read it");
    let metadata = file.metadata().map_err(&failed)?;
    let is_secret = || is_mounted_secret(&metadata, os::is_in_read_only_mount(file));
    if !is_private(&metadata, os::effective_ids()) && !is_secret() {
        let mode = metadata.mode() & 0o7777;
        return Err(KeyFileError::at(path)(Problem::Mode { path: path.into(), mode }));
    }
    let mut bytes = SecretBytes::default();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(KeyFileError::at(path)(Problem::TooLarge));
    }
    Ok((bytes, metadata))
}

/// Group-readable is accepted only with another owner or group: otherwise it is an accident.
fn is_private(metadata: &Metadata, (uid, gid): (u32, u32)) -> bool {
    match metadata.mode() & 0o7777 {
        0o600 | 0o400 => true,
        0o640 | 0o440 => metadata.uid() != uid || metadata.gid() != gid,
        _ => false,
    }
}

/// Docker and Kubernetes mount secrets with these modes, which can't be changed in the container.
fn is_mounted_secret(metadata: &Metadata, is_read_only: bool) -> bool {
    is_read_only && metadata.uid() == 0 && matches!(metadata.mode() & 0o7777, 0o444 | 0o644)
}

pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<KeyRing, KeyFileError> {
    KeyRing::parse(bytes).map(|ring| ring.disown(is_published)).map_err(KeyFileError::at(path))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    id: FileId,
    modified: (i64, i64),
    changed: (i64, i64),
    bytes: u64,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            id: FileId::of(metadata),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            bytes: metadata.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::test_files::{directory, write};

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
    fn a_leftover_key_file_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signing-keys");
        let left = temporary_beside(&path).unwrap();
        for path in
            [&path, &left, &directory.path().join("other.new-x"), &directory.path().join("signing-keys.old")]
        {
            fs::write(path, "x").unwrap();
        }
        assert_eq!(leftovers(&path).unwrap().as_slice(), core::slice::from_ref(&left));
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(leftovers(&link).unwrap(), [left]);
    }
}
