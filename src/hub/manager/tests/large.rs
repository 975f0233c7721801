//! Worlds and timesteps that take several turns, and who waits for them.

use super::*;
use crate::control::record::Property;
use crate::control::replay;
use crate::hub::manager::world::{ProviderWorld, Raw};
use crate::rcrs::entity::{Change, Entity as KernelEntity, Properties as KernelProperties};
use crate::rcrs::message::ChangeSet;
use crate::rcrs::urn::{EntityKind, PropertyKind, PropertySet};

/// Civilians with these ids, all at one place.
pub(super) fn crowd(ids: core::ops::Range<i32>, x: i32) -> impl Iterator<Item = KernelEntity> {
    ids.map(move |id| {
        let mut properties = KernelProperties::default();
        properties.set_number(PropertyKind::X, x);
        properties.set_number(PropertyKind::Hp, 10_000);
        KernelEntity { id, kind: EntityKind::Civilian, properties }
    })
}

/// A timestep in which a crowd is at another place.
pub(super) fn moves(time: i32, ids: core::ops::Range<i32>) -> Raw {
    let changed = crowd(ids, time).map(|entity| Change { entity, undefined: PropertySet::EMPTY }).collect();
    let changes = ChangeSet { changed, deleted: Vec::new(), skipped: 0 };
    Raw::Kernel { time, commands: Vec::new(), perceptions: Vec::new(), changes }
}

#[test]
fn a_large_timestep_takes_several_turns_and_until_then_its_world_is_shown_to_nobody() {
    const PEOPLE: i32 = 6000;
    let mut fixture = Fixture::new();
    let (session, key) = (fixture.session(), fixture.kernel());
    let [viewer, late] = [(); 2].map(|()| fixture.open_viewer());
    fixture.choose(session, key, State::Running);
    fixture.manager.connect_viewer(&mut fixture.peers, (key, viewer), session);
    fixture.manager.connect_viewer(&mut fixture.peers, (key, late), session);
    let provider = fixture.manager.providers.get_mut(key).unwrap();
    provider.world = ProviderWorld::coming(crowd(1..PEOPLE + 1, 0).collect()).unwrap();
    fixture.manager.jobs.add(Job::Load(key));
    fixture.work();
    assert!([viewer, late].map(|viewer| fixture.hear(viewer)).iter().all(|heard| heard.contains("world")));

    // A small one is there at once.
    fixture.manager.advance(&mut fixture.peers, key, moves(1, 1..100));
    assert!([viewer, late].map(|viewer| fixture.hear(viewer)).iter().all(|heard| heard.contains("changes")));
    fixture.work();

    fixture.manager.advance(&mut fixture.peers, key, moves(2, 1..PEOPLE + 1));
    fixture.ask(late, Bits::OPEN | Bits::WORLD, None);
    assert_eq!((fixture.time(key), fixture.hear(viewer), fixture.hear(late)), (1, String::new(), String::new()));
    let mut turns = 0;
    while fixture.manager.has_jobs() {
        assert!(fixture.hear(late).is_empty());
        fixture.manager.do_one_job(&mut fixture.peers);
        fixture.check();
        turns += 1;
    }
    // Merged, told, and written down as a whole for who has come.
    assert!(turns >= 3 * PEOPLE / 1000 - 2, "{turns}");
    let heard = fixture.hear(viewer);
    assert!(fixture.time(key) == 2 && heard.matches("changes").count() == 1, "{heard:.200}");
    let heard = fixture.hear(late);
    assert!(heard.contains("world") && heard.matches("result").count() == 1, "{heard:.200}");
    assert_eq!(fixture.peers.results(late).map(|results| results.promised), Some(0));
    let section = fixture.manager.providers.get_mut(key).unwrap().world_section().to_vec();
    let told = replay::entities(section.strip_prefix(b"\xa5world").unwrap()).unwrap();
    assert_eq!(told.len(), usize::try_from(PEOPLE).unwrap());
    assert!(told.iter().all(|entity| entity.properties.get(Property::X) == Some(2)));
}

/// A viewer that has asked for a fresh start while a large timestep is being applied.
fn waiting() -> (Fixture, SessionKey, ProviderKey, PeerKey) {
    let mut fixture = Fixture::new();
    let (session, key, viewer) = (fixture.session(), fixture.kernel(), fixture.open_viewer());
    fixture.choose(session, key, State::Running);
    fixture.manager.connect_viewer(&mut fixture.peers, (key, viewer), session);
    let provider = fixture.manager.providers.get_mut(key).unwrap();
    provider.world = ProviderWorld::coming(crowd(1..6000, 0).collect()).unwrap();
    fixture.manager.jobs.add(Job::Load(key));
    fixture.work();
    fixture.hear(viewer);
    fixture.manager.advance(&mut fixture.peers, key, moves(1, 1..6000));
    fixture.ask(viewer, Bits::OPEN | Bits::WORLD, None);
    (fixture, session, key, viewer)
}

#[test]
fn who_waits_for_a_world_is_answered_when_there_is_no_memory_for_it() {
    let (mut fixture, _, key, viewer) = waiting();
    let room = fixture.peers.pool.data_room();
    assert!(fixture.peers.pool.charge(room));
    while fixture.manager.has_jobs() {
        fixture.manager.do_one_job(&mut fixture.peers);
    }
    assert!(fixture.manager.providers.get(key).unwrap().reason.contains("no memory"));
    let heard = fixture.hear(viewer);
    assert!(heard.contains("no memory is left for its data") && !heard.contains("changes"), "{heard}");
    assert_eq!(fixture.peers.results(viewer).map(|results| results.promised), Some(0));
}

#[test]
fn who_waits_twice_for_the_same_is_given_it_once() {
    let (mut fixture, session, key, viewer) = waiting();
    fixture.work();
    fixture.hear(viewer);
    fixture.manager.advance(&mut fixture.peers, key, moves(2, 1..6000));
    for _ in 0..3 {
        fixture.manager.connect_viewer(&mut fixture.peers, (key, viewer), session);
    }
    fixture.work();
    let heard = fixture.hear(viewer);
    assert_eq!(heard.matches("result").count(), 1, "{heard:.300}");
}

#[test]
fn who_waits_for_a_world_is_answered_when_its_provider_is_closed() {
    let (mut fixture, session, _, viewer) = waiting();
    let id = fixture.manager.shown(session).provider.unwrap();
    assert!(fixture.manager.close_providers(&mut fixture.peers, &[id]).outcome().is_ok());
    fixture.work();
    let heard = fixture.hear(viewer);
    assert!(heard.contains("the session has no provider") && !heard.contains("changes"), "{heard}");
    assert_eq!(fixture.peers.results(viewer).map(|results| results.promised), Some(0));
}

#[test]
fn who_has_waited_in_a_session_that_ended_sees_timesteps_in_the_next() {
    let (mut fixture, session, key, viewer) = waiting();
    fixture.sessions.remove(session);
    fixture.manager.session_ended(&mut fixture.peers, session, State::Running);
    fixture.work();
    fixture.hear(viewer);
    let next = fixture.session();
    fixture.choose(next, key, State::Running);
    fixture.manager.connect_viewer(&mut fixture.peers, (key, viewer), next);
    fixture.work();
    assert!(fixture.hear(viewer).contains("world"));
    fixture.manager.advance(&mut fixture.peers, key, moves(2, 1..100));
    fixture.work();
    assert!(fixture.hear(viewer).contains("world"), "which it wants with each of them");
}

#[test]
fn a_timestep_that_has_come_before_its_provider_ended_is_recorded() {
    let mut fixture = Fixture::new();
    let written = Handed::default();
    fixture.manager.set_recorder(Box::new(written.clone()));
    let (session, key) = (fixture.session(), fixture.kernel());
    fixture.choose(session, key, State::Running);
    let provider = fixture.manager.providers.get_mut(key).unwrap();
    provider.world = ProviderWorld::coming(crowd(1..6000, 0).collect()).unwrap();
    fixture.manager.jobs.add(Job::Load(key));
    fixture.work();
    fixture.manager.advance(&mut fixture.peers, key, moves(1, 1..6000));
    fixture.manager.end_provider(&mut fixture.peers, key, Status::Errored, "the connection was lost");
    fixture.work();
    let deeds = written.0.lock().unwrap();
    let holds =
        |deed: &Deed, key: &[u8]| matches!(deed, Deed::Append(all) if all.windows(key.len()).any(|it| it == key));
    let steps = deeds.iter().filter(|(_, deed)| holds(deed, b"changes")).count();
    assert!(steps == 1 && matches!(deeds.last(), Some((_, Deed::End))), "{steps}");
    assert!(matches!(deeds.iter().rev().nth(2), Some((_, deed)) if holds(deed, b"changes")), "the end comes behind it");
    assert_eq!(deeds.iter().filter(|(_, deed)| matches!(deed, Deed::End)).count(), 1);
}
