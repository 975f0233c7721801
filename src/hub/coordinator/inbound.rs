//! Other Coordinators at our door: they sign in and out, and tell what they know.
//!
//! A namespace is taken once our own DEALER has been let in at its address. Until then whoever signs in under it gives way to the next who
//! does; after that a second one makes us ask: our DEALER puts a question to the node, and the answer comes on the link that is really its own.
//!
//! Who says goodbye sends no messages behind it but what must be said about those that it has got before. Who hears it answers with
//! the same, sends what still waits, and takes in what comes until the other one ends its link. So nothing is on its way any more when
//! the links end.

use serde_json::Value;

use crate::leco::message::{View, conversation};
use crate::leco::name::{self, COORDINATOR};
use crate::leco::nodes::{Dealer, Node, Standing};
use crate::leco::route::Place;
use crate::leco::rpc::{self, DUPLICATE_NAME, INVALID_PARAMS, INVALID_REQUEST, SERVER_FULL};
use crate::limits::{ADD_NODES_MAX, NODES_MAX};
use crate::time::Span;

use super::origin::Origin;
use super::{Coordinator, relay, tell_of_node};
use crate::hub::call::{Answer, Caller, Refused, plain_error};
use crate::hub::cause::Cause;
use crate::hub::events::Event;
use crate::hub::keys::{NodeKey, PeerKey};
use crate::hub::names::{Names, new_header, shown};
use crate::hub::peers::{About, FAREWELL, For, Peer, PeerTimer, Peers, share_of};

impl Coordinator {
    // ---- In and out ----

    pub(in crate::hub) fn coordinator_sign_in(
        &mut self,
        peers: &mut Peers,
        names: &mut Names,
        caller: Caller<'_>,
    ) -> Answer {
        let namespace = match caller.sender {
            Place::There { namespace, name: COORDINATOR } => namespace,
            Place::Here(COORDINATOR) => {
                // Where it is this process itself, that is told of when it has the answer.
                let is_this_one = names.nodes.iter().any(|(_, node)| node.sign_in.as_ref() == Some(caller.header));
                if let Some(remote) = peers.get(caller.link).map(|peer| peer.remote).filter(|_| !is_this_one)
                    && peers.may_log_of(caller.link, About::Namesake)
                {
                    let ours = &peers.config.namespace;
                    log::warn!(
                        "a Coordinator at {remote} has our namespace {ours}, too: give one of the two another --namespace"
                    );
                }
                return Err((DUPLICATE_NAME, Value::from(peers.config.namespace.as_str())));
            }
            Place::Here(_) | Place::There { .. } => {
                return Err((INVALID_REQUEST, Value::from("only a Coordinator signs in as one")));
            }
        };
        if !name::is_legal(namespace) {
            return Err((INVALID_PARAMS, Value::from("a namespace is 1 to 255 bytes of printable ASCII without '.'")));
        }
        if !peers.get(caller.link).is_some_and(Peer::is_open) {
            return Err((INVALID_REQUEST, Value::from("this link has ended")));
        }
        let mut known = names.nodes.find(namespace);
        if let Some(key) = known.filter(|key| names.nodes.get(*key).is_some_and(|node| node.is_leaving)) {
            if peers.get(caller.link).is_some_and(|peer| peer.node == known) {
                return Err((INVALID_REQUEST, Value::from("this link is signed out")));
            }
            // It is back before its last link has come to its end.
            self.forget(peers, names, key, "signed out");
            known = None;
        }
        if peers.get(caller.link).and_then(|peer| peer.node).is_some_and(|node| Some(node) != known) {
            return Err((INVALID_REQUEST, Value::from("this link is another Coordinator's")));
        }
        let key = match known {
            Some(key) => {
                Self::make_way(peers, names, key, caller.link)?;
                key
            }
            None => self.enter(peers, names, namespace, caller.link)?,
        };
        if let Some(node) = names.nodes.get_mut(key) {
            if node.inbound != Some(caller.link) {
                let is_let_in = matches!(node.dealer, Dealer::Up(_));
                node.standing = if is_let_in { Standing::Plausible } else { Standing::Claimed };
            }
            node.inbound = Some(caller.link);
            node.note_links(peers.now);
        }
        if let Some(peer) = peers.get_mut(caller.link) {
            peer.node = Some(key);
            log::info!("node {} signed in from {}", name::shown(namespace), peer.remote);
        }
        tell_of_node(peers, &name::shown(namespace), "came");
        peers.counters.nodes_joined += 1;
        peers.ensure_cleaning();
        self.hurry(peers, names, key);
        Ok(Value::Null)
    }

    /// Enters a node that has signed in here. In a full table one that only was heard of makes room.
    fn enter(
        &mut self,
        peers: &mut Peers,
        names: &mut Names,
        namespace: &[u8],
        link: PeerKey,
    ) -> Result<NodeKey, Refused> {
        if let Some(share) = peers.asker(link).share {
            let is_of_it = |node: &Node<PeerKey>| {
                node.inbound.and_then(|link| peers.asker(link).share).is_some_and(|other| other == share)
            };
            if names.nodes.iter().filter(|(_, node)| is_of_it(node)).count() >= share_of(NODES_MAX) {
                return Err((SERVER_FULL, Value::from("too many nodes from one machine, or of one user")));
            }
        }
        let mut node = Node::new(peers.now);
        node.namespace = Some(namespace.into());
        if names.nodes.is_full()
            && let Some(oldest) = names.nodes.oldest_unlinked()
        {
            self.forget(peers, names, oldest, "a node that speaks needs its place");
        }
        names.nodes.add(node).map_err(|_| (SERVER_FULL, Value::from("too many nodes")))
    }

    /// Frees the place of a node's link for another one, unless the link that has it is to be believed.
    fn make_way(peers: &mut Peers, names: &mut Names, key: NodeKey, newcomer: PeerKey) -> Result<(), Refused> {
        let Some(node) = names.nodes.get_mut(key) else { return Ok(()) };
        let Some(held) = node.inbound.filter(|link| *link != newcomer && peers.get(*link).is_some()) else {
            return Ok(());
        };
        let label = node.label();
        let remotes = [held, newcomer].map(|link| peers.get(link).map(|peer| peer.remote));
        let [Some(old), Some(new)] = remotes else { return Ok(()) };
        let is_same_user = peers.users.is_off() || peers.user(held) == peers.user(newcomer);
        if node.standing != Standing::Claimed || !is_same_user {
            if peers.may_log_of(newcomer, About::Namesake) {
                log::warn!(
                    "{new} is refused as node {label}, which is linked from {old}: two nodes have the same namespace; give one of them another --namespace"
                );
            }
            return Err((DUPLICATE_NAME, Value::from(label)));
        }
        log::warn!("{old} gives way to {new} as node {label}: nobody has let us in under that name yet");
        node.inbound = None;
        node.unlist();
        peers.events.push_back(Event::NodeUnlinked { node: key });
        if let Some(peer) = peers.get_mut(held) {
            peer.node = None;
        }
        peers.counters.nodes_displaced += 1;
        peers.close(held, Cause::Superfluous);
        Ok(())
    }

    /// Somebody claims to be a node whose link to us is another. Answers `true`, with the newcomer held, if that node is asked which link
    /// is its own: on our DEALER to it, so that nobody else hears the question.
    pub(in crate::hub) fn contest(peers: &mut Peers, names: &mut Names, newcomer: PeerKey, namespace: &[u8]) -> bool {
        let Some(key) = names.nodes.find(namespace) else { return false };
        let Some(node) = names.nodes.get(key) else { return false };
        let (Some(held), Dealer::Up(dealer)) = (node.inbound, node.dealer) else { return false };
        if held == newcomer || !peers.is_open(held) {
            return false;
        }
        match node.standing {
            Standing::Claimed | Standing::Proven => return false,
            Standing::Asked(_) => {}
            Standing::Plausible => {
                let header = new_header(peers);
                let question = rpc::request(0, "pong", &Value::Null);
                let receiver = [namespace, b".", COORDINATOR].concat();
                if names.say(peers, dealer, &receiver, &header, question.as_bytes()).is_err() {
                    return false;
                }
                if let Some(node) = names.nodes.get_mut(key) {
                    node.standing = Standing::Asked(conversation(&header));
                }
                peers.counters.nodes_asked += 1;
                if let Some(peer) = peers.get_mut(held) {
                    peer.must_prove = true;
                }
                peers.set_peer_timer(held, PeerTimer::Takeover, Span(peers.config.takeover_ms));
            }
        }
        peers.wait(newcomer, For::Probe(held));
        true
    }

    /// A message for us came on the link of a node that was asked which is its own: perhaps this is the answer.
    pub(in crate::hub) fn hear_proof(peers: &mut Peers, names: &mut Names, link: PeerKey, view: &View<'_>) {
        let Some(key) = peers.get(link).and_then(|peer| peer.node) else { return };
        let Some(node) = names.nodes.get_mut(key) else { return };
        if node.standing == Standing::Asked(conversation(view.header)) {
            node.standing = Standing::Proven;
            relay::proof_given(peers, link);
        }
    }

    pub(in crate::hub) fn coordinator_sign_out(
        &mut self,
        peers: &mut Peers,
        names: &mut Names,
        caller: Caller<'_>,
    ) -> Answer {
        let Place::There { namespace, .. } = caller.sender else { return Err(plain_error(INVALID_REQUEST)) };
        let Some(key) = names.nodes.find(namespace) else { return Ok(Value::Null) };
        let Some(node) = names.nodes.get_mut(key).filter(|node| node.inbound == Some(caller.link)) else {
            return Err((DUPLICATE_NAME, shown(namespace)));
        };
        let answers = core::mem::replace(&mut node.is_leaving, true);
        let Some(link) = names.link_to(key).filter(|_| !answers) else {
            self.forget(peers, names, key, "signed out");
            return Ok(Value::Null);
        };
        Self::say_goodbye(peers, names, link, namespace);
        if let Some(node) = names.nodes.get_mut(key) {
            node.dealer = Dealer::None;
            node.unlist();
            node.note_links(peers.now);
        }
        peers.events.push_back(Event::NodeUnlinked { node: key });
        peers.finish(link, Cause::SignedOut);
        // What it says about messages that we have sent it before is on its way; then it ends the link.
        peers.set_peer_timer(caller.link, PeerTimer::Life, FAREWELL);
        Ok(Value::Null)
    }

    // ---- What they tell ----

    pub(in crate::hub) fn add_nodes(
        &mut self,
        peers: &mut Peers,
        names: &mut Names,
        caller: Caller<'_>,
        params: rpc::Params,
    ) -> Answer {
        let [nodes] = params.take(["nodes"])?;
        let wrong = || (INVALID_PARAMS, Value::from("nodes maps namespaces to addresses host:port"));
        let nodes = nodes.as_ref().and_then(Value::as_object).ok_or_else(wrong)?;
        if nodes.len() > ADD_NODES_MAX {
            return Err((INVALID_PARAMS, Value::from("too many nodes")));
        }
        // All or nothing: first everything is read, then acted upon.
        let mut wanted = Vec::new();
        for (namespace, address) in nodes {
            let address = address.as_str().and_then(crate::leco::address::with_port).ok_or_else(wrong)?;
            if !name::is_legal(namespace.as_bytes()) {
                return Err(wrong());
            }
            wanted.push((namespace.as_bytes(), address));
        }
        let told_by = peers.get(caller.link).and_then(Peer::far_address);
        let is_by_hand = !matches!(caller.sender, Place::There { name: COORDINATOR, .. });
        for (namespace, address) in wanted {
            if *namespace == *names.namespace() || self.has_moved(peers, names, caller, namespace, &address) {
                continue;
            }
            if let Some(key) = names.nodes.waiting(namespace) {
                self.hurry(peers, names, key);
            } else if !names.nodes.expects(namespace) {
                let from = Origin { hint: Some(namespace), told_by, is_by_hand, is_permanent: false };
                self.know_address(peers, names, &address, from);
            }
        }
        Ok(Value::Null)
    }

    /// A node that we cannot reach tells an address of its own that is not the one we try: it has moved. Answers whether that is so.
    fn has_moved(
        &mut self,
        peers: &Peers,
        names: &mut Names,
        caller: Caller<'_>,
        namespace: &[u8],
        address: &str,
    ) -> bool {
        let Some(peer) = peers.get(caller.link) else { return false };
        let (Some(key), told_by) = (peer.node, peer.far_address()) else { return false };
        let Some(node) = names.nodes.get_mut(key) else { return false };
        let tried = matches!(node.dealer, Dealer::Waiting | Dealer::Dialling) && !node.permanent;
        if !tried || node.namespace.as_deref() != Some(namespace) || node.address.as_deref() == Some(address) {
            return false;
        }
        node.address = Some(address.into());
        node.told_by = told_by;
        node.reset_backoff();
        if node.dealer == Dealer::Waiting {
            self.dial_at(key, peers.now);
        }
        true
    }
}
