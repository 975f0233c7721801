//! Live kernels over loopback: what a kernel may do to the Manager, in both protocols.
#![expect(clippy::disallowed_methods, reason = "tests against real sockets read the clock")]

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::common::driver;
use crate::common::manager::{self, Controller, FakeKernel, House, Watcher, read_frame, read_to_end, wait_until};
use crate::common::nobody::Nobody;
use crate::common::rcrs;
use instep::control::client::ControlRequest;
use instep::control::envelope::Shape;
use instep::control::function::Function;
use instep::control::record::Property;
use instep::control::viewer::Bits;
use instep::hub::{Door, Hub, Output, Start};
use instep::rcrs::entity::{Change, Entity};
use instep::rcrs::message::{Action, ChangeSet, Command, Config};
use instep::rcrs::urn::{EntityKind, PropertyKind, PropertySet};
use instep::time::Tick;
use serde_json::json;

const OPEN: u32 = Bits::OPEN.0;
const WORLD: u32 = Bits::WORLD.0;
const UPDATE: u32 = Bits::UPDATE.0;
const ACTION: u32 = Bits::ACTION.0;

pub(super) const CIVILIAN: i32 = 300;
const VIEWER: i32 = 4;

/// How a kernel writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Dialect {
    Current,
    Legacy,
}

impl Dialect {
    fn frame(self, proto: &[u8], legacy: Vec<u8>) -> Vec<u8> {
        rcrs::frame(&match self {
            Self::Current => proto.to_vec(),
            Self::Legacy => rcrs::legacy::messages(&[legacy]),
        })
    }

    pub(super) fn connect_ok(self) -> Vec<u8> {
        let (entities, config) = (world(), config());
        self.frame(
            &rcrs::proto::connect_ok(1, VIEWER, &entities, &config),
            rcrs::legacy::connect_ok(1, VIEWER, &entities, &config),
        )
    }

    pub(super) fn refusal(self) -> Vec<u8> {
        self.frame(&rcrs::proto::connect_error(1, "full up"), rcrs::legacy::connect_error(1, "full up"))
    }

    pub(super) fn step(self, time: i32) -> Vec<u8> {
        let (commands, changes) = (commands(time), changes(time));
        self.frame(
            &rcrs::proto::timestep(VIEWER, time, &commands, &changes),
            rcrs::legacy::timestep(VIEWER, time, &commands, &changes),
        )
    }

    pub(super) fn shutdown(self) -> Vec<u8> {
        self.frame(&rcrs::proto::shutdown(), rcrs::legacy::shutdown())
    }
}

fn world() -> Vec<Entity> {
    use PropertyKind as P;
    let edges = [0, 0, 1000, 0, 0, 1000, 0, 1000, 2000, 0];
    vec![
        rcrs::entity(1, EntityKind::Road, &[(P::X, 500), (P::Y, 0)], &[(P::Edges, &edges)]),
        rcrs::entity(CIVILIAN, EntityKind::Civilian, &[(P::X, 0), (P::Y, 0)], &[]),
    ]
}

fn config() -> Config {
    rcrs::config(&[("kernel.timesteps", "50"), ("gis.map.dir", "maps/test")])
}

fn commands(time: i32) -> Vec<Command> {
    vec![Command { agent: CIVILIAN, time, action: Action::Rest }]
}

fn changes(time: i32) -> ChangeSet {
    let entity = rcrs::entity(CIVILIAN, EntityKind::Civilian, &[(PropertyKind::X, time)], &[]);
    ChangeSet { changed: vec![Change { entity, undefined: PropertySet::EMPTY }], deleted: vec![], skipped: 0 }
}

/// Takes the viewer's first frame, gives the world, and waits for the acknowledgement.
pub(super) fn greet(stream: &mut TcpStream, dialect: Dialect) -> Option<()> {
    read_frame(stream)?;
    stream.write_all(&dialect.connect_ok()).ok()?;
    read_frame(stream).map(|_| ())
}

fn open_viewer(house: &House, controller: &mut Controller, provider: i64, bits: u32) -> Watcher {
    let mut viewer = house.viewer();
    viewer.ask(OPEN | bits, None);
    assert_eq!(viewer.see().message, "no session");
    let id = *controller.viewers().last().unwrap();
    controller.connect(provider, id);
    viewer
}

/// What a viewer sees up to the step `time`, without the word that nothing has come yet.
fn see_until(viewer: &mut Watcher, time: i64) -> Vec<(i64, Option<i32>)> {
    let seen = viewer.see_until(time).into_iter().filter(|seen| seen.message.is_empty());
    seen.map(|seen| {
        let moved = seen.changes().into_iter().find(|entity| entity.id == CIVILIAN);
        (seen.time, moved.and_then(|entity| entity.properties.get(Property::X)))
    })
    .collect()
}

#[test]
fn kernels_of_both_protocols_are_watched_to_their_end() {
    for dialect in [Dialect::Current, Dialect::Legacy] {
        let kernel = FakeKernel::new(move |_, mut stream| {
            greet(&mut stream, dialect).unwrap();
            for time in 1..=5 {
                stream.write_all(&dialect.step(time)).unwrap();
                std::thread::sleep(Duration::from_millis(5));
            }
            stream.write_all(&dialect.shutdown()).unwrap();
        });
        let house = House::with(|config| config.rcrs_legacy = dialect == Dialect::Legacy);
        let mut controller = house.controller();
        let provider = controller.open_kernel(kernel.port);
        let info = controller.provider(provider);
        assert_eq!((&info["type"], &info["ids"]), (&json!("RCRS"), &json!(format!("127.0.0.1/{}", kernel.port))));
        let mut viewer = open_viewer(&house, &mut controller, provider, WORLD | UPDATE | ACTION);
        let seen = see_until(&mut viewer, 5);
        let (last, _) = seen.last().copied().unwrap();
        assert_eq!(last, 5);
        for ((before, _), (after, moved)) in seen.iter().zip(&seen[1..]) {
            assert_eq!((*after, *moved), (before + 1, i32::try_from(*after).ok()), "{dialect:?}");
        }
        let ended = controller.wait_for_status(provider, "closed");
        assert_eq!((&ended["time"], &ended["maxtime"]), (&json!(5), &json!(50)));
        // What is over can still be looked at.
        let old = viewer.call(UPDATE | ACTION | WORLD, Some(3));
        assert_eq!((old.result, old.time, old.keys()), (true, 3, vec!["world", "commands", "changes"]));
        assert_eq!((old.message.as_str(), old.world().len()), ("", 2));
        assert!(!viewer.call(UPDATE, Some(6)).result);
        let late = open_viewer(&house, &mut controller, provider, WORLD).see();
        assert_eq!((late.time, late.world().len()), (5, 2));
    }
}

#[test]
fn timesteps_that_come_in_one_burst_are_all_seen() {
    const STEPS: i32 = 200;
    let kernel = FakeKernel::new(|_, mut stream| {
        greet(&mut stream, Dialect::Current).unwrap();
        // Watched from the first step on.
        std::thread::sleep(Duration::from_millis(300));
        let burst: Vec<u8> = (1..=STEPS).flat_map(|time| Dialect::Current.step(time)).collect();
        stream.write_all(&[burst, Dialect::Current.shutdown()].concat()).unwrap();
    });
    let house = House::new();
    let mut controller = house.controller();
    let provider = controller.open_kernel(kernel.port);
    wait_until("the world is there", || controller.provider(provider)["maxtime"] == 50);
    let mut viewer = open_viewer(&house, &mut controller, provider, WORLD | UPDATE);
    let seen = see_until(&mut viewer, i64::from(STEPS));
    assert_eq!(seen.len(), 201, "the start and every step");
    controller.wait_for_status(provider, "closed");
    assert_eq!(house.stop().hub().counters().viewers_behind, 0);
}

#[test]
fn a_kernel_that_writes_byte_by_byte_and_stalls_is_understood() {
    for dialect in [Dialect::Current, Dialect::Legacy] {
        let kernel = FakeKernel::new(move |_, mut stream| {
            read_frame(&mut stream).unwrap();
            let mut bytes = dialect.connect_ok();
            for time in 1..=3 {
                bytes.extend(dialect.step(time));
            }
            for (n, byte) in bytes.iter().enumerate() {
                stream.write_all(&[*byte]).unwrap();
                if n % 64 == 3 {
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
            read_to_end(&mut stream);
        });
        let house = House::with(|config| config.rcrs_legacy = dialect == Dialect::Legacy);
        let mut controller = house.controller();
        let provider = controller.open_kernel(kernel.port);
        let mut viewer = open_viewer(&house, &mut controller, provider, WORLD | UPDATE);
        assert_eq!(see_until(&mut viewer, 3).last(), Some(&(3, Some(3))));
        assert_eq!(controller.provider(provider)["status"], "online");
    }
}

#[test]
fn lost_timesteps_are_told_and_the_run_goes_on() {
    let kernel = FakeKernel::new(|_, mut stream| {
        greet(&mut stream, Dialect::Current).unwrap();
        for time in [7, 8, 11] {
            stream.write_all(&Dialect::Current.step(time)).unwrap();
        }
        read_to_end(&mut stream);
    });
    let house = House::new();
    let mut controller = house.controller();
    let provider = controller.open_kernel(kernel.port);
    wait_until("time is 11", || controller.provider(provider)["time"] == 11);
    let errors = controller.errors();
    assert!(errors.iter().any(|line| line.contains("opened in the middle of a run")), "{errors:?}");
    assert!(errors.iter().any(|line| line.ends_with("up to 6, were not received")), "{errors:?}");
    assert!(errors.iter().any(|line| line.ends_with("timesteps 9 to 10 were not received")), "{errors:?}");
    assert_eq!(controller.provider(provider)["status"], "online");
}

/// Time is whatever the kernel says it is.
#[test]
fn the_earliest_time_of_all_is_a_time() {
    let kernel = FakeKernel::new(|_, mut stream| {
        greet(&mut stream, Dialect::Current).unwrap();
        for time in [i32::MIN, 1] {
            stream.write_all(&Dialect::Current.step(time)).unwrap();
        }
        read_to_end(&mut stream);
    });
    let house = House::new();
    let mut controller = house.controller();
    let provider = controller.open_kernel(kernel.port);
    wait_until("time is 1", || controller.provider(provider)["time"] == 1);
    assert_eq!(controller.errors().len(), 2, "{:?}", controller.errors());
}

/// A name takes long to look up, the controller asks once more, and the first attempt fails when the second has a connection.
#[test]
fn an_attempt_that_fails_late_does_not_end_the_connection_made_after_it() {
    let config = instep::config::Config { namespace: "N1".into(), host: "n1".into(), ..Default::default() };
    let mut hub = Hub::new(config, Start { seed: 1, now: Tick(0), unix_ms: 1_700_000_000_000 }).unwrap();
    let mut now = Tick(1);
    let here = "127.0.0.1:5000".parse().unwrap();
    let controller = hub.open_at(now, here, Door::Control).unwrap();
    let mut requests = Vec::new();
    ControlRequest::begin(&mut requests, Shape::Beside, Function::Open).address("kernel.example", 27931).finish();
    hub.handle_bytes(now, controller, &requests);
    // The first waits for its provider.
    let other = hub.open_at(now, here, Door::Control).unwrap();
    requests.clear();
    ControlRequest::begin(&mut requests, Shape::Beside, Function::Refresh).finish();
    hub.handle_bytes(now, other, &requests);
    let mut dials = Vec::new();
    for output in driver::wishes(&mut hub, now) {
        assert!(!matches!(output, Output::Close(..)), "{output:?}");
        if let Output::DialKernel(provider) = output {
            dials.push(provider);
        }
    }
    assert_eq!(dials.len(), 2);
    let link = hub.handle_kernel_dialed(now, dials[1], Ok(here)).unwrap();
    assert_eq!(hub.handle_kernel_dialed(now, dials[0], Err("no such name")), None);
    hub.check_invariants().unwrap();
    assert!(!driver::take(&mut hub, now, link, usize::MAX).is_empty(), "the viewer speaks first");
    // It is still listened to, and is not dialled once more.
    now = Tick(500);
    hub.handle_timeout(now);
    hub.handle_bytes(now, link, &Dialect::Current.connect_ok());
    while hub.poll_timeout().is_some_and(|at| at <= now) {
        hub.handle_timeout(now);
    }
    let mut wrote = false;
    for output in driver::wishes(&mut hub, now) {
        assert!(!matches!(output, Output::Close(..) | Output::DialKernel(_)), "{output:?}");
        wrote |= output == Output::Flush(link);
    }
    assert!(wrote, "the world is acknowledged");
    hub.check_invariants().unwrap();
}

#[test]
fn a_kernel_that_dies_leaves_its_provider_errored_and_refresh_connects_anew() {
    let recordings = manager::Directory::new();
    let kernel = FakeKernel::new(|number, mut stream| {
        if greet(&mut stream, Dialect::Current).is_none() {
            return;
        }
        for time in 1..=4 {
            drop(stream.write_all(&Dialect::Current.step(time)));
        }
        match number {
            // Half a frame, then the end.
            0 => drop(stream.write_all(&Dialect::Current.step(5)[..9])),
            _ => read_to_end(&mut stream),
        }
    });
    let house = House::with(|config| config.record = recordings.path().display().to_string());
    let mut controller = house.controller();
    let provider = controller.open_kernel(kernel.port);
    let mut viewer = open_viewer(&house, &mut controller, provider, 0);
    controller.wait_for_status(provider, "errored");
    assert!(controller.errors().iter().any(|line| line.contains("the connection was lost at time 4")));
    see_until(&mut viewer, 4);
    let refreshed = controller.call(Function::Refresh, |request| request.provider(&[provider]));
    assert_eq!((refreshed.ok, &refreshed.data["provider"]), (true, &json!([provider])));
    let again = viewer.see();
    assert_eq!((again.time, again.keys()), (0, vec!["map", "world", "config"]), "a fresh start");
    assert_eq!(see_until(&mut viewer, 4).len(), 4);
    assert_eq!(controller.provider(provider)["status"], "online");
    // Refresh of one that runs begins anew as well.
    assert_eq!(controller.ask(Function::Refresh).data["provider"], json!([provider]));
    assert_eq!(viewer.see().time, 0);
    see_until(&mut viewer, 4);
    assert!(controller.call(Function::Close, |request| request.provider(&[provider])).ok);
    house.wait_for_recordings(3);
    let files = std::fs::read_dir(recordings.path()).unwrap().count();
    assert_eq!(files, 3, "each connection has a recording of its own");
}

#[test]
fn a_kernel_that_refuses_and_one_that_nobody_runs_are_errored() {
    let refusing = FakeKernel::new(|_, mut stream| {
        read_frame(&mut stream).unwrap();
        stream.write_all(&Dialect::Current.refusal()).unwrap();
        read_to_end(&mut stream);
    });
    let nobody = Nobody::new();
    let house = House::with(|config| config.kernel_connect_s = 1);
    let mut controller = house.controller();
    let first = controller.open_kernel(refusing.port);
    let second = controller.open_kernel(nobody.port());
    controller.wait_for_status(first, "errored");
    controller.wait_for_status(second, "errored");
    let errors = controller.errors();
    assert!(errors.iter().any(|line| line.contains("the kernel refused: full up")), "{errors:?}");
    assert!(errors.iter().any(|line| line.contains("no kernel answers")), "{errors:?}");
}

#[test]
fn a_kernel_that_takes_the_connection_and_says_nothing_is_errored_but_silence_after_the_world_is_normal() {
    let silent = FakeKernel::new(|_, mut stream| read_to_end(&mut stream));
    let over = FakeKernel::new(|_, mut stream| {
        // A run that is over: the last world, and never a step.
        greet(&mut stream, Dialect::Current).unwrap();
        read_to_end(&mut stream);
    });
    let house = House::with(|config| config.kernel_connect_s = 1);
    let mut controller = house.controller();
    let (first, second) = (controller.open_kernel(silent.port), controller.open_kernel(over.port));
    controller.wait_for_status(first, "errored");
    std::thread::sleep(Duration::from_millis(1500));
    let info = controller.provider(second);
    assert_eq!((&info["status"], &info["time"], &info["maxtime"]), (&json!("online"), &json!(0), &json!(50)));
    assert!(controller.errors().iter().any(|line| line.contains("does not send its world")));
}

#[test]
fn who_hangs_up_on_the_first_frame_is_tried_in_the_other_protocol() {
    for (speaks, first) in [(Dialect::Legacy, false), (Dialect::Current, true)] {
        let kernel = FakeKernel::new(move |_, mut stream| {
            let frame = read_frame(&mut stream).unwrap();
            let is_legacy = frame.windows(3).any(|window| window == b"urn");
            if is_legacy != (speaks == Dialect::Legacy) {
                return;
            }
            stream.write_all(&speaks.connect_ok()).unwrap();
            read_frame(&mut stream).unwrap();
            stream.write_all(&speaks.step(1)).unwrap();
            read_to_end(&mut stream);
        });
        let house = House::with(|config| config.rcrs_legacy = first);
        let mut controller = house.controller();
        let provider = controller.open_kernel(kernel.port);
        wait_until("the first step is there", || controller.provider(provider)["time"] == 1);
    }
}

#[test]
fn a_kernel_that_sends_nonsense_is_errored_and_others_go_on() {
    let wild = FakeKernel::new(|number, mut stream| {
        read_frame(&mut stream).unwrap();
        let bytes: &[u8] = match number {
            0 => &[0xff; 64],
            1 => &[0, 0, 0, 4, 0x0a, 0xff, 0xff, 0xff],
            _ => b"HTTP/1.1 400 Bad Request\r\n\r\n",
        };
        drop(stream.write_all(bytes));
        read_to_end(&mut stream);
    });
    let good = FakeKernel::new(|_, mut stream| {
        greet(&mut stream, Dialect::Current).unwrap();
        for time in 1.. {
            if stream.write_all(&Dialect::Current.step(time)).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let house = House::new();
    let mut controller = house.controller();
    let running = controller.open_kernel(good.port);
    for _ in 0..3 {
        let provider = controller.open_kernel(wild.port);
        controller.wait_for_status(provider, "errored");
    }
    let before = controller.provider(running)["time"].as_i64().unwrap();
    wait_until("the good one goes on", || controller.provider(running)["time"].as_i64().unwrap() > before);
}

#[test]
fn a_closed_provider_hangs_up_on_its_kernel() {
    let connections = Arc::new(AtomicUsize::new(0));
    let ended = Arc::new(AtomicBool::new(false));
    let kernel = FakeKernel::new({
        let (connections, ended) = (Arc::clone(&connections), Arc::clone(&ended));
        move |_, mut stream| {
            connections.fetch_add(1, Ordering::Relaxed);
            greet(&mut stream, Dialect::Current).unwrap();
            read_to_end(&mut stream);
            ended.store(true, Ordering::Relaxed);
        }
    });
    let house = House::new();
    let mut controller = house.controller();
    let provider = controller.open_kernel(kernel.port);
    wait_until("the world is there", || controller.provider(provider)["maxtime"] == 50);
    assert!(controller.call(Function::Close, |request| request.provider(&[provider])).ok);
    let began = Instant::now();
    wait_until("the kernel is left", || ended.load(Ordering::Relaxed));
    assert!(began.elapsed() < Duration::from_secs(2));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(connections.load(Ordering::Relaxed), 1, "and not called again");
}
