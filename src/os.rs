//! What the operating system has and the standard library doesn't offer.

mod machine;
mod readiness;

pub use machine::{FileSystem, available_memory, file_system_of};
pub use readiness::{Readiness, wait_for_either, wait_to_read, wait_to_write};

use rustix::fs::{CWD, Mode, RenameFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, sockopt};
use rustix::process::{self, Resource};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::Path;

/// From here on, files and directories that this process makes are for its user alone.
pub fn make_new_files_private() {
    process::umask(Mode::RWXG | Mode::RWXO);
}

/// Makes a new file, its owner's alone from its first moment.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] where anything has that name, or what else the system says.
pub fn create_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Which file it is, by whatever name and through whatever link it is reached. Two files that are there at the same time never
/// have the same; that of a file that is gone, another may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// That of the file that this was read of.
    pub fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// The user and group that this process acts as: (uid, gid).
pub fn effective_ids() -> (u32, u32) {
    (process::geteuid().as_raw(), process::getegid().as_raw())
}

/// Opens the directory in which this file stands, or would.
///
/// # Errors
/// What the system says.
pub fn open_directory_of(path: &Path) -> io::Result<File> {
    match path.parent() {
        Some(directory) if directory != Path::new("") => File::open(directory),
        _ => File::open("."),
    }
}

/// A new name in a directory is on the disk when the directory is.
///
/// # Errors
/// What the system says.
pub fn sync_directory_of(path: &Path) -> io::Result<()> {
    open_directory_of(path)?.sync_all()
}

/// Root works for others: what it made in a directory of somebody else's becomes that owner's. For anybody else, nothing.
///
/// # Errors
/// What the system says.
pub fn give_to_owner_of_directory(path: &Path) -> io::Result<()> {
    let directory = open_directory_of(path)?.metadata()?;
    let (uid, _) = effective_ids();
    if uid == 0 && directory.uid() != uid {
        chown(path, Some(directory.uid()), Some(directory.gid()))
    } else {
        Ok(())
    }
}

/// Gives a file another name, which must be free: [`std::fs::rename`] would replace what has it.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`], or what else the system says.
pub fn rename_to_free_name(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that can't, such as NFS, can give a second name instead, which never replaces anything.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        renamed => Ok(renamed?),
    }
}

/// Lets this thread, and no other of the process, step back behind others: from nice 0 to 19. Needs no privilege.
///
/// # Errors
/// What setpriority(2) says.
pub fn lower_priority_of_this_thread(niceness: i32) -> io::Result<()> {
    // On Linux priorities are the threads', and a thread's id does for a process's.
    Ok(process::setpriority_process(Some(rustix::thread::gettid()), niceness)?)
}

/// How many descriptors this process may have open at once; `None` for no limit.
pub fn max_descriptors() -> Option<u64> {
    process::getrlimit(Resource::Nofile).current
}

/// A socket that somebody listens on, and of which kind it is.
#[derive(Debug)]
pub enum ListeningSocket {
    /// At an address and a port.
    Tcp(OwnedFd),
    /// At a path.
    Unix(OwnedFd),
}

/// Takes the listening socket that standard input is; `None` if it is none. Standard input is empty after that, so
/// that the socket is closed when its new owner drops it.
///
/// # Errors
/// What the system says.
pub fn take_listening_stdin() -> io::Result<Option<ListeningSocket>> {
    let stdin = io::stdin();
    if !is_socket(&stdin) || !sockopt::socket_acceptconn(&stdin)? {
        return Ok(None);
    }
    let is_stream = sockopt::socket_type(&stdin)? == SocketType::STREAM;
    let kind = match sockopt::socket_domain(&stdin)? {
        AddressFamily::INET | AddressFamily::INET6 if is_stream => ListeningSocket::Tcp,
        AddressFamily::UNIX if is_stream => ListeningSocket::Unix,
        _ => return Ok(None),
    };
    let socket = stdin.as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(Some(kind(socket)))
}

/// Whether this descriptor is a socket.
pub fn is_socket(descriptor: &impl AsFd) -> bool {
    sockopt::socket_type(descriptor).is_ok()
}
