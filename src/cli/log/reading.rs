//! Reads a file into a [`Digest`], with a bar on the terminal while it takes time.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Seek, SeekFrom, Write as _};
use std::rc::Rc;
use std::time::{Duration, Instant};

use instep::control::record::{self, EntityType, Property};
use instep::control::replay;
use instep::control::section::Section;
use instep::control::vlog::{self, Item, Player};
use instep::limits::{CONTROL_RESULT_BYTES_MAX, RCRS_ENTITIES_MAX, RCRS_SLICE_BYTES_MAX, RCRS_SUMMARY_STEPS_MAX};
use instep::rcrs::entity::Entity;
use instep::rcrs::log::{Ending, HEAD_BYTES, LogFormat, Progress, Reader};
use instep::rcrs::message::{Action, Record};
use instep::rcrs::summary::Summary;
use instep::rcrs::urn::{EntityKind, PropertyKind};
use instep::store::order;
use serde_json::{Map, Value, json};

use super::super::client::now;
use super::super::failure::in_words;
use super::super::view::kind_of;
use super::census::{Census, Counted, Seen, Wanted};
use super::digest::{Digest, Timestep};

/// Bytes of a recording that are read at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// Reads the file and looks at what else is `wanted`. The error is the end of a sentence about the file.
pub(super) fn read(path: &OsStr, wanted: Wanted) -> Result<Digest, String> {
    let mut file = File::open(path).map_err(|error| in_words(&error))?;
    let about = file.metadata().map_err(|error| in_words(&error))?;
    if !about.is_file() {
        return Err("is not a file".to_owned());
    }
    let mut head = Vec::new();
    let limit = u64::try_from(HEAD_BYTES).unwrap_or(u64::MAX);
    Read::by_ref(&mut file).take(limit).read_to_end(&mut head).map_err(|error| in_words(&error))?;
    file.seek(SeekFrom::Start(0)).map_err(|error| in_words(&error))?;
    let read = Rc::new(Cell::new(0));
    let mut bar = Bar::new(about.len(), Rc::clone(&read));
    let source = Watched { file, read };
    let mut seen = Seen::new(wanted);
    let digest = if LogFormat::recognise(&head) == Some(LogFormat::Viewer) {
        read_recording(source, &mut seen, &mut bar)
    } else {
        read_log(source, &mut seen, &mut bar)
    };
    bar.clear();
    let entities = seen.entities();
    let Seen { history, scores, .. } = seen;
    digest.map(|digest| Digest { bytes: about.len(), entities, history, scores, ..digest })
}

// ---- Logs of kernels ----

fn read_log(source: Watched, seen: &mut Seen, bar: &mut Bar) -> Result<Digest, String> {
    let mut reader = Reader::open(source).map_err(|error| error.to_string())?;
    let mut summary = Summary::new();
    let mut records =
        [("start", 0), ("initial", 0), ("config", 0), ("perceptions", 0), ("commands", 0), ("updates", 0), ("end", 0)];
    let mut undefined: BTreeMap<PropertyKind, usize> = BTreeMap::new();
    let mut digest = Digest { kind: reader.format().name(), ..Digest::default() };
    let ending = loop {
        bar.show();
        let record = match reader.advance(RCRS_SLICE_BYTES_MAX) {
            Ok(Progress::Record(record)) => record,
            Ok(Progress::Working) => continue,
            Ok(Progress::Ended(ending)) => break ending,
            Err(error) if summary.records == 0 => return Err(error.to_string()),
            Err(error) => {
                return Err(format!(
                    "{error} (behind {} good records, up to timestep {})",
                    summary.records, summary.time_max
                ));
            }
        };
        let name = match &record {
            Record::Start => "start",
            Record::Initial(_) => "initial",
            Record::Config(config) => {
                digest.map_name = config.map_name().map(str::to_owned);
                "config"
            }
            Record::Perception(_) => "perceptions",
            Record::Commands { commands, .. } => {
                let vague = |action: &Action| matches!(action, Action::Move { x, y, .. } if *x < 0 || *y < 0);
                digest.moves_without_point += commands.iter().filter(|command| vague(&command.action)).count();
                "commands"
            }
            Record::Updates { changes, .. } => {
                for property in changes.changed.iter().flat_map(|change| change.undefined.iter()) {
                    *undefined.entry(property).or_default() += 1;
                }
                "updates"
            }
            Record::End => "end",
        };
        if let Some((_, count)) = records.iter_mut().find(|(known, _)| *known == name) {
            *count += 1;
        }
        let time = time_of_world(&record);
        summary.add(record).map_err(|error| error.to_string())?;
        if let Some(time) = time {
            let world = summary.world();
            seen.look(time.into(), || Census::of(world.iter().map(counted)), |id| world.get(id).map(described));
        }
    };
    digest.whole = ending == Ending::Whole;
    digest.unpacked = Some(reader.unpacked_bytes());
    digest.records = records.into_iter().filter(|(_, count)| *count > 0).collect();
    digest.time_max = summary.time_max.into();
    digest.timesteps_planned = summary.timesteps_planned.map(i64::from);
    digest.config_keys = summary.config_keys;
    digest.undefined = undefined.iter().map(|(property, count)| (property.word(), *count)).collect();
    digest.skipped = summary.skipped;
    let world = summary.world();
    digest.areas = world.iter().filter(|entity| entity.kind.is_area()).count();
    digest.bounds =
        world.bounds().map(|bounds| [bounds.low.0, bounds.low.1, bounds.high.0, bounds.high.1].map(f64::from));
    let step = |step: &instep::rcrs::summary::Timestep| Timestep {
        entities: step.entities.iter().map(|(kind, count)| (kind.word(), *count)).collect(),
        commands: step.commands.iter().map(|(kind, count)| (kind.word(), *count)).collect(),
        changed: step.changed,
        deleted: step.deleted,
        perceptions: step.perceptions,
    };
    digest.steps = order::filled(summary.steps.iter().map(|(time, counts)| (i64::from(*time), Box::new(step(counts)))));
    Ok(digest)
}

/// The time of the world that a record brings, if it brings one.
const fn time_of_world(record: &Record) -> Option<i32> {
    match record {
        Record::Initial(_) => Some(0),
        Record::Updates { time, .. } => Some(*time),
        Record::Start | Record::Config(_) | Record::Perception(_) | Record::Commands { .. } | Record::End => None,
    }
}

/// An entity as it is counted.
fn counted(entity: &Entity) -> Counted {
    let number = |property| entity.properties.number(property);
    let (hp, buried) = (number(PropertyKind::Hp), number(PropertyKind::Buriedness));
    match entity.kind {
        EntityKind::Civilian => Counted::Civilian { hp, buried },
        EntityKind::FireBrigade | EntityKind::AmbulanceTeam | EntityKind::PoliceForce => Counted::Agent { hp, buried },
        EntityKind::Blockade => Counted::Blockade,
        EntityKind::World | EntityKind::Road | EntityKind::Hydrant => Counted::Other,
        EntityKind::Building
        | EntityKind::Refuge
        | EntityKind::GasStation
        | EntityKind::FireStation
        | EntityKind::AmbulanceCentre
        | EntityKind::PoliceOffice => Counted::Building { fiery: number(PropertyKind::Fieryness) },
    }
}

/// An entity's type and its properties that have a value.
fn described(entity: &Entity) -> Map<String, Value> {
    let properties = &entity.properties;
    let value = |property| match properties.list(property) {
        Some(list) => json!(list),
        None => json!(properties.number(property)),
    };
    let mut about: Map<_, _> = order::filled([("type".to_owned(), Value::from(entity.kind.word()))]);
    about.extend(properties.defined().iter().map(|property| (property.word().to_owned(), value(property))));
    about
}

// ---- Recordings of viewers ----

/// The world of a recording, as its records bring it about.
#[derive(Default)]
struct RecordedWorld(BTreeMap<i32, record::Entity<'static>>);

impl RecordedWorld {
    fn set(&mut self, entities: Vec<record::Entity<'static>>) {
        self.0 = order::filled(entities.into_iter().map(|entity| (entity.id, entity.standing())));
    }

    fn change(&mut self, changes: Vec<record::Entity<'static>>) -> Result<(), String> {
        for change in changes {
            if change.deleted {
                self.0.remove(&change.id);
            } else if let Some(known) = self.0.get_mut(&change.id) {
                known.apply(&change);
            } else if self.0.len() < RCRS_ENTITIES_MAX {
                self.0.insert(change.id, change.standing());
            } else {
                return Err("the recording holds more entities than allowed".to_owned());
            }
        }
        Ok(())
    }

    fn counts(&self) -> Vec<(&'static str, usize)> {
        counts(EntityType::ALL.iter().map(|kind| kind.word()), self.0.values().map(|entity| kind_of(entity.kind)))
    }
}

/// Counts words in the order in which they are `known`.
fn counts(
    known: impl Iterator<Item = &'static str>,
    words: impl Iterator<Item = &'static str>,
) -> Vec<(&'static str, usize)> {
    let mut counts: Vec<(&'static str, usize)> = known.map(|word| (word, 0)).collect();
    for word in words {
        if let Some((_, count)) = counts.iter_mut().find(|(known, _)| *known == word) {
            *count += 1;
        }
    }
    counts.retain(|(_, count)| *count > 0);
    counts
}

fn read_recording(mut source: Watched, seen: &mut Seen, bar: &mut Bar) -> Result<Digest, String> {
    let mut digest = Digest { kind: LogFormat::Viewer.name(), ..Digest::default() };
    let (mut player, mut world) = (Player::new(), RecordedWorld::default());
    let (mut held, mut at, mut records) = (Vec::new(), 0, 0_usize);
    loop {
        let rest = held.get(at..).unwrap_or_default();
        let found = player.step(rest).and_then(|found| match found {
            vlog::Progress::More => Ok(None),
            vlog::Progress::Took(used, item) => take(&mut digest, item).map(|record| Some((used, record))),
        });
        let found = found.map_err(|error| damaged(&error.to_string(), records, digest.time_max))?;
        if let Some((used, record)) = found {
            at += used;
            if let Some((time, record)) = record {
                records += 1;
                add_record(&mut digest, &mut world, time, record)
                    .map_err(|error| damaged(&error, records - 1, digest.time_max))?;
                let about = |id| world.0.get(&id).map(described_record);
                seen.look(time, || Census::of(world.0.values().map(counted_record)), about);
            }
            continue;
        }
        held.drain(..at);
        at = 0;
        let before = held.len();
        // One item may be as large as a result and a length header in front of it.
        if before > CONTROL_RESULT_BYTES_MAX + CHUNK_BYTES {
            return Err(damaged("a record is larger than allowed", records, digest.time_max));
        }
        bar.show();
        let limit = u64::try_from(CHUNK_BYTES).unwrap_or(u64::MAX);
        source.by_ref().take(limit).read_to_end(&mut held).map_err(|error| in_words(&error))?;
        if held.len() == before {
            digest.whole = player.may_end(before) && !player.lacks_end();
            break;
        }
    }
    digest.records = vec![("timesteps", records)];
    Ok(digest)
}

fn damaged(why: &str, records: usize, time: i64) -> String {
    if records == 0 {
        return format!("the recording is damaged: {why}");
    }
    format!("the recording is damaged: {why} (behind {records} good records, up to timestep {time})")
}

/// What an item brings, a record's sections decoded.
struct RecordSections {
    world: Option<Vec<record::Entity<'static>>>,
    changes: Vec<record::Entity<'static>>,
    actions: Vec<record::Action<'static>>,
    perceptions: usize,
}

/// Takes note of an item; gives the record if it is one.
fn take(digest: &mut Digest, item: Item<'_>) -> Result<Option<(i64, RecordSections)>, instep::control::Error> {
    match item {
        Item::Nothing => {}
        Item::MaxTimeStep(planned) => digest.timesteps_planned = Some(planned).filter(|planned| *planned > 0),
        Item::MapName(name) => digest.map_name = Some(name.to_owned()).filter(|name| !name.is_empty()),
        Item::Static(Section::Config, value) => digest.config_keys = replay::config(value)?.len(),
        Item::Static(Section::Map, value) => {
            let map = replay::map(value)?;
            digest.areas = map.areas.len();
            digest.bounds = Some(map.bounds());
        }
        // The heading has no other sections.
        Item::Static(Section::World | Section::Commands | Section::Changes | Section::Perceptions, _) => {}
        Item::Record { time, bytes } => {
            let record = replay::Record::read(bytes)?;
            let perceptions = record.section(Section::Perceptions);
            let perceptions = perceptions.map_or(Ok(None), |value| instep::control::value::Reader::new(value).map())?;
            let sections = RecordSections {
                world: record.section(Section::World).map(replay::entities).transpose()?,
                changes: record.section(Section::Changes).map_or_else(|| Ok(Vec::new()), replay::entities)?,
                actions: record.section(Section::Commands).map_or_else(|| Ok(Vec::new()), replay::actions)?,
                perceptions: perceptions.and_then(|count| usize::try_from(count).ok()).unwrap_or(0),
            };
            return Ok(Some((time, sections)));
        }
    }
    Ok(None)
}

fn add_record(
    digest: &mut Digest,
    world: &mut RecordedWorld,
    time: i64,
    sections: RecordSections,
) -> Result<(), String> {
    if digest.steps.len() >= RCRS_SUMMARY_STEPS_MAX && !digest.steps.contains_key(&time) {
        return Err("it has more timesteps than allowed".to_owned());
    }
    let deleted = sections.changes.iter().filter(|change| change.deleted).count();
    let vague = |action: &&record::Action<'_>| {
        action.kind == record::ActionType::Move && (action.x.is_none() || action.y.is_none())
    };
    digest.moves_without_point += sections.actions.iter().filter(vague).count();
    digest.time_max = digest.time_max.max(time);
    let kinds = record::ActionType::ALL.iter().map(|kind| kind.word());
    let commands = counts(kinds, sections.actions.iter().map(|action| action.kind.word()));
    let changed = sections.changes.len() - deleted;
    // A world is that of after the changes.
    match sections.world {
        Some(whole) => world.set(whole),
        None => world.change(sections.changes)?,
    }
    let step = Timestep { entities: world.counts(), commands, changed, deleted, perceptions: sections.perceptions };
    digest.steps.insert(time, Box::new(step));
    Ok(())
}

/// An entity as it is counted.
fn counted_record(entity: &record::Entity<'static>) -> Counted {
    let number = |property| entity.properties.get(property);
    let (hp, buried) = (number(Property::Hp), number(Property::Buried));
    match entity.kind.unwrap_or(EntityType::Unknown) {
        EntityType::Civilian => Counted::Civilian { hp, buried },
        EntityType::TacticsFire | EntityType::TacticsAmbulance | EntityType::TacticsPolice => {
            Counted::Agent { hp, buried }
        }
        EntityType::Blockade => Counted::Blockade,
        EntityType::Unknown | EntityType::Road | EntityType::Hydrant | EntityType::Area => Counted::Other,
        EntityType::Building
        | EntityType::Refuge
        | EntityType::GasStation
        | EntityType::ControlFire
        | EntityType::ControlAmbulance
        | EntityType::ControlPolice => Counted::Building { fiery: number(Property::Fiery) },
    }
}

fn described_record(entity: &record::Entity<'static>) -> Map<String, Value> {
    let mut about: Map<_, _> = order::filled([("type".to_owned(), Value::from(kind_of(entity.kind)))]);
    about.extend(entity.properties.iter().map(|(property, value)| (property.key().to_owned(), value.into())));
    let lists = [("history", &entity.history), ("blockades", &entity.blockades), ("apexes", &entity.apexes)];
    about.extend(lists.into_iter().filter_map(|(key, list)| Some((key.to_owned(), json!(list.as_deref()?)))));
    about
}

// ---- Progress ----

/// A file that counts what is read of it.
#[derive(Debug)]
struct Watched {
    file: File,
    read: Rc<Cell<u64>>,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.read.set(self.read.get().saturating_add(u64::try_from(n).unwrap_or_default()));
        Ok(n)
    }
}

impl Seek for Watched {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// How much of the file has been read, on standard error if that is a terminal.
struct Bar {
    read: Rc<Cell<u64>>,
    total: u64,
    /// When it is to be drawn next; `None` where nobody looks.
    due: Option<Instant>,
    drawn: bool,
}

/// Time between two drawings, and before the first.
const PAUSE: Duration = Duration::from_millis(100);
const WIDTH: usize = 40;

impl Bar {
    fn new(total: u64, read: Rc<Cell<u64>>) -> Self {
        let due = io::stderr().is_terminal().then(|| now() + PAUSE);
        Self { read, total, due, drawn: false }
    }

    fn show(&mut self) {
        let now = now();
        if self.due.is_some_and(|due| due <= now) {
            self.due = Some(now + PAUSE);
            self.drawn = true;
            put(&format!("\r{}", bar(self.read.get(), self.total)));
        }
    }

    fn clear(&self) {
        if self.drawn {
            put("\r\x1b[K");
        }
    }
}

fn put(text: &str) {
    let mut out = io::stderr();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    debug_assert!(written.is_ok(), "a terminal takes a line");
}

/// The bar as text. An archive's directory is read beside its content, so there may be a little more than all.
fn bar(read: u64, total: u64) -> String {
    let percent = read.min(total) * 100 / total.max(1);
    let filled = usize::try_from(percent).unwrap_or(100) * WIDTH / 100;
    let megabytes = |bytes: u64| format!("{}.{}", bytes / 1_000_000, bytes / 100_000 % 10);
    let (blank, read, total) = (WIDTH - filled, megabytes(read.min(total)), megabytes(total));
    format!("[{}{}] {percent:>3} %  {read} of {total} MB", "#".repeat(filled), " ".repeat(blank))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_stays_within_its_frame() {
        assert_eq!(bar(0, 0), format!("[{}]   0 %  0.0 of 0.0 MB", " ".repeat(WIDTH)));
        assert!(bar(512, 1000).starts_with(&format!("[{}{}]  51 %", "#".repeat(20), " ".repeat(20))));
        assert_eq!(bar(3_500_000, 3_400_000), format!("[{}] 100 %  3.4 of 3.4 MB", "#".repeat(WIDTH)));
    }
}
