//! Nodes sign out, and so do we.

use serde_json::{Value, json};

use super::{Office, here, refused, there};
use crate::hub::cause::Cause;
use crate::hub::coordinator::Coordinator;
use crate::hub::doors::Output;
use crate::hub::events::Event;
use crate::hub::fixture::{Lent, coordinator_of};
use crate::hub::peers::FAREWELL;
use crate::leco::route::Place;
use crate::leco::rpc::{DUPLICATE_NAME, INVALID_REQUEST};

#[test]
fn a_coordinator_that_signs_out_is_told_goodbye_and_taken_from_to_its_end() {
    let mut office = Office::new();
    let (node, inbound, dealer) = office.lent.node("N2");
    assert_eq!(office.signs_out(inbound, "N2"), Ok(Value::Null));
    let (receiver, _, content) = office.lent.hear_one(dealer);
    assert_eq!((receiver, &content["method"]), (coordinator_of("N2"), &json!("coordinator_sign_out")));
    assert_eq!(office.settle(), [Event::NodeUnlinked { node }]);
    assert_eq!(office.lent.outputs(), [Output::Close(dealer, Cause::SignedOut)]);
    // It is still known by its link: what it has sent to others here before it heard us is taken from it.
    let names = &office.lent.names;
    assert!(names.is_signed_in(&office.lent.peers, inbound, Place::of(b"N2.CB", b"N1.")));
    assert_eq!(
        (names.link_to(node), Coordinator::global_components(&office.lent.peers, names)),
        (None, json!({"N1": []}).to_string())
    );
    assert_eq!(refused(office.coordinator_signs_in(inbound, "N2")).0, INVALID_REQUEST.code, "this link is over");
    office.lent.peers.close(inbound, Cause::Peer);
    office.settle();
    assert_eq!(office.nodes(), 0);
}

#[test]
fn a_link_that_its_coordinator_does_not_end_behind_its_goodbye_is_ended() {
    let mut office = Office::new();
    let (_, inbound, dealer) = office.lent.node("N2");
    office.signs_out(inbound, "N2").unwrap();
    office.lent.hear(dealer);
    office.lent.outputs();
    office.lent.pass(FAREWELL.0);
    office.lent.peers.expire();
    office.settle();
    assert_eq!((office.nodes(), office.lent.outputs()), (0, vec![Output::Close(inbound, Cause::SignedOut)]));
}

#[test]
fn a_coordinator_that_is_back_before_its_last_link_has_ended_is_let_in() {
    let mut office = Office::new();
    let (_, inbound, _) = office.lent.node("N2");
    office.signs_out(inbound, "N2").unwrap();
    let again = office.lent.dealer();
    assert_eq!(office.coordinator_signs_in(again, "N2"), Ok(Value::Null));
    office.settle();
    let node = office.lent.names.nodes.find(b"N2").and_then(|key| office.lent.names.nodes.get(key)).unwrap();
    assert_eq!((node.inbound, node.is_leaving, office.nodes()), (Some(again), false, 1));
}

#[test]
fn the_answer_to_our_goodbye_is_the_end_of_a_node() {
    let mut office = Office::new();
    let (node, inbound, dealer) = office.lent.node("N2");
    Coordinator::sign_out_everywhere(&mut office.lent.peers, &mut office.lent.names);
    assert_eq!(office.lent.names.link_to(node), Some(dealer), "errors and answers still go there");
    office.lent.hear_one(dealer);
    assert_eq!(office.signs_out(inbound, "N2"), Ok(Value::Null));
    assert_eq!(office.signs_out(inbound, "N2"), Ok(Value::Null), "it is out");
    office.settle();
    assert_eq!((office.nodes(), office.lent.hear(dealer).len()), (0, 0), "one goodbye each");
    assert_eq!(office.lent.outputs(), [inbound, dealer].map(|link| Output::Close(link, Cause::SignedOut)));
}

#[test]
fn nobody_signs_another_coordinator_out() {
    let mut office = Office::new();
    office.lent.node("N2");
    let link = office.lent.dealer();
    let Lent { peers, names } = &mut office.lent;
    for (caller, code) in
        [(there(link, "N2", "COORDINATOR"), DUPLICATE_NAME.code), (here(link, "CA"), INVALID_REQUEST.code)]
    {
        assert_eq!(refused(office.coordinator.coordinator_sign_out(peers, names, caller)).0, code);
    }
    assert_eq!(office.nodes(), 1);
}

#[test]
fn at_the_end_every_node_is_told_goodbye() {
    let mut office = Office::new();
    let dealers = ["N2", "N3"].map(|namespace| office.lent.node(namespace).2);
    office.reach("n4:12300", true);
    Coordinator::sign_out_everywhere(&mut office.lent.peers, &mut office.lent.names);
    for dealer in dealers {
        assert_eq!(office.lent.hear_one(dealer).2["method"], json!("coordinator_sign_out"));
    }
}
