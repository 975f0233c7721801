//! The network of nodes: dialled, bound, lost, forgotten.

use core::net::SocketAddr;

use serde_json::{Value, json};

use super::{Office, given, here, refused, there};
use crate::hub::call::Answer;
use crate::hub::cause::Cause;
use crate::hub::coordinator::{Coordinator, Origin};
use crate::hub::doors::Output;
use crate::hub::events::Event;
use crate::hub::fixture::{FAR, Lent, NEAR, coordinator_of, leco, view};
use crate::hub::keys::{NodeKey, PeerKey};
use crate::hub::peers::For;
use crate::leco::listing::Recent;
use crate::leco::nodes::{Dealer, Node, Standing};
use crate::leco::rpc::{DUPLICATE_NAME, INVALID_PARAMS, INVALID_REQUEST, NOT_SIGNED_IN, SERVER_FULL};
use crate::limits::{ADD_NODES_MAX, NODES_MAX};
use crate::time::{Span, Tick};

const ACCEPTED: &[u8] = br#"{"id":1,"jsonrpc":"2.0","result":null}"#;

impl Office {
    fn know(&mut self, address: &str, hint: Option<&str>, permanent: bool) {
        let Lent { peers, names } = &mut self.lent;
        let from = Origin { hint: hint.map(str::as_bytes), is_permanent: permanent, ..Origin::default() };
        self.coordinator.know_address(peers, names, address, from);
    }

    /// Dials whoever is due, and answers whom.
    fn dial(&mut self) -> Vec<NodeKey> {
        let Lent { peers, names } = &mut self.lent;
        self.coordinator.expire(peers, names);
        let outputs = self.lent.outputs().into_iter();
        outputs.filter_map(|output| if let Output::Dial(node) = output { Some(node) } else { None }).collect()
    }

    fn dialed(&mut self, node: NodeKey, outcome: Result<(), &str>) -> Option<PeerKey> {
        let remote: SocketAddr = FAR.parse().unwrap();
        let Lent { peers, names } = &mut self.lent;
        self.coordinator.dialed(peers, names, node, outcome.map(|()| remote))
    }

    /// A node is dialled and answers the phone; our sign-in waits for it.
    pub(super) fn reach(&mut self, address: &str, permanent: bool) -> (NodeKey, PeerKey) {
        self.know(address, None, permanent);
        let node = *self.dial().last().unwrap();
        let link = self.dialed(node, Ok(())).unwrap();
        self.lent.shake_hands(link);
        Coordinator::sign_in_at(&mut self.lent.peers, &mut self.lent.names, node, link);
        (node, link)
    }

    /// The other end of our DEALER says something.
    fn answer(&mut self, link: PeerKey, sender: &str, payload: &[u8]) {
        self.pass_on(link, &leco(&coordinator_of("N1"), sender, payload));
    }

    fn pass_on(&mut self, link: PeerKey, wire: &[u8]) {
        let Lent { peers, names } = &mut self.lent;
        self.coordinator.take_from_dialled(peers, names, link, wire, &view(wire));
    }

    fn state(&self, node: NodeKey) -> Option<Dealer<PeerKey>> {
        self.lent.names.nodes.get(node).map(|node| node.dealer)
    }

    pub(super) fn coordinator_signs_in(&mut self, link: PeerKey, namespace: &str) -> Answer {
        let caller = there(link, namespace, "COORDINATOR");
        self.coordinator.coordinator_sign_in(&mut self.lent.peers, &mut self.lent.names, caller)
    }

    pub(super) fn signs_out(&mut self, link: PeerKey, namespace: &str) -> Answer {
        let caller = there(link, namespace, "COORDINATOR");
        self.coordinator.coordinator_sign_out(&mut self.lent.peers, &mut self.lent.names, caller)
    }

    fn add_nodes(&mut self, link: PeerKey, nodes: &Value) -> Answer {
        let Lent { peers, names } = &mut self.lent;
        self.coordinator.add_nodes(peers, names, here(link, "CA"), given(&json!({"nodes": nodes})))
    }

    fn clean(&mut self, expiration: u64) {
        let Lent { peers, names } = &mut self.lent;
        self.coordinator.clean_nodes(peers, names, Span(expiration));
    }

    pub(super) fn nodes(&self) -> usize {
        self.lent.names.nodes.iter().count()
    }
}

// ---- Dialling ----

#[test]
fn a_new_address_is_dialled_at_once_and_only_once() {
    let mut office = Office::new();
    for _ in 0..2 {
        office.know("n2:12300", None, false);
    }
    office.know("n1:12300", None, false);
    assert_eq!((office.nodes(), office.coordinator.soonest()), (1, Some(office.lent.peers.now)), "our own is none");
    let dialled = office.dial();
    assert_eq!((dialled.len(), office.dial().len()), (1, 0));
    assert_eq!((office.state(dialled[0]), office.lent.peers.counters.dials), (Some(Dealer::Dialling), 1));
}

#[test]
fn nobody_is_dialled_while_the_process_ends() {
    let mut office = Office::new();
    office.know("n2:12300", None, true);
    office.lent.peers.stopping = true;
    assert_eq!(office.dial(), []);
}

#[test]
fn attempts_that_fail_come_less_and_less_often() {
    let mut office = Office::new();
    office.know("n2:12300", None, true);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let node = office.dial()[0];
        assert_eq!(office.dialed(node, Err("nobody there")), None);
        let pause = office.coordinator.soonest().unwrap().since(office.lent.peers.now).0;
        office.lent.pass(pause);
        pauses.push(pause);
    }
    let shortest = [100, 200, 400, 800, 1600, 3200, 6400, 10_000];
    assert!(pauses.iter().zip(shortest).all(|(pause, least)| (least..=least * 5 / 4).contains(pause)), "{pauses:?}");
    assert_eq!(office.lent.peers.counters.dials_failed, 8);
}

#[test]
fn a_node_that_comes_to_us_and_is_not_reached_is_tried_often_for_a_minute_only() {
    let mut office = Office::new();
    let link = office.lent.dealer_from(FAR);
    assert_eq!(office.coordinator_signs_in(link, "N2"), Ok(Value::Null));
    office.know("n2:12300", Some("N2"), false);
    let mut pauses = Vec::new();
    while office.lent.peers.now.0 < 120_000 {
        let node = office.dial()[0];
        assert_eq!(office.dialed(node, Err("nobody there")), None);
        let (at, pause) = (office.lent.peers.now, office.coordinator.soonest().unwrap().since(office.lent.peers.now).0);
        office.lent.pass(pause);
        pauses.push((at.0, pause));
    }
    let came = pauses[0].0;
    let (soon, later): (Vec<_>, Vec<_>) = pauses.into_iter().partition(|(at, _)| at - came < 60_000);
    assert!(soon.len() > 40 && soon.iter().all(|(_, pause)| *pause <= 1250), "{soon:?}");
    assert!(later.len() < 7 && later.iter().all(|(_, pause)| *pause >= 10_000), "{later:?}");
}

#[test]
fn a_learnt_node_that_stays_away_is_given_up_and_a_named_one_is_not() {
    for (permanent, left) in [(false, 0), (true, 1)] {
        let mut office = Office::new();
        office.know("n2:12300", None, permanent);
        let node = office.dial()[0];
        office.lent.pass(45_000);
        office.dialed(node, Err("nobody there"));
        assert_eq!(office.nodes(), left);
    }
}

#[test]
fn a_connection_to_a_node_that_is_not_wanted_any_more_is_dropped() {
    let mut office = Office::new();
    office.know("n2:12300", None, false);
    let node = office.dial()[0];
    office.lent.names.nodes.remove(node);
    assert_eq!((office.dialed(node, Ok(())), office.lent.peers.len()), (None, 0));
}

// ---- Signing in there ----

#[test]
fn a_node_that_is_reached_is_asked_to_let_us_in() {
    let mut office = Office::new();
    let (node, link) = office.reach("n2:12300", false);
    let (receiver, sender, content) = office.lent.hear_one(link);
    assert_eq!((receiver.as_str(), sender), ("COORDINATOR", coordinator_of("N1")));
    assert_eq!(content["method"], json!("coordinator_sign_in"));
    assert_eq!(office.state(node), Some(Dealer::SigningIn(link)));
}

#[test]
fn a_node_that_lets_us_in_has_a_name_and_is_told_everything() {
    let mut office = Office::new();
    office.lent.component("CA");
    let (node, link) = office.reach("n2:12300", false);
    office.lent.read(link);
    office.answer(link, &coordinator_of("N2"), ACCEPTED);
    assert_eq!((office.state(node), office.lent.names.nodes.find(b"N2")), (Some(Dealer::Up(link)), Some(node)));
    let (receiver, _, content) = office.lent.hear_one(link);
    assert_eq!(receiver, coordinator_of("N2"));
    assert_eq!(content[0]["params"]["nodes"], json!({"N1": "n1:12300", "N2": "n2:12300"}));
    assert_eq!(content[1]["params"]["components"], json!(["CA"]));
    assert!(office.coordinator.is_changed, "the others are to hear of it");
    office.lent.pass(60_000);
    office.lent.peers.expire();
    assert!(office.lent.peers.is_open(link));
}

#[test]
fn a_node_that_refuses_us_or_is_ourselves_or_has_no_name_is_left() {
    for (sender, payload) in [
        ("N2.COORDINATOR", &br#"{"id":1,"jsonrpc":"2.0","error":{"code":-32091,"message":"m"}}"#[..]),
        ("N1.COORDINATOR", ACCEPTED),
        ("COORDINATOR", ACCEPTED),
    ] {
        let mut office = Office::new();
        let (node, link) = office.reach("n2:12300", true);
        office.answer(link, sender, payload);
        assert_eq!(office.lent.outputs(), [Output::Close(link, Cause::Superfluous)], "{sender}");
        office.settle();
        assert_eq!(office.state(node), Some(Dealer::Waiting), "and tried again");
    }
}

#[test]
fn a_node_that_does_not_answer_our_sign_in_is_left() {
    let mut office = Office::new();
    let (_, link) = office.reach("n2:12300", true);
    office.answer(link, &coordinator_of("N2"), br#"{"id":1,"jsonrpc":"2.0","result":{}}"#);
    office.lent.read(link);
    office.lent.pass(10_000);
    office.lent.peers.expire();
    assert_eq!(office.lent.outputs(), [Output::Close(link, Cause::Silent)]);
}

#[test]
fn a_second_address_of_a_linked_node_is_kept_only_if_somebody_named_it() {
    for (permanent, nodes) in [(false, 1), (true, 2)] {
        let mut office = Office::new();
        office.lent.node("N2");
        let (_, link) = office.reach("other:12300", permanent);
        office.answer(link, &coordinator_of("N2"), ACCEPTED);
        office.lent.read(link);
        office.settle();
        assert_eq!((office.nodes(), office.lent.peers.is_open(link)), (nodes, false));
    }
}

#[test]
fn a_node_that_came_first_and_is_reached_then_is_one_node() {
    let mut office = Office::new();
    let inbound = office.lent.dealer_from(FAR);
    assert_eq!(office.coordinator_signs_in(inbound, "N2"), Ok(Value::Null));
    let (_, link) = office.reach("n2:12300", false);
    office.answer(link, &coordinator_of("N2"), ACCEPTED);
    let node = office.lent.names.nodes.find(b"N2").unwrap();
    assert_eq!((office.nodes(), office.state(node)), (1, Some(Dealer::Up(link))));
    assert_eq!(office.lent.events(), [Event::NodeListed { node }], "its components can be told something now");
    office.lent.peers.close(link, Cause::Gone);
    assert_eq!(office.lent.events(), [Event::DealerLost { node, peer: link }], "the link knows whose it is");
}

#[test]
fn of_two_addresses_of_one_node_the_first_that_lets_us_in_is_kept() {
    let mut office = Office::new();
    let inbound = office.lent.dealer_from(FAR);
    assert_eq!(office.coordinator_signs_in(inbound, "N2"), Ok(Value::Null));
    let node = office.lent.names.nodes.find(b"N2").unwrap();
    office.know("n2:12300", Some("N2"), false);
    assert_eq!(office.dial(), [node]);
    let slow = office.dialed(node, Ok(())).unwrap();
    office.lent.shake_hands(slow);
    let (_, quick) = office.reach("other:12300", false);
    office.answer(quick, &coordinator_of("N2"), ACCEPTED);
    assert_eq!(office.lent.outputs(), [Output::Close(slow, Cause::Superfluous)]);
    let events = vec![Event::NodeListed { node }];
    assert_eq!((office.settle(), office.state(node), office.nodes()), (events, Some(Dealer::Up(quick)), 1));
}

#[test]
fn a_node_that_has_lost_us_is_signed_in_at_anew() {
    let mut office = Office::new();
    office.lent.component("CA");
    let (_, _, dealer) = office.lent.node("N2");
    let error = format!(r#"{{"id":null,"jsonrpc":"2.0","error":{{"code":{},"message":"m"}}}}"#, NOT_SIGNED_IN.code);
    office.pass_on(dealer, &leco("CA", "N2.COORDINATOR", error.as_bytes()));
    assert!(office.lent.peers.is_open(dealer), "that is about a name that the other side takes for its own");
    office.pass_on(dealer, &leco("N1.CA", "N2.COORDINATOR", error.as_bytes()));
    assert_eq!(office.lent.outputs(), [Output::Close(dealer, Cause::SignedOut)]);
}

#[test]
fn an_error_about_a_components_message_goes_to_that_component() {
    let mut office = Office::new();
    let link = office.lent.component("CA");
    let (_, _, dealer) = office.lent.node("N2");
    let wire = leco("N1.CA", "N2.COORDINATOR", br#"{"id":null,"jsonrpc":"2.0","error":{"code":-32093,"message":"m"}}"#);
    office.pass_on(dealer, &wire);
    assert_eq!(office.lent.read(link), wire);
    office.pass_on(dealer, &leco("N1.CX", "N2.COORDINATOR", b"{}"));
    office.lent.choke(link);
    office.pass_on(dealer, &wire);
    let counters = &office.lent.peers.counters;
    assert_eq!((counters.messages_in, counters.messages_delivered, counters.errors_dropped), (3, 1, 1));
}

// ---- Links that end ----

#[test]
fn a_lost_dealer_is_dialled_again_and_the_node_is_there_while_it_speaks_to_us() {
    let mut office = Office::new();
    let (node, inbound, dealer) = office.lent.node("N2");
    office.lent.peers.close(dealer, Cause::Gone);
    assert_eq!((office.settle(), office.state(node)), (vec![], Some(Dealer::Waiting)));
    office.lent.names.nodes.get_mut(node).unwrap().listing.replace(
        vec!["CX".to_owned()],
        None,
        Recent::default(),
        1000,
    );
    office.lent.peers.close(inbound, Cause::Gone);
    assert_eq!(office.settle(), [Event::NodeUnlinked { node }]);
    let gone = office.lent.names.nodes.get(node).unwrap();
    assert!(gone.listing.names().len() == 0 && gone.lost_since == office.lent.peers.now);
}

#[test]
fn a_node_without_an_address_is_forgotten_with_its_link() {
    let mut office = Office::new();
    let link = office.lent.dealer_from(FAR);
    assert_eq!(office.coordinator_signs_in(link, "N2"), Ok(Value::Null));
    office.lent.peers.close(link, Cause::Gone);
    office.settle();
    assert_eq!((office.nodes(), office.lent.peers.counters.nodes_left), (0, 1));
}

#[test]
fn of_a_node_whose_links_have_both_ended_no_component_is_known() {
    let mut office = Office::new();
    let (node, inbound, dealer) = office.lent.node("N2");
    office.lent.names.nodes.get_mut(node).unwrap().listing.replace(
        vec!["CX".to_owned()],
        None,
        Recent::default(),
        1000,
    );
    office.lent.peers.close(dealer, Cause::Gone);
    office.settle();
    let components = |office: &Office| office.lent.names.nodes.get(node).unwrap().listing.names().len();
    assert_eq!(components(&office), 1, "it still tells of them");
    office.lent.peers.close(inbound, Cause::Gone);
    assert_eq!((office.settle(), components(&office)), (vec![Event::NodeUnlinked { node }], 0));
}

#[test]
fn the_end_of_a_link_that_is_not_the_nodes_any_more_is_no_matter() {
    let mut office = Office::new();
    let (node, inbound, dealer) = office.lent.node("N2");
    let stranger = office.lent.dealer();
    let Lent { peers, names } = &mut office.lent;
    office.coordinator.dealer_lost(peers, names, node, stranger);
    office.coordinator.inbound_lost(peers, names, node, stranger);
    let found = names.nodes.get(node).unwrap();
    assert_eq!((found.dealer, found.inbound), (Dealer::Up(dealer), Some(inbound)));
}

// ---- Signing in here ----

#[test]
fn a_coordinator_signs_in_on_one_link_and_may_do_so_again() {
    let mut office = Office::new();
    let (link, other) = (office.lent.dealer_from(FAR), office.lent.dealer_from(FAR));
    for _ in 0..2 {
        assert_eq!(office.coordinator_signs_in(link, "N2"), Ok(Value::Null));
    }
    let node = office.lent.names.nodes.find(b"N2").unwrap();
    assert_eq!(office.lent.peers.get(link).and_then(|peer| peer.node), Some(node));
    office.lent.names.nodes.get_mut(node).unwrap().standing = Standing::Proven;
    assert_eq!(refused(office.coordinator_signs_in(other, "N2")), (DUPLICATE_NAME.code, json!("N2")));
    assert_eq!(refused(office.coordinator_signs_in(link, "N3")).0, INVALID_REQUEST.code, "it is N2's");
    office.lent.peers.close(link, Cause::Gone);
    office.settle();
    assert_eq!(office.coordinator_signs_in(other, "N2"), Ok(Value::Null));
}

#[test]
fn only_a_coordinator_of_another_namespace_signs_in_as_one() {
    let mut office = Office::new();
    let link = office.lent.dealer_from(FAR);
    let Lent { peers, names } = &mut office.lent;
    for (caller, code) in [
        (here(link, "COORDINATOR"), DUPLICATE_NAME.code),
        (here(link, "CA"), INVALID_REQUEST.code),
        (there(link, "N2", "CA"), INVALID_REQUEST.code),
        (there(link, "N\t2", "COORDINATOR"), INVALID_PARAMS.code),
    ] {
        assert_eq!(refused(office.coordinator.coordinator_sign_in(peers, names, caller)).0, code, "{caller:?}");
    }
    assert_eq!(office.nodes(), 0);
}

#[test]
fn there_are_so_many_nodes_and_no_more() {
    let mut office = Office::new();
    for n in 0..NODES_MAX {
        let mut node = Node::new(Tick(0));
        node.permanent = n != 7;
        office.lent.names.nodes.add(node).unwrap();
    }
    let [link, other] = [(); 2].map(|()| office.lent.dealer_from(FAR));
    assert_eq!(office.coordinator_signs_in(link, "N2"), Ok(Value::Null), "one was only heard of");
    assert_eq!(refused(office.coordinator_signs_in(other, "N3")).0, SERVER_FULL.code);
    office.know("n2:12300", None, true);
    assert_eq!((office.nodes(), office.coordinator.soonest()), (NODES_MAX, None));
}

// ---- Learning ----

#[test]
fn nodes_that_somebody_tells_of_are_dialled_all_or_none() {
    let mut office = Office::new();
    office.lent.node("N2");
    let link = office.lent.component("CA");
    for wrong in [json!({"N3": "n3:1", "N.4": "n4:1"}), json!({"N3": "n3:1", "N4": ":"}), json!({"N3": 3}), json!([])] {
        assert_eq!(refused(office.add_nodes(link, &wrong)).0, INVALID_PARAMS.code, "{wrong}");
    }
    let many: serde_json::Map<_, _> = (0..=ADD_NODES_MAX).map(|n| (format!("M{n}"), json!("m:1"))).collect();
    assert_eq!(refused(office.add_nodes(link, &Value::Object(many))).0, INVALID_PARAMS.code);
    assert_eq!(office.nodes(), 1);
    let told = json!({"N1": "n1:1", "N2": "n2:2", "N3": "n3", "N4": "n4:4"});
    assert_eq!(office.add_nodes(link, &told), Ok(Value::Null));
    let dialled = office.dial();
    let address = |node: &NodeKey| office.lent.names.nodes.get(*node).unwrap().address.clone();
    let addresses: Vec<_> = dialled.iter().filter_map(address).collect();
    assert_eq!(addresses, ["n3:12300".into(), "n4:4".into()], "we and N2 are known");
    assert_eq!(office.add_nodes(link, &json!({"N3": "elsewhere:1"})), Ok(Value::Null));
    assert_eq!(office.dial(), [], "a node is dialled at one address at a time");
}

#[test]
fn a_node_that_has_moved_is_dialled_at_its_new_address() {
    let mut office = Office::new();
    let (node, inbound, dealer) = office.lent.node("N2");
    let address = |office: &Office| office.lent.names.nodes.get(node).unwrap().address.clone();
    office.add_nodes(inbound, &json!({"N2": "moved:1"})).unwrap();
    assert_eq!(address(&office).as_deref(), Some("n2:12300"), "it is reached where it is");
    office.lent.peers.close(dealer, Cause::Gone);
    office.settle();
    office.lent.outputs();
    let other = office.lent.component("CA");
    office.add_nodes(other, &json!({"N2": "wrong:1"})).unwrap();
    assert_eq!(address(&office).as_deref(), Some("n2:12300"), "only it can say so");
    office.add_nodes(inbound, &json!({"N2": "moved:1"})).unwrap();
    assert_eq!((address(&office).as_deref(), office.dial()), (Some("moved:1"), vec![node]));
}

// ---- Cleaning ----

#[test]
fn a_silent_node_is_asked_and_then_forgotten() {
    let mut office = Office::new();
    let (node, inbound, dealer) = office.lent.node("N2");
    office.lent.pass(999);
    office.clean(1000);
    assert_eq!(office.lent.hear(dealer).len(), 0);
    office.lent.pass(1);
    office.clean(1000);
    assert_eq!(office.lent.hear_one(dealer).2["method"], json!("pong"));
    office.lent.pass(2000);
    office.clean(1000);
    assert_eq!((office.nodes(), office.settle()), (0, vec![Event::NodeUnlinked { node }]));
    assert!(!office.lent.peers.is_open(inbound) && !office.lent.peers.is_open(dealer));
}

#[test]
fn a_node_whom_we_do_not_read_is_not_silent() {
    let mut office = Office::new();
    let (_, inbound, dealer) = office.lent.node("N2");
    office.lent.peers.wait(inbound, For::Answer);
    office.lent.pass(1_000_000);
    office.clean(1000);
    assert_eq!((office.nodes(), office.lent.hear(dealer).len()), (1, 0));
}

#[test]
fn a_node_that_is_away_is_forgotten_unless_somebody_named_it() {
    let mut office = Office::new();
    office.know("n2:12300", None, false);
    office.know("n3:12300", None, true);
    office.lent.pass(3000);
    office.clean(1000);
    let left: Vec<_> = office.lent.names.nodes.iter().map(|(_, node)| node.permanent).collect();
    assert_eq!(left, [true]);
}

#[test]
fn a_silent_node_that_somebody_named_is_dialled_again() {
    let mut office = Office::new();
    let (node, _, _) = office.lent.node("N2");
    office.lent.names.nodes.get_mut(node).unwrap().permanent = true;
    office.lent.pass(3000);
    office.clean(1000);
    office.settle();
    let found = office.lent.names.nodes.get(node).unwrap();
    assert_eq!((found.dealer, found.inbound, found.namespace.as_deref()), (Dealer::Waiting, None, None));
    office.lent.pass(125);
    assert_eq!(office.dial(), [node]);
}

#[test]
fn a_link_that_has_ended_signs_no_coordinator_in() {
    let mut office = Office::new();
    let link = office.lent.dealer_from(NEAR);
    office.lent.peers.close(link, Cause::Gone);
    assert_eq!(refused(office.coordinator_signs_in(link, "N2")).0, INVALID_REQUEST.code);
    assert_eq!(office.nodes(), 0);
}
