//! The encoding of 1.x kernels, which the plain binary log still has: big-endian, names spelled out.
//!
//! Owns the format and the order of parts. Must not know frames or files: a whole message or record lies in memory.
//!
//! A number is four bytes, a text its byte count and UTF-8, a list its item count and the items. A message is its
//! name, its size and its parts in a fixed order without any label, so every message has a *programme*: the parts to expect.
//! An entity is `name, id, size, count, properties`, a property `name, defined flag` and, if defined, `size, data`.
//!
//! [`Decoder`] works in slices like its protobuf twin: it keeps which part of the programme it is in and how many items
//! are left, and decodes whole units.

use super::Error;
use super::message::{Command, CommandParts, Draft, Record, RecordKind, Sketch, Value, add_value};
use super::proto::{check_unit, reason};
use super::urn::{CommandKind, CommandPart, Control, EntityKind, PropertyKind, PropertySet};

const SHORT: Error = Error::Malformed("a message ends too early");
const NEGATIVE: Error = Error::Malformed("a count is negative");

/// A stretch of bytes read in order; positions count from the start of the whole buffer.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, end: bytes.len() }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let to = self.at.checked_add(count).filter(|&to| to <= self.end).ok_or(SHORT)?;
        let taken = self.bytes.get(self.at..to).ok_or(SHORT)?;
        self.at = to;
        Ok(taken)
    }

    fn int(&mut self) -> Result<i32, Error> {
        self.take(4)?.try_into().map(i32::from_be_bytes).map_err(|_| SHORT)
    }

    fn count(&mut self) -> Result<usize, Error> {
        usize::try_from(self.int()?).map_err(|_| NEGATIVE)
    }

    /// A count and that many bytes: a text, a name, raw data, or a sized stretch.
    fn sized(&mut self) -> Result<&'a [u8], Error> {
        let count = self.count()?;
        self.take(count)
    }

    fn ints(&mut self, each: usize) -> Result<Vec<i32>, Error> {
        let count = self.count()?.saturating_mul(each);
        let mut list = Vec::new();
        for _ in 0..count {
            add_value(&mut list, self.int()?)?;
        }
        Ok(list)
    }
}

/// The next part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Request,
    Viewer,
    Target,
    Agent,
    Time,
    Reason,
    Entities,
    Config,
    Commands,
    Changes,
    Deleted,
}

/// Decodes one message or record in slices.
#[derive(Debug)]
pub(super) struct Decoder {
    programme: &'static [Part],
    /// Items to come in the list that is open.
    left: Option<usize>,
    at: usize,
    end: usize,
    draft: Draft,
}

impl Decoder {
    /// For the content of a kernel message at this place in its frame; nothing for a message a viewer has no use for.
    pub(super) fn message(control: Control, at: usize, end: usize) -> Option<Self> {
        let programme: &[Part] = if control == Control::KvConnectOk {
            &[Part::Request, Part::Viewer, Part::Entities, Part::Config]
        } else if control == Control::KvConnectError {
            &[Part::Request, Part::Reason]
        } else if control == Control::KvTimestep {
            &[Part::Target, Part::Time, Part::Commands, Part::Changes, Part::Deleted]
        } else if control == Control::Shutdown {
            &[]
        } else {
            return None;
        };
        Some(Self { programme, left: None, at, end, draft: Draft::default() })
    }

    /// For the content of a log record.
    pub(super) fn record(kind: RecordKind, end: usize) -> Self {
        let programme: &[Part] = match kind {
            RecordKind::Start | RecordKind::End => &[],
            RecordKind::Initial => &[Part::Entities],
            RecordKind::Config => &[Part::Config],
            // The agent stands before the time here, unlike in the protobuf record.
            RecordKind::Perception => &[Part::Agent, Part::Time, Part::Changes, Part::Deleted, Part::Commands],
            RecordKind::Commands => &[Part::Time, Part::Commands],
            RecordKind::Updates => &[Part::Time, Part::Changes, Part::Deleted],
        };
        Self { programme, left: None, at: 0, end, draft: Draft::default() }
    }

    /// Decodes on, for about `budget` bytes; says whether the message is done. What follows the last part is passed over.
    pub(super) fn step(&mut self, bytes: &[u8], budget: usize) -> Result<bool, Error> {
        let pause = self.at.saturating_add(budget);
        while let [part, rest @ ..] = self.programme {
            let mut reader = Reader { bytes, at: self.at, end: self.end };
            self.left = self.take(*part, &mut reader)?;
            self.at = reader.at;
            if self.left.is_none() {
                self.programme = rest;
            }
            if self.at >= pause {
                break;
            }
        }
        Ok(self.programme.is_empty())
    }

    /// The finished record.
    pub(super) fn into_record(self, kind: RecordKind) -> Result<Record, Error> {
        self.draft.into_record(kind)
    }

    /// The finished message.
    pub(super) fn into_draft(self) -> Draft {
        self.draft
    }

    /// Takes a single part, the count of a list, or one item of it; gives how many items the list still has.
    fn take(&mut self, part: Part, reader: &mut Reader<'_>) -> Result<Option<usize>, Error> {
        let draft = &mut self.draft;
        match part {
            Part::Request => draft.request = Some(reader.int()?),
            Part::Viewer => draft.viewer = Some(reader.int()?),
            Part::Target => draft.target = Some(reader.int()?),
            Part::Agent => draft.agent = reader.int()?,
            Part::Time => draft.time = reader.int()?,
            Part::Reason => draft.reason = reason(reader.sized()?),
            Part::Entities | Part::Config | Part::Commands | Part::Changes | Part::Deleted => {
                let left = match self.left {
                    None => reader.count()?,
                    Some(left) => {
                        take_item(draft, part, reader)?;
                        left - 1
                    }
                };
                return Ok((left > 0).then_some(left));
            }
        }
        Ok(None)
    }
}

fn take_item(draft: &mut Draft, part: Part, reader: &mut Reader<'_>) -> Result<(), Error> {
    match part {
        Part::Entities => {
            let entity = entity(reader)?.into_entity(&mut draft.changes.skipped);
            draft.add_entity(entity)
        }
        Part::Config => {
            let (key, value) = (reader.sized()?, reader.sized()?);
            check_unit(value, "one configuration value")?;
            draft.add_pair(key, value)
        }
        Part::Commands => {
            let command = command(reader)?;
            draft.add_command(command)
        }
        Part::Changes => {
            let change = change(reader)?.into_change(&mut draft.changes.skipped);
            draft.add_change(change)
        }
        Part::Deleted => draft.add_deleted(reader.int()?),
        Part::Request | Part::Viewer | Part::Target | Part::Agent | Part::Time | Part::Reason => Ok(()),
    }
}

/// Entity: name, id, size of the rest, properties.
fn entity(reader: &mut Reader<'_>) -> Result<Sketch, Error> {
    let kind = EntityKind::from_urn(reader.sized()?);
    let id = reader.int()?;
    let content = reader.sized()?;
    check_unit(content, "one entity")?;
    properties(&mut Reader::new(content), Sketch::new(id, kind))
}

/// Entity change: id, name, properties, without any size.
fn change(reader: &mut Reader<'_>) -> Result<Sketch, Error> {
    let id = reader.int()?;
    let kind = EntityKind::from_urn(reader.sized()?);
    properties(reader, Sketch::new(id, kind))
}

fn properties(reader: &mut Reader<'_>, mut sketch: Sketch) -> Result<Sketch, Error> {
    let began = reader.at;
    for _ in 0..reader.count()? {
        let property = PropertyKind::from_urn(reader.sized()?);
        let defined = reader.take(1)? != [0];
        let value = match property {
            _ if !defined => Value::Undefined,
            None => reader.sized().map(|_| Value::Other)?,
            Some(property) => value(property, &mut Reader::new(reader.sized()?))?,
        };
        sketch.set(property, value);
        let passed = reader.bytes.get(began..reader.at).unwrap_or_default();
        check_unit(passed, "one entity")?;
    }
    Ok(sketch)
}

fn value(property: PropertyKind, data: &mut Reader<'_>) -> Result<Value, Error> {
    if property == PropertyKind::Edges {
        data.ints(super::entity::EDGE_VALUES).map(Value::List)
    } else if PropertySet::LISTS.contains(property) {
        data.ints(1).map(Value::List)
    } else {
        data.int().map(Value::Number)
    }
}

/// Command message: name, size, then agent, time and its own parts.
fn command(reader: &mut Reader<'_>) -> Result<Option<Command>, Error> {
    let kind = CommandKind::from_urn(reader.sized()?);
    let content = reader.sized()?;
    check_unit(content, "one command")?;
    let Some(kind) = kind else { return Ok(None) };
    let mut content = Reader::new(content);
    let mut parts = CommandParts::new();
    parts.agent = content.int()?;
    parts.time = content.int()?;
    for &part in command_parts(kind) {
        match part {
            CommandPart::Path | CommandPart::Channels => parts.set_list(part, content.ints(1)?),
            CommandPart::Message => parts.set_bytes(part, content.sized()?),
            CommandPart::Target
            | CommandPart::DestinationX
            | CommandPart::DestinationY
            | CommandPart::Water
            | CommandPart::Channel => parts.set_number(part, content.int()?),
        }
    }
    Ok(Some(parts.into_command(kind)))
}

/// A command's own parts in the order they are written.
const fn command_parts(kind: CommandKind) -> &'static [CommandPart] {
    match kind {
        CommandKind::Rest | CommandKind::Unload => &[],
        CommandKind::Move => &[CommandPart::Path, CommandPart::DestinationX, CommandPart::DestinationY],
        CommandKind::Load | CommandKind::Rescue | CommandKind::Clear => &[CommandPart::Target],
        CommandKind::Say => &[CommandPart::Message],
        CommandKind::Tell | CommandKind::Speak => &[CommandPart::Channel, CommandPart::Message],
        CommandKind::Extinguish => &[CommandPart::Target, CommandPart::Water],
        CommandKind::ClearArea => &[CommandPart::DestinationX, CommandPart::DestinationY],
        CommandKind::Subscribe => &[CommandPart::Channels],
    }
}

/// One message of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// What it is, if known.
    pub(super) control: Option<Control>,
    /// Where its content starts.
    pub(super) start: usize,
    /// Where its content ends and the next header starts.
    pub(super) end: usize,
}

/// The message header at this place of a frame; nothing at the empty name that closes the frame.
pub(super) fn header(frame: &[u8], at: usize) -> Result<Option<Header>, Error> {
    let mut reader = Reader { bytes: frame, at, end: frame.len() };
    let name = reader.sized()?;
    if name.is_empty() {
        return Ok(None);
    }
    let size = reader.sized()?.len();
    Ok(Some(Header { control: Control::from_urn(name), start: reader.at - size, end: reader.at }))
}

/// Builds one of the two small messages a viewer sends, as the whole content of a frame.
pub(super) fn encode(control: Control, content: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    put_sized(&mut frame, control.urn().as_bytes());
    put_sized(&mut frame, content);
    put_sized(&mut frame, &[]);
    frame
}

/// Appends a byte count and the bytes.
pub(super) fn put_sized(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend_from_slice(bytes);
}
