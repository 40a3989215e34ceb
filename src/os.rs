//! What the operating system has and the standard library doesn't offer.

mod connect;
mod fd_passing;
mod machine;
mod new_file;
mod path_owners;
mod poller;
mod privileges;
mod socket_buffers;

pub use connect::connect_unix;
pub use fd_passing::{receive_files, send_files};
pub use machine::{
    FileSystem, available_memory, file_system_of, is_in_container, is_in_read_only_mount, name_of_file_system,
};
pub use new_file::{NewFile, link_to_free_name, rename_to_free_name};
pub use path_owners::{
    LastEntry, PathOwners, refuse_directory_of_others_as_root, refuse_other_owners_as_root,
};
pub use poller::{Poller, Readiness, Waker, wait_to_read};
pub use privileges::{become_user, end_with_parent, group_of_user, leave_terminal, send_signal};
pub use socket_buffers::{bound_socket_buffers, set_nodelay};

use rustix::fs::{Access, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, sockopt};
use rustix::process::{self, Resource};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// From here on, files and directories that this process makes are for its user alone.
pub fn make_new_files_private() {
    process::umask(Mode::RWXG | Mode::RWXO);
}

/// Does something that makes files, none of which gets more than this mode. For a process that has one thread so far.
pub fn with_mode_of_new_files<T>(mode: u32, create: impl FnOnce() -> T) -> T {
    let before = process::umask(Mode::from_raw_mode(0o777 & !mode));
    let created = create();
    process::umask(before);
    created
}

/// Makes a new file, its owner's alone from its first moment.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] where anything has that name, or what else the system says.
pub fn create_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// That a symbolic link is in the place of a file of ours.
pub fn unexpected_link(path: &Path) -> io::Error {
    let path = path.display();
    io::Error::other(format!(
        "{path} is a symbolic link, expected a regular file; put the file itself there, or name its real place (--data, --key-file)"
    ))
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

/// Whether this program runs with another user's rights than those of the user who started it: set-user-ID.
pub fn is_set_user_id() -> bool {
    process::getuid() != process::geteuid()
}

/// Whether this process may make files in a directory; not on a file system that is mounted read-only, for instance.
pub fn may_write(directory: &Path) -> bool {
    rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// Opens an existing file to read, if it is a regular one and no symbolic link. Nothing else is opened: to open some devices
/// has an effect, and the other end of a pipe may never come.
///
/// # Errors
/// What the system reports; [`io::ErrorKind::InvalidInput`] for anything but a regular file.
pub fn open_regular_file(path: &Path) -> io::Result<File> {
    let found =
        File::from(rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?);
    if !found.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    File::open(format!("/proc/self/fd/{}", found.as_raw_fd()))
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

/// Tries a lock by fcntl(2), which SQLite uses, on an unnamed file beside this one.
///
/// # Errors
/// What the system reports of the lock; or that there can be no such file.
pub fn try_file_lock_beside(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let file = rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR)?;
    Ok(rustix::fs::fcntl_lock(file, FlockOperation::NonBlockingLockExclusive)?)
}

/// Whether a lock failed because the file system has none, and not because another process has it.
pub fn is_missing_locks(error: &io::Error) -> bool {
    let missing = [Errno::NOLCK, Errno::NOSYS, Errno::NOTSUP];
    error.raw_os_error().is_some_and(|code| missing.iter().any(|errno| errno.raw_os_error() == code))
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

/// Whether the systemd journal records what this process writes to standard error: `JOURNAL_STREAM` names the device and the
/// inode of that stream (systemd.exec(5)).
pub fn stderr_is_journal() -> bool {
    let stream = || {
        let metadata = File::from(io::stderr().as_fd().try_clone_to_owned()?).metadata()?;
        Ok::<_, io::Error>(format!("{}:{}", metadata.dev(), metadata.ino()))
    };
    std::env::var("JOURNAL_STREAM").is_ok_and(|expected| stream().is_ok_and(|stream| stream == expected))
}
