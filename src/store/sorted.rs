//! A map that is a list in order of its keys. For some hundreds of entries, or keys that mostly come in order, it is as good as a tree, takes less
//! memory, and a tenth of the program that a tree of one more kind takes.

use std::borrow::Borrow;

/// Values by their keys, in order of these. What comes in or goes out moves all behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sorted<K, V> {
    rows: Vec<(K, V)>,
}

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Sorted<K, V> {
    /// Nothing, and no memory for it.
    #[must_use]
    pub const fn new() -> Self {
        Self { rows: Vec::new() }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + Clone {
        self.rows.iter().map(|(key, value)| (key, value))
    }

    /// The same, to change the values.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (&K, &mut V)> {
        self.rows.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + Clone {
        self.rows.iter().map(|(key, _)| key)
    }

    /// The values, in order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + Clone {
        self.rows.iter().map(|(_, value)| value)
    }

    /// Keeps those of which `stays` says so.
    pub fn retain(&mut self, mut stays: impl FnMut(&K, &mut V) -> bool) {
        self.rows.retain_mut(|(key, value)| stays(key, value));
        self.give_back();
    }

    /// Memory that is not needed any more.
    fn give_back(&mut self) {
        if self.rows.len() < self.rows.capacity() / 4 {
            self.rows.shrink_to(2 * self.rows.len());
        }
    }
}

impl<K: Ord, V> Sorted<K, V> {
    /// Where this key is, or would be.
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.rows.binary_search_by(|(known, _)| known.borrow().cmp(key))
    }

    /// The value of this key.
    #[must_use]
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().and_then(|place| self.rows.get(place)).map(|(_, value)| value)
    }

    /// The same, to change it.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().and_then(|place| self.rows.get_mut(place)).map(|(_, value)| value)
    }

    /// Whether this key has a value.
    #[must_use]
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// Gives the key this value; what it had before comes back.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(place) => self.rows.get_mut(place).map(|(_, old)| std::mem::replace(old, value)),
            Err(place) => {
                self.rows.insert(place, (key, value));
                None
            }
        }
    }

    /// The value of this key, made first where it has none.
    pub fn or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        let place = self.find(&key).unwrap_or_else(|place| {
            self.rows.insert(place, (key, value()));
            place
        });
        #[expect(clippy::indexing_slicing, reason = "it is there, found or put there")]
        &mut self.rows[place].1
    }

    /// Takes the key away, with its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (_, value) = self.rows.remove(self.find(key).ok()?);
        self.give_back();
        Some(value)
    }
}

impl<K: Ord, V> Extend<(K, V)> for Sorted<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, rows: I) {
        for (key, value) in rows {
            self.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn it_is_a_tree_to_who_asks() {
        let (mut sorted, mut twin) = (Sorted::new(), BTreeMap::new());
        let mut seed = 7u32;
        for turn in 0..20_000u32 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let key = format!("{}", (seed >> 8) % 150);
            match (seed >> 24) % 8 {
                0..3 => assert_eq!(sorted.insert(key, turn), twin.insert(key_of(seed), turn)),
                3..6 => assert_eq!(sorted.remove(key.as_str()), twin.remove(key.as_str())),
                6 => {
                    *sorted.or_insert_with(key.clone(), || turn) += 1;
                    *twin.entry(key).or_insert(turn) += 1;
                }
                _ => {
                    assert_eq!(sorted.get(key.as_str()), twin.get(key.as_str()));
                    assert_eq!(sorted.get_mut(key.as_str()), twin.get_mut(key.as_str()));
                    assert_eq!(sorted.contains_key(key.as_str()), twin.contains_key(key.as_str()));
                }
            }
            if turn % 500 == 0 {
                sorted.retain(|_, value| *value % 3 != 0);
                twin.retain(|_, value| *value % 3 != 0);
                for value in twin.values_mut() {
                    *value += 1;
                }
                sorted.iter_mut().for_each(|(_, value)| *value += 1);
            }
            assert_eq!(sorted.len(), twin.len());
            if turn % 50 == 0 {
                assert!(sorted.iter().eq(twin.iter()) && sorted.keys().eq(twin.keys()));
                assert!(sorted.values().eq(twin.values()) && sorted.is_empty() == twin.is_empty());
            }
        }
    }

    fn key_of(seed: u32) -> String {
        format!("{}", (seed >> 8) % 150)
    }
}
