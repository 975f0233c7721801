//! What kernels send and logs hold, whichever way it was encoded.
//!
//! Owns the values ([`Record`], [`ChangeSet`], [`Command`], [`Config`]) and the draft both decoders fill, which is
//! where every count is held to its bound. Must not know bytes.

use super::Error;
use super::entity::{Change, Entity, Properties};
use super::urn::{CommandKind, CommandPart, EntityKind, PropertyKind, PropertySet};
use crate::limits::{
    RCRS_COMMANDS_MAX, RCRS_CONFIG_KEYS_MAX, RCRS_ENTITIES_MAX, RCRS_LIST_VALUES_MAX, RCRS_VALUES_MAX,
};
use crate::store::order;

/// One record of a log, in the order a run writes them.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// The log begins.
    Start,
    /// The world before the first step.
    Initial(Vec<Entity>),
    /// The kernel's configuration, written just before its last two keys are settled.
    Config(Config),
    /// What one agent saw and heard in a step.
    Perception(Perception),
    /// The commands accepted in a step.
    Commands {
        /// The step, from 1.
        time: i32,
        /// The commands of all agents.
        commands: Vec<Command>,
    },
    /// What a step changed; the last record of its step.
    Updates {
        /// The step, from 1.
        time: i32,
        /// To be merged into the world.
        changes: ChangeSet,
    },
    /// The log was closed properly.
    End,
}

/// What one agent saw and heard in a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Perception {
    /// The step, from 1.
    pub time: i32,
    /// The agent.
    pub agent: i32,
    /// What it saw.
    pub visible: ChangeSet,
    /// What it heard.
    pub heard: Vec<Command>,
}

/// New property values and gone entities of one step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChangeSet {
    /// Entities with values that are set or undefined; values may repeat what they were.
    pub changed: Vec<Change>,
    /// Entities that are gone.
    pub deleted: Vec<i32>,
    /// Entities and properties left out because their number, name or shape is not known.
    pub skipped: usize,
}

/// One command of one agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// Who.
    pub agent: i32,
    /// In which step.
    pub time: i32,
    /// What.
    pub action: Action,
}

/// What a command asks for. Coordinates are millimetres, -1 where no exact point is meant.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields are named as the simulator names them")]
pub enum Action {
    /// Do nothing.
    Rest,
    /// Go along these areas, and at the end to this point.
    Move { path: Vec<i32>, x: i32, y: i32 },
    /// Take a civilian aboard.
    Load { target: i32 },
    /// Put the civilian down.
    Unload,
    /// Call out to those nearby.
    Say { message: Vec<u8> },
    /// Tell on a channel of the old kind.
    Tell { message: Vec<u8>, channel: i32 },
    /// Put water on a building.
    Extinguish { target: i32, water: i32 },
    /// Dig a human out.
    Rescue { target: i32 },
    /// Clear a whole blockade.
    Clear { target: i32 },
    /// Clear towards a point.
    ClearArea { x: i32, y: i32 },
    /// Listen to these channels from now on.
    Subscribe { channels: Vec<i32> },
    /// Speak on a channel; 0 is the voice in the usual set-up.
    Speak { channel: i32, message: Vec<u8> },
}

impl Action {
    /// Which command this is.
    #[must_use]
    pub const fn kind(&self) -> CommandKind {
        match self {
            Self::Rest => CommandKind::Rest,
            Self::Move { .. } => CommandKind::Move,
            Self::Load { .. } => CommandKind::Load,
            Self::Unload => CommandKind::Unload,
            Self::Say { .. } => CommandKind::Say,
            Self::Tell { .. } => CommandKind::Tell,
            Self::Extinguish { .. } => CommandKind::Extinguish,
            Self::Rescue { .. } => CommandKind::Rescue,
            Self::Clear { .. } => CommandKind::Clear,
            Self::ClearArea { .. } => CommandKind::ClearArea,
            Self::Subscribe { .. } => CommandKind::Subscribe,
            Self::Speak { .. } => CommandKind::Speak,
        }
    }
}

/// A kernel's configuration: strings by name, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config(Vec<(Box<str>, Box<str>)>);

impl Config {
    /// Sorts keys and values; of two values for one key the later counts, as in any map of this encoding.
    #[must_use]
    pub fn new(mut pairs: Vec<(Box<str>, Box<str>)>) -> Self {
        pairs.reverse();
        order::sort_by(&mut pairs, |(left, _), (right, _)| left.cmp(right));
        pairs.dedup_by(|(later, _), (kept, _)| later == kept);
        Self(pairs)
    }

    /// How many keys there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(held, _)| (**held).cmp(key)).ok()?;
        self.0.get(at).map(|(_, value)| &**value)
    }

    /// All keys and values by rising key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// How many steps the run is planned to have (`kernel.timesteps`); it may end earlier.
    #[must_use]
    pub fn timesteps(&self) -> Option<i32> {
        self.get("kernel.timesteps")?.trim().parse().ok()
    }

    /// Which folder the map was read from (`gis.map.dir`).
    #[must_use]
    pub fn map_name(&self) -> Option<&str> {
        self.get("gis.map.dir")
    }
}

/// Which record a draft becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordKind {
    Start,
    Initial,
    Config,
    Perception,
    Commands,
    Updates,
    End,
}

/// The parts of one message or record as they are decoded.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) request: Option<i32>,
    pub(super) viewer: Option<i32>,
    pub(super) target: Option<i32>,
    pub(super) agent: i32,
    pub(super) time: i32,
    pub(super) reason: String,
    pub(super) entities: Vec<Entity>,
    pub(super) commands: Vec<Command>,
    pub(super) changes: ChangeSet,
    pairs: Vec<(Box<str>, Box<str>)>,
    values: usize,
}

impl Draft {
    pub(super) fn add_entity(&mut self, entity: Option<Entity>) -> Result<(), Error> {
        let Some(entity) = entity else {
            self.changes.skipped += 1;
            return Ok(());
        };
        self.count_values(entity.properties.values())?;
        add(&mut self.entities, entity, RCRS_ENTITIES_MAX, "the entities of one message")
    }

    pub(super) fn add_change(&mut self, change: Option<Change>) -> Result<(), Error> {
        let Some(change) = change else {
            self.changes.skipped += 1;
            return Ok(());
        };
        self.count_values(change.entity.properties.values())?;
        add(&mut self.changes.changed, change, RCRS_ENTITIES_MAX, "the changes of one step")
    }

    pub(super) fn add_deleted(&mut self, id: i32) -> Result<(), Error> {
        add(&mut self.changes.deleted, id, RCRS_ENTITIES_MAX, "the deletions of one step")
    }

    pub(super) fn add_command(&mut self, command: Option<Command>) -> Result<(), Error> {
        let Some(command) = command else {
            self.changes.skipped += 1;
            return Ok(());
        };
        if let Action::Move { path: ids, .. } | Action::Subscribe { channels: ids } = &command.action {
            self.count_values(ids.len())?;
        }
        add(&mut self.commands, command, RCRS_COMMANDS_MAX, "the commands of one step")
    }

    pub(super) fn add_pair(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let text = |bytes| core::str::from_utf8(bytes).map_err(|_| Error::Malformed("a text is not UTF-8"));
        let pair = (text(key)?.into(), text(value)?.into());
        add(&mut self.pairs, pair, RCRS_CONFIG_KEYS_MAX, "the keys of the configuration")
    }

    /// The world that a log or a connection begins with.
    ///
    /// # Errors
    /// There are entities in it, and none of a known kind: whatever follows would be about none of them.
    pub(super) fn world(&mut self) -> Result<Vec<Entity>, Error> {
        if self.entities.is_empty() && self.changes.skipped > 0 {
            return Err(Error::Unsupported("none of its entities is of a known kind"));
        }
        Ok(core::mem::take(&mut self.entities))
    }

    /// The record.
    ///
    /// # Errors
    /// As [`Self::world`].
    pub(super) fn into_record(mut self, kind: RecordKind) -> Result<Record, Error> {
        Ok(match kind {
            RecordKind::Start => Record::Start,
            RecordKind::Initial => Record::Initial(self.world()?),
            RecordKind::Config => Record::Config(self.config()),
            RecordKind::Perception => Record::Perception(Perception {
                time: self.time,
                agent: self.agent,
                visible: self.changes,
                heard: self.commands,
            }),
            RecordKind::Commands => Record::Commands { time: self.time, commands: self.commands },
            RecordKind::Updates => Record::Updates { time: self.time, changes: self.changes },
            RecordKind::End => Record::End,
        })
    }

    pub(super) fn config(&mut self) -> Config {
        Config::new(core::mem::take(&mut self.pairs))
    }

    fn count_values(&mut self, more: usize) -> Result<(), Error> {
        self.values += more;
        if self.values > RCRS_VALUES_MAX {
            return Err(Error::TooLarge("the values of one message"));
        }
        Ok(())
    }
}

/// Appends within a bound.
fn add<T>(list: &mut Vec<T>, item: T, max: usize, what: &'static str) -> Result<(), Error> {
    if list.len() >= max {
        return Err(Error::TooLarge(what));
    }
    list.push(item);
    Ok(())
}

/// Appends to a list of numbers within its bound.
pub(super) fn add_value(list: &mut Vec<i32>, value: i32) -> Result<(), Error> {
    add(list, value, RCRS_LIST_VALUES_MAX, "one list of numbers")
}

/// What a property was sent as.
#[derive(Debug)]
pub(super) enum Value {
    /// Marked as having no value.
    Undefined,
    /// One number, flag or id.
    Number(i32),
    /// Numbers, ids, or edges of five numbers.
    List(Vec<i32>),
    /// A shape none of the known properties has.
    Other,
}

/// An entity or a change as its properties are decoded.
#[derive(Debug, Default)]
pub(super) struct Sketch {
    pub(super) id: i32,
    pub(super) kind: Option<EntityKind>,
    properties: Properties,
    undefined: PropertySet,
    skipped: usize,
}

impl Sketch {
    pub(super) fn new(id: i32, kind: Option<EntityKind>) -> Self {
        Self { id, kind, ..Self::default() }
    }

    /// Takes one property; of two with one number the later counts.
    pub(super) fn set(&mut self, property: Option<PropertyKind>, value: Value) {
        let Some(property) = property else {
            self.skipped += 1;
            return;
        };
        let is_list = PropertySet::LISTS.contains(property);
        match value {
            Value::Undefined => {
                self.properties.undefine(property);
                self.undefined = self.undefined.with(property);
                return;
            }
            Value::Number(number) if !is_list => {
                self.properties.set_number(property, number);
            }
            Value::List(list) if is_list => {
                self.properties.set_list(property, list.into());
            }
            Value::Number(_) | Value::List(_) | Value::Other => {
                self.skipped += 1;
                return;
            }
        }
        self.undefined = self.undefined.without(property);
    }

    /// The entity, or nothing if its kind is not known. A full entity has no use for undefined properties.
    pub(super) fn into_entity(mut self, skipped: &mut usize) -> Option<Entity> {
        *skipped += self.skipped;
        self.properties.shrink();
        Some(Entity { id: self.id, kind: self.kind?, properties: self.properties })
    }

    /// The change, or nothing if the entity's kind is not known.
    pub(super) fn into_change(self, skipped: &mut usize) -> Option<Change> {
        let undefined = self.undefined;
        Some(Change { entity: self.into_entity(skipped)?, undefined })
    }
}

/// The parts of a command in whatever order they come; what is left out is zero, empty, or no exact point.
#[derive(Debug)]
pub(super) struct CommandParts<'a> {
    pub(super) agent: i32,
    pub(super) time: i32,
    pub(super) target: i32,
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) water: i32,
    pub(super) channel: i32,
    pub(super) path: Vec<i32>,
    pub(super) channels: Vec<i32>,
    pub(super) message: &'a [u8],
}

impl<'a> CommandParts<'a> {
    pub(super) const fn new() -> Self {
        Self {
            agent: 0,
            time: 0,
            target: 0,
            x: -1,
            y: -1,
            water: 0,
            channel: 0,
            path: Vec::new(),
            channels: Vec::new(),
            message: &[],
        }
    }

    pub(super) const fn set_number(&mut self, part: CommandPart, value: i32) {
        match part {
            CommandPart::Target => self.target = value,
            CommandPart::DestinationX => self.x = value,
            CommandPart::DestinationY => self.y = value,
            CommandPart::Water => self.water = value,
            CommandPart::Channel => self.channel = value,
            CommandPart::Path | CommandPart::Channels | CommandPart::Message => {}
        }
    }

    pub(super) fn set_list(&mut self, part: CommandPart, value: Vec<i32>) {
        match part {
            CommandPart::Path => self.path = value,
            CommandPart::Channels => self.channels = value,
            CommandPart::Target
            | CommandPart::DestinationX
            | CommandPart::DestinationY
            | CommandPart::Water
            | CommandPart::Message
            | CommandPart::Channel => {}
        }
    }

    pub(super) fn set_bytes(&mut self, part: CommandPart, value: &'a [u8]) {
        if part == CommandPart::Message {
            self.message = value;
        }
    }

    pub(super) fn into_command(self, kind: CommandKind) -> Command {
        let (target, x, y, channel) = (self.target, self.x, self.y, self.channel);
        let message = self.message;
        let action = match kind {
            CommandKind::Rest => Action::Rest,
            CommandKind::Move => Action::Move { path: self.path, x, y },
            CommandKind::Load => Action::Load { target },
            CommandKind::Unload => Action::Unload,
            CommandKind::Say => Action::Say { message: message.to_vec() },
            CommandKind::Tell => Action::Tell { message: message.to_vec(), channel },
            CommandKind::Extinguish => Action::Extinguish { target, water: self.water },
            CommandKind::Rescue => Action::Rescue { target },
            CommandKind::Clear => Action::Clear { target },
            CommandKind::ClearArea => Action::ClearArea { x, y },
            CommandKind::Subscribe => Action::Subscribe { channels: self.channels },
            CommandKind::Speak => Action::Speak { channel, message: message.to_vec() },
        };
        Command { agent: self.agent, time: self.time, action }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_values_for_one_configuration_key_the_later_counts() {
        let mut draft = Draft::default();
        for (key, value) in [("b", "1"), ("a", "2"), ("b", "3"), ("kernel.timesteps", " 40 ")] {
            draft.add_pair(key.as_bytes(), value.as_bytes()).unwrap();
        }
        let config = draft.config();
        assert_eq!(config.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["a", "b", "kernel.timesteps"]);
        assert_eq!(config.get("b"), Some("3"));
        assert_eq!(config.get("c"), None);
        assert_eq!(config.timesteps(), Some(40));
    }

    #[test]
    fn configuration_must_be_text_and_bounded() {
        let mut draft = Draft::default();
        assert_eq!(draft.add_pair(b"k", &[0xff]), Err(Error::Malformed("a text is not UTF-8")));
        for _ in 0..RCRS_CONFIG_KEYS_MAX {
            draft.add_pair(b"k", b"v").unwrap();
        }
        assert_eq!(draft.add_pair(b"k", b"v"), Err(Error::TooLarge("the keys of the configuration")));
    }

    #[test]
    fn lists_and_messages_end_at_their_bounds() {
        let mut list = vec![0; RCRS_LIST_VALUES_MAX];
        assert_eq!(add_value(&mut list, 0), Err(Error::TooLarge("one list of numbers")));
        let mut draft = Draft::default();
        let most = || {
            let path = vec![0; RCRS_LIST_VALUES_MAX];
            Some(Command { agent: 1, time: 1, action: Action::Move { path, x: 0, y: 0 } })
        };
        for _ in 0..RCRS_VALUES_MAX / RCRS_LIST_VALUES_MAX {
            draft.add_command(most()).unwrap();
        }
        assert_eq!(draft.add_command(most()), Err(Error::TooLarge("the values of one message")));
    }

    #[test]
    fn the_later_word_on_a_property_counts() {
        let mut sketch = Sketch::new(1, Some(EntityKind::Road));
        sketch.set(Some(PropertyKind::X), Value::Undefined);
        sketch.set(Some(PropertyKind::X), Value::Number(4));
        sketch.set(Some(PropertyKind::Y), Value::Number(4));
        sketch.set(Some(PropertyKind::Y), Value::Undefined);
        sketch.set(None, Value::Number(1));
        sketch.set(Some(PropertyKind::Hp), Value::Other);
        sketch.set(Some(PropertyKind::Hp), Value::List(vec![1]));
        let mut skipped = 0;
        let change = sketch.into_change(&mut skipped).unwrap();
        assert_eq!(skipped, 3);
        assert_eq!(change.undefined, PropertySet::EMPTY.with(PropertyKind::Y));
        assert_eq!(change.entity.properties.defined(), PropertySet::EMPTY.with(PropertyKind::X));
    }
}
