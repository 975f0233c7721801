//! One channel: messages from publishers to whoever has subscribed to them, and what is wanted from subscribers to publishers.
//!
//! A message goes once to everybody whose topic its first frame begins with, by one copy of its wire bytes. What came from a gatherer of another node
//! does not go to other nodes again: each has it from where it was published.

use core::ops::Bound;
use std::collections::{BTreeMap, VecDeque};

use crate::auth::{Action, Target};
use crate::config::Drops;
use crate::counters::count;
use crate::hub::cause::Cause;
use crate::hub::doors::{Channel, ChannelPorts};
use crate::hub::keys::PeerKey;
use crate::hub::peers::{For, Peers, Side};
use crate::limits::{
    FANOUT_BYTES, FANOUT_BYTES_TO_MANY, LOOK_BYTES, MANY_SUBSCRIBERS, SUBSCRIPTION_BYTES, WANTED_BYTES_WAITING_MAX,
    WANTED_PER_TURN,
};
use crate::zmtp::frame::Message;
use crate::zmtp::subscription::{Subscription, last_message, message_len, run};
use crate::zmtp::{Fault, SocketType};

use super::last::Lasts;
use super::link::{Judged, Link, Subscriptions};
use super::topics::{Topics, Turned};
use super::wanted::{Changes, Left, Told};

/// What became of the message at the front of a peer's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Taken {
    /// So many bytes are dealt with: that message, and perhaps others behind it.
    Used(usize),
    /// Its peer goes on in the next turn.
    Held,
    /// Its peer is to be closed.
    Broken(Fault),
}

/// Topics of who has left.
type Leaving = (PeerKey, bool, Subscriptions);

/// One channel. See the module's documentation.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) channel: Channel,
    /// Its ports, while it is on.
    pub(super) ports: Option<ChannelPorts>,
    pub(super) topics: Topics,
    pub(super) links: BTreeMap<PeerKey, Box<Link>>,
    changes: Changes,
    /// Something was added to the changes that not all have been asked to hear.
    is_changed: bool,
    /// Publishers that have more to be told.
    behind: VecDeque<PeerKey>,
    leaving: VecDeque<Leaving>,
    /// How far subscriptions have been judged by the rules that hold now, where they have not all been.
    pub(super) judged: Option<Judged>,
    /// The last message of every topic, where they are kept.
    pub(super) lasts: Option<Lasts>,
    /// Subscribers that are to be given some of these.
    pub(super) catching: VecDeque<PeerKey>,
    /// Those who had no room for the messages at hand.
    squeezed: Vec<PeerKey>,
    /// Scratch for what a publisher is told.
    out: Vec<u8>,
}

impl Instance {
    pub(super) fn new(channel: Channel, seed: u64, keeps_last: bool) -> Self {
        Self {
            channel,
            ports: None,
            topics: Topics::new(seed, keeps_last),
            links: BTreeMap::new(),
            changes: Changes::default(),
            is_changed: false,
            behind: VecDeque::new(),
            leaving: VecDeque::new(),
            judged: None,
            lasts: keeps_last.then(Lasts::default),
            catching: VecDeque::new(),
            squeezed: Vec::new(),
            out: Vec::new(),
        }
    }

    // ---- Coming and going ----

    /// A peer's handshake is over.
    pub(super) fn ready(&mut self, peers: &Peers, key: PeerKey, side: Side, theirs: SocketType) {
        let minor = u8::from(peers.get(key).is_some_and(|peer| peer.takes_pings()));
        let told = side.is_source().then(|| Told::new(&self.changes, side == Side::Publisher, minor));
        let mut link = Link::new(side, theirs, told);
        if side.is_source() {
            link.is_behind = true;
            self.behind.push_back(key);
        }
        self.links.insert(key, Box::new(link));
    }

    /// A peer has left.
    pub(super) fn left(&mut self, peers: &mut Peers, key: PeerKey) {
        let Some(link) = self.links.remove(&key) else { return };
        if link.drops_lately > 0 {
            self.tell_drops(peers, key, link.drops_lately, "has left");
        }
        let is_distributor = link.is_distributor();
        if !link.subscriptions.is_empty() {
            self.leaving.push_back((key, is_distributor, link.subscriptions));
        }
    }

    // ---- Messages ----

    /// Deals with the message at the front of `rest`, and with those behind it that go the same way.
    pub(super) fn take(&mut self, peers: &mut Peers, key: PeerKey, rest: &[u8], message: &Message) -> Taken {
        match self.links.get(&key).map(|link| link.side) {
            Some(Side::Publisher | Side::Gatherer(_)) => self.publish(peers, key, rest, message),
            Some(Side::Subscriber | Side::Distributor) => self.hear(peers, key, rest, message),
            None => Taken::Used(message.len),
        }
    }

    fn publish(&mut self, peers: &mut Peers, key: PeerKey, rest: &[u8], message: &Message) -> Taken {
        let (Some(topic), Some(front)) = (message.part(rest, 0), message.end_of(0).and_then(|end| rest.get(..end)))
        else {
            return Taken::Used(message.len);
        };
        let bounds = peers.bounds;
        let behind = rest.get(message.len..).unwrap_or_default();
        let Self { topics, links, lasts, .. } = self;
        let Some(link) = links.get_mut(&key) else { return Taken::Used(message.len) };
        let may_publish = link.side != Side::Publisher
            || peers.users.is_off()
            || peers.permit(key, "publish", Action::Publish, Target::Topic(topic)).is_ok();
        if !may_publish {
            peers.counters.published_forbidden += 1;
            return Taken::Used(message.len);
        }
        topics.find(topic);
        let is_here = link.side == Side::Publisher;
        let to = if is_here { &topics.found.all } else { &topics.found.subscribers };
        let (mut bytes, mut messages) = (message.len, 1);
        if link.done.is_none() {
            let left = peers.fanout_left();
            if left == 0 {
                peers.wait(key, For::Turn);
                return Taken::Held;
            }
            let left = if to.len() > MANY_SUBSCRIBERS { left.max(FANOUT_BYTES_TO_MANY) } else { left };
            let most = left.checked_div(to.len()).unwrap_or(usize::MAX);
            let (more, count) = run(front, behind, most.saturating_sub(bytes), &bounds);
            (bytes, messages) = (bytes + more, messages + count);
        }
        let wire = rest.get(..bytes).unwrap_or_default();
        if link.done.is_none()
            && let Some(lasts) = lasts
        {
            peers.counters.last_values_lost += lasts.keep(&mut peers.pool, topic, last_message(wire, messages));
        }
        let from = link.done.take().map_or(0, |done| to.partition_point(|peer| *peer <= done));
        let (mut last, mut copies) = (None, 0);
        let of_old = peers.config.channel_drops == Drops::Oldest;
        self.squeezed.clear();
        for peer in to.get(from..).unwrap_or_default() {
            if messages == 1 && last.is_some() && peers.fanout_left() == 0 {
                link.done = last;
                break;
            }
            if peers.offer(*peer, wire, messages).is_err() {
                self.squeezed.push(*peer);
                if of_old {
                    // Room is made for it, and it is copied all the same.
                    peers.spend_fanout(wire.len() + FANOUT_BYTES);
                }
            }
            last = Some(*peer);
            copies += u64::from(messages);
        }
        let is_done = link.done.is_none();
        peers.counters.published_copies += copies;
        if is_done {
            link.note_topic(topic);
            link.messages += u64::from(messages);
            link.bytes += count(bytes);
            peers.counters.published += u64::from(messages);
            peers.counters.published_unwanted += if to.is_empty() { u64::from(messages) } else { 0 };
            topics.found.note(u64::from(messages), count(bytes));
        }
        for n in 0..self.squeezed.len() {
            if let Some(peer) = self.squeezed.get(n).copied() {
                self.squeeze(peers, peer, wire, messages);
            }
        }
        if is_done {
            return Taken::Used(bytes);
        }
        peers.wait(key, For::Turn);
        Taken::Held
    }

    /// A subscriber has no room for all of these messages: it gets as many as it has room for, or those that have waited longest make way for them. It
    /// goes without the rest.
    #[cold]
    fn squeeze(&mut self, peers: &mut Peers, to: PeerKey, wire: &[u8], messages: u32) {
        let of_old = peers.config.channel_drops == Drops::Oldest;
        let (mut at, mut kept, mut older) = (0, 0, 0);
        if of_old {
            older += peers.drop_oldest(to, wire.len());
            if peers.offer(to, wire, messages).is_ok() {
                kept = messages;
            }
        }
        while kept < messages
            && let Some(one) = message_len(wire.get(at..).unwrap_or_default()).and_then(|len| wire.get(at..at + len))
            && (messages > 1 || of_old)
        {
            if peers.offer(to, one, 1).is_err() {
                older += if of_old { peers.drop_oldest(to, one.len()) } else { 0 };
                if !of_old || peers.offer(to, one, 1).is_err() {
                    break;
                }
            }
            at += one.len();
            kept += 1;
        }
        if of_old {
            peers.rest_ring(to);
        }
        let newer = u64::from(messages - kept);
        peers.counters.published_copies = peers.counters.published_copies.saturating_sub(newer);
        self.count_drops(peers, to, newer + u64::from(older));
    }

    /// A subscriber goes without so many messages.
    pub(super) fn count_drops(&mut self, peers: &mut Peers, to: PeerKey, drops: u64) {
        peers.counters.published_drops += drops;
        peers.note_drops(to, drops);
        let Some(link) = self.links.get_mut(&to) else { return };
        link.drops += drops;
        if link.drops_lately == 0 && peers.may_log() {
            let at = peers.get(to).map(|peer| peer.remote.to_string()).unwrap_or_default();
            log::warn!(
                "{at} does not keep up with the {} channel: it goes without what it has no room for",
                self.channel
            );
        }
        link.drops_lately += drops;
        peers.tell_of_room(to);
    }

    fn tell_drops(&self, peers: &mut Peers, key: PeerKey, drops: u64, what: &str) {
        if peers.may_log() {
            let at = peers.get(key).map_or_else(|| "a subscriber".to_owned(), |peer| peer.remote.to_string());
            log::warn!("{at} {what}, and went without {drops} messages of the {} channel", self.channel);
        }
    }

    // ---- Subscriptions ----

    fn hear(&mut self, peers: &mut Peers, key: PeerKey, rest: &[u8], message: &Message) -> Taken {
        if peers.fanout_left() == 0 {
            peers.wait(key, For::Turn);
            return Taken::Held;
        }
        let wire = rest.get(..message.len).unwrap_or_default();
        if let Some(subscription) = Subscription::of_message(message, wire) {
            return match self.subscription(peers, key, subscription) {
                Ok(()) => Taken::Used(message.len),
                Err(fault) => Taken::Broken(fault),
            };
        }
        // Only an XSUB has words of its own.
        if self.links.get(&key).is_some_and(|link| link.theirs == SocketType::Xsub) {
            return self.say_upstream(peers, key, wire);
        }
        Taken::Used(message.len)
    }

    /// A subscriber's own word goes to every XPUB upstream: what came from another node to the publishers of this one and no farther, so that it goes
    /// round no more than what is published.
    fn say_upstream(&mut self, peers: &mut Peers, key: PeerKey, wire: &[u8]) -> Taken {
        let Some(link) = self.links.get_mut(&key) else { return Taken::Used(wire.len()) };
        let is_from_here = !link.is_distributor();
        let from = link.done.take().map_or(Bound::Unbounded, Bound::Excluded);
        peers.spend_fanout(FANOUT_BYTES + LOOK_BYTES * self.links.len());
        let hears = |link: &Link| match link.side {
            Side::Publisher => link.theirs == SocketType::Xpub,
            Side::Gatherer(_) => is_from_here,
            Side::Subscriber | Side::Distributor => false,
        };
        let mut last = None;
        for (to, _) in self.links.range((from, Bound::Unbounded)).filter(|(_, link)| hears(link)) {
            if last.is_some() && peers.fanout_left() == 0 {
                break;
            }
            if peers.offer(*to, wire, 1).is_err() {
                peers.spend_fanout(FANOUT_BYTES);
                peers.counters.published_drops += 1;
                peers.note_drops(*to, 1);
            }
            last = Some(*to);
        }
        let goes_on = |last| self.links.range((Bound::Excluded(last), Bound::Unbounded)).any(|(_, link)| hears(link));
        match last.filter(|last| goes_on(*last)) {
            None => Taken::Used(wire.len()),
            Some(last) => {
                if let Some(link) = self.links.get_mut(&key) {
                    link.done = Some(last);
                }
                peers.wait(key, For::Turn);
                Taken::Held
            }
        }
    }

    /// A subscriber wants something, or does not any more.
    pub(super) fn subscription(
        &mut self,
        peers: &mut Peers,
        key: PeerKey,
        Subscription { is_wanted, topic }: Subscription<'_>,
    ) -> Result<(), Fault> {
        let Some(link) = self.links.get_mut(&key).filter(|link| !link.side.is_source()) else { return Ok(()) };
        let is_distributor = link.is_distributor();
        // So many may be made in a turn as changes are told.
        peers.spend_fanout(crate::limits::FANOUT_BYTES_PER_TURN / WANTED_PER_TURN);
        if !is_wanted {
            self.cancel(peers, key, topic);
            return Ok(());
        }
        let refuse = |peers: &mut Peers| peers.counters.subscriptions_refused += 1;
        if !peers.users.is_off() && peers.permit(key, "subscribe", Action::Subscribe, Target::Topic(topic)).is_err() {
            refuse(peers);
            return Ok(());
        }
        if let Err(fault) = self.topics.may_add(topic, link.subscriptions.len()) {
            if self.topics.has(key, is_distributor, topic) {
                return Ok(());
            }
            refuse(peers);
            return Err(fault);
        }
        let bytes = SUBSCRIPTION_BYTES + topic.len();
        if !peers.pool.charge_leaving_room(bytes) {
            refuse(peers);
            return Err(Fault::Subscriptions);
        }
        match self.topics.add(key, is_distributor, topic) {
            None => peers.pool.refund(bytes),
            Some((made, turned)) => {
                link.subscriptions.insert(made);
                peers.counters.subscriptions += 1;
                self.catch_from(key, made, topic);
                self.note(topic.into(), true, turned);
            }
        }
        Ok(())
    }

    /// A subscriber wants a topic no more.
    pub(super) fn cancel(&mut self, peers: &mut Peers, key: PeerKey, topic: &[u8]) {
        let Some(link) = self.links.get_mut(&key) else { return };
        let Some((found, turned)) = self.topics.cancel(key, link.is_distributor(), topic) else { return };
        peers.pool.refund(SUBSCRIPTION_BYTES + topic.len());
        link.subscriptions.remove(found);
        link.cancel_catch(found);
        self.note(topic.into(), false, turned);
    }

    /// Publishers are to hear of a change.
    fn note(&mut self, topic: Box<[u8]>, is_wanted: bool, turned: Turned) {
        if turned.is_any() {
            self.changes.note(topic, is_wanted, turned);
            self.is_changed = true;
        }
    }

    // ---- Work left over ----

    pub(super) fn has_work(&self) -> bool {
        self.is_changed
            || self.judged.is_some()
            || !self.leaving.is_empty()
            || !self.behind.is_empty()
            || !self.catching.is_empty()
    }

    /// There is room in the ring of a peer again.
    pub(super) fn has_room(&mut self, peers: &mut Peers, key: PeerKey) {
        let Some(link) = self.links.get_mut(&key) else { return };
        if link.is_behind && link.told.is_some() {
            self.behind.push_back(key);
        }
        if link.catch.as_mut().is_some_and(|catch| catch.goes_on()) {
            self.catching.push_back(key);
        }
        let drops = core::mem::take(&mut link.drops_lately);
        if drops > 0 {
            self.tell_drops(peers, key, drops, "keeps up again");
        }
    }

    /// Tells publishers what is wanted, as far as there is time in this turn.
    pub(super) fn work(&mut self, peers: &mut Peers) {
        let mut left = WANTED_PER_TURN;
        self.forget(peers, &mut left);
        self.revoke(peers, &mut left);
        if core::mem::take(&mut self.is_changed) {
            for (key, link) in &mut self.links {
                if link.told.is_some() && !core::mem::replace(&mut link.is_behind, true) {
                    self.behind.push_back(*key);
                }
            }
        }
        while left > 0
            && let Some(key) = self.behind.pop_front()
        {
            left = left.saturating_sub(self.tell(peers, key, left).max(1));
        }
        if !self.changes.is_empty() {
            self.changes.trim(self.links.values().filter_map(|link| link.told.as_ref().map(Told::next)));
        }
        self.catch_up(peers);
    }

    /// Forgets what those wanted who have left.
    fn forget(&mut self, peers: &mut Peers, left: &mut usize) {
        while *left > 0
            && let Some((key, is_distributor, topics)) = self.leaving.front_mut()
        {
            let Some(topic) = topics.pop() else {
                self.leaving.pop_front();
                continue;
            };
            let bytes = self.topics.get(topic).map_or(0, |topic| SUBSCRIPTION_BYTES + topic.name.len());
            let removed = self.topics.remove(*key, *is_distributor, topic);
            *left -= 1;
            if let Some((name, turned)) = removed {
                peers.pool.refund(bytes);
                self.note(name, false, turned);
            }
        }
    }

    /// Tells one publisher up to `most` of what it has not been told; answers how many that were.
    fn tell(&mut self, peers: &mut Peers, key: PeerKey, most: usize) -> usize {
        let Some(link) = self.links.get_mut(&key) else { return 0 };
        let Some(told) = &mut link.told else { return 0 };
        let Some(waiting) = peers.get(key).filter(|peer| peer.is_open()).map(|peer| peer.waiting()) else { return 0 };
        if waiting > WANTED_BYTES_WAITING_MAX {
            peers.tell_of_room(key);
            return 0;
        }
        self.out.clear();
        let (done, rest) = told.write(&self.topics, &self.changes, most.min(WANTED_PER_TURN / 4), &mut self.out);
        link.is_behind = rest == Left::More;
        if rest == Left::More {
            self.behind.push_back(key);
        }
        if !self.out.is_empty() && peers.queue_parts(key, &[&self.out], peers.own_bytes_max()).is_err() {
            peers.close(key, Cause::Memory);
        } else if rest == Left::Lost {
            peers.close(key, Cause::Slow);
        }
        done
    }

    /// Bytes that subscriptions are counted as, and last values.
    pub(super) fn bytes(&self) -> usize {
        self.topics.bytes() + self.lasts.as_ref().map_or(0, |lasts| lasts.counts().1)
    }

    // ---- The end ----

    /// It is off from here on, and whoever is connected leaves.
    pub(super) fn switch_off(&mut self, peers: &mut Peers) {
        self.ports = None;
        if let Some(lasts) = &mut self.lasts {
            lasts.clear(&mut peers.pool);
        }
        for key in self.links.keys().copied().collect::<Vec<_>>() {
            peers.finish(key, Cause::Stopping);
        }
    }

    /// What must be true between any two calls.
    pub(super) fn check(&self, peers: &Peers) -> Result<(), String> {
        self.topics.check()?;
        self.lasts.as_ref().map_or(Ok(()), Lasts::check)?;
        let has = |key: &PeerKey| peers.get(*key).is_some_and(|peer| peer.is_open() && peer.is_ready());
        if let Some(key) = self.links.keys().find(|key| !has(key)) {
            return Err(format!("{key:?} is remembered in the {} channel and has left", self.channel));
        }
        let of_links: usize = self.links.values().map(|link| link.subscriptions.len()).sum();
        let of_left: usize = self.leaving.iter().map(|(_, _, topics)| topics.len()).sum();
        let (_, all) = self.topics.counts();
        if of_links + of_left == all { Ok(()) } else { Err(format!("{all} subscriptions, peers have {of_links}")) }
    }
}
