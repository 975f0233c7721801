//! Links on which all is sealed (CURVE): what comes in is opened before anybody looks at it, and what waits is sealed when it is about to leave.
//!
//! In the ring, in a passage and in the tail lie messages as those of any other link, so nobody else knows of this. Beside them are kept the
//! beginning of a sealed frame that has not come whole, and frames that are sealed and have not left. What these were made from stays in the
//! ring until they have left: if they never do, it goes back to its senders.
//!
//! A frame can only be opened or sealed as a whole. So what there must be room for is known, and taken, when a message is put into the ring; to
//! seal needs no memory then. And frames of such a link have a bound of their own, as all of one is worked through in one go.

use crate::limits::{OPENED_BYTES, SEALED_FRAME_BYTES_MAX, STAGED_BYTES};
use crate::store::pool::{Pool, Use};
use crate::store::ring::{NoRoom, skip};
use crate::store::tail::Tail;
use crate::zmtp::Fault;
use crate::zmtp::frame::{self, Bounds};
use crate::zmtp::mechanism::session::{
    Heard, Opener, Sealed as SealedFrame, Sealer, Session, heard, opened_bytes, sealed_bytes,
};

use super::passage::Passage;

/// What a sealed link has beside what all links have.
#[derive(Debug)]
pub(in crate::hub) struct Sealed {
    sealer: Sealer,
    pub(in crate::hub) opener: Opener,
    /// The beginning of a sealed frame.
    pub(in crate::hub) raw: Tail,
    /// Frames that are sealed, from `left` to `filled`.
    block: Box<[u8]>,
    left: usize,
    filled: usize,
    /// Where the first frame begins of which not all has left.
    whole: usize,
    /// Bytes, unsealed, of the frames from there on.
    ahead: usize,
    /// A large message on its way, as it may be on any other link.
    pub(super) passage: Option<Passage>,
}

impl Sealed {
    /// Of a link whose handshake is over, with what has come behind that.
    pub(in crate::hub) fn new(session: Session, raw: Tail) -> Self {
        let Session { sealer, opener } = session;
        Self { sealer, opener, raw, block: Box::default(), left: 0, filled: 0, whole: 0, ahead: 0, passage: None }
    }

    /// Bytes of the block that sealed frames wait in.
    pub(super) fn block_bytes(&self) -> usize {
        self.block.len()
    }

    /// Bytes, unsealed, of what is sealed and has not left as a whole.
    pub(super) const fn ahead(&self) -> usize {
        self.ahead
    }

    /// What is sealed and waits.
    pub(super) fn unsent(&self) -> &[u8] {
        self.block.get(self.left..self.filled).unwrap_or_default()
    }

    /// Takes room for sealed frames, the largest of which is sealed from so many bytes, while so many wait in all.
    pub(super) fn make_room(&mut self, largest: usize, waiting: usize, pool: &mut Pool) -> Result<(), NoRoom> {
        let needed = sealed_bytes(largest);
        if self.block.len() >= needed.max(STAGED_BYTES.min(waiting)) {
            return Ok(());
        }
        let wanted = needed.max(STAGED_BYTES.min(2 * waiting));
        let block = match pool.take(wanted, Use::Ring) {
            Some(block) => block,
            None if self.block.len() >= needed => return Ok(()),
            None => pool.take(needed, Use::Ring).ok_or(NoRoom::Memory)?,
        };
        let old = core::mem::replace(&mut self.block, block);
        let kept = old.get(self.whole..self.filled).unwrap_or_default();
        if let Some(place) = self.block.get_mut(..kept.len()) {
            place.copy_from_slice(kept);
        }
        (self.left, self.filled, self.whole) = (self.left - self.whole, kept.len(), 0);
        pool.give(old, Use::Ring);
        Ok(())
    }

    /// Seals as many frames as there is room for of what waits. Answers how many bytes that was.
    pub(super) fn fill(&mut self, waiting: [&[u8]; 2]) -> Result<usize, Fault> {
        let before = self.filled;
        loop {
            let clear = skip(waiting, self.ahead);
            let place = self.block.get_mut(self.filled..).unwrap_or_default();
            let done = self.sealer.seal(clear, place);
            if !self.note_sealed(done)? {
                return Ok(self.filled - before);
            }
        }
    }

    /// The same where what waits may be written to while it is sealed; it is left as it was.
    pub(super) fn fill_lent(&mut self, [first, second]: [&mut [u8]; 2], left: usize) -> Result<usize, Fault> {
        let before = self.filled;
        loop {
            let gone = left + self.ahead;
            let in_second = gone.saturating_sub(first.len()).min(second.len());
            let clear = match first.get_mut(gone..) {
                Some(rest) => [rest, &mut *second],
                None => [second.get_mut(in_second..).unwrap_or_default(), &mut []],
            };
            let place = self.block.get_mut(self.filled..).unwrap_or_default();
            let done = self.sealer.seal_lent(clear, place);
            if !self.note_sealed(done)? {
                return Ok(self.filled - before);
            }
        }
    }

    /// Notes what became of a frame; answers whether there may be another.
    const fn note_sealed(&mut self, done: SealedFrame) -> Result<bool, Fault> {
        match done {
            SealedFrame::Frame { clear, sealed } => {
                self.ahead += clear;
                self.filled += sealed;
                Ok(true)
            }
            SealedFrame::NoRoom(_) => Ok(false),
            SealedFrame::OutOfNumbers => Err(Fault::SealNumber),
        }
    }

    /// So many bytes have left; answers from how many bytes the frames were sealed that have left with them.
    pub(super) fn note_sent(&mut self, n: usize) -> usize {
        self.left = (self.left + n).min(self.filled);
        let mut gone = 0;
        while let Some(Ok(head)) = self.block.get(self.whole..self.left).map(frame::head)
            && let Ok(body) = usize::try_from(head.body)
            && self.whole + head.bytes + body <= self.left
        {
            self.whole += head.bytes + body;
            gone += opened_bytes(body);
        }
        self.ahead -= gone.min(self.ahead);
        if self.left == self.filled {
            (self.left, self.filled, self.whole) = (0, 0, 0);
        }
        gone
    }

    /// Nothing waits any more: lets go of the block.
    pub(super) fn rest(&mut self, pool: &mut Pool) {
        if self.filled == 0 {
            pool.give(core::mem::take(&mut self.block), Use::Ring);
        }
    }

    /// Lets go of all that it holds.
    pub(super) fn clear(&mut self, pool: &mut Pool) {
        pool.give(core::mem::take(&mut self.block), Use::Ring);
        self.raw.clear(pool);
    }
}

/// Bytes that a message frame of a sealed link may have.
pub(in crate::hub) fn frame_bytes_max(bounds: &Bounds) -> u64 {
    bounds.frame_bytes_max.min(SEALED_FRAME_BYTES_MAX as u64)
}

/// What became of the bytes at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Opening {
    /// So many bytes of them were opened into so many others.
    Some { used: usize, opened: usize },
    /// At least so many bytes are missing of the frame at the front.
    Need(usize),
}

/// Opens whole frames at the front of `raw` as far as there is room for them in `out`, and no other message behind enough of them.
pub(in crate::hub) fn open_whole(
    opener: &mut Opener,
    raw: &[u8],
    bounds: &Bounds,
    out: &mut [u8],
) -> Result<Opening, (usize, Fault)> {
    let (mut used, mut opened) = (0, 0);
    loop {
        let rest = raw.get(used..).unwrap_or_default();
        let place = out.get_mut(opened..).unwrap_or_default();
        let (head, body) = match heard(rest, frame_bytes_max(bounds)).map_err(|fault| (opened, fault))? {
            Heard::Whole { head, body } => (head, body),
            Heard::Need(n) if used == 0 => return Ok(Opening::Need(n)),
            Heard::Need(_) => break,
        };
        let sealed = rest.get(head..head + body).unwrap_or_default();
        match opener.open(sealed, place).map_err(|fault| (opened, fault))? {
            Some(len) => {
                let has_more = place.first().is_some_and(|flags| flags & frame::MORE != 0);
                opened += len;
                used += head + body;
                if opened >= OPENED_BYTES && !has_more {
                    break;
                }
            }
            None => break,
        }
    }
    Ok(Opening::Some { used, opened })
}
