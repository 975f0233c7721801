//! The Manager over loopback: every control function, viewers, logs, recordings.
#![expect(clippy::disallowed_methods, reason = "tests against real sockets read the clock")]

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::common::manager::{self, Controller, House, Watcher, wait_until};
use crate::common::rcrs;
use instep::config::Config;
use instep::control::client::{ControlRequest, encode_viewer};
use instep::control::envelope::Shape;
use instep::control::function::{Argument, Function};
use instep::control::record::Property;
use instep::control::section::Section;
use instep::control::viewer::Bits;
use instep::hub::Door;
use instep::limits::{BATCH_REASONS_MAX, CONTROL_IDS_MAX};
use instep::net::{Server, Turn};
use instep::rcrs::entity::Change;
use instep::rcrs::message::{Action, ChangeSet, Command, Perception, Record};
use instep::rcrs::urn::{EntityKind, PropertyKind, PropertySet};
use serde_json::json;

const OPEN: u32 = Bits::OPEN.0;
const CLOSE: u32 = Bits::CLOSE.0;
const ACTION: u32 = Bits::ACTION.0;
const UPDATE: u32 = Bits::UPDATE.0;
const WORLD: u32 = Bits::WORLD.0;
const PERCEPTION: u32 = Bits::PERCEPTION.0;
const CONFIG: u32 = Bits::CONFIG.0;
const MAP: u32 = Bits::MAP.0;

/// The civilian that moves one millimetre a step.
const CIVILIAN: i32 = 300;

/// A run of so many steps, in each of which one civilian moves and says so; its world has so many roads.
fn run(steps: i32, roads: i32) -> Vec<Record> {
    use PropertyKind as P;
    let mut initial: Vec<_> = (1000..1000 + roads)
        .map(|id| {
            let edges = [0, 0, 1000, 0, id + 1, 1000, 0, 0, -1000, 0];
            rcrs::entity(id, EntityKind::Road, &[(P::X, id), (P::Y, -id)], &[(P::Edges, &edges)])
        })
        .collect();
    initial.push(rcrs::entity(CIVILIAN, EntityKind::Civilian, &[(P::X, 0), (P::Y, 0), (P::Hp, 10_000)], &[]));
    let pairs = [("kernel.timesteps", "300"), ("gis.map.dir", "maps/test")];
    let mut records = vec![Record::Start, Record::Initial(initial), Record::Config(rcrs::config(&pairs))];
    for time in 1..=steps {
        let moved = Change {
            entity: rcrs::entity(CIVILIAN, EntityKind::Civilian, &[(P::X, time)], &[]),
            undefined: PropertySet::EMPTY,
        };
        let changes = ChangeSet { changed: vec![moved], deleted: vec![], skipped: 0 };
        let commands = vec![Command { agent: CIVILIAN, time, action: Action::Rest }];
        let visible = changes.clone();
        records.push(Record::Perception(Perception { time, agent: CIVILIAN, visible, heard: commands.clone() }));
        records.push(Record::Commands { time, commands });
        records.push(Record::Updates { time, changes });
    }
    records.push(Record::End);
    records
}

fn x_of(entities: &[instep::control::record::Entity<'_>]) -> Option<i32> {
    entities.iter().find(|entity| entity.id == CIVILIAN)?.properties.get(Property::X)
}

/// A viewer that is open and waits for a session, and its id.
fn waiting_viewer(house: &House, controller: &mut Controller, bits: u32) -> (Watcher, i64) {
    let before = controller.viewers();
    let mut viewer = house.viewer();
    let seen = viewer.call(OPEN | bits, None);
    assert_eq!((seen.message.as_str(), seen.result), ("no session", true));
    let id = controller.viewers().into_iter().find(|id| !before.contains(id)).unwrap();
    assert_eq!(seen.viewer, Some(id), "who is in no session is told its id");
    (viewer, id)
}

// ---- control functions ----

#[test]
fn every_function_is_answered_in_the_shape_of_its_request() {
    let house = House::new();
    house.directory.put("small.log", &rcrs::binary_log(&run(3, 1)));
    for (n, shape) in [Shape::Beside, Shape::Flat, Shape::Nested, Shape::Loose].into_iter().enumerate() {
        let n = i64::try_from(n).unwrap() + 1;
        let mut controller = house.controller();
        controller.shape = shape;
        let (watcher, viewer) = waiting_viewer(&house, &mut controller, 0);
        let opened = controller.call(Function::Open, |request| request.logfilename("small.log"));
        assert!(opened.ok);
        assert_eq!(opened.data["provider"], n);
        assert_eq!(opened.data["providerinfo"][0]["type"], "RCRS-LOG");
        assert_eq!(opened.data["providerinfo"][0]["ids"], "small.log");
        let connected = controller.call(Function::Connect, |request| request.connection(n, viewer));
        // The session `default` is the first of all.
        let session = n + 1;
        assert_eq!((connected.ok, &connected.data["session"]), (true, &json!(session)));
        assert_eq!(connected.data["sessioninfo"][0]["viewer"], json!([viewer]));
        let sessions = controller.call(Function::GetSessionInformation, |request| request.session(&[session]));
        assert_eq!(sessions.data["sessioninfo"][0]["provider"], n);
        let viewers = controller.call(Function::GetViewerInformation, |request| request.viewer(&[viewer]));
        assert_eq!(viewers.data["viewerinfo"][0]["address"]["host"], "127.0.0.1");
        assert_eq!(viewers.data["viewerinfo"][0]["status"], "online");
        assert_eq!(controller.provider(n)["id"], n);
        assert!(controller.ask(Function::GetErrorList).data["errors"].is_array());
        let manager = controller.ask(Function::GetManagerInformation).data["manager"].clone();
        assert_eq!((&manager["vieweres"], &manager["viewers"]), (&json!(1), &json!(1)));
        assert_eq!((&manager["providers"], &manager["sessions"]), (&json!(1), &json!(1)));
        assert_eq!(manager["status"], "online");
        assert!(controller.ask(Function::Refresh).ok, "a log is passed over when all are meant");
        assert!(controller.call(Function::Disconnect, |request| request.viewer(&[viewer])).ok);
        assert!(controller.call(Function::Close, |request| request.provider(&[n])).ok);
        drop(watcher);
        wait_until("the viewer is gone", || controller.viewers().is_empty());
    }
}

#[test]
fn exit_is_answered_before_the_end() {
    let house = House::new();
    let mut controller = house.controller();
    let answer = controller.ask(Function::Exit);
    assert!(answer.ok);
    assert!(controller.answer().is_none(), "closed in order");
    house.join();
}

#[test]
fn closed_ids_and_ids_never_given_are_told_apart() {
    let house = House::new();
    house.directory.put("small.log", &rcrs::binary_log(&run(1, 1)));
    let mut controller = house.controller();
    let (watcher, viewer) = waiting_viewer(&house, &mut controller, 0);
    let [one, two] = [controller.open("small.log"), controller.open("small.log")];
    let mixed = controller.call(Function::Close, |request| request.provider(&[one, 99, two, -1]));
    assert!(!mixed.ok);
    assert_eq!(mixed.message(), "there is no provider 99; there is no provider -1");
    assert!(controller.call(Function::Close, |request| request.provider(&[one, two])).ok, "closed already");
    assert_eq!(controller.ask(Function::GetProviderInformation).data["providerinfo"], json!([]));
    let which = controller.call(Function::GetProviderInformation, |request| request.provider(&[one, 99]));
    assert!(which.ok);
    assert_eq!(which.data["providerinfo"], json!([]));
    let three = controller.open_ready("small.log");
    assert_eq!(three, two + 1, "ids are never given twice");

    for (provider, who, why) in [
        (one, viewer, "provider 1 is closed"),
        (99, viewer, "there is no provider 99"),
        (three, 99, "there is no viewer 99"),
        (three, -5, "there is no viewer -5"),
    ] {
        let failed = controller.call(Function::Connect, |request| request.connection(provider, who));
        assert_eq!((failed.ok, failed.message()), (false, why));
        assert_eq!(failed.data["session"], json!(null));
    }
    assert!(controller.call(Function::Disconnect, |request| request.viewer(&[viewer])).ok, "in no session");
    assert!(!controller.call(Function::Disconnect, |request| request.viewer(&[viewer, 99])).ok);
    drop(watcher);
    wait_until("the viewer is gone", || controller.viewers().is_empty());
    assert!(controller.call(Function::Disconnect, |request| request.viewer(&[viewer])).ok, "has left");
    let gone = controller.call(Function::Connect, |request| request.connection(three, viewer));
    assert_eq!(gone.message(), "viewer 1 is closed");
    let rows = controller.call(Function::GetViewerInformation, |request| request.viewer(&[viewer]));
    assert_eq!(rows.data["viewerinfo"][0]["status"], "closed", "who has left is shown for a while");
    let named = controller.call(Function::Refresh, |request| request.provider(&[three]));
    assert_eq!((named.ok, named.data["provider"].clone()), (false, json!([])), "a log cannot be renewed");
    assert!(controller.errors().iter().any(|line| line.contains("there is no provider 99")));
}

#[test]
fn a_half_close_waits_for_the_answers() {
    const REQUESTS: usize = 60_000;
    let house = House::new();
    let mut controller = house.controller();
    // The answers are more than the sockets take, so some wait in the server when it sees the end.
    socket2::SockRef::from(&controller.wire.stream).set_recv_buffer_size(1 << 16).unwrap();
    let mut bytes = Vec::new();
    for _ in 0..REQUESTS {
        ControlRequest::begin(&mut bytes, Shape::Loose, Function::GetManagerInformation).finish();
    }
    controller.wire.send(&bytes);
    controller.wire.stream.shutdown(Shutdown::Write).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    for n in 0..REQUESTS {
        assert!(controller.wire.body().is_some(), "only {n} answers");
    }
    assert!(controller.wire.body().is_none());
}

/// The client's end and its reset come together, behind a request: the answer cannot be written any more.
#[test]
fn who_asks_and_hangs_up_at_once_leaves_nothing_behind() {
    for door in [Door::Control, Door::Viewer] {
        let any = || vec!["127.0.0.1:0".to_owned()];
        let config =
            Config { bind: any(), control_bind: any(), viewer_bind: any(), http_bind: any(), ..Config::default() };
        let mut server = Server::bind(config).unwrap();
        let address = server.addresses(door).next().unwrap();
        for n in 1..=20 {
            let mut client = TcpStream::connect(address).unwrap();
            turn_until(&mut server, |server| server.hub().counters().connections_opened == n);
            let mut request = Vec::new();
            if door == Door::Viewer {
                encode_viewer(&mut request, Bits::OPEN, None);
            } else {
                ControlRequest::begin(&mut request, Shape::Beside, Function::GetManagerInformation).finish();
            }
            client.write_all(&request).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
            drop(client);
            turn_until(&mut server, |server| server.hub().counters().connections_closed == n);
        }
    }
}

/// Takes turns of the server in this thread.
fn turn_until(server: &mut Server, reached: impl Fn(&Server) -> bool) {
    let began = Instant::now();
    while !reached(server) {
        assert!(began.elapsed() < manager::PATIENCE, "{:?}", server.hub().counters());
        assert_eq!(server.turn(Some(Duration::from_millis(1))).unwrap(), Turn::Goes);
    }
}

#[test]
fn pipelined_requests_are_all_answered_in_order_even_after_a_half_close() {
    const REQUESTS: usize = 60_000;
    let house = House::new();
    let mut controller = house.controller();
    let mut other = house.controller();
    let mut bytes = Vec::new();
    for n in 0..REQUESTS {
        let function = if n % 1000 == 0 { Function::GetErrorList } else { Function::GetManagerInformation };
        ControlRequest::begin(&mut bytes, Shape::Flat, function).finish();
    }
    let mut stream = controller.wire.stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        stream.write_all(&bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
    });
    // The answers fill every buffer before the first of them is read.
    std::thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    assert!(other.ask(Function::GetManagerInformation).ok);
    assert!(began.elapsed() < Duration::from_secs(1), "others are served meanwhile");
    for n in 0..REQUESTS {
        let id = if n % 1000 == 0 { 2 } else { 4 };
        let body = controller.wire.body().unwrap_or_else(|| panic!("only {n} answers"));
        assert_eq!(body[..3], [0x93, id, 0xc3], "answer {n}");
    }
    assert!(controller.wire.body().is_none());
    writer.join().unwrap();
}

#[test]
fn what_cannot_be_decoded_is_answered_with_id_zero_and_closes_that_connection_alone() {
    let house = House::new();
    let mut other = house.controller();
    for bytes in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\xcd\x00\x01\xc1", b"\xff", b"\xce\xff\xff\xff\xff", b"\xa1x", b"\x00"]
    {
        let mut controller = house.controller();
        controller.wire.send(bytes);
        // The first byte of a browser is a length; its words then are a request that waits for more.
        if bytes.starts_with(b"G") {
            controller.wire.send(&[b'x'; 100]);
        }
        let answer = controller.answer().unwrap();
        assert_eq!((answer.id, answer.ok), (0, false), "{bytes:?}");
        assert!(!answer.message().is_empty());
        assert!(controller.answer().is_none(), "{bytes:?} closes");
        assert!(other.ask(Function::GetManagerInformation).ok);
    }
    let mut controller = house.controller();
    controller.wire.send(b"\xcd\x00\x05\x92\xa11\x4d\x80");
    let answer = controller.answer().unwrap();
    assert_eq!((answer.id, answer.ok), (77, false), "an unknown function keeps its id and the connection");
    assert!(controller.ask(Function::GetManagerInformation).ok);
}

#[test]
fn a_request_may_come_in_any_pieces() {
    let house = House::new();
    let mut bytes = Vec::new();
    ControlRequest::begin(&mut bytes, Shape::Nested, Function::GetProviderInformation).provider(&[1, 2, 3]).finish();
    for cut in 1..bytes.len() {
        let mut controller = house.controller();
        controller.wire.send(&bytes[..cut]);
        std::thread::sleep(Duration::from_millis(1));
        controller.wire.send(&bytes[cut..]);
        assert_eq!(controller.answer().unwrap().data["providerinfo"], json!([]), "cut at {cut}");
    }
}

#[test]
fn several_viewers_in_one_connection_are_in_one_session() {
    let house = House::new();
    house.directory.put("small.log", &rcrs::binary_log(&run(1, 1)));
    let mut controller = house.controller();
    let (mut first, one) = waiting_viewer(&house, &mut controller, 0);
    let (mut second, two) = waiting_viewer(&house, &mut controller, 0);
    assert_eq!(controller.open_ready("small.log"), 1);
    // {"connection": {"provider": 1, "viewer": [1, 2, 99]}}
    let ids = [u8::try_from(one).unwrap(), u8::try_from(two).unwrap(), 99];
    let body = [&b"\x92\xa11\xcc\xc9\x81\xaaconnection\x82\xa8provider\x01\xa6viewer\x93"[..], &ids].concat();
    controller.wire.send(&[&[0xcd, 0, u8::try_from(body.len()).unwrap()][..], &body].concat());
    let answer = controller.answer().unwrap();
    assert_eq!((answer.id, answer.ok, answer.message()), (201, false, "there is no viewer 99"));
    assert_eq!(answer.data["session"], json!(2), "one connection, one session");
    assert_eq!(answer.data["sessioninfo"][0]["viewer"], json!([one, two]));
    assert_eq!([first.see().keys(), second.see().keys()], [["map", "world", "config"], ["map", "world", "config"]]);
}

#[test]
fn lines_of_the_error_list_are_cut() {
    let house = House::new();
    let mut controller = house.controller();
    let ids: Vec<i64> = (1000..1000 + i64::try_from(CONTROL_IDS_MAX).unwrap()).collect();
    let failed = controller.call(Function::Close, |request| request.provider(&ids));
    let count = CONTROL_IDS_MAX - BATCH_REASONS_MAX;
    assert!(failed.message().starts_with("there is no provider 1000; there is no provider 1001; "));
    assert!(failed.message().ends_with(&format!("; and {count} more")), "{}", failed.message());
    // The cut falls into a letter of two bytes.
    let name = "a".to_owned() + &"ö".repeat(2000);
    for _ in 0..300 {
        assert!(!controller.call(Function::Open, |request| request.logfilename(&name)).ok);
    }
    let errors = controller.errors();
    assert_eq!(errors.len(), 256);
    assert!(errors.iter().all(|line| line.len() < 1100 && line.ends_with("öö …")), "{}", errors[0]);
}

// ---- logs and their clock ----

#[test]
fn a_log_is_played_at_its_pace_and_closes_at_its_end() {
    let house = House::with(|config| config.play_speed_percent = 1000);
    house.directory.put("run.xz", &rcrs::lzma_alone(&rcrs::framed_log(&run(5, 3))));
    let mut controller = house.controller();
    let (mut viewer, id) = waiting_viewer(&house, &mut controller, 0);
    let provider = controller.open_ready("run.xz");
    assert_eq!(controller.provider(provider)["maxtime"], 300);
    assert_eq!(controller.provider(provider)["time"], 0, "nobody watches, so the clock stands");
    let began = Instant::now();
    controller.connect(provider, id);
    let initial = viewer.see();
    assert_eq!((initial.time, initial.keys()), (0, vec!["map", "world", "config"]));
    assert_eq!(initial.world().len(), 4);
    for time in 1..=5 {
        let step = viewer.see();
        assert_eq!((step.time, step.request), (i64::from(time), Bits::ACTION | Bits::UPDATE));
        assert_eq!(step.keys(), ["commands", "changes"]);
        assert_eq!(x_of(&step.changes()), Some(time));
        let due = Duration::from_millis(100) * u32::try_from(time).unwrap();
        let taken = began.elapsed();
        assert!(taken + Duration::from_millis(5) > due, "{time} came after {taken:?}: never before its time");
    }
    let ended = controller.wait_for_status(provider, "closed");
    assert_eq!((&ended["time"], &ended["maxtime"]), (&json!(5), &json!(5)), "what was reached, not what was planned");
    let sessions = controller.ask(Function::GetSessionInformation);
    assert_eq!(sessions.data["sessioninfo"][0]["status"], "closed");
    assert!(viewer.see_within(Duration::from_millis(50)).is_err(), "nothing more comes");
    assert_eq!(viewer.ends, 1, "but the word that the log has ended");
    assert!(controller.call(Function::Close, |request| request.provider(&[provider])).ok);
    assert_eq!(viewer.see().message, "the session was closed");
    let left = controller.ask(Function::GetSessionInformation).data["sessioninfo"].clone();
    assert_eq!(left, json!([]), "`default` shows nothing");
}

#[test]
fn every_kind_of_log_is_played() {
    let house = House::new();
    let records = run(4, 2);
    let kinds = [
        ("a.log", rcrs::binary_log(&records)),
        ("b.frames", rcrs::framed_log(&records)),
        ("c.xz", rcrs::lzma_alone(&rcrs::framed_log(&records))),
        ("d.7z", rcrs::archive(&rcrs::entries(&records), rcrs::Packing::Lzma2, true)),
        ("e.log.gz", rcrs::gzip(&rcrs::binary_log(&records), true)),
        ("f.log.xz", rcrs::xz(&[&rcrs::binary_log(&records)], 4)),
    ];
    for (name, bytes) in kinds {
        house.directory.put(name, &bytes);
        let mut controller = house.controller();
        let (mut viewer, id) = waiting_viewer(&house, &mut controller, WORLD | UPDATE | ACTION | PERCEPTION);
        let provider = controller.open_ready(name);
        controller.connect(provider, id);
        let seen = viewer.see_until(4);
        let last = seen.last().unwrap();
        assert_eq!(last.keys(), ["world", "commands", "changes", "perceptions"], "{name}");
        assert_eq!(x_of(&last.world()), Some(4), "{name}");
        controller.wait_for_status(provider, "closed");
        assert!(controller.call(Function::Close, |request| request.provider(&[provider])).ok);
    }
}

#[test]
fn old_timesteps_are_asked_for_by_time() {
    let house = House::with(|config| config.play_speed_percent = 2000);
    house.directory.put("run.log", &rcrs::binary_log(&run(12, 2)));
    let mut controller = house.controller();
    let (mut viewer, id) = waiting_viewer(&house, &mut controller, WORLD);
    let provider = controller.open_ready("run.log");
    controller.connect(provider, id);
    viewer.see_until(2);
    // The clock is at 2 or a little later: 11 lies ahead of it, 1 behind.
    for time in [11, 1, 1, 12] {
        viewer.ask(WORLD | UPDATE | ACTION | PERCEPTION, Some(time));
        let answer = loop {
            let seen = viewer.see();
            if seen.request != Bits::WORLD {
                break seen;
            }
        };
        assert_eq!((answer.time, answer.result, answer.message.as_str()), (time, true, ""));
        assert_eq!(answer.keys(), ["world", "commands", "changes", "perceptions"]);
        assert_eq!(x_of(&answer.world()).map(i64::from), Some(time));
    }
    controller.wait_for_status(provider, "closed");
    viewer.see_until(12);
    // Without bits the selection holds, and it holds still afterwards.
    assert_eq!(viewer.call(0, Some(7)).keys(), ["world"]);
    let far = viewer.call(UPDATE, Some(13));
    assert_eq!((far.result, far.time, far.message.as_str()), (false, 13, "the log ends before this timestep"));
    let whole = viewer.call(MAP | CONFIG | WORLD, Some(3));
    assert_eq!(whole.keys(), ["map", "world", "config"], "map and config may be asked for with an old timestep too");
    let (mut lonely, _) = waiting_viewer(&house, &mut controller, 0);
    let none = lonely.call(WORLD, Some(3));
    assert_eq!((none.result, none.time, none.message.as_str()), (false, 3, "no session"));
}

/// It asks and ends its side, as a pipe to a socket does; looking for the timestep takes longer.
#[test]
fn a_half_close_waits_for_old_timesteps_too() {
    let house = House::with(|config| config.play_speed_percent = 100);
    house.directory.put("run.log", &rcrs::binary_log(&run(200, 2)));
    let mut controller = house.controller();
    let provider = controller.open_ready("run.log");
    for time in [150, 201] {
        let (mut viewer, id) = waiting_viewer(&house, &mut controller, UPDATE);
        controller.connect(provider, id);
        viewer.see();
        viewer.ask(ACTION, Some(time));
        viewer.wire.stream.shutdown(Shutdown::Write).unwrap();
        let answer = loop {
            let seen = viewer.see();
            if seen.request == Bits::ACTION {
                break seen;
            }
        };
        assert_eq!((answer.time, answer.result), (time, time == 150));
        assert_eq!(viewer.see_within(manager::PATIENCE), Ok(None), "then it is closed");
        wait_until("it has left", || controller.viewers().is_empty());
    }
}

#[test]
fn a_log_that_is_cut_short_is_played_as_far_as_it_is_whole() {
    let house = House::new();
    let bytes = rcrs::binary_log(&run(6, 1));
    house.directory.put("cut.log", &bytes[..bytes.len() - 30]);
    let mut controller = house.controller();
    let (mut viewer, id) = waiting_viewer(&house, &mut controller, 0);
    let provider = controller.open_ready("cut.log");
    controller.connect(provider, id);
    viewer.see_until(5);
    let ended = controller.wait_for_status(provider, "errored");
    assert_eq!((&ended["time"], &ended["maxtime"]), (&json!(5), &json!(5)));
    let errors = controller.errors();
    let line = errors.iter().find(|line| line.contains("cut.log: cut at 5: the log is cut short")).unwrap();
    let (date, rest) = line.split_once(' ').unwrap();
    assert!(date.len() == 10 && date.starts_with("20") && rest[8..].starts_with(" UTC "), "{line}");
    // What is whole can be seen again.
    pull(&mut controller, &["stop", "start"]);
    viewer.see_until(5);
}

#[test]
fn a_log_that_ends_before_its_first_timestep_shows_its_first_world() {
    let house = House::new();
    let bytes = rcrs::binary_log(&run(0, 1));
    for (name, bytes, status) in
        [("cut.log", &bytes[..bytes.len() - 3], "errored"), ("short.log", &bytes[..], "closed")]
    {
        house.directory.put(name, bytes);
        let mut controller = house.controller();
        let (mut viewer, id) = waiting_viewer(&house, &mut controller, WORLD);
        let provider = controller.open(name);
        controller.connect(provider, id);
        let mut seen = viewer.see();
        while seen.section(Section::World).is_none() {
            assert!(seen.message.is_empty(), "{name}: {seen:?}");
            seen = viewer.see();
        }
        assert_eq!(seen.time, 0, "{name}: {seen:?}");
        let ended = controller.wait_for_status(provider, status);
        assert_eq!(ended["time"], 0, "{ended}");
        assert!(
            status == "closed" || ended["message"].as_str().unwrap().contains("cut at 0: the log is cut short"),
            "{ended}"
        );
    }
}

/// Pulls triggers of the session that Connect made first.
fn pull(controller: &mut Controller, triggers: &[&str]) {
    let sessions = controller.ask(Function::GetSessionInformation).data["sessioninfo"].clone();
    let made = sessions.as_array().unwrap().iter().find(|session| session["provider"] != 0).unwrap();
    let id = made["id"].as_i64().unwrap();
    for trigger in triggers {
        let answer =
            controller.call(Function::Trigger, |request| request.session(&[id]).text(Argument::Trigger, trigger));
        assert!(answer.ok, "{trigger}: {answer:?}");
    }
}

/// A session that was made so that somebody sees a log waits while nobody does; one that was started goes on.
#[test]
fn a_log_waits_for_viewers_unless_its_session_was_started() {
    let house = House::with(|config| config.play_speed_percent = 10_000);
    house.directory.put("long.log", &rcrs::binary_log(&run(2000, 1)));
    let mut controller = house.controller();
    let (mut viewer, id) = waiting_viewer(&house, &mut controller, UPDATE);
    let provider = controller.open_ready("long.log");
    controller.connect(provider, id);
    viewer.see_until(5);
    assert!(controller.call(Function::Disconnect, |request| request.viewer(&[id])).ok);
    let time = |controller: &mut Controller| controller.provider(provider)["time"].as_i64().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let stands = time(&mut controller);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(time(&mut controller), stands, "nobody watches");
    controller.connect(provider, id);
    viewer.see_until(stands + 3);
    pull(&mut controller, &["pause", "resume"]);
    assert!(controller.call(Function::Disconnect, |request| request.viewer(&[id])).ok);
    let left = time(&mut controller);
    wait_until("it goes on by itself", || time(&mut controller) > left + 5);
}

#[test]
fn the_map_says_where_it_lies() {
    let house = House::new();
    house.directory.put("small.log", &rcrs::binary_log(&run(1, 3)));
    let mut controller = house.controller();
    let (mut viewer, id) = waiting_viewer(&house, &mut controller, MAP);
    let provider = controller.open_ready("small.log");
    controller.connect(provider, id);
    let map = instep::control::replay::map(viewer.see().section(Section::Map).unwrap()).unwrap();
    assert_eq!((map.origin, map.bounds()), (Some([0.0, -1000.0]), [0.0, -1000.0, 1000.0, 0.0]));
}

/// A log of a kernel of 2021: its numbers lack the high byte.
#[test]
fn numbers_without_their_high_byte_are_read_and_other_unknown_ones_are_an_error() {
    use rcrs::proto::{bytes, int};
    let property = |number, value| bytes(3, &[int(1, number), int(2, 1), int(3, value)].concat());
    let log = |kind: i32| {
        let entity = [int(1, kind), int(2, 7), property(6, 3), property(20, 9), property(24, 100)].concat();
        let change = bytes(1, &[int(1, 7), int(2, kind), property(6, 4)].concat());
        let part = |key, content: Vec<u8>| bytes(2, &[int(1, key), bytes(2, &content)].concat());
        // A move: the agent and the x have one key.
        let path = bytes(6, &bytes(1, &[1, 2]));
        let command = [int(1, 2), part(2, int(5, 7)), part(14, int(9, 1)), part(5, path), part(2, int(9, 44))].concat();
        let config = rcrs::proto::pairs(&rcrs::config(&[("kernel.timesteps", "1")]));
        let records = [
            bytes(1, &[]),
            bytes(2, &bytes(1, &entity)),
            bytes(5, &bytes(1, &config)),
            bytes(3, &[int(1, 1), bytes(2, &command)].concat()),
            bytes(6, &[int(1, 1), bytes(2, &change)].concat()),
            bytes(7, &[]),
        ];
        records.iter().flat_map(|record| rcrs::frame(record)).collect::<Vec<_>>()
    };
    let house = House::new();
    house.directory.put("interim.log", &log(11));
    house.directory.put("strange.log", &log(0x4711));
    let mut controller = house.controller();
    let (mut viewer, id) = waiting_viewer(&house, &mut controller, WORLD | UPDATE | ACTION);
    let provider = controller.open_ready("interim.log");
    controller.connect(provider, id);
    let results = viewer.see_until(1);
    manager::merged_worlds(&results);
    let last = results.last().unwrap();
    let [civilian] = &last.world()[..] else { panic!("one entity") };
    assert_eq!((civilian.id, civilian.properties.get(Property::X)), (7, Some(4)));
    assert_eq!(civilian.properties.get(Property::Hp), Some(100));
    let actions = instep::control::replay::actions(last.section(Section::Commands).unwrap()).unwrap();
    assert_eq!((actions[0].id, actions[0].x, actions[0].path.as_deref()), (7, Some(44), Some(&[1, 2][..])));
    let strange = controller.call(Function::Open, |request| request.logfilename("strange.log"));
    if strange.ok {
        controller.wait_for_status(strange.data["provider"].as_i64().unwrap(), "errored");
    }
    assert!(controller.errors().iter().any(|line| line.contains("none of its entities is of a known kind")));
}

#[test]
fn damaged_logs_end_as_errored_and_others_go_on() {
    let house = House::with(|config| config.play_speed_percent = 2000);
    house.directory.put("good.log", &rcrs::binary_log(&run(20, 1)));
    let mut controller = house.controller();
    let (mut viewer, id) = waiting_viewer(&house, &mut controller, 0);
    let good = controller.open_ready("good.log");
    controller.connect(good, id);
    let mut damaged = rcrs::lzma_alone(&rcrs::framed_log(&run(200, 50)));
    let middle = damaged.len() / 2;
    damaged[middle..].fill(0x55);
    let mut wild = rcrs::binary_log(&run(2, 1));
    wild.splice(8..16, [0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff]);
    // A frame of the highest length, as zeros: a megabyte on disk for each gigabyte in memory.
    let mut bomb = rcrs::frame(&rcrs::proto::record(&Record::Start));
    bomb.extend([0x7f, 0xff, 0xff, 0xff]);
    bomb.resize(4 << 20, 0);
    let bomb = rcrs::lzma_alone(&bomb);
    for (name, bytes) in [("damaged.xz", damaged), ("wild.log", wild), ("bomb.xz", bomb)] {
        house.directory.put(name, &bytes);
        let provider = controller.open(name);
        controller.wait_for_status(provider, "errored");
        assert!(controller.errors().iter().any(|line| line.contains(name)), "{name}");
        assert!(controller.ask(Function::GetManagerInformation).ok);
    }
    assert_eq!(viewer.see_until(20).len(), 21);
    controller.wait_for_status(good, "closed");
}

#[test]
fn a_step_may_not_have_more_perceptions_than_memory() {
    let house = House::new();
    let heard: Vec<Command> = (0..20_000).map(|time| Command { agent: 1, time, action: Action::Rest }).collect();
    let mut records = run(0, 1);
    records.pop();
    let visible = ChangeSet { changed: vec![], deleted: vec![], skipped: 0 };
    let perception = rcrs::proto::record(&Record::Perception(Perception { time: 1, agent: 1, visible, heard }));
    let mut bytes = rcrs::framed_log(&records);
    for _ in 0..80 {
        bytes.extend(rcrs::frame(&perception));
    }
    house.directory.put("perceptions.xz", &rcrs::lzma_alone(&bytes));
    let mut controller = house.controller();
    let provider = controller.open("perceptions.xz");
    controller.wait_for_status(provider, "errored");
    assert!(controller.errors().iter().any(|line| line.contains("too much is perceived in one timestep")));
}

#[test]
fn names_that_cannot_be_opened_are_refused_with_a_reason() {
    let house = House::with(|config| config.providers_max = 2);
    let outside = manager::Directory::new();
    outside.put("secret.log", &rcrs::binary_log(&run(1, 1)));
    house.directory.put("good.log", &rcrs::binary_log(&run(1, 1)));
    house.directory.put("text.log", b"this is only text, whatever its name says");
    house.directory.put("empty.xz", b"");
    std::os::unix::fs::symlink(outside.path().join("secret.log"), house.directory.path().join("link.log")).unwrap();
    assert!(
        std::process::Command::new("mkfifo").arg(house.directory.path().join("pipe.log")).status().unwrap().success()
    );
    let absolute = outside.path().join("secret.log").display().to_string();
    let mut controller = house.controller();
    for (name, why) in [
        ("none.log", "there is no log"),
        ("text.log", "not a simulation log"),
        ("empty.xz", "empty"),
        ("../secret.log", "there is no log"),
        ("link.log", "there is no log"),
        ("pipe.log", "is not a file"),
        (".", "is not a file"),
        (absolute.as_str(), "there are: empty.xz, good.log, text.log"),
        ("a\0b", ""),
    ] {
        let answer = controller.call(Function::Open, |request| request.logfilename(name));
        assert!(!answer.ok && answer.message().contains(why), "{name}: {}", answer.message());
    }
    assert!(!controller.ask(Function::Open).ok, "nothing to open");
    assert!(!controller.call(Function::Open, |request| request.address("127.0.0.1", 0)).ok);
    let named = controller.call(Function::Open, |request| request.logfilename("good.log"));
    assert!(named.ok);
    let full = house.directory.path().join("good.log").display().to_string();
    assert!(controller.call(Function::Open, |request| request.logfilename(&full)).ok, "an absolute name below");
    let many = controller.call(Function::Open, |request| request.logfilename("good.log"));
    assert!(many.message().contains("providers_max"), "{many:?}");
    assert!(controller.call(Function::Close, |request| request.provider(&[1])).ok);
    assert!(controller.call(Function::Open, |request| request.logfilename("good.log")).ok);
}

#[test]
fn what_could_not_be_opened_takes_nobodys_place() {
    let house = House::with(|config| config.providers_max = 2);
    let bytes = rcrs::binary_log(&run(1, 1));
    house.directory.put("good.log", &bytes);
    house.directory.put("cut.log", bytes.get(..20).unwrap());
    let mut controller = house.controller();
    let first = controller.open("good.log");
    for _ in 0..5 {
        let answer = controller.call(Function::Open, |request| request.logfilename("cut.log"));
        assert!(!answer.ok && !answer.message().contains("providers_max"), "{}", answer.message());
    }
    let second = controller.open("good.log");
    assert!(second > first + 5, "each had a number of its own");
    let many = controller.call(Function::Open, |request| request.logfilename("good.log"));
    assert!(many.message().contains("providers_max"), "what can be shown stays: {many:?}");
}

// ---- viewers ----

#[test]
fn a_viewer_says_open_first_and_chooses_what_it_is_sent() {
    let house = House::with(|config| config.play_speed_percent = 1);
    house.directory.put("run.log", &rcrs::binary_log(&run(2, 1)));
    let mut controller = house.controller();
    let mut viewer = house.viewer();
    let early = viewer.call(ACTION, None);
    assert_eq!((early.result, early.message.as_str(), early.request), (false, "say OPEN first", Bits::ACTION));
    let opened = viewer.call(OPEN, None);
    assert_eq!((opened.result, opened.message.as_str(), opened.request), (true, "no session", Bits::OPEN));
    assert!(opened.keys().is_empty());
    let provider = controller.open_ready("run.log");
    let id = controller.viewers()[0];
    controller.connect(provider, id);
    let initial = viewer.see();
    assert_eq!((initial.request, initial.keys()), (Bits(MAP | CONFIG | WORLD), vec!["map", "world", "config"]));
    for (bits, keys) in [
        (0, vec![]),
        (MAP, vec!["map"]),
        (CONFIG | UPDATE, vec!["config"]),
        (MAP | CONFIG, vec!["map", "config"]),
        (ACTION | UPDATE, vec![]),
    ] {
        let answer = viewer.call(bits, None);
        assert_eq!((answer.result, answer.request, answer.keys()), (true, Bits(bits), keys));
    }
    for (bits, keys) in [
        (OPEN, vec!["map", "world", "config"]),
        (OPEN | WORLD | UPDATE, vec!["world"]),
        (OPEN | MAP | ACTION, vec!["map"]),
        (OPEN | UPDATE, vec![]),
    ] {
        let answer = viewer.call(bits, None);
        assert_eq!((answer.request, answer.keys()), (Bits(bits), keys), "an initial result for {bits}");
    }
    let closed = viewer.call(CLOSE, None);
    assert_eq!((closed.result, closed.request), (true, Bits::CLOSE));
    let sessions = controller.ask(Function::GetSessionInformation);
    assert_eq!(sessions.data["sessioninfo"][0]["viewer"], json!([]), "CLOSE leaves the session");
    assert!(!viewer.call(ACTION, None).result, "a closed viewer opens first");
    assert_eq!(viewer.call(OPEN, None).message, "no session", "the connection is used again");
    controller.connect(provider, id);
    assert_eq!(viewer.see().keys(), ["map", "world", "config"]);
}

#[test]
fn a_selection_of_steps_alone_leaves_initial_results_as_they_were() {
    let house = House::with(|config| config.play_speed_percent = 1);
    house.directory.put("run.log", &rcrs::binary_log(&run(2, 1)));
    let mut controller = house.controller();
    let (mut viewer, id) = waiting_viewer(&house, &mut controller, 0);
    assert!(viewer.call(ACTION | UPDATE, None).result, "the document's own example");
    let provider = controller.open_ready("run.log");
    controller.connect(provider, id);
    assert_eq!(viewer.see().keys(), ["map", "world", "config"]);
}

#[test]
fn a_viewer_that_is_moved_to_another_session_starts_anew() {
    let house = House::new();
    house.directory.put("three.log", &rcrs::binary_log(&run(3, 1)));
    house.directory.put("five.log", &rcrs::binary_log(&run(5, 2)));
    let mut controller = house.controller();
    let (mut viewer, id) = waiting_viewer(&house, &mut controller, 0);
    let three = controller.open_ready("three.log");
    let first = controller.connect(three, id);
    viewer.see_until(3);
    controller.wait_for_status(three, "closed");
    let five = controller.open_ready("five.log");
    let second = controller.connect(five, id);
    assert_ne!(first, second);
    let initial = viewer.see();
    assert_eq!((initial.time, initial.world().len()), (0, 3));
    assert_eq!(viewer.see_until(5).len(), 5);
    let sessions = controller.ask(Function::GetSessionInformation).data["sessioninfo"].clone();
    assert_eq!((&sessions[0]["viewer"], &sessions[1]["viewer"]), (&json!([]), &json!([id])));
    // Back in the ended one it sees its last world.
    assert_eq!(controller.connect(three, id), first, "a provider has one session");
    let last = viewer.see();
    assert_eq!((last.time, x_of(&last.world())), (3, Some(3)));
    let (mut late, late_id) = waiting_viewer(&house, &mut controller, WORLD);
    assert_eq!(controller.connect(five, late_id), second);
    assert_eq!(x_of(&late.see().world()), Some(5));
}

#[test]
fn what_cannot_be_decoded_closes_a_viewer_alone() {
    let house = House::new();
    house.directory.put("run.log", &rcrs::binary_log(&run(100, 1)));
    let mut controller = house.controller();
    let (mut good, good_id) = waiting_viewer(&house, &mut controller, 0);
    let (mut bad, bad_id) = waiting_viewer(&house, &mut controller, 0);
    let provider = controller.open_ready("run.log");
    controller.connect(provider, good_id);
    bad.wire.send(b"\x02\x81\xa7request\xa1x");
    let refused = bad.see();
    assert!(!refused.result && !refused.message.is_empty());
    assert_eq!(bad.see_within(manager::PATIENCE), Ok(None), "closed");
    assert_eq!(good.see_until(100).len(), 101);
    let rows = controller.call(Function::GetViewerInformation, |request| request.viewer(&[bad_id]));
    assert_eq!(rows.data["viewerinfo"][0]["status"], "errored");
    // A value that is wrong in a message that is whole is refused, and no more.
    let (mut odd, _) = waiting_viewer(&house, &mut controller, 0);
    odd.wire.send(b"\x0b\x81\xa7request\xa1x");
    assert!(!odd.see().result);
    assert!(odd.call(CLOSE, None).result);
}

#[test]
fn a_step_is_encoded_once_for_each_selection_whoever_watches() {
    const STEPS: i32 = 30;
    let house = House::with(|config| config.play_speed_percent = 5000);
    house.directory.put("run.log", &rcrs::binary_log(&run(STEPS, 10)));
    let mut controller = house.controller();
    let provider = controller.open_ready("run.log");
    let mut viewers: Vec<_> = (0..200).map(|_| house.viewer()).collect();
    for (n, viewer) in viewers.iter_mut().enumerate() {
        viewer.ask(OPEN | if n % 2 == 0 { 0 } else { WORLD | ACTION }, None);
        viewer.see();
    }
    let ids = controller.viewers();
    assert_eq!(ids.len(), 200);
    // All of them by one request, so that they see the same steps.
    let body = connect_all(provider, &ids);
    controller.wire.send(&body);
    assert!(controller.answer().unwrap().ok);
    for (n, viewer) in viewers.iter_mut().enumerate() {
        let seen = viewer.see_until(i64::from(STEPS));
        assert_eq!(seen.len(), usize::try_from(STEPS).unwrap() + 1, "viewer {n}");
    }
    let server = house.stop();
    let counters = server.hub().counters();
    assert_eq!(counters.results_encoded, 2 * 30);
    assert_eq!((counters.results_sent, counters.viewers_behind), (200 * 30, 0));
    assert_eq!((counters.initials, counters.initials_encoded), (200, 2), "and so is the fresh start");
}

/// A Connect of all viewers to one provider.
fn connect_all(provider: i64, viewers: &[i64]) -> Vec<u8> {
    let mut body = b"\x92\xa11\xcc\xc9\x81\xaaconnection\x82\xa8provider".to_vec();
    let number = |body: &mut Vec<u8>, id: i64| {
        body.push(0xd3);
        body.extend(id.to_be_bytes());
    };
    number(&mut body, provider);
    body.extend(b"\xa6viewer\xdc");
    body.extend(u16::try_from(viewers.len()).unwrap().to_be_bytes());
    for id in viewers {
        number(&mut body, *id);
    }
    let mut out = Vec::new();
    instep::control::framing::write_header(&mut out, body.len());
    out.extend(body);
    out
}

#[test]
fn a_viewer_that_does_not_keep_up_starts_anew_and_delays_nobody() {
    const STEPS: i32 = 60;
    let house = House::with(|config| config.play_speed_percent = 5000);
    // Each result has the world of 20,000 roads: more than the sockets hold after a few steps.
    house.directory.put("run.log", &rcrs::binary_log(&run(STEPS, 20_000)));
    let mut controller = house.controller();
    let provider = controller.open_ready("run.log");
    let (mut slow, slow_id) = waiting_viewer(&house, &mut controller, WORLD | UPDATE);
    let (mut fast, fast_id) = waiting_viewer(&house, &mut controller, UPDATE);
    controller.connect(provider, slow_id);
    controller.connect(provider, fast_id);
    let mut last = 0;
    for seen in fast.see_until(i64::from(STEPS)) {
        assert!(seen.message.is_empty() && (seen.time == last + 1 || last == 0), "{} after {last}", seen.time);
        last = seen.time;
    }
    controller.wait_for_status(provider, "closed");
    // Only now does the slow one read.
    let mut seen = Vec::new();
    while let Ok(Some(result)) = slow.see_within(Duration::from_millis(500)) {
        seen.push(result);
    }
    // A viewer that is connected before the world is encoded is told so first.
    seen.retain(|result| !result.message.contains("nothing yet"));
    let anew = seen.iter().position(|result| result.message.contains("does not keep up")).unwrap();
    assert_eq!(anew, seen.len() - 1, "what waited, then a fresh start at the end");
    assert_eq!((seen[anew].time, x_of(&seen[anew].world())), (i64::from(STEPS), Some(STEPS)));
    assert!(seen.len() < 30, "{} results waited for one viewer", seen.len());
    for (before, after) in seen.iter().zip(&seen[1..anew]) {
        assert_eq!(after.time, before.time + 1, "no step is missing without a word");
    }
    assert!(slow.call(CLOSE, None).result);
    let server = house.stop();
    assert_eq!(server.hub().counters().viewers_behind, 1);
}

#[test]
fn answers_are_kept_when_timesteps_are_left_out() {
    let house = House::with(|config| config.play_speed_percent = 5000);
    house.directory.put("run.log", &rcrs::binary_log(&run(40, 20_000)));
    let mut controller = house.controller();
    let provider = controller.open_ready("run.log");
    let (mut viewer, id) = waiting_viewer(&house, &mut controller, WORLD | UPDATE);
    controller.connect(provider, id);
    controller.wait_for_status(provider, "closed");
    for time in 1..=3 {
        viewer.ask(UPDATE | ACTION, Some(time));
    }
    let mut answers = Vec::new();
    while let Ok(Some(result)) = viewer.see_within(Duration::from_millis(800)) {
        if result.request == Bits::UPDATE | Bits::ACTION {
            answers.push(result.time);
        }
    }
    assert_eq!(answers, [1, 2, 3]);
}

#[test]
fn a_viewer_that_asks_without_reading_is_not_read_either() {
    const REQUESTS: usize = 200_000;
    let house = House::with(|config| config.play_speed_percent = 1);
    house.directory.put("run.log", &rcrs::binary_log(&run(2, 3000)));
    let mut controller = house.controller();
    let provider = controller.open_ready("run.log");
    let (mut viewer, id) = waiting_viewer(&house, &mut controller, 0);
    controller.connect(provider, id);
    viewer.see();
    let mut bytes = Vec::new();
    for _ in 0..REQUESTS {
        encode_viewer(&mut bytes, Bits::MAP, None);
    }
    let mut stream = viewer.wire.stream.try_clone().unwrap();
    let before = resident_bytes();
    let writer = std::thread::spawn(move || stream.write_all(&bytes));
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(50));
        // Other tests of this process hold some, too: the maps would be 20 GB.
        let held = resident_bytes().saturating_sub(before);
        assert!(held < 1 << 30, "{} MiB are held for maps that nobody reads", held >> 20);
    }
    assert!(controller.ask(Function::GetManagerInformation).ok);
    for _ in 0..200 {
        assert!(viewer.wire.body().unwrap().len() > 100_000);
    }
    drop(viewer.wire.stream.shutdown(Shutdown::Both));
    drop(writer.join().unwrap());
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("VmRSS: 0 kB");
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

// ---- recordings ----

#[test]
fn a_recording_cut_anywhere_plays_the_steps_that_are_whole() {
    let recordings = manager::Directory::new();
    let house = House::with(|config| {
        config.record = recordings.path().display().to_string();
        config.log_dir.push(recordings.path().display().to_string());
    });
    house.directory.put("run.log", &rcrs::binary_log(&run(6, 2)));
    let mut controller = house.controller();
    let (mut viewer, id) = waiting_viewer(&house, &mut controller, WORLD | UPDATE | ACTION);
    let provider = controller.open_ready("run.log");
    controller.connect(provider, id);
    let original = viewer.see_until(6);
    controller.wait_for_status(provider, "closed");
    house.wait_for_recordings(1);
    let file = std::fs::read_dir(recordings.path()).unwrap().next().unwrap().unwrap();
    let name = file.file_name().into_string().unwrap();
    assert!(name.starts_with("test_") && name.ends_with(".vlog"), "{name}");
    let bytes = std::fs::read(file.path()).unwrap();

    let mut steps_before = 0;
    for cut in (0..=bytes.len()).filter(|cut| cut % 7 == 0 || *cut + 40 > bytes.len()) {
        house.directory.put("cut.vlog", &bytes[..cut]);
        let opened = controller.call(Function::Open, |request| request.logfilename("cut.vlog"));
        if cut == 0 {
            assert!(!opened.ok, "an empty file");
            continue;
        }
        let again = opened.data["provider"].as_i64().unwrap();
        assert_eq!(opened.data["providerinfo"][0]["type"], "VIEWER-LOG");
        controller.connect(again, id);
        let mut ended = json!(null);
        wait_until("it has ended", || {
            ended = controller.provider(again);
            ended["status"] != "online"
        });
        let expected = if cut == bytes.len() { "closed" } else { "errored" };
        assert_eq!(ended["status"], expected, "cut at {cut}");
        assert!(controller.call(Function::Close, |request| request.provider(&[again])).ok);
        let mut seen = Vec::new();
        loop {
            let result = viewer.see();
            if result.message == "the session was closed" {
                break;
            }
            // What is cut before its first timestep may have ended before it was connected: its world says so.
            if result.message.is_empty() || result.section(Section::World).is_some() {
                seen.push(result);
            }
        }
        assert!(seen.len() >= steps_before, "more bytes, more steps");
        steps_before = seen.len();
        assert_eq!(ended["time"].as_i64(), Some(i64::try_from(seen.len().saturating_sub(1)).unwrap()), "cut at {cut}");
        for (ours, theirs) in seen.iter().zip(&original) {
            assert_eq!((ours.time, ours.record.len()), (theirs.time, theirs.record.len()), "cut at {cut}");
            assert_eq!(ours.record, theirs.record, "cut at {cut}");
        }
    }
    assert_eq!(steps_before, original.len());
    let count = std::fs::read_dir(recordings.path()).unwrap().count();
    assert_eq!(count, 1, "a recording is not recorded once more");
}
