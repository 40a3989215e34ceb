//! TCP and Unix sockets behind one type.

use super::limits::{RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES};
use crate::client::Client;
use crate::os;
use std::io::{self, Read, Write};
use std::net::{self, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};

/// A listening socket.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// Unix (unix(7)). The client is [`Client::Local`].
    Unix(UnixListener),
}

impl Listener {
    /// Sets the socket options that the engine needs. Accepted sockets inherit buffer sizes and
    /// `TCP_NODELAY`; Unix sockets need neither.
    ///
    /// Accepting must not block: the client may be gone, or another process that shares the socket may have
    /// accepted it. The flag belongs to the socket, so it affects that process too.
    pub(super) fn prepare(&self) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => {
                os::bound_socket_buffers(listener, SEND_BUFFER_BYTES, RECEIVE_BUFFER_BYTES)?;
                os::set_nodelay(listener)?;
                listener.set_nonblocking(true)
            }
            Self::Unix(listener) => listener.set_nonblocking(true),
        }
    }

    /// Accepts a connection, which is non-blocking; with the client's address.
    pub(super) fn accept(&self) -> io::Result<(Stream, Client)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                stream.set_nonblocking(true)?;
                Ok((Stream::Tcp(stream), Client::at(peer.ip())))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                Ok((Stream::Unix(stream), Client::Local))
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    pub(super) fn shutdown(&self, how: net::Shutdown) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Unix(stream) => stream.shutdown(how),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

// By reference, as std's streams: while one thread reads, another may shut the connection down.
impl Read for &Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&*stream).read(bytes),
            Stream::Unix(stream) => (&*stream).read(bytes),
        }
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&*stream).write(bytes),
            Stream::Unix(stream) => (&*stream).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // nothing is buffered
    }
}
