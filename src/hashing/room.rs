//! Room: how many may be in the hasher at once, whether they hash, wait for a slot, or wait for another's verdict.
//!
//! Each of them holds a thread of whoever serves. A server with few threads must keep some for those who show tokens,
//! so it says how many may be in here; the next one is told to come again.

use super::HashError;
use core::sync::atomic::{AtomicUsize, Ordering};

/// The places.
#[derive(Debug)]
pub(super) struct Room {
    places: usize,
    taken: AtomicUsize,
}

/// One place; free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place<'a>(&'a Room);

impl Room {
    /// A room of so many places.
    pub(super) fn new(places: usize) -> Self {
        Self { places, taken: AtomicUsize::new(0) }
    }

    /// Takes a place.
    ///
    /// # Errors
    /// [`HashError::Busy`] where there is none.
    pub(super) fn enter(&self) -> Result<Place<'_>, HashError> {
        let one_more = |taken: usize| taken.checked_add(1).filter(|taken| *taken <= self.places);
        let entered = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        entered.map(|_| Place(self)).map_err(|_| HashError::Busy)
    }

    /// How many are inside.
    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_once_and_free_again_when_it_is_left() {
        let room = Room::new(2);
        let (first, _second) = (room.enter().unwrap(), room.enter().unwrap());
        assert!(matches!(room.enter(), Err(HashError::Busy)));
        drop(first);
        let _third = room.enter().unwrap();
        assert!(matches!(room.enter(), Err(HashError::Busy)));
        assert_eq!(room.taken(), 2);
    }

    #[test]
    fn a_room_without_places_lets_nobody_in() {
        assert!(matches!(Room::new(0).enter(), Err(HashError::Busy)));
    }
}
