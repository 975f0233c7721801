//! A bounded queue of bytes that takes a message whole or not at all.
//!
//! Empty, it owns no memory. Its block comes from the [`Pool`], doubles while the bound and the pool allow it, and goes back
//! when the last byte has left. [`Ring::unsent`] shows what waits as two slices, oldest first.

use super::pool::{Pool, Use};

/// Why there is no room for bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// The ring holds as much as it may.
    Full,
    /// The process-wide cap is reached.
    Memory,
}

/// The queue. Its bound is given with each push, so that an entry costs no bytes for it.
#[derive(Debug, Default)]
pub struct Ring {
    block: Box<[u8]>,
    head: usize,
    len: usize,
    /// Bytes that were enough lately, so that a busy ring starts with them instead of doubling up again.
    hint: usize,
    /// Most bytes that waited since the block was taken.
    most: usize,
}

impl Ring {
    /// An empty ring without a block.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A ring of which all is in a block already: `len` bytes from `head` on.
    #[must_use]
    pub fn of_block(block: Box<[u8]>, head: usize, len: usize) -> Self {
        debug_assert!(head + len <= block.len(), "what waits lies in the block");
        Self { block, head, len, hint: 0, most: 0 }
    }

    /// Bytes waiting.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of the block it has now.
    #[must_use]
    pub const fn block_bytes(&self) -> usize {
        self.block.len()
    }

    /// Takes all `parts`, one after the other, or none of them. More than `bytes_max` is taken only into an empty ring: what we
    /// say ourselves may be larger than the bound, and still passes to a receiver that keeps up.
    ///
    /// # Errors
    /// [`NoRoom::Full`] over the bound, [`NoRoom::Memory`] when the pool has no block; the ring is unchanged.
    pub fn push(&mut self, parts: &[&[u8]], bytes_max: usize, pool: &mut Pool) -> Result<(), NoRoom> {
        self.push_within(parts, if self.is_empty() { usize::MAX } else { bytes_max }, pool)
    }

    /// The same, and no more than `bytes_max` in any case.
    ///
    /// # Errors
    /// As for [`Ring::push`].
    #[inline(always)]
    pub fn push_within(&mut self, parts: &[&[u8]], bytes_max: usize, pool: &mut Pool) -> Result<(), NoRoom> {
        let more: usize = parts.iter().map(|part| part.len()).sum();
        let total = self.len + more;
        if total > bytes_max {
            return Err(NoRoom::Full);
        }
        if total > self.block.len() {
            self.grow(total, pool)?;
        }
        for part in parts {
            self.put(part);
        }
        self.most = self.most.max(total);
        Ok(())
    }

    #[inline(always)]
    fn put(&mut self, bytes: &[u8]) {
        let size = self.block.len();
        let mut start = self.head + self.len;
        if start >= size {
            start -= size;
        }
        if let Some(place) = self.block.get_mut(start..start + bytes.len()) {
            place.copy_from_slice(bytes);
        } else {
            let (first, second) = bytes.split_at(size - start);
            if let Some(place) = self.block.get_mut(start..) {
                place.copy_from_slice(first);
            }
            if let Some(place) = self.block.get_mut(..second.len()) {
                place.copy_from_slice(second);
            }
        }
        self.len += bytes.len();
    }

    #[cold]
    fn grow(&mut self, total: usize, pool: &mut Pool) -> Result<(), NoRoom> {
        let wanted = if self.len == 0 { total.max(self.hint) } else { total };
        let mut block = match pool.take(wanted, Use::Ring) {
            Some(block) => block,
            None => pool.take(total, Use::Ring).ok_or(NoRoom::Memory)?,
        };
        let [first, second] = self.unsent();
        let (a, rest) = block.split_at_mut(first.len());
        a.copy_from_slice(first);
        if let Some(b) = rest.get_mut(..second.len()) {
            b.copy_from_slice(second);
        }
        self.head = 0;
        pool.give(core::mem::replace(&mut self.block, block), Use::Ring);
        Ok(())
    }

    /// What waits, oldest bytes first.
    #[must_use]
    #[inline]
    pub fn unsent(&self) -> [&[u8]; 2] {
        let size = self.block.len();
        let end = self.head + self.len;
        if end <= size {
            [self.block.get(self.head..end).unwrap_or_default(), &[]]
        } else {
            [self.block.get(self.head..).unwrap_or_default(), self.block.get(..end - size).unwrap_or_default()]
        }
    }

    /// The same, to be changed where it lies.
    #[must_use]
    pub fn unsent_mut(&mut self) -> [&mut [u8]; 2] {
        let (start, end) = (self.head, self.head + self.len);
        let (front, back) = self.block.split_at_mut(start);
        let turned = end.saturating_sub(front.len() + back.len());
        [back.get_mut(..self.len - turned).unwrap_or_default(), front.get_mut(..turned).unwrap_or_default()]
    }

    /// Drops the oldest `n` bytes: they have left. Gives the block back with the last byte.
    #[inline]
    pub fn consume(&mut self, n: usize, pool: &mut Pool) {
        debug_assert!(n <= self.len, "no more leaves than waits");
        self.len -= n.min(self.len);
        if self.len == 0 {
            self.clear(pool);
            return;
        }
        self.head += n;
        if self.head >= self.block.len() {
            self.head -= self.block.len();
        }
    }

    /// Takes `n` bytes out that lie behind the first `kept`; those move up to what is behind. An emptied ring keeps its block for a push.
    pub fn remove(&mut self, kept: usize, n: usize) {
        debug_assert!(kept + n <= self.len, "what is taken out waits");
        let size = self.block.len();
        let wrap = |at: usize| if at > size { at - size } else { at };
        let mut left = kept;
        while left > 0 {
            // From its end on, as far as neither place goes round.
            let (from, to) = (wrap(self.head + left), wrap(self.head + n + left));
            let piece = left.min(from).min(to);
            self.block.copy_within(from - piece..from, to - piece);
            left -= piece;
        }
        self.len -= n.min(self.len);
        self.head += n;
        if self.head >= size {
            self.head -= size;
        }
    }

    /// What waits as one slice; turns the block where it has to.
    #[must_use]
    pub fn contiguous(&mut self) -> &[u8] {
        if self.head + self.len > self.block.len() {
            self.block.rotate_left(self.head);
            self.head = 0;
        }
        self.block.get(self.head..self.head + self.len).unwrap_or_default()
    }

    /// Drops everything that waits.
    pub fn clear(&mut self, pool: &mut Pool) {
        // Halved each time, so that one burst does not make every later message take a large block.
        self.hint = core::mem::take(&mut self.most).max(self.hint / 2);
        pool.give(core::mem::take(&mut self.block), Use::Ring);
        self.head = 0;
        self.len = 0;
    }
}

/// The first `n` bytes of two slices.
#[must_use]
pub fn first([first, second]: [&[u8]; 2], n: usize) -> [&[u8]; 2] {
    match first.get(..n) {
        Some(all) => [all, &[]],
        None => [first, second.get(..n - first.len()).unwrap_or(second)],
    }
}

/// Two slices without their first `n` bytes.
#[must_use]
#[inline]
pub fn skip([first, second]: [&[u8]; 2], n: usize) -> [&[u8]; 2] {
    match first.get(n..) {
        Some(rest) => [rest, second],
        None => [second.get(n - first.len()..).unwrap_or_default(), &[]],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    fn content(ring: &mut Ring) -> Vec<u8> {
        let content = ring.unsent().concat();
        assert_eq!(ring.unsent_mut().concat(), content);
        content
    }

    #[test]
    fn takes_whole_messages_or_nothing() {
        let mut pool = Pool::new(1 << 20);
        let mut ring = Ring::new();
        assert_eq!(ring.push(&[b"abc", b"def"], 10, &mut pool), Ok(()));
        assert_eq!(ring.push(&[b"12345"], 10, &mut pool), Err(NoRoom::Full));
        assert_eq!(content(&mut ring), b"abcdef");
        ring.consume(6, &mut pool);
        assert_eq!(ring.push(&[&[7; 50]], 10, &mut pool), Ok(()), "an empty ring takes an oversized message");
        assert_eq!(ring.push(&[b"x"], 10, &mut pool), Err(NoRoom::Full));
        ring.clear(&mut pool);
        assert_eq!(
            ring.push_within(&[&[7; 50]], 10, &mut pool),
            Err(NoRoom::Full),
            "unless it is said that it must not"
        );
        ring.clear(&mut pool);
        assert_eq!(pool.in_use(), (0, 0));
    }

    #[test]
    fn a_dry_pool_leaves_the_ring_as_it_was() {
        let mut pool = Pool::new(1024);
        let mut ring = Ring::new();
        ring.push(&[&[1; 600]], 4096, &mut pool).unwrap();
        assert_eq!(ring.push(&[&[2; 600]], 4096, &mut pool), Err(NoRoom::Memory));
        assert_eq!(content(&mut ring), [1; 600]);
    }

    #[test]
    fn agrees_with_a_slow_twin_over_wraps_and_growth() {
        let mut pool = Pool::new(1 << 20);
        let mut ring = Ring::new();
        let mut twin: VecDeque<u8> = VecDeque::new();
        let mut state = 1u64;
        for round in 0..5000u32 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let n = (state >> 40) as usize % 700;
            if state & 48 == 0 {
                let expected: Vec<u8> = twin.iter().copied().collect();
                assert_eq!(ring.contiguous(), expected);
            }
            if state & 1280 == 256 && !twin.is_empty() {
                let kept = (state >> 50) as usize % twin.len();
                let n = n.min(twin.len() - kept);
                ring.remove(kept, n);
                twin.drain(kept..kept + n);
                if twin.is_empty() {
                    ring.clear(&mut pool);
                }
            } else if state & 8 == 0 {
                let bytes = vec![u8::try_from(round % 251).unwrap(); n];
                let fits = twin.is_empty() || twin.len() + n <= 3000;
                assert_eq!(ring.push(&[&bytes], 3000, &mut pool).is_ok(), fits);
                if fits {
                    twin.extend(&bytes);
                }
            } else {
                let n = n.min(twin.len());
                ring.consume(n, &mut pool);
                twin.drain(..n);
            }
            assert_eq!(content(&mut ring), twin.iter().copied().collect::<Vec<_>>());
        }
    }
}
