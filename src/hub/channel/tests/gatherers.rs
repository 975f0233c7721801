//! The links to gatherers of other nodes.

use super::*;
use crate::hub::peers::Peer;

#[test]
fn a_gatherer_is_dialled_until_it_is_there_and_again_when_it_is_lost() {
    let mut stage = Stage::new();
    let Stage { lent, channels } = &mut stage;
    let now = lent.peers.now;
    assert_eq!(channels.connect(now, Channel::Data, "h:11101"), Ok(()));
    let again = channels.connect(now, Channel::Data, "h:11101").unwrap_err();
    assert_eq!((again.0.code, again.1), (-32010, Value::from("h:11101")));
    assert!(channels.connect(now, Channel::Log, "h:11101").is_ok(), "that is another channel");
    assert_eq!(channels.gatherers(Channel::Data), ["h:11101"]);
    channels.expire(&mut lent.peers);
    let dials: Vec<GathererKey> = lent
        .outputs()
        .into_iter()
        .filter_map(|output| if let crate::hub::doors::Output::DialGatherer(key) = output { Some(key) } else { None })
        .collect();
    assert_eq!(dials.len(), 2);
    assert_eq!(channels.dialed(&mut lent.peers, dials[0], Err("nobody there")), None);
    let due = channels.soonest(now).expect("it is tried again");
    assert!(due > now);
    lent.pass(1000);
    channels.expire(&mut lent.peers);
    let link = channels.dialed(&mut lent.peers, dials[0], Ok(NEAR.parse().unwrap())).expect("it is there");
    assert_eq!(channels.dialed(&mut lent.peers, dials[0], Ok(NEAR.parse().unwrap())), None, "it is there already");
    lent.peers.close(link, Cause::Peer);
    lent.events();
    channels.left(&mut lent.peers, Channel::Data, link);
    assert!(channels.soonest(lent.peers.now).is_some());
    assert_eq!(channels.disconnect(&mut lent.peers, Channel::Data, "h:11101"), Ok(()));
    let gone = channels.disconnect(&mut lent.peers, Channel::Data, "h:11101").unwrap_err();
    assert_eq!((gone.0.code, gone.1), (-32011, Value::from("h:11101")));
}

#[test]
fn a_gatherer_under_two_names_is_connected_to_once() {
    let mut stage = Stage::new();
    let now = stage.lent.peers.now;
    let [first, again] = ["h:11101", "localhost:11101"].map(|address| {
        stage.channels.connect(now, Channel::Data, address).unwrap();
        stage.channels.expire(&mut stage.lent.peers);
        let key = stage.channels.gatherers.find(Channel::Data, address).unwrap();
        let link = stage.channels.dialed(&mut stage.lent.peers, key, Ok(NEAR.parse().unwrap())).unwrap();
        stage.lent.shake_hands_as(link, SocketType::Xpub);
        let side = (Channel::Data, Side::Gatherer(key));
        stage.channels.ready(&mut stage.lent.peers, link, side, SocketType::Xpub);
        link
    });
    assert!(stage.lent.peers.get(first).is_some_and(Peer::is_open));
    assert!(stage.lent.peers.get(again).is_none_or(|peer| !peer.is_open()));
    stage.lent.events();
    stage.channels.left(&mut stage.lent.peers, Channel::Data, again);
    assert!(stage.channels.soonest(stage.lent.peers.now).is_some(), "it is tried again");
    assert_eq!(stage.channels.gatherers(Channel::Data), ["h:11101", "localhost:11101"]);
}
