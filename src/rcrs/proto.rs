//! The encoding of today's kernels: protobuf.
//!
//! Owns the wire format and the numbers of the fields. Must not know frames or files: a whole message lies in memory.
//!
//! A message is fields one after another: a varint tag (number << 3 | wire type), then a varint, eight or four bytes, or a
//! counted run of bytes that may be a message again. A number comes as 64 bits of which the low 32 are meant. A zero is
//! left out, except inside a "one of". A map is a run of key and value messages in any order. Unknown fields, and known
//! ones of an unexpected wire type, are passed over.
//!
//! [`Decoder`] works in slices: it keeps where it is in a short stack of nested lists and decodes whole units (an entity,
//! a change, a command, a configuration pair), each bounded. The stack is as deep as the shapes below allow, whatever
//! the bytes say.

use super::Error;
use super::message::{Command, CommandParts, Draft, Record, RecordKind, Sketch, Value, add_value};
use super::urn::{CommandKind, CommandPart, Control, ControlPart, EntityKind, PropertyKind};
use crate::limits::RCRS_UNIT_BYTES_MAX;

const SHORT: Error = Error::Malformed("a message ends too early");
const LONG_NUMBER: Error = Error::Malformed("a number is longer than ten bytes");
const BAD_TAG: Error = Error::Malformed("a field has no valid tag");

/// One field of a message.
#[derive(Clone, Copy, Debug)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Four or eight plain bytes, which nothing known uses.
    Fixed,
}

/// A stretch of bytes read field by field; positions count from the start of the whole message.
#[derive(Debug)]
struct Wire<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Wire<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, end: bytes.len() }
    }

    fn varint(&mut self) -> Result<u64, Error> {
        let rest = self.bytes.get(self.at..self.end).ok_or(SHORT)?;
        let mut value = 0;
        for (index, &byte) in rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.at += index + 1;
                return Ok(value);
            }
        }
        Err(if rest.len() < 10 { SHORT } else { LONG_NUMBER })
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let to = self.at.checked_add(count).filter(|&to| to <= self.end).ok_or(SHORT)?;
        let taken = self.bytes.get(self.at..to).ok_or(SHORT)?;
        self.at = to;
        Ok(taken)
    }

    fn field(&mut self) -> Result<Option<(u64, Field<'a>)>, Error> {
        if self.at >= self.end {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = tag >> 3;
        let field = match tag & 7 {
            0 => Field::Number(self.varint()?),
            1 => self.take(8).map(|_| Field::Fixed)?,
            2 => {
                let count = usize::try_from(self.varint()?).map_err(|_| SHORT)?;
                Field::Bytes(self.take(count)?)
            }
            5 => self.take(4).map(|_| Field::Fixed)?,
            _ => return Err(BAD_TAG),
        };
        if number == 0 { Err(BAD_TAG) } else { Ok(Some((number, field))) }
    }
}

/// The low 32 bits, as the format has it for its 32-bit numbers.
fn int(value: u64) -> i32 {
    u32::try_from(value & u64::from(u32::MAX)).unwrap_or_default().cast_signed()
}

/// A nested list the decoder can pause in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Log,
    Initial,
    CommandRecord,
    Perception,
    ConfigRecord,
    Update,
    Message,
    Changes,
    Entities,
    Commands,
    Config,
}

/// Where a scope ends, and where its parent goes on.
#[derive(Clone, Copy, Debug)]
struct Level {
    scope: Scope,
    end: usize,
    resume: usize,
}

/// Decodes one message or record in slices.
#[derive(Debug)]
pub(super) struct Decoder {
    levels: Vec<Level>,
    at: usize,
    kind: Option<RecordKind>,
    control: Option<Control>,
    /// The numbers of a log lack their high byte, see [`EntityKind::from_log`].
    short: bool,
    draft: Draft,
}

impl Decoder {
    /// For a kernel message of this many bytes.
    pub(super) fn message(bytes: usize) -> Self {
        Self::new(Scope::Message, bytes, false)
    }

    /// For a log record of this many bytes. Whether the log's numbers are `short` shows in its first world: [`Self::is_short`].
    pub(super) fn record(bytes: usize, short: bool) -> Self {
        Self::new(Scope::Log, bytes, short)
    }

    fn new(scope: Scope, end: usize, short: bool) -> Self {
        let levels = vec![Level { scope, end, resume: end }];
        Self { levels, at: 0, kind: None, control: None, short, draft: Draft::default() }
    }

    /// Decodes on, for about `budget` bytes; says whether the message is done.
    pub(super) fn step(&mut self, bytes: &[u8], budget: usize) -> Result<bool, Error> {
        let pause = self.at.saturating_add(budget);
        while let Some(&Level { scope, end, resume }) = self.levels.last() {
            let mut wire = Wire { bytes, at: self.at, end };
            let Some((number, field)) = wire.field()? else {
                self.levels.pop();
                self.at = resume;
                continue;
            };
            self.at = wire.at;
            self.take(bytes, scope, number, field)?;
            if self.at >= pause {
                break;
            }
        }
        Ok(self.levels.is_empty())
    }

    /// Whether the numbers of the log lack their high byte, as far as is known.
    pub(super) const fn is_short(&self) -> bool {
        self.short
    }

    /// The finished record.
    pub(super) fn into_record(self) -> Result<Record, Error> {
        let kind = self.kind.ok_or(Error::Malformed("a log record is of no known kind"))?;
        self.draft.into_record(kind)
    }

    /// The finished message; no control number if it is not a known one.
    pub(super) fn into_message(self) -> (Option<Control>, Draft) {
        (self.control, self.draft)
    }

    /// Opens a list that lies in the bytes just passed.
    fn enter(&mut self, scope: Scope, content: &[u8]) {
        let resume = self.at;
        self.at -= content.len();
        self.levels.push(Level { scope, end: resume, resume });
        debug_assert!(self.levels.len() <= 3, "no known shape is deeper");
    }

    fn take(&mut self, bytes: &[u8], scope: Scope, number: u64, field: Field<'_>) -> Result<(), Error> {
        match (scope, number, field) {
            (Scope::Log, _, Field::Bytes(content)) => self.open_record(number, content)?,
            (Scope::Initial | Scope::Entities, 1, Field::Bytes(content)) => {
                self.short |= scope == Scope::Initial && has_short_kind(content)?;
                let entity = entity(content, self.short)?.into_entity(&mut self.draft.changes.skipped);
                self.draft.add_entity(entity)?;
            }
            (Scope::CommandRecord | Scope::Perception | Scope::Update, 1, Field::Number(value)) => {
                self.draft.time = int(value);
            }
            (Scope::CommandRecord, 2, Field::Bytes(content))
            | (Scope::Perception, 4, Field::Bytes(content))
            | (Scope::Commands, 1, Field::Bytes(content)) => self.draft.add_command(command(content, self.short)?)?,
            (Scope::Perception, 2, Field::Number(value)) => self.draft.agent = int(value),
            (Scope::Perception, 3, Field::Bytes(content)) | (Scope::Update, 2, Field::Bytes(content)) => {
                self.enter(Scope::Changes, content);
            }
            (Scope::ConfigRecord, 1, Field::Bytes(content)) => self.enter(Scope::Config, content),
            (Scope::Config, 1, Field::Bytes(content)) => {
                let (key, value) = pair(content)?;
                self.draft.add_pair(key, value)?;
            }
            (Scope::Changes, 1, Field::Bytes(content)) => {
                let change = change(content, self.short)?.into_change(&mut self.draft.changes.skipped);
                self.draft.add_change(change)?;
            }
            (Scope::Changes, 2, Field::Bytes(content)) => {
                let mut ids = Wire::new(content);
                while ids.at < ids.end {
                    self.draft.add_deleted(int(ids.varint()?))?;
                }
            }
            (Scope::Changes, 2, Field::Number(value)) => self.draft.add_deleted(int(value))?,
            (Scope::Message, 1, Field::Number(value)) => self.control = Control::from_number(int(value)),
            (Scope::Message, 2, Field::Bytes(content)) => self.open_component(bytes, content)?,
            (
                Scope::Log
                | Scope::Initial
                | Scope::CommandRecord
                | Scope::Perception
                | Scope::ConfigRecord
                | Scope::Update
                | Scope::Message
                | Scope::Changes
                | Scope::Entities
                | Scope::Commands
                | Scope::Config,
                _,
                _,
            ) => {}
        }
        Ok(())
    }

    fn open_record(&mut self, number: u64, content: &[u8]) -> Result<(), Error> {
        let (kind, scope) = match number {
            1 => (RecordKind::Start, None),
            2 => (RecordKind::Initial, Some(Scope::Initial)),
            3 => (RecordKind::Commands, Some(Scope::CommandRecord)),
            4 => (RecordKind::Perception, Some(Scope::Perception)),
            5 => (RecordKind::Config, Some(Scope::ConfigRecord)),
            6 => (RecordKind::Updates, Some(Scope::Update)),
            7 => (RecordKind::End, None),
            _ => return Ok(()),
        };
        if self.kind.replace(kind).is_some() {
            return Err(Error::Malformed("a log record is of two kinds"));
        }
        if let Some(scope) = scope {
            self.enter(scope, content);
        }
        Ok(())
    }

    /// One named part of a message. Its key may stand behind its value, so the entry is looked through first.
    fn open_component(&mut self, bytes: &[u8], content: &[u8]) -> Result<(), Error> {
        let resume = self.at;
        let mut entry = Wire { bytes, at: resume - content.len(), end: resume };
        let mut key = 0;
        let mut value = (0, 0);
        while let Some((number, field)) = entry.field()? {
            match (number, field) {
                (1, Field::Number(number)) => key = int(number),
                (2, Field::Bytes(content)) => value = (entry.at - content.len(), entry.at),
                (_, Field::Number(_) | Field::Bytes(_) | Field::Fixed) => {}
            }
        }
        let Some(part) = ControlPart::from_number(key) else { return Ok(()) };
        let mut component = Wire { bytes, at: value.0, end: value.1 };
        while let Some((number, field)) = component.field()? {
            let list = match (part, number, field) {
                (_, 5 | 9, Field::Number(value)) => {
                    self.set_number(part, int(value));
                    continue;
                }
                (ControlPart::Reason, 12, Field::Bytes(text)) => {
                    self.draft.reason = reason(text);
                    continue;
                }
                (ControlPart::Changes, 1, Field::Bytes(content)) => (Scope::Changes, content),
                (ControlPart::Commands, 2, Field::Bytes(content)) => (Scope::Commands, content),
                (ControlPart::AgentConfig, 3, Field::Bytes(content)) => (Scope::Config, content),
                (ControlPart::Entities, 7, Field::Bytes(content)) => (Scope::Entities, content),
                (_, _, Field::Number(_) | Field::Bytes(_) | Field::Fixed) => continue,
            };
            let (scope, content) = list;
            self.at = component.at - content.len();
            self.levels.push(Level { scope, end: component.at, resume });
            break;
        }
        Ok(())
    }

    fn set_number(&mut self, part: ControlPart, value: i32) {
        if part == ControlPart::RequestId {
            self.draft.request = Some(value);
        } else if part == ControlPart::ViewerId {
            self.draft.viewer = Some(value);
        } else if part == ControlPart::Id {
            self.draft.target = Some(value);
        } else if part == ControlPart::Time {
            self.draft.time = value;
        }
    }
}

/// A short text for people; what is not UTF-8 in it is replaced.
pub(super) fn reason(text: &[u8]) -> String {
    String::from_utf8_lossy(text.get(..text.len().min(1024)).unwrap_or_default()).into_owned()
}

/// Refuses a unit too big to be decoded in one go.
pub(super) const fn check_unit(content: &[u8], what: &'static str) -> Result<(), Error> {
    if content.len() > RCRS_UNIT_BYTES_MAX { Err(Error::TooLarge(what)) } else { Ok(()) }
}

/// Entity: 1 kind, 2 id, 3 properties.
fn entity(content: &[u8], short: bool) -> Result<Sketch, Error> {
    sketch(content, [1, 2], short)
}

/// Whether an entity's kind is one of the numbers without a high byte.
fn has_short_kind(content: &[u8]) -> Result<bool, Error> {
    let mut wire = Wire::new(content);
    while let Some((number, field)) = wire.field()? {
        if let (1, Field::Number(kind)) = (number, field) {
            return Ok(EntityKind::from_number(int(kind)).is_none() && EntityKind::from_log(int(kind), true).is_some());
        }
    }
    Ok(false)
}

/// Entity change: 1 id, 2 kind, 3 properties.
fn change(content: &[u8], short: bool) -> Result<Sketch, Error> {
    sketch(content, [2, 1], short)
}

fn sketch(content: &[u8], [kind_field, id_field]: [u64; 2], short: bool) -> Result<Sketch, Error> {
    check_unit(content, "one entity")?;
    let mut sketch = Sketch::default();
    let mut wire = Wire::new(content);
    while let Some((number, field)) = wire.field()? {
        match field {
            Field::Number(value) if number == kind_field => sketch.kind = EntityKind::from_log(int(value), short),
            Field::Number(value) if number == id_field => sketch.id = int(value),
            Field::Bytes(content) if number == 3 => {
                let (property, value) = property(content, short)?;
                sketch.set(property, value);
            }
            Field::Number(_) | Field::Bytes(_) | Field::Fixed => {}
        }
    }
    Ok(sketch)
}

/// Property: 1 kind, 2 defined, then one of 3 number, 4 flag, 5 double, 6 bytes, 7 list, 8 matrix, 9 edges, 10 point.
fn property(content: &[u8], short: bool) -> Result<(Option<PropertyKind>, Value), Error> {
    let mut property = None;
    let mut defined = false;
    let mut value = Value::Other;
    let mut wire = Wire::new(content);
    while let Some((number, field)) = wire.field()? {
        value = match (number, field) {
            (1, Field::Number(number)) => {
                property = PropertyKind::from_log(int(number), short);
                continue;
            }
            (2, Field::Number(flag)) => {
                defined = flag != 0;
                continue;
            }
            (3, Field::Number(number)) => Value::Number(int(number)),
            (4, Field::Number(flag)) => Value::Number(i32::from(flag != 0)),
            (7, Field::Bytes(list)) => Value::List(ints(list)?),
            (9, Field::Bytes(list)) => Value::List(edges(list)?),
            (_, Field::Number(_) | Field::Bytes(_) | Field::Fixed) => continue,
        };
    }
    Ok((property, if defined { value } else { Value::Undefined }))
}

/// List of numbers: 1 numbers, in one packed run or singly.
fn ints(content: &[u8]) -> Result<Vec<i32>, Error> {
    let mut list = Vec::new();
    let mut wire = Wire::new(content);
    while let Some((number, field)) = wire.field()? {
        match (number, field) {
            (1, Field::Bytes(packed)) => {
                let mut packed = Wire::new(packed);
                while packed.at < packed.end {
                    add_value(&mut list, int(packed.varint()?))?;
                }
            }
            (1, Field::Number(value)) => add_value(&mut list, int(value))?,
            (_, Field::Number(_) | Field::Bytes(_) | Field::Fixed) => {}
        }
    }
    Ok(list)
}

/// Edges: 1 edge {1 start x, 2 start y, 3 end x, 4 end y, 5 neighbour}, zeros left out.
fn edges(content: &[u8]) -> Result<Vec<i32>, Error> {
    let mut list = Vec::new();
    let mut wire = Wire::new(content);
    while let Some((number, field)) = wire.field()? {
        let (1, Field::Bytes(content)) = (number, field) else { continue };
        let mut edge = [0; super::entity::EDGE_VALUES];
        let mut wire = Wire::new(content);
        while let Some((number, field)) = wire.field()? {
            if let Field::Number(value) = field
                && let Some(held) = usize::try_from(number).ok().and_then(|number| edge.get_mut(number - 1))
            {
                *held = int(value);
            }
        }
        for value in edge {
            add_value(&mut list, value)?;
        }
    }
    Ok(list)
}

/// Map entry of the configuration: 1 key, 2 value.
fn pair(content: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    check_unit(content, "one configuration value")?;
    let (mut key, mut value) = (&[][..], &[][..]);
    let mut wire = Wire::new(content);
    while let Some((number, field)) = wire.field()? {
        match (number, field) {
            (1, Field::Bytes(text)) => key = text,
            (2, Field::Bytes(text)) => value = text,
            (_, Field::Number(_) | Field::Bytes(_) | Field::Fixed) => {}
        }
    }
    Ok((key, value))
}

/// A command message: 1 kind, 2 parts by number; no command if the kind is not known.
fn command(content: &[u8], short: bool) -> Result<Option<Command>, Error> {
    check_unit(content, "one command")?;
    let mut kind = None;
    let mut parts = CommandParts::new();
    let mut wire = Wire::new(content);
    while let Some((number, field)) = wire.field()? {
        match (number, field) {
            (1, Field::Number(number)) => kind = CommandKind::from_log(int(number), short),
            (2, Field::Bytes(entry)) => command_part(entry, &mut parts, short)?,
            (_, Field::Number(_) | Field::Bytes(_) | Field::Fixed) => {}
        }
    }
    Ok(kind.map(|kind| parts.into_command(kind)))
}

fn command_part<'a>(entry: &'a [u8], parts: &mut CommandParts<'a>, short: bool) -> Result<(), Error> {
    let mut key = 0;
    let mut content: &[u8] = &[];
    let mut wire = Wire::new(entry);
    while let Some((number, field)) = wire.field()? {
        match (number, field) {
            (1, Field::Number(number)) => key = int(number),
            (2, Field::Bytes(bytes)) => content = bytes,
            (_, Field::Number(_) | Field::Bytes(_) | Field::Fixed) => {}
        }
    }
    let mut component = Wire::new(content);
    while let Some((number, field)) = component.field()? {
        let (part, control) = part_of(key, number, short);
        match (number, field, part) {
            (5 | 9, Field::Number(value), Some(part)) => parts.set_number(part, int(value)),
            (5 | 9, Field::Number(value), None) if control == Some(ControlPart::AgentId) => parts.agent = int(value),
            (5 | 9, Field::Number(value), None) if control == Some(ControlPart::Time) => parts.time = int(value),
            (6 | 10, Field::Bytes(list), Some(part)) => parts.set_list(part, ints(list)?),
            (11, Field::Bytes(bytes), Some(part)) => parts.set_bytes(part, bytes),
            (_, Field::Number(_) | Field::Bytes(_) | Field::Fixed, _) => {}
        }
    }
    Ok(())
}

/// Which part of a command a component is, by its key and the number of its field. Without the high byte two parts of a command had one key,
/// and only what is in the component tells them apart: an agent is an entity's id (field 5), an x a number.
const fn part_of(key: i32, field: u64, short: bool) -> (Option<CommandPart>, Option<ControlPart>) {
    let (agent, time) = (ControlPart::AgentId as i32, ControlPart::Time as i32);
    if short && (key == time || key == agent && field == 5) {
        return (None, ControlPart::from_log(key, short));
    }
    (CommandPart::from_log(key, short), ControlPart::from_number(key))
}

/// Builds the two small messages a viewer sends.
#[derive(Debug, Default)]
pub(super) struct Encoder(Vec<u8>);

impl Encoder {
    /// A message without parts yet.
    pub(super) fn new(control: Control) -> Self {
        let mut message = Self::default();
        message.number(1, control.number());
        message
    }

    /// Adds a part that is a number.
    pub(super) fn with_number(self, part: ControlPart, value: i32) -> Self {
        let mut component = Self::default();
        component.number(9, value);
        self.with(part, &component)
    }

    /// Adds a part that is a text.
    pub(super) fn with_text(self, part: ControlPart, text: &str) -> Self {
        let mut component = Self::default();
        component.bytes(12, text.as_bytes());
        self.with(part, &component)
    }

    /// The encoded bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn with(mut self, part: ControlPart, component: &Self) -> Self {
        let mut entry = Self::default();
        entry.number(1, part.number());
        entry.bytes(2, &component.0);
        self.bytes(2, &entry.0);
        self
    }

    fn number(&mut self, field: u64, value: i32) {
        self.varint(field << 3);
        self.varint(i64::from(value).cast_unsigned());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.0.extend_from_slice(bytes);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).unwrap_or_default());
    }
}
