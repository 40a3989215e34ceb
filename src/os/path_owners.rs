//! Path owners: the users besides root who can change what a path leads to.
//!
//! The owner of a directory can replace its entries, by a symbolic link for instance. A root process that
//! follows such a path reads and writes a file of that user's choice. So root first finds the owners of the
//! directories and links on the path (as sshd's `StrictModes`), and then acts as that user or rejects the
//! path.
//!
//! Left out: group- or world-writable directories without the sticky bit; `gatekey doctor` reports them.

use super::process::effective_ids;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

/// The kernel's limit of symbolic links in a path.
const MAX_LINKS: usize = 40;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathOwners {
    /// The users but root who own a directory or a symbolic link on the path, in order. Not the owner of a
    /// file at its end.
    pub(crate) users: Vec<u32>,
    /// The path without symbolic links, as far as it exists.
    pub(crate) real: PathBuf,
    pub(crate) last: LastEntry,
}

/// The last entry of a path that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastEntry {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Whether the whole path exists; else the next component is missing.
    pub(crate) is_whole_path: bool,
}

impl PathOwners {
    /// Walks along a path from the root directory, through every symbolic link.
    /// Errors: Those of lstat(2) and readlink(2), but not that the path doesn't exist.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let mut walk =
            Walk { users: Vec::new(), real: PathBuf::from("/"), links: 0, unmapped: unmapped_user() };
        let mut last = walk.note(&fs::symlink_metadata("/")?);
        let mut rest: VecDeque<OsString> = components(&path);
        while let Some(name) = rest.pop_front() {
            match walk.step(&name, &mut rest) {
                Ok(Some(entry)) => last = entry,
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    last.is_whole_path = false;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Self { users: walk.users, real: walk.real, last })
    }
}

/// Without `/` and `.`.
fn components(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    names.map(|part| part.as_os_str().to_owned()).collect()
}

struct Walk {
    users: Vec<u32>,
    real: PathBuf,
    links: usize,
    unmapped: Option<u32>,
}

impl Walk {
    /// Follows one component; `None` for a symbolic link, whose components are then first in `rest`.
    fn step(&mut self, name: &OsString, rest: &mut VecDeque<OsString>) -> io::Result<Option<LastEntry>> {
        if name == ".." {
            self.real.pop();
            return Ok(Some(entry(&fs::symlink_metadata(&self.real)?)));
        }
        let next = self.real.join(name);
        let metadata = fs::symlink_metadata(&next)?;
        if metadata.is_symlink() {
            self.links = self.links.saturating_add(1);
            if self.links > MAX_LINKS {
                return Err(rustix::io::Errno::LOOP.into());
            }
            self.note(&metadata);
            let target = fs::read_link(&next)?;
            if target.is_absolute() {
                self.real = PathBuf::from("/");
            }
            for name in components(&target).into_iter().rev() {
                rest.push_front(name);
            }
            return Ok(None);
        }
        self.real = next;
        Ok(Some(if metadata.is_dir() { self.note(&metadata) } else { entry(&metadata) }))
    }

    fn note(&mut self, metadata: &Metadata) -> LastEntry {
        let uid = metadata.uid();
        if uid != 0 && Some(uid) != self.unmapped && !self.users.contains(&uid) {
            self.users.push(uid);
        }
        entry(metadata)
    }
}

/// The id that a user namespace shows for owners outside of it (user_namespaces(7)), as whom no process
/// inside can act.
fn unmapped_user() -> Option<u32> {
    let map = fs::read_to_string("/proc/self/uid_map").ok()?;
    let maps_all = map.split_whitespace().eq(["0", "0", "4294967295"]);
    let shown = || fs::read_to_string("/proc/sys/kernel/overflowuid").ok()?.trim().parse().ok();
    if maps_all { None } else { shown() }
}

fn entry(metadata: &Metadata) -> LastEntry {
    LastEntry { uid: metadata.uid(), gid: metadata.gid(), is_whole_path: true }
}

/// Rejects a path that another user controls, if this process is root.
/// Errors: [`ErrorKind::PermissionDenied`] with advice; those of [`PathOwners::of`].
pub(crate) fn refuse_other_owners_as_root(path: &Path) -> io::Result<()> {
    if effective_ids().0 != 0 {
        return Ok(());
    }
    match PathOwners::of(path)?.users.first() {
        None => Ok(()),
        Some(uid) => Err(other_owner(path, *uid)),
    }
}

/// Rejects an open directory of another user, if this process is root.
/// Errors: [`ErrorKind::PermissionDenied`] with advice; those of fstat(2).
pub(crate) fn refuse_directory_of_others_as_root(directory: &fs::File, path: &Path) -> io::Result<()> {
    let uid = directory.metadata()?.uid();
    if effective_ids().0 == 0 && uid != 0 { Err(other_owner(path, uid)) } else { Ok(()) }
}

fn other_owner(path: &Path, uid: u32) -> io::Error {
    let message = format!(
        "user {uid} controls the path {}, so root does not write there; run the command as that user: sudo -u '#{uid}' gatekey ...",
        path.display()
    );
    io::Error::new(ErrorKind::PermissionDenied, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_walk_resolves_links_and_stops_at_a_missing_component() {
        let directory = tempfile::tempdir().unwrap();
        let real = fs::canonicalize(directory.path()).unwrap();
        fs::create_dir(real.join("data")).unwrap();
        symlink("data/../data", real.join("link")).unwrap();
        let (own, _) = effective_ids();
        let found = PathOwners::of(&real.join("link/./missing/deeper")).unwrap();
        assert_eq!((found.real, found.last.is_whole_path), (real.join("data"), false));
        assert_eq!(found.last.uid, own);
        let found = PathOwners::of(&real.join("link")).unwrap();
        assert_eq!((found.real, found.last.is_whole_path), (real.join("data"), true));
        symlink("loop", real.join("loop")).unwrap();
        assert!(PathOwners::of(&real.join("loop")).is_err());
    }

    #[test]
    fn every_owner_of_a_directory_or_link_on_the_way_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let real = fs::canonicalize(directory.path()).unwrap();
        let inner = real.join("outer/inner");
        fs::create_dir_all(&inner).unwrap();
        symlink(&inner, real.join("link")).unwrap();
        if std::os::unix::fs::chown(real.join("outer"), Some(54_321), None).is_err() {
            return; // only root can give a directory away; the integration tests say so aloud
        }
        std::os::unix::fs::lchown(real.join("link"), Some(54_322), None).unwrap();
        assert_eq!(PathOwners::of(&inner).unwrap().users, [54_321]);
        assert_eq!(PathOwners::of(&real.join("link/file")).unwrap().users, [54_322, 54_321]);
        assert!(PathOwners::of(&real).unwrap().users.is_empty());
    }
}
