//! Slab: values in reusable slots, under keys that are never reused.

/// Values by key. A key consists of the slot's index and its generation, the number of values that the slot
/// held before.
#[derive(Debug)]
pub(super) struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Whether there are no keys, not even of taken values.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.len() == self.free.len()
    }

    pub(super) fn insert(&mut self, value: T) -> u64 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, value: None });
            u32::try_from(self.slots.len() - 1).expect("fewer values than descriptors, which are ints")
        });
        let slot = self.slots.get_mut(index as usize).expect("free slots are slots");
        slot.value = Some(value);
        u64::from(slot.generation) << 32 | u64::from(index)
    }

    pub(super) fn get_mut(&mut self, key: u64) -> Option<&mut T> {
        self.slot(key)?.value.as_mut()
    }

    /// Takes a value out. Its key stays reserved until [`Slab::put_back`] or [`Slab::remove`].
    pub(super) fn take(&mut self, key: u64) -> Option<T> {
        self.slot(key)?.value.take()
    }

    /// Puts a taken value back.
    pub(super) fn put_back(&mut self, key: u64, value: T) {
        if let Some(slot) = self.slot(key) {
            slot.value = Some(value);
        }
    }

    /// Removes a key, and its value unless it was taken.
    pub(super) fn remove(&mut self, key: u64) -> Option<T> {
        let slot = self.slot(key)?;
        slot.generation = slot.generation.wrapping_add(1);
        let value = slot.value.take();
        self.free.push(index(key));
        value
    }

    /// The keys of all values, without the taken ones.
    pub(super) fn keys(&self) -> Vec<u64> {
        let used = self.slots.iter().zip(0_u64..).filter(|(slot, _)| slot.value.is_some());
        used.map(|(slot, index)| u64::from(slot.generation) << 32 | index).collect()
    }

    fn slot(&mut self, key: u64) -> Option<&mut Slot<T>> {
        let slot = self.slots.get_mut(index(key) as usize)?;
        (u64::from(slot.generation) == key >> 32).then_some(slot)
    }
}

fn index(key: u64) -> u32 {
    u32::try_from(key & u64::from(u32::MAX)).expect("the key is masked to 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_removed_value_is_never_that_of_another() {
        let mut slab = Slab::default();
        let first = slab.insert('a');
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b');
        assert_ne!(first, second);
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get_mut(second), Some(&mut 'b'));
        assert_eq!(slab.get_mut(u64::MAX), None);
    }

    #[test]
    fn a_taken_value_keeps_its_place_until_it_is_removed() {
        let mut slab = Slab::default();
        let key = slab.insert('a');
        assert_eq!(slab.take(key), Some('a'));
        assert!(!slab.is_empty());
        assert_eq!(slab.keys(), [0; 0]);
        assert_ne!(index(slab.insert('b')), index(key));
        slab.put_back(key, 'c');
        assert_eq!(slab.keys().len(), 2);
        assert_eq!(slab.remove(key), Some('c'));
    }
}
