//! Sockets: an inherited listener, options of listeners (which accepted sockets inherit on Linux), and connecting
//! with a deadline.

use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

#[derive(Debug)]
pub(crate) enum ListeningSocket {
    Tcp(OwnedFd),
    Unix(OwnedFd),
}

/// Makes reads and writes return instead of waiting.
pub(crate) fn set_nonblocking(file: &impl AsFd) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(file, true)?)
}

/// Takes the listening socket from standard input; `None` if it is not one. Standard input is then /dev/null.
pub(crate) fn take_listening_stdin() -> io::Result<Option<ListeningSocket>> {
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

pub(crate) fn is_socket(descriptor: &impl AsFd) -> bool {
    sockopt::socket_type(descriptor).is_ok()
}

/// Bounds the kernel's buffers of accepted connections, which otherwise grow to some MiB. The kernel doubles
/// the numbers.
pub(crate) fn bound_socket_buffers(
    listener: &impl AsFd,
    send_bytes: usize,
    receive_bytes: usize,
) -> io::Result<()> {
    sockopt::set_socket_send_buffer_size(listener, send_bytes)?;
    sockopt::set_socket_recv_buffer_size(listener, receive_bytes)?;
    Ok(())
}

/// Sets TCP_NODELAY for accepted connections: small responses are sent at once.
pub(crate) fn set_nodelay(listener: &impl AsFd) -> io::Result<()> {
    Ok(sockopt::set_tcp_nodelay(listener, true)?)
}

/// Connects to a Unix socket; `timeout` also bounds each later write. [`UnixStream::connect`] waits without a
/// bound for a server that does not accept and whose backlog is full.
/// Errors: [`io::ErrorKind::WouldBlock`] after the timeout.
pub(crate) fn connect_unix(address: &SocketAddr, timeout: Duration) -> io::Result<UnixStream> {
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
