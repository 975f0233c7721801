//! The network of Coordinators: dialling, signing in and out, the mirror link, directory updates, nodes that die.
//!
//! Every pair of nodes has two links, one dialled by each side; messages to a node go out on our DEALER to it. A node entered
//! by address is dialled, gets its namespace from the answer to our sign-in, and is told all nodes and our components; it signs
//! in here in the same way when it learns our address. So one known address builds the whole mesh.

use core::net::SocketAddr;

use serde_json::Value;

use crate::leco::message::View;
use crate::leco::name::{self, COORDINATOR, FullName};
use crate::leco::nodes::{Dealer, Node};
use crate::leco::route::Place;
use crate::leco::rpc::{
    self, DUPLICATE_NAME, Document, INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, Item, NOT_SIGNED_IN,
};
use crate::limits::{ADD_NODES_MAX, COMPONENTS_PER_NODE_MAX, RING_RESERVE_BYTES};
use crate::time::Span;
use crate::zmtp::SocketType;

use super::expire::{House, OfPeer};
use super::peer::Role;
use super::relay::{data_text, shown};
use super::serve::{Answer, Caller, plain_error};
use super::{Cause, Hub, NodeKey, Outcome, Output, PeerKey, plain};

/// Components for which one millisecond must pass between two directory updates. Each update names all of them, so a small
/// directory is told at every change and a large one, whose changes come in bursts, a few times in a second.
const COMPONENTS_PER_PAUSE_MS: usize = 64;

impl Hub {
    // ---- Our DEALERs ----

    /// Enters a node by address, to be dialled now, unless the address is known or our own.
    pub(super) fn know_address(&mut self, address: &str, hint: Option<&[u8]>, permanent: bool) {
        if address == &*self.address || self.nodes.has_address(address) {
            return;
        }
        // A node that signed in here before we knew its address gets it now.
        let known = hint.and_then(|hint| self.nodes.find(hint));
        let key = match known {
            Some(key) => {
                if let Some(node) = self.nodes.get_mut(key) {
                    node.address = Some(address.into());
                    node.dealer = Dealer::Waiting;
                }
                key
            }
            None => {
                let mut node = Node::new(self.now);
                node.address = Some(address.into());
                node.hint = hint.map(Into::into);
                node.permanent = permanent;
                node.dealer = Dealer::Waiting;
                let Ok(key) = self.nodes.add(node) else {
                    if self.may_log() {
                        log::warn!("too many nodes: {address} is not dialled");
                    }
                    return;
                };
                key
            }
        };
        self.wake_house();
        self.redial_at(key, self.now);
    }

    /// The pause is over: connect.
    pub(super) fn dial(&mut self, key: NodeKey) {
        let Some(node) = self.nodes.get_mut(key) else { return };
        if node.dealer == Dealer::Waiting && !self.stopping {
            node.dealer = Dealer::Dialling;
            self.counters.dials += 1;
            log::debug!("connecting to Coordinator at {}", node.address.as_deref().unwrap_or_default());
            self.outputs.push_back(Output::Dial(key));
        }
    }

    /// An attempt has ended.
    pub(super) fn dialed(&mut self, key: NodeKey, outcome: Result<SocketAddr, &str>) -> Option<PeerKey> {
        let node = self.nodes.get(key).filter(|node| node.dealer == Dealer::Dialling)?;
        match outcome {
            Err(reason) => {
                let address = node.address.clone().unwrap_or_default();
                self.counters.dials_failed += 1;
                if self.may_log() {
                    log::info!("no connection to Coordinator at {address}: {reason}");
                }
                self.redial(key);
                None
            }
            Ok(remote) => {
                let link = self.add_peer(Role::Dialled(key), SocketType::Dealer, remote);
                match (link, self.nodes.get_mut(key)) {
                    (Some(link), Some(node)) => node.dealer = Dealer::SigningIn(link),
                    _ => self.redial(key),
                }
                link
            }
        }
    }

    /// Tries a node again after its pause; gives a node up that nobody named at start and that has been gone too long.
    fn redial(&mut self, key: NodeKey) {
        let random = self.random();
        let patience = self.config.expiration().times(3);
        let Some(node) = self.nodes.get_mut(key) else { return };
        let gone = !node.is_linked() && self.now.since(node.lost_since) >= patience;
        if gone && !node.permanent {
            self.forget(key, "not reachable");
            return;
        }
        if node.address.is_none() {
            node.dealer = Dealer::None;
            return;
        }
        node.dealer = Dealer::Waiting;
        let at = self.now + node.next_pause(random);
        self.redial_at(key, at);
    }

    /// Our DEALER has finished its ZMTP handshake: sign in.
    pub(super) fn sign_in_at(&mut self, key: NodeKey, link: PeerKey) {
        let header = self.new_header();
        let request = rpc::request(1, "coordinator_sign_in", &Value::Null);
        if self.queue_own(link, COORDINATOR, &header, request.as_bytes()).is_err() {
            self.close(link, Cause::Memory);
            return;
        }
        log::debug!("signing in at node {key:?}");
        self.of_peer(link, OfPeer::Life, Span::seconds(self.config.handshake_s));
    }

    /// A message came on one of our DEALERs: an answer to our sign-in, or an error about something we sent.
    pub(super) fn take_from_dialled(&mut self, link: PeerKey, wire: &[u8], view: &View<'_>) -> Outcome {
        self.counters.messages_in += 1;
        let Some(Role::Dialled(key)) = self.peers.get(link).map(|peer| peer.role) else { return Outcome::Done };
        let first = view.payload.map(Document::parse);
        let item = match &first {
            Some(Ok(Document::Single(item))) => Some(item),
            Some(Ok(Document::Batch(_)) | Err(_)) | None => None,
        };
        let signing_in = matches!(self.nodes.get(key).map(|node| node.dealer), Some(Dealer::SigningIn(_)));
        match item {
            Some(Item::Result { is_null: true }) if signing_in => self.signed_in_at(key, link, view),
            Some(Item::Error { code }) if signing_in => {
                if self.may_log() {
                    let label = self.nodes.get(key).map(Node::label).unwrap_or_default();
                    log::warn!("Coordinator at {label} refused our sign-in with error {}", code.unwrap_or(0));
                }
                self.close(link, Cause::Superfluous);
            }
            Some(Item::Error { code }) => {
                // An error for a name without our namespace is about that sender: the other side takes it for its own component.
                let ours = view.receiver.starts_with(&self.prefix);
                let forgotten = ours && *code == Some(i64::from(NOT_SIGNED_IN.code));
                self.pass_error_on(wire, view);
                if forgotten {
                    // The other side has lost us, by a restart or by expiry: start anew.
                    self.close(link, Cause::SignedOut);
                }
            }
            _ => self.pass_error_on(wire, view),
        }
        Outcome::Done
    }

    /// An answer about a component's message that came back on our DEALER goes to that component.
    fn pass_error_on(&mut self, wire: &[u8], view: &View<'_>) {
        if let Place::Here(name) = Place::of(view.receiver, &self.prefix)
            && name != COORDINATOR
            && let Some(component) = self.directory.find(name).and_then(|key| self.directory.get(key))
        {
            let to = component.link;
            // As with errors of our own: nobody waits for room here, so there is the reserve.
            let bytes_max = self.config.ring_bytes_max + RING_RESERVE_BYTES;
            let queued = self.peers.get_mut(to).map(|peer| peer.ring.push(&[wire], bytes_max, &mut self.pool));
            if let Some(Ok(())) = queued {
                self.counters.messages_delivered += 1;
                self.want_flush(to);
            } else {
                self.counters.errors_dropped += 1;
            }
        }
    }

    /// The other Coordinator has accepted us and told its namespace by the sender of its answer.
    fn signed_in_at(&mut self, key: NodeKey, link: PeerKey, view: &View<'_>) {
        let FullName { namespace, .. } = FullName::split(view.sender);
        if !name::is_legal(namespace) {
            log::warn!("a Coordinator answered without a legal namespace");
            self.close(link, Cause::Superfluous);
            return;
        }
        if *namespace == *self.config.namespace.as_bytes() {
            let address = self.nodes.get(key).and_then(|node| node.address.clone()).unwrap_or_default();
            log::info!("{address} is this Coordinator itself, or one of the same namespace");
            self.close(link, Cause::Superfluous);
            return;
        }
        let Ok((bound, replaced)) = self.nodes.bind(key, namespace) else {
            // A second address of a node that is linked. Who named it at start may need it when the first one fails; one that was only
            // learnt is forgotten.
            if self.nodes.get(key).is_some_and(|node| node.permanent) {
                self.close(link, Cause::Superfluous);
            } else {
                self.forget(key, "linked under another address");
            }
            return;
        };
        if bound != key {
            self.node_timers.cancel(key.slot(), 0);
            if let Some(peer) = self.peers.get_mut(link) {
                peer.role = Role::Dialled(bound);
            }
        }
        if let Some(node) = self.nodes.get_mut(bound) {
            node.dealer = Dealer::Up(link);
        }
        if let Some(replaced) = replaced {
            // We were signing in under another address of it too.
            self.close(replaced, Cause::Superfluous);
        }
        self.peer_timers.cancel(link.slot(), OfPeer::Life as usize);
        self.counters.nodes_joined += 1;
        log::info!("signed in at node {}", data_text(namespace));
        let update = crate::leco::methods::directory_update(&self.nodes_as_json(), &self.local_components(), false);
        let header = self.new_header();
        if self.queue_own(link, view.sender, &header, update.as_bytes()).is_err() {
            self.close(link, Cause::Memory);
        }
        self.unpublished = true;
    }

    /// Our DEALER to a node has ended.
    pub(super) fn dealer_lost(&mut self, key: NodeKey, link: PeerKey) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(key) else { return };
        if node.dealer.link() != Some(link) {
            return;
        }
        node.dealer = Dealer::Waiting;
        let is_linked = node.is_linked();
        if !is_linked {
            node.lost_since = now;
            node.components.clear();
        }
        if !is_linked {
            self.node_lists(key, false);
        }
        if !self.stopping {
            self.redial(key);
        }
    }

    /// A node's link to us has ended.
    pub(super) fn inbound_lost(&mut self, key: NodeKey, link: PeerKey) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(key) else { return };
        if node.inbound != Some(link) {
            return;
        }
        node.inbound = None;
        log::info!("node {} has lost its link to us", node.label());
        if !node.is_linked() {
            node.lost_since = now;
            node.components.clear();
            let has_address = node.address.is_some();
            self.node_lists(key, false);
            // Without an address there is nothing to try.
            if !has_address {
                self.forget(key, "gone");
            }
        }
    }

    /// Removes a node; one that was named at start stays to be dialled.
    fn forget(&mut self, key: NodeKey, why: &str) {
        let Some(node) = self.nodes.get_mut(key) else { return };
        log::info!("node {} removed: {why}", node.label());
        if node.namespace.is_some() {
            self.counters.nodes_left += 1;
        }
        node.components.clear();
        self.node_lists(key, false);
        let Some(node) = self.nodes.get_mut(key) else { return };
        let links = [node.inbound.take(), node.dealer.link()];
        node.namespace = None;
        node.hint = None;
        node.lost_since = self.now;
        if node.permanent && !self.stopping {
            node.dealer = Dealer::Waiting;
            let random = self.random();
            if let Some(node) = self.nodes.get_mut(key) {
                let at = self.now + node.next_pause(random);
                self.redial_at(key, at);
            }
        } else {
            self.node_timers.cancel(key.slot(), 0);
            self.nodes.remove(key);
        }
        for link in links.into_iter().flatten() {
            if let Some(peer) = self.peers.get_mut(link) {
                peer.node = None;
            }
            self.finish(link, Cause::SignedOut);
        }
    }

    // ---- Methods called by other Coordinators ----

    pub(super) fn coordinator_sign_in(&mut self, caller: Caller<'_>) -> Answer {
        let namespace = match caller.sender {
            Place::There { namespace, name: COORDINATOR } => namespace,
            Place::Here(COORDINATOR) => return Err((DUPLICATE_NAME, Value::from(self.config.namespace.as_str()))),
            Place::Here(_) | Place::There { .. } => {
                return Err((INVALID_REQUEST, Value::from("only a Coordinator signs in as one")));
            }
        };
        if !name::is_legal(namespace) {
            return Err((INVALID_PARAMS, Value::from("a namespace is 1 to 255 bytes of printable ASCII without '.'")));
        }
        if !self.peers.get(caller.link).is_some_and(super::Peer::is_open) {
            return Err((INVALID_REQUEST, Value::from("this link has ended")));
        }
        let known = self.nodes.find(namespace);
        if self.peers.get(caller.link).and_then(|peer| peer.node).is_some_and(|node| Some(node) != known) {
            return Err((INVALID_REQUEST, Value::from("this link is another Coordinator's")));
        }
        let key = match known {
            Some(key) => {
                let inbound = self.nodes.get(key).and_then(|node| node.inbound);
                if inbound.is_some_and(|link| link != caller.link && self.peers.get(link).is_some()) {
                    return Err((DUPLICATE_NAME, shown(namespace)));
                }
                key
            }
            None => {
                let mut node = Node::new(self.now);
                node.namespace = Some(namespace.into());
                self.nodes.add(node).map_err(|_| (INTERNAL_ERROR, Value::from("too many nodes")))?
            }
        };
        if let Some(node) = self.nodes.get_mut(key) {
            node.inbound = Some(caller.link);
        }
        if let Some(peer) = self.peers.get_mut(caller.link) {
            peer.node = Some(key);
            log::info!("node {} signed in from {}", data_text(namespace), peer.remote);
        }
        self.counters.nodes_joined += 1;
        self.wake_house();
        Ok(Value::Null)
    }

    pub(super) fn coordinator_sign_out(&mut self, caller: Caller<'_>) -> Answer {
        let Place::There { namespace, .. } = caller.sender else { return Err(plain_error(INVALID_REQUEST)) };
        let Some(key) = self.nodes.find(namespace) else { return Ok(Value::Null) };
        let (inbound, dealer) = match self.nodes.get(key) {
            Some(node) => (node.inbound, node.dealer),
            None => (None, Dealer::None),
        };
        if inbound != Some(caller.link) {
            return Err((DUPLICATE_NAME, shown(namespace)));
        }
        if let Dealer::Up(link) = dealer {
            self.say_goodbye(link, namespace);
        }
        self.forget(key, "signed out");
        Ok(Value::Null)
    }

    fn say_goodbye(&mut self, link: PeerKey, namespace: &[u8]) {
        let receiver = [namespace, b".", COORDINATOR].concat();
        let header = self.new_header();
        let request = rpc::request(100, "coordinator_sign_out", &Value::Null);
        if self.queue_own(link, &receiver, &header, request.as_bytes()).is_err() {
            self.counters.answers_dropped += 1;
        }
    }

    pub(super) fn sign_out_everywhere(&mut self) {
        for key in self.nodes.keys() {
            let Some(node) = self.nodes.get(key) else { continue };
            if let (Some(namespace), Dealer::Up(link)) = (node.namespace.clone(), node.dealer) {
                self.say_goodbye(link, &namespace);
            }
        }
    }

    pub(super) fn add_nodes(&mut self, caller: Caller<'_>, params: rpc::Params) -> Answer {
        let [nodes] = params.take(["nodes"])?;
        let wrong = || (INVALID_PARAMS, Value::from("nodes maps namespaces to addresses host:port"));
        let nodes = nodes.as_ref().and_then(Value::as_object).ok_or_else(wrong)?;
        if nodes.len() > ADD_NODES_MAX {
            return Err((INVALID_PARAMS, Value::from("too many nodes")));
        }
        // All or nothing: first everything is read, then acted upon.
        let mut wanted = Vec::new();
        for (namespace, address) in nodes {
            let address = address.as_str().and_then(crate::leco::nodes::address).ok_or_else(wrong)?;
            if !name::is_legal(namespace.as_bytes()) {
                return Err(wrong());
            }
            wanted.push((namespace.as_bytes(), address));
        }
        for (namespace, address) in wanted {
            if *namespace == *self.config.namespace.as_bytes() || self.has_moved(caller, namespace, &address) {
                continue;
            }
            if !self.nodes.expects(namespace) {
                self.know_address(&address, Some(namespace), false);
            }
        }
        Ok(Value::Null)
    }

    /// A node that we cannot reach tells an address of its own that is not the one we try: it has moved. Answers whether that is so.
    fn has_moved(&mut self, caller: Caller<'_>, namespace: &[u8], address: &str) -> bool {
        let Some(key) = self.peers.get(caller.link).and_then(|peer| peer.node) else { return false };
        let Some(node) = self.nodes.get_mut(key) else { return false };
        let tried = matches!(node.dealer, Dealer::Waiting | Dealer::Dialling) && !node.permanent;
        if !tried || node.namespace.as_deref() != Some(namespace) || node.address.as_deref() == Some(address) {
            return false;
        }
        node.address = Some(address.into());
        node.reset_backoff();
        if node.dealer == Dealer::Waiting {
            self.redial_at(key, self.now);
        }
        true
    }

    pub(super) fn record_components(&mut self, caller: Caller<'_>, params: rpc::Params) -> Answer {
        let [components] = params.take(["components"])?;
        let Some(Value::Array(items)) = components else {
            return Err((INVALID_PARAMS, Value::from("components is a list of names")));
        };
        let Some(node) = self.peers.get(caller.link).and_then(|peer| peer.node) else {
            return Err((INVALID_REQUEST, Value::from("only a Coordinator records components")));
        };
        if items.len() > COMPONENTS_PER_NODE_MAX {
            return Err((INVALID_PARAMS, Value::from("too many components")));
        }
        let mut names = Vec::new();
        for item in items {
            let wrong = || (INVALID_PARAMS, Value::from("components is a list of names"));
            let name = item.as_str().filter(|name| name::is_legal(name.as_bytes())).ok_or_else(wrong)?;
            names.push(name.to_owned());
        }
        if let Some(node) = self.nodes.get_mut(node) {
            node.components = names;
        }
        self.node_lists(node, true);
        Ok(Value::Null)
    }

    // ---- Updates ----

    /// The directory has changed: publish it, unless that has just been done.
    pub(super) fn publish_soon(&mut self) {
        let since = self.now.since(self.last_published);
        let pause = plain(self.directory.len() / COMPONENTS_PER_PAUSE_MS);
        if since.0 >= pause {
            self.publish();
        } else {
            self.house(House::Publish, Span(pause - since.0));
        }
    }

    /// Tells every other Coordinator all nodes and our components.
    pub(super) fn publish(&mut self) {
        self.unpublished = false;
        self.last_published = self.now;
        self.house_timers.cancel(0, House::Publish as usize);
        let links: Vec<(PeerKey, Box<[u8]>)> = self
            .nodes
            .iter()
            .filter_map(|(_, node)| match (node.dealer, &node.namespace) {
                (Dealer::Up(link), Some(namespace)) => Some((link, [&**namespace, b".", COORDINATOR].concat().into())),
                _ => None,
            })
            .collect();
        if links.is_empty() {
            return;
        }
        let update = crate::leco::methods::directory_update(&self.nodes_as_json(), &self.local_components(), true);
        for (link, receiver) in links {
            let header = self.new_header();
            if self.queue_own(link, &receiver, &header, update.as_bytes()).is_ok() {
                self.counters.updates_published += 1;
            } else {
                // The link is choked; the next cleaning tells it the newest state.
                self.counters.answers_dropped += 1;
            }
        }
    }

    /// Asks nodes that have been silent for `expiration`, removes those silent three times as long.
    pub(super) fn clean_nodes(&mut self, expiration: Span) {
        for key in self.nodes.keys() {
            let Some(node) = self.nodes.get(key) else { continue };
            let heard = node.inbound.and_then(|link| self.peers.get(link)).map(|peer| peer.last_heard);
            match heard {
                Some(heard) => {
                    let silent = self.now.since(heard);
                    if silent >= expiration.times(3) {
                        self.forget(key, "silent too long");
                    } else if silent >= expiration
                        && let (Dealer::Up(link), Some(namespace)) = (node.dealer, node.namespace.clone())
                    {
                        self.ask_pong(link, &[&namespace, &b"."[..], COORDINATOR].concat());
                    }
                }
                None => {
                    let gone = !node.is_linked() && self.now.since(node.lost_since) >= expiration.times(3);
                    if gone && !node.permanent {
                        self.forget(key, "gone");
                    }
                }
            }
        }
    }
}
