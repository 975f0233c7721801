//! What some entries of a table have beside themselves, found by the entry's slot.
//!
//! Where few entries have something, or it is looked for seldom, a map by key is smaller. Here a look costs a comparison of keys, and each slot up to
//! the last that is taken has two words.

use super::table::Key;

/// Values for some of the keys of a [`Table`](super::table::Table). A key of an earlier tenant of the slot finds nothing.
#[derive(Debug)]
pub struct Beside<T, V> {
    slots: Vec<Option<(Key<T>, Box<V>)>>,
}

impl<T, V> Default for Beside<T, V> {
    fn default() -> Self {
        Self { slots: Vec::new() }
    }
}

impl<T, V> Beside<T, V> {
    /// What this entry has.
    #[must_use]
    pub fn get(&self, key: Key<T>) -> Option<&V> {
        let (own, value) = self.slots.get(key.slot())?.as_ref()?;
        (*own == key).then_some(&**value)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, key: Key<T>) -> Option<&mut V> {
        let (own, value) = self.slots.get_mut(key.slot())?.as_mut()?;
        (*own == key).then_some(&mut **value)
    }

    /// Whether this entry has something.
    #[must_use]
    pub fn has(&self, key: Key<T>) -> bool {
        self.get(key).is_some()
    }

    /// Gives it to this entry, instead of what it had; whatever an earlier tenant of the slot has left goes with that.
    pub fn insert(&mut self, key: Key<T>, value: Box<V>) {
        if self.slots.len() <= key.slot() {
            self.slots.resize_with(key.slot() + 1, || None);
        }
        if let Some(slot) = self.slots.get_mut(key.slot()) {
            *slot = Some((key, value));
        }
    }

    /// Takes it away. The memory of slots that nobody needs any more is given back by and by.
    pub fn remove(&mut self, key: Key<T>) -> Option<Box<V>> {
        let (_, value) = self.slots.get_mut(key.slot())?.take_if(|(own, _)| *own == key)?;
        while self.slots.last().is_some_and(Option::is_none) {
            self.slots.pop();
        }
        if self.slots.len() < self.slots.capacity() / 4 {
            self.slots.shrink_to(2 * self.slots.len());
        }
        Some(value)
    }

    /// All that there are, by slot.
    pub fn iter(&self) -> impl Iterator<Item = (Key<T>, &V)> {
        self.slots.iter().flatten().map(|(key, value)| (*key, &**value))
    }

    /// The same, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key<T>, &mut V)> {
        self.slots.iter_mut().flatten().map(|(key, value)| (*key, &mut **value))
    }

    /// The values alone.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_is_a_map_that_forgets_earlier_tenants_of_a_slot() {
        let mut beside: Beside<u8, u64> = Beside::default();
        let mut twin: BTreeMap<Key<u8>, u64> = BTreeMap::new();
        let mut random = 7_u64;
        for n in 0..20_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let slot = (random >> 33) % if n % 5_000 < 2_500 { 300 } else { 10 };
            let key = Key::from_bits((((random >> 60) % 3) << 32) | slot);
            match (random >> 20) & 3 {
                0 | 1 => {
                    twin.retain(|other, _| other.slot() != key.slot());
                    twin.insert(key, n);
                    beside.insert(key, Box::new(n));
                }
                2 => assert_eq!(beside.remove(key).map(|value| *value), twin.remove(&key)),
                _ => {
                    if let Some(value) = beside.get_mut(key) {
                        *value += 1;
                    }
                    twin.entry(key).and_modify(|value| *value += 1);
                }
            }
            assert_eq!(beside.get(key), twin.get(&key));
            assert_eq!(beside.has(key), twin.contains_key(&key));
        }
        for (key, value) in beside.iter_mut() {
            *value += key.to_bits();
        }
        for (key, value) in &mut twin {
            *value += key.to_bits();
        }
        assert!(beside.iter().eq(twin.iter().map(|(key, value)| (*key, value))));
        for key in twin.keys() {
            beside.remove(*key);
        }
        assert_eq!((beside.values().count(), beside.slots.capacity()), (0, 0));
    }
}
