//! Byte blocks in doubling size classes, under one cap for the whole process.
//!
//! Beside its blocks it counts data that lies elsewhere and grows with what others send: simulation worlds, results for viewers, what
//! sessions keep. Together they never exceed the cap, and data has at most a quarter of it.
//!
//! Every byte that waits in this process, whether for a receiver (rings) or for the rest of its own message (partial input),
//! lies in a block from here. Partial input may use at most half of the cap, so it can never starve the rings that
//! would drain it. Returned blocks are kept for the next taker up to a small amount, so steady traffic allocates nothing.

use crate::limits::BLOCK_BYTES_MIN;

const CLASSES: usize = 24;

/// The share of the cap that data may have: what lies elsewhere and is only counted here. So it never starves rings and input.
const DATA_SHARE: usize = 4;

/// The share of the cap that may lie in free blocks, kept for the next taker.
const KEPT_SHARE: usize = 4;

/// So many bytes of free blocks, let go of at once, may leave much behind that only the allocator can give back.
const LET_GO_BYTES: usize = 64 << 10;

/// What a block is for; each use has its own share of the cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Bytes on their way out.
    Ring,
    /// Bytes that came in and do not yet make a whole message.
    Partial,
}

/// The pool: hands out zeroed-once blocks and counts what is out.
#[derive(Debug)]
pub struct Pool {
    free: [Vec<Box<[u8]>>; CLASSES],
    kept_bytes: usize,
    /// The fewest bytes that were kept since the last [`Pool::age`]: nobody has needed these.
    unused_bytes: usize,
    /// Many were let go of, and nobody has asked for that yet.
    has_let_go: bool,
    ring_bytes: usize,
    partial_bytes: usize,
    /// Bytes that lie elsewhere: worlds, results, what sessions keep.
    data_bytes: usize,
    /// Bytes that partial input may come to now: rings leave them alone.
    partial_ahead: usize,
    bytes_max: usize,
}

/// The size class whose blocks hold at least `bytes`.
fn class_of(bytes: usize) -> Option<(usize, usize)> {
    let size = bytes.max(BLOCK_BYTES_MIN).checked_next_power_of_two()?;
    let class = (size.trailing_zeros() - BLOCK_BYTES_MIN.trailing_zeros()) as usize;
    (class < CLASSES).then_some((class, size))
}

impl Pool {
    /// A pool of which at most `bytes_max` are out at a time.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self {
            free: Default::default(),
            kept_bytes: 0,
            unused_bytes: 0,
            has_let_go: false,
            ring_bytes: 0,
            partial_bytes: 0,
            data_bytes: 0,
            partial_ahead: 0,
            bytes_max,
        }
    }

    /// A block of at least `bytes`, or `None` when its share of the cap is used up.
    pub fn take(&mut self, bytes: usize, purpose: Use) -> Option<Box<[u8]>> {
        let (class, size) = class_of(bytes)?;
        if size > self.room(purpose) {
            return None;
        }
        match purpose {
            Use::Ring => self.ring_bytes += size,
            Use::Partial => self.partial_bytes += size,
        }
        if let Some(block) = self.free.get_mut(class).and_then(Vec::pop) {
            self.kept_bytes -= size;
            self.unused_bytes = self.unused_bytes.min(self.kept_bytes);
            return Some(block);
        }
        // What lies idle counts against the cap too: it makes room before more is asked of the system.
        if self.ring_bytes + self.partial_bytes + self.data_bytes + self.kept_bytes > self.bytes_max {
            self.free = Default::default();
            self.kept_bytes = 0;
            self.unused_bytes = 0;
        }
        Some(vec![0; size].into_boxed_slice())
    }

    /// Takes a block back. `purpose` must be what it was taken for.
    pub fn give(&mut self, block: Box<[u8]>, purpose: Use) {
        let size = block.len();
        if size == 0 {
            return;
        }
        let out = match purpose {
            Use::Ring => &mut self.ring_bytes,
            Use::Partial => &mut self.partial_bytes,
        };
        debug_assert!(*out >= size, "a block comes back for what it was taken");
        *out = out.saturating_sub(size);
        // One that was cut is of no class, and goes.
        let Some((class, _)) = class_of(size).filter(|(_, whole)| *whole == size) else { return };
        if self.kept_bytes + size <= self.bytes_max / KEPT_SHARE
            && let Some(list) = self.free.get_mut(class)
        {
            self.kept_bytes += size;
            list.push(block);
        }
    }

    /// A block of partial input grows where it lies, or is moved by whoever can do so without touching its bytes; answers whether there was room.
    /// Only what was filled before can be looked at.
    #[must_use]
    pub fn grow(&mut self, block: &mut Vec<u8>, bytes: usize) -> bool {
        let Some((_, size)) = class_of(bytes) else { return false };
        let more = size.saturating_sub(block.capacity());
        if more > self.room(Use::Partial) {
            return false;
        }
        self.partial_bytes += more;
        block.reserve_exact(size - block.len());
        debug_assert_eq!(block.capacity(), size, "what is reserved exactly is that");
        true
    }

    /// Takes a block of partial input back that may not be filled.
    pub fn give_back(&mut self, block: Vec<u8>) {
        let size = block.capacity();
        if block.len() == size {
            self.give(block.into_boxed_slice(), Use::Partial);
        } else {
            self.let_go(size);
        }
    }

    /// A block of so many bytes that was taken for partial input holds what is on its way out from here on.
    pub fn turn_over(&mut self, size: usize) {
        debug_assert!(self.partial_bytes >= size, "a block is turned over from what it was taken for");
        self.partial_bytes = self.partial_bytes.saturating_sub(size);
        self.ring_bytes += size;
    }

    /// A block of so many bytes that was taken for partial input is out for good: what it holds is counted elsewhere.
    pub fn let_go(&mut self, size: usize) {
        debug_assert!(self.partial_bytes >= size, "a block is let go that was taken");
        self.partial_bytes = self.partial_bytes.saturating_sub(size);
    }

    /// Until called again, rings leave room for `growth` bytes of partial input beyond what is out now: input that has been read
    /// must find its place although the messages before it fill rings.
    pub const fn reserve(&mut self, growth: usize) {
        self.partial_ahead = self.partial_bytes + growth;
    }

    /// Ends [`Pool::reserve`].
    pub const fn unreserve(&mut self) {
        self.partial_ahead = 0;
    }

    /// Bytes that may still be taken for `purpose`.
    #[must_use]
    pub fn room(&self, purpose: Use) -> usize {
        let cap = self.bytes_max.saturating_sub(self.data_bytes);
        let left = cap.saturating_sub(self.ring_bytes + self.partial_bytes);
        match purpose {
            Use::Ring => cap.saturating_sub(self.ring_bytes + self.partial_bytes.max(self.partial_ahead)),
            Use::Partial => left.min((self.bytes_max / 2).saturating_sub(self.partial_bytes)),
        }
    }

    /// Bytes of data that may still be counted.
    #[must_use]
    pub fn data_room(&self) -> usize {
        let left = self.bytes_max.saturating_sub(self.ring_bytes + self.partial_bytes + self.data_bytes);
        left.min(self.data_max().saturating_sub(self.data_bytes))
    }

    /// Bytes of data that may be counted at the most.
    #[must_use]
    pub const fn data_max(&self) -> usize {
        self.bytes_max / DATA_SHARE
    }

    /// Counts `bytes` of data, if there is room for them; answers whether there was.
    #[must_use]
    pub fn charge(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.data_room();
        if fits {
            self.data_bytes += bytes;
        }
        fits
    }

    /// The same for data that must leave room for other data: a quarter of what data may have.
    #[must_use]
    pub fn charge_leaving_room(&mut self, bytes: usize) -> bool {
        let reserve = self.data_max() / 4;
        bytes.saturating_add(reserve) <= self.data_room() && self.charge(bytes)
    }

    /// Counts `bytes` of data that are there and small, room or not.
    pub const fn charge_small(&mut self, bytes: usize) {
        self.data_bytes += bytes;
    }

    /// So many bytes of data are gone.
    pub fn refund(&mut self, bytes: usize) {
        debug_assert!(self.data_bytes >= bytes, "what goes was counted");
        self.data_bytes = self.data_bytes.saturating_sub(bytes);
    }

    /// Bytes of data counted now.
    #[must_use]
    pub const fn data_in_use(&self) -> usize {
        self.data_bytes
    }

    /// Bytes that are out, rings and partial input.
    #[must_use]
    pub const fn in_use(&self) -> (usize, usize) {
        (self.ring_bytes, self.partial_bytes)
    }

    /// Lets go of as many bytes of free blocks as nobody has needed since the last call, the largest blocks first. Called at
    /// intervals, it lets steady traffic keep its blocks and an idle process give them all back.
    pub fn age(&mut self) {
        let mut surplus = self.unused_bytes;
        let before = self.kept_bytes;
        for list in self.free.iter_mut().rev() {
            while let Some(size) = list.last().map(|block| block.len()).filter(|size| *size <= surplus) {
                list.pop();
                surplus -= size;
                self.kept_bytes -= size;
            }
            if list.is_empty() {
                *list = Vec::new();
            }
        }
        self.unused_bytes = self.kept_bytes;
        self.has_let_go |= before - self.kept_bytes >= LET_GO_BYTES;
    }

    /// Whether many free blocks were let go of since this was asked last.
    pub const fn take_let_go(&mut self) -> bool {
        core::mem::replace(&mut self.has_let_go, false)
    }

    /// Whether blocks are kept for later.
    #[must_use]
    pub const fn keeps_any(&self) -> bool {
        self.kept_bytes > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_holds_and_partial_input_gets_half() {
        let mut pool = Pool::new(8192);
        let partial = pool.take(4096, Use::Partial).unwrap();
        assert!(pool.take(1, Use::Partial).is_none());
        let ring = pool.take(3000, Use::Ring).unwrap();
        assert_eq!(ring.len(), 4096);
        assert!(pool.take(1, Use::Ring).is_none());
        pool.give(partial, Use::Partial);
        pool.give(ring, Use::Ring);
        assert_eq!(pool.in_use(), (0, 0));
        assert!(!pool.keeps_any(), "a block larger than the share that is kept goes at once");
        assert_eq!(pool.take(100, Use::Ring).unwrap().len(), BLOCK_BYTES_MIN);
    }

    #[test]
    fn what_is_reserved_is_left_for_partial_input() {
        let mut pool = Pool::new(8192);
        let partial = pool.take(2048, Use::Partial).unwrap();
        pool.reserve(2048);
        pool.give(partial, Use::Partial);
        assert!(pool.take(4097, Use::Ring).is_none());
        let ring = pool.take(4096, Use::Ring).unwrap();
        assert!(pool.take(1, Use::Ring).is_none());
        let partial = pool.take(4096, Use::Partial).unwrap();
        pool.unreserve();
        pool.give(ring, Use::Ring);
        assert!(pool.take(4096, Use::Ring).is_some());
        pool.give(partial, Use::Partial);
    }

    #[test]
    fn kept_blocks_make_room_for_others() {
        let mut pool = Pool::new(8192);
        let small: Vec<_> = (0..4).map(|_| pool.take(512, Use::Ring).unwrap()).collect();
        small.into_iter().for_each(|block| pool.give(block, Use::Ring));
        assert!(pool.keeps_any());
        let large = pool.take(8192, Use::Ring).unwrap();
        assert!(!pool.keeps_any());
        pool.give(large, Use::Ring);
    }

    #[test]
    fn blocks_in_use_are_kept_and_others_go_with_time() {
        let mut pool = Pool::new(1 << 20);
        for _ in 0..3 {
            let blocks = [pool.take(4096, Use::Ring).unwrap(), pool.take(512, Use::Ring).unwrap()];
            blocks.into_iter().for_each(|block| pool.give(block, Use::Ring));
            pool.age();
            assert!(pool.keeps_any(), "they were needed since the last time");
        }
        pool.age();
        assert!(!pool.keeps_any(), "nobody has needed them");
        assert!(!pool.take_let_go(), "they were few");
    }

    #[test]
    fn it_is_said_once_when_many_were_let_go_of() {
        let mut pool = Pool::new(1 << 20);
        let block = pool.take(LET_GO_BYTES, Use::Ring).unwrap();
        pool.give(block, Use::Ring);
        assert_eq!([(); 3].map(|()| (pool.age(), pool.take_let_go()).1), [false, true, false]);
    }

    #[test]
    fn absurd_sizes_are_refused() {
        let mut pool = Pool::new(usize::MAX);
        assert!(pool.take(usize::MAX, Use::Ring).is_none());
        assert!(pool.take(1 << 60, Use::Partial).is_none());
    }
}
