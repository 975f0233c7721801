//! The Manager alone: nobody answers its events, and files are a few recordings in memory.

mod ends;
mod large;

use std::sync::{Arc, Mutex};

use super::*;
use crate::c2sim::state::State;
use crate::control::record::{Entity, EntityType};
use crate::control::reply::Status;
use crate::control::request::Wanted;
use crate::control::viewer::{Bits, ViewerRequest};
use crate::control::{section, vlog};
use crate::hub::cause::Cause;
use crate::hub::doors::{Door, Output, Start};
use crate::hub::events::Event;
use crate::hub::keys::{OfSessions, PeerKey, ProviderKey};
use crate::hub::ledger::Ticket;
use crate::hub::peers::{Asker, Role};
use crate::hub::recorder::{Deed, RecordingId};
use crate::hub::shelf::{Advance, Content, FileId};
use crate::rcrs::log::Ending;
use crate::store::table::Table;
use crate::time::Span;

/// Recordings by name, each of them so many timesteps of one growing world.
#[derive(Debug, Default)]
struct Files {
    /// What is left to be read of each file that was ever opened, in pieces.
    open: Vec<(i32, Vec<Vec<u8>>)>,
}

impl Files {
    fn open_one(&mut self, steps: i32) -> FileId {
        let mut heading = Vec::new();
        vlog::write_heading(
            &mut heading,
            vlog::Heading { max_time_step: i64::from(steps), map_name: "town", map: &[], config: &[] },
        );
        let mut pieces = vec![heading];
        for time in 0..=steps {
            let mut part = Vec::new();
            let entity = |id| Entity { id, kind: Some(EntityType::Road), created: true, ..Entity::default() };
            if time == 0 {
                section::world(&mut part, [entity(1)]);
            } else {
                section::changes(&mut part, [entity(time + 1)]);
            }
            let mut record = Vec::new();
            vlog::write_prelude(&mut record, i64::from(time), &[&part]);
            pieces.push([record, part].concat());
        }
        pieces.reverse();
        self.open.push((steps, pieces));
        FileId(u32::try_from(self.open.len() - 1).unwrap())
    }

    fn of(&mut self, file: FileId) -> &mut (i32, Vec<Vec<u8>>) {
        &mut self.open[usize::try_from(file.0).unwrap()]
    }
}

impl Shelf for Files {
    fn open(&mut self, name: &str) -> Result<(FileId, Content), String> {
        let steps = name.parse().map_err(|_| format!("there is no file '{name}'"))?;
        Ok((self.open_one(steps), Content::Viewer))
    }

    fn again(&mut self, file: FileId) -> Result<FileId, String> {
        let steps = self.of(file).0;
        Ok(self.open_one(steps))
    }

    fn advance(&mut self, file: FileId) -> Advance {
        self.of(file).1.pop().map_or(Advance::Ended(Ending::Whole), Advance::Bytes)
    }

    fn time_max(&self, _: FileId) -> Option<i32> {
        None
    }

    fn close(&mut self, file: FileId) {
        self.of(file).1.clear();
    }
}

/// Notes what is to be written.
#[derive(Clone, Debug, Default)]
struct Handed(Arc<Mutex<Vec<(Ticket, Deed)>>>);

impl Recorder for Handed {
    fn hand_over(&mut self, ticket: Ticket, _: RecordingId, deed: Deed) {
        self.0.lock().unwrap().push((ticket, deed));
    }
}

struct Fixture {
    peers: Peers,
    manager: Manager,
    sessions: Table<(), OfSessions>,
}

impl Fixture {
    fn new() -> Self {
        Self::with(Config { namespace: "N1".into(), host: "lab".into(), ..Config::default() })
    }

    fn with(config: Config) -> Self {
        let mut manager = Manager::new(&config);
        manager.set_shelf(Box::new(Files::default()));
        let users = config.judge_users(None).unwrap();
        let peers = Peers::new(config, users, Start { seed: 1, now: Tick(0), unix_ms: 1_700_000_000_000 });
        Self { peers, manager, sessions: Table::new(8) }
    }

    fn check(&self) {
        self.manager.check(&self.peers).unwrap();
        assert_eq!(self.manager.bytes(&self.peers), self.peers.pool.data_in_use());
    }

    fn viewer(&mut self) -> PeerKey {
        let remote = "127.0.0.1:6000".parse().unwrap();
        let key = self.peers.admit(remote, Door::Viewer).unwrap();
        self.manager.viewer_came(&self.peers, key, remote);
        key
    }

    /// A viewer that wants everything that changes.
    fn open_viewer(&mut self) -> PeerKey {
        let key = self.viewer();
        self.ask(key, Bits::OPEN, None);
        assert!(self.hear(key).contains("no session"));
        key
    }

    fn ask(&mut self, key: PeerKey, request: Bits, time: Option<i64>) {
        self.manager.viewer_request(&mut self.peers, key, ViewerRequest { request, time });
        self.check();
    }

    /// A log of so many timesteps, its id and key.
    fn log(&mut self, steps: i32) -> (i64, ProviderKey) {
        let id =
            self.manager.open_provider(&mut self.peers, Wanted::File(&steps.to_string()), Asker::default()).unwrap();
        (id, self.manager.provider_for(None, id).unwrap())
    }

    fn kernel(&mut self) -> ProviderKey {
        let id = self
            .manager
            .open_provider(&mut self.peers, Wanted::Address { host: "::1", port: 27931, keep: false }, Asker::default())
            .unwrap();
        self.manager.provider_for(None, id).unwrap()
    }

    fn session(&mut self) -> SessionKey {
        self.sessions.insert(()).unwrap()
    }

    fn choose(&mut self, session: SessionKey, provider: ProviderKey, state: State) {
        self.manager.provider_chosen(&mut self.peers, session, provider, (state, 1.0));
        self.work();
    }

    fn flow(&mut self, session: SessionKey, was: State, now: State, multiple: f64) {
        self.manager.flow_changed(&mut self.peers, session, [was, now], multiple);
        self.work();
    }

    /// A log of so many timesteps in a session that runs, and a viewer that watches it; it has heard all that was said.
    fn running(&mut self, steps: i32) -> (SessionKey, ProviderKey, PeerKey) {
        let (viewer, session, (_, provider)) = (self.open_viewer(), self.session(), self.log(steps));
        self.choose(session, provider, State::Running);
        self.manager.connect_viewer(&mut self.peers, (provider, viewer), session);
        self.work();
        self.hear(viewer);
        self.events();
        (session, provider, viewer)
    }

    /// Does everything that is left to do.
    fn work(&mut self) {
        while self.manager.has_jobs() {
            self.manager.do_one_job(&mut self.peers);
            self.check();
        }
        self.check();
    }

    /// Lets so many milliseconds pass.
    fn pass(&mut self, ms: u64) {
        let end = self.peers.now + Span(ms);
        while let Some(due) = self.manager.soonest().filter(|due| *due <= end) {
            self.peers.advance(due);
            self.manager.expire(&mut self.peers);
            self.work();
        }
        self.peers.advance(end);
    }

    /// All that waits for a peer, as text, taken.
    fn hear(&mut self, key: PeerKey) -> String {
        let mut heard = Vec::new();
        loop {
            let waiting = self.peers.unsent(key).concat();
            if waiting.is_empty() {
                return String::from_utf8_lossy(&heard).into_owned();
            }
            self.peers.sent(key, waiting.len());
            heard.extend(waiting);
        }
    }

    fn events(&mut self) -> Vec<Event> {
        self.peers.events.drain(..).collect()
    }

    fn status(&self, session: SessionKey) -> Status {
        self.manager.shown(session).status
    }

    fn time(&self, key: ProviderKey) -> i32 {
        self.manager.providers.get(key).unwrap().time
    }
}

#[test]
fn viewers_have_ids_that_are_never_given_twice() {
    let mut fixture = Fixture::new();
    let first = fixture.viewer();
    fixture.manager.viewer_left(&fixture.peers, first, Cause::Peer);
    let second = fixture.viewer();
    let rows = fixture.manager.viewer_rows(&None);
    let shown: Vec<_> = rows.iter().map(|row| (row.info().id, row.info().status)).collect();
    assert_eq!(shown, [(1, Status::Closed), (2, Status::Online)]);
    fixture.manager.viewer_left(&fixture.peers, second, Cause::Memory);
    assert_eq!(fixture.manager.viewer_rows(&these(vec![2]))[0].info().status, Status::Errored);
    assert_eq!(fixture.manager.pair(1, 1).unwrap_err(), "there is no provider 1");
    let (id, _) = fixture.log(1);
    assert_eq!(fixture.manager.pair(id, 2).unwrap_err(), "viewer 2 is closed");
    assert_eq!(fixture.manager.pair(id, 3).unwrap_err(), "there is no viewer 3");
}

#[test]
fn a_viewer_says_open_before_anything_else() {
    let mut fixture = Fixture::new();
    let viewer = fixture.viewer();
    fixture.ask(viewer, Bits::UPDATE, None);
    assert!(fixture.hear(viewer).contains("say OPEN first"));
    fixture.ask(viewer, Bits::OPEN, None);
    assert!(fixture.hear(viewer).contains("no session"));
    fixture.ask(viewer, Bits::CLOSE, None);
    fixture.ask(viewer, Bits::UPDATE, None);
    assert!(fixture.hear(viewer).contains("say OPEN first"));
}

#[test]
fn a_log_is_read_in_pieces_and_then_shown() {
    let mut fixture = Fixture::new();
    let (viewer, session, (_, provider)) = (fixture.open_viewer(), fixture.session(), fixture.log(2));
    fixture.manager.show(&mut fixture.peers, session, provider, (State::Running, 1.0));
    fixture.manager.connect_viewer(&mut fixture.peers, (provider, viewer), session);
    assert!(fixture.hear(viewer).contains("the provider has sent nothing yet"));
    fixture.manager.do_one_job(&mut fixture.peers);
    assert!(fixture.manager.has_jobs() && fixture.hear(viewer).is_empty(), "only the heading has been read");
    fixture.work();
    assert!(fixture.hear(viewer).contains("world"));
}

#[test]
fn a_log_plays_while_its_session_runs_and_no_further() {
    let mut fixture = Fixture::new();
    let (session, (_, provider)) = (fixture.session(), fixture.log(9));
    fixture.choose(session, provider, State::Initialized);
    fixture.pass(5000);
    assert_eq!(fixture.time(provider), 0);
    fixture.flow(session, State::Initialized, State::Running, 1.0);
    fixture.pass(2600);
    assert_eq!(fixture.time(provider), 2);
    fixture.flow(session, State::Running, State::Paused, 1.0);
    fixture.pass(60_000);
    assert_eq!(fixture.time(provider), 2);
    fixture.flow(session, State::Paused, State::Running, 1.0);
    fixture.pass(399);
    assert_eq!(fixture.time(provider), 2, "the rest of the timestep is waited for");
    fixture.pass(1);
    assert_eq!(fixture.time(provider), 3);
}

#[test]
fn another_speed_holds_from_the_next_timestep_on() {
    let mut fixture = Fixture::new();
    let (session, provider, _) = fixture.running(9);
    fixture.pass(100);
    fixture.flow(session, State::Running, State::Running, 4.0);
    fixture.pass(250);
    assert_eq!(fixture.time(provider), 1);
    fixture.pass(500);
    assert_eq!(fixture.time(provider), 3);
}

#[test]
fn a_session_that_stops_puts_its_log_back_to_the_beginning() {
    let mut fixture = Fixture::new();
    let (session, provider, viewer) = fixture.running(9);
    fixture.pass(3000);
    assert_eq!(fixture.time(provider), 3);
    fixture.hear(viewer);
    fixture.flow(session, State::Running, State::Initialized, 1.0);
    assert_eq!(fixture.time(provider), 0);
    let heard = fixture.hear(viewer);
    assert!(heard.contains("the session is INITIALIZED") && heard.contains("world"), "{heard:?}");
}

#[test]
fn a_session_that_ends_frees_its_provider_and_tells_its_viewers() {
    let mut fixture = Fixture::new();
    let (session, provider, viewer) = fixture.running(9);
    fixture.pass(2000);
    fixture.hear(viewer);
    fixture.sessions.remove(session);
    fixture.manager.session_ended(&mut fixture.peers, session, State::Running);
    fixture.check();
    assert!(fixture.hear(viewer).contains("the session was closed"));
    assert!(!fixture.manager.is_used(session) && fixture.manager.session_of(provider).is_none());
    fixture.pass(9000);
    assert_eq!(fixture.time(provider), 2, "nobody plays it");
    let next = fixture.session();
    fixture.choose(next, provider, State::Initialized);
    assert_eq!(fixture.time(provider), 0, "the next session sees it from the beginning");
}

#[test]
fn a_session_ends_with_the_provider_that_it_was_made_for_and_another_goes_on() {
    let mut fixture = Fixture::new();
    let (session, _, viewer) = fixture.running(9);
    let (id, made_for) = fixture.log(9);
    let of_provider = fixture.session();
    fixture.manager.show(&mut fixture.peers, of_provider, made_for, (State::Running, 1.0));
    assert!(fixture.manager.close_providers(&mut fixture.peers, &[id]).outcome().is_ok());
    assert_eq!(fixture.events(), [Event::ProviderClosed { session: of_provider }]);
    let first = fixture.manager.shown(session).provider.unwrap();
    assert!(fixture.manager.close_providers(&mut fixture.peers, &[first, first, id]).outcome().is_ok());
    assert_eq!(fixture.events(), []);
    assert!(fixture.hear(viewer).contains("the provider was closed"));
    assert_eq!(fixture.manager.shown(session), Shown { provider: None, viewers: vec![1], status: Status::Online });
    let reason = fixture.manager.close_providers(&mut fixture.peers, &[77]).outcome();
    assert_eq!(reason.unwrap_err(), "there is no provider 77");
}

#[test]
fn a_provider_is_in_one_session_and_a_session_has_one() {
    let mut fixture = Fixture::new();
    let (a, b) = (fixture.session(), fixture.session());
    let ((first, first_key), (second, second_key)) = (fixture.log(1), fixture.log(1));
    assert_eq!(fixture.manager.provider_for(None, 9), Err(Unfit::Unknown));
    fixture.choose(a, first_key, State::Running);
    assert_eq!(fixture.manager.provider_for(Some(a), first), Ok(first_key));
    assert_eq!(fixture.manager.provider_for(Some(b), first), Err(Unfit::InSession(a)));
    assert_eq!(fixture.manager.provider_for(Some(a), second), Err(Unfit::HasAnother));
    // Each was free when it was asked for.
    fixture.choose(b, first_key, State::Running);
    fixture.choose(a, second_key, State::Running);
    assert_eq!(fixture.manager.session_of(first_key), Some(a));
    assert!(fixture.manager.session_of(second_key).is_none() && !fixture.manager.is_used(b));
}

#[test]
fn who_does_not_keep_up_loses_timesteps_and_begins_anew_and_others_notice_nothing() {
    let mut fixture = Fixture::new();
    let (session, provider, slow) = fixture.running(20);
    let quick = fixture.open_viewer();
    fixture.manager.connect_viewer(&mut fixture.peers, (provider, quick), session);
    fixture.hear(quick);
    for _ in 0..7 {
        fixture.pass(1000);
        assert!(fixture.hear(quick).contains("changes"));
    }
    assert_eq!(fixture.peers.counters.viewers_behind, 1);
    assert_eq!(fixture.hear(slow).matches("changes").count(), 1, "the oldest that had waited");
    assert_eq!(fixture.events().last(), Some(&Event::Drained { peer: slow }));
    fixture.manager.viewer_drained(&mut fixture.peers, slow);
    assert!(fixture.hear(slow).contains("timesteps were left out"));
    fixture.pass(1000);
    assert!(fixture.hear(slow).contains("changes"));
}

#[test]
fn an_old_timestep_of_a_log_is_read_once_more_beside_the_play() {
    let mut fixture = Fixture::new();
    let (_, provider, viewer) = fixture.running(9);
    fixture.pass(5000);
    fixture.hear(viewer);
    fixture.ask(viewer, Bits::WORLD, Some(2));
    fixture.work();
    let heard = fixture.hear(viewer);
    assert!(heard.contains("world") && !heard.contains("changes"), "{heard:?}");
    assert_eq!(fixture.time(provider), 5);
    fixture.ask(viewer, Bits::WORLD, Some(10));
    fixture.work();
    assert!(fixture.hear(viewer).contains("the log ends before this timestep"));
}

#[test]
fn questions_for_old_timesteps_are_answered_when_the_log_is_closed() {
    let mut fixture = Fixture::new();
    let (session, _, viewer) = fixture.running(9);
    fixture.ask(viewer, Bits::WORLD, Some(8));
    let id = fixture.manager.shown(session).provider.unwrap();
    assert!(fixture.manager.close_providers(&mut fixture.peers, &[id]).outcome().is_ok());
    fixture.work();
    let heard = fixture.hear(viewer);
    assert_eq!(heard.matches("the provider was closed").count(), 2, "the answer, and the word to all: {heard:?}");
    assert_eq!(fixture.peers.results(viewer).map(|results| results.promised), Some(0));
}

#[test]
fn a_kernel_that_does_not_answer_is_tried_ever_more_slowly_and_given_up() {
    let mut fixture = Fixture::new();
    let (session, key) = (fixture.session(), fixture.kernel());
    fixture.choose(session, key, State::Running);
    assert_eq!(fixture.manager.kernel_address(key).as_deref(), Some("[::1]:27931"));
    let mut moments = Vec::new();
    while fixture.status(session) == Status::Online {
        assert_eq!(fixture.peers.outputs.pop_front(), Some(Output::DialKernel(key)));
        moments.push(fixture.peers.now.0);
        assert!(fixture.manager.kernel_dialed(&mut fixture.peers, key, Err("refused")).is_none());
        let due = fixture.manager.soonest();
        fixture.pass(due.map_or(0, |due| due.since(fixture.peers.now).0));
    }
    assert_eq!(moments[..6], [0, 100, 300, 700, 1500, 3100]);
    assert!(moments.windows(2).all(|pair| pair[1] - pair[0] <= 2000) && moments.last() >= Some(&30_000));
    assert_eq!(fixture.peers.journal.errors().count(), 1);
}

#[test]
fn a_kernel_is_lost_with_its_own_connection_only() {
    let mut fixture = Fixture::new();
    let key = fixture.kernel();
    fixture.peers.outputs.clear();
    let remote = "[::1]:27931".parse().unwrap();
    let link = fixture.manager.kernel_dialed(&mut fixture.peers, key, Ok(remote)).unwrap();
    fixture.check();
    assert!(!fixture.peers.unsent(link)[0].is_empty(), "the first frame is ours");
    assert!(fixture.manager.kernel_dialed(&mut fixture.peers, key, Ok(remote)).is_none(), "one is enough");
    let other = fixture.peers.add_plain(Role::Controller, remote).unwrap();
    fixture.manager.kernel_gone(&mut fixture.peers, key, other, Cause::Peer);
    assert_eq!(fixture.manager.kernel_link(key), Some(link));
    fixture.manager.kernel_gone(&mut fixture.peers, key, link, Cause::Peer);
    assert_eq!(fixture.manager.kernel_link(key), None);
    fixture.pass(100);
    assert_eq!(fixture.peers.outputs.pop_back(), Some(Output::DialKernel(key)), "it is tried again");
}

#[test]
fn a_provider_that_brings_more_than_there_is_memory_for_ends_and_gives_it_back() {
    let mut fixture = Fixture::new();
    let (session, (_, provider)) = (fixture.session(), fixture.log(9));
    fixture.choose(session, provider, State::Running);
    let room = fixture.peers.pool.data_room();
    assert!(fixture.peers.pool.charge(room));
    while fixture.status(session) == Status::Online {
        let due = fixture.manager.soonest().unwrap();
        fixture.peers.advance(due);
        fixture.manager.expire(&mut fixture.peers);
        while fixture.manager.has_jobs() {
            fixture.manager.do_one_job(&mut fixture.peers);
        }
    }
    fixture.peers.pool.refund(room);
    fixture.check();
    assert_eq!((fixture.status(session), fixture.peers.pool.data_in_use()), (Status::Errored, 0));
}

#[test]
fn what_was_played_is_recorded_up_to_the_end_of_its_provider() {
    let mut fixture = Fixture::new();
    let written = Handed::default();
    fixture.manager.set_recorder(Box::new(written.clone()));
    // Recordings are not recorded once more.
    fixture.running(1);
    assert!(written.0.lock().unwrap().is_empty());
    let (_, key) = fixture.log(3);
    fixture.manager.providers.get_mut(key).unwrap().kind = crate::control::reply::ProviderType::RcrsLog;
    let session = fixture.session();
    fixture.choose(session, key, State::Running);
    fixture.pass(1000);
    let id = fixture.manager.shown(session).provider.unwrap();
    assert!(fixture.manager.close_providers(&mut fixture.peers, &[id]).outcome().is_ok());
    let deeds = written.0.lock().unwrap().clone();
    let kinds: Vec<_> = deeds.iter().map(|(_, deed)| core::mem::discriminant(deed)).collect();
    let append = core::mem::discriminant(&Deed::Append(Vec::new()));
    let mut end = Vec::new();
    vlog::write_end(&mut end);
    assert!(matches!(deeds[0].1, Deed::Begin { ref map_name, .. } if map_name == "town"));
    assert_eq!(
        (&kinds[1..3], &deeds[3..].iter().map(|(_, deed)| deed.clone()).collect::<Vec<_>>()[..]),
        (&[append; 2][..], &[Deed::Append(end), Deed::End][..])
    );
    for (ticket, _) in &deeds {
        assert_eq!(fixture.manager.written(&mut fixture.peers, *ticket, Ok(())), Ok(()));
    }
    assert_eq!(fixture.peers.counters.recordings_whole, 1);
    assert_eq!(fixture.manager.written(&mut fixture.peers, Ticket(99), Ok(())), Err(Ok(())), "it is somebody else's");
}
