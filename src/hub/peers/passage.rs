//! A large message on its way to one receiver: where it stands among what else waits for that one, and what is known of its sender.

use crate::http::chunks::Chunked;
use crate::hub::keys::PeerKey;
use crate::limits::LENT_PIECE_BYTES;
use crate::store::pool::Pool;
use crate::store::ring::{NoRoom, Ring, skip};
use crate::store::shared::SharedBytes;
use crate::time::{Span, Tick};
use crate::zmtp::frame::push_frame;

use super::undelivered::Undelivered;

/// A large message on its way to a receiver.
#[derive(Debug)]
pub(in crate::hub) struct Passage {
    ring: Ring,
    /// Bytes of the receiver's own ring that go before it.
    behind: usize,
    /// Bytes of it that have left, and lie in `ring` still where it is whole.
    left: usize,
    form: Form,
}

/// What is lent: a document, and how it is cut where it is sent in chunks.
#[derive(Debug, Default)]
pub(in crate::hub) struct Loan {
    pub(in crate::hub) document: Option<SharedBytes>,
    pub(in crate::hub) chunked: Option<Chunked>,
}

impl Loan {
    /// Bytes that are sent of it.
    pub(super) fn len(&self) -> usize {
        match &self.chunked {
            Some(chunked) => chunked.sent_bytes(),
            None => self.document.as_ref().map_or(0, |document| document.len()),
        }
    }

    /// What is sent behind so many bytes of it.
    fn next(&self, sent: usize) -> [&[u8]; 2] {
        let document = self.document.as_deref().unwrap_or_default();
        match &self.chunked {
            Some(chunked) => chunked.next(document, sent),
            None => [document.get(sent..).unwrap_or_default(), &[]],
        }
    }
}

/// How it comes.
#[derive(Debug)]
enum Form {
    /// All of it lies in the ring until all has left.
    Whole,
    /// The same, but for its end: that is lent by whoever keeps it for several, and is said to have left.
    Lent(Loan),
    Pieces(Pieces),
}

#[derive(Debug)]
struct Pieces {
    /// Who sends it, as long as more of it is to come.
    from: Option<PeerKey>,
    /// A message with nothing in it, from the same sender: what an error about this one is made from.
    front: Vec<u8>,
    /// How long the receiver has waited for the sender in all; and since when it waits now.
    starved: Span,
    starved_since: Option<Tick>,
}

/// What has become of the pieces at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Passed {
    /// All have gone on, and there will be more.
    Some,
    /// The last of the message has gone on.
    Last,
    /// There is no room for the others: the sender is held.
    Held,
}

impl Passage {
    /// One that lies in `ring` with all of its bytes, `behind` bytes of the receiver's own.
    pub(super) const fn whole(behind: usize, ring: Ring) -> Self {
        Self { ring, behind, left: 0, form: Form::Whole }
    }

    /// One that begins with what is in `ring` and ends with a document.
    pub(super) const fn lent(behind: usize, ring: Ring, loan: Loan) -> Self {
        Self { ring, behind, left: 0, form: Form::Lent(loan) }
    }

    /// Whether some of it is lent.
    pub(super) const fn is_lent(&self) -> bool {
        matches!(self.form, Form::Lent(_))
    }

    /// One that `from` begins to send. `front` are its frames before the payload.
    pub(super) fn in_pieces(behind: usize, from: PeerKey, mut front: Vec<u8>) -> Self {
        push_frame(&mut front, false, &[]);
        let pieces = Pieces { from: Some(from), front, starved: Span(0), starved_since: None };
        Self { ring: Ring::new(), behind, left: 0, form: Form::Pieces(pieces) }
    }

    /// Who sends it, as long as more of it is to come.
    pub(super) const fn from(&self) -> Option<PeerKey> {
        match &self.form {
            Form::Whole | Form::Lent(_) => None,
            Form::Pieces(pieces) => pieces.from,
        }
    }

    pub(super) const fn behind(&self) -> usize {
        self.behind
    }

    /// So many bytes of the receiver's ring have gone that were before it.
    pub(super) const fn come_forward(&mut self, gone: usize) {
        self.behind = self.behind.saturating_sub(gone);
    }

    /// What of it waits, as two slices.
    pub(super) fn unsent(&self) -> [&[u8]; 2] {
        match &self.form {
            Form::Whole => skip(self.ring.unsent(), self.left),
            Form::Lent(loan) => {
                // A ring that has been filled once begins where its block does.
                let [front, _] = self.ring.unsent();
                let rest = match front.get(self.left..).filter(|front| !front.is_empty()) {
                    Some(front) => [front, loan.next(0)[0]],
                    None => loan.next(self.left - front.len()),
                };
                rest.map(|bytes| bytes.get(..LENT_PIECE_BYTES).unwrap_or(bytes))
            }
            Form::Pieces(_) => self.ring.unsent(),
        }
    }

    /// The same, all of it that is there.
    pub(super) fn all_unsent(&self) -> [&[u8]; 2] {
        match &self.form {
            Form::Whole | Form::Pieces(_) => self.unsent(),
            Form::Lent(loan) => {
                let [front, _] = self.ring.unsent();
                match front.get(self.left..).filter(|front| !front.is_empty()) {
                    Some(front) => [front, loan.next(0)[0]],
                    None => loan.next(self.left - front.len()),
                }
            }
        }
    }

    /// Bytes of it that have come in and wait.
    pub(super) const fn waiting(&self) -> usize {
        self.ring.len()
    }

    /// Whether some of it has left.
    pub(super) const fn has_begun(&self) -> bool {
        self.left > 0
    }

    /// The next of it has come in; answers whether its receiver had been waiting for that.
    pub(super) fn push(&mut self, bytes: &[u8], now: Tick, pool: &mut Pool) -> Result<bool, NoRoom> {
        self.ring.push(&[bytes], usize::MAX, pool)?;
        let Form::Pieces(pieces) = &mut self.form else { return Ok(false) };
        let Some(since) = pieces.starved_since.take_if(|_| !bytes.is_empty()) else { return Ok(false) };
        pieces.starved.0 += now.since(since).0;
        Ok(true)
    }

    /// All of it has come in: what waits has no more to do with its sender.
    pub(super) const fn all_is_in(&mut self) {
        if let Form::Pieces(pieces) = &mut self.form {
            (pieces.from, pieces.starved_since) = (None, None);
        }
    }

    /// Notes that `n` bytes of it have left; answers whether they were the last.
    pub(super) fn note_sent(&mut self, n: usize, now: Tick, pool: &mut Pool) -> bool {
        self.left += n;
        match &mut self.form {
            Form::Whole if self.left < self.ring.len() => return false,
            Form::Lent(loan) if self.left < self.ring.len() + loan.len() => return false,
            Form::Whole | Form::Lent(_) => self.ring.clear(pool),
            Form::Pieces(pieces) => {
                self.ring.consume(n, pool);
                if self.ring.is_empty() && pieces.from.is_some() {
                    pieces.starved_since.get_or_insert(now);
                }
            }
        }
        self.ring.is_empty() && self.from().is_none()
    }

    /// How long its receiver has waited for its sender in all.
    pub(super) fn starved(&self, now: Tick) -> Span {
        match &self.form {
            Form::Whole | Form::Lent(_) => Span(0),
            Form::Pieces(pieces) => Span(pieces.starved.0 + pieces.starved_since.map_or(0, |since| now.since(since).0)),
        }
    }

    /// Whether its receiver waits for its sender.
    pub(super) fn is_starved(&self) -> bool {
        matches!(&self.form, Form::Pieces(pieces) if pieces.starved_since.is_some())
    }

    /// Bytes of the block that it holds.
    pub(super) fn block_bytes(&self) -> usize {
        self.ring.block_bytes()
    }

    /// It goes nowhere.
    pub(super) fn clear(mut self, pool: &mut Pool) {
        self.ring.clear(pool);
    }

    /// It goes back to its sender, who is told by what is left of it here.
    pub(super) fn into_undelivered(mut self, pool: &mut Pool) -> Option<Undelivered> {
        match self.form {
            Form::Whole => Some(Undelivered::new(self.ring, 0, pool)),
            // Whoever has lent it knows.
            Form::Lent(_) => {
                self.ring.clear(pool);
                None
            }
            Form::Pieces(pieces) => {
                self.ring.clear(pool);
                self.ring.push(&[&pieces.front], usize::MAX, pool).ok()?;
                Some(Undelivered::new(self.ring, 0, pool))
            }
        }
    }
}
