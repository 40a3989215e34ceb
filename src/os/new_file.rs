//! New files: made whole under another name, and given a name that is free. A name never replaces a file.

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// A file that gets its name only when it is whole. Everything happens in a directory that was opened once, so that nobody can
/// put another in its place. Dropped, the file is removed again.
#[derive(Debug)]
pub struct NewFile {
    directory: File,
    name: OsString,
    partial: OsString,
    file: File,
    is_kept: bool,
}

impl NewFile {
    /// Makes an empty file for this process's user alone, whose name so far ends with `end`.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] where either name is taken, or what else the system reports.
    pub fn make(path: &Path, end: &str) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let mut partial = name.clone();
        partial.push(end);
        let directory = super::open_directory_of(path)?;
        if rustix::fs::statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        // O_EXCL follows no link.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&directory, &partial, flags, Mode::RUSR | Mode::WUSR)?;
        Ok(Self { directory, name, partial, file: file.into(), is_kept: false })
    }

    /// The file, open to read and to write.
    ///
    /// # Errors
    /// What the system reports.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Gives the file its name, and gets both onto the disk.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] where the name was taken meanwhile, or what else the system reports.
    pub fn keep(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        rename_at(self.directory.as_fd(), &self.partial, &self.name)?;
        self.is_kept = true;
        self.directory.sync_all()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = rustix::fs::unlinkat(&self.directory, &self.partial, AtFlags::empty());
        }
    }
}

/// Gives a file another name, which must be free: [`std::fs::rename`] would replace what has it.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`], or what else the system says.
pub fn rename_to_free_name(from: &Path, to: &Path) -> io::Result<()> {
    rename_at(CWD, from.as_os_str(), to.as_os_str())
}

fn rename_at(directory: BorrowedFd<'_>, from: &OsStr, to: &OsStr) -> io::Result<()> {
    match rustix::fs::renameat_with(directory, from, directory, to, RenameFlags::NOREPLACE) {
        // A file system that can't, such as NFS, can give a second name instead, which never replaces anything.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            rustix::fs::linkat(directory, from, directory, to, AtFlags::empty())?;
            Ok(rustix::fs::unlinkat(directory, from, AtFlags::empty())?)
        }
        renamed => Ok(renamed?),
    }
}
