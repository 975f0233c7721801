//! Who is who, looked up for whoever asks, and how we speak.

use super::{Home, new_header, say_as, shown};
use crate::config::Config;
use crate::hub::fixture::{FAR, Lent, coordinator_of};
use crate::hub::keys::PeerKey;
use crate::hub::names::Names;
use crate::leco::message::TYPE_JSON;
use crate::leco::nodes::Dealer;
use crate::leco::route::{Owner, Place};
use crate::store::ring::NoRoom;

fn there<'a>(namespace: &'a str, name: &'a str) -> Place<'a> {
    Place::There { namespace: namespace.as_bytes(), name: name.as_bytes() }
}

#[test]
fn our_own_names_and_address_come_of_the_configuration() {
    let config = |host: &str| Config { namespace: "N1".to_owned(), host: host.to_owned(), ..Config::default() };
    let names = Names::new(&config("n1"), 7);
    assert_eq!(
        (&*names.prefix, &*names.full_name, names.namespace()),
        (&b"N1."[..], &b"N1.COORDINATOR"[..], &b"N1"[..])
    );
    assert_eq!(&*names.address, "n1:12300");
    assert_eq!(&*Names::new(&config("[::1]"), 7).address, "[::1]:12300");
}

#[test]
fn a_component_is_found_by_its_name_and_so_is_its_link() {
    let mut lent = Lent::new();
    let link = lent.component("CA");
    assert_eq!((lent.names.local_link(b"CA"), lent.names.local_link(b"CB")), (Some(link), None));
}

#[test]
fn whose_a_name_is_depends_on_who_asks() {
    let mut lent = Lent::new();
    let (a, b) = (lent.component("CA"), lent.component("CB"));
    let owners = [(a, "CA"), (b, "CA"), (a, "CX")].map(|(link, name)| lent.names.owner_of(name.as_bytes(), link));
    assert_eq!(owners, [Owner::ThisLink, Owner::OtherLink, Owner::Nobody]);
}

#[test]
fn a_full_name_is_at_home_here_or_at_its_node_or_nowhere() {
    let mut lent = Lent::new();
    let link = lent.dealer();
    let component = lent.name(link, "CA");
    let (node, _, dealer) = lent.node("N2");
    let home = |name: &str| lent.names.home_of(name.as_bytes());
    assert_eq!((home("N1.CA"), home("CA")), (Some(Home::Here(component)), Some(Home::Here(component))));
    assert_eq!(home("N2.ANY"), Some(Home::There(node)), "who is there is known there");
    assert_eq!((home("N1.CX"), home("N9.CA")), (None, None));
    let links = [Home::Here(component), Home::There(node)].map(|home| lent.names.link_of(home));
    assert_eq!(links, [Some(link), Some(dealer)]);
}

#[test]
fn messages_go_to_a_node_only_once_it_has_let_us_in() {
    let mut lent = Lent::new();
    let (node, _, dealer) = lent.node("N2");
    for state in [Dealer::None, Dealer::Waiting, Dealer::Dialling, Dealer::SigningIn(dealer)] {
        lent.names.nodes.get_mut(node).unwrap().dealer = state;
        assert_eq!(lent.names.link_to(node), None, "{state:?}");
    }
    lent.names.nodes.get_mut(node).unwrap().dealer = Dealer::Up(dealer);
    assert_eq!(lent.names.link_to(node), Some(dealer));
    lent.names.nodes.remove(node);
    assert_eq!(lent.names.link_to(node), None);
}

#[test]
fn an_answer_goes_back_where_its_receiver_hears_it() {
    let mut lent = Lent::new();
    let (component, stranger) = (lent.component("CA"), lent.dealer());
    let (node, inbound, dealer) = lent.node("N2");
    let way = |lent: &Lent, from: PeerKey, sender: &str| lent.names.way_back(&lent.peers, from, sender.as_bytes());
    assert_eq!(way(&lent, component, "CA"), Some(component));
    assert_eq!(way(&lent, inbound, "N2.CX"), Some(dealer), "a ROUTER's link is not answered on");
    assert_eq!(way(&lent, inbound, "N9.CX"), None);
    assert_eq!(way(&lent, stranger, "N2.CX"), Some(stranger), "whoever it is, it is only known by this link");
    lent.names.nodes.get_mut(node).unwrap().dealer = Dealer::Waiting;
    assert_eq!(way(&lent, inbound, "N2.CX"), None);
}

#[test]
fn a_sender_is_signed_in_on_the_link_of_its_name_or_of_its_node() {
    let mut lent = Lent::new();
    let (a, b) = (lent.component("CA"), lent.component("CB"));
    let (_, inbound, dealer) = lent.node("N2");
    let is_in = |link, sender| lent.names.is_signed_in(&lent.peers, link, sender);
    assert!(is_in(a, Place::Here(b"CA")) && !is_in(b, Place::Here(b"CA")) && !is_in(a, Place::Here(b"CX")));
    assert!(is_in(inbound, there("N2", "CX")) && !is_in(inbound, there("N3", "CX")));
    assert!(!is_in(a, there("N2", "CX")) && !is_in(dealer, there("N2", "CX")));
}

#[test]
fn a_name_given_without_namespace_is_of_this_node() {
    let lent = Lent::new();
    assert_eq!(lent.names.full_name_of(b"CA"), b"N1.CA");
    assert_eq!(lent.names.full_name_of(b"N1.CA"), b"N1.CA");
    assert_eq!(lent.names.full_name_of(b"N2.CA"), b"N2.CA");
    assert_eq!(shown(b"C\xff").as_str(), Some("C\\xff"));
}

#[test]
fn we_speak_under_our_full_name_or_for_somebody_here() {
    let mut lent = Lent::new();
    let key = lent.component("CA");
    let Lent { peers, names } = &mut lent;
    let header = new_header(peers);
    names.say(peers, key, b"N1.CA", &header, b"1").unwrap();
    say_as(peers, key, b"N1.session:s", b"N1.CA", &header, b"2").unwrap();
    let heard = lent.hear(key);
    let parts = |n: usize| -> Vec<&[u8]> { heard[n].iter().map(Vec::as_slice).collect() };
    assert_eq!(parts(0), [&[0][..], b"N1.CA", coordinator_of("N1").as_bytes(), &header, b"1"]);
    assert_eq!(parts(1)[2..], [&b"N1.session:s"[..], &header, b"2"]);
}

#[test]
fn long_content_is_said_in_one_piece() {
    let mut lent = Lent::new();
    let key = lent.component("CA");
    let content = vec![b'x'; 70_000];
    lent.names.say(&mut lent.peers, key, b"N1.CA", &[0; 20], &content).unwrap();
    let heard = lent.hear(key);
    assert!(heard[0][4] == content);
}

#[test]
fn who_takes_no_messages_is_told_nothing() {
    let mut lent = Lent::new();
    let going = lent.component("CA");
    lent.choke(going);
    let waiting = lent.peers.unsent(going).concat().len();
    lent.peers.finish(going, crate::hub::cause::Cause::SignedOut);
    let shaking = lent.open(crate::hub::doors::Door::Leco, FAR).unwrap();
    let controller = lent.open(crate::hub::doors::Door::Control, FAR).unwrap();
    lent.read(shaking);
    for key in [going, shaking, controller] {
        assert_eq!(lent.names.say(&mut lent.peers, key, b"N1.CA", &[0; 20], b"1"), Ok(()));
    }
    assert_eq!(lent.peers.unsent(going).concat().len(), waiting);
    assert_eq!((lent.read(shaking).len(), lent.read(controller).len()), (0, 0));
}

#[test]
fn our_words_have_a_reserve_in_a_full_ring_and_no_more() {
    let mut lent = Lent::with(|config| config.ring_bytes_max = 1000);
    let key = lent.component("CA");
    let (names, peers) = (&lent.names, &mut lent.peers);
    let words = [b' '; 10_000];
    let said = (0..10).map_while(|_| names.say(peers, key, b"N1.CA", &[0; 20], &words).ok()).count();
    assert_eq!(said, 6);
    assert_eq!(names.say(peers, key, b"N1.CA", &[0; 20], &words), Err(NoRoom::Full));
    names.ask_pong(peers, key, b"N1.CA");
    assert_eq!(lent.hear(key).len(), 7, "a question is short");
}

#[test]
fn a_sign_of_life_is_asked_for_by_a_request_where_there_is_room() {
    let mut lent = Lent::new();
    let key = lent.component("CA");
    lent.names.ask_pong(&mut lent.peers, key, b"N1.CA");
    let (receiver, sender, content) = lent.hear_one(key);
    assert_eq!((receiver.as_str(), sender), ("N1.CA", coordinator_of("N1")));
    assert_eq!(content, serde_json::json!({"id": 0, "jsonrpc": "2.0", "method": "pong"}));
    lent.choke(key);
    lent.names.ask_pong(&mut lent.peers, key, b"N1.CA");
    assert_eq!(lent.hear(key).len(), 1);
}

#[test]
fn every_conversation_of_ours_is_a_new_one_and_knows_when_it_began() {
    let mut lent = Lent::new();
    let [a, b] = [(); 2].map(|()| new_header(&mut lent.peers));
    assert_ne!(a, b);
    assert_eq!((a[19], &a[..6]), (TYPE_JSON, &1_700_000_000_000_u64.to_be_bytes()[2..]));
}
