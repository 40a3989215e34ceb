//! Listeners: a TCP address, a Unix socket, or a socket inherited as standard input.

use super::engine::Listener;
use super::service_manager::ProbeTarget;
use crate::chain;
use crate::os::{self, FileId, ListeningSocket};
use core::fmt::Display;
use core::net::SocketAddr;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::unix;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a server can't listen, with advice.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ListenError(String);

/// Only owner and group may connect: a peer that connects can be a trusted proxy.
const SOCKET_MODE: u32 = 0o660;

/// The time limit for finding out whether a server still accepts at a socket.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A bound listener and its address.
#[derive(Debug)]
pub struct BoundListener {
    /// The socket.
    pub listener: Listener,
    /// The address for the log: `http://127.0.0.1:5000`, `unix:/run/gatekey/socket`.
    pub name: String,
    /// The address of the watchdog's probes.
    pub probe_target: ProbeTarget,
    /// The file of a Unix socket that was created.
    pub file: Option<SocketFile>,
}

/// Listens on a TCP address.
pub fn at_address(address: SocketAddr) -> Result<BoundListener, ListenError> {
    let listener = TcpListener::bind(address).map_err(|error| cant_bind(address, &error))?;
    let address = listener.local_addr().map_err(|error| cant_listen(&address, &error))?;
    Ok(of_tcp(listener, address))
}

/// Uses the listening socket that the parent process, such as a service manager, passes as standard input.
///
/// # Errors
/// [`ListenError`], also if standard input is not a listening socket.
pub fn on_stdin() -> Result<BoundListener, ListenError> {
    let failed = |error| cant_listen(&"standard input", &error);
    match os::take_listening_stdin().map_err(failed)? {
        Some(ListeningSocket::Tcp(socket)) => {
            let listener = TcpListener::from(socket);
            let address = listener.local_addr().map_err(failed)?;
            Ok(of_tcp(listener, address))
        }
        Some(ListeningSocket::Unix(socket)) => {
            let listener = UnixListener::from(socket);
            let address = listener.local_addr().map_err(failed)?;
            let path = address.as_pathname().unwrap_or(Path::new(""));
            let (name, probe_target) = (format!("unix:{}", path.display()), ProbeTarget::Unix(address));
            // No file: the process that created it removes it.
            Ok(BoundListener { listener: listener.into(), name, probe_target, file: None })
        }
        None => Err(ListenError(
            "can't listen on standard input: it is not a listening socket; expected one from a systemd socket unit \
             (Accept=no, and StandardInput=socket in the service), or from the parent process"
                .into(),
        )),
    }
}

fn of_tcp(listener: TcpListener, address: SocketAddr) -> BoundListener {
    let (name, probe_target) = (format!("http://{address}"), ProbeTarget::Tcp(address));
    BoundListener { listener: listener.into(), name, probe_target, file: None }
}

fn cant_listen(place: &dyn Display, error: &io::Error) -> ListenError {
    ListenError(format!("can't listen on {place}: {}", chain::describe(error)))
}

fn cant_bind(address: SocketAddr, error: &io::Error) -> ListenError {
    let hint = match error.kind() {
        ErrorKind::AddrInUse => "; who listens there: ss -ltnp; another address: --listen",
        ErrorKind::PermissionDenied => {
            "; ports below 1024 are root's, and systemd can hand one over (--listen stdin)"
        }
        _ => "",
    };
    ListenError(format!("can't listen on {address}: {error}{hint}"))
}

/// Listens on a Unix socket at this path with mode 0660. Replaces a stale socket.
pub fn at_path(path: PathBuf) -> Result<BoundListener, ListenError> {
    let name = format!("unix:{}", path.display());
    let failed = |error| cant_listen(&name, &error);
    // Created with its mode, since chmod(2) by path could change another file.
    let bind = || os::with_mode_of_new_files(SOCKET_MODE, || UnixListener::bind(&path));
    let bound = match bind() {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            remove_stale(&path, &name)?;
            bind()
        }
        bound => bound,
    };
    let listener = bound.map_err(failed)?;
    let probe_target = ProbeTarget::Unix(listener.local_addr().map_err(failed)?);
    let file = SocketFile::at(path).map_err(failed)?;
    Ok(BoundListener { listener: listener.into(), name, probe_target, file: Some(file) })
}

/// Removes a stale socket, which a crashed server leaves behind.
///
/// Known limitation: of two servers that start at the same time, one may remove the other's new socket.
fn remove_stale(path: &Path, name: &str) -> Result<(), ListenError> {
    let failed = |error| cant_listen(&name, &error);
    if !fs::symlink_metadata(path).map_err(failed)?.file_type().is_socket() {
        let message = "something is there that is not a socket; name another path, or remove it";
        return Err(ListenError(format!("can't listen on {name}: {message}")));
    }
    let address = unix::net::SocketAddr::from_pathname(path).map_err(failed)?;
    match os::connect_unix(&address, CONNECT_TIMEOUT).map_err(|error| (error.kind(), error)) {
        Err((ErrorKind::ConnectionRefused, _)) => fs::remove_file(path).map_err(failed),
        // A timeout: there is a listener with a full backlog.
        Ok(_) | Err((ErrorKind::WouldBlock, _)) => {
            Err(ListenError(format!("can't listen on {name}: another server listens there")))
        }
        Err((_, error)) => Err(failed(error)),
    }
}

/// The file of a Unix socket. Dropping it removes the file, unless it was replaced.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: SocketIdentity,
}

/// The file and its modification time: a replacement may reuse the inode.
type SocketIdentity = (FileId, i64, i64);

impl SocketFile {
    fn at(path: PathBuf) -> io::Result<Self> {
        Ok(Self { identity: identity(&path)?, path })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            let _ = fs::remove_file(&self.path); // the next start replaces it
        }
    }
}

fn identity(path: &Path) -> io::Result<SocketIdentity> {
    let file = fs::symlink_metadata(path)?;
    Ok((FileId::of(&file), file.mtime(), file.mtime_nsec()))
}
