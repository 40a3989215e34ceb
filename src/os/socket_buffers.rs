//! Options of listening sockets, which the sockets that they accept inherit on Linux.

use rustix::net::sockopt;
use std::io;
use std::os::fd::AsFd;

/// Bounds what the kernel buffers for each connection accepted from now on, in each direction: without a bound it grows the
/// buffers of a TCP connection to some MiB. (The kernel doubles the numbers, for its own overhead.)
///
/// # Errors
/// What setsockopt(2) reports.
pub fn bound_socket_buffers(listener: &impl AsFd, send_bytes: usize, receive_bytes: usize) -> io::Result<()> {
    sockopt::set_socket_send_buffer_size(listener, send_bytes)?;
    sockopt::set_socket_recv_buffer_size(listener, receive_bytes)?;
    Ok(())
}

/// Sends small answers at once from each TCP connection accepted from now on (TCP_NODELAY).
///
/// # Errors
/// What setsockopt(2) reports.
pub fn set_nodelay(listener: &impl AsFd) -> io::Result<()> {
    Ok(sockopt::set_tcp_nodelay(listener, true)?)
}
