//! Notices that found no room: they wait here, in order, and go out as the rings of their links drain.
//!
//! Owns what waits for each link, and what is large and on its way there. The bytes of an event are kept once, however many members still have to hear it. A link for which
//! something waits gets nothing past it, so that every member hears the events of its sessions in their order.

use std::collections::VecDeque;

use crate::hub::keys::{PeerKey, SessionKey};
use crate::hub::peers::{Peer, Peers};
use crate::store::pool::Pool;
use crate::store::shared::Waiting;
use crate::store::sorted::Sorted;

use super::voice::{self, Tail};

/// Large notices that may wait for one guest.
const LARGE_NOTICES_MAX: usize = 4;

/// A notice that waits for its place in the ring of a link.
#[derive(Debug)]
pub(super) struct WaitingNotice {
    pub(super) session: SessionKey,
    /// For whom it is; for several, where their node spreads it among them.
    pub(super) members: Box<[Box<[u8]>]>,
    /// What stands before the tail for this one alone, if it is for a guest.
    pub(super) head: Box<[u8]>,
    /// The number of its event.
    pub(super) seq: u64,
    pub(super) tail: Tail,
    /// It is large, and leaves beside the ring of its link.
    pub(super) is_on_its_way: bool,
}

impl WaitingNotice {
    /// Bytes that it takes beside those of the event.
    fn own_bytes(&self) -> usize {
        let names = self.members.iter().map(|name| size_of_val(name) + name.len());
        size_of::<Self>() + self.head.len() + names.sum::<usize>()
    }
}

/// A notice for one member, or for several that share a copy of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Notice<'a> {
    pub(super) session: SessionKey,
    pub(super) members: &'a [&'a [u8]],
    /// What stands before the tail for this one alone, if it is for a guest.
    pub(super) head: &'a [u8],
    /// The number of its event.
    pub(super) seq: u64,
    pub(super) tail: &'a Tail,
}

/// What waits for links.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    links: Sorted<PeerKey, VecDeque<WaitingNotice>>,
    tails: Waiting,
    /// Bytes of the notices themselves.
    own: usize,
}

impl Backlog {
    /// Whether something waits for a link.
    pub(super) fn has(&self, link: PeerKey) -> bool {
        self.links.contains_key(&link)
    }

    /// Whether a guest may be given so many bytes more: nobody waits for one of them, so what does not fit its ring behind what waits there ends its
    /// stream.
    pub(super) fn has_share_left(&self, peers: &Peers, stream: PeerKey, bytes: usize) -> bool {
        let waiting = peers.get(stream).map_or(0, Peer::waiting);
        let large_min = peers.passage_bytes_min();
        // What is large is lent, and takes no room in the ring; what comes behind it has to wait.
        let (large, small) = self.waiting_for(stream, large_min);
        let (large, own) = if bytes >= large_min { (large + 1, 0) } else { (large, bytes) };
        if large == 0 {
            return !self.has(stream) && (waiting == 0 || waiting + bytes <= peers.own_bytes_max());
        }
        large <= LARGE_NOTICES_MAX && waiting + small + own <= peers.own_bytes_max()
    }

    /// How many notices of at least `large_min` bytes wait for a link, and the bytes of all others.
    fn waiting_for(&self, link: PeerKey, large_min: usize) -> (usize, usize) {
        let lens = self.links.get(&link).into_iter().flatten().map(|waiting| waiting.tail.len());
        lens.fold(
            (0, 0),
            |(large, small), len| if len >= large_min { (large + 1, small) } else { (large, small + len) },
        )
    }

    /// Whether the event of this number waits for a link.
    pub(super) fn waits(&self, link: PeerKey, seq: u64) -> bool {
        self.links.get(&link).is_some_and(|waiting| waiting.iter().any(|notice| notice.seq == seq))
    }

    /// Bytes that wait, what several wait for counted once.
    pub(super) const fn bytes(&self) -> usize {
        self.tails.bytes() + self.own
    }

    /// Puts a notice into the ring of a link or, if it has no room or is large, behind what waits for it; `false` if there is no memory for it.
    pub(super) fn give(&mut self, peers: &mut Peers, link: PeerKey, notice: Notice<'_>, bytes_max: usize) -> bool {
        let Notice { session, members, head, seq, tail } = notice;
        let is_large = tail.len() >= peers.passage_bytes_min();
        if !self.has(link) && !is_large && voice::push_for(peers, link, members, (head, tail), bytes_max) {
            return true;
        }
        let members = members.iter().map(|member| Box::from(*member)).collect();
        let waiting =
            WaitingNotice { session, members, head: head.into(), seq, tail: tail.clone(), is_on_its_way: false };
        let is_first = !self.has(link);
        let waits = self.push(link, waiting, &mut peers.pool).is_ok();
        if waits && is_first && is_large {
            self.go_on(peers, link, bytes_max);
        } else if waits {
            peers.tell_of_room(link);
        }
        waits
    }

    /// What waits for a link goes on, as far as there is room. A large one goes by itself and is not copied: it stays here until it has left,
    /// and all that is behind it with it.
    pub(super) fn go_on(&mut self, peers: &mut Peers, link: PeerKey, bytes_max: usize) {
        while let Some(waiting) = self.links.get_mut(&link).and_then(VecDeque::front_mut) {
            let is_large = waiting.tail.len() >= peers.passage_bytes_min();
            let has_left = match (waiting.is_on_its_way, is_large) {
                (true, _) => !peers.has_loan(link),
                (false, true) => {
                    waiting.is_on_its_way =
                        voice::lend_for(peers, link, &waiting.members, (&waiting.head, &waiting.tail));
                    false
                }
                (false, false) => {
                    voice::push_for(peers, link, &waiting.members, (&waiting.head, &waiting.tail), bytes_max)
                }
            };
            if !has_left {
                peers.tell_of_room(link);
                return;
            }
            self.pop(link, &mut peers.pool);
        }
    }

    /// Puts a notice behind those that wait for a link. Gives it back when there is no memory for it.
    pub(super) fn push(&mut self, link: PeerKey, waiting: WaitingNotice, pool: &mut Pool) -> Result<(), WaitingNotice> {
        let own = waiting.own_bytes();
        if !pool.charge(own) {
            return Err(waiting);
        }
        if !self.tails.add(waiting.tail.place(), pool) {
            pool.refund(own);
            return Err(waiting);
        }
        self.own += own;
        self.links.or_insert_with(link, VecDeque::new).push_back(waiting);
        Ok(())
    }

    /// The next notice for a link is in its ring, or has left.
    fn pop(&mut self, link: PeerKey, pool: &mut Pool) {
        let Some(waiting) = self.links.get_mut(&link) else { return };
        let gone = waiting.pop_front();
        if waiting.is_empty() {
            self.links.remove(&link);
        }
        if let Some(gone) = gone {
            self.forget(&gone, pool);
        }
    }

    /// A link has ended: what waits for it reaches nobody.
    pub(super) fn take(&mut self, link: PeerKey, pool: &mut Pool) -> VecDeque<WaitingNotice> {
        let all = self.links.remove(&link).unwrap_or_default();
        for waiting in &all {
            self.forget(waiting, pool);
        }
        all
    }

    /// This one waits no more.
    fn forget(&mut self, gone: &WaitingNotice, pool: &mut Pool) {
        let own = gone.own_bytes();
        self.tails.remove(gone.tail.place(), pool);
        self.own -= own;
        pool.refund(own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(tail: &Tail) -> WaitingNotice {
        WaitingNotice {
            session: SessionKey::from_bits(1),
            members: Box::new([b"N1.A"[..].into()]),
            head: Box::default(),
            seq: 1,
            tail: tail.clone(),
            is_on_its_way: false,
        }
    }

    #[test]
    fn what_several_wait_for_is_counted_once_and_until_the_last_has_it() {
        let (mut backlog, mut pool) = (Backlog::default(), Pool::new(1 << 20));
        let [a, b] = [1, 2].map(PeerKey::from_bits);
        let tail = Tail::of(vec![0; 1000]);
        let own = waiting(&tail).own_bytes();
        for link in [a, a, b] {
            backlog.push(link, waiting(&tail), &mut pool).unwrap();
        }
        assert_eq!((backlog.bytes(), pool.data_in_use()), (1000 + 3 * own, 1000 + 3 * own));
        backlog.pop(a, &mut pool);
        assert_eq!(backlog.take(b, &mut pool).len(), 1);
        assert!(backlog.has(a) && !backlog.has(b));
        assert_eq!(pool.data_in_use(), 1000 + own);
        backlog.pop(a, &mut pool);
        assert_eq!((backlog.bytes(), pool.data_in_use(), backlog.has(a)), (0, 0, false));
    }

    #[test]
    fn what_there_is_no_memory_for_comes_back() {
        let (mut backlog, mut pool) = (Backlog::default(), Pool::new(1 << 20));
        let tail = Tail::of(vec![0; 1 << 20]);
        let link = PeerKey::from_bits(1);
        assert!(backlog.push(link, waiting(&tail), &mut pool).is_err());
        assert_eq!((backlog.has(link), pool.data_in_use()), (false, 0));
    }
}
