//! Sockets of both kinds, TCP's and the file system's (unix(7)), with the calls that the loop makes.

use super::limits::{RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES};
use crate::client::Client;
use crate::os;
use std::io::{self, Read, Write};
use std::net::{self, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};

/// Where clients come in.
#[derive(Debug)]
pub enum Listener {
    /// At an address and a port.
    Tcp(TcpListener),
    /// At a path; the client is [`Client::Local`].
    Unix(UnixListener),
}

impl Listener {
    /// Accepting must never block: the client that made the listener readable may have gone, or another process that shares this
    /// socket may have accepted its connection. The flag is the socket's, so that process has it, too.
    ///
    /// Sets the options that the engine needs, some of which accepted sockets inherit. Unix sockets have bounded buffers and no
    /// delay by themselves.
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

    /// The next connection, and who is at its other end. It never blocks: whoever has to wait does so knowingly.
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

/// One connection.
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

// By reference, as std's streams: one thread reads while another may end the connection.
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
        Ok(()) // nothing is held back
    }
}
