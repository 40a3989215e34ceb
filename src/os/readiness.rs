//! Waiting for descriptors: for one or two by poll(2), for many by epoll(7).

use core::mem::MaybeUninit;
use core::time::Duration;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Waits until one of two descriptors, or both, can be read without waiting, or the time is over; which of them can.
/// A signal may end the wait early.
///
/// # Errors
/// What poll(2) says.
pub fn wait_for_either(
    first: &impl AsFd,
    second: &impl AsFd,
    at_most: Option<Duration>,
) -> io::Result<[bool; 2]> {
    let mut descriptors = [PollFd::new(first, PollFlags::IN), PollFd::new(second, PollFlags::IN)];
    wait(&mut descriptors, at_most)?;
    Ok(descriptors.map(|descriptor| !descriptor.revents().is_empty()))
}

/// Waits until a descriptor can be read without waiting, or the time is over. A signal may end the wait early.
///
/// # Errors
/// What poll(2) says.
pub fn wait_to_read(descriptor: &impl AsFd, at_most: Duration) -> io::Result<()> {
    wait(&mut [PollFd::new(descriptor, PollFlags::IN)], Some(at_most))
}

/// Waits until a descriptor can be written to without waiting, or the time is over. A signal may end the wait early.
///
/// # Errors
/// What poll(2) says.
pub fn wait_to_write(descriptor: &impl AsFd, at_most: Duration) -> io::Result<()> {
    wait(&mut [PollFd::new(descriptor, PollFlags::OUT)], Some(at_most))
}

fn wait(descriptors: &mut [PollFd<'_>], at_most: Option<Duration>) -> io::Result<()> {
    // What is too long for the system's own form is for ever.
    let at_most = at_most.and_then(|at_most| Timespec::try_from(at_most).ok());
    match poll(descriptors, at_most.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Which of many descriptors can be read, for any number of threads that wait.
#[derive(Debug)]
pub struct Readiness(OwnedFd);

impl Readiness {
    /// With nothing to wait for.
    ///
    /// # Errors
    /// What the system says: it has no descriptors left, or no memory.
    pub fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(CreateFlags::CLOEXEC)?))
    }

    /// Adds a descriptor. One thread is told when it can be read, once; nobody is told again until it is
    /// [`rearm`](Self::rearm)ed. It leaves when it is closed.
    ///
    /// # Errors
    /// What the system says.
    pub fn add(&self, descriptor: &impl AsFd, key: u64) -> io::Result<()> {
        let events = EventFlags::IN | EventFlags::ONESHOT;
        Ok(epoll::add(&self.0, descriptor, EventData::new_u64(key), events)?)
    }

    /// Has a descriptor that was told of be told of once more.
    ///
    /// # Errors
    /// What the system says.
    pub fn rearm(&self, descriptor: &impl AsFd, key: u64) -> io::Result<()> {
        let events = EventFlags::IN | EventFlags::ONESHOT;
        Ok(epoll::modify(&self.0, descriptor, EventData::new_u64(key), events)?)
    }

    /// The same, for one that has been read from: it is told of as soon as it can be written to as well, which is at once.
    ///
    /// # Errors
    /// What the system says.
    pub fn rearm_at_once(&self, descriptor: &impl AsFd, key: u64) -> io::Result<()> {
        let events = EventFlags::IN | EventFlags::OUT | EventFlags::ONESHOT;
        Ok(epoll::modify(&self.0, descriptor, EventData::new_u64(key), events)?)
    }

    /// Adds a descriptor of which every thread is told, for as long as it can be read.
    ///
    /// # Errors
    /// What the system says.
    pub fn add_for_all(&self, descriptor: &impl AsFd, key: u64) -> io::Result<()> {
        Ok(epoll::add(&self.0, descriptor, EventData::new_u64(key), EventFlags::IN)?)
    }

    /// Waits until there is something to tell this thread, and tells it: the keys of descriptors that can be read, or at which
    /// the other side has left, `AT_ONCE` at most; none where a signal came.
    ///
    /// # Errors
    /// What the system says.
    pub fn wait<const AT_ONCE: usize>(&self, hear: impl FnMut(u64)) -> io::Result<()> {
        let mut events = [MaybeUninit::uninit(); AT_ONCE];
        match epoll::wait(&self.0, &mut events, None) {
            Ok((events, _)) => events.iter().map(|event| event.data.u64()).for_each(hear),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
