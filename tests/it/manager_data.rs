//! The Manager over logs and connections of real kernels: what a viewer ends up with against the worlds the kernel's own reader printed.
//!
//! The data is not part of this repository. Set INSTEP_RCRS_DATA to its folder to run these tests.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::manager::{self, Controller, FakeKernel, House, Seen, Watcher, read_frame, wait_until};
use instep::control::record::Entity;
use instep::control::section::Section;
use instep::control::viewer::Bits;

fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("INSTEP_RCRS_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("SKIPPED: INSTEP_RCRS_DATA is not set");
    }
    folder
}

/// An entity in words, with what viewers are told of it.
type Line = BTreeMap<&'static str, String>;
type World = BTreeMap<i32, Line>;

/// The kernel's numbers of the properties that viewers are told, and their keys.
const NUMBERS: [(u32, &str); 21] = [
    (6, "x"),
    (7, "y"),
    (9, "repairCost"),
    (13, "fiery"),
    (14, "broken"),
    (20, "position"),
    (24, "hp"),
    (25, "damage"),
    (26, "buried"),
    (27, "travel"),
    (28, "water"),
    (29, "temp"),
    (10, "floors"),
    (12, "ignition"),
    (21, "direction"),
    (23, "stamina"),
    (30, "importance"),
    (32, "bedCapacity"),
    (33, "occupiedBeds"),
    (34, "refillCapacity"),
    (35, "waitingListSize"),
];

fn type_word(number: u32) -> &'static str {
    let words = [
        "Unknown",
        "Road",
        "Blockade",
        "Building",
        "Refuge",
        "Hydrant",
        "GasStation",
        "ControlFire",
        "ControlAmbulance",
        "ControlPolice",
        "Civilian",
        "TacticsFire",
        "TacticsAmbulance",
        "TacticsPolice",
    ];
    words[usize::try_from(number - 4353).unwrap()]
}

/// The printed worlds by time, translated.
fn reference(path: &Path) -> BTreeMap<i64, World> {
    let output = Command::new("gzip").arg("-dc").arg(path).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let mut worlds: BTreeMap<i64, World> = BTreeMap::new();
    let mut time = 0;
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("t=") {
            time = head.split(' ').next().unwrap().parse().unwrap();
            worlds.insert(time, World::new());
        } else if let Some(rest) = line.strip_prefix("  ") {
            let (id, rest) = rest.split_once(' ').unwrap();
            let (kind, rest) = rest.split_once(' ').unwrap();
            worlds.get_mut(&time).unwrap().insert(id.parse().unwrap(), translated(kind.parse().unwrap(), rest));
        }
    }
    for world in worlds.values_mut() {
        board(world);
    }
    worlds
}

fn translated(kind: u32, properties: &str) -> Line {
    let mut line = Line::from([("type", type_word(kind).to_owned())]);
    let is_area = matches!(kind - 4352, 2 | 4..=10);
    let properties = properties.trim_start_matches('{').trim_end_matches('}');
    for pair in properties.split(", ").collect::<Vec<_>>().join(",\u{1}").split(",\u{1}").fold(
        Vec::<String>::new(),
        |mut pairs, piece| {
            // A comma inside a list is no end of a property.
            match piece.split_once('=') {
                Some(_) => pairs.push(piece.to_owned()),
                None if piece.is_empty() => {}
                None => pairs.last_mut().unwrap().push_str(&format!(", {piece}")),
            }
            pairs
        },
    ) {
        let (number, value) = pair.split_once('=').unwrap();
        let number: u32 = number.parse::<u32>().unwrap() - 4608;
        let key = NUMBERS.iter().find(|(known, _)| *known == number).map(|(_, key)| *key);
        let key = key.filter(|key| !(is_area && matches!(*key, "x" | "y")));
        let list = match number {
            8 if value != "[]" => Some("blockades"),
            18 => Some("apexes"),
            22 => Some("history"),
            _ => None,
        };
        if let Some(key) = key.or(list) {
            let flag = ["false", "true"].iter().position(|word| *word == value);
            line.insert(key, flag.map_or_else(|| value.to_owned(), |flag| flag.to_string()));
        }
    }
    line
}

/// An ambulance has on board the civilian that is in it.
fn board(world: &mut World) {
    let inside: Vec<(i32, i32)> = world
        .iter()
        .filter(|(_, line)| line["type"] == "Civilian")
        .filter_map(|(id, line)| Some((line.get("position")?.parse().ok()?, *id)))
        .collect();
    for (place, civilian) in inside {
        if let Some(team) = world.get_mut(&place).filter(|line| line["type"] == "TacticsAmbulance") {
            team.insert("board", civilian.to_string());
        }
    }
}

fn line(entity: &Entity<'_>) -> Line {
    let mut line = Line::from([("type", entity.kind.unwrap().word().to_owned())]);
    for (property, value) in entity.properties.iter() {
        line.insert(property.key(), value.to_string());
    }
    for (key, list) in [("history", &entity.history), ("blockades", &entity.blockades), ("apexes", &entity.apexes)] {
        if let Some(list) = list {
            line.insert(key, format!("{list:?}"));
        }
    }
    line
}

fn world_of(seen: &Seen) -> World {
    seen.world().iter().map(|entity| (entity.id, line(entity))).collect()
}

fn assert_same(ours: &World, theirs: &World, time: i64) {
    for (id, line) in theirs {
        assert_eq!(ours.get(id), Some(line), "entity {id} at {time}");
    }
    assert_eq!(ours.len(), theirs.len(), "at {time}");
}

const ALL: u32 = Bits::OPEN.0 | Bits::WORLD.0 | Bits::UPDATE.0 | Bits::ACTION.0;

fn open_viewer(house: &House, controller: &mut Controller) -> (Watcher, i64) {
    let mut viewer = house.viewer();
    viewer.call(ALL, None);
    (viewer, *controller.viewers().last().unwrap())
}

/// Every step has the reference's world, and its changes lead there from the world before.
fn check(results: &[Seen], worlds: &BTreeMap<i64, World>, last: i64) {
    let results: Vec<Seen> = results.iter().filter(|seen| seen.message.is_empty()).cloned().collect();
    assert!(results.iter().map(|seen| seen.time).eq(0..=last), "all steps were seen");
    for seen in &results {
        assert_same(&world_of(seen), &worlds[&seen.time], seen.time);
    }
    manager::merged_worlds(&results);
}

/// The sample logs that are whole, and their last timesteps.
const SAMPLES: [(&str, &str, i64); 6] = [
    ("rich40-xz", "rescue.log.xz", 40),
    ("same8-three-encodings", "rescue.log", 8),
    ("same8-three-encodings", "rescue.log.xz", 8),
    ("same8-three-encodings", "rescue.log.7z", 8),
    ("test25-7z", "rescue.log.7z", 25),
    ("v1.5-20", "rescue.log", 20),
];

#[test]
fn every_sample_log_shows_the_worlds_of_its_own_reader() {
    let Some(data) = data() else { return };
    for (folder, file, last) in SAMPLES {
        let folder = data.join(folder);
        let house = House::with(|config| {
            config.log_dir = vec![folder.display().to_string()];
            config.play_speed_percent = 5000;
        });
        let mut controller = house.controller();
        let (mut viewer, id) = open_viewer(&house, &mut controller);
        let provider = controller.open_ready(file);
        controller.connect(provider, id);
        let results = viewer.see_until(last);
        check(&results, &reference(&folder.join("rescue.worlds.txt.gz")), last);
        let ended = controller.wait_for_status(provider, "closed");
        assert_eq!((&ended["time"], &ended["maxtime"]), (&last.into(), &last.into()), "{file}");
        assert!(controller.errors().is_empty());
    }
}

#[test]
fn logs_of_a_killed_kernel_are_played_as_far_as_they_go() {
    let Some(data) = data() else { return };
    let house = House::with(|config| config.log_dir = vec![data.join("killed").display().to_string()]);
    let mut controller = house.controller();
    let cut = controller.open("rescue.log.xz");
    let (mut viewer, id) = open_viewer(&house, &mut controller);
    controller.connect(cut, id);
    let ended = controller.wait_for_status(cut, "errored");
    let reached = ended["time"].as_i64().unwrap();
    assert_eq!(reached, 13, "{ended}");
    let worlds = manager::merged_worlds(&viewer.see_until(reached));
    assert!(controller.errors().iter().any(|line| line.contains("cut at 13")));
    let (mut viewer, id) = open_viewer(&house, &mut controller);
    let headless = controller.open("rescue.log.7z");
    controller.connect(headless, id);
    let more = manager::merged_worlds(&viewer.see_until(25));
    assert!(worlds.iter().all(|(time, world)| more[time] == *world) && more.keys().copied().eq(0..=25));
    assert_eq!(controller.wait_for_status(headless, "errored")["time"], 25);
    assert!(controller.errors().iter().any(|line| line.contains("cut at 25")));
}

/// The recorded lengths of the pieces, or pieces of a thousand bytes.
fn pieces(path: &Path, bytes: &[u8]) -> Vec<usize> {
    let Ok(text) = std::fs::read_to_string(path) else { return vec![1000; bytes.len() / 1000 + 1] };
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let received = lines.filter(|line| line["dir"] == "kernel->viewer");
    received.map(|line| usize::try_from(line["len"].as_u64().unwrap()).unwrap()).collect()
}

/// Plays what a kernel sent, in the pieces in which it came, once it may `go`; the request's number is made ours.
fn replay(folder: &Path, name: &str, go: &Arc<AtomicBool>) -> FakeKernel {
    let go = Arc::clone(go);
    let mut bytes = std::fs::read(folder.join(format!("{name}.kernel-to-viewer.bin"))).unwrap();
    let pieces = pieces(&folder.join(format!("{name}.segments.jsonl")), &bytes);
    // What the recorded viewer said its number was: the component 513 of its first frame.
    let asked = std::fs::read(folder.join(format!("{name}.viewer-to-kernel.bin"))).unwrap();
    let mark = [0x08, 0x81, 0x04, 0x12];
    if let (Some(at), Some(there)) = (find(&asked, &mark), find(&bytes, &mark)) {
        // mark, length of the component, 0x48 (field 9, a number), varint
        let theirs = &asked[at + 4..];
        let len = usize::from(theirs[0]);
        let old = &bytes[there + 4..there + 5 + len].to_vec();
        assert_eq!(*old, theirs[..=len], "the kernel echoes the number");
        // As long as theirs, so that no length changes: a varint may have leading zeros.
        let number = &mut bytes[there + 6..there + 5 + len];
        let digits = number.len();
        for (n, digit) in number.iter_mut().enumerate() {
            *digit = u8::from(n == 0) | if n + 1 < digits { 0x80 } else { 0 };
        }
    }
    FakeKernel::new(move |_, mut stream| {
        if read_frame(&mut stream).is_none() {
            return;
        }
        wait_until("somebody watches", || go.load(Ordering::Relaxed));
        let mut rest = &bytes[..];
        for piece in &pieces {
            let (now, later) = rest.split_at((*piece).min(rest.len()));
            if stream.write_all(now).is_err() {
                return;
            }
            rest = later;
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(100));
    })
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}

#[test]
fn captured_connections_of_real_kernels_show_the_same_worlds() {
    let Some(data) = data() else { return };
    for (folder, name, last) in [
        ("rich40-xz", "java-viewer", 40),
        ("rich40-xz", "py-viewer", 40),
        ("same8-three-encodings", "java-viewer", 8),
        ("test25-7z", "java-viewer", 25),
        ("test25-7z", "py-viewer", 25),
        ("v1.5-20", "java-viewer", 20),
    ] {
        eprintln!("{folder} {name}");
        let folder = data.join(folder);
        let house = House::with(|config| config.rcrs_legacy = folder.ends_with("v1.5-20"));
        let mut controller = house.controller();
        let (mut viewer, id) = open_viewer(&house, &mut controller);
        let watched = Arc::new(AtomicBool::new(false));
        let kernel = replay(&folder, name, &watched);
        let provider = controller.open_kernel(kernel.port);
        controller.connect(provider, id);
        watched.store(true, Ordering::Relaxed);
        let results = viewer.see_until(last);
        check(&results, &reference(&folder.join("rescue.worlds.txt.gz")), last);
        let ended = controller.wait_for_status(provider, "closed");
        assert_eq!(ended["time"], last);
    }
}

#[test]
fn a_late_viewer_is_told_of_its_gap() {
    let Some(data) = data() else { return };
    for (folder, first) in [("rich40-xz", 13), ("test25-7z", 0)] {
        let kernel = replay(&data.join(folder), "late-viewer", &Arc::new(AtomicBool::new(true)));
        let house = House::new();
        let mut controller = house.controller();
        let provider = controller.open_kernel(kernel.port);
        controller.wait_for_status(provider, "closed");
        let errors = controller.errors();
        let gap = errors.iter().find(|line| line.contains("were not received"));
        let gap = gap.unwrap_or_else(|| panic!("{folder}: {errors:?}"));
        assert!(first == 0 || gap.contains(&format!("up to {}, were", first - 1)), "{gap}");
    }
}

#[test]
fn recordings_of_all_real_runs_show_the_same_worlds() {
    let Some(data) = data() else { return };
    for (folder, file, last) in SAMPLES {
        let folder = data.join(folder);
        let recordings = manager::Directory::new();
        let house = House::with(|config| {
            config.log_dir = vec![folder.display().to_string(), recordings.path().display().to_string()];
            config.record = recordings.path().display().to_string();
            config.play_speed_percent = 5000;
        });
        let mut controller = house.controller();
        let (mut viewer, id) = open_viewer(&house, &mut controller);
        let provider = controller.open_ready(file);
        controller.connect(provider, id);
        let original = viewer.see_until(last);
        controller.wait_for_status(provider, "closed");
        house.wait_for_recordings(1);
        let name = std::fs::read_dir(recordings.path()).unwrap().next().unwrap().unwrap().file_name();
        let again = controller.open(&name.into_string().unwrap());
        wait_until("the recording is read", || controller.provider(again)["maxtime"] != 0);
        controller.connect(again, id);
        let replayed = viewer.see_until(last);
        let steps = |results: &[Seen]| {
            let whole = results.iter().filter(|seen| seen.message.is_empty());
            whole.map(|seen| (seen.time, seen.section(Section::Changes).map(<[u8]>::to_vec))).collect::<Vec<_>>()
        };
        assert!(steps(&replayed) == steps(&original), "{file}: what viewers are sent is what was recorded");
        let worlds = manager::merged_worlds(&replayed);
        assert!(worlds.keys().copied().eq(0..=last), "{file}");
        assert!(worlds == manager::merged_worlds(&original), "{file}");
    }
}
