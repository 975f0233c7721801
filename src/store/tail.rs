//! What is left of a read: bytes that came in and do not yet make a whole message, or that nobody may read on yet, contiguous in
//! one block of the [`super::pool`]. It grows in the pool's steps and gives its block back with its last byte.

use super::pool::{Pool, Use};
use super::wipe;
use crate::limits::BLOCK_BYTES_MIN;

/// A block of so many bytes is not copied when it grows.
const LARGE_BYTES: usize = 1 << 20;

/// Bytes that wait to be read on. Empty, it holds no block.
#[derive(Debug, Default)]
pub struct Tail {
    /// What of it was filled once; it has room for more.
    block: Vec<u8>,
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
    pub const fn block_bytes(&self) -> usize {
        self.block.capacity()
    }

    /// Bytes that can be appended, given so much room in the pool. A tail grows in steps, with the old block out while the new one
    /// is filled: the last two take one and a half times the size of the last.
    #[must_use]
    pub fn room(&self, pool: &Pool) -> usize {
        let room = pool.room(Use::Partial);
        let most = room.min((room + self.block.capacity()) / 3 * 2);
        let largest: usize = if most < BLOCK_BYTES_MIN { 0 } else { 1 << most.ilog2() };
        largest.max(self.block.capacity()).saturating_sub(self.len())
    }

    /// Bytes that the pool must have left, beyond the block that is out, so that `more` can be appended in whatever steps.
    #[must_use]
    pub fn growth(&self, more: usize) -> usize {
        let needed = self.len() + more;
        if needed <= self.block.capacity() {
            return 0;
        }
        let largest = needed.max(BLOCK_BYTES_MIN).next_power_of_two();
        largest + largest / 2 - self.block.capacity()
    }

    /// The bytes, in one piece.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.block.get(self.start..self.end).unwrap_or_default()
    }

    /// The same, to be changed where they lie.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.block.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// Appends `more`; answers `false` and changes nothing when the pool has no block large enough.
    #[must_use]
    pub fn append(&mut self, more: &[u8], pool: &mut Pool) -> bool {
        let needed = self.len() + more.len();
        if self.end + more.len() > self.block.capacity() {
            if needed > self.block.capacity() && !self.grow(needed, pool) {
                return false;
            }
            if self.end + more.len() > self.block.capacity() {
                self.block.copy_within(self.start..self.end, 0);
                self.end = self.len();
                self.start = 0;
            }
        }
        let filled = self.block.len().saturating_sub(self.end).min(more.len());
        let (over, behind) = more.split_at(filled);
        if let Some(place) = self.block.get_mut(self.end..self.end + filled) {
            place.copy_from_slice(over);
        }
        self.block.extend_from_slice(behind);
        self.end += more.len();
        true
    }

    /// The same of bytes that must lie nowhere but here, as those before them: where those lay is wiped if they have to move.
    #[must_use]
    pub fn append_secret(&mut self, more: &[u8], pool: &mut Pool) -> bool {
        let needed = self.len() + more.len();
        if needed > self.block.capacity() {
            let mut larger = Self::default();
            if !larger.grow(needed, pool) || !larger.append(self.bytes(), pool) {
                larger.clear(pool);
                return false;
            }
            self.clear_secret(pool);
            *self = larger;
        } else if self.end + more.len() > self.block.capacity() {
            let old = self.end;
            self.block.copy_within(self.start..old, 0);
            (self.start, self.end) = (0, self.len());
            wipe(self.block.get_mut(self.end..old).unwrap_or_default());
        }
        self.append(more, pool)
    }

    /// Takes a block of at least so many bytes in place of the one that it has.
    fn grow(&mut self, bytes: usize, pool: &mut Pool) -> bool {
        if self.block.capacity() >= LARGE_BYTES {
            // To copy it would take milliseconds.
            return pool.grow(&mut self.block, bytes);
        }
        let Some(block) = pool.take(bytes, Use::Partial) else { return false };
        let mut block = Vec::from(block);
        if let Some(place) = block.get_mut(..self.len()) {
            place.copy_from_slice(self.bytes());
        }
        pool.give_back(core::mem::replace(&mut self.block, block));
        self.end = self.len();
        self.start = 0;
        true
    }

    /// Its block, and where in it the bytes begin and end; what is behind them is cut off. The block is out for partial input still.
    #[must_use]
    pub fn into_block(mut self, pool: &mut Pool) -> (Box<[u8]>, core::ops::Range<usize>) {
        let whole = self.block.capacity();
        if self.block.len() < whole {
            self.block.truncate(self.end);
            self.block.shrink_to_fit();
            pool.let_go(whole - self.block.len());
        }
        (self.block.into_boxed_slice(), self.start..self.end)
    }

    /// Takes `n` bytes from the front; gives the block back with the last one.
    pub fn consume(&mut self, n: usize, pool: &mut Pool) {
        self.start = (self.start + n).min(self.end);
        if self.is_empty() {
            self.clear(pool);
        }
    }

    /// The same of bytes that must not lie in the block any longer.
    pub fn consume_secret(&mut self, n: usize, pool: &mut Pool) {
        let n = n.min(self.len());
        if let Some(secret) = self.block.get_mut(self.start..self.start + n) {
            wipe(secret);
        }
        self.consume(n, pool);
    }

    /// Drops what waits, of which nothing must lie in the block any longer.
    pub fn clear_secret(&mut self, pool: &mut Pool) {
        self.consume_secret(self.len(), pool);
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
        pool.give_back(core::mem::take(&mut self.block));
        self.start = 0;
        self.end = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_tail_grows_where_it_lies_and_is_counted_by_what_it_may_hold() {
        let mut pool = Pool::new(64 << 20);
        let mut tail = Tail::default();
        let mut twin = Vec::new();
        for n in 0..50_u8 {
            let more = vec![n; 100_000];
            assert!(tail.append(&more, &mut pool));
            twin.extend_from_slice(&more);
            if n % 7 == 3 {
                tail.consume(30_000, &mut pool);
                twin.drain(..30_000);
            }
            assert_eq!(tail.bytes(), twin);
            assert_eq!(pool.in_use(), (0, tail.block_bytes()));
        }
        assert!(tail.block_bytes() >= 8 << 20);
        let (block, place) = tail.into_block(&mut pool);
        assert_eq!((&block[place], pool.in_use()), (&*twin, (0, block.len())));
        pool.turn_over(block.len());
        pool.give(block, Use::Ring);
        assert_eq!(pool.in_use(), (0, 0));
        assert!(!Tail::default().append(&[0; 64 << 20], &mut pool), "more than its share");
    }

    #[test]
    fn a_secret_does_not_stay_in_the_block() {
        let mut pool = Pool::new(1 << 16);
        let mut tail = Tail::default();
        assert!(tail.append(b"before, a secret, and behind", &mut pool));
        tail.consume(8, &mut pool);
        tail.consume_secret(8, &mut pool);
        assert_eq!(tail.bytes(), b", and behind");
        assert_eq!(tail.block.get(..28).unwrap(), b"before, \0\0\0\0\0\0\0\0, and behind");
        // What is given back is handed out as it is.
        assert!(tail.append(b"; another one", &mut pool));
        let bytes = tail.block_bytes();
        tail.consume_secret(usize::MAX, &mut pool);
        let block = pool.take(bytes, Use::Partial).unwrap();
        assert!(!block.windows(7).any(|bytes| bytes == b"another"));
    }

    #[test]
    fn a_secret_that_comes_in_parts_stays_nowhere_that_it_has_lain() {
        let mut pool = Pool::new(1 << 16);
        let mut tail = Tail::default();
        assert!(tail.append_secret(&[b'-'; 1000], &mut pool) && tail.block_bytes() == 1024);
        tail.consume(1000, &mut pool);
        assert!(tail.append_secret(b"------", &mut pool));
        tail.consume(3, &mut pool);
        assert!(tail.append_secret(&[b'-'; 1000], &mut pool));
        tail.consume(997, &mut pool);
        assert!(tail.append_secret(b"the first part, ", &mut pool));
        assert_eq!(tail.block.get(..1019).unwrap().iter().filter(|byte| **byte == b't').count(), 3, "it lies there");
        // It moves in its block, into another one, and goes.
        tail.consume(4, &mut pool);
        assert!(tail.append_secret(&[b'2'; 50], &mut pool));
        assert_eq!(tail.bytes(), [b"--the first part, ".as_slice(), &[b'2'; 50]].concat());
        assert!(tail.block.windows(9).filter(|bytes| bytes == b"the first").count() == 1);
        assert!(tail.append_secret(&[b'3'; 2000], &mut pool));
        let small = pool.take(1024, Use::Partial).unwrap();
        assert!(!small.iter().any(|byte| b"thefirspa23".contains(byte)));
        tail.clear_secret(&mut pool);
        let large = pool.take(4096, Use::Partial).unwrap();
        assert!(!large.iter().any(|byte| b"thefirspa23".contains(byte)));
    }

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
