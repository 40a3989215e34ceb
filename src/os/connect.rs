//! Connecting to Unix sockets with a deadline.

use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

/// Connects to a Unix socket; `timeout` also bounds each later write. [`UnixStream::connect`] waits without a
/// bound for a server that does not accept and whose backlog is full.
///
/// # Errors
/// What connect(2) reports; [`io::ErrorKind::WouldBlock`] after the timeout.
pub fn connect_unix(address: &SocketAddr, timeout: Duration) -> io::Result<UnixStream> {
    let address = match (address.as_pathname(), address.as_abstract_name()) {
        (Some(path), _) => SocketAddrUnix::new(path)?,
        (None, Some(name)) => SocketAddrUnix::new_abstract_name(name)?,
        (None, None) => return Err(io::ErrorKind::InvalidInput.into()), // unnamed
    };
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let stream = UnixStream::from(socket);
    stream.set_write_timeout(Some(timeout))?; // bounds connect(2) too (socket(7), SO_SNDTIMEO)
    net::connect(&stream, &address)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::listen;
    use std::io::ErrorKind;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_full_backlog_is_waited_for_no_longer_than_the_timeout() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let address = SocketAddr::from_pathname(&path).unwrap();
        let connect = || connect_unix(&address, Duration::from_millis(1));
        assert_eq!(connect().unwrap_err().kind(), ErrorKind::NotFound);
        let listener = UnixListener::bind(&path).unwrap();
        listen(&listener, 0).unwrap();
        let first = connect().unwrap();
        assert_eq!(connect().unwrap_err().kind(), ErrorKind::WouldBlock);
        drop((listener, first));
        assert_eq!(connect().unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
}
