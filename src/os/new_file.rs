//! Atomic creation of files: written under a temporary name, and renamed without replacing a file.

use super::files::{directory_of, open_directory_of};
use super::machine::name_of_file_system;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// A new file with a temporary name; a drop removes it. All operations use one open directory, so that
/// replacing the directory has no effect.
#[derive(Debug)]
pub(crate) struct NewFile {
    directory: File,
    name: OsString,
    partial: OsString,
    file: File,
    is_kept: bool,
}

impl NewFile {
    /// Creates an empty file with mode 0600; `end` is the suffix of its temporary name.
    /// Errors: [`io::ErrorKind::AlreadyExists`] if either name is taken; others of the system calls.
    pub(crate) fn make(path: &Path, end: &str) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let mut partial = name.clone();
        partial.push(end);
        let directory = open_directory_of(path)?;
        if rustix::fs::statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        // O_EXCL follows no link.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&directory, &partial, flags, Mode::RUSR | Mode::WUSR)?;
        Ok(Self { directory, name, partial, file: file.into(), is_kept: false })
    }

    /// The file, open for reading and writing.
    pub(crate) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Syncs the file, renames it and syncs the directory.
    /// Errors: [`io::ErrorKind::AlreadyExists`] if the name was taken meanwhile; others of the system calls.
    pub(crate) fn keep(mut self) -> io::Result<()> {
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

/// Renames a file without replacing another, which [`std::fs::rename`] would.
///
/// By renameat2(2) with `RENAME_NOREPLACE`; else (NFS) by link(2); without hard links (exFAT, some FUSE) by
/// an exclusively created empty file, which is then replaced. Only the last way leaves the empty file behind
/// if the process is killed.
/// Errors: [`io::ErrorKind::AlreadyExists`]; others of the system calls, with the name of the file system.
pub(crate) fn rename_to_free_name(from: &Path, to: &Path) -> io::Result<()> {
    let renamed = rename_at(CWD, from.as_os_str(), to.as_os_str());
    renamed.map_err(|error| name_file_system(error, to))
}

/// Links a file to another name without replacing a file; false without hard links.
/// Errors: [`io::ErrorKind::AlreadyExists`]; others of link(2).
pub(crate) fn link_to_free_name(from: &Path, to: &Path) -> io::Result<bool> {
    match rustix::fs::linkat(CWD, from, CWD, to, AtFlags::empty()) {
        Err(error) if is_unsupported(error) => Ok(false),
        linked => Ok(linked.map(|()| true)?),
    }
}

fn rename_at(directory: BorrowedFd<'_>, from: &OsStr, to: &OsStr) -> io::Result<()> {
    match rustix::fs::renameat_with(directory, from, directory, to, RenameFlags::NOREPLACE) {
        Err(error) if is_unsupported(error) => {}
        renamed => return Ok(renamed?),
    }
    match rustix::fs::linkat(directory, from, directory, to, AtFlags::empty()) {
        Err(error) if is_unsupported(error) => {}
        linked => {
            linked?;
            return Ok(rustix::fs::unlinkat(directory, from, AtFlags::empty())?);
        }
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    drop(rustix::fs::openat(directory, to, flags, Mode::RUSR | Mode::WUSR)?);
    let renamed = rustix::fs::renameat(directory, from, directory, to);
    if renamed.is_err() {
        let _ = rustix::fs::unlinkat(directory, to, AtFlags::empty()); // ours, and empty
    }
    Ok(renamed?)
}

/// Errors of file systems without the operation. EPERM is that of link(2); if it means a missing permission,
/// the next way fails too.
fn is_unsupported(error: Errno) -> bool {
    matches!(error, Errno::INVAL | Errno::NOSYS | Errno::NOTSUP | Errno::PERM)
}

/// Adds the file system's name to an error.
fn name_file_system(error: io::Error, path: &Path) -> io::Error {
    match name_of_file_system(directory_of(path)) {
        Some(name) if error.kind() != io::ErrorKind::AlreadyExists => {
            io::Error::new(error.kind(), format!("{error} (file system: {name})"))
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_new_file_gets_a_free_name_only_and_is_removed_if_it_is_not_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        drop(NewFile::make(&path, ".partial").unwrap());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        let new = NewFile::make(&path, ".partial").unwrap();
        fs::write(&path, "taken meanwhile").unwrap();
        assert_eq!(new.keep().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(NewFile::make(&path, ".partial").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        fs::remove_file(&path).unwrap();
        NewFile::make(&path, ".partial").unwrap().keep().unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_rename_replaces_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| directory.path().join(name));
        fs::write(&from, "new").unwrap();
        fs::write(&to, "old").unwrap();
        assert_eq!(rename_to_free_name(&from, &to).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&to).unwrap(), "old");
        fs::remove_file(&to).unwrap();
        rename_to_free_name(&from, &to).unwrap();
        assert_eq!((fs::read_to_string(&to).unwrap().as_str(), from.exists()), ("new", false));
    }
}
