//! A slab under a cap, whose keys carry an age.
//!
//! A key taken before an entry was removed never finds the entry that took its slot: a stale key is a normal `None`.

use core::fmt;
use core::marker::PhantomData;

use slab::Slab;

/// A key of a table: where the entry lies and which of the slot's tenants is meant. `T` only tells tables apart: the type of the
/// entries, or a mark of its own where a key must be known to somebody who must not know the entries.
pub struct Key<T> {
    slot: u32,
    age: u32,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        self.slot == other.slot && self.age == other.age
    }
}

impl<T> Eq for Key<T> {}

impl<T> PartialOrd for Key<T> {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Key<T> {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        (self.slot, self.age).cmp(&(other.slot, other.age))
    }
}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}.{}", self.slot, self.age)
    }
}

impl<T> Key<T> {
    /// The slot, for arrays that run beside the table.
    #[must_use]
    pub const fn slot(self) -> usize {
        self.slot as usize
    }

    /// Slot and age in one number, for an event loop's token.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        ((self.age as u64) << 32) | self.slot as u64
    }

    /// The key behind [`Key::to_bits`].
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "both halves are taken apart on purpose")]
    pub const fn from_bits(bits: u64) -> Self {
        Self { slot: bits as u32, age: (bits >> 32) as u32, of: PhantomData }
    }
}

/// The table holds as many entries as its cap allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// An entry with its age. It begins with a line of the caches: what an entry has first is found together with its age.
#[derive(Debug)]
#[repr(C, align(64))]
struct Slot<T> {
    age: u32,
    value: T,
}

/// A slab of at most `cap` entries, found by aged keys of the mark `M`.
#[derive(Debug)]
pub struct Table<T, M = T> {
    slots: Slab<Slot<T>>,
    cap: usize,
    next_age: u32,
    of: PhantomData<fn() -> M>,
}

impl<T, M> Table<T, M> {
    /// An empty table for at most `cap` entries; nothing is allocated yet.
    #[must_use]
    pub const fn new(cap: usize) -> Self {
        Self { slots: Slab::new(), cap, next_age: 0, of: PhantomData }
    }

    /// Puts `value` in, if there is room.
    ///
    /// # Errors
    /// [`Full`] at the cap; the table is unchanged.
    pub fn insert(&mut self, value: T) -> Result<Key<M>, Full> {
        if self.slots.len() >= self.cap {
            return Err(Full);
        }
        let age = self.next_age;
        let slot = u32::try_from(self.slots.vacant_key()).map_err(|_| Full)?;
        self.next_age = self.next_age.wrapping_add(1);
        self.slots.insert(Slot { age, value });
        Ok(Key { slot, age, of: PhantomData })
    }

    /// The entry of `key`, unless it is gone.
    #[must_use]
    #[inline(always)]
    pub fn get(&self, key: Key<M>) -> Option<&T> {
        match self.slots.get(key.slot()) {
            Some(Slot { age, value }) if *age == key.age => Some(value),
            _ => None,
        }
    }

    /// The entry of `key` to change, unless it is gone.
    #[inline(always)]
    pub fn get_mut(&mut self, key: Key<M>) -> Option<&mut T> {
        match self.slots.get_mut(key.slot()) {
            Some(Slot { age, value }) if *age == key.age => Some(value),
            _ => None,
        }
    }

    /// Whoever holds `slot` now.
    #[must_use]
    #[inline(always)]
    pub fn at(&self, slot: usize) -> Option<&T> {
        self.slots.get(slot).map(|slot| &slot.value)
    }

    /// The key of whoever holds `slot` now.
    #[must_use]
    pub fn key_at(&self, slot: usize) -> Option<Key<M>> {
        let Slot { age, .. } = self.slots.get(slot)?;
        Some(Key { slot: u32::try_from(slot).ok()?, age: *age, of: PhantomData })
    }

    /// Takes the entry out; the key and its copies are stale from here on.
    pub fn remove(&mut self, key: Key<M>) -> Option<T> {
        self.get(key)?;
        self.slots.try_remove(key.slot()).map(|slot| slot.value)
    }

    /// Entries in the table.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no entry is in the table.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// One more than the highest slot in use could be: the bound for walking with [`Table::key_at`].
    #[must_use]
    pub fn slots_end(&self) -> usize {
        self.slots.capacity()
    }

    /// All entries in slot order.
    pub fn iter(&self) -> impl Iterator<Item = (Key<M>, &T)> {
        self.slots.iter().filter_map(|(slot, Slot { age, value })| {
            Some((Key { slot: u32::try_from(slot).ok()?, age: *age, of: PhantomData }, value))
        })
    }

    /// The entries in this slot and behind it, in slot order.
    pub fn iter_from(&self, slot: usize) -> impl Iterator<Item = (Key<M>, &T)> {
        (slot..self.slots.capacity()).filter_map(|slot| {
            let key = self.key_at(slot)?;
            Some((key, self.get(key)?))
        })
    }

    /// All entries in slot order, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key<M>, &mut T)> {
        self.slots.iter_mut().filter_map(|(slot, Slot { age, value })| {
            Some((Key { slot: u32::try_from(slot).ok()?, age: *age, of: PhantomData }, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_goes_on_in_any_slot() {
        let mut table: Table<usize> = Table::new(8);
        let keys: Vec<_> = (0..6).map(|n| table.insert(n).unwrap()).collect();
        table.remove(keys[3]);
        let from = |slot: usize| table.iter_from(slot).map(|(key, value)| (key, *value)).collect::<Vec<_>>();
        assert_eq!(from(0), table.iter().map(|(key, value)| (key, *value)).collect::<Vec<_>>());
        assert_eq!(from(3), [(keys[4], 4), (keys[5], 5)]);
        assert_eq!(from(100), []);
    }

    #[test]
    fn a_stale_key_never_finds_the_next_tenant() {
        let mut table: Table<char> = Table::new(2);
        let first = table.insert('a').unwrap();
        assert_eq!(table.remove(first), Some('a'));
        let second = table.insert('b').unwrap();
        assert_eq!(first.slot(), second.slot());
        assert_eq!(table.get(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.get(second), Some(&'b'));
        assert_eq!(Key::from_bits(second.to_bits()), second);
    }

    #[test]
    fn the_cap_refuses_and_leaves_the_table_as_it_was() {
        let mut table: Table<i32> = Table::new(1);
        let key = table.insert(1).unwrap();
        assert_eq!(table.insert(2), Err(Full));
        assert_eq!(table.len(), 1);
        assert_eq!(table.get(key), Some(&1));
        assert_eq!(table.key_at(key.slot()), Some(key));
        assert_eq!(table.key_at(7), None);
    }
}
