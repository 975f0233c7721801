//! Those who have joined a session and are answered once that is in the ledger.

use crate::hub::call::ReplyTo;
use crate::hub::events::Event;
use crate::hub::keys::SessionKey;
use crate::hub::peers::Peers;
use crate::limits::JOINS_MAX;
use crate::store::sorted::Sorted;

/// A member that has joined, and what it wanted to know with the answer.
#[derive(Debug)]
pub(super) struct Joined {
    /// The number of the event by which it has.
    pub(super) by: u64,
    /// The same, or that of the last event where it was a member before.
    pub(super) seq: u64,
    pub(super) was_member: bool,
    /// It wants the events between these numbers.
    pub(super) past: Option<[u64; 2]>,
    /// A crash would take it back.
    pub(super) is_unkept: bool,
}

/// One that waits for its answer.
#[derive(Debug)]
pub(super) struct Joiner {
    pub(super) session: SessionKey,
    pub(super) member: Box<[u8]>,
    pub(super) joined: Joined,
    pub(super) reply_to: ReplyTo,
    /// Bytes that who waits holds, and that are counted as the sessions'.
    pub(super) bytes: usize,
}

/// All that wait.
#[derive(Debug, Default)]
pub(super) struct Joiners {
    all: Sorted<u64, Joiner>,
    last: u64,
    /// The one that has just begun to wait: nobody has said yet who is to be answered.
    begun: Option<u64>,
}

impl Joiners {
    /// Whether one more may wait.
    pub(super) fn has_room(&self) -> bool {
        self.all.len() < JOINS_MAX
    }

    /// A member waits; who is to be answered will be said next.
    pub(super) fn begin(&mut self, session: SessionKey, full_name: &[u8], joined: Joined) {
        self.last += 1;
        let joiner = Joiner { session, member: full_name.into(), joined, reply_to: ReplyTo::Nobody, bytes: 0 };
        self.all.insert(self.last, joiner);
        self.begun = Some(self.last);
    }

    /// Notes who is to be answered, and the bytes that the wait holds, if somebody has just begun to; answers whether that is so.
    pub(super) fn set_waiter(&mut self, reply_to: ReplyTo, bytes: usize) -> bool {
        let begun = self.begun.take();
        let Some(joiner) = begun.and_then(|id| self.all.get_mut(&id)) else { return false };
        (joiner.reply_to, joiner.bytes) = (reply_to, bytes);
        true
    }

    /// What there is to say to those of a session that `are` picks is known.
    pub(super) fn settle(&mut self, peers: &mut Peers, key: SessionKey, is_kept: bool, are: impl Fn(&[u8]) -> bool) {
        for (id, joiner) in self.all.iter_mut() {
            if joiner.session == key && are(&joiner.member) {
                joiner.joined.is_unkept = !is_kept;
                peers.events.push_back(Event::JoinSettled { joiner: *id });
            }
        }
    }

    pub(super) fn take(&mut self, id: u64) -> Option<Joiner> {
        self.all.remove(&id)
    }

    /// Who waits for an answer.
    pub(super) fn who_waits(&self) -> impl Iterator<Item = ReplyTo> {
        self.all.values().map(|joiner| joiner.reply_to)
    }

    /// Bytes that those who wait hold.
    pub(super) fn bytes(&self) -> usize {
        self.all.values().map(|joiner| joiner.bytes).sum()
    }
}
