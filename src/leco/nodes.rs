//! What is known of other nodes: their Coordinators' addresses, the two links to each, their component names.
//!
//! Generic over `L`, the key of a link. A node is entered under its address when it is to be dialled and has no namespace until
//! its Coordinator has answered; or under its namespace when its Coordinator has signed in here before we knew an address. The
//! two entries of one node are merged by [`Nodes::bind`].

use core::net::IpAddr;

use super::listing::Listing;
use super::message::{Conversation, HEADER_BYTES};
use crate::limits::{ADDRESS_SHARE, NODE_NAMES_BYTES_MAX, NODES_MAX};
use crate::store::table::{Full, Key, Table};
use crate::time::{Span, Tick};

/// Shortest and longest pause between two attempts to reach a node.
const BACKOFF_MIN: Span = Span(100);
const BACKOFF_MAX: Span = Span(10_000);
/// The longest pause while a node is missed that was linked until lately: a network that was cut is whole again soon.
const BACKOFF_LOST_MAX: Span = Span(1000);
/// How long that is, from when a link between us came or went.
const LATELY: Span = Span(60_000);
/// A node is dialled before its pause is over, because others say that they reach it, no more often than that.
const HURRY_PAUSE: Span = Span(2000);

/// Where our DEALER to a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dealer<L> {
    /// No address is known, or the node is not to be dialled.
    None,
    /// Waiting for the next attempt.
    Waiting,
    /// A connection is being made.
    Dialling,
    /// Connected; our `coordinator_sign_in` is unanswered, or the ZMTP handshake is under way.
    SigningIn(L),
    /// Signed in: messages can be sent.
    Up(L),
}

impl<L: Copy> Dealer<L> {
    /// The link, in whatever state.
    #[must_use]
    pub const fn link(self) -> Option<L> {
        match self {
            Self::SigningIn(link) | Self::Up(link) => Some(link),
            Self::None | Self::Waiting | Self::Dialling => None,
        }
    }
}

/// How far the link by which somebody speaks to us as a node is believed to be that node's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Somebody has signed in under the namespace. Nobody has let us in under it yet.
    Claimed,
    /// Our own link was let in under that namespace at the node's address.
    Plausible,
    /// Another link claims the namespace: the node was asked a question in this conversation, on our own link to it. Its answer comes on
    /// the link that is really its own.
    Asked(Conversation),
    /// The node's answer came on this link.
    Proven,
}

/// What keeps a node from being linked both ways, as far as somebody must do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Whoever is at the address has our own namespace.
    Namesake,
    /// The node is linked with another one of our namespace.
    Taken,
    /// The node refuses us with this error.
    Refused(i64),
    /// Nobody answers at the address.
    Unreachable,
    /// The node has let us in and does not come to us.
    OneWay,
}

/// Which links there are with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linked {
    /// Messages go both ways.
    BothWays,
    /// Only to the node: it has let us in and has not signed in here.
    Out,
    /// Only from the node: it has signed in here and we have not been let in there.
    In,
    /// Neither.
    Down,
}

impl Linked {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::BothWays => "both",
            Self::Out => "out",
            Self::In => "in",
            Self::Down => "down",
        }
    }
}

/// Another node.
#[derive(Debug)]
pub struct Node<L> {
    /// Its namespace, once its Coordinator has told it.
    pub namespace: Option<Box<[u8]>>,
    /// The namespace under which somebody told us the address.
    pub hint: Option<Box<[u8]>>,
    /// `host:port` as it was given to us.
    pub address: Option<Box<str>>,
    /// The other machine that told us the address, unless it was one of this machine or the configuration.
    pub told_by: Option<IpAddr>,
    /// A Component told us the address.
    pub is_by_hand: bool,
    /// Named at start: redialled for ever.
    pub permanent: bool,
    /// Our link to it.
    pub dealer: Dealer<L>,
    /// The header of our sign-in there.
    pub sign_in: Option<[u8; HEADER_BYTES]>,
    /// Its link to us.
    pub inbound: Option<L>,
    /// How far that link is believed to be the node's own.
    pub standing: Standing,
    /// One of us has said goodbye. It gets no more messages, only what must be said about those that it sent before, and those are still
    /// taken from it.
    pub is_leaving: bool,
    /// Its components, as it recorded them here: those for which there was room.
    pub listing: Listing,
    /// When it was asked for all of them, as we had missed some.
    pub asked: Option<Tick>,
    /// When it has asked for all of ours, as it had missed some, and was told.
    pub repeated: Option<Tick>,
    /// The number of our own list that it was told last, on our DEALER to it.
    pub told: Option<u64>,
    /// When it was last dialled before its pause was over.
    hurried: Option<Tick>,
    /// Since when it has had no link at all, or when it was entered.
    pub lost_since: Tick,
    /// Which links there were when that was noted last, and since when.
    pub linked: (Linked, Tick),
    /// When a sign of life was asked for on our link to it, unless it has been given.
    timed: Option<Tick>,
    /// How long the last one took.
    pub round_trip: Option<Span>,
    /// What an operator has been told of.
    trouble: Option<Trouble>,
    /// Attempts to reach it that have failed in a row.
    failures: u32,
    /// It has refused us for good.
    is_refusing: bool,
    backoff: Span,
}

/// Attempts in a row that fail before somebody should know: the next ones are a second and more apart.
const FAILURES_TOLD: u32 = 4;

/// Key of a node.
pub type NodeKey<L> = Key<Node<L>>;

impl<L: Copy + PartialEq> Node<L> {
    /// A node that nothing but the moment is known of.
    #[must_use]
    pub const fn new(now: Tick) -> Self {
        Self {
            namespace: None,
            hint: None,
            address: None,
            sign_in: None,
            told_by: None,
            is_by_hand: false,
            permanent: false,
            dealer: Dealer::None,
            inbound: None,
            standing: Standing::Claimed,
            is_leaving: false,
            listing: Listing::new(),
            asked: None,
            repeated: None,
            told: None,
            hurried: None,
            lost_since: now,
            linked: (Linked::Down, now),
            timed: None,
            round_trip: None,
            trouble: None,
            failures: 0,
            is_refusing: false,
            backoff: BACKOFF_MIN,
        }
    }

    /// Notes which links there are now.
    pub fn note_links(&mut self, now: Tick) {
        let linked = match (matches!(self.dealer, Dealer::Up(_)), self.inbound.is_some()) {
            (true, true) => Linked::BothWays,
            (true, false) => Linked::Out,
            (false, true) => Linked::In,
            (false, false) => Linked::Down,
        };
        if linked != self.linked.0 {
            self.linked = (linked, now);
        }
        if linked == Linked::BothWays {
            self.trouble = None;
        }
        if !matches!(self.dealer, Dealer::Up(_)) {
            (self.timed, self.round_trip) = (None, None);
        }
    }

    /// A sign of life is asked for on our link to it. One that has been asked for before and has not come counts from then on.
    pub fn time(&mut self, now: Tick) {
        self.timed.get_or_insert(now);
    }

    /// It has come.
    pub fn is_timed(&mut self, now: Tick) {
        if let Some(asked) = self.timed.take() {
            self.round_trip = Some(now.since(asked));
        }
    }

    /// Forgets its components: nobody is to be reached there.
    pub fn unlist(&mut self) {
        self.listing = Listing::new();
    }

    /// Notes what is wrong; answers whether that is to be told: not if it was the last time, too.
    pub fn is_new(&mut self, trouble: Trouble) -> bool {
        self.trouble.replace(trouble) != Some(trouble)
    }

    /// An attempt to reach it has failed; answers whether it has for so long that somebody should know, once.
    pub fn is_unreachable(&mut self) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.failures >= FAILURES_TOLD && self.is_new(Trouble::Unreachable)
    }

    /// Whether somebody has been told that it is not reached, so that one more attempt that fails is no news.
    #[must_use]
    pub const fn is_known_unreachable(&self) -> bool {
        self.failures > FAILURES_TOLD
    }

    /// The pause before the next attempt, doubled each time up to 10 s, up to a second for a minute after a link of a node that is known by name
    /// came or went; `random` adds up to a quarter.
    pub fn next_pause(&mut self, now: Tick, random: u64) -> Span {
        let is_missed = self.namespace.is_some() && now.since(self.linked.1) < LATELY;
        let longest = if is_missed { BACKOFF_LOST_MAX } else { BACKOFF_MAX };
        let pause = if core::mem::take(&mut self.is_refusing) { BACKOFF_MAX } else { self.backoff.min(longest) };
        self.backoff = self.backoff.times(2).min(BACKOFF_MAX);
        Span(pause.0 + random % (pause.0 / 4 + 1))
    }

    /// It will not have us as we are, until somebody does something about that: the next attempt has time.
    pub const fn note_refusal(&mut self) {
        self.is_refusing = true;
    }

    /// Somebody reaches the node: answers whether an attempt may come now rather than after its pause.
    pub fn may_hurry(&mut self, now: Tick) -> bool {
        let may = self.dealer == Dealer::Waiting && self.hurried.is_none_or(|last| now.since(last) >= HURRY_PAUSE);
        if may {
            self.hurried = Some(now);
        }
        may
    }

    /// Attempts start from the shortest pause again: the node has answered.
    pub const fn reset_backoff(&mut self) {
        self.failures = 0;
        self.backoff = BACKOFF_MIN;
    }

    /// Whether any link to the node exists.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.inbound.is_some() || self.dealer.link().is_some()
    }

    /// The namespace for a log line, or the address while it has none.
    #[must_use]
    pub fn label(&self) -> String {
        match (&self.namespace, &self.address) {
            (Some(namespace), _) => super::name::shown(namespace),
            (None, Some(address)) => address.to_string(),
            (None, None) => "unnamed node".to_owned(),
        }
    }
}

/// All other nodes.
#[derive(Debug)]
pub struct Nodes<L> {
    table: Table<Node<L>>,
}

impl<L: Copy + PartialEq> Default for Nodes<L> {
    fn default() -> Self {
        Self { table: Table::new(NODES_MAX) }
    }
}

impl<L: Copy + PartialEq> Nodes<L> {
    /// Enters a node.
    ///
    /// # Errors
    /// [`Full`] when no more nodes fit.
    pub fn add(&mut self, node: Node<L>) -> Result<NodeKey<L>, Full> {
        self.table.insert(node)
    }

    /// The node behind a key, unless it was removed.
    #[must_use]
    #[inline]
    pub fn get(&self, key: NodeKey<L>) -> Option<&Node<L>> {
        self.table.get(key)
    }

    /// The node behind a key, to change.
    pub fn get_mut(&mut self, key: NodeKey<L>) -> Option<&mut Node<L>> {
        self.table.get_mut(key)
    }

    /// Takes a node out.
    pub fn remove(&mut self, key: NodeKey<L>) -> Option<Node<L>> {
        self.table.remove(key)
    }

    /// The key of the node in `slot`.
    #[must_use]
    pub fn key_at(&self, slot: usize) -> Option<NodeKey<L>> {
        self.table.key_at(slot)
    }

    /// The node called `namespace`. Nodes are few (a full mesh has one link pair for each), so a walk is quicker than a hash.
    #[must_use]
    #[inline]
    pub fn find(&self, namespace: &[u8]) -> Option<NodeKey<L>> {
        self.table.iter().find(|(_, node)| node.namespace.as_deref() == Some(namespace)).map(|(key, _)| key)
    }

    /// Whether a node of this namespace is known or being dialled under that name.
    #[must_use]
    pub fn expects(&self, namespace: &[u8]) -> bool {
        self.table.iter().any(|(_, node)| {
            let dialled = node.dealer != Dealer::None;
            dialled && (node.namespace.as_deref() == Some(namespace) || node.hint.as_deref() == Some(namespace))
        })
    }

    /// The node called `namespace`, if it was lost and waits for the next attempt to reach it.
    #[must_use]
    pub fn waiting(&self, namespace: &[u8]) -> Option<NodeKey<L>> {
        self.find(namespace).filter(|key| self.get(*key).is_some_and(|node| node.dealer == Dealer::Waiting))
    }

    /// The node that is dialled at this address.
    #[must_use]
    pub fn at_address(&self, address: &str) -> Option<NodeKey<L>> {
        self.table.iter().find(|(_, node)| node.address.as_deref() == Some(address)).map(|(key, _)| key)
    }

    /// Bytes that the names of a node's components may take, beside those of all others.
    #[must_use]
    pub fn names_room(&self, key: NodeKey<L>) -> usize {
        let others = self.table.iter().filter(|(other, _)| *other != key).map(|(_, node)| node.listing.bytes());
        NODE_NAMES_BYTES_MAX.saturating_sub(others.sum()).min(NODE_NAMES_BYTES_MAX / ADDRESS_SHARE)
    }

    /// Whether no more nodes fit.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.table.len() >= NODES_MAX
    }

    /// The node that has been without any link for longest, those that were named at start left out: it makes room for one that speaks.
    #[must_use]
    pub fn oldest_unlinked(&self) -> Option<NodeKey<L>> {
        let idle = self.table.iter().filter(|(_, node)| !node.is_linked() && !node.permanent);
        idle.min_by_key(|(_, node)| node.lost_since).map(|(key, _)| key)
    }

    /// All nodes in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (NodeKey<L>, &Node<L>)> {
        self.table.iter()
    }

    /// Keys of all nodes.
    #[must_use]
    pub fn keys(&self) -> Vec<NodeKey<L>> {
        self.table.iter().map(|(key, _)| key).collect()
    }

    /// Gives the node at `key`, whose Coordinator has answered on our link, its namespace. If that namespace has an entry
    /// already, the answer's entry goes into it; its key is returned, and with it the link on which that node has not answered yet: it is
    /// superfluous now.
    ///
    /// # Errors
    /// The key of the node that already has a signed-in link of ours: the new one is superfluous.
    pub fn bind(&mut self, key: NodeKey<L>, namespace: &[u8]) -> Result<(NodeKey<L>, Option<L>), NodeKey<L>> {
        match self.find(namespace) {
            Some(known) if known != key => {
                if matches!(self.get(known).map(|node| node.dealer), Some(Dealer::Up(_))) {
                    return Err(known);
                }
                let Some(fresh) = self.table.remove(key) else { return Ok((known, None)) };
                let mut replaced = None;
                if let Some(node) = self.table.get_mut(known) {
                    replaced = core::mem::replace(&mut node.dealer, fresh.dealer).link();
                    node.address = fresh.address;
                    node.told_by = fresh.told_by;
                    node.permanent |= fresh.permanent;
                    node.reset_backoff();
                }
                Ok((known, replaced))
            }
            _ => {
                if let Some(node) = self.table.get_mut(key) {
                    node.namespace = Some(namespace.into());
                    node.reset_backoff();
                }
                Ok((key, None))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leco::listing::Recent;

    #[test]
    fn the_two_entries_of_a_node_become_one() {
        let mut nodes: Nodes<u8> = Nodes::default();
        let inbound =
            nodes.add(Node { namespace: Some(b"N2"[..].into()), inbound: Some(1), ..Node::new(Tick(0)) }).unwrap();
        let dialled = nodes
            .add(Node { address: Some("h:1".into()), dealer: Dealer::SigningIn(2), ..Node::new(Tick(0)) })
            .unwrap();
        assert_eq!(nodes.bind(dialled, b"N2"), Ok((inbound, None)));
        let node = nodes.get_mut(inbound).unwrap();
        assert_eq!((node.inbound, node.dealer, node.address.as_deref()), (Some(1), Dealer::SigningIn(2), Some("h:1")));
        let alias = nodes.add(Node { dealer: Dealer::SigningIn(4), ..Node::new(Tick(0)) }).unwrap();
        assert_eq!(nodes.bind(alias, b"N2"), Ok((inbound, Some(2))), "who answers first is kept");
        nodes.get_mut(inbound).unwrap().dealer = Dealer::Up(4);
        let second = nodes.add(Node { dealer: Dealer::SigningIn(3), ..Node::new(Tick(0)) }).unwrap();
        assert_eq!(nodes.bind(second, b"N2"), Err(inbound));
        assert!(nodes.expects(b"N2") && !nodes.expects(b"N3"));
    }

    #[test]
    fn pauses_double_up_to_ten_seconds() {
        let mut node: Node<u8> = Node::new(Tick(0));
        let pauses: Vec<u64> = (0..9).map(|_| node.next_pause(Tick(0), 0).0).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        node.namespace = Some(b"N2"[..].into());
        assert_eq!(node.next_pause(Tick(59_999), 0), Span(1000), "it was there until lately");
        assert_eq!(node.next_pause(Tick(60_000), 0), Span(10_000), "and is not reached for long");
        node.note_refusal();
        assert_eq!([(); 2].map(|()| node.next_pause(Tick(0), 0)), [Span(10_000), Span(1000)], "and will not have us");
        assert!((100..=125).contains(&{
            node.reset_backoff();
            node.next_pause(Tick(0), u64::MAX).0
        }));
    }

    #[test]
    fn what_an_operator_should_know_is_told_once_until_it_is_mended() {
        let mut node: Node<u8> = Node::new(Tick(0));
        let told: Vec<bool> = (0..6).map(|_| node.is_unreachable()).collect();
        assert_eq!(told, [false, false, false, true, false, false]);
        assert!(node.is_new(Trouble::Namesake) && !node.is_new(Trouble::Namesake) && node.is_new(Trouble::Taken));
        (node.dealer, node.inbound) = (Dealer::Up(1), Some(2));
        node.note_links(Tick(5));
        assert!(node.is_new(Trouble::Taken), "it was linked in between");
    }

    #[test]
    fn who_is_reached_by_others_is_dialled_before_its_pause_is_over_but_not_again_and_again() {
        let mut nodes: Nodes<u8> = Nodes::default();
        let key = nodes
            .add(Node { namespace: Some(b"N2"[..].into()), dealer: Dealer::Waiting, ..Node::new(Tick(0)) })
            .unwrap();
        assert_eq!((nodes.waiting(b"N2"), nodes.waiting(b"N3")), (Some(key), None));
        let node = nodes.get_mut(key).unwrap();
        assert_eq!([0, 1999, 2000].map(|ms| node.may_hurry(Tick(ms))), [true, false, true]);
        node.dealer = Dealer::Dialling;
        assert!(!node.may_hurry(Tick(9000)));
        assert_eq!(nodes.waiting(b"N2"), None);
    }

    #[test]
    fn names_of_a_node_are_kept_as_far_as_there_is_room() {
        let mut nodes: Nodes<u8> = Nodes::default();
        let keys: Vec<_> = (0..5).map(|_| nodes.add(Node::new(Tick(0))).unwrap()).collect();
        let share = NODE_NAMES_BYTES_MAX / ADDRESS_SHARE;
        let names = |count: usize| (0..count).map(|n| format!("{n:032}")).collect();
        for (n, key) in keys.iter().enumerate() {
            let room = nodes.names_room(*key);
            assert_eq!(room, if n < 4 { share } else { 0 });
            let node = nodes.get_mut(*key).unwrap();
            node.listing.replace(names(share / 64 + 3), None, Recent::default(), room);
            assert_eq!(
                (node.listing.names().len(), node.listing.left_out()),
                if n < 4 { (share / 64, 3) } else { (0, share / 64 + 3) }
            );
        }
        nodes.get_mut(keys[0]).unwrap().unlist();
        assert_eq!((nodes.names_room(keys[4]), nodes.get(keys[0]).unwrap().listing.left_out()), (share, 0));
    }

    #[test]
    fn a_round_trip_is_that_of_the_link_that_there_is() {
        let mut node: Node<u8> = Node::new(Tick(0));
        node.dealer = Dealer::Up(1);
        node.is_timed(Tick(5));
        assert_eq!(node.round_trip, None, "nobody has asked");
        node.time(Tick(10));
        node.time(Tick(20));
        node.is_timed(Tick(25));
        assert_eq!(node.round_trip, Some(Span(15)));
        node.time(Tick(30));
        node.dealer = Dealer::Waiting;
        node.note_links(Tick(31));
        node.is_timed(Tick(32));
        assert_eq!(node.round_trip, None);
    }

    #[test]
    fn links_are_noted_with_the_moment_since_when_they_are_so() {
        let mut node: Node<u8> = Node::new(Tick(0));
        let mut noted = Vec::new();
        for (at, dealer, inbound) in [
            (1, Dealer::Waiting, None),
            (2, Dealer::SigningIn(1), Some(2)),
            (3, Dealer::Up(1), Some(2)),
            (4, Dealer::Up(1), Some(3)),
            (5, Dealer::Up(1), None),
        ] {
            (node.dealer, node.inbound) = (dealer, inbound);
            node.note_links(Tick(at));
            noted.push((node.linked.0.word(), node.linked.1.0));
        }
        assert_eq!(noted, [("down", 0), ("in", 2), ("both", 3), ("both", 3), ("out", 5)]);
    }
}
