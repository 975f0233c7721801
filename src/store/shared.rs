//! Bytes that several hold and nobody changes: a document on its way to many, kept once.

use core::fmt;
use core::ops::{Deref, Range};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::pool::Pool;

/// The bytes. To clone them is to hold them once more.
#[derive(Clone)]
pub struct SharedBytes(Held);

#[derive(Clone)]
enum Held {
    /// A part of a block.
    Bytes(Arc<Vec<u8>>, Range<usize>),
    Text(Arc<String>),
}

impl SharedBytes {
    /// Those in a part of a block, without copying them. What lies behind them in the block is given back.
    #[must_use]
    pub fn of_block(block: Box<[u8]>, part: Range<usize>) -> Self {
        let mut block = Vec::from(block);
        block.truncate(part.end);
        block.shrink_to_fit();
        let start = part.start.min(block.len());
        let end = block.len();
        Self(Held::Bytes(Arc::new(block), start..end))
    }

    /// A part of them, which must lie in them.
    #[must_use]
    pub fn part(&self, part: &[u8]) -> Self {
        let start = part.as_ptr().addr().wrapping_sub(self.as_ptr().addr());
        match &self.0 {
            Held::Bytes(block, all) if start.checked_add(part.len()).is_some_and(|end| end <= self.len()) => {
                let start = all.start + start;
                Self(Held::Bytes(Arc::clone(block), start..start + part.len()))
            }
            Held::Bytes(..) | Held::Text(_) => part.into(),
        }
    }

    /// The same and `end`, if that lies right behind them in their block.
    #[must_use]
    pub fn and_behind(&self, end: &[u8]) -> Option<Self> {
        let Held::Bytes(block, part) = &self.0 else { return None };
        let is_there = block.get(part.end..).is_some_and(|rest| rest.starts_with(end));
        is_there.then(|| Self(Held::Bytes(Arc::clone(block), part.start..part.end + end.len())))
    }

    /// The block in which they lie.
    #[must_use]
    pub fn place(&self) -> Place {
        match &self.0 {
            Held::Bytes(block, _) => (block.as_ptr().addr(), block.capacity()),
            Held::Text(text) => (text.as_ptr().addr(), text.capacity()),
        }
    }

    /// Bytes that are held for these: their whole block.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.place().1
    }
}

impl PartialEq for SharedBytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for SharedBytes {}

impl Deref for SharedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Held::Bytes(block, part) => block.get(part.clone()).unwrap_or_default(),
            Held::Text(text) => text.as_bytes(),
        }
    }
}

impl From<Vec<u8>> for SharedBytes {
    fn from(bytes: Vec<u8>) -> Self {
        let all = 0..bytes.len();
        Self(Held::Bytes(Arc::new(bytes), all))
    }
}

impl From<&[u8]> for SharedBytes {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl From<Arc<Vec<u8>>> for SharedBytes {
    fn from(bytes: Arc<Vec<u8>>) -> Self {
        let all = 0..bytes.len();
        Self(Held::Bytes(bytes, all))
    }
}

impl From<Arc<String>> for SharedBytes {
    fn from(text: Arc<String>) -> Self {
        Self(Held::Text(text))
    }
}

impl fmt::Debug for SharedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedBytes({} bytes)", self.len())
    }
}

/// Where the block lies that bytes are in, and how many bytes it holds: the same place is the same block, as long as somebody has it.
pub type Place = (usize, usize);

/// Bytes that wait for several: their blocks are charged to the pool once, however many they wait for.
#[derive(Debug, Default)]
pub struct Waiting {
    /// For how many, by the blocks.
    places: BTreeMap<Place, usize>,
    bytes: usize,
}

impl Waiting {
    /// Bytes of all blocks.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// These wait for one more; `false` if there is no memory for them.
    pub fn add(&mut self, place: Place, pool: &mut Pool) -> bool {
        let waits = self.places.entry(place).or_default();
        if *waits == 0 {
            if !pool.charge(place.1) {
                self.places.remove(&place);
                return false;
            }
            self.bytes += place.1;
        }
        *waits += 1;
        true
    }

    /// They wait for one less.
    pub fn remove(&mut self, place: Place, pool: &mut Pool) {
        let Some(waits) = self.places.get_mut(&place) else { return };
        *waits -= 1;
        if *waits == 0 {
            self.places.remove(&place);
            self.bytes -= place.1;
            pool.refund(place.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_block_stays_where_it_is_and_what_is_behind_it_goes() {
        let block = vec![7; 4096].into_boxed_slice();
        let place = block.as_ptr();
        let shared = SharedBytes::of_block(block, 10..4000);
        assert_eq!((shared.len(), shared[0], shared.held_bytes()), (3990, 7, 4000));
        let part = shared.part(&shared[5..100]);
        assert_eq!((part.len(), part.as_ptr()), (95, shared[5..].as_ptr()));
        assert_eq!(part.and_behind(&shared[100..120]).map(|more| more.len()), Some(115));
        assert!(part.and_behind(b"elsewhere").is_none());
        assert_eq!(&*shared.part(b"elsewhere"), b"elsewhere");
        let other = shared.clone();
        assert_eq!(other.as_ptr(), shared.as_ptr());
        assert!(
            place == shared.as_ptr().wrapping_sub(10) || shared.held_bytes() == 4000,
            "an allocator may move what shrinks"
        );
    }

    #[test]
    fn a_block_is_charged_whole_and_once_until_nobody_waits_for_a_part_of_it() {
        let (mut waiting, mut pool) = (Waiting::default(), Pool::new(1 << 20));
        let mut block = Vec::with_capacity(1000);
        block.resize(900, 7);
        let whole = SharedBytes::from(block);
        let [a, b] = [10..500, 20..600].map(|part| whole.part(&whole[part]));
        assert_eq!((a.held_bytes(), a.place()), (1000, b.place()));
        for part in [&a, &b, &a] {
            assert!(waiting.add(part.place(), &mut pool));
            assert_eq!((waiting.bytes(), pool.data_in_use()), (1000, 1000));
        }
        for (part, left) in [(&a, 1000), (&a, 1000), (&b, 0)] {
            waiting.remove(part.place(), &mut pool);
            assert_eq!((waiting.bytes(), pool.data_in_use()), (left, left));
        }
    }

    #[test]
    fn text_and_bytes_are_held_alike() {
        let text = Arc::new("abc".to_owned());
        assert_eq!(&*SharedBytes::from(Arc::clone(&text)), b"abc");
        assert_eq!(SharedBytes::from(Arc::clone(&text)).as_ptr(), text.as_ptr());
        assert_eq!(&*SharedBytes::from(&b"abc"[..]), &*SharedBytes::from(b"abc".to_vec()));
    }
}
