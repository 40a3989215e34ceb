//! Operating system interfaces that the standard library lacks, by rustix.

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

/// Sets the umask to 077: new files are private.
pub fn make_new_files_private() {
    process::umask(Mode::RWXG | Mode::RWXO);
}

/// Runs an operation under the umask for this mode. Only for a process with one thread.
pub fn with_mode_of_new_files<T>(mode: u32, create: impl FnOnce() -> T) -> T {
    let before = process::umask(Mode::from_raw_mode(0o777 & !mode));
    let created = create();
    process::umask(before);
    created
}

/// Creates a file with mode 0600.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if the name is taken; others of open(2).
pub fn create_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The error for a symbolic link in place of a data file.
pub fn unexpected_link(path: &Path) -> io::Error {
    let path = path.display();
    io::Error::other(format!(
        "{path} is a symbolic link, expected a regular file; put the file itself there, or name its real place (--data, --key-file)"
    ))
}

/// Device and inode: identifies an existing file by any of its names. Reused after the file is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The id of a file, from its metadata.
    pub fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// Effective user and group: (uid, gid).
pub fn effective_ids() -> (u32, u32) {
    (process::geteuid().as_raw(), process::getegid().as_raw())
}

/// Whether this program runs set-user-ID.
pub fn is_set_user_id() -> bool {
    process::getuid() != process::geteuid()
}

/// Whether this process may create files in a directory.
pub fn may_write(directory: &Path) -> bool {
    rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// Opens a regular file for reading; follows no symbolic link, and doesn't wait for the other end of a pipe.
///
/// # Errors
/// What the system reports; [`io::ErrorKind::InvalidInput`] for anything but a regular file.
pub fn open_regular_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    regular(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// The same, for a path that others may change meanwhile, and with `/proc`: nothing else is opened, since to
/// open a device can have an effect.
///
/// # Errors
/// As [`open_regular_file`].
pub fn open_only_regular_file(path: &Path) -> io::Result<File> {
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

/// Opens the directory of a path.
///
/// # Errors
/// Those of open(2).
pub fn open_directory_of(path: &Path) -> io::Result<File> {
    match path.parent() {
        Some(directory) if directory != Path::new("") => open_directory(directory),
        _ => open_directory(Path::new(".")),
    }
}

/// Not a pipe, whose other end may never come.
fn open_directory(path: &Path) -> io::Result<File> {
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?.into())
}

/// Syncs the directory of a path, which makes a new name in it durable.
///
/// # Errors
/// Those of open(2) and fsync(2).
pub fn sync_directory_of(path: &Path) -> io::Result<()> {
    open_directory_of(path)?.sync_all()
}

/// Tries an fcntl(2) lock, as SQLite uses, on an unnamed file in the same directory.
///
/// # Errors
/// Those of open(2) and fcntl(2).
pub fn try_file_lock_beside(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let file = rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR)?;
    Ok(rustix::fs::fcntl_lock(file, FlockOperation::NonBlockingLockExclusive)?)
}

/// Whether a lock failed because the file system has no locks.
pub fn is_missing_locks(error: &io::Error) -> bool {
    let missing = [Errno::NOLCK, Errno::NOSYS, Errno::NOTSUP];
    error.raw_os_error().is_some_and(|code| missing.iter().any(|errno| errno.raw_os_error() == code))
}

/// Sets the nice value of this thread, 0 to 19.
///
/// # Errors
/// Those of setpriority(2).
pub fn lower_priority_of_this_thread(niceness: i32) -> io::Result<()> {
    // On Linux the nice value is per thread.
    Ok(process::setpriority_process(Some(rustix::thread::gettid()), niceness)?)
}

/// What to do about an error that means that descriptors have run out: those of the process, or those of the whole system.
pub fn explain_descriptors(error: &io::Error) -> Option<&'static str> {
    match Errno::from_io_error(error)? {
        Errno::MFILE => Some("no descriptor left in this process (ulimit -n; in a systemd unit LimitNOFILE)"),
        Errno::NFILE => {
            Some("no descriptor left in the whole system (sysctl fs.file-max; another process may hold them)")
        }
        _ => None,
    }
}

/// How many descriptors the whole system has open, and may; `None` where /proc doesn't say.
pub fn system_descriptors() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/sys/fs/file-nr").ok()?;
    let mut numbers = text.split_whitespace().map(|number| number.parse().ok());
    let (open, _unused, max) = (numbers.next()??, numbers.next()??, numbers.next()??);
    Some((open, max))
}

/// Limit of open descriptors; `None` for no limit.
pub fn max_descriptors() -> Option<u64> {
    process::getrlimit(Resource::Nofile).current
}

/// A listening socket.
#[derive(Debug)]
pub enum ListeningSocket {
    /// TCP.
    Tcp(OwnedFd),
    /// Unix.
    Unix(OwnedFd),
}

/// Takes the listening socket from standard input; `None` if it is not one. Standard input is then /dev/null.
///
/// # Errors
/// Those of the system calls.
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

/// Whether a descriptor is a socket.
pub fn is_socket(descriptor: &impl AsFd) -> bool {
    sockopt::socket_type(descriptor).is_ok()
}

/// Whether the systemd journal records what this process writes to standard error: `JOURNAL_STREAM` names the
/// device and the inode of that stream (systemd.exec(5)).
pub fn stderr_is_journal() -> bool {
    let stream = || {
        let metadata = File::from(io::stderr().as_fd().try_clone_to_owned()?).metadata()?;
        Ok::<_, io::Error>(format!("{}:{}", metadata.dev(), metadata.ino()))
    };
    std::env::var("JOURNAL_STREAM").is_ok_and(|expected| stream().is_ok_and(|stream| stream == expected))
}
