//! Worlds of chance: whatever a kernel changes, makes undefined, deletes and brings again, a viewer that lives on changes has the world that
//! another is sent whole. From a log, from a live kernel, also one that skips timesteps, is killed and comes again, and from recordings.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::common::manager::{
    self, Controller, FakeKernel, Fields, House, Watcher, read_frame, read_to_end, wait_until,
};
use crate::common::rcrs;
use instep::control::function::Function;
use instep::control::section::Section;
use instep::control::viewer::Bits;
use instep::rcrs::entity::{Change, Entity};
use instep::rcrs::message::{ChangeSet, Config, Record};
use instep::rcrs::urn::{EntityKind, PropertyKind, PropertySet};
use instep::rcrs::world::World;
use serde_json::json;

const STEPS: i32 = 60;
const VIEWER: i32 = 4;
const ALL: u32 = Bits::OPEN.0 | Bits::WORLD.0 | Bits::UPDATE.0 | Bits::ACTION.0;

/// Chance from a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn number(&mut self, bound: u64) -> i32 {
        i32::try_from(self.below(bound)).unwrap()
    }

    fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[usize::try_from(self.below(items.len() as u64)).unwrap()]
    }
}

const KINDS: [EntityKind; 7] = [
    EntityKind::Road,
    EntityKind::Building,
    EntityKind::Blockade,
    EntityKind::Civilian,
    EntityKind::Civilian,
    EntityKind::AmbulanceTeam,
    EntityKind::FireBrigade,
];

/// Any properties, owned or not: some with a value, which is often the one before, some without.
fn change(chance: &mut Chance, id: i32, kind: EntityKind) -> Change {
    let mut entity = rcrs::entity(id, kind, &[], &[]);
    let mut undefined = PropertySet::EMPTY;
    for &property in PropertyKind::ALL {
        match chance.below(8) {
            0 => undefined = undefined.with(property),
            1 | 2 => {
                // Ids are small, so that some civilians have a team for a place.
                let value = if property == PropertyKind::Ignition { chance.number(2) } else { chance.number(14) - 3 };
                let count = 2 * usize::try_from(chance.below(3)).unwrap();
                let points: Vec<i32> = (0..count).map(|_| chance.number(3)).collect();
                entity.properties.set_number(property, value);
                if property != PropertyKind::Edges {
                    entity.properties.set_list(property, points.into());
                }
            }
            _ => {}
        }
    }
    Change { entity, undefined }
}

/// The first world of a run and what each of its timesteps changes.
fn run(seed: u64) -> (Vec<Entity>, Vec<ChangeSet>) {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let initial = (1..=8).map(|id| {
        let kind = chance.of(&KINDS);
        change(&mut chance, id, kind).entity
    });
    let initial = initial.collect();
    let steps = (0..STEPS).map(|_| {
        let changed = (0..chance.below(6)).map(|_| {
            let (id, kind) = (1 + chance.number(12), chance.of(&KINDS));
            change(&mut chance, id, kind)
        });
        let changed = changed.collect();
        let deleted = (0..chance.below(3)).map(|_| 1 + chance.number(12)).collect();
        ChangeSet { changed, deleted, skipped: 0 }
    });
    (initial, steps.collect())
}

fn config() -> Config {
    rcrs::config(&[("kernel.timesteps", "60"), ("gis.map.dir", "maps/chance")])
}

fn log(seed: u64) -> Vec<Record> {
    let (initial, steps) = run(seed);
    let mut records = vec![Record::Start, Record::Initial(initial), Record::Config(config())];
    for (time, changes) in (1..).zip(steps) {
        records.push(Record::Commands { time, commands: vec![] });
        records.push(Record::Updates { time, changes });
    }
    records.push(Record::End);
    records
}

/// A kernel that begins its run once somebody watches.
fn kernel(seed: u64, watched: &Arc<AtomicBool>) -> FakeKernel {
    let watched = Arc::clone(watched);
    FakeKernel::new(move |_, mut stream| {
        let (initial, steps) = run(seed);
        read_frame(&mut stream).unwrap();
        stream.write_all(&rcrs::frame(&rcrs::proto::connect_ok(1, VIEWER, &initial, &config()))).unwrap();
        read_frame(&mut stream).unwrap();
        wait_until("somebody watches", || watched.load(Ordering::Relaxed));
        for (time, changes) in (1..).zip(&steps) {
            stream.write_all(&rcrs::frame(&rcrs::proto::timestep(VIEWER, time, &[], changes))).unwrap();
        }
        stream.write_all(&rcrs::frame(&rcrs::proto::shutdown())).unwrap();
        read_to_end(&mut stream);
    })
}

/// The worlds that a viewer sees, having seen that changes lead from one to the next.
fn watched(house: &House, controller: &mut Controller, provider: i64, start: impl FnOnce()) -> BTreeMap<i64, Fields> {
    let mut viewer: Watcher = house.viewer();
    viewer.call(ALL, None);
    let id = *controller.viewers().last().unwrap();
    controller.connect(provider, id);
    start();
    let worlds = manager::merged_worlds(&viewer.see_until(i64::from(STEPS)));
    assert!(worlds.keys().copied().eq(0..=i64::from(STEPS)), "every timestep");
    // Each of them is shown again to whoever asks, in any order.
    let times = [60, 1, 37, 38, 40, 2, 59, 60].map(i64::from);
    times.into_iter().for_each(|time| viewer.ask(Bits::WORLD.0, Some(time)));
    viewer.ask(Bits::UPDATE.0, Some(7));
    for time in times {
        let seen = viewer.see();
        assert_eq!((seen.time, seen.result, seen.message.as_str()), (time, true, ""));
        assert_eq!(manager::fields_of_world(&seen).as_ref(), worlds.get(&time), "at {time}");
    }
    assert_eq!((viewer.see().time, viewer.ends <= 1), (7, true), "answers come in order");
    worlds
}

#[test]
fn changes_lead_from_world_to_world_whatever_they_are_and_in_recordings_too() {
    for seed in 0..40 {
        let recordings = manager::Directory::new();
        let house = House::with(|config| {
            config.log_dir.push(recordings.path().display().to_string());
            config.record = recordings.path().display().to_string();
        });
        let mut controller = house.controller();
        let original = if seed % 2 == 0 {
            house.directory.put("run.log", &rcrs::framed_log(&log(seed)));
            let provider = controller.open_ready("run.log");
            watched(&house, &mut controller, provider, || {})
        } else {
            let go = Arc::new(AtomicBool::new(false));
            let provider = controller.open_kernel(kernel(seed, &go).port);
            wait_until("the world is there", || controller.provider(provider)["maxtime"] == 60);
            watched(&house, &mut controller, provider, || go.store(true, Ordering::Relaxed))
        };
        house.wait_for_recordings(1);
        let name = std::fs::read_dir(recordings.path()).unwrap().next().unwrap().unwrap().file_name();
        let again = controller.open_ready(&name.into_string().unwrap());
        assert!(watched(&house, &mut controller, again, || {}) == original, "seed {seed}");
        assert!(controller.errors().is_empty(), "seed {seed}: {:?}", controller.errors());
    }
}

// ---- The middle of a run ----

const BLOCKADES: [i32; 3] = [50, 51, 52];

/// The world of a run at a time: each blockade is gone from its time on, and a civilian has the time for its x.
fn world_at(time: i32) -> Vec<Entity> {
    let mut world = vec![
        rcrs::entity(1, EntityKind::Road, &[(PropertyKind::X, 5)], &[]),
        rcrs::entity(300, EntityKind::Civilian, &[(PropertyKind::X, time), (PropertyKind::Hp, 100)], &[]),
    ];
    let there = BLOCKADES.iter().zip([10, 14, 99]).filter(|(_, gone)| time < *gone);
    world.extend(there.map(|(id, _)| rcrs::entity(*id, EntityKind::Blockade, &[(PropertyKind::RepairCost, 9)], &[])));
    world
}

/// What the timestep of this time changes.
fn step_at(time: i32) -> Vec<u8> {
    let moved = rcrs::entity(300, EntityKind::Civilian, &[(PropertyKind::X, time)], &[]);
    let deleted = BLOCKADES.iter().zip([10, 14, 99]).filter(|(_, gone)| time == *gone).map(|(id, _)| *id).collect();
    let changed = vec![Change { entity: moved, undefined: PropertySet::EMPTY }];
    rcrs::frame(&rcrs::proto::timestep(VIEWER, time, &[], &ChangeSet { changed, deleted, skipped: 0 }))
}

fn greeting(time: i32) -> Vec<u8> {
    rcrs::frame(&rcrs::proto::connect_ok(1, VIEWER, &world_at(time), &config()))
}

/// What has become of the second connection to a kernel.
#[derive(Debug, Default)]
struct Second {
    may_answer: AtomicBool,
    acknowledged: AtomicBool,
    left: AtomicBool,
}

/// A kernel in the middle of its run: its world is that of 7 and its timesteps come from 13 on, up to `shown`. To whoever connects once more it
/// gives the world of 13, and waits for no acknowledgement.
fn kernel_at_seven(shown: &Arc<AtomicI32>, second: &Arc<Second>) -> FakeKernel {
    let (shown, second) = (Arc::clone(shown), Arc::clone(second));
    FakeKernel::new(move |number, mut stream| {
        let (shown, second) = (Arc::clone(&shown), Arc::clone(&second));
        std::thread::spawn(move || {
            read_frame(&mut stream).unwrap();
            if number > 0 {
                wait_until("the world may come", || second.may_answer.load(Ordering::Relaxed));
                stream.write_all(&greeting(13)).unwrap();
                second.acknowledged.store(read_frame(&mut stream).is_some(), Ordering::Relaxed);
                second.left.store(true, Ordering::Relaxed);
                return;
            }
            stream.write_all(&greeting(7)).unwrap();
            read_frame(&mut stream).unwrap();
            for time in 13.. {
                wait_until("the next timestep", || {
                    shown.load(Ordering::Relaxed) >= time || second.left.load(Ordering::Relaxed) && time > 16
                });
                if stream.write_all(&step_at(time)).is_err() || time > 16 {
                    break;
                }
            }
            drop(stream.write_all(&rcrs::frame(&rcrs::proto::shutdown())));
            read_to_end(&mut stream);
        });
    })
}

fn ids(world: &Fields) -> Vec<i64> {
    world.keys().copied().collect()
}

#[test]
fn a_provider_opened_in_the_middle_of_a_run_keeps_nothing_that_was_deleted() {
    // The second look is answered at once, or when more timesteps have come.
    for late in [false, true] {
        let recordings = manager::Directory::new();
        let house = House::with(|config| {
            config.log_dir.push(recordings.path().display().to_string());
            config.record = recordings.path().display().to_string();
        });
        let (shown, second) = (Arc::new(AtomicI32::new(0)), Arc::new(Second::default()));
        let kernel = kernel_at_seven(&shown, &second);
        let mut controller = house.controller();
        let provider = controller.open_kernel(kernel.port);
        wait_until("the world is there", || controller.provider(provider)["maxtime"] == 60);
        let mut viewer: Watcher = house.viewer();
        viewer.call(ALL, None);
        let id = *controller.viewers().last().unwrap();
        controller.connect(provider, id);
        shown.store(if late { 15 } else { 13 }, Ordering::Relaxed);
        wait_until("timesteps have come", || controller.provider(provider)["time"] == shown.load(Ordering::Relaxed));
        second.may_answer.store(true, Ordering::Relaxed);
        wait_until("the second connection has ended", || second.left.load(Ordering::Relaxed));
        assert!(!second.acknowledged.load(Ordering::Relaxed), "no kernel waits for it");
        shown.store(16, Ordering::Relaxed);
        let results = viewer.see_until(17);
        let worlds = manager::merged_worlds(&results);
        assert_eq!(ids(&worlds[&0]), [1, 50, 51, 52, 300], "the world of 7");
        assert_eq!(ids(&worlds[&17]), [1, 52, 300]);
        for (time, world) in worlds.range(14..) {
            let gone: Vec<_> = ids(world).into_iter().filter(|id| *id == 50).collect();
            assert!(gone.is_empty() || late && *time < 16, "at {time}");
            assert_eq!(world[&300]["x"], *time);
        }
        let errors = controller.errors();
        let gap: Vec<_> = errors.iter().filter(|line| line.contains("not received")).collect();
        assert!(gap.len() == 1 && gap[0].contains("behind its first world, up to 12, were"), "{errors:?}");
        controller.wait_for_status(provider, "closed");
        house.wait_for_recordings(1);
        let name = std::fs::read_dir(recordings.path()).unwrap().next().unwrap().unwrap().file_name();
        let again = controller.open_ready(&name.into_string().unwrap());
        controller.connect(again, id);
        let replayed = manager::merged_worlds(&viewer.see_until(17));
        assert!(replayed == worlds, "the recording tells the same");
    }
}

#[test]
fn a_second_look_that_fails_is_told_and_the_run_goes_on() {
    let kernel = FakeKernel::new(|number, mut stream| {
        std::thread::spawn(move || {
            read_frame(&mut stream).unwrap();
            if number > 0 {
                return;
            }
            stream.write_all(&greeting(7)).unwrap();
            read_frame(&mut stream).unwrap();
            for time in [13, 14, 17, 18, 16] {
                stream.write_all(&step_at(time)).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            read_to_end(&mut stream);
        });
    });
    let house = House::new();
    let mut controller = house.controller();
    let provider = controller.open_kernel(kernel.port);
    wait_until("the last timestep is there", || controller.provider(provider)["time"] == 16);
    wait_until("all is told", || {
        controller.errors().iter().filter(|line| line.contains("may still be shown")).count() == 3
    });
    let errors = controller.errors();
    for wanted in ["timesteps 15 to 16 were not received", "the kernel went back: timestep 16 came behind 18"] {
        assert!(errors.iter().any(|line| line.ends_with(wanted)), "{errors:?}");
    }
    assert_eq!(controller.provider(provider)["status"], "online");
}

// ---- Kernels that are killed and come again ----

/// The last timestep of the first of two runs.
const KILLED_AT: i32 = 30;
/// Timesteps that are simulated and not sent.
const SKIPPED: [i32; 7] = [11, 12, 23, 37, 38, 39, 50];
/// Timesteps behind which a second look is answered: the first behind the gap, or two later.
const LOOKS: [i32; 4] = [13, 26, 40, 53];
/// Timesteps behind a gap that are shown before a second look is answered: they may still lack what was lost.
const UNSURE: [i32; 4] = [24, 25, 51, 52];

/// A kernel of two runs: the first is killed within a frame. Who connects while a run goes on is given its world of then.
#[derive(Debug, Default)]
struct Mortal {
    seeds: [u64; 2],
    /// The number of the run, and its world while it goes on.
    run: Mutex<(usize, Option<World>)>,
    watched: AtomicBool,
    may_look: AtomicBool,
    looks: AtomicUsize,
}

impl Mortal {
    fn greet(stream: &mut TcpStream, world: &[Entity]) {
        stream.write_all(&rcrs::frame(&rcrs::proto::connect_ok(1, VIEWER, world, &config()))).unwrap();
    }

    fn connected(&self, mut stream: TcpStream) {
        if read_frame(&mut stream).is_none() {
            return;
        }
        let mut run = self.run.lock().unwrap();
        if run.1.is_some() {
            drop(run);
            return self.is_looked_at(stream);
        }
        let number = run.0;
        let (initial, steps) = super::manager_worlds::run(self.seeds[number]);
        Self::greet(&mut stream, &initial);
        run.1 = Some(World::new(initial).unwrap());
        drop(run);
        self.live(stream, number, steps);
    }

    fn is_looked_at(&self, mut stream: TcpStream) {
        wait_until("the world may come", || self.may_look.load(Ordering::Relaxed));
        let world: Vec<Entity> = self.run.lock().unwrap().1.as_ref().unwrap().iter().cloned().collect();
        Self::greet(&mut stream, &world);
        assert_eq!(read_frame(&mut stream), None, "no kernel waits for it");
        self.looks.fetch_add(1, Ordering::Relaxed);
    }

    fn live(&self, mut stream: TcpStream, number: usize, steps: Vec<ChangeSet>) {
        read_frame(&mut stream).unwrap();
        wait_until("somebody watches", || self.watched.load(Ordering::Relaxed));
        for (time, changes) in (1..).zip(steps) {
            let frame = rcrs::frame(&rcrs::proto::timestep(VIEWER, time, &[], &changes));
            if number == 0 && time > KILLED_AT {
                *self.run.lock().unwrap() = (1, None);
                return stream.write_all(&frame[..9]).unwrap();
            }
            self.run.lock().unwrap().1.as_mut().unwrap().apply(changes).unwrap();
            if SKIPPED.contains(&time) {
                continue;
            }
            stream.write_all(&frame).unwrap();
            if LOOKS.contains(&time) {
                let before = self.looks.load(Ordering::Relaxed);
                self.may_look.store(true, Ordering::Relaxed);
                wait_until("it was looked at", || self.looks.load(Ordering::Relaxed) > before);
                self.may_look.store(false, Ordering::Relaxed);
            }
        }
        stream.write_all(&rcrs::frame(&rcrs::proto::shutdown())).unwrap();
        read_to_end(&mut stream);
    }
}

/// The worlds of each run that a viewer has seen: a run begins with a world that nothing leads to.
fn worlds_of_runs(results: &[manager::Seen]) -> Vec<BTreeMap<i64, Fields>> {
    let begins = |seen: &manager::Seen| {
        seen.time == 0 && seen.section(Section::World).is_some() && seen.section(Section::Changes).is_none()
    };
    let mut starts: Vec<usize> = (0..results.len()).filter(|at| begins(&results[*at])).collect();
    starts.push(results.len());
    starts.windows(2).map(|run| manager::merged_worlds(&results[run[0]..run[1]])).collect()
}

#[test]
fn a_kernel_that_skips_is_killed_and_comes_again_is_shown_as_it_is() {
    for seed in 0..6 {
        let recordings = manager::Directory::new();
        let house = House::with(|config| {
            config.log_dir.push(recordings.path().display().to_string());
            config.record = recordings.path().display().to_string();
        });
        let seeds = [100 + seed, 200 + seed];
        let mortal = Arc::new(Mortal { seeds, ..Mortal::default() });
        let kernel = Arc::clone(&mortal);
        let fake = FakeKernel::new(move |_, stream| {
            let kernel = Arc::clone(&kernel);
            std::thread::spawn(move || kernel.connected(stream));
        });
        let mut controller = house.controller();
        let opened = controller.call(Function::Open, |request| request.address("127.0.0.1", fake.port).keep());
        let provider = opened.data["provider"].as_i64().unwrap();
        wait_until("the world is there", || controller.provider(provider)["maxtime"] == 60);
        let mut viewer: Watcher = house.viewer();
        viewer.call(ALL, None);
        let id = *controller.viewers().last().unwrap();
        controller.connect(provider, id);
        mortal.watched.store(true, Ordering::Relaxed);
        let results = viewer.see_until(i64::from(STEPS));
        assert!(results.iter().any(|seen| seen.message.starts_with("the connection was lost at time 30")));
        let runs = worlds_of_runs(&results);
        assert_eq!((runs.len(), mortal.looks.load(Ordering::Relaxed)), (2, 6), "seed {seed}");

        // The truth: logs of the same runs, of which nothing is lost.
        for ((worlds, seed), last) in runs.iter().zip(seeds).zip([KILLED_AT, STEPS]) {
            house.directory.put("whole.log", &rcrs::framed_log(&log(seed)));
            let whole = controller.open_ready("whole.log");
            let wanted = watched(&house, &mut controller, whole, || {});
            assert!(
                worlds.keys().copied().eq((0..=i64::from(last)).filter(|time| !SKIPPED.map(i64::from).contains(time)))
            );
            for (time, world) in worlds.iter().filter(|(time, _)| !UNSURE.map(i64::from).contains(time)) {
                assert_eq!(world, &wanted[time], "seed {seed} at {time}");
            }
        }

        // Each run has a recording of its own, and they tell the same.
        assert!(controller.call(Function::Close, |request| request.provider(&[provider])).ok);
        house.wait_for_recordings(4);
        let mut names: Vec<_> =
            std::fs::read_dir(recordings.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        for (name, (worlds, last)) in names.into_iter().zip(runs.iter().zip([KILLED_AT, STEPS])) {
            let again = controller.open_ready(&name.into_string().unwrap());
            let mut viewer: Watcher = house.viewer();
            viewer.call(ALL, None);
            let id = *controller.viewers().last().unwrap();
            controller.connect(again, id);
            let replayed = manager::merged_worlds(&viewer.see_until(i64::from(last)));
            assert!(replayed == *worlds, "seed {seed}: the recording that ends at {last}");
        }
    }
}

// ---- Recordings of before ----

/// An older release left out what had become undefined, said 0 of a team without passenger, and named no least corner of the map.
#[test]
fn a_recording_of_before_means_what_it_meant() {
    let house = House::new();
    let first = json!({"time": 0, "world": [
        {"id": 1, "type": "Civilian", "x": 5, "y": 6, "hp": 10, "history": [{"x": 1, "y": 2}]},
        {"id": 2, "type": "TacticsAmbulance", "position": 9, "board": 1},
    ]});
    let second = json!({"time": 1, "changes": [
        {"id": 1, "type": "Civilian", "hp": 9},
        {"id": 2, "type": "TacticsAmbulance", "board": 0},
        {"id": 3, "type": "Blockade", "created": true, "repairCost": 7},
    ]});
    let document = json!({"version": 1, "maxTimeStep": 1, "mapName": "old", "log": {"0": first, "1": second}});
    house.directory.put("old.vlog", &pack(&document));
    let mut controller = house.controller();
    let provider = controller.open("old.vlog");
    let mut viewer = house.viewer();
    viewer.call(ALL, None);
    let id = *controller.viewers().last().unwrap();
    controller.connect(provider, id);
    let results = viewer.see_until(1);
    let worlds = manager::merged_worlds(&results);
    let civilian = json!({"id": 1, "type": "Civilian", "x": 5, "y": 6, "hp": 9, "history": [{"x": 1, "y": 2}]});
    assert_eq!(serde_json::Value::Object(worlds[&1][&1].clone()), civilian, "nothing said is nothing changed");
    assert_eq!(worlds[&1][&2]["board"], 0);
    assert_eq!(worlds[&1][&3]["repairCost"], 7);
}

/// A JSON document as MsgPack.
fn pack(value: &serde_json::Value) -> Vec<u8> {
    use serde_json::Value as Json;
    let head = |small: u8, wide: u8, len: usize| match u16::try_from(len).unwrap() {
        len if len < 16 => vec![small | u8::try_from(len).unwrap()],
        len => [&[wide][..], &len.to_be_bytes()].concat(),
    };
    match value {
        Json::Null => vec![0xc0],
        Json::Bool(value) => vec![0xc2 | u8::from(*value)],
        Json::Number(number) => [&[0xd3][..], &number.as_i64().unwrap().to_be_bytes()].concat(),
        Json::String(text) => [&[0xd9, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat(),
        Json::Array(items) => [head(0x90, 0xdc, items.len()), items.iter().flat_map(pack).collect()].concat(),
        Json::Object(pairs) => {
            let pairs_packed = pairs.iter().flat_map(|(key, value)| [pack(&Json::from(key.as_str())), pack(value)]);
            [head(0x80, 0xde, pairs.len()), pairs_packed.flatten().collect()].concat()
        }
    }
}
