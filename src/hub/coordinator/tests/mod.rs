//! The Coordinator alone: who signs in and out, and what is cleaned away. No session hears of it, no Manager.

mod going;
mod mesh;
mod multicast;
mod relay;
mod updates;

use core::net::SocketAddr;

use serde_json::{Value, json};

use super::Coordinator;
use crate::hub::call::{Answer, Caller};
use crate::hub::cause::Cause;
use crate::hub::doors::Output;
use crate::hub::events::{Event, Left};
use crate::hub::fixture::{FAR, Lent, NEAR};
use crate::hub::keys::PeerKey;
use crate::hub::peers::{Due, For, Share};
use crate::leco::listing::Recent;
use crate::leco::message::HEADER_BYTES;
use crate::leco::name::COORDINATOR;
use crate::leco::route::Place;
use crate::leco::rpc::{DUPLICATE_NAME, INVALID_PARAMS, INVALID_REQUEST, Params, SERVER_FULL};
use crate::limits::{COMPONENTS_MAX, COMPONENTS_PER_PEER_MAX};
use crate::time::Span;

/// The Coordinator, and what it is lent.
#[derive(Debug)]
struct Office {
    lent: Lent,
    coordinator: Coordinator,
}

impl Office {
    fn new() -> Self {
        let lent = Lent::new();
        Self { coordinator: Coordinator::new(lent.peers.now), lent }
    }

    fn sign_in(&mut self, link: PeerKey, name: &str, params: &Value) -> Answer {
        let Lent { peers, names } = &mut self.lent;
        self.coordinator.sign_in(peers, names, here(link, name), given(params))
    }

    /// Whether somebody was signed out.
    fn sign_out(&mut self, link: PeerKey, name: &str) -> Result<bool, i32> {
        let Lent { peers, names } = &mut self.lent;
        let outcome = self.coordinator.sign_out(peers, names, here(link, name));
        outcome.map(|name| name.is_some()).map_err(|(error, _)| error.code)
    }

    /// Those above the transport deal with their part of what was said; the rest is given back.
    fn settle(&mut self) -> Vec<Event> {
        let mut left = Vec::new();
        while let Some(event) = self.lent.peers.events.pop_front() {
            let Lent { peers, names } = &mut self.lent;
            if let Event::DealerLost { node, peer } = event {
                self.coordinator.dealer_lost(peers, names, node, peer);
            } else if let Event::InboundLost { node, peer } = event {
                self.coordinator.inbound_lost(peers, names, node, peer);
            } else {
                left.push(event);
            }
        }
        left
    }
}

fn here(link: PeerKey, name: &str) -> Caller<'_> {
    Caller { link, sender: Place::Here(name.as_bytes()), header: &[0; HEADER_BYTES], is_far: false }
}

fn there<'a>(link: PeerKey, namespace: &'a str, name: &'a str) -> Caller<'a> {
    let sender = Place::There { namespace: namespace.as_bytes(), name: name.as_bytes() };
    Caller { link, sender, header: &[0; HEADER_BYTES], is_far: false }
}

/// Parameters by name; without any, none are given.
fn given(params: &Value) -> Params {
    params.as_object().map_or(Params::None, |names| Params::Names(names.clone()))
}

/// The code of a refusal, and what is told with it.
fn refused(answer: Answer) -> (i32, Value) {
    let (error, data) = answer.expect_err("it is refused");
    (error.code, data)
}

// ---- Signing in and out ----

#[test]
fn who_signs_in_is_in_the_directory_and_may_do_so_again() {
    let mut office = Office::new();
    let link = office.lent.dealer();
    for _ in 0..2 {
        assert_eq!(office.sign_in(link, "CA", &Value::Null), Ok(Value::Null));
    }
    assert_eq!(office.lent.names.local_link(b"CA"), Some(link));
    assert_eq!(office.lent.peers.get(link).map(|peer| peer.names.len()), Some(1));
    assert_eq!((office.lent.peers.counters.sign_ins, office.coordinator.is_changed), (1, true));
}

#[test]
fn a_taken_name_is_refused_with_a_free_one_for_those_who_ask() {
    let mut office = Office::new();
    office.lent.component("CA");
    let link = office.lent.dealer();
    assert_eq!(refused(office.sign_in(link, "CA", &json!({"suggest": false}))), (DUPLICATE_NAME.code, json!("CA")));
    let told = json!({"name": "CA", "suggestion": "CA_2"});
    assert_eq!(refused(office.sign_in(link, "CA", &json!({"suggest": true}))), (DUPLICATE_NAME.code, told));
    assert_eq!(refused(office.sign_in(link, "CB", &json!({"suggest": 3}))).0, INVALID_PARAMS.code);
    assert!(!office.coordinator.is_changed, "nothing has come of it");
}

#[test]
fn some_names_are_nobodys_to_take() {
    let mut office = Office::new();
    let link = office.lent.dealer();
    let ours = str::from_utf8(COORDINATOR).unwrap();
    for (name, code) in [
        (ours, DUPLICATE_NAME.code),
        ("session:default", DUPLICATE_NAME.code),
        ("", INVALID_PARAMS.code),
        ("tab\there", INVALID_PARAMS.code),
    ] {
        assert_eq!(refused(office.sign_in(link, name, &Value::Null)).0, code, "{name}");
    }
    let Lent { peers, names } = &mut office.lent;
    let stranger = there(link, "N2", "CA");
    assert_eq!(refused(office.coordinator.sign_in(peers, names, stranger, Params::None)).0, INVALID_PARAMS.code);
    assert!(names.directory.is_empty());
}

#[test]
fn a_link_has_so_many_names_and_no_more() {
    let mut office = Office::new();
    let link = office.lent.dealer();
    for n in 0..COMPONENTS_PER_PEER_MAX {
        assert_eq!(office.sign_in(link, &format!("C{n}"), &Value::Null), Ok(Value::Null));
    }
    assert_eq!(refused(office.sign_in(link, "ONE_MORE", &Value::Null)).0, SERVER_FULL.code);
    assert_eq!(office.lent.names.directory.len(), COMPONENTS_PER_PEER_MAX);
}

#[test]
fn who_signs_out_is_gone_and_so_is_who_was_never_in() {
    let mut office = Office::new();
    let link = office.lent.component("CA");
    assert_eq!(office.sign_out(link, "CA"), Ok(true));
    assert_eq!(office.sign_out(link, "CA"), Ok(false));
    assert!(office.lent.names.directory.is_empty() && office.lent.peers.get(link).unwrap().names.is_empty());
    assert_eq!((office.lent.peers.counters.sign_outs, office.coordinator.is_changed), (1, true));
    assert_eq!(office.lent.events(), [], "the link goes on, and nobody needs to be told from below");
}

#[test]
fn nobody_signs_somebody_else_out() {
    let mut office = Office::new();
    let (owner, other) = (office.lent.component("CA"), office.lent.dealer());
    assert_eq!(office.sign_out(other, "CA"), Err(DUPLICATE_NAME.code));
    assert_eq!(office.lent.names.local_link(b"CA"), Some(owner));
    let Lent { peers, names } = &mut office.lent;
    let outcome = office.coordinator.sign_out(peers, names, there(other, "N2", "CA"));
    assert_eq!(outcome.map_err(|(error, _)| error.code), Err(INVALID_REQUEST.code));
}

#[test]
fn a_name_that_has_left_is_counted_by_the_reason_and_is_answered_once() {
    let mut office = Office::new();
    let link = office.lent.dealer();
    for (name, why) in [("CA", Left::Link(Cause::Gone)), ("CB", Left::Silent)] {
        let key = office.lent.name(link, name);
        let Lent { peers, names } = &mut office.lent;
        let left = office.coordinator.name_left(peers, names, key, why);
        assert_eq!(left.as_deref(), Some(name.as_bytes()));
        assert!(office.coordinator.name_left(peers, names, key, why).is_none());
    }
    let counters = &office.lent.peers.counters;
    assert_eq!((counters.names_freed, counters.names_expired, office.coordinator.is_changed), (1, 1, true));
}

// ---- Cleaning ----

#[test]
fn silent_components_are_asked_and_then_removed_but_for_those_whom_we_do_not_read() {
    let mut office = Office::new();
    let [silent, held, lively] = ["CA", "CB", "CC"].map(|name| office.lent.component(name));
    office.lent.peers.wait(held, For::Answer);
    let clean = |office: &mut Office, ms| {
        office.lent.pass(ms);
        office.lent.peers.get_mut(lively).unwrap().last_heard = office.lent.peers.now;
        Coordinator::clean_directory(&mut office.lent.peers, &office.lent.names, Span(1000));
        [silent, held, lively].map(|key| office.lent.hear(key).len())
    };
    assert_eq!(clean(&mut office, 999), [0; 3]);
    assert_eq!(clean(&mut office, 1), [1, 0, 0]);
    assert_eq!(clean(&mut office, 2000), [0; 3]);
    let component = office.lent.names.directory.find(b"CA").unwrap();
    assert_eq!(office.lent.events(), [Event::NameLeft { component, why: Left::Silent }]);
    assert!(office.lent.peers.get(silent).unwrap().names.is_empty(), "its end will not name it again");
}

#[test]
fn the_directory_can_be_cleaned_by_hand() {
    let mut office = Office::new();
    office.lent.component("CA");
    let mut clean = |params: Value| {
        let Lent { peers, names } = &mut office.lent;
        office.coordinator.remove_expired_addresses(peers, names, given(&params)).map_err(|(error, _)| error.code)
    };
    for wrong in
        [json!(null), json!({"expiration_time": "1"}), json!({"expiration_time": -1}), json!({"expiration_time": 2e9})]
    {
        assert_eq!(clean(wrong.clone()), Err(INVALID_PARAMS.code), "{wrong}");
    }
    assert_eq!(clean(json!({"expiration_time": 10})), Ok(Value::Null));
    assert_eq!(clean(json!({"expiration_time": 0})), Ok(Value::Null));
    assert_eq!(office.lent.events().len(), 1);
}

// ---- Telling ----

#[test]
fn only_nodes_within_reach_are_told_of() {
    let mut office = Office::new();
    office.lent.component("CA");
    let (near, _, _) = office.lent.node("N2");
    let (away, inbound, dealer) = office.lent.node("N3");
    office.lent.names.nodes.get_mut(near).unwrap().listing.replace(
        vec!["CX".to_owned()],
        None,
        Recent::default(),
        1000,
    );
    office.lent.names.nodes.get_mut(away).unwrap().listing.replace(
        vec!["CY".to_owned()],
        None,
        Recent::default(),
        1000,
    );
    let Lent { peers, names } = &office.lent;
    assert_eq!(Coordinator::local_components(names), json!(["CA"]).to_string());
    assert_eq!(
        Coordinator::global_components(peers, names),
        json!({"N1": ["CA"], "N2": ["CX"], "N3": ["CY"]}).to_string()
    );
    assert_eq!(Coordinator::nodes_as_json(names), json!({"N1": "n1:12300", "N2": "n2:12300", "N3": "n3:12300"}));
    for link in [inbound, dealer] {
        office.lent.peers.close(link, Cause::Gone);
    }
    office.settle();
    let Lent { peers, names } = &office.lent;
    assert_eq!(Coordinator::global_components(peers, names), json!({"N1": ["CA"], "N2": ["CX"]}).to_string());
    assert_eq!(Coordinator::nodes_as_json(names), json!({"N1": "n1:12300", "N2": "n2:12300"}));
}

#[test]
fn what_is_counted_and_what_is_there_now_are_told_together() {
    let mut office = Office::new();
    office.lent.component("CA");
    let told = Coordinator::counters(&office.lent.peers, &office.lent.names);
    for figure in [("connections_opened", 1), ("connections_now", 1), ("components_now", 1), ("ring_bytes_now", 0)] {
        assert!(told.contains(&(figure.0.into(), figure.1)), "{figure:?}");
    }
}

#[test]
fn the_level_of_the_log_has_five_names() {
    let mut office = Office::new();
    let caller = here(office.lent.component("CA"), "CA");
    let peers = &mut office.lent.peers;
    let mut set = |level: Value| Coordinator::set_log_level(peers, caller, given(&json!({"level": level}))).is_ok();
    assert!(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"].into_iter().all(|level| set(json!(level))));
    assert!(!set(json!("debug")) && !set(json!(3)));
    assert_eq!(office.lent.outputs().into_iter().filter(|output| matches!(output, Output::LogLevel(_))).count(), 5);
}

#[test]
fn the_end_comes_behind_the_answer_to_who_wants_it() {
    let mut office = Office::new();
    assert_eq!(Coordinator::shut_down(&mut office.lent.peers), Ok(Value::Null));
    assert_eq!(office.lent.outputs(), []);
    assert_eq!(office.lent.peers.next_due(), Some(Due::Goodbye));
}

#[test]
fn a_remote_component_signs_in_as_a_near_one_does() {
    let mut office = Office::new();
    for (remote, name) in [(NEAR, "CA"), (FAR, "CB")] {
        let link = office.lent.dealer_from(remote);
        assert_eq!(office.sign_in(link, name, &Value::Null), Ok(Value::Null));
    }
    assert_eq!(office.lent.names.directory.len(), 2);
}

#[test]
fn one_other_machine_signs_a_quarter_of_the_names_in() {
    let mut office = Office::new();
    let [far, elsewhere, near] = [FAR, "10.0.0.2:4000", NEAR].map(|remote| office.lent.dealer_from(remote));
    office.lent.peers.shares.add_names(Share::Machine(FAR.parse::<SocketAddr>().unwrap().ip()), COMPONENTS_MAX / 4 - 1);
    assert_eq!(office.sign_in(far, "CA", &Value::Null), Ok(Value::Null));
    assert_eq!(refused(office.sign_in(far, "CB", &Value::Null)).0, SERVER_FULL.code);
    for (link, name) in [(elsewhere, "CC"), (near, "CD")] {
        assert_eq!(office.sign_in(link, name, &Value::Null), Ok(Value::Null));
    }
    office.sign_out(far, "CA").unwrap();
    assert_eq!(office.sign_in(far, "CB", &Value::Null), Ok(Value::Null));
    assert_eq!(office.lent.peers.shares.names(office.lent.peers.get(far).unwrap().share.unwrap()), COMPONENTS_MAX / 4);
}
