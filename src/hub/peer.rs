//! One connection as the hub sees it: its ZMTP link, what waits on the way in and out, the names it holds.

use core::net::SocketAddr;

use crate::limits::COMMANDS_PER_SECOND_MAX;
use crate::store::pool::Pool;
use crate::store::ring::Ring;
use crate::store::tail::Tail;
use crate::time::Tick;
use crate::zmtp::frame::begun_after;
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
