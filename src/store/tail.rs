//! What is left of a read: bytes that came in and do not yet make a whole message, or that nobody may read on yet, contiguous in
//! one block of the [`super::pool`]. It grows in the pool's steps and gives its block back with its last byte.

use super::pool::{Pool, Use};
use crate::limits::BLOCK_BYTES_MIN;

/// Bytes that wait to be read on. Empty, it holds no block.
#[derive(Debug, Default)]
pub struct Tail {
    block: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Tail {
    /// Bytes that wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether none wait.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Bytes of the block that it holds.
    #[must_use]
    pub fn block_bytes(&self) -> usize {
        self.block.len()
    }

    /// Bytes that can be appended, given so much room in the pool. A tail grows in steps, with the old block out while the new one
    /// is filled: the last two take one and a half times the size of the last.
    #[must_use]
    pub fn room(&self, pool: &Pool) -> usize {
        let room = pool.room(Use::Partial);
        let most = room.min((room + self.block.len()) / 3 * 2);
        let largest: usize = if most < BLOCK_BYTES_MIN { 0 } else { 1 << most.ilog2() };
        largest.max(self.block.len()).saturating_sub(self.len())
    }

    /// Bytes that the pool must have left, beyond the block that is out, so that `more` can be appended in whatever steps.
    #[must_use]
    pub fn growth(&self, more: usize) -> usize {
        let needed = self.len() + more;
        if needed <= self.block.len() {
            return 0;
        }
        let largest = needed.max(BLOCK_BYTES_MIN).next_power_of_two();
        largest + largest / 2 - self.block.len()
    }

    /// The bytes, in one piece.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.block.get(self.start..self.end).unwrap_or_default()
    }

    /// Appends `more`; answers `false` and changes nothing when the pool has no block large enough.
    #[must_use]
    pub fn append(&mut self, more: &[u8], pool: &mut Pool) -> bool {
        let needed = self.len() + more.len();
        if self.end + more.len() > self.block.len() {
            if needed <= self.block.len() {
                self.block.copy_within(self.start..self.end, 0);
            } else {
                let Some(mut block) = pool.take(needed, Use::Partial) else { return false };
                if let Some(place) = block.get_mut(..self.len()) {
                    place.copy_from_slice(self.bytes());
                }
                pool.give(core::mem::replace(&mut self.block, block), Use::Partial);
            }
            self.end = self.len();
            self.start = 0;
        }
        if let Some(place) = self.block.get_mut(self.end..self.end + more.len()) {
            place.copy_from_slice(more);
            self.end += more.len();
        }
        true
    }

    /// Its block, and where in it the bytes begin and end. The block is out for partial input still.
    #[must_use]
    pub fn into_block(self) -> (Box<[u8]>, core::ops::Range<usize>) {
        (self.block, self.start..self.end)
    }

    /// Takes `n` bytes from the front; gives the block back with the last one.
    pub fn consume(&mut self, n: usize, pool: &mut Pool) {
        self.start = (self.start + n).min(self.end);
        if self.is_empty() {
            self.clear(pool);
        }
    }

    /// Takes `len` bytes out of the middle, `at` bytes behind the front.
    pub fn cut(&mut self, at: usize, len: usize, pool: &mut Pool) {
        let from = (self.start + at + len).min(self.end);
        self.block.copy_within(from..self.end, self.start + at);
        self.end -= len;
        self.consume(0, pool);
    }

    /// Drops what waits and gives the block back.
    pub fn clear(&mut self, pool: &mut Pool) {
        pool.give(core::mem::take(&mut self.block), Use::Partial);
        self.start = 0;
        self.end = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_grows_shrinks_and_loses_its_middle() {
        let mut pool = Pool::new(1 << 16);
        let mut tail = Tail::default();
        assert!(tail.append(b"abcdef", &mut pool));
        tail.consume(1, &mut pool);
        tail.cut(1, 2, &mut pool);
        assert_eq!(tail.bytes(), b"bef");
        assert!(tail.append(&[b'x'; 2000], &mut pool));
        assert_eq!(tail.len(), 2003);
        assert!(!tail.append(&[0; 1 << 16], &mut pool), "the pool is too small");
        assert_eq!(tail.len(), 2003);
        tail.consume(2003, &mut pool);
        assert_eq!(pool.in_use(), (0, 0));
    }
}
