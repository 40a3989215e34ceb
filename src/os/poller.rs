//! Poller: readiness of descriptors by edge-triggered epoll(7) or poll(2), and an eventfd(2) to wake it.

use core::mem::MaybeUninit;
use core::time::Duration;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Waits until a descriptor is readable, a signal arrives, or the timeout. Returns the positions of the
/// readable ones.
pub(crate) fn wait_to_read(
    descriptors: &[BorrowedFd<'_>],
    at_most: Option<Duration>,
) -> io::Result<Vec<usize>> {
    let mut polled: Vec<_> = descriptors.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
    // A duration out of range is no limit.
    let at_most = at_most.and_then(|at_most| Timespec::try_from(at_most).ok());
    match poll(&mut polled, at_most.as_ref()) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    }
    let ready = polled.iter().enumerate().filter(|(_, descriptor)| !descriptor.revents().is_empty());
    Ok(ready.map(|(position, _)| position).collect())
}

/// An edge-triggered epoll instance, waited on by one thread.
///
/// A descriptor is reported when it becomes ready, and again only after a read or write would have blocked.
#[derive(Debug)]
pub(crate) struct Poller(OwnedFd);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// As given to [`Poller::add`].
    pub(crate) key: u64,
    pub(crate) is_readable: bool,
    pub(crate) is_writable: bool,
    /// The peer has closed its side, or the connection is gone. Unread bytes may remain.
    pub(crate) is_hung_up: bool,
}

impl Poller {
    /// Maximum number of descriptors that one [`Poller::wait`] reports.
    pub(crate) const MAX_EVENTS: usize = 64;

    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(CreateFlags::CLOEXEC)?))
    }

    /// Registers a descriptor for reading. The next wait reports it if it is readable already.
    pub(crate) fn add(&self, descriptor: &impl AsFd, key: u64) -> io::Result<()> {
        Ok(epoll::add(&self.0, descriptor, EventData::new_u64(key), Self::reads())?)
    }

    /// Registers a descriptor for writing, too.
    pub(crate) fn watch_writes(&self, descriptor: &impl AsFd, key: u64) -> io::Result<()> {
        let interest = Self::reads() | EventFlags::OUT;
        Ok(epoll::modify(&self.0, descriptor, EventData::new_u64(key), interest)?)
    }

    pub(crate) fn remove(&self, descriptor: &impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.0, descriptor)?)
    }

    /// Waits until descriptors are ready, a signal arrives, or the timeout. Reports up to
    /// [`Poller::MAX_EVENTS`].
    pub(crate) fn wait(
        &self,
        at_most: Option<Duration>,
        mut report: impl FnMut(Readiness),
    ) -> io::Result<()> {
        let mut events = [MaybeUninit::uninit(); Self::MAX_EVENTS];
        let at_most = at_most.and_then(|at_most| Timespec::try_from(at_most).ok());
        match epoll::wait(&self.0, &mut events, at_most.as_ref()) {
            Ok((events, _)) => events.iter().for_each(|event| {
                // Copied: the struct is packed.
                let (flags, data) = (event.flags, event.data);
                let gone = EventFlags::HUP | EventFlags::ERR;
                report(Readiness {
                    key: data.u64(),
                    is_readable: flags.contains(EventFlags::IN),
                    is_writable: flags.intersects(EventFlags::OUT | gone),
                    is_hung_up: flags.intersects(EventFlags::RDHUP | gone),
                });
            }),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn reads() -> EventFlags {
        EventFlags::IN | EventFlags::RDHUP | EventFlags::ET
    }
}

/// An eventfd(2), by which any thread wakes the poller's thread.
#[derive(Debug)]
pub(crate) struct Waker(OwnedFd);

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    pub(crate) fn wake(&self) {
        // It fails only if the counter is full, and then it is readable.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    fn reported(poller: &Poller) -> Vec<Readiness> {
        let mut all = Vec::new();
        poller.wait(Some(Duration::ZERO), |readiness| all.push(readiness)).unwrap();
        all
    }

    #[test]
    fn a_descriptor_is_reported_once_for_each_arrival() {
        let (poller, (mut ours, mut theirs)) = (Poller::new().unwrap(), UnixStream::pair().unwrap());
        poller.add(&ours, 7).unwrap();
        assert_eq!(reported(&poller), []);
        theirs.write_all(b"x").unwrap();
        let readable = Readiness { key: 7, is_readable: true, is_writable: false, is_hung_up: false };
        assert_eq!((reported(&poller), reported(&poller)), (vec![readable], vec![]));
        theirs.write_all(b"y").unwrap();
        assert_eq!(reported(&poller), [readable]);
        ours.read_exact(&mut [0; 2]).unwrap();
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(reported(&poller), [Readiness { is_hung_up: true, ..readable }]);
    }

    #[test]
    fn writability_is_reported_on_request() {
        let (poller, (ours, mut theirs)) = (Poller::new().unwrap(), UnixStream::pair().unwrap());
        ours.set_nonblocking(true).unwrap();
        poller.add(&ours, 7).unwrap();
        while (&ours).write(&[0; 4096]).is_ok() {}
        poller.watch_writes(&ours, 7).unwrap();
        assert_eq!(reported(&poller), []);
        theirs.set_nonblocking(true).unwrap();
        let mut bytes = [0; 4096];
        while theirs.read(&mut bytes).is_ok() {}
        assert!(reported(&poller).iter().any(|readiness| readiness.is_writable));
        poller.remove(&ours).unwrap();
        theirs.write_all(b"x").unwrap();
        assert_eq!(reported(&poller), []);
    }

    #[test]
    fn a_waker_is_reported_each_time_it_is_woken() {
        let (poller, waker) = (Poller::new().unwrap(), Waker::new().unwrap());
        poller.add(&waker, 1).unwrap();
        for _ in 0..2 {
            assert_eq!(reported(&poller), []);
            waker.wake();
            assert_eq!(reported(&poller).len(), 1);
        }
    }
}
