//! One connection as the hub sees it: its ZMTP link, what waits on the way in and out, the names it holds.

use core::net::SocketAddr;

use crate::limits::{BLOCK_BYTES_MIN, COMMANDS_PER_SECOND_MAX};
use crate::store::pool::{Pool, Use};
use crate::store::ring::Ring;
use crate::time::Tick;
use crate::zmtp::frame::{COMMAND, LONG, MORE};
use crate::zmtp::link::{Link, Phase};

use super::audience::Viewer;
use super::provider::ProviderKey;
use super::{Cause, ComponentKey, NodeKey, PeerKey};

/// How far a connection is through its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Read from and written to.
    Open,
    /// Only what waits is still written, then it is closed.
    Finishing(Cause),
    /// Refused, and held for a moment before the close.
    Tarpit,
}

/// Which end of which link this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Accepted by our ROUTER.
    Accepted,
    /// Our DEALER to that node.
    Dialled(NodeKey),
    /// A controller on the control port.
    Controller,
    /// A viewer on the viewer port.
    Viewer,
    /// Our connection to a live kernel.
    Kernel(ProviderKey),
}

impl Role {
    /// Whether the connection speaks ZMTP.
    pub(super) const fn is_zmtp(self) -> bool {
        matches!(self, Self::Accepted | Self::Dialled(_))
    }
}

/// Why a peer is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// Its next message needs room in that peer's ring.
    Ring(PeerKey),
    /// Its next message claims a name whose owner is being asked for a sign of life.
    Probe(PeerKey),
    /// The pool has no room for what a read could bring.
    Memory,
    /// What a kernel sent is still being decoded.
    Decoding,
    /// It has called the Coordinator or the Manager often enough for one turn.
    Turn,
    /// Its next request waits for a session, whose change is being made durable.
    Session,
}

/// How far the word to write what waits has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flush {
    /// It has not been given.
    None,
    /// It stands in the outputs. A write that comes before it does not take it back.
    Queued,
    /// It has been taken, and `sent` has not been called yet.
    Asked,
}

/// Bytes that came in and do not yet make a whole message, or wait while the peer is held.
#[derive(Debug, Default)]
pub(super) struct Tail {
    block: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Tail {
    pub(super) const fn len(&self) -> usize {
        self.end - self.start
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(super) fn block_bytes(&self) -> usize {
        self.block.len()
    }

    /// Bytes that can be appended, given so much room in the pool. A tail grows in steps, with the old block out while the new one
    /// is filled: the last two take one and a half times the size of the last.
    pub(super) fn room(&self, pool: &Pool) -> usize {
        let room = pool.room(Use::Partial);
        let most = room.min((room + self.block.len()) / 3 * 2);
        let largest: usize = if most < BLOCK_BYTES_MIN { 0 } else { 1 << most.ilog2() };
        largest.max(self.block.len()).saturating_sub(self.len())
    }

    /// Bytes that the pool must have left, beyond the block that is out, so that `more` can be appended in whatever steps.
    pub(super) fn growth(&self, more: usize) -> usize {
        let needed = self.len() + more;
        if needed <= self.block.len() {
            return 0;
        }
        let largest = needed.max(BLOCK_BYTES_MIN).next_power_of_two();
        largest + largest / 2 - self.block.len()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.block.get(self.start..self.end).unwrap_or_default()
    }

    /// Appends `more`; answers `false` and changes nothing when the pool has no block large enough.
    pub(super) fn append(&mut self, more: &[u8], pool: &mut Pool) -> bool {
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

    /// Takes `n` bytes from the front; gives the block back with the last one.
    pub(super) fn consume(&mut self, n: usize, pool: &mut Pool) {
        self.start = (self.start + n).min(self.end);
        if self.is_empty() {
            self.clear(pool);
        }
    }

    /// Takes `len` bytes out of the middle, `at` bytes behind the front.
    pub(super) fn cut(&mut self, at: usize, len: usize, pool: &mut Pool) {
        let from = (self.start + at + len).min(self.end);
        self.block.copy_within(from..self.end, self.start + at);
        self.end -= len;
        self.consume(0, pool);
    }

    pub(super) fn clear(&mut self, pool: &mut Pool) {
        pool.give(core::mem::take(&mut self.block), Use::Partial);
        self.start = 0;
        self.end = 0;
    }
}

/// One connection. Opaque outside the hub: its key is what the event loop holds.
#[derive(Debug)]
pub struct Peer {
    pub(super) role: Role,
    pub(super) life: Life,
    pub(super) remote: SocketAddr,
    pub(super) link: Link,
    pub(super) tail: Tail,
    pub(super) ring: Ring,
    /// Bytes at the ring's front that belong to a message whose beginning has left already.
    pub(super) begun: usize,
    pub(super) last_heard: Tick,
    /// When bytes of the ring last left, or when it last began to fill.
    pub(super) last_progress: Tick,
    /// Since when somebody has been refused room in the ring, without progress in between.
    pub(super) full_since: Option<Tick>,
    pub(super) held: Option<Held>,
    /// Peers whose next message waits for this one: for its ring or for its sign of life.
    pub(super) waiters: Vec<PeerKey>,
    pub(super) flush: Flush,
    /// A sign of life is asked for because its name was claimed.
    pub(super) probed: bool,
    /// Names signed in on this link; nearly always one.
    pub(super) names: Vec<ComponentKey>,
    /// The node whose Coordinator this accepted link is.
    pub(super) node: Option<NodeKey>,
    /// Where the last message from here went: most senders have one receiver.
    pub(super) last_receiver: Option<ComponentKey>,
    /// What it watches, if it is a viewer.
    pub(super) viewer: Option<Box<Viewer>>,
    /// It has sent a whole request, if it is a controller or viewer.
    pub(super) has_asked: bool,
    commands: (u64, u32),
}

impl Peer {
    pub(super) fn new(role: Role, link: Link, remote: SocketAddr, now: Tick) -> Self {
        Self {
            role,
            life: Life::Open,
            remote,
            link,
            tail: Tail::default(),
            ring: Ring::new(),
            begun: 0,
            last_heard: now,
            last_progress: now,
            full_since: None,
            held: None,
            waiters: Vec::new(),
            flush: Flush::None,
            probed: false,
            names: Vec::new(),
            node: None,
            last_receiver: None,
            viewer: None,
            has_asked: false,
            commands: (0, 0),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.life == Life::Open
    }

    /// Whether its handshake is over. A controller or viewer has none, its first request stands for it.
    pub(super) fn is_ready(&self) -> bool {
        match self.role {
            Role::Accepted | Role::Dialled(_) => self.link.phase() == Phase::Ready,
            Role::Controller | Role::Viewer => self.has_asked,
            Role::Kernel(_) => true,
        }
    }

    /// Whether messages may be sent to it.
    pub(super) fn takes_messages(&self) -> bool {
        self.is_open() && self.role.is_zmtp() && self.is_ready()
    }

    /// What waits for it, as two slices.
    pub(super) fn unsent(&self) -> [&[u8]; 2] {
        match &self.viewer {
            Some(viewer) => viewer.unsent(),
            None => self.ring.unsent(),
        }
    }

    /// Whether nothing waits for it.
    pub(super) fn is_drained(&self) -> bool {
        self.ring.is_empty() && self.viewer.as_ref().is_none_or(|viewer| viewer.queue.is_empty())
    }

    /// Whether nothing waits for it, and nothing is being looked for on its behalf.
    pub(super) fn has_all_answers(&self) -> bool {
        self.is_drained() && self.viewer.as_ref().is_none_or(|viewer| viewer.asked == 0)
    }

    /// Notes that `waiter` waits for this peer.
    pub(super) fn add_waiter(&mut self, waiter: PeerKey) {
        if self.waiters.len() == self.waiters.capacity() {
            // Who was resumed for another reason may be among them still.
            self.waiters.sort_unstable();
            self.waiters.dedup();
        }
        self.waiters.push(waiter);
    }

    /// Whether it runs on this machine, as far as its address shows.
    pub(super) fn is_local(&self) -> bool {
        is_loopback(self.remote)
    }

    /// Counts a command; answers whether there are too many within this second.
    pub(super) fn floods_commands(&mut self, now: Tick) -> bool {
        let second = now.0 / 1000;
        self.commands = if self.commands.0 == second { (second, self.commands.1 + 1) } else { (second, 1) };
        self.commands.1 > COMMANDS_PER_SECOND_MAX
    }

    /// Notes that `n` bytes of the ring have left, keeping track of where its first whole message begins.
    pub(super) fn note_sent(&mut self, n: usize, pool: &mut Pool) {
        if let Some(viewer) = &mut self.viewer {
            let freed = viewer.note_sent(n);
            pool.refund(freed);
            return;
        }
        if n < self.ring.len() && self.role.is_zmtp() {
            self.begun = begun_after(self.ring.unsent(), self.begun, n);
        } else {
            self.begun = 0;
        }
        self.ring.consume(n, pool);
    }
}

/// Whether the address is of this machine's loopback, as IPv4 in IPv6 too.
pub(super) fn is_loopback(remote: SocketAddr) -> bool {
    remote.ip().to_canonical().is_loopback()
}

/// Where the first whole message begins once `n` bytes have left, given that one begins at `begun` now.
fn begun_after(unsent: [&[u8]; 2], begun: usize, n: usize) -> usize {
    let [first, second] = unsent;
    let byte = |at: usize| match first.get(at) {
        Some(byte) => *byte,
        None => second.get(at - first.len()).copied().unwrap_or(0),
    };
    let mut at = begun;
    while at < n {
        // One message, or one command, which has no MORE.
        loop {
            let flags = byte(at);
            let (head, body) = if flags & LONG == 0 {
                (2, usize::from(byte(at + 1)))
            } else {
                let size: [u8; 8] = core::array::from_fn(|i| byte(at + 1 + i));
                (9, usize::try_from(u64::from_be_bytes(size)).unwrap_or(usize::MAX / 2))
            };
            at = at.saturating_add(head + body);
            if flags & MORE == 0 || flags & COMMAND != 0 {
                break;
            }
        }
    }
    at - n
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zmtp::frame::push_frame;

    #[test]
    fn the_first_whole_message_is_found_after_any_number_of_bytes() {
        let mut bytes = Vec::new();
        let mut starts = Vec::new();
        for (a, b) in [(3usize, 400usize), (0, 0), (255, 256)] {
            starts.push(bytes.len());
            push_frame(&mut bytes, true, &vec![1; a]);
            push_frame(&mut bytes, false, &vec![2; b]);
            starts.push(bytes.len());
            bytes.extend_from_slice(b"\x04\x07\x04PING\x00\x00");
        }
        starts.push(bytes.len());
        for split in [0, 1, 7, 300, bytes.len()] {
            let unsent = [&bytes[..split], &bytes[split..]];
            for n in 0..=bytes.len() {
                let wanted = starts.iter().find(|start| **start >= n).unwrap() - n;
                assert_eq!(begun_after(unsent, 0, n), wanted, "{n} of {}", bytes.len());
            }
        }
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
