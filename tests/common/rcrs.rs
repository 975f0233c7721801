//! Writes what RCRS kernels send and log, for tests: a slow and plain twin of the decoders, sharing no code with them.
#![allow(dead_code, reason = "each test file takes what it needs")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "the numbers are ours and small"
)]

use std::io::Write as _;

use instep::rcrs::entity::{Change, Entity, Properties};
use instep::rcrs::message::{Action, ChangeSet, Command, Config, Perception, Record};
use instep::rcrs::urn::{CommandPart, Control, ControlPart, EntityKind, PropertyKind, PropertySet};
use lzma_rust2::{Lzma2Options, Lzma2Writer, LzmaOptions, LzmaWriter};

// ---- values ----

pub(crate) fn entity(
    id: i32,
    kind: EntityKind,
    numbers: &[(PropertyKind, i32)],
    lists: &[(PropertyKind, &[i32])],
) -> Entity {
    let mut properties = Properties::default();
    for &(property, value) in numbers {
        properties.set_number(property, value);
    }
    for &(property, values) in lists {
        properties.set_list(property, values.into());
    }
    Entity { id, kind, properties }
}

pub(crate) fn config(pairs: &[(&str, &str)]) -> Config {
    Config::new(pairs.iter().map(|&(key, value)| (key.into(), value.into())).collect())
}

/// Every kind of action, with extreme numbers.
pub(crate) fn actions() -> Vec<Action> {
    vec![
        Action::Rest,
        Action::Move { path: vec![1, i32::MAX, 300], x: -1, y: -1 },
        Action::Move { path: vec![], x: 0, y: 70_000 },
        Action::Load { target: 7 },
        Action::Unload,
        Action::Say { message: b"Help".to_vec() },
        Action::Tell { message: vec![], channel: 3 },
        Action::Extinguish { target: 9, water: 500 },
        Action::Rescue { target: i32::MIN },
        Action::Clear { target: 0 },
        Action::ClearArea { x: -5, y: 5 },
        Action::Subscribe { channels: vec![0, 1] },
        Action::Speak { channel: 1, message: vec![0, 255, 128] },
    ]
}

/// The records of a small run of two steps that has one of everything.
pub(crate) fn small_run() -> Vec<Record> {
    use PropertyKind as P;
    let initial = vec![
        entity(
            1,
            EntityKind::Road,
            &[(P::X, 500), (P::Y, -500)],
            &[(P::Edges, &[0, 0, 1000, 0, 2, 1000, 0, 0, -1000, 0]), (P::Blockades, &[])],
        ),
        entity(
            2,
            EntityKind::Building,
            &[(P::X, 2000), (P::Y, 0), (P::Floors, 3), (P::Ignition, 0), (P::WaitingListSize, 1)],
            &[(P::Edges, &[1000, 0, 2000, 0, 1])],
        ),
        entity(300, EntityKind::Civilian, &[(P::Position, 2), (P::Hp, 10_000)], &[(P::PositionHistory, &[])]),
        entity(2_000_000_000, EntityKind::AmbulanceTeam, &[(P::Position, 1)], &[]),
    ];
    let blockade = entity(99, EntityKind::Blockade, &[(P::RepairCost, 5)], &[(P::Apexes, &[1, 2, 3, 4])]);
    let burning = entity(2, EntityKind::Building, &[(P::Ignition, 1)], &[]);
    let loaded = entity(300, EntityKind::Civilian, &[(P::Position, 2_000_000_000)], &[]);
    let undefined = PropertySet::EMPTY.with(P::X).with(P::PositionHistory);
    let first = ChangeSet {
        changed: vec![change(blockade, PropertySet::EMPTY), change(burning, PropertySet::EMPTY)],
        deleted: vec![],
        skipped: 0,
    };
    let second = ChangeSet { changed: vec![change(loaded, undefined)], deleted: vec![99, -3], skipped: 0 };
    let commands = |time| actions().into_iter().map(|action| Command { agent: 300, time, action }).collect::<Vec<_>>();
    let perception = |time, visible: &ChangeSet| {
        Record::Perception(Perception { time, agent: 300, visible: visible.clone(), heard: commands(time) })
    };
    vec![
        Record::Start,
        Record::Initial(initial),
        Record::Config(config(&[("kernel.timesteps", "2"), ("gis.map.dir", "maps/tést"), ("empty", "")])),
        perception(1, &first),
        Record::Commands { time: 1, commands: vec![] },
        Record::Updates { time: 1, changes: first },
        perception(2, &second),
        Record::Commands { time: 2, commands: commands(2) },
        Record::Updates { time: 2, changes: second },
        Record::End,
    ]
}

/// The records of a run in which the civilian `walker` moves by one in every step.
pub(crate) fn walk(initial: Vec<Entity>, config: Config, walker: i32, steps: i32) -> Vec<Record> {
    let mut records = vec![Record::Start, Record::Initial(initial), Record::Config(config)];
    for time in 1..=steps {
        let moved = entity(walker, EntityKind::Civilian, &[(PropertyKind::X, time)], &[]);
        let changed = vec![change(moved, PropertySet::EMPTY)];
        records.push(Record::Commands { time, commands: vec![] });
        records.push(Record::Updates { time, changes: ChangeSet { changed, deleted: vec![], skipped: 0 } });
    }
    records.push(Record::End);
    records
}

fn change(entity: Entity, undefined: PropertySet) -> Change {
    Change { entity, undefined }
}

/// A command's own parts in the order of the 1.x encoding.
fn parts(action: &Action) -> Vec<(CommandPart, Part<'_>)> {
    use CommandPart as C;
    match action {
        Action::Rest | Action::Unload => vec![],
        Action::Move { path, x, y } => {
            vec![(C::Path, Part::List(path)), (C::DestinationX, Part::Int(*x)), (C::DestinationY, Part::Int(*y))]
        }
        Action::Load { target } | Action::Rescue { target } | Action::Clear { target } => {
            vec![(C::Target, Part::Id(*target))]
        }
        Action::Say { message } => vec![(C::Message, Part::Bytes(message))],
        Action::Tell { message, channel } | Action::Speak { channel, message } => {
            vec![(C::Channel, Part::Int(*channel)), (C::Message, Part::Bytes(message))]
        }
        Action::Extinguish { target, water } => vec![(C::Target, Part::Id(*target)), (C::Water, Part::Int(*water))],
        Action::ClearArea { x, y } => vec![(C::DestinationX, Part::Int(*x)), (C::DestinationY, Part::Int(*y))],
        Action::Subscribe { channels } => vec![(C::Channels, Part::Numbers(channels))],
    }
}

enum Part<'a> {
    Int(i32),
    Id(i32),
    /// Ids, field 6 of a component.
    List(&'a [i32]),
    /// Plain numbers, field 10.
    Numbers(&'a [i32]),
    Bytes(&'a [u8]),
}

// ---- today's encoding ----

pub(crate) mod proto {
    use super::*;

    pub(crate) fn varint(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 128 {
            bytes.push((value % 128) as u8 + 128);
            value /= 128;
        }
        bytes.push(value as u8);
        bytes
    }

    pub(crate) fn int(field: u64, value: i32) -> Vec<u8> {
        [varint(field * 8), varint(value as i64 as u64)].concat()
    }

    /// A number outside a "one of": nothing for zero.
    pub(crate) fn plain_int(field: u64, value: i32) -> Vec<u8> {
        if value == 0 { vec![] } else { int(field, value) }
    }

    pub(crate) fn bytes(field: u64, content: &[u8]) -> Vec<u8> {
        [&varint(field * 8 + 2), &varint(content.len() as u64), content].concat()
    }

    fn packed(field: u64, values: &[i32]) -> Vec<u8> {
        let values: Vec<u8> = values.iter().flat_map(|&value| varint(value as i64 as u64)).collect();
        if values.is_empty() { vec![] } else { bytes(field, &values) }
    }

    fn property(property: PropertyKind, properties: &Properties) -> Vec<u8> {
        let mut content = [int(1, property.number()), int(2, 1)].concat();
        if property == PropertyKind::Edges {
            let edges = properties.list(property).unwrap().chunks(5).map(|edge| {
                let edge: Vec<u8> = (1..).zip(edge).flat_map(|(field, &value)| plain_int(field, value)).collect();
                bytes(1, &edge)
            });
            content.extend(bytes(9, &edges.collect::<Vec<_>>().concat()));
        } else if let Some(list) = properties.list(property) {
            content.extend(bytes(7, &packed(1, list)));
        } else {
            let field = if property == PropertyKind::Ignition { 4 } else { 3 };
            content.extend(int(field, properties.number(property).unwrap()));
        }
        bytes(3, &content)
    }

    fn properties(properties: &Properties) -> Vec<u8> {
        properties.defined().iter().flat_map(|kind| property(kind, properties)).collect()
    }

    pub(crate) fn entity(entity: &Entity) -> Vec<u8> {
        [int(1, entity.kind.number()), int(2, entity.id), properties(&entity.properties)].concat()
    }

    pub(crate) fn entities(list: &[Entity]) -> Vec<u8> {
        list.iter().flat_map(|item| bytes(1, &entity(item))).collect()
    }

    pub(crate) fn changes(changes: &ChangeSet) -> Vec<u8> {
        let mut content = Vec::new();
        for change in &changes.changed {
            let mut item = [int(1, change.entity.id), int(2, change.entity.kind.number())].concat();
            item.extend(properties(&change.entity.properties));
            for property in change.undefined.iter() {
                item.extend(bytes(3, &int(1, property.number())));
            }
            content.extend(bytes(1, &item));
        }
        content.extend(packed(2, &changes.deleted));
        content
    }

    pub(crate) fn pairs(config: &Config) -> Vec<u8> {
        let pair =
            |(key, value): (&str, &str)| bytes(1, &[bytes(1, key.as_bytes()), bytes(2, value.as_bytes())].concat());
        config.iter().flat_map(pair).collect()
    }

    /// One component of a message.
    pub(crate) fn component(number: i32, content: &[u8]) -> Vec<u8> {
        bytes(2, &[int(1, number), bytes(2, content)].concat())
    }

    pub(crate) fn command(command: &Command) -> Vec<u8> {
        let mut message = int(1, command.action.kind().number());
        message.extend(component(ControlPart::AgentId.number(), &int(5, command.agent)));
        message.extend(component(ControlPart::Time.number(), &int(9, command.time)));
        for (part, value) in parts(&command.action) {
            let content = match value {
                Part::Int(value) => int(9, value),
                Part::Id(value) => int(5, value),
                Part::List(list) => bytes(6, &packed(1, list)),
                Part::Numbers(list) => bytes(10, &packed(1, list)),
                Part::Bytes(content) => bytes(11, content),
            };
            message.extend(component(part.number(), &content));
        }
        message
    }

    fn commands(field: u64, list: &[Command]) -> Vec<u8> {
        list.iter().flat_map(|item| bytes(field, &command(item))).collect()
    }

    /// One log record without length.
    pub(crate) fn record(record: &Record) -> Vec<u8> {
        match record {
            Record::Start => bytes(1, &[]),
            Record::Initial(list) => bytes(2, &entities(list)),
            Record::Commands { time, commands: list } => bytes(3, &[int(1, *time), commands(2, list)].concat()),
            Record::Perception(Perception { time, agent, visible, heard }) => {
                let visible = bytes(3, &changes(visible));
                bytes(4, &[int(1, *time), int(2, *agent), visible, commands(4, heard)].concat())
            }
            Record::Config(config) => bytes(5, &bytes(1, &pairs(config))),
            Record::Updates { time, changes: list } => bytes(6, &[int(1, *time), bytes(2, &changes(list))].concat()),
            Record::End => bytes(7, &[]),
        }
    }

    pub(crate) fn connect_ok(request: i32, viewer: i32, list: &[Entity], config: &Config) -> Vec<u8> {
        [
            int(1, Control::KvConnectOk.number()),
            component(ControlPart::Entities.number(), &bytes(7, &entities(list))),
            component(ControlPart::ViewerId.number(), &int(9, viewer)),
            component(ControlPart::AgentConfig.number(), &bytes(3, &pairs(config))),
            component(ControlPart::RequestId.number(), &int(9, request)),
        ]
        .concat()
    }

    pub(crate) fn connect_error(request: i32, reason: &str) -> Vec<u8> {
        [
            int(1, Control::KvConnectError.number()),
            component(ControlPart::RequestId.number(), &int(9, request)),
            component(ControlPart::Reason.number(), &bytes(12, reason.as_bytes())),
        ]
        .concat()
    }

    pub(crate) fn timestep(viewer: i32, time: i32, list: &[Command], change_set: &ChangeSet) -> Vec<u8> {
        [
            int(1, Control::KvTimestep.number()),
            component(ControlPart::Id.number(), &int(9, viewer)),
            component(ControlPart::Time.number(), &int(9, time)),
            component(ControlPart::Commands.number(), &bytes(2, &commands(1, list))),
            component(ControlPart::Changes.number(), &bytes(1, &changes(change_set))),
        ]
        .concat()
    }

    pub(crate) fn shutdown() -> Vec<u8> {
        int(1, Control::Shutdown.number())
    }
}

/// A frame: length and content.
pub(crate) fn frame(content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32).to_be_bytes(), content].concat()
}

// ---- the encoding of 1.x ----

pub(crate) mod legacy {
    use super::*;

    pub(crate) fn int(value: i32) -> Vec<u8> {
        value.to_be_bytes().to_vec()
    }

    pub(crate) fn sized(content: &[u8]) -> Vec<u8> {
        frame(content)
    }

    fn ints(values: &[i32], each: usize) -> Vec<u8> {
        let count = (values.len() / each) as i32;
        [int(count), values.iter().flat_map(|&value| int(value)).collect()].concat()
    }

    fn list<T>(items: &[T], item: impl Fn(&T) -> Vec<u8>) -> Vec<u8> {
        [int(items.len() as i32), items.iter().flat_map(item).collect()].concat()
    }

    fn properties(properties: &Properties, undefined: PropertySet) -> Vec<u8> {
        let count = properties.defined().iter().count() + undefined.iter().count();
        let mut content = int(count as i32);
        for kind in properties.defined().iter() {
            content.extend([sized(kind.urn().as_bytes()), vec![1]].concat());
            content.extend(sized(&match properties.list(kind) {
                Some(list) if kind == PropertyKind::Edges => ints(list, 5),
                Some(list) => ints(list, 1),
                None => int(properties.number(kind).unwrap()),
            }));
        }
        for kind in undefined.iter() {
            content.extend([sized(kind.urn().as_bytes()), vec![0]].concat());
        }
        content
    }

    pub(crate) fn entities(items: &[Entity]) -> Vec<u8> {
        list(items, |entity| {
            let properties = sized(&properties(&entity.properties, PropertySet::EMPTY));
            [sized(entity.kind.urn().as_bytes()), int(entity.id), properties].concat()
        })
    }

    pub(crate) fn changes(changes: &ChangeSet) -> Vec<u8> {
        let changed = list(&changes.changed, |change| {
            let kind = sized(change.entity.kind.urn().as_bytes());
            [int(change.entity.id), kind, properties(&change.entity.properties, change.undefined)].concat()
        });
        [changed, ints(&changes.deleted, 1)].concat()
    }

    pub(crate) fn commands(items: &[Command]) -> Vec<u8> {
        list(items, |command| {
            let mut content = [int(command.agent), int(command.time)].concat();
            for (_, value) in parts(&command.action) {
                content.extend(match value {
                    Part::Int(value) | Part::Id(value) => int(value),
                    Part::List(list) | Part::Numbers(list) => ints(list, 1),
                    Part::Bytes(bytes) => sized(bytes),
                });
            }
            message(&command.action.kind().urn(), &content)
        })
    }

    pub(crate) fn config(config: &Config) -> Vec<u8> {
        let pairs: Vec<_> = config.iter().collect();
        list(&pairs, |(key, value)| [sized(key.as_bytes()), sized(value.as_bytes())].concat())
    }

    pub(crate) fn message(urn: &str, content: &[u8]) -> Vec<u8> {
        [sized(urn.as_bytes()), sized(content)].concat()
    }

    /// One frame's content of some messages.
    pub(crate) fn messages(messages: &[Vec<u8>]) -> Vec<u8> {
        [messages.concat(), sized(&[])].concat()
    }

    pub(crate) fn connect_ok(request: i32, viewer: i32, list: &[Entity], pairs: &Config) -> Vec<u8> {
        let content = [int(request), int(viewer), entities(list), config(pairs)].concat();
        message(&Control::KvConnectOk.urn(), &content)
    }

    pub(crate) fn connect_error(request: i32, reason: &str) -> Vec<u8> {
        message(&Control::KvConnectError.urn(), &[int(request), sized(reason.as_bytes())].concat())
    }

    pub(crate) fn timestep(viewer: i32, time: i32, list: &[Command], change_set: &ChangeSet) -> Vec<u8> {
        let content = [int(viewer), int(time), commands(list), changes(change_set)].concat();
        message(&Control::KvTimestep.urn(), &content)
    }

    pub(crate) fn shutdown() -> Vec<u8> {
        message(&Control::Shutdown.urn(), &[])
    }

    /// One log record with type and size.
    pub(crate) fn record(record: &Record) -> Vec<u8> {
        let (number, content) = match record {
            Record::Start => (0xe542_d585_u32 as i32, vec![]),
            Record::Initial(list) => (1, entities(list)),
            Record::Perception(Perception { time, agent, visible, heard }) => {
                (2, [int(*agent), int(*time), changes(visible), commands(heard)].concat())
            }
            Record::Commands { time, commands: list } => (3, [int(*time), commands(list)].concat()),
            Record::Updates { time, changes: list } => (4, [int(*time), changes(list)].concat()),
            Record::Config(pairs) => (5, config(pairs)),
            Record::End => (0, vec![]),
        };
        [int(number), sized(&content)].concat()
    }
}

// ---- logs ----

pub(crate) fn binary_log(records: &[Record]) -> Vec<u8> {
    records.iter().flat_map(legacy::record).collect()
}

pub(crate) fn framed_log(records: &[Record]) -> Vec<u8> {
    records.iter().flat_map(|record| frame(&proto::record(record))).collect()
}

fn lzma_options() -> LzmaOptions {
    let mut options = LzmaOptions::with_preset(3);
    options.dict_size = 1 << 16;
    options
}

/// LZMA with its own header, unknown size and end marker, as the kernel writes.
pub(crate) fn lzma_alone(content: &[u8]) -> Vec<u8> {
    let mut writer = LzmaWriter::new_use_header(Vec::new(), &lzma_options(), None).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

pub(crate) fn lzma_bare(content: &[u8]) -> Vec<u8> {
    let mut writer = LzmaWriter::new_no_header(Vec::new(), &lzma_options(), false).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

pub(crate) fn lzma2(content: &[u8]) -> Vec<u8> {
    let options = Lzma2Options { lzma_options: lzma_options(), chunk_size: None };
    let mut writer = Lzma2Writer::new(Vec::new(), options);
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

/// A reflected checksum, bit by bit.
fn checksum(content: &[u8], polynomial: u64, bits: u32) -> u64 {
    let mask = u64::MAX >> (64 - bits);
    let mut crc = mask;
    for &byte in content {
        crc ^= u64::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ polynomial } else { crc >> 1 };
        }
    }
    crc ^ mask
}

pub(crate) fn crc_32(content: &[u8]) -> [u8; 4] {
    (checksum(content, 0xedb8_8320, 32) as u32).to_le_bytes()
}

pub(crate) fn crc_64(content: &[u8]) -> [u8; 8] {
    checksum(content, 0xc96c_5795_d787_0f42, 64).to_le_bytes()
}

/// An xz file with a block for each part and the given kind of check; its index is only begun.
pub(crate) fn xz(parts: &[&[u8]], check: u8) -> Vec<u8> {
    let mut file = [b"\xfd7zXZ\0", &[0, check][..], &crc_32(&[0, check])].concat();
    for part in parts {
        let header = [2, 0, 0x21, 1, 8, 0, 0, 0];
        let mut body = lzma2(part);
        body.resize(body.len().next_multiple_of(4), 0);
        file.extend([&header[..], &crc_32(&header), &body].concat());
        match check {
            0 => {}
            1 => file.extend(crc_32(part)),
            4 => file.extend(crc_64(part)),
            _ => panic!("no such check"),
        }
    }
    file.extend([0, 0, 0, 0]);
    file
}

/// A gzip file that has every optional part if asked.
pub(crate) fn gzip(content: &[u8], full: bool) -> Vec<u8> {
    let mut file = vec![0x1f, 0x8b, 8, if full { 2 + 4 + 8 + 16 } else { 0 }, 1, 2, 3, 4, 0, 3];
    if full {
        file.extend([&[3, 0, b'a', b'b', b'c'][..], b"name\0comment\0", &[0xaa, 0xbb]].concat());
    }
    file.extend(miniz_oxide::deflate::compress_to_vec(content, 6));
    file.extend(crc_32(content));
    file.extend((content.len() as u32).to_le_bytes());
    file
}

/// How the entries of an archive are packed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Packing {
    Plain,
    Lzma,
    Lzma2,
}

impl Packing {
    fn pack(self, content: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => content.to_vec(),
            Self::Lzma => lzma_bare(content),
            Self::Lzma2 => lzma2(content),
        }
    }

    /// A folder of one coder.
    fn folder(self) -> Vec<u8> {
        match self {
            Self::Plain => vec![1, 1, 0],
            Self::Lzma => vec![1, 0x23, 3, 1, 1, 5, 93, 0, 0, 1, 0],
            Self::Lzma2 => vec![1, 0x21, 0x21, 1, 8],
        }
    }
}

pub(crate) fn archive_number(value: u64) -> Vec<u8> {
    match value {
        0..0x80 => vec![value as u8],
        0x80..0x4000 => vec![0x80 | (value >> 8) as u8, value as u8],
        _ => [&[0xff][..], &value.to_le_bytes()].concat(),
    }
}

fn archive_streams(offset: u64, packed: &[Vec<u8>], plain: &[Vec<u8>], packing: Packing) -> Vec<u8> {
    let count = archive_number(packed.len() as u64);
    let sizes = |list: &[Vec<u8>]| list.iter().flat_map(|item| archive_number(item.len() as u64)).collect::<Vec<_>>();
    let checksums: Vec<u8> = plain.iter().flat_map(|item| crc_32(item)).collect();
    [
        &[6][..],
        &archive_number(offset),
        &count,
        &[9],
        &sizes(packed),
        &[0, 7, 11],
        &count,
        &[0],
        &plain.iter().flat_map(|_| packing.folder()).collect::<Vec<_>>(),
        &[12],
        &sizes(plain),
        &[10, 1],
        &checksums,
        &[0, 8, 0, 0],
    ]
    .concat()
}

/// A 7z archive of named files, its directory packed too if asked.
pub(crate) fn archive(files: &[(String, Vec<u8>)], packing: Packing, pack_directory: bool) -> Vec<u8> {
    let plain: Vec<_> = files.iter().map(|(_, content)| content.clone()).collect();
    let packed: Vec<_> = plain.iter().map(|content| packing.pack(content)).collect();
    let names: Vec<u8> =
        files.iter().flat_map(|(name, _)| name.encode_utf16().chain([0])).flat_map(u16::to_le_bytes).collect();
    let mut directory = [&[1, 4][..], &archive_streams(0, &packed, &plain, packing)].concat();
    directory.extend([&[5][..], &archive_number(files.len() as u64)].concat());
    // A section nobody needs, then the names.
    directory.extend([0x19, 2, 0, 0, 0x11]);
    directory.extend([archive_number(names.len() as u64 + 1), vec![0], names, vec![0, 0]].concat());
    let mut body = packed.concat();
    if pack_directory {
        let packed = Packing::Lzma.pack(&directory);
        let offset = body.len() as u64;
        body.extend(&packed);
        directory = [&[0x17][..], &archive_streams(offset, &[packed], &[directory], Packing::Lzma)].concat();
    }
    archive_front(body, &directory)
}

/// Puts front, packed data and directory together.
pub(crate) fn archive_front(body: Vec<u8>, directory: &[u8]) -> Vec<u8> {
    let place =
        [&(body.len() as u64).to_le_bytes()[..], &(directory.len() as u64).to_le_bytes(), &crc_32(directory)].concat();
    [&b"7z\xbc\xaf\x27\x1c\0\x04"[..], &crc_32(&place), &place, &body, directory].concat()
}

/// What a kernel leaves that was killed while it wrote an archive: room for the front, and the records.
pub(crate) fn killed_archive(records: &[Record]) -> Vec<u8> {
    [vec![0; 32], records.iter().flat_map(|record| lzma2(&proto::record(record))).collect()].concat()
}

/// The archive entries of a log.
pub(crate) fn entries(records: &[Record]) -> Vec<(String, Vec<u8>)> {
    let name = |record: &Record| match record {
        Record::Start => "START_OF_LOG".to_owned(),
        Record::Initial(_) => "INITIAL_CONDITIONS".to_owned(),
        Record::Config(_) => "CONFIG".to_owned(),
        Record::Perception(Perception { time, agent, .. }) => format!("{time}/PERCEPTION/{agent}"),
        Record::Commands { time, .. } => format!("{time}/COMMANDS"),
        Record::Updates { time, .. } => format!("{time}/UPDATES"),
        Record::End => "END_OF_LOG".to_owned(),
    };
    records.iter().map(|record| (name(record), proto::record(record))).collect()
}
