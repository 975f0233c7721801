//! What comes to its end before others do: where memory is short, where the disk fails, where the process ends.

use super::large::{crowd, moves};
use super::*;
use crate::control::client::{ViewerResult, decode_viewer};
use crate::control::framing::{Frame, scan};
use crate::hub::manager::second_look::SecondLook;
use crate::hub::manager::world::ProviderWorld;

impl Fixture {
    /// A kernel whose world of so many people is shown in a session, and its link.
    fn shown(&mut self, people: i32, state: State) -> (ProviderKey, PeerKey) {
        let (session, key) = (self.session(), self.kernel());
        let link = self.manager.kernel_dialed(&mut self.peers, key, Ok("[::1]:27931".parse().unwrap())).unwrap();
        self.choose(session, key, state);
        let provider = self.manager.providers.get_mut(key).unwrap();
        provider.world = ProviderWorld::coming(crowd(1..people + 1, 0).collect()).unwrap();
        self.manager.providers.kernel_mut(key).unwrap().1.has_world = true;
        self.manager.jobs.add(Job::Load(key));
        self.work();
        self.peers.outputs.clear();
        (key, link)
    }

    /// Takes the memory that is left but for so many bytes.
    fn leave(&mut self, bytes: usize) {
        let room = self.peers.pool.data_room();
        assert!(self.peers.pool.charge(room - bytes));
    }
}

/// Whether anything was asked for that connects to a kernel.
fn dials(fixture: &mut Fixture) -> bool {
    fixture.peers.outputs.drain(..).any(|output| matches!(output, Output::DialKernel(_)))
}

#[test]
fn a_process_that_ends_connects_to_no_kernel_and_begins_no_recording() {
    for is_kept in [false, true] {
        let mut fixture = Fixture::new();
        let written = Handed::default();
        fixture.manager.set_recorder(Box::new(written.clone()));
        let (key, link) = fixture.shown(10, State::Running);
        fixture.manager.providers.kernel_mut(key).unwrap().1.is_kept = is_kept;
        fixture.manager.prepare_to_end(&mut fixture.peers);
        fixture.peers.stopping = true;
        let deeds = written.0.lock().unwrap().len();
        fixture.manager.kernel_gone(&mut fixture.peers, key, link, Cause::Stopping);
        fixture.pass(60_000);
        assert!(!dials(&mut fixture), "{is_kept}");
        let remote = "[::1]:27931".parse().unwrap();
        assert_eq!(fixture.manager.kernel_dialed(&mut fixture.peers, key, Ok(remote)), None, "an attempt of before");
        assert!(
            fixture.manager.kernel_dialed(&mut fixture.peers, key, Err("refused")).is_none() && !dials(&mut fixture)
        );
        fixture.manager.jobs.add(Job::Load(key));
        fixture.work();
        assert_eq!((written.0.lock().unwrap().len(), fixture.peers.journal.errors().count()), (deeds, 0));
    }
}

#[test]
fn another_reading_of_a_log_goes_before_the_log_where_memory_is_short() {
    let mut fixture = Fixture::new();
    let (session, key, viewer) = fixture.running(600);
    for _ in 0..500 {
        fixture.pass(1000);
        fixture.hear(viewer);
    }
    assert_eq!(fixture.time(key), 500);
    fixture.ask(viewer, Bits::UPDATE, Some(499));
    // Enough for some of the five hundred that the second reading needs.
    fixture.leave(100 << 10);
    while fixture.manager.has_jobs() {
        fixture.manager.do_one_job(&mut fixture.peers);
    }
    let heard = fixture.hear(viewer);
    assert!(heard.contains("no memory is left for an old timestep"), "{heard:.200}");
    assert_eq!(fixture.peers.results(viewer).map(|results| results.promised), Some(0));
    fixture.peers.advance(fixture.manager.soonest().unwrap());
    fixture.manager.expire(&mut fixture.peers);
    while fixture.manager.has_jobs() {
        fixture.manager.do_one_job(&mut fixture.peers);
    }
    assert_eq!((fixture.status(session), fixture.time(key)), (Status::Online, 501), "and the log goes on");
    assert!(fixture.hear(viewer).contains("changes"));
}

#[test]
fn a_second_look_goes_before_its_provider_where_memory_is_short() {
    let mut fixture = Fixture::new();
    let (key, _) = fixture.shown(10, State::Running);
    let mut look = SecondLook::default();
    look.has_come(crowd(1..3000, 0).collect()).unwrap();
    fixture.manager.providers.kernel_mut(key).unwrap().1.second_look = Some(Box::new(look));
    fixture.leave(1000);
    fixture.manager.account(&mut fixture.peers, key);
    let (provider, kernel) = fixture.manager.providers.kernel(key).unwrap();
    assert_eq!((provider.status, kernel.second_look.is_none()), (Status::Online, true));
    let errors: Vec<_> = fixture.peers.journal.errors().map(|error| format!("{error:?}")).collect();
    assert!(errors.len() == 1 && errors[0].contains("may still be shown: no memory is left"), "{errors:?}");
}

#[test]
fn a_large_world_is_let_go_of_in_pieces_however_it_ends() {
    const PEOPLE: i32 = 20_000;
    for ends in 0..4 {
        let mut fixture = Fixture::new();
        let (key, _) = fixture.shown(PEOPLE, State::Running);
        let mut look = SecondLook::default();
        look.has_come(crowd(1..PEOPLE, 0).collect()).unwrap();
        fixture.manager.providers.kernel_mut(key).unwrap().1.second_look = Some(Box::new(look));
        let (worlds, is_over) = match ends {
            0 => {
                fixture.manager.close_providers(&mut fixture.peers, &[1]).outcome().unwrap();
                (2, true)
            }
            1 => {
                fixture.leave(0);
                fixture.manager.exhaust(&mut fixture.peers, key);
                (2, true)
            }
            2 => {
                fixture.manager.refresh_providers(&mut fixture.peers, &None).outcome().unwrap();
                (1, false)
            }
            _ => {
                fixture.manager.look_failed(&mut fixture.peers, key, "it does not come");
                (1, false)
            }
        };
        let mut turns = 0;
        while fixture.manager.has_jobs() {
            fixture.manager.do_one_job(&mut fixture.peers);
            turns += 1;
        }
        assert!((worlds * (PEOPLE / 1000 - 1)..worlds * (PEOPLE / 1000) + 2).contains(&turns), "{ends}: {turns}");
        let held = fixture.manager.providers.get(key).map_or(0, |provider| provider.world.bytes());
        assert_eq!(held == 0, is_over, "{ends}");
    }
}

#[test]
fn a_recording_that_fails_while_a_timestep_is_made_is_shown_as_failed() {
    let mut fixture = Fixture::new();
    let written = Handed::default();
    fixture.manager.set_recorder(Box::new(written.clone()));
    let (key, _) = fixture.shown(6000, State::Running);
    fixture.manager.advance(&mut fixture.peers, key, moves(1, 1..6000));
    assert!(fixture.manager.has_jobs(), "it takes several turns");
    let (ticket, _) = written.0.lock().unwrap()[1].clone();
    fixture.manager.written(&mut fixture.peers, ticket, Err("no space left".to_owned())).unwrap();
    fixture.work();
    let provider = fixture.manager.providers.get(key).unwrap();
    assert!(provider.time == 1 && provider.recording.is_none());
    assert_eq!(provider.unrecorded, "the recording has ended: no space left");
    assert_eq!(fixture.peers.counters.recordings_failed, 1);
}

#[test]
fn a_world_is_written_down_for_nobody_while_its_session_does_not_run() {
    for (state, is_made) in [(State::Paused, false), (State::Running, true)] {
        let mut fixture = Fixture::new();
        let viewer = fixture.open_viewer();
        let (key, _) = fixture.shown(6000, state);
        let session = fixture.manager.providers.get(key).unwrap().session.unwrap();
        fixture.manager.connect_viewer(&mut fixture.peers, (key, viewer), session);
        fixture.ask(viewer, Bits::OPEN | Bits::WORLD, None);
        // The first timestep has a whole world kept behind it.
        fixture.manager.advance(&mut fixture.peers, key, moves(1, 1..10));
        fixture.work();
        fixture.hear(viewer);
        fixture.manager.advance(&mut fixture.peers, key, moves(2, 1..10));
        assert_eq!(fixture.manager.has_jobs(), is_made, "{state:?}");
        fixture.work();
        assert_eq!(fixture.hear(viewer).contains("world"), is_made);
    }
}

#[test]
fn an_answer_for_which_there_is_no_memory_says_to_what_it_is_one() {
    let mut fixture = Fixture::new();
    let viewer = fixture.open_viewer();
    let (key, _) = fixture.shown(1000, State::Running);
    let session = fixture.manager.providers.get(key).unwrap().session.unwrap();
    fixture.manager.connect_viewer(&mut fixture.peers, (key, viewer), session);
    for time in 1..4 {
        fixture.manager.advance(&mut fixture.peers, key, moves(time, 1..1000));
        fixture.work();
    }
    fixture.hear(viewer);
    // Enough for what providers hold, not for answers.
    fixture.leave(fixture.peers.pool.data_room() / 5);
    fixture.manager.viewer_request(&mut fixture.peers, viewer, ViewerRequest { request: Bits::UPDATE, time: Some(2) });
    let bytes = fixture.peers.unsent(viewer).concat();
    let Ok(Frame::Whole { header_len, .. }) = scan(&bytes, 1 << 20) else { panic!("no answer: {bytes:?}") };
    let answer = decode_viewer(&bytes[header_len..]).unwrap();
    let said = |ViewerResult { request, time, result, .. }| (request, time, result);
    assert!(answer.message.contains("no memory is left for this"), "{answer:?}");
    assert_eq!(said(answer), (Bits::UPDATE, 2, false));
}
