//! Socket options of listeners, which accepted sockets inherit on Linux.

use rustix::net::sockopt;
use std::io;
use std::os::fd::AsFd;

/// Bounds the kernel's buffers of accepted connections, which otherwise grow to some MiB. The kernel doubles
/// the numbers.
///
/// # Errors
/// Those of setsockopt(2).
pub fn bound_socket_buffers(listener: &impl AsFd, send_bytes: usize, receive_bytes: usize) -> io::Result<()> {
    sockopt::set_socket_send_buffer_size(listener, send_bytes)?;
    sockopt::set_socket_recv_buffer_size(listener, receive_bytes)?;
    Ok(())
}

/// Sets TCP_NODELAY for accepted connections: small responses are sent at once.
///
/// # Errors
/// Those of setsockopt(2).
pub fn set_nodelay(listener: &impl AsFd) -> io::Result<()> {
    Ok(sockopt::set_tcp_nodelay(listener, true)?)
}
