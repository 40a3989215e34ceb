//! Where `serve` listens: at an address, at a path, or on a socket that it was given as its standard input.

use super::failure::Failure;
use super::serve_config::{Place, ServeConfig, is_loopback};
use crate::client::Client;
use crate::os::{self, FileId, ListeningSocket};
use crate::proxies::TrustedProxies;
use crate::server::service_manager::ProbeTarget;
use crate::server::strict::Listener;
use alloc::format;
use alloc::string::String;
use core::fmt::Display;
use core::net::SocketAddr;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The socket's owner and group may connect. Nobody else: whoever may is believed who the client is.
const SOCKET_MODE: u32 = 0o660;

/// What clients come in by.
pub(super) struct Entrance {
    pub(super) listener: Listener,
    /// As the ready line has it: `http://127.0.0.1:5000`, `unix:/run/gatekey/socket`.
    pub(super) name: String,
    /// How to come in by it ourselves.
    pub(super) door: ProbeTarget,
    /// The file that was made for it.
    pub(super) file: Option<SocketFile>,
}

/// Opens what `--listen` names, if the operator has said what has to be said with it.
pub(super) fn listen(config: &ServeConfig) -> Result<Entrance, Failure> {
    let proxies = &config.routes.trusted_proxies;
    let needs_strict = !matches!(config.place, Place::Address(_));
    if needs_strict && !config.is_strict {
        // tiny_http removes, when it ends, whatever stands at its path by then, and leaves a shared socket with one
        // connection taken that nobody will answer.
        return Err(Failure::Usage("--loop tiny-http listens on an address and a port only".into()));
    }
    match &config.place {
        Place::Address(address) => {
            let address = *address;
            refuse_cleartext(config, address)?;
            let failed = |error| cant_listen(&address, &error);
            let listener = TcpListener::bind(address).map_err(|error| cant_bind(address, &error))?;
            let address = listener.local_addr().map_err(failed)?;
            Ok(at_address(listener, address))
        }
        Place::Path(path) => {
            refuse_strangers_at_path(proxies)?;
            at_path(path.clone())
        }
        Place::Stdin => on_stdin(config),
    }
}

/// Loopback addresses are let through, others where the operator insists.
fn refuse_cleartext(config: &ServeConfig, address: SocketAddr) -> Result<(), Failure> {
    if is_loopback(address) || config.allows_cleartext {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{address} is not a loopback address: passwords would cross the network readable. Put a proxy that ends \
         TLS in front and listen on 127.0.0.1, or say --allow-cleartext"
    )))
}

/// A Unix socket's peer has no address: without a proxy that says whose request it is, all clients would be one, and
/// the first who guesses passwords would spend everybody's guesses.
fn refuse_strangers_at_path(proxies: &TrustedProxies) -> Result<(), Failure> {
    if proxies.trusts(Client::Local) {
        return Ok(());
    }
    Err(Failure::Usage(
        "a Unix socket needs --trusted-proxy unix: a proxy must stand there that says in X-Forwarded-For who its \
         client is, or all clients would count as one"
            .into(),
    ))
}

/// The listener for metrics, if `--metrics` asks for one.
pub(super) fn listen_for_metrics(config: &ServeConfig) -> Result<Option<TcpListener>, Failure> {
    let Some(address) = config.metrics else { return Ok(None) };
    let failed = |error| Failure::failed(format!("can't listen on {address} for metrics"), &error);
    TcpListener::bind(address).map(Some).map_err(failed)
}

fn at_address(listener: TcpListener, address: SocketAddr) -> Entrance {
    let (name, door) = (format!("http://{address}"), ProbeTarget::Tcp(address));
    Entrance { listener: listener.into(), name, door, file: None }
}

fn cant_listen(place: &dyn Display, error: &io::Error) -> Failure {
    Failure::failed(format!("can't listen on {place}"), error)
}

fn cant_bind(address: SocketAddr, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        ErrorKind::AddrInUse => "; who listens there: ss -ltnp; another address: --listen",
        ErrorKind::PermissionDenied => {
            "; ports below 1024 are root's, and systemd can hand one over (--listen stdin)"
        }
        _ => "",
    };
    Failure::Failed(format!("can't listen on {address}: {error}{hint}"))
}

fn at_path(path: PathBuf) -> Result<Entrance, Failure> {
    let name = format!("unix:{}", path.display());
    let failed = |error| cant_listen(&name, &error);
    // With its mode from the start: chmod(2) by the path could meet another file there.
    let bind = || os::with_mode_of_new_files(SOCKET_MODE, || UnixListener::bind(&path));
    let bound = match bind() {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            remove_stale(&path, &name)?;
            bind()
        }
        bound => bound,
    };
    let listener = bound.map_err(failed)?;
    let door = ProbeTarget::Unix(listener.local_addr().map_err(failed)?);
    let file = SocketFile::at(path).map_err(failed)?;
    Ok(Entrance { listener: listener.into(), name, door, file: Some(file) })
}

/// Makes room where a server that ended without a word left its socket. Two that start at the same moment may both
/// come here, and one then listens where nobody comes: not guarded against.
fn remove_stale(path: &Path, name: &str) -> Result<(), Failure> {
    let failed = |error| cant_listen(&name, &error);
    if !fs::symlink_metadata(path).map_err(failed)?.file_type().is_socket() {
        let message = "something is there that is not a socket; name another path, or remove it";
        return Err(Failure::Failed(format!("can't listen on {name}: {message}")));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(Failure::Failed(format!("can't listen on {name}: another server listens there"))),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

/// The socket that systemd, or whoever starts a new binary beside an old one, listens on for us.
fn on_stdin(config: &ServeConfig) -> Result<Entrance, Failure> {
    let failed = |error| cant_listen(&"standard input", &error);
    match os::take_listening_stdin().map_err(failed)? {
        Some(ListeningSocket::Tcp(socket)) => {
            let listener = TcpListener::from(socket);
            let address = listener.local_addr().map_err(failed)?;
            refuse_cleartext(config, address)?;
            Ok(at_address(listener, address))
        }
        Some(ListeningSocket::Unix(socket)) => {
            refuse_strangers_at_path(&config.routes.trusted_proxies)?;
            let listener = UnixListener::from(socket);
            let address = listener.local_addr().map_err(failed)?;
            let path = address.as_pathname().unwrap_or(Path::new(""));
            // The file is whose who made it: it is not removed.
            let (name, door) = (format!("unix:{}", path.display()), ProbeTarget::Unix(address));
            Ok(Entrance { listener: listener.into(), name, door, file: None })
        }
        None => Err(Failure::Failed(
            "can't listen on standard input: it is not a listening socket; expected one from a systemd socket unit \
             (Accept=no, and StandardInput=socket in the service), or from whoever starts this program"
                .into(),
        )),
    }
}

/// A socket's file, removed at the end if it is still the one that was made.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// Which file it is, and the time of making: whoever replaced ours may have got its inode.
type Identity = (FileId, i64, i64);

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

fn identity(path: &Path) -> io::Result<Identity> {
    let file = fs::symlink_metadata(path)?;
    Ok((FileId::of(&file), file.mtime(), file.mtime_nsec()))
}
