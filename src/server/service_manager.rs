//! Service manager notification by the protocol of sd_notify(3): ready, reloading, stopping, and the
//! watchdog.
//!
//! Before each watchdog notification, the server sends a health check to its own listener, which passes the
//! acceptor, an event loop and the database. If any of them hangs, the notifications end, and the service
//! manager restarts the server.

use super::Shutdown;
use super::heartbeats::Heartbeats;
use super::log;
use crate::clock;
use crate::http::ErrorCode;
use crate::os;
use core::net::SocketAddr;
use core::time::Duration;
use std::env;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{self, UnixDatagram};
use std::process;
use std::sync::Arc;
use std::thread;

/// A health check, which is neither logged nor rate limited.
const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 ";

/// A notification waits no longer for a service manager that doesn't read.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// Where the watchdog connects: the address that clients use.
#[derive(Clone, Debug)]
pub enum ProbeTarget {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(net::SocketAddr),
}

/// The service manager that started this process, if one asked for notifications.
#[derive(Clone, Debug, Default)]
pub struct ServiceManager(Option<Arc<UnixDatagram>>);

impl ServiceManager {
    /// The one that listens where `NOTIFY_SOCKET` says.
    pub fn from_environment() -> Self {
        let Some(name) = env::var_os("NOTIFY_SOCKET") else { return Self::default() };
        match connected(&name) {
            Ok(socket) => Self(Some(Arc::new(socket))),
            Err(error) => {
                log::notice(format!(
                    "can't tell the service manager anything, at {}: {error}",
                    name.display()
                ));
                Self::default()
            }
        }
    }

    /// Notifies that the server is ready.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// Notifies that the keys are read again; [`ServiceManager::ready`] follows when that is done.
    pub fn reloading(&self) {
        self.tell("RELOADING=1");
    }

    /// Notifies that the server ends.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Sends a notification. An error changes nothing for the server.
    fn tell(&self, state: &str) {
        if let Some(socket) = &self.0 {
            let _ = socket.send(state.as_bytes());
        }
    }

    /// Starts the watchdog thread, if the service manager asks for notifications.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn keep_telling(
        &self,
        target: ProbeTarget,
        heartbeats: &Arc<Heartbeats>,
        shutdown: &Arc<Shutdown>,
    ) -> io::Result<()> {
        let (Some(patience), true) = (watchdog_patience(), self.0.is_some()) else { return Ok(()) };
        // A probe has half of the interval, so that one slow or lost response is no timeout yet.
        let (every, manager, shutdown) = (patience / 4, self.clone(), shutdown.clone());
        let heartbeats = heartbeats.clone();
        let watch = move || {
            while !shutdown.wait_for(every) {
                match answers(&target, patience / 2) {
                    Ok(()) if heartbeats.all_beat(clock::monotonic()) => manager.tell("WATCHDOG=1"),
                    Ok(()) => log::notice("a thread of the server is stalled"),
                    Err(why) => log::notice(format!("a request to ourselves had no good answer: {why}")),
                }
            }
        };
        thread::Builder::new().name("watchdog".into()).spawn(watch)?;
        Ok(())
    }
}

/// A path, or a name in the abstract namespace behind `@`.
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

/// The watchdog interval; `None` if there is none, or it is for another process.
fn watchdog_patience() -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(process::id()));
    number("WATCHDOG_USEC").filter(|usec| is_ours && *usec > 0).map(Duration::from_micros)
}

/// Probes the server as a client would, with this timeout for each step.
fn answers(target: &ProbeTarget, patience: Duration) -> Result<(), String> {
    let asked = match target {
        ProbeTarget::Tcp(address) => TcpStream::connect_timeout(address, patience).and_then(|stream| {
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            ask(stream)
        }),
        ProbeTarget::Unix(address) => os::connect_unix(address, patience).and_then(|stream| {
            stream.set_read_timeout(Some(patience))?;
            ask(stream)
        }),
    };
    let answer = asked.map_err(|error| format!("{error}"))?;
    // At its connection limit the server is busy, not broken: clients must not be able to cause a restart.
    if answer.starts_with(ANSWER) || is_busy(&answer) {
        return Ok(());
    }
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    Err(format!("{:?}", String::from_utf8_lossy(line)))
}

/// Whether the response is the 503 of a server at its connection limit.
fn is_busy(answer: &[u8]) -> bool {
    let busy = format!("\"error\":\"{}\"", ErrorCode::Busy.name());
    answer.windows(busy.len()).any(|window| window == busy.as_bytes())
}

/// Sends the request and returns the beginning of the response, however the connection ends: a server without
/// a free connection responds 503 and closes without reading the request, which makes the write fail.
fn ask(mut stream: impl Read + Write) -> io::Result<Vec<u8>> {
    let sent = stream.write_all(REQUEST);
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
    fn a_503_that_comes_before_the_request_is_sent_is_read() {
        let busy = b"HTTP/1.1 503 Service Unavailable\r\n\r\n{\"error\":\"busy\"}";
        assert!(ask(ClosedEarly(busy)).is_ok_and(|response| is_busy(&response)));
        assert_eq!(ask(ClosedEarly(b"")).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert!(ask(ours).is_err());
    }

    #[test]
    fn a_notification_waits_for_no_manager_that_does_not_read() {
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
