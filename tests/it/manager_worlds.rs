//! Worlds of chance: whatever a kernel changes, makes undefined, deletes and brings again, a viewer that lives on changes has the world that
//! another is sent whole. From a log, from a live kernel, and from recordings of both.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::manager::{
    self, Controller, FakeKernel, Fields, House, Watcher, read_frame, read_to_end, wait_until,
};
use crate::common::rcrs;
use instep::control::viewer::Bits;
use instep::rcrs::entity::{Change, Entity};
use instep::rcrs::message::{ChangeSet, Config, Record};
use instep::rcrs::urn::{EntityKind, PropertyKind, PropertySet};
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
