//! What is told of the directory and heard of others': whole lists, differences, checks.

use serde_json::{Value, json};

use super::{Office, given, there};
use crate::hub::call::{Answer, Caller};
use crate::hub::coordinator::Coordinator;
use crate::hub::events::Event;
use crate::hub::fixture::Lent;
use crate::hub::keys::{NodeKey, PeerKey};
use crate::hub::names::Names;
use crate::hub::peers::{Due, Peers};
use crate::leco::listing::digest_of;
use crate::leco::rpc::{INVALID_PARAMS, INVALID_REQUEST, Params};
use crate::limits::{DIRECTORY_CHANGES_MAX, DIRECTORY_RECENT_MAX, LISTED_PER_PIECE};

impl Office {
    /// Components come and go, and the others are told.
    fn publish(&mut self, is_check: bool) {
        let Lent { peers, names } = &mut self.lent;
        self.coordinator.send_directory(peers, names, is_check);
    }

    /// The calls that have come to a node: methods and parameters.
    fn told(&mut self, dealer: PeerKey) -> Vec<(String, Value)> {
        let calls = self.lent.hear(dealer).into_iter().flat_map(|frames| {
            let document: Value = serde_json::from_slice(&frames[4]).unwrap();
            document.as_array().cloned().unwrap_or_else(|| vec![document])
        });
        calls.map(|call| (call["method"].as_str().unwrap().to_owned(), call["params"].clone())).collect()
    }

    fn hears(&mut self, inbound: PeerKey, method: &str, params: &Value) -> Answer {
        let Lent { peers, names } = &mut self.lent;
        let caller = there(inbound, "N2", "COORDINATOR");
        match method {
            "record_components" => recorded(peers, names, caller, given(params)),
            "change_components" => Coordinator::change_components(peers, names, caller, given(params)),
            "compare_components" => Coordinator::compare_components(peers, names, caller, given(params)),
            _ => self.coordinator.repeat_components(peers, names, caller),
        }
    }

    fn listed(&self, node: NodeKey) -> Vec<&str> {
        self.lent.names.nodes.get(node).unwrap().listing.names().collect()
    }
}

/// Has a list recorded, however many pieces that takes.
fn recorded(peers: &mut Peers, names: &mut Names, caller: Caller<'_>, params: Params) -> Answer {
    let mut answer = Coordinator::record_components(peers, names, caller, params);
    while answer.is_none() {
        answer = Coordinator::record_components(peers, names, caller, Params::None);
    }
    answer.unwrap()
}

fn digest(names: &[&str]) -> String {
    format!("{:016x}", names.iter().fold(0, |sum, name| sum ^ digest_of(name.as_bytes())))
}

// ---- Telling ----

#[test]
fn a_change_is_told_to_every_node_that_is_reached() {
    let mut office = Office::new();
    let (_, inbound, dealer) = office.lent.node("N2");
    let (_, waiting) = office.reach("n3:12300", false);
    office.lent.read(waiting);
    office.coordinator.is_changed = true;
    let Lent { peers, names } = &mut office.lent;
    office.coordinator.send_directory_soon(peers, names);
    assert_eq!(office.lent.hear_one(dealer).2[1]["method"], json!("record_components"));
    assert_eq!((office.lent.hear(inbound).len(), office.lent.hear(waiting).len()), (0, 0));
    assert_eq!((office.coordinator.is_changed, office.lent.peers.counters.updates_published), (false, 1));
}

#[test]
fn a_large_directory_is_told_after_a_pause() {
    let mut office = Office::new();
    let (_, _, dealer) = office.lent.node("N2");
    let link = office.lent.dealer();
    for n in 0..64 * 5 {
        office.lent.names.directory.add(format!("C{n}").as_bytes(), link).unwrap();
    }
    office.coordinator.is_changed = true;
    for _ in 0..2 {
        let Lent { peers, names } = &mut office.lent;
        office.coordinator.send_directory_soon(peers, names);
    }
    assert!(office.coordinator.is_changed && office.lent.hear(dealer).is_empty());
    office.lent.pass(4);
    assert_eq!(office.lent.peers.next_due(), None);
    office.lent.pass(1);
    assert_eq!(office.lent.peers.next_due(), Some(Due::SendDirectory));
    let Lent { peers, names } = &mut office.lent;
    office.coordinator.send_directory(peers, names, false);
    assert_eq!(office.lent.hear(dealer).len(), 1);
}

#[test]
fn a_choked_node_misses_an_update_and_the_others_do_not() {
    let mut office = Office::new();
    let [choked, other] = ["N2", "N3"].map(|namespace| office.lent.node(namespace).2);
    office.lent.choke(choked);
    let Lent { peers, names } = &mut office.lent;
    office.coordinator.send_directory(peers, names, false);
    assert_eq!((office.lent.hear(choked).len(), office.lent.hear(other).len()), (1, 1));
    assert_eq!(office.lent.peers.counters.answers_dropped, 1);
}

#[test]
fn a_node_of_ours_gets_the_whole_list_once_then_differences_then_a_check() {
    let mut office = Office::new();
    let (_, _, dealer) = office.lent.node("N2");
    let (_, _, plain) = office.lent.plain_node("N3");
    let link = office.lent.component("CA");
    office.publish(false);
    let whole = office.told(dealer);
    let recent = json!({"since": 0, "came": {"CA": 1}, "signed_out": {}});
    let params = json!({"components": ["CA"], "number": 1, "recent": recent});
    assert_eq!(whole[1], ("record_components".to_owned(), params));
    let component = office.lent.name(link, "CB");
    office.publish(false);
    let step = json!({"number": 2, "added": ["CB"], "removed": []});
    assert_eq!(office.told(dealer), [("change_components".to_owned(), step)]);
    office.lent.names.directory.remove(component);
    office.lent.node("N4");
    office.publish(true);
    let step = json!({"number": 3, "added": [], "removed": ["CB"]});
    let nodes = ("add_nodes".to_owned(), json!({"nodes": {"N4": "n4:12300"}}));
    assert_eq!(office.told(dealer), [nodes, ("change_components".to_owned(), step)]);
    for is_check in [false, true] {
        office.publish(is_check);
    }
    let check = json!({"number": 3, "digest": digest(&["CA"])});
    assert_eq!(office.told(dealer), [("compare_components".to_owned(), check)]);
    let to_others = office.told(plain);
    assert_eq!(to_others.len(), 10, "everything, every time");
    assert!(to_others.iter().all(|(_, params)| params.get("number").is_none()));
}

#[test]
fn who_could_not_be_told_a_difference_gets_the_whole_list() {
    let mut office = Office::new();
    let [choked, other] = ["N2", "N3"].map(|namespace| office.lent.node(namespace).2);
    office.publish(false);
    for link in [choked, other] {
        office.told(link);
    }
    office.lent.choke(choked);
    office.lent.component("CA");
    office.publish(false);
    office.lent.read(choked);
    office.publish(true);
    let methods = |told: Vec<(String, Value)>| told.into_iter().map(|(method, _)| method).collect::<Vec<_>>();
    assert_eq!(methods(office.told(choked)), ["add_nodes", "record_components"]);
    assert_eq!(methods(office.told(other)), ["change_components", "compare_components"]);
    let link = office.lent.dealer();
    for n in 0..=DIRECTORY_CHANGES_MAX {
        office.lent.names.directory.add(format!("C{n}").as_bytes(), link).unwrap();
    }
    office.publish(false);
    assert_eq!(methods(office.told(other)), ["add_nodes", "record_components"], "too many changes at once");
}

#[test]
fn beside_a_whole_list_is_told_who_has_come_and_signed_out_lately() {
    let mut office = Office::new();
    let choked = office.lent.node("N2").2;
    let link = office.lent.component("CA");
    let [stays, leaves, fades] = ["CB", "CC", "CD"].map(|name| office.lent.name(link, name));
    office.publish(false);
    office.told(choked);
    office.lent.choke(choked);
    office.lent.names.directory.remove(stays);
    office.lent.names.directory.sign_out(leaves);
    office.publish(false);
    office.lent.name(link, "CB");
    office.lent.names.directory.remove(fades);
    office.publish(false);
    office.lent.read(choked);
    office.publish(true);
    let recent = json!({"since": 0, "came": {"CA": 1, "CB": 3}, "signed_out": {"CC": 2}});
    assert_eq!(office.told(choked)[1].1, json!({"components": ["CA", "CB"], "number": 3, "recent": recent}));
    // As far as that is remembered.
    for n in 0..=DIRECTORY_RECENT_MAX {
        office.lent.name(link, &format!("C{n}"));
        office.publish(false);
    }
    let told = |office: &mut Office| {
        office.told(choked);
        let inbound = office.lent.names.nodes.iter().find_map(|(_, node)| node.inbound).unwrap();
        office.lent.pass(1000);
        office.hears(inbound, "repeat_components", &Value::Null).unwrap();
        office.told(choked).pop().unwrap().1["recent"].clone()
    };
    let recent = told(&mut office);
    assert_eq!((&recent["since"], recent["came"].as_object().unwrap().len()), (&json!(4), DIRECTORY_RECENT_MAX));
    for n in 0..=DIRECTORY_CHANGES_MAX {
        office.lent.names.directory.add(format!("D{n}").as_bytes(), link).unwrap();
    }
    let number = 3 + DIRECTORY_RECENT_MAX + 2;
    assert_eq!(told(&mut office), json!({"since": number, "came": {}, "signed_out": {}}), "they were too many");
}

#[test]
fn who_has_missed_something_asks_and_is_told_everything() {
    let mut office = Office::new();
    let (_, inbound, dealer) = office.lent.node("N2");
    office.lent.component("CA");
    assert_eq!(office.hears(inbound, "repeat_components", &Value::Null), Ok(Value::Null));
    let told = office.told(dealer);
    let listed = [&told[1].1["components"], &told[1].1["number"]];
    assert_eq!(listed, [&json!(["CA"]), &json!(1)], "with what nobody has been told yet");
    office.lent.pass(499);
    for _ in 0..2 {
        office.hears(inbound, "repeat_components", &Value::Null).unwrap();
        assert!(office.told(dealer).is_empty(), "it has just been told everything");
    }
    office.publish(true);
    assert_eq!(office.told(dealer), told, "and is so again instead of a check");
    office.lent.pass(1);
    office.hears(inbound, "repeat_components", &Value::Null).unwrap();
    assert_eq!(office.told(dealer), told);
    assert_eq!(office.lent.peers.counters.directories_repeated, 2);
}

// ---- Hearing ----

#[test]
fn a_node_records_its_components_all_or_none() {
    let mut office = Office::new();
    let (node, inbound, _) = office.lent.node("N2");
    let component = office.lent.component("CA");
    let Lent { peers, names } = &mut office.lent;
    let mut record = |link: PeerKey, components: Value| {
        let params = given(&json!({"components": components}));
        recorded(peers, names, there(link, "N2", "COORDINATOR"), params).map_err(|(error, _)| error.code)
    };
    assert_eq!(record(inbound, json!(["CX", "CY"])), Ok(Value::Null));
    assert_eq!(record(inbound, json!(["CX", "C.Y"])), Err(INVALID_PARAMS.code));
    assert_eq!(record(inbound, json!(["CX", 3])), Err(INVALID_PARAMS.code));
    assert_eq!(record(inbound, json!("CX")), Err(INVALID_PARAMS.code));
    assert_eq!(record(component, json!([])), Err(INVALID_REQUEST.code));
    assert!(office.lent.names.nodes.get(node).unwrap().listing.names().eq(["CX", "CY"]));
    assert_eq!(office.lent.events(), [Event::NodeListed { node }]);
}

#[test]
fn a_long_list_is_taken_in_pieces_and_the_one_before_stays_until_all_is_read() {
    let mut office = Office::new();
    let (node, inbound, _) = office.lent.node("N2");
    office.hears(inbound, "record_components", &json!({"components": ["CA", "CB"], "number": 1})).unwrap();
    let mut list: Vec<Value> = (0..3 * LISTED_PER_PIECE).map(|n| json!(format!("C{n}"))).collect();
    let count = list.len();
    let mut pieces = |list: &[Value]| {
        let Lent { peers, names } = &mut office.lent;
        let mut params = given(&json!({"components": list, "number": 2}));
        let mut listed = Vec::new();
        loop {
            let caller = there(inbound, "N2", "COORDINATOR");
            let answer =
                Coordinator::record_components(peers, names, caller, core::mem::replace(&mut params, Params::None));
            let listing = &names.nodes.get(node).unwrap().listing;
            listed.push((listing.names().len(), listing.has(b"CA")));
            if let Some(answer) = answer {
                return (listed, answer.map_err(|(error, _)| error));
            }
        }
    };
    list[count - 1] = json!("a.b");
    assert_eq!(pieces(&list), (vec![(2, true); 3], Err(INVALID_PARAMS)));
    list[count - 1] = json!("CA");
    let listed = vec![(2, true), (2, true), (count, true)];
    assert_eq!(pieces(&list), (listed, Ok(Value::Null)));
    // The names of the list before are forgotten last, and as slowly.
    assert_eq!(pieces(&list), (vec![(count, true); 6], Ok(Value::Null)));
    assert_eq!(pieces(&[json!("CB")]), (vec![(1, false); 4], Ok(Value::Null)));
}

#[test]
fn differences_are_taken_in_their_order_and_one_that_is_missing_is_noticed() {
    let mut office = Office::new();
    let (node, inbound, dealer) = office.lent.node("N2");
    let step =
        |number: u64, added: &[&str], removed: &[&str]| json!({"number": number, "added": added, "removed": removed});
    office.hears(inbound, "record_components", &json!({"components": ["CX", "CY"], "number": 4})).unwrap();
    office.hears(inbound, "change_components", &step(5, &["CZ"], &["CX"])).unwrap();
    assert_eq!((office.lent.events().len(), office.listed(node)), (2, vec!["CY", "CZ"]));
    assert_eq!(office.told(dealer), []);
    for (number, asked) in [(7, 1), (8, 0), (5, 0)] {
        office.hears(inbound, "change_components", &step(number, &["CW"], &[])).unwrap();
        assert_eq!(office.told(dealer).len(), asked, "{number}");
    }
    assert_eq!((office.lent.events().len(), office.listed(node)), (0, vec!["CY", "CZ"]));
    office.lent.pass(1000);
    office.hears(inbound, "change_components", &step(9, &["CW"], &[])).unwrap();
    assert_eq!(office.told(dealer)[0].0, "repeat_components", "the answer may have been lost, too");
    office.hears(inbound, "record_components", &json!({"components": ["CW"], "number": 9})).unwrap();
    office.hears(inbound, "change_components", &step(10, &[], &["CW"])).unwrap();
    assert_eq!((office.listed(node).len(), office.lent.peers.counters.directories_asked), (0, 2));
}

#[test]
fn a_whole_list_shows_who_was_away_since_the_one_before() {
    let mut office = Office::new();
    let (node, inbound, _) = office.lent.node("N2");
    office.hears(inbound, "record_components", &json!({"components": ["CX", "CY", "CZ"], "number": 4})).unwrap();
    let recent = json!({"since": 2, "came": {"CX": 5, "CY": 3}, "signed_out": {"CZ": 6}});
    let list = json!({"components": ["CX", "CY"], "number": 6, "recent": recent});
    office.hears(inbound, "record_components", &list).unwrap();
    let listing = &mut office.lent.names.nodes.get_mut(node).unwrap().listing;
    assert_eq!((listing.take_returned(), listing.take_signed_out()), (vec!["CX".into()], vec!["CZ".to_owned()]));
}

#[test]
fn a_check_that_does_not_fit_asks_for_the_list() {
    let mut office = Office::new();
    let (_, inbound, dealer) = office.lent.node("N2");
    office.hears(inbound, "record_components", &json!({"components": ["CX", "CY"], "number": 4})).unwrap();
    for (number, names, asked) in [(4, &["CX", "CY"][..], 0), (5, &["CX", "CY"], 1), (4, &["CX"], 1)] {
        office.lent.pass(1000);
        office.hears(inbound, "compare_components", &json!({"number": number, "digest": digest(names)})).unwrap();
        assert_eq!(office.told(dealer).len(), asked);
    }
    office.lent.pass(1000);
    office.hears(inbound, "record_components", &json!({"components": ["CX"]})).unwrap();
    office.hears(inbound, "compare_components", &json!({"number": 0, "digest": digest(&["CX"])})).unwrap();
    assert_eq!(office.told(dealer).len(), 1, "a list without a number is none to compare with");
}

#[test]
fn what_is_no_difference_and_no_check_is_refused() {
    let mut office = Office::new();
    let (node, inbound, _) = office.lent.node("N2");
    office.hears(inbound, "record_components", &json!({"components": ["CX"], "number": 1})).unwrap();
    for (method, params) in [
        ("change_components", json!({"number": -1, "added": [], "removed": []})),
        ("change_components", json!({"number": 2, "added": ["a.b"], "removed": []})),
        ("change_components", json!({"number": 2, "added": []})),
        ("compare_components", json!({"number": 1, "digest": 7})),
        ("compare_components", json!({"number": 1, "digest": "xyz"})),
        ("record_components", json!({"components": [], "number": "1"})),
        ("record_components", json!({"components": [], "number": 1, "recent": 7})),
        ("record_components", json!({"components": [], "number": 1, "recent": {"since": 1, "came": {}}})),
        (
            "record_components",
            json!({"components": [], "number": 1, "recent": {"since": 1, "came": {"a.b": 1}, "signed_out": {}}}),
        ),
    ] {
        let refused = office.hears(inbound, method, &params).map_err(|(error, _)| error.code);
        assert_eq!(refused, Err(INVALID_PARAMS.code), "{method} {params}");
    }
    assert_eq!(office.listed(node), ["CX"]);
}
