//! The network of Coordinators: dialling, signing in and out, the mirror link, directory updates, nodes that die.
//!
//! Every pair of nodes has two links, one dialled by each side; messages to a node go out on our DEALER to it. A node entered
//! by address is dialled, gets its namespace from the answer to our sign-in, and is told all nodes and our components; it signs
//! in here in the same way when it learns our address. So one known address builds the whole mesh.

use core::net::SocketAddr;

use serde_json::Value;

use crate::leco::message::View;
use crate::leco::name::{self, COORDINATOR, FullName};
use crate::leco::nodes::{Dealer, Linked, Node, Standing, Trouble};
use crate::leco::route::Place;
use crate::leco::rpc::{self, DUPLICATE_NAME, Document, Item, NOT_SIGNED_IN};
use crate::limits::NODES_MAX;
use crate::time::Span;
use crate::zmtp::SocketType;

use super::origin::Origin;
use super::{Coordinator, tell_of_node};
use crate::hub::cause::Cause;
use crate::hub::doors::Output;
use crate::hub::events::Event;
use crate::hub::keys::{NodeKey, PeerKey};
use crate::hub::names::{Names, new_header};
use crate::hub::peers::{Outcome, PeerTimer, Peers, Role, share_of};

/// Whether one other machine, or all Components together, have told of as many nodes as they may that we have no link with.
fn has_told_its_share(names: &Names, from: Origin<'_>) -> bool {
    let unlinked = || names.nodes.iter().filter(|(_, node)| !node.is_linked());
    let share = share_of(NODES_MAX);
    from.told_by.is_some() && unlinked().filter(|(_, node)| node.told_by == from.told_by).count() >= share
        || from.is_by_hand && unlinked().filter(|(_, node)| node.is_by_hand).count() >= share
}

impl Coordinator {
    // ---- Our DEALERs ----

    /// Enters a node by address, to be dialled now, unless the address is known or our own.
    pub(in crate::hub) fn know_address(
        &mut self,
        peers: &mut Peers,
        names: &mut Names,
        address: &str,
        from: Origin<'_>,
    ) {
        if address == &*names.address {
            return;
        }
        if let Some(known) = names.nodes.at_address(address) {
            // Who may have local addresses dialled vouches for this one.
            if let Some(node) = names.nodes.get_mut(known).filter(|_| from.told_by.is_none()) {
                node.told_by = None;
            }
            return;
        }
        let Origin { hint, told_by, is_by_hand, is_permanent } = from;
        // A node that signed in here before we knew its address gets it now.
        let known = hint.and_then(|hint| names.nodes.find(hint));
        let key = match known {
            Some(key) => {
                if let Some(node) = names.nodes.get_mut(key) {
                    node.address = Some(address.into());
                    node.told_by = told_by;
                    node.dealer = Dealer::Waiting;
                }
                key
            }
            None => {
                let mut node = Node::new(peers.now);
                node.address = Some(address.into());
                node.hint = hint.map(Into::into);
                node.permanent = is_permanent;
                node.told_by = told_by;
                node.is_by_hand = is_by_hand;
                node.dealer = Dealer::Waiting;
                let added = if has_told_its_share(names, from) { None } else { names.nodes.add(node).ok() };
                let Some(key) = added else {
                    if peers.may_log() {
                        log::warn!("too many nodes: {address} is not dialled");
                    }
                    return;
                };
                key
            }
        };
        peers.ensure_cleaning();
        self.dial_at(key, peers.now);
    }

    /// The pause is over: connect.
    pub(in crate::hub) fn dial(peers: &mut Peers, names: &mut Names, key: NodeKey) {
        let Some(node) = names.nodes.get_mut(key) else { return };
        if node.dealer == Dealer::Waiting && !peers.stopping {
            node.dealer = Dealer::Dialling;
            peers.counters.dials += 1;
            log::debug!("connecting to Coordinator at {}", node.address.as_deref().unwrap_or_default());
            peers.outputs.push_back(Output::Dial(key));
        }
    }

    /// An attempt has ended.
    pub(in crate::hub) fn dialed(
        &mut self,
        peers: &mut Peers,
        names: &mut Names,
        key: NodeKey,
        outcome: Result<SocketAddr, &str>,
    ) -> Option<PeerKey> {
        if names.nodes.get(key)?.dealer != Dealer::Dialling {
            return None;
        }
        match outcome {
            Err(reason) => {
                peers.counters.dials_failed += 1;
                Self::tell_unreachable(peers, names, key, reason);
                self.redial(peers, names, key);
                None
            }
            Ok(remote) => {
                let guard = names.nodes.get(key).and_then(|node| {
                    let namespace = node.namespace.as_deref().or(node.hint.as_deref());
                    let address = node.address.as_deref().unwrap_or_default();
                    let at = (SocketType::Dealer, address);
                    peers.keyring.dialling(&peers.config, &peers.users, at, namespace)
                });
                let link = peers.add_zmtp(Role::Dialled(key), SocketType::Dealer, remote, guard);
                match (link, names.nodes.get_mut(key)) {
                    (Some(link), Some(node)) => node.dealer = Dealer::SigningIn(link),
                    _ => self.redial(peers, names, key),
                }
                link
            }
        }
    }

    /// A node could not be connected to. The first attempts may come too early; when they go on failing somebody must do something.
    fn tell_unreachable(peers: &mut Peers, names: &mut Names, key: NodeKey, reason: &str) {
        let Some(node) = names.nodes.get_mut(key) else { return };
        let address = node.address.clone().unwrap_or_default();
        if !node.is_unreachable() {
            if node.is_known_unreachable() {
                log::debug!("still no connection to Coordinator at {address}: {reason}");
            } else if peers.may_log() {
                log::info!("no connection to Coordinator at {address}: {reason}");
            }
        } else if node.inbound.is_some() {
            log::warn!(
                "node {} speaks to us, and we do not reach it at {address}: {reason}; start it with --host and a name or address that this machine reaches, and let its port through",
                node.label()
            );
        } else {
            log::warn!(
                "no Coordinator is reached at {address}: {reason}; see that it runs and that this is its address; it is tried again, with growing pauses"
            );
        }
    }

    /// The other side refused our sign-in, or is one of our own namespace.
    fn tell_refused(peers: &mut Peers, names: &mut Names, key: NodeKey, by: &[u8], code: i64) {
        let ours = name::shown(names.namespace());
        let trouble = match code {
            _ if *by == *names.namespace() => Trouble::Namesake,
            code if code == i64::from(DUPLICATE_NAME.code) => Trouble::Taken,
            code => Trouble::Refused(code),
        };
        let by = name::shown(by);
        let Some(node) = names.nodes.get_mut(key).filter(|node| node.address.is_some()) else { return };
        let address = node.address.clone().unwrap_or_default();
        if !node.is_new(trouble) || !peers.may_log() {
            return;
        }
        match trouble {
            Trouble::Namesake => log::warn!(
                "{address} is this Coordinator itself, and need not be named to it, or another one of the same namespace {ours}: give one of the two another --namespace"
            ),
            Trouble::Taken => log::warn!(
                "node {by} at {address} is linked with another node {ours}, or takes its last link for living: give one of the two another --namespace"
            ),
            Trouble::Refused(_) | Trouble::Unreachable | Trouble::OneWay => {
                log::warn!("Coordinator at {address} refused our sign-in with error {code}");
            }
        }
    }

    /// Tries a node again after its pause; gives a node up that nobody named at start and that has been gone too long.
    fn redial(&mut self, peers: &mut Peers, names: &mut Names, key: NodeKey) {
        let random = peers.random();
        let patience = peers.config.expiration().times(3);
        let Some(node) = names.nodes.get_mut(key) else { return };
        let gone = !node.is_linked() && peers.now.since(node.lost_since) >= patience;
        if gone && !node.permanent {
            self.forget(peers, names, key, "not reachable");
            return;
        }
        if node.address.is_none() {
            node.dealer = Dealer::None;
            return;
        }
        node.dealer = Dealer::Waiting;
        let at = peers.now + node.next_pause(peers.now, random);
        self.dial_at(key, at);
    }

    /// Others reach a node that we wait to try again, or it has just come to us: now is the time.
    pub(super) fn hurry(&mut self, peers: &Peers, names: &mut Names, key: NodeKey) {
        if names.nodes.get_mut(key).is_some_and(|node| node.may_hurry(peers.now)) {
            self.dial_at(key, peers.now);
        }
    }

    /// Our DEALER has finished its ZMTP handshake: sign in.
    pub(in crate::hub) fn sign_in_at(peers: &mut Peers, names: &mut Names, key: NodeKey, link: PeerKey) {
        let header = new_header(peers);
        if let Some(node) = names.nodes.get_mut(key) {
            node.sign_in = Some(header);
        }
        let request = rpc::request(1, "coordinator_sign_in", &Value::Null);
        if names.say(peers, link, COORDINATOR, &header, request.as_bytes()).is_err() {
            peers.close(link, Cause::Memory);
            return;
        }
        log::debug!("signing in at node {key:?}");
        peers.set_peer_timer(link, PeerTimer::Life, Span::seconds(peers.config.handshake_s));
    }

    /// A message came on one of our DEALERs: an answer to our sign-in, or an error about something we sent.
    pub(in crate::hub) fn take_from_dialled(
        &mut self,
        peers: &mut Peers,
        names: &mut Names,
        link: PeerKey,
        wire: &[u8],
        view: &View<'_>,
    ) -> Outcome {
        peers.counters.messages_in += 1;
        let Some(Role::Dialled(key)) = peers.get(link).map(|peer| peer.role) else { return Outcome::Done };
        let first = view.payload.map(Document::parse);
        let item = match &first {
            Some(Ok(Document::Single(item))) => Some(item),
            Some(Ok(Document::Batch(_)) | Err(_)) | None => None,
        };
        let signing_in = matches!(names.nodes.get(key).map(|node| node.dealer), Some(Dealer::SigningIn(_)));
        match item {
            Some(Item::Result { is_null: true }) if signing_in => self.signed_in_at(peers, names, key, link, view),
            Some(Item::Error { code, .. }) if signing_in => {
                let by = FullName::split(view.sender).namespace;
                Self::tell_refused(peers, names, key, by, code.unwrap_or(0));
                peers.close(link, Cause::Superfluous);
            }
            Some(Item::Error { code, .. }) => {
                // An error for a name without our namespace is about that sender: the other side takes it for its own component.
                let ours = view.receiver.starts_with(&names.prefix);
                let forgotten = ours && *code == Some(i64::from(NOT_SIGNED_IN.code));
                Self::pass_error_on(peers, names, wire, view);
                if forgotten {
                    // The other side has lost us, by a restart or by expiry: start anew.
                    peers.close(link, Cause::SignedOut);
                }
            }
            _ => Self::pass_error_on(peers, names, wire, view),
        }
        Outcome::Done
    }

    /// An answer about a component's message that came back on our DEALER goes to that component.
    fn pass_error_on(peers: &mut Peers, names: &Names, wire: &[u8], view: &View<'_>) {
        if let Place::Here(name) = Place::of(view.receiver, &names.prefix)
            && name != COORDINATOR
            && let Some(component) = names.directory.find(name).and_then(|key| names.directory.get(key))
        {
            let to = component.link;
            // As with errors of our own: nobody waits for room here, so there is the reserve.
            if peers.queue_parts(to, &[wire], peers.own_bytes_max()).is_ok() {
                peers.counters.messages_delivered += 1;
            } else {
                peers.counters.errors_dropped += 1;
            }
        }
    }

    /// The other Coordinator has accepted us and told its namespace by the sender of its answer.
    fn signed_in_at(&mut self, peers: &mut Peers, names: &mut Names, key: NodeKey, link: PeerKey, view: &View<'_>) {
        let FullName { namespace, .. } = FullName::split(view.sender);
        if !name::is_legal(namespace) {
            log::warn!("a Coordinator answered without a legal namespace");
            peers.close(link, Cause::Superfluous);
            return;
        }
        if *namespace == *names.namespace() {
            Self::tell_refused(peers, names, key, namespace, 0);
            peers.close(link, Cause::Superfluous);
            return;
        }
        let Ok((bound, replaced)) = names.nodes.bind(key, namespace) else {
            // A second address of a node that is linked. Who named it at start may need it when the first one fails; one that was only
            // learnt is forgotten.
            if names.nodes.get(key).is_some_and(|node| node.permanent) {
                peers.close(link, Cause::Superfluous);
            } else {
                self.forget(peers, names, key, "linked under another address");
            }
            return;
        };
        if bound != key {
            self.timers.cancel(key.slot(), 0);
            if let Some(peer) = peers.get_mut(link) {
                peer.role = Role::Dialled(bound);
            }
        }
        if let Some(node) = names.nodes.get_mut(bound) {
            node.dealer = Dealer::Up(link);
            node.is_leaving = false;
            if node.standing == Standing::Claimed {
                node.standing = Standing::Plausible;
            }
            node.note_links(peers.now);
        }
        if let Some(replaced) = replaced {
            // We were signing in under another address of it too.
            peers.close(replaced, Cause::Superfluous);
        }
        peers.cancel_peer_timer(link, PeerTimer::Life);
        peers.counters.nodes_joined += 1;
        log::info!("signed in at node {}", name::shown(namespace));
        Self::time_link(peers, names, bound);
        if self.tell_all(peers, names, bound).is_err() {
            peers.close(link, Cause::Memory);
        }
        // Its components, if it has told of them already, can be told something from now on.
        peers.events.push_back(Event::NodeListed { node: bound });
        self.is_changed = true;
    }

    /// Our DEALER to a node has ended. Answers whether it is one by which we spoke.
    pub(in crate::hub) fn dealer_lost(
        &mut self,
        peers: &mut Peers,
        names: &mut Names,
        key: NodeKey,
        link: PeerKey,
    ) -> bool {
        let now = peers.now;
        let Some(node) = names.nodes.get_mut(key) else { return false };
        if node.dealer.link() != Some(link) {
            return false;
        }
        let was_up = matches!(node.dealer, Dealer::Up(_));
        node.dealer = Dealer::Waiting;
        node.note_links(now);
        if !node.is_linked() {
            node.lost_since = now;
            node.unlist();
            peers.events.push_back(Event::NodeUnlinked { node: key });
        }
        if !peers.stopping {
            self.redial(peers, names, key);
        }
        was_up
    }

    /// A node's link to us has ended.
    pub(in crate::hub) fn inbound_lost(&mut self, peers: &mut Peers, names: &mut Names, key: NodeKey, link: PeerKey) {
        let now = peers.now;
        let Some(node) = names.nodes.get_mut(key) else { return };
        if node.inbound != Some(link) {
            return;
        }
        node.inbound = None;
        node.note_links(now);
        if node.is_leaving {
            self.forget(peers, names, key, "signed out");
            return;
        }
        log::info!("node {} has lost its link to us", node.label());
        if !node.is_linked() {
            node.lost_since = now;
            node.unlist();
            let has_address = node.address.is_some();
            peers.events.push_back(Event::NodeUnlinked { node: key });
            // Without an address there is nothing to try.
            if !has_address {
                self.forget(peers, names, key, "gone");
            }
        }
    }

    /// Removes a node; one that was named at start stays to be dialled.
    pub(super) fn forget(&mut self, peers: &mut Peers, names: &mut Names, key: NodeKey, why: &str) {
        let Some(node) = names.nodes.get_mut(key) else { return };
        log::info!("node {} removed: {why}", node.label());
        if let Some(namespace) = &node.namespace {
            peers.counters.nodes_left += 1;
            tell_of_node(peers, &name::shown(namespace), "left");
        }
        node.unlist();
        peers.events.push_back(Event::NodeUnlinked { node: key });
        let Some(node) = names.nodes.get_mut(key) else { return };
        let links = [node.inbound.take(), node.dealer.link()];
        node.namespace = None;
        node.hint = None;
        node.is_leaving = false;
        node.lost_since = peers.now;
        if node.permanent && !peers.stopping {
            node.dealer = Dealer::Waiting;
            node.note_links(peers.now);
            let random = peers.random();
            if let Some(node) = names.nodes.get_mut(key) {
                let at = peers.now + node.next_pause(peers.now, random);
                self.dial_at(key, at);
            }
        } else {
            self.timers.cancel(key.slot(), 0);
            names.nodes.remove(key);
        }
        for link in links.into_iter().flatten() {
            if let Some(peer) = peers.get_mut(link) {
                peer.node = None;
            }
            peers.finish(link, Cause::SignedOut);
        }
    }

    // ---- Goodbye ----

    pub(super) fn say_goodbye(peers: &mut Peers, names: &Names, link: PeerKey, namespace: &[u8]) {
        let receiver = [namespace, b".", COORDINATOR].concat();
        let header = new_header(peers);
        let request = rpc::request(100, "coordinator_sign_out", &Value::Null);
        if names.say(peers, link, &receiver, &header, request.as_bytes()).is_err() {
            peers.counters.answers_dropped += 1;
        }
    }

    /// Says goodbye to every node. Each answers with the same once it has nothing more for us.
    pub(in crate::hub) fn sign_out_everywhere(peers: &mut Peers, names: &mut Names) {
        for key in names.nodes.keys() {
            let Some(node) = names.nodes.get_mut(key) else { continue };
            if let (Some(namespace), Dealer::Up(link)) = (node.namespace.clone(), node.dealer) {
                node.is_leaving = true;
                Self::say_goodbye(peers, names, link, &namespace);
            }
        }
    }

    // ---- Cleaning ----

    /// A node that let us in should have come here since.
    fn tell_one_way(peers: &Peers, names: &mut Names, key: NodeKey) {
        let ours = names.address.clone();
        let Some(node) = names.nodes.get_mut(key) else { return };
        let (Linked::Out, since) = node.linked else { return };
        if peers.now.since(since) >= peers.config.expiration() && node.is_new(Trouble::OneWay) {
            log::warn!(
                "node {} let us in and does not come to us: it may not reach {ours}; start this node with --host and a name or address that the other machine reaches, and let the port through",
                node.label()
            );
        }
    }

    /// Asks nodes that have been silent for `expiration`, removes those silent three times as long.
    /// Asks for a sign of life on our link to a node, to see how long it takes.
    fn time_link(peers: &mut Peers, names: &mut Names, key: NodeKey) {
        if peers.config.heartbeat_s > 0
            && let Some(link) = names.link_to(key)
            && peers.ping(link)
            && let Some(node) = names.nodes.get_mut(key)
        {
            node.time(peers.now);
        }
    }

    pub(in crate::hub) fn clean_nodes(&mut self, peers: &mut Peers, names: &mut Names, expiration: Span) {
        for key in names.nodes.keys() {
            Self::tell_one_way(peers, names, key);
            Self::time_link(peers, names, key);
            let Some(node) = names.nodes.get(key) else { continue };
            let inbound = node.inbound.and_then(|link| peers.get(link));
            match inbound.map(|peer| (peer.held, peers.now.since(peer.last_heard))) {
                // It is we who do not read.
                Some((Some(_), _)) => {}
                Some((None, silent)) => {
                    if silent >= expiration.times(3) {
                        self.forget(peers, names, key, "silent too long");
                    } else if silent >= expiration
                        && let (Dealer::Up(link), Some(namespace)) = (node.dealer, node.namespace.clone())
                    {
                        names.ask_pong(peers, link, &[&namespace, &b"."[..], COORDINATOR].concat());
                    }
                }
                None => {
                    let gone = !node.is_linked() && peers.now.since(node.lost_since) >= expiration.times(3);
                    if gone && !node.permanent {
                        self.forget(peers, names, key, "gone");
                    }
                }
            }
        }
    }
}
