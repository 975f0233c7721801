//! The `rcrs` room against bytes of real kernels and the worlds the kernel's own reader printed for them.
//!
//! The data is not part of this repository. Set INSTEP_RCRS_DATA to its folder to run these tests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use instep::limits::{RCRS_FRAME_BYTES_MAX, RCRS_SLICE_BYTES_MAX};
use instep::rcrs::entity::Entity;
use instep::rcrs::kernel::{Dialect, Event, KernelViewer, Poll};
use instep::rcrs::log::{Ending, LogFormat, Progress, Reader};
use instep::rcrs::message::{Action, Record};
use instep::rcrs::summary::{Summary, Timestep};
use instep::rcrs::urn::{CommandKind, EntityKind, PropertyKind};
use instep::rcrs::world::{Bounds, World};

fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("INSTEP_RCRS_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("SKIPPED: INSTEP_RCRS_DATA is not set");
    }
    folder
}

/// All records of a log and how it ended.
fn records(path: &Path) -> (Vec<Record>, Ending) {
    records_of(BufReader::new(File::open(path).unwrap()))
}

fn records_of(source: impl Read + Seek) -> (Vec<Record>, Ending) {
    let mut reader = Reader::open(source).unwrap();
    let mut records = Vec::new();
    loop {
        match reader.advance(RCRS_SLICE_BYTES_MAX).unwrap() {
            Progress::Record(record) => records.push(record),
            Progress::Working => {}
            Progress::Ended(ending) => return (records, ending),
        }
    }
}

/// The worlds of a log by time.
fn worlds(records: &[Record]) -> BTreeMap<i32, World> {
    let mut worlds = BTreeMap::new();
    let mut world = World::default();
    for record in records {
        match record {
            Record::Initial(entities) => {
                world = World::new(entities.clone()).unwrap();
                worlds.insert(0, world.clone());
            }
            Record::Updates { time, changes } => {
                check_difference(&mut world, changes.clone());
                worlds.insert(*time, world.clone());
            }
            Record::Start | Record::Config(_) | Record::Perception(_) | Record::Commands { .. } | Record::End => {}
        }
    }
    worlds
}

/// Merges, and compares the reported difference with one found by comparing the whole worlds.
fn check_difference(world: &mut World, changes: instep::rcrs::message::ChangeSet) {
    let before = world.clone();
    let difference = world.apply(changes).unwrap();
    let created: Vec<_> = world.iter().map(|entity| entity.id).filter(|&id| before.get(id).is_none()).collect();
    let mut deleted: Vec<_> = before.iter().map(|entity| entity.id).filter(|&id| world.get(id).is_none()).collect();
    let mut reported: Vec<_> = difference.deleted.iter().map(|&(id, _)| id).collect();
    deleted.sort_unstable();
    reported.sort_unstable();
    assert_eq!((&difference.created, &reported), (&created, &deleted));
    let mut changed = Vec::new();
    for entity in world.iter() {
        let Some(old) = before.get(entity.id) else { continue };
        for &property in PropertyKind::ALL {
            if value(old, property) != value(entity, property) {
                changed.push((entity.id, property));
            }
        }
    }
    let reported: Vec<_> =
        difference.changed.iter().flat_map(|&(id, set)| set.iter().map(move |property| (id, property))).collect();
    assert_eq!(reported, changed);
    for team in world.iter().filter(|entity| entity.kind == EntityKind::AmbulanceTeam) {
        let reported = difference.boarded.iter().find(|(id, _)| *id == team.id).map(|&(_, civilian)| civilian);
        let differs = before.passenger(team.id) != world.passenger(team.id);
        assert_eq!(reported, differs.then(|| world.passenger(team.id)));
    }
}

fn value(entity: &Entity, property: PropertyKind) -> Option<String> {
    let properties = &entity.properties;
    let Some(list) = properties.list(property) else {
        let number = properties.number(property)?;
        let flag = property == PropertyKind::Ignition;
        return Some(if flag { (number != 0).to_string() } else { number.to_string() });
    };
    if property != PropertyKind::Edges {
        return Some(format!("{list:?}"));
    }
    let edges = properties.edges().map(|edge| {
        let ((start_x, start_y), (end_x, end_y)) = (edge.start, edge.end);
        format!("{start_x},{start_y},{end_x},{end_y},{};", edge.neighbour.unwrap_or(0))
    });
    Some(format!("[{}]", edges.collect::<String>()))
}

/// The world as the reference prints it.
fn print_world(world: &World, to: &mut String) {
    for entity in world.iter() {
        let properties = PropertyKind::ALL
            .iter()
            .filter_map(|&property| Some(format!("{}={}", property.number(), value(entity, property)?)));
        let properties: Vec<_> = properties.collect();
        writeln!(to, "  {} {} {{{}}}", entity.id, entity.kind.number(), properties.join(", ")).unwrap();
    }
}

fn print_step(time: i32, step: &Timestep, to: &mut String) {
    let list = |counts: Vec<(i32, usize)>| {
        counts.iter().map(|(number, count)| format!("{number}={count}")).collect::<Vec<_>>().join(", ")
    };
    let types = list(step.entities.iter().map(|(kind, &count)| (kind.number(), count)).collect());
    let commands = list(step.commands.iter().map(|(kind, &count)| (kind.number(), count)).collect());
    let (commands, merged) = if time == 0 {
        ("-".to_owned(), "-".to_owned())
    } else {
        (format!("{{{commands}}}"), format!("{}/{}", step.changed, step.deleted))
    };
    let perceptions = step.perceptions;
    writeln!(to, "t={time} types {{{types}}} cmds {commands} changed/deleted {merged} perceptions {perceptions}")
        .unwrap();
}

/// Summary and worlds of a log in the reference's words, without and with the entities.
fn print_log(records: &[Record]) -> (String, String) {
    let mut summary = Summary::new();
    for record in records {
        summary.add(record.clone()).unwrap();
    }
    assert_eq!(summary.skipped, 0);
    assert_eq!(summary.records, records.len());
    let planned = summary.timesteps_planned.unwrap();
    let head = format!("max {}\nconfig.kernel.timesteps {planned} keys {}\n", summary.time_max, summary.config_keys);
    let (mut short, mut long) = (head.clone(), head);
    for (time, world) in worlds(records) {
        let step = &summary.steps[&time];
        print_step(time, step, &mut short);
        print_step(time, step, &mut long);
        print_world(&world, &mut long);
    }
    (short, long)
}

fn gunzip(path: &Path) -> String {
    let output = Command::new("gzip").arg("-dc").arg(path).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn assert_lines_equal(ours: &str, reference: &str) {
    for (number, (ours, reference)) in ours.lines().zip(reference.lines()).enumerate() {
        assert_eq!(ours, reference, "line {}", number + 1);
    }
    assert_eq!(ours.lines().count(), reference.lines().count());
}

fn check_log(folder: &Path, file: &str, kind: LogFormat, record_count: usize) -> Vec<Record> {
    let path = folder.join(file);
    let reader = Reader::open(File::open(&path).unwrap()).unwrap();
    assert_eq!(reader.format(), kind);
    let (records, ending) = records(&path);
    assert_eq!((records.len(), ending), (record_count, Ending::Whole));
    assert_eq!(records.first(), Some(&Record::Start));
    assert_eq!(records.last(), Some(&Record::End));
    let (short, long) = print_log(&records);
    assert_lines_equal(&short, &fs::read_to_string(folder.join("rescue.expected.txt")).unwrap());
    assert_lines_equal(&long, &gunzip(&folder.join("rescue.worlds.txt.gz")));
    records
}

/// What a viewer went through.
struct Session {
    viewer: i32,
    config_keys: usize,
    first: World,
    steps: Vec<(i32, Option<i32>)>,
    worlds: BTreeMap<i32, World>,
    last: World,
    commands: usize,
    shutdown: bool,
    sent: Vec<u8>,
}

/// Replays what a kernel sent, in pieces that end at the given offsets.
fn replay(dialect: Dialect, request: i32, name: &str, bytes: &[u8], ends: &[usize]) -> Session {
    let mut machine = KernelViewer::new(dialect, request, name, RCRS_FRAME_BYTES_MAX);
    let mut session = Session {
        viewer: 0,
        config_keys: 0,
        first: World::default(),
        steps: Vec::new(),
        worlds: BTreeMap::new(),
        last: World::default(),
        commands: 0,
        shutdown: false,
        sent: machine.poll_frame().unwrap(),
    };
    let mut start = 0;
    for &end in ends {
        let mut piece = &bytes[start..end];
        start = end;
        loop {
            let taken = machine.handle_bytes(piece).unwrap();
            piece = &piece[taken..];
            match machine.poll_event().unwrap() {
                Poll::Event(event) => on_event(&mut session, event),
                Poll::Working => {}
                Poll::Idle if piece.is_empty() => break,
                Poll::Idle => {}
            }
            if let Some(frame) = machine.poll_frame() {
                session.sent.extend(frame);
            }
        }
    }
    session
}

fn on_event(session: &mut Session, event: Event) {
    match event {
        Event::Connected { viewer, entities, config } => {
            session.viewer = viewer;
            session.config_keys = config.len();
            session.first = World::new(entities).unwrap();
            session.last = session.first.clone();
        }
        Event::Timestep { time, missed_from, commands, changes } => {
            assert!(commands.iter().all(|command| command.time == time || command.time == time - 1));
            session.commands += commands.len();
            session.steps.push((time, missed_from));
            check_difference(&mut session.last, changes);
            session.worlds.insert(time, session.last.clone());
        }
        Event::Shutdown => session.shutdown = true,
        Event::Refused { reason } => panic!("refused: {reason}"),
    }
}

/// The recorded ends of the pieces a viewer received.
fn segments(path: &Path) -> Vec<usize> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let received = lines.filter(|line| line["dir"] == "kernel->viewer");
    received
        .map(|line| usize::try_from(line["off"].as_u64().unwrap() + line["len"].as_u64().unwrap()).unwrap())
        .collect()
}

fn check_capture(folder: &Path, dialect: Dialect, steps: i32, viewer: i32, worlds: &BTreeMap<i32, World>) {
    let bytes = fs::read(folder.join("java-viewer.kernel-to-viewer.bin")).unwrap();
    let recorded = folder.join("java-viewer.segments.jsonl");
    let mut chunkings = vec![vec![bytes.len()], (1..=bytes.len()).collect()];
    if recorded.exists() {
        let ends = segments(&recorded);
        assert_eq!(ends.last(), Some(&bytes.len()));
        chunkings.push(ends);
    }
    for ends in chunkings {
        let session = replay(dialect, 1, "probe.ProbeViewer", &bytes, &ends);
        assert_eq!((session.viewer, session.config_keys, session.shutdown), (viewer, 331, true));
        assert_eq!(session.steps, (1..=steps).map(|time| (time, None)).collect::<Vec<_>>());
        assert!(session.first == worlds[&0]);
        for (time, world) in &session.worlds {
            assert!(*world == worlds[time], "world {time}");
        }
        let sent = fs::read(folder.join("java-viewer.viewer-to-kernel.bin")).unwrap();
        assert_eq!(session.sent, sent, "byte for byte what a real viewer sent");
    }
}

#[test]
fn the_packed_log_gives_every_number_of_its_description() {
    let Some(data) = data() else { return };
    let folder = data.join("rich40-xz");
    let records = check_log(&folder, "rescue.log.xz", LogFormat::Lzma, 844);

    let mut commands: BTreeMap<CommandKind, usize> = BTreeMap::new();
    let (mut no_point, mut perceptions) = (0, 0);
    let mut undefined: BTreeMap<PropertyKind, usize> = BTreeMap::new();
    for record in &records {
        match record {
            Record::Commands { commands: list, .. } => {
                for command in list {
                    *commands.entry(command.action.kind()).or_default() += 1;
                    no_point += usize::from(matches!(command.action, Action::Move { x: -1, y: -1, .. }));
                }
            }
            Record::Updates { changes, .. } => {
                for property in changes.changed.iter().flat_map(|change| change.undefined.iter()) {
                    *undefined.entry(property).or_default() += 1;
                }
            }
            Record::Perception(_) => perceptions += 1,
            Record::Config(config) => assert_eq!((config.len(), config.timesteps()), (330, Some(40))),
            Record::Start | Record::Initial(_) | Record::End => {}
        }
    }
    assert_eq!(perceptions, 760);
    let counts = [
        (CommandKind::Rest, 124),
        (CommandKind::Move, 475),
        (CommandKind::Load, 1),
        (CommandKind::Say, 36),
        (CommandKind::Tell, 36),
        (CommandKind::Clear, 24),
        (CommandKind::ClearArea, 22),
        (CommandKind::Subscribe, 9),
        (CommandKind::Speak, 150),
    ];
    assert_eq!(commands, BTreeMap::from(counts));
    assert_eq!(no_point, 451);
    let counts = [(PropertyKind::X, 1), (PropertyKind::Y, 1), (PropertyKind::PositionHistory, 277)];
    assert_eq!(undefined, BTreeMap::from(counts));

    let worlds = worlds(&records);
    let blockades = |time: i32| worlds[&time].iter().filter(|entity| entity.kind == EntityKind::Blockade).count();
    assert_eq!([0, 1, 10, 20, 40].map(blockades), [0, 89, 86, 80, 72]);
    assert_eq!([0, 1, 40].map(|time| worlds[&time].len()), [111, 200, 183]);
    let numbers = |id: i32, kinds: &[PropertyKind]| {
        let properties = &worlds[&40].get(id).unwrap().properties;
        kinds.iter().map(|&kind| properties.number(kind).unwrap()).collect::<Vec<_>>()
    };
    use PropertyKind as P;
    let civilian = numbers(59_932_914, &[P::X, P::Y, P::Position, P::Hp, P::Damage, P::Buriedness]);
    assert_eq!(civilian, [42421, 77033, 936, 9157, 26, 60]);
    let building = numbers(934, &[P::Ignition, P::Fieryness, P::Temperature, P::Brokenness, P::Floors]);
    assert_eq!(building, [1, 1, 52, 0, 2]);
    assert_eq!(worlds[&0].bounds(), Some(Bounds { low: (0, 0), high: (165_000, 141_000) }));

    check_capture(&folder, Dialect::Current, 40, 8, &worlds);
    let loaded = (1..=40).filter(|time| {
        let world = &worlds[time];
        world.iter().any(|entity| world.passenger(entity.id).is_some() && entity.kind == EntityKind::AmbulanceTeam)
    });
    assert!(loaded.count() > 0, "one civilian was loaded");
}

#[test]
fn a_late_viewer_is_told_what_it_missed() {
    let Some(data) = data() else { return };
    for (folder, viewer, at, due, last) in [("rich40-xz", 9, 7, 13, 40), ("test25-7z", 9, 7, 10, 25)] {
        let folder = data.join(folder);
        let log = if folder.ends_with("rich40-xz") { "rescue.log.xz" } else { "rescue.log.7z" };
        let worlds = worlds(&records(&folder.join(log)).0);
        let bytes = fs::read(folder.join("late-viewer.kernel-to-viewer.bin")).unwrap();
        let session = replay(Dialect::Current, 77, "late", &bytes, &[bytes.len()]);
        assert!(session.first == worlds[&at]);
        assert_eq!((session.viewer, session.steps[0]), (viewer, (due, Some(1))));
        assert!(session.steps[1..].iter().map(|&(time, _)| time).eq(due + 1..=last));
        assert!(session.steps[1..].iter().all(|(_, missed)| missed.is_none()));
        assert!(session.shutdown);
        if last == 40 {
            let stale: Vec<_> =
                session.last.iter().map(|entity| entity.id).filter(|&id| worlds[&last].get(id).is_none()).collect();
            assert_eq!(stale, [2_100_749_290, 2_100_749_291, 2_100_749_297, 2_100_749_298, 2_100_749_343]);
            let differing: Vec<_> = worlds[&last]
                .iter()
                .filter(|entity| session.last.get(entity.id) != Some(entity))
                .map(|e| e.id)
                .collect();
            assert_eq!(differing, [269, 932]);
        }
    }
}

#[test]
fn the_archived_log_and_its_capture_agree() {
    let Some(data) = data() else { return };
    let folder = data.join("test25-7z");
    let records = check_log(&folder, "rescue.log.7z", LogFormat::SevenZip, 254);
    let worlds = worlds(&records);
    assert_eq!((worlds[&0].len(), worlds[&25].len()), (103, 185));
    check_capture(&folder, Dialect::Current, 25, 8, &worlds);
}

#[test]
fn the_archive_tells_its_highest_time_before_the_first_record() {
    let Some(data) = data() else { return };
    let mut reader = Reader::open(File::open(data.join("test25-7z/rescue.log.7z")).unwrap()).unwrap();
    while reader.advance(RCRS_SLICE_BYTES_MAX).unwrap() == Progress::Working {}
    assert_eq!((reader.time_max(), reader.time_reached()), (Some(25), 0));
}

#[test]
fn three_encodings_of_one_run_are_equal() {
    let Some(data) = data() else { return };
    let folder = data.join("same8-three-encodings");
    let packed = check_log(&folder, "rescue.log.xz", LogFormat::Lzma, 84);
    let archived = check_log(&folder, "rescue.log.7z", LogFormat::SevenZip, 84);
    let binary = check_log(&folder, "rescue.log", LogFormat::Binary, 84);
    for (packed, binary) in packed.iter().zip(&binary) {
        match (packed, binary) {
            // The binary file's paths were renamed when the data was collected.
            (Record::Config(packed), Record::Config(binary)) => {
                let same = |((_, packed), (_, binary)): ((&str, &str), (&str, &str))| {
                    packed == binary || packed.contains('/') && packed.len() == binary.len()
                };
                assert!(packed.iter().map(|(key, _)| key).eq(binary.iter().map(|(key, _)| key)));
                assert!(packed.iter().zip(binary.iter()).all(same));
            }
            _ => assert_eq!(packed, binary),
        }
    }
    // Archive entries of one step are put in the order the archive has them, which is the writing order.
    assert!(packed == archived);
    check_capture(&folder, Dialect::Current, 8, 8, &worlds(&packed));
}

#[test]
fn the_old_kernel_is_understood() {
    let Some(data) = data() else { return };
    let folder = data.join("v1.5-20");
    let records = check_log(&folder, "rescue.log", LogFormat::Binary, 204);
    let worlds = worlds(&records);
    assert_eq!((worlds[&0].len(), worlds[&20].len()), (102, 184));
    check_capture(&folder, Dialect::Legacy, 20, 6, &worlds);
}

#[test]
fn killed_runs_give_what_they_have() {
    let Some(data) = data() else { return };
    let folder = data.join("killed");
    let (records, ending) = records(&folder.join("rescue.log.xz"));
    assert_eq!((records.len(), ending), (294, Ending::Truncated));
    let worlds = worlds(&records);
    assert_eq!(worlds.keys().last(), Some(&13));

    let bytes = fs::read(folder.join("py-viewer.kernel-to-viewer.bin")).unwrap();
    let expected = fs::read_to_string(folder.join("py-viewer.expected.txt")).unwrap();
    let request = expected.split_once("request ").unwrap().1.split_once(' ').unwrap().0.parse().unwrap();
    let session = replay(Dialect::Current, request, "py", &bytes, &[bytes.len()]);
    assert!(!session.shutdown);
    assert_eq!(session.steps, (1..=25).map(|time| (time, None)).collect::<Vec<_>>());
    for (time, world) in worlds.range(1..) {
        assert!(session.worlds[time] == *world, "world {time}");
    }

    // In the archive all is there but its directory.
    let file = fs::read(folder.join("rescue.log.7z")).unwrap();
    let (all, ending) = records_of(Cursor::new(&file));
    assert_eq!((all.len(), ending), (547, Ending::Truncated));
    let packed = worlds;
    let worlds = self::worlds(&all);
    assert!(packed.iter().all(|(time, world)| worlds[time] == *world), "the run of the other log, to its end");
    assert!(worlds.keys().copied().eq(0..=25));
    for (time, world) in worlds.range(1..) {
        assert!(session.worlds[time] == *world, "world {time}");
    }
}

/// Wherever the archive of a killed kernel is cut: what is whole. Some places of each sort; all of them take minutes.
#[test]
fn a_killed_archive_cut_anywhere_gives_what_is_whole() {
    let Some(data) = data() else { return };
    let file = fs::read(data.join("killed/rescue.log.7z")).unwrap();
    let ends = stream_ends(&file);
    assert_eq!(ends.len(), 547);
    let mut cuts: Vec<usize> = ends.iter().copied().step_by(20).collect();
    let mut place: usize = 1;
    for _ in 0..12 {
        place = (place * 48_271) % 2_147_483_647;
        cuts.push(38 + place % (file.len() - 38));
    }
    for (number, &cut) in cuts.iter().enumerate() {
        let lengths = if number % 8 == 0 { vec![cut - 1, cut, (cut + 1).min(file.len())] } else { vec![cut] };
        for length in lengths {
            let (count, ending) = count_of(&file[..length]);
            let whole = ends.iter().filter(|end| **end <= length).count();
            assert_eq!((count, ending), (whole, Ending::Truncated), "cut to {length}");
        }
    }
}

/// How many records a log has and how it ends.
fn count_of(bytes: &[u8]) -> (usize, Ending) {
    let mut reader = Reader::open(Cursor::new(bytes)).unwrap();
    let mut count = 0;
    loop {
        match reader.advance(RCRS_SLICE_BYTES_MAX).unwrap() {
            Progress::Record(_) => count += 1,
            Progress::Working => {}
            Progress::Ended(ending) => return (count, ending),
        }
    }
}

/// Where each of the LZMA2 streams behind the front ends, by the sizes that their chunks say.
fn stream_ends(file: &[u8]) -> Vec<usize> {
    let (mut at, mut ends) = (32, Vec::new());
    let size = |at: usize| usize::from(file[at]) << 8 | usize::from(file[at + 1]);
    while at < file.len() {
        match file[at] {
            0 => {
                at += 1;
                ends.push(at);
            }
            1 | 2 => at += 3 + size(at + 1) + 1,
            packed => at += if packed >= 0xc0 { 6 } else { 5 } + size(at + 3) + 1,
        }
    }
    ends
}

#[test]
fn real_repacks_read_the_same() {
    let Some(data) = data() else { return };
    let folder = data.join("same8-three-encodings");
    let (binary, _) = records(&folder.join("rescue.log"));
    for program in ["gzip", "xz"] {
        let Ok(output) = Command::new(program).arg("-9c").arg(folder.join("rescue.log")).output() else {
            eprintln!("SKIPPED: no program {program}");
            continue;
        };
        let (records, ending) = records_of(Cursor::new(output.stdout));
        assert_eq!(ending, Ending::Whole);
        assert!(records == binary, "{program}");
    }
}

/// Not a judgement on speed, only its report; a machine under load may be slow.
#[test]
fn measure_decoding() {
    let Some(data) = data() else { return };
    for file in [
        "rich40-xz/rescue.log.xz",
        "test25-7z/rescue.log.7z",
        "same8-three-encodings/rescue.log.xz",
        "same8-three-encodings/rescue.log.7z",
        "same8-three-encodings/rescue.log",
        "v1.5-20/rescue.log",
    ] {
        let mut best = (Duration::MAX, Duration::MAX, 0);
        for _ in 0..5 {
            #[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
            let now = Instant::now;
            let begun = now();
            let mut reader = Reader::open(File::open(data.join(file)).unwrap()).unwrap();
            let (mut longest, mut calls) = (Duration::ZERO, 0);
            loop {
                let start = now();
                let progress = reader.advance(RCRS_SLICE_BYTES_MAX).unwrap();
                longest = longest.max(start.elapsed());
                calls += 1;
                if let Progress::Ended(_) = progress {
                    break;
                }
            }
            best = best.min((begun.elapsed(), longest, calls));
        }
        eprintln!("{file}: {:?}, longest of {} calls {:?}", best.0, best.2, best.1);
    }
}
