//! Service manager notification (sd_notify(3)): ready, reloading, stopping, watchdog.
//!
//! The watchdog probes the server with a health check through its own listener. A server that hangs anywhere
//! on that path, in accepting, dispatching or the database, stops its notifications and is restarted.

use super::Shutdown;
use super::heartbeats::Heartbeats;
use super::log;
use crate::clock;
use crate::http::ErrorCode;
use crate::os;
use crate::routes;
use core::net::SocketAddr;
use core::time::Duration;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{self, UnixDatagram};
use std::sync::Arc;
use std::{env, process, thread};

/// The timeout of a notification to a service manager that doesn't read.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// The address of the watchdog's probes: the one that clients use.
#[derive(Clone, Debug)]
pub enum ProbeTarget {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(net::SocketAddr),
}

/// The service manager, if it requested notifications.
#[derive(Clone, Debug, Default)]
pub struct ServiceManager(Option<Arc<UnixDatagram>>);

impl ServiceManager {
    /// Connects to `NOTIFY_SOCKET`.
    pub fn from_environment() -> Self {
        let Some(name) = env::var_os("NOTIFY_SOCKET") else { return Self::default() };
        match connected(&name) {
            Ok(socket) => Self(Some(Arc::new(socket))),
            Err(error) => {
                log::notice(format!("can't notify the service manager at {}: {error}", name.display()));
                Self::default()
            }
        }
    }

    /// Notifies that the server is ready.
    pub fn ready(&self) {
        self.notify("READY=1");
    }

    /// Notifies that the keys are being reloaded; [`ServiceManager::ready`] must follow.
    pub fn reloading(&self) {
        self.notify("RELOADING=1");
    }

    /// Notifies that the server is shutting down.
    pub fn stopping(&self) {
        self.notify("STOPPING=1");
    }

    /// Errors are ignored: the server runs with and without a service manager.
    fn notify(&self, state: &str) {
        if let Some(socket) = &self.0 {
            let _ = socket.send(state.as_bytes());
        }
    }

    /// Starts the watchdog thread, if the manager expects it.
    ///
    /// # Errors
    /// The system has no thread.
    pub fn spawn_watchdog(
        &self,
        target: ProbeTarget,
        heartbeats: &Arc<Heartbeats>,
        shutdown: &Arc<Shutdown>,
    ) -> io::Result<()> {
        let (Some(timeout), true) = (watchdog_timeout(), self.0.is_some()) else { return Ok(()) };
        // A probe may take half of the timeout, so that a slow one, or a retry after a lost one, is in time.
        let (interval, manager, shutdown) = (timeout / 4, self.clone(), shutdown.clone());
        let heartbeats = heartbeats.clone();
        let watch = move || {
            while !shutdown.wait_for(interval) {
                match probe(&target, timeout / 2) {
                    Ok(()) if heartbeats.all_beat(clock::monotonic()) => manager.notify("WATCHDOG=1"),
                    Ok(()) => log::notice("a thread of the server is stalled"),
                    Err(error) => log::notice(format!("the watchdog's probe failed: {error}")),
                }
            }
        };
        thread::Builder::new().name("watchdog".into()).spawn(watch)?;
        Ok(())
    }
}

/// Connects to a path, or to an abstract name after `@`.
fn connected(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => net::SocketAddr::from_abstract_name(name)?,
        None => net::SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_write_timeout(Some(SEND_TIMEOUT))?;
    Ok(socket)
}

/// The watchdog timeout; `None` without one, or if it is for another process.
fn watchdog_timeout() -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(process::id()));
    number("WATCHDOG_USEC").filter(|usec| is_ours && *usec > 0).map(Duration::from_micros)
}

/// Sends a health check as a client, with a timeout for each step.
fn probe(target: &ProbeTarget, timeout: Duration) -> Result<(), String> {
    let response = match target {
        ProbeTarget::Tcp(address) => TcpStream::connect_timeout(address, timeout).and_then(|stream| {
            stream.set_read_timeout(Some(timeout))?;
            stream.set_write_timeout(Some(timeout))?;
            exchange(stream)
        }),
        ProbeTarget::Unix(address) => os::connect_unix(address, timeout).and_then(|stream| {
            stream.set_read_timeout(Some(timeout))?;
            exchange(stream)
        }),
    };
    let response = response.map_err(|error| format!("{error}"))?;
    // A server at its connection limit is busy, not broken: clients must not be able to force a restart.
    if response.starts_with(b"HTTP/1.1 200 ") || is_busy(&response) {
        return Ok(());
    }
    let line = response.split(|byte| *byte == b'\r').next().unwrap_or_default();
    Err(format!("{:?}", String::from_utf8_lossy(line)))
}

/// Whether this is the 503 of a server at its connection limit.
fn is_busy(response: &[u8]) -> bool {
    let busy = format!("\"error\":\"{}\"", ErrorCode::Busy.name());
    response.windows(busy.len()).any(|window| window == busy.as_bytes())
}

/// Sends the request and returns the beginning of the response, however the connection ends: a server at its
/// connection limit responds 503 and closes without reading the request, which makes the write fail.
fn exchange(mut stream: impl Read + Write) -> io::Result<Vec<u8>> {
    let path = routes::HEALTH_PATH;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let sent = stream.write_all(request.as_bytes());
    let mut response = Vec::new();
    let received = stream.take(1024).read_to_end(&mut response);
    if response.is_empty() {
        sent?;
        received?;
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;

    /// A connection that the server has closed after its response, before the request was sent.
    struct ClosedEarly(&'static [u8]);

    impl Read for ClosedEarly {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() { Err(io::ErrorKind::ConnectionReset.into()) } else { self.0.read(bytes) }
        }
    }

    impl Write for ClosedEarly {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_503_before_the_request_is_sent_is_read() {
        let busy = b"HTTP/1.1 503 Service Unavailable\r\n\r\n{\"error\":\"busy\"}";
        assert!(exchange(ClosedEarly(busy)).is_ok_and(|response| is_busy(&response)));
        assert_eq!(exchange(ClosedEarly(b"")).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert!(exchange(ours).is_err());
    }

    #[test]
    fn a_notification_to_a_manager_that_does_not_read_times_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let reader = UnixDatagram::bind(&path).unwrap();
        let socket = connected(path.as_os_str()).unwrap();
        socket.set_nonblocking(true).unwrap();
        while socket.send(b"STATUS=").is_ok() {}
        socket.set_nonblocking(false).unwrap();
        let (returned, has_returned) = mpsc::channel();
        thread::spawn(move || {
            ServiceManager(Some(Arc::new(socket))).ready();
            returned.send(()).unwrap();
        });
        has_returned.recv_timeout(Duration::from_secs(30)).unwrap();
        drop(reader);
    }
}
