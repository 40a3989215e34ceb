//! Semaphore: bounds the requests in the hasher, whether they hash, wait for a slot, or wait for an identical
//! check.
//!
//! Each of them blocks a server thread. A server with few threads reserves some for requests with tokens by
//! this limit. A request beyond it is rejected as busy.

use super::error::HashError;
use core::sync::atomic::{AtomicUsize, Ordering};

/// A counting semaphore that never blocks.
#[derive(Debug)]
pub(super) struct Semaphore {
    permits: usize,
    acquired: AtomicUsize,
}

/// One permit, released on drop.
#[derive(Debug)]
pub(super) struct Permit<'a>(&'a Semaphore);

impl Semaphore {
    pub(super) fn new(permits: usize) -> Self {
        Self { permits, acquired: AtomicUsize::new(0) }
    }

    /// Acquires a permit, or fails with [`HashError::Busy`].
    pub(super) fn acquire(&self) -> Result<Permit<'_>, HashError> {
        let one_more = |acquired: usize| acquired.checked_add(1).filter(|acquired| *acquired <= self.permits);
        let acquired = self.acquired.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        acquired.map(|_| Permit(self)).map_err(|_| HashError::Busy)
    }

    #[cfg(test)]
    pub(super) fn acquired(&self) -> usize {
        self.acquired.load(Ordering::Relaxed)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.acquired.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_is_acquired_once_and_available_again_after_its_release() {
        let semaphore = Semaphore::new(2);
        let (first, _second) = (semaphore.acquire().unwrap(), semaphore.acquire().unwrap());
        assert!(matches!(semaphore.acquire(), Err(HashError::Busy)));
        drop(first);
        let _third = semaphore.acquire().unwrap();
        assert!(matches!(semaphore.acquire(), Err(HashError::Busy)));
        assert_eq!(semaphore.acquired(), 2);
    }

    #[test]
    fn a_semaphore_without_permits_rejects_everyone() {
        assert!(matches!(Semaphore::new(0).acquire(), Err(HashError::Busy)));
    }
}
