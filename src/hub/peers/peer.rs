//! One connection as the hub sees it: its ZMTP link, what waits on the way in and out, the names it holds.

use core::net::{IpAddr, SocketAddr};
use core::num::NonZeroU64;

use crate::auth::{Credential, Origin, UserId};
use crate::leco::message::HEADER_BYTES;
use crate::limits::{COMMANDS_PER_SECOND_MAX, LIGHT_MICROS, LIGHT_WINDOW_MS, PROGRESS_BYTES_MIN};
use crate::store::pool::Pool;
use crate::store::ring::{Ring, first, skip};
use crate::store::tail::Tail;
use crate::time::Tick;
use crate::zmtp::frame::whole_before;
use crate::zmtp::link::Link;
use crate::zmtp::mechanism::Handshake;

use super::passage::Passage;
use super::questions::Questions;
use super::results::Results;
use super::sealed::Sealed;
use super::shares::Share;
use super::side::Side;
use super::waits::For;
use crate::hub::cause::Cause;
use crate::hub::doors::Channel;
use crate::hub::keys::{ComponentKey, NodeKey, PeerKey, ProviderKey};

/// How far a connection is through its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Life {
    /// Read from and written to.
    Open,
    /// Only what waits is still written, then it is closed.
    Finishing(Cause),
    /// Refused, and held for a moment before the close.
    Tarpit,
}

/// Which end of which link this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Role {
    /// Accepted by our ROUTER.
    Accepted,
    /// Our DEALER to that node.
    Dialled(NodeKey),
    /// A controller on the control port.
    Controller,
    /// A viewer on the viewer port.
    Viewer,
    /// A client of HTTP.
    Web,
    /// A client of STOMP.
    Topic,
    /// Our connection to a live kernel.
    Kernel(ProviderKey),
    /// A link of a channel.
    Channel(Channel, Side),
}

impl Role {
    /// Whether the connection speaks ZMTP.
    pub(in crate::hub) const fn is_zmtp(self) -> bool {
        matches!(self, Self::Accepted | Self::Dialled(_) | Self::Channel(..))
    }

    /// Whether it speaks LECO.
    pub(in crate::hub) const fn is_leco(self) -> bool {
        matches!(self, Self::Accepted | Self::Dialled(_))
    }

    /// Whether it speaks ZMTP and came by itself.
    pub(in crate::hub) const fn is_accepted(self) -> bool {
        matches!(self, Self::Accepted | Self::Channel(_, Side::Publisher | Side::Subscriber | Side::Distributor))
    }

    /// Whether it came by itself and leaves some places to Components.
    pub(in crate::hub) const fn is_beside(self) -> bool {
        self.is_plain() || (self.is_accepted() && !self.is_leco())
    }

    /// Whether it is a client that speaks no ZMTP.
    pub(in crate::hub) const fn is_plain(self) -> bool {
        matches!(self, Self::Controller | Self::Viewer | Self::Web | Self::Topic)
    }
}

/// How far the word to write what waits has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Flush {
    /// It has not been given.
    None,
    /// It stands in the outputs. A write that comes before it does not take it back.
    Queued,
    /// It comes in one of the next turns.
    Later,
    /// It has been taken, and `sent` has not been called yet.
    Asked,
}

/// What waits for a peer elsewhere than in its ring.
#[derive(Debug)]
pub(in crate::hub) enum Beside {
    /// Of a viewer: all of it, but for control frames of its WebSocket, if it is on one.
    Results(Results),
    /// A large message, with a place among what is in the ring.
    Passage(Passage),
    /// Of a sealed link: what that needs, and perhaps a large message.
    Sealed(Sealed),
}

/// A moment of which there may be none, in no more bytes than it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) struct Moment(NonZeroU64);

impl Moment {
    pub(in crate::hub) const fn of(at: Tick) -> Self {
        Self(NonZeroU64::MIN.saturating_add(at.0))
    }

    pub(in crate::hub) const fn tick(self) -> Tick {
        Tick(self.0.get() - 1)
    }
}

/// What has come by a connection since it was opened, and how it fared.
#[derive(Clone, Copy, Debug)]
pub(in crate::hub) struct Traffic {
    pub(in crate::hub) opened: Tick,
    pub(in crate::hub) messages_in: u64,
    pub(in crate::hub) bytes_in: u64,
    /// What was for it and was refused, returned or left out because it did not take it.
    pub(in crate::hub) drops: u64,
    /// Milliseconds for which it was held, now included only when that is over.
    pub(in crate::hub) held_ms: u64,
    /// Since when it is held, if it is.
    pub(in crate::hub) held_since: Tick,
}

impl Traffic {
    const fn new(now: Tick) -> Self {
        Self { opened: now, messages_in: 0, bytes_in: 0, drops: 0, held_ms: 0, held_since: now }
    }
}

/// By what somebody is known who is not known by his address alone, and where he is.
#[derive(Clone, Copy, Debug)]
pub(in crate::hub) struct Shown {
    pub(in crate::hub) by: Credential,
    pub(in crate::hub) origin: Origin,
}

/// One connection. Opaque outside the hub: its key is what the event loop holds.
///
/// What a message costs its receiver comes first and fills two lines of the caches with the key's age: a message to one of thousands finds
/// none of it there.
#[derive(Debug)]
#[repr(C)]
pub struct Peer {
    pub(in crate::hub) ring: Ring,
    /// Bytes at the ring's front that have left already. They are kept until the message is whole that they belong to: if it never is, it
    /// goes back to its sender.
    pub(in crate::hub) left: usize,
    /// What waits for it elsewhere than in its ring.
    pub(in crate::hub) beside: Option<Box<Beside>>,
    /// When what waits for it was last seen to make progress, or when it began to wait.
    pub(in crate::hub) last_progress: Tick,
    /// Since when somebody has been refused room in the ring, without progress in between.
    pub(in crate::hub) full_since: Option<Moment>,
    /// Bytes that have left since the last progress, too few to be any.
    pub(in crate::hub) moved: u16,
    /// Bytes at the ring's front that are no message: what a ZMTP connection opens with.
    pub(in crate::hub) opening: u16,
    /// Messages that have been put into its ring since some of it has left the last time.
    pub(in crate::hub) put_in: u32,
    /// Messages of which some has left, with those that were waiting then.
    pub(in crate::hub) messages_out: u64,
    /// Bytes that have left.
    pub(in crate::hub) bytes_out: u64,
    pub(in crate::hub) life: Life,
    pub(in crate::hub) flush: Flush,
    /// It has a deadline for the progress of what waits.
    pub(in crate::hub) is_watched: bool,
    /// Somebody wants to know when there is room in its ring.
    pub(in crate::hub) tells_of_room: bool,
    // ---- What a receiver is not asked for, the larger fields first ----
    /// Names signed in on this link; nearly always one.
    pub(in crate::hub) names: Vec<ComponentKey>,
    /// Its machine, where it speaks ZMTP.
    pub(in crate::hub) link: Option<Box<Link>>,
    pub(in crate::hub) tail: Tail,
    pub(in crate::hub) traffic: Traffic,
    /// What comes before messages, where somebody is asked who he is.
    pub(in crate::hub) guard: Option<Box<Handshake>>,
    pub(in crate::hub) last_heard: Tick,
    /// Since when it has waited for a name to come back.
    pub(in crate::hub) waited_for_names: Option<Moment>,
    /// By what it is known who is at the other end, where that is not by its address.
    pub(in crate::hub) shown: Option<Box<Shown>>,
    /// What it was asked lately, where it may not send to everybody.
    questions: Option<Box<Questions>>,
    /// Since when its work is counted.
    work_since: Tick,
    /// Microseconds of our own work that it has had done since then.
    work_micros: u32,
    /// Commands in the second that this is, counted from the start.
    commands: (u32, u32),
    /// Receivers of the message for several of them that it has sent last, for whom that has been done.
    pub(in crate::hub) receivers_done: u32,
    pub(in crate::hub) remote: SocketAddr,
    pub(in crate::hub) role: Role,
    /// Why it is not read.
    pub(in crate::hub) held: Option<For>,
    /// The node whose Coordinator this accepted link is.
    pub(in crate::hub) node: Option<NodeKey>,
    /// Where the last message from here went: most senders have one receiver.
    pub(in crate::hub) last_receiver: Option<ComponentKey>,
    /// To whom the message goes in pieces that it is in the middle of sending.
    pub(in crate::hub) passes_to: Option<PeerKey>,
    /// Who is at the other end, if that is known.
    pub(in crate::hub) user: Option<UserId>,
    /// Whose share it counts for.
    pub(in crate::hub) share: Option<Share>,
    /// It has, or had, a guard: what comes in is not dealt with as it is.
    pub(in crate::hub) is_guarded: bool,
    /// Nobody on the way can read what is said on it, by TLS.
    pub(in crate::hub) is_private: bool,
    /// A sign of life is asked for because its name was claimed.
    pub(in crate::hub) probed: bool,
    /// A node was asked whether this link is its own, because another link claims so, too.
    pub(in crate::hub) must_prove: bool,
    /// It has sent a whole request, if it is a controller or viewer.
    pub(in crate::hub) has_asked: bool,
    /// It speaks another version of the control protocol, which has been said.
    pub(in crate::hub) has_other_version: bool,
}

const _: () = assert!(size_of::<Peer>() <= 440, "seven lines of 64 bytes, less the age of the key");
const _: () = assert!(core::mem::offset_of!(Peer, names) <= 120, "two lines of 64 bytes, less the age of the key");

impl Peer {
    pub(in crate::hub) fn new(role: Role, link: Option<Box<Link>>, remote: SocketAddr, now: Tick) -> Self {
        Self {
            ring: Ring::new(),
            left: 0,
            beside: None,
            last_progress: now,
            full_since: None,
            moved: 0,
            opening: 0,
            put_in: 0,
            messages_out: 0,
            bytes_out: 0,
            life: Life::Open,
            flush: Flush::None,
            is_watched: false,
            tells_of_room: false,
            names: Vec::new(),
            role,
            remote,
            link,
            guard: None,
            is_guarded: false,
            is_private: false,
            tail: Tail::default(),
            last_heard: now,
            held: None,
            probed: false,
            must_prove: false,
            node: None,
            last_receiver: None,
            receivers_done: 0,
            passes_to: None,
            waited_for_names: None,
            user: None,
            shown: None,
            questions: None,
            share: None,
            has_asked: false,
            has_other_version: false,
            traffic: Traffic::new(now),
            commands: (0, 0),
            work_since: now,
            work_micros: 0,
        }
    }

    pub(in crate::hub) fn is_open(&self) -> bool {
        self.life == Life::Open
    }

    /// Of the message that it is in the middle of sending nobody wants any more.
    pub(super) fn give_up(&mut self) {
        if let Some(link) = &mut self.link {
            link.give_up();
        }
    }

    /// Whether it understands the PING of ZMTP.
    pub(in crate::hub) fn takes_pings(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.pings())
    }

    /// Whether its handshake is over. A controller or viewer has none, its first request stands for it.
    pub(in crate::hub) fn is_ready(&self) -> bool {
        match self.role {
            Role::Accepted | Role::Dialled(_) | Role::Channel(..) => {
                self.link.as_ref().is_some_and(|link| link.is_ready())
            }
            Role::Controller | Role::Viewer | Role::Web | Role::Topic => self.has_asked,
            Role::Kernel(_) => true,
        }
    }

    /// Whether messages may be sent to it.
    pub(in crate::hub) fn takes_messages(&self) -> bool {
        self.is_open() && self.role.is_leco() && self.is_ready()
    }

    /// Whether it is the Coordinator of another node, and instep's.
    pub(in crate::hub) fn is_instep(&self) -> bool {
        self.instep_level() > 0
    }

    /// How much of what instep's Coordinators say to one another it understands, if it is the Coordinator of another node.
    pub(in crate::hub) fn instep_level(&self) -> u8 {
        if let (Role::Dialled(_), Some(link)) = (&self.role, &self.link) { link.instep_level() } else { 0 }
    }

    /// What waits for it, if it is a viewer.
    pub(in crate::hub) fn results(&self) -> Option<&Results> {
        if let Some(Beside::Results(results)) = self.beside.as_deref() { Some(results) } else { None }
    }

    pub(super) fn results_mut(&mut self) -> Option<&mut Results> {
        if let Some(Beside::Results(results)) = self.beside.as_deref_mut() { Some(results) } else { None }
    }

    /// The large message on its way to it, if there is one.
    pub(super) fn passage(&self) -> Option<&Passage> {
        match self.beside.as_deref() {
            Some(Beside::Passage(passage)) => Some(passage),
            Some(Beside::Sealed(sealed)) => sealed.passage.as_ref(),
            Some(Beside::Results(_)) | None => None,
        }
    }

    pub(super) fn passage_mut(&mut self) -> Option<&mut Passage> {
        match self.beside.as_deref_mut() {
            Some(Beside::Passage(passage)) => Some(passage),
            Some(Beside::Sealed(sealed)) => sealed.passage.as_mut(),
            Some(Beside::Results(_)) | None => None,
        }
    }

    /// Whether a large message may begin to go to it.
    pub(super) fn takes_passage(&self) -> bool {
        match self.beside.as_deref() {
            None => true,
            Some(Beside::Sealed(sealed)) => sealed.passage.is_none(),
            Some(Beside::Passage(_) | Beside::Results(_)) => false,
        }
    }

    /// A large message is on its way to it.
    pub(super) fn put_beside(&mut self, passage: Passage) {
        debug_assert!(self.takes_passage(), "there is one at a time");
        match self.beside.as_deref_mut() {
            Some(Beside::Sealed(sealed)) => sealed.passage = Some(passage),
            _ => self.beside = Some(Box::new(Beside::Passage(passage))),
        }
    }

    /// The same, which is not on its way any more.
    pub(super) fn take_passage(&mut self) -> Option<Passage> {
        if let Some(Beside::Sealed(sealed)) = self.beside.as_deref_mut() {
            return sealed.passage.take();
        }
        match self.beside.take_if(|beside| matches!(**beside, Beside::Passage(_))).map(|beside| *beside) {
            Some(Beside::Passage(passage)) => Some(passage),
            Some(Beside::Results(_) | Beside::Sealed(_)) | None => None,
        }
    }

    /// What waits for it, as two slices.
    #[inline]
    pub(in crate::hub) fn unsent(&self) -> [&[u8]; 2] {
        match self.beside.as_deref() {
            None => skip(self.ring.unsent(), self.left),
            Some(beside) => self.unsent_beside(beside),
        }
    }

    #[inline(never)]
    fn unsent_beside<'a>(&'a self, beside: &'a Beside) -> [&'a [u8]; 2] {
        match beside {
            // On a WebSocket control frames wait in the ring, and go between two messages.
            Beside::Results(results) if results.has_begun() || self.ring.is_empty() => {
                results.unsent(!self.ring.is_empty())
            }
            Beside::Results(_) => skip(self.ring.unsent(), self.left),
            Beside::Passage(passage) if passage.behind() == 0 => passage.unsent(),
            Beside::Passage(passage) => skip(first(self.ring.unsent(), passage.behind()), self.left),
            // Its handshake leaves as it is.
            Beside::Sealed(_) if self.opening > 0 => skip(first(self.ring.unsent(), self.opening.into()), self.left),
            Beside::Sealed(sealed) => [sealed.unsent(), &[]],
        }
    }

    /// Whether some of a message has come from it and not all.
    pub(in crate::hub) const fn is_inside_message(&self) -> bool {
        !self.tail.is_empty() || self.passes_to.is_some() || self.has_part_of_frame()
    }

    /// Whether a part of a sealed frame has come from it.
    const fn has_part_of_frame(&self) -> bool {
        match &self.beside {
            Some(beside) => match &**beside {
                Beside::Sealed(sealed) => !sealed.raw.is_empty(),
                Beside::Results(_) | Beside::Passage(_) => false,
            },
            None => false,
        }
    }

    /// Bytes of messages that wait for it, those that are only kept not counted.
    pub(in crate::hub) const fn waiting(&self) -> usize {
        self.ring.len() - self.left
    }

    /// Whether nothing waits for it.
    pub(in crate::hub) fn is_drained(&self) -> bool {
        self.ring.is_empty()
            && match self.beside.as_deref() {
                None => true,
                Some(Beside::Results(results)) => results.is_empty(),
                Some(Beside::Passage(_)) => false,
                Some(Beside::Sealed(sealed)) => sealed.passage.is_none(),
            }
    }

    /// Whether nothing waits for it, and nothing is being looked for on its behalf.
    pub(in crate::hub) fn has_all_answers(&self) -> bool {
        self.is_drained() && self.results().is_none_or(|results| results.promised == 0)
    }

    /// The machine that it runs on, as far as that shows.
    pub(in crate::hub) fn address(&self) -> IpAddr {
        self.remote.ip().to_canonical()
    }

    /// Whether it came by itself, and has one of the places for those who do.
    pub(in crate::hub) fn is_counted(&self) -> bool {
        self.life != Life::Tarpit && (self.role.is_accepted() || self.role.is_plain())
    }

    /// The machine that whoever is at the other end is on, as far as proxies say that are believed.
    pub(in crate::hub) fn seen_at(&self) -> IpAddr {
        self.shown.as_ref().map_or_else(|| self.address(), |shown| shown.origin.address)
    }

    /// The other machine that it runs on, if it is not this one.
    pub(in crate::hub) fn far_address(&self) -> Option<IpAddr> {
        Some(self.address()).filter(|address| !address.is_loopback())
    }

    /// Whether it runs on this machine, as far as its address shows.
    pub(in crate::hub) fn is_local(&self) -> bool {
        is_loopback(self.remote)
    }

    /// Somebody of this full name asks it something.
    pub(in crate::hub) fn note_asked(&mut self, header: &[u8; HEADER_BYTES], sender: &[u8], now: Tick) {
        self.questions.get_or_insert_default().note(header, sender, now);
    }

    /// Whether a message from it to `receiver` may be an answer; `prefix` is that of our full names.
    pub(in crate::hub) fn may_answer(
        &self,
        header: &[u8; HEADER_BYTES],
        receiver: &[u8],
        prefix: &[u8],
        now: Tick,
    ) -> bool {
        self.questions.as_ref().is_some_and(|questions| questions.has(header, receiver, prefix, now))
    }

    /// Notes that we have worked for it.
    pub(super) fn note_work(&mut self, now: Tick, micros: u64) {
        if now.since(self.work_since).0 >= LIGHT_WINDOW_MS {
            (self.work_since, self.work_micros) = (now, 0);
        }
        self.work_micros = self.work_micros.saturating_add(u32::try_from(micros).unwrap_or(u32::MAX));
    }

    /// Whether it has had little done for it lately.
    pub(super) fn asks_for_little(&self, now: Tick) -> bool {
        now.since(self.work_since).0 >= LIGHT_WINDOW_MS || u64::from(self.work_micros) <= LIGHT_MICROS
    }

    /// Counts a command; answers whether there are too many within this second.
    pub(in crate::hub) fn floods_commands(&mut self, now: Tick) -> bool {
        let second = u32::try_from(now.0 / 1000).unwrap_or(u32::MAX);
        self.commands = if self.commands.0 == second { (second, self.commands.1 + 1) } else { (second, 1) };
        self.commands.1 > COMMANDS_PER_SECOND_MAX
    }

    /// Whether the `n` bytes that have just left are progress, with those before them: a receiver that takes next to nothing
    /// makes none, and its senders do not wait for it. Nobody waits for what stands before a viewer, and all else that waits there is kept small.
    pub(in crate::hub) fn makes_progress(&mut self, n: usize) -> bool {
        let moved = n + usize::from(self.moved);
        let is_enough = moved >= PROGRESS_BYTES_MIN || !self.role.is_zmtp() || self.is_drained();
        self.moved = if is_enough { 0 } else { u16::try_from(moved).unwrap_or(u16::MAX) };
        is_enough
    }

    /// Notes that `n` bytes have left; the ring lets go of whole messages.
    #[inline]
    pub(in crate::hub) fn note_sent(&mut self, n: usize, now: Tick, pool: &mut Pool) {
        let is_alone = self.beside.is_none();
        let of_ring = if is_alone { Some(n) } else { self.note_sent_beside(n, now, pool) };
        let Some(n) = of_ring else { return };
        let left = self.left + n;
        let opening = usize::from(self.opening);
        let is_all = left >= self.ring.len() || left < opening || !self.role.is_zmtp();
        let gone = if is_all { left } else { whole_before(self.ring.unsent(), opening, left) };
        self.left = left - gone;
        self.opening = self.opening.saturating_sub(u16::try_from(gone).unwrap_or(u16::MAX));
        self.ring.consume(gone, pool);
        if !is_alone {
            self.come_forward(gone, pool);
        }
    }

    /// The same of what does not wait in the ring alone; answers how many bytes of the ring have left, if what has left was there.
    #[inline(never)]
    fn note_sent_beside(&mut self, n: usize, now: Tick, pool: &mut Pool) -> Option<usize> {
        match self.beside.as_deref_mut()? {
            Beside::Results(results) if results.has_begun() || self.ring.is_empty() => {
                let freed = results.note_sent(n);
                pool.refund(freed);
                None
            }
            Beside::Results(_) => Some(n),
            Beside::Passage(passage) if passage.behind() > 0 => Some(n),
            Beside::Passage(passage) => {
                if passage.note_sent(n, now, pool) {
                    self.beside = None;
                }
                None
            }
            Beside::Sealed(_) if self.opening > 0 => Some(n),
            Beside::Sealed(sealed) => {
                let n = sealed.note_sent(n);
                let Some(passage) = sealed.passage.as_mut().filter(|passage| passage.behind() == 0) else {
                    return Some(n).filter(|n| *n > 0);
                };
                if passage.note_sent(n, now, pool) {
                    sealed.passage = None;
                }
                self.rest(pool);
                None
            }
        }
    }

    /// So many bytes of the ring are gone: what waits beside it is nearer.
    #[inline(never)]
    fn come_forward(&mut self, gone: usize, pool: &mut Pool) {
        if let Some(passage) = self.passage_mut() {
            passage.come_forward(gone);
        }
        self.rest(pool);
    }

    /// Lets go of the room for what is to be sealed, if that is nothing.
    fn rest(&mut self, pool: &mut Pool) {
        if let Some(Beside::Sealed(sealed)) = self.beside.as_deref_mut()
            && self.ring.is_empty()
            && sealed.passage.is_none()
        {
            sealed.rest(pool);
        }
    }
}

/// The address of a peer: of IPv4 as such, also where it came in by a socket for both kinds.
pub(in crate::hub) fn canonical(remote: SocketAddr) -> SocketAddr {
    match remote.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, remote.port()),
        // With its scope, where it has one.
        IpAddr::V6(_) => remote,
    }
}

/// Whether the address is of this machine's loopback, as IPv4 in IPv6 too.
pub(in crate::hub) fn is_loopback(remote: SocketAddr) -> bool {
    remote.ip().to_canonical().is_loopback()
}
