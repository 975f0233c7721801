//! Names to slots: an open-addressed index of 32-bit slots over a table that owns the names.
//!
//! The index stores no name itself, so a lookup asks its caller "is this slot the one?". Probing is linear, removal
//! shifts back, so there are no tombstones and a lookup in a full-grown index costs what it costs in a small one. The hash
//! is seeded at construction: a peer cannot choose names that collide without knowing the seed.

const EMPTY: u32 = u32::MAX;
const SLOTS_MIN: usize = 16;

/// An index from byte-string names to slots of a table held elsewhere.
#[derive(Debug)]
pub struct Index {
    /// `(hash, slot)`; `slot == EMPTY` marks a free place. Length is zero or a power of two.
    places: Vec<(u32, u32)>,
    used: usize,
    seed: u64,
}

/// Hash of `name` under `seed`: eight bytes at a time, folded multiplication.
#[inline]
fn hash(seed: u64, name: &[u8]) -> u32 {
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low half of the product is wanted here, the high half beside it"
    )]
    fn fold(a: u64, b: u64) -> u64 {
        let product = u128::from(a) * u128::from(b);
        (product as u64) ^ ((product >> 64) as u64)
    }
    const K0: u64 = 0x9e37_79b9_7f4a_7c15;
    const K1: u64 = 0xe703_7ed1_a0b4_28db;
    let mut state = seed ^ K0;
    let mut rest = name;
    while let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
        state = fold(state ^ u64::from_le_bytes(*chunk), K1);
        rest = tail;
    }
    // The last eight bytes once more, where there are so many, cost less than what is left over byte by byte.
    let last = match name.last_chunk::<8>() {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => rest.iter().fold(0, |last, &byte| (last << 8) | u64::from(byte)),
    };
    let mixed = fold(state ^ last, K0 ^ (name.len() as u64));
    #[expect(clippy::cast_possible_truncation, reason = "32 bits of the hash are kept")]
    let short = (mixed ^ (mixed >> 32)) as u32;
    short
}

impl Index {
    /// An empty index; `seed` should differ from process to process.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { places: Vec::new(), used: 0, seed }
    }

    /// Names in the index.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.used
    }

    /// Whether the index is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// The slot filed under `name` for which `is_it` says yes.
    #[inline]
    pub fn find(&self, name: &[u8], mut is_it: impl FnMut(usize) -> bool) -> Option<usize> {
        if self.places.is_empty() {
            return None;
        }
        let wanted = hash(self.seed, name);
        let mask = self.places.len() - 1;
        let mut at = wanted as usize & mask;
        while let Some(&(stored, slot)) = self.places.get(at) {
            if slot == EMPTY {
                return None;
            }
            if stored == wanted && is_it(slot as usize) {
                return Some(slot as usize);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// Files `slot` under `name`. The caller has looked the name up before: two entries of one name are a bug.
    pub fn insert(&mut self, name: &[u8], slot: usize) {
        // At most 7/8 full, so that a probe always meets an empty place.
        if self.places.is_empty() || (self.used + 1) * 8 > self.places.len() * 7 {
            self.grow();
        }
        let Ok(slot) = u32::try_from(slot) else {
            debug_assert!(false, "slots of a capped table fit 32 bits");
            return;
        };
        debug_assert_ne!(slot, EMPTY, "the empty mark is no slot");
        let entry = (hash(self.seed, name), slot);
        place(&mut self.places, entry);
        self.used += 1;
    }

    /// Takes `slot`, filed under `name`, out. Answers whether it was there.
    pub fn remove(&mut self, name: &[u8], slot: usize) -> bool {
        if self.places.is_empty() {
            return false;
        }
        let mask = self.places.len() - 1;
        let mut at = hash(self.seed, name) as usize & mask;
        loop {
            match self.places.get(at) {
                Some(&(_, EMPTY)) | None => return false,
                Some(&(_, found)) if found as usize == slot => break,
                Some(_) => at = (at + 1) & mask,
            }
        }
        // Shift later entries of the run back over the hole, unless that would put one before its home place.
        let mut hole = at;
        let mut next = (at + 1) & mask;
        while let Some(&(stored, slot)) = self.places.get(next) {
            if slot == EMPTY {
                break;
            }
            let home = stored as usize & mask;
            if (next.wrapping_sub(home) & mask) >= (next.wrapping_sub(hole) & mask) {
                if let Some(place) = self.places.get_mut(hole) {
                    *place = (stored, slot);
                }
                hole = next;
            }
            next = (next + 1) & mask;
        }
        if let Some(place) = self.places.get_mut(hole) {
            place.1 = EMPTY;
        }
        self.used -= 1;
        true
    }

    fn grow(&mut self) {
        let wider = (self.places.len() * 2).max(SLOTS_MIN);
        let mut places = vec![(0, EMPTY); wider];
        for entry in self.places.iter().filter(|(_, slot)| *slot != EMPTY) {
            place(&mut places, *entry);
        }
        self.places = places;
    }
}

fn place(places: &mut [(u32, u32)], entry: (u32, u32)) {
    let mask = places.len() - 1;
    let mut at = entry.0 as usize & mask;
    loop {
        match places.get_mut(at) {
            Some(free) if free.1 == EMPTY => {
                *free = entry;
                return;
            }
            _ => at = (at + 1) & mask,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Random inserts, lookups and removals against a map that cannot be wrong.
    #[test]
    fn agrees_with_a_slow_twin() {
        for seed in 0..20u64 {
            let mut index = Index::new(seed);
            let mut names: Vec<String> = Vec::new();
            let mut twin: BTreeMap<String, usize> = BTreeMap::new();
            let mut state = seed + 1;
            for _ in 0..2000 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let name = format!("name{}", (state >> 33) % 200);
                let found = index.find(name.as_bytes(), |slot| names[slot] == name);
                assert_eq!(found, twin.get(&name).copied());
                match found {
                    Some(slot) if state & 1 == 0 => {
                        assert!(index.remove(name.as_bytes(), slot));
                        twin.remove(&name);
                    }
                    Some(_) => {}
                    None => {
                        names.push(name.clone());
                        index.insert(name.as_bytes(), names.len() - 1);
                        twin.insert(name, names.len() - 1);
                    }
                }
                assert_eq!(index.len(), twin.len());
            }
            assert!(!index.remove(b"never there", 0));
        }
    }
}
