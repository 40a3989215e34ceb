//! Opening, syncing and locking of files.

use rustix::fs::{Access, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Creates a file with mode 0600.
/// Errors: [`io::ErrorKind::AlreadyExists`] if the name is taken; others of open(2).
pub(crate) fn create_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

pub(crate) fn unexpected_link(path: &Path) -> io::Error {
    let path = path.display();
    io::Error::other(format!(
        "{path} is a symbolic link, expected a regular file; put the file itself there, or name its real place (--data, --key-file)"
    ))
}

/// Device and inode: identifies an existing file by any of its names. Reused after the file is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

pub(crate) fn may_write(directory: &Path) -> bool {
    rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// Opens a regular file for reading; follows no symbolic link, and doesn't wait for the other end of a pipe.
/// Errors: [`io::ErrorKind::InvalidInput`] for anything but a regular file.
pub(crate) fn open_regular_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    regular(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// The same, for a path that others may change meanwhile, and with `/proc`: nothing else is opened, since to
/// open a device can have an effect.
pub(crate) fn open_only_regular_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = regular(rustix::fs::open(path, flags, Mode::empty())?.into())?;
    File::open(format!("/proc/self/fd/{}", found.as_raw_fd()))
}

fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
    }
}

pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// Opens the directory of a path. A pipe in its place, whose other end may never come, is an error.
pub(crate) fn open_directory_of(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(directory_of(path), flags, Mode::empty())?.into())
}

/// Syncs the directory of a path, which makes a new name in it durable.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    open_directory_of(path)?.sync_all()
}

/// Tries an fcntl(2) lock, as SQLite uses, on an unnamed file in the same directory.
pub(crate) fn try_file_lock_beside(path: &Path) -> io::Result<()> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let file = rustix::fs::open(directory_of(path), flags, Mode::RUSR | Mode::WUSR)?;
    Ok(rustix::fs::fcntl_lock(file, FlockOperation::NonBlockingLockExclusive)?)
}

/// Whether a lock failed because the file system has no locks.
pub(crate) fn is_missing_locks(error: &io::Error) -> bool {
    let missing = [Errno::NOLCK, Errno::NOSYS, Errno::NOTSUP];
    error.raw_os_error().is_some_and(|code| missing.iter().any(|errno| errno.raw_os_error() == code))
}
