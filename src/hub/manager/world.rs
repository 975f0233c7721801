//! A provider's world, and how it becomes what viewers are sent.
//!
//! The kernel's entities and properties are translated into those of the viewer protocol here, and nowhere else: `rcrs` and
//! `control` do not know each other. A step's sections are encoded once, whoever wants them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::control::reading::Reading;
use crate::control::record::{Action, ActionType, AreaInfo, Edge, Entity, EntityType, Point, Properties, Property};
use crate::control::replay::{self, Record as ReplayRecord};
use crate::control::section::{self, Section};
use crate::limits::{FEED_ENTITIES_MAX, RECORD_ITEMS_MAX};
use crate::rcrs::entity::Entity as KernelEntity;
use crate::rcrs::message::{self, ChangeSet, Command, Config, Perception};
use crate::rcrs::score::Score;
use crate::rcrs::urn::{EntityKind, PropertyKind, PropertySet};
use crate::rcrs::world::{Difference, World};

/// The sections of one timestep, encoded. An empty vector is a section that there is not.
#[derive(Clone, Debug, Default)]
pub(super) struct Timestep {
    pub(super) time: i32,
    /// The score behind it, which every record has.
    pub(super) score: Vec<u8>,
    pub(super) commands: Vec<u8>,
    pub(super) changes: Vec<u8>,
    pub(super) perceptions: Vec<u8>,
}

impl Timestep {
    pub(super) fn bytes(&self) -> usize {
        self.score.len() + self.commands.len() + self.changes.len() + self.perceptions.len()
    }
}

/// What does not change while a provider runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Statics {
    pub(super) map: Vec<u8>,
    pub(super) config: Vec<u8>,
    pub(super) map_name: String,
}

/// Areas encoded in one piece: those of a city take longer than a turn of the loop may.
const AREAS_PER_PIECE: usize = 2000;

/// A map section in the making. The world must stay as it is meanwhile.
#[derive(Clone, Debug, Default)]
pub(super) struct MapDraft {
    pub(super) out: Vec<u8>,
    areas: usize,
}

/// A timestep as it came, not yet applied.
#[derive(Debug)]
pub(super) enum Raw {
    /// From a kernel or its log.
    Kernel { time: i32, commands: Vec<Command>, perceptions: Vec<Perceived>, changes: ChangeSet },
    /// From a recording: the record's bytes.
    Replay { time: i32, bytes: Vec<u8> },
    /// From a feed: a record that has been read.
    Fed { time: i32, record: Box<Reading> },
}

impl Raw {
    pub(super) const fn time(&self) -> i32 {
        match self {
            Self::Kernel { time, .. } | Self::Replay { time, .. } | Self::Fed { time, .. } => *time,
        }
    }
}

/// What one agent perceived in a timestep, as far as viewers are told: properties are not.
#[derive(Debug)]
pub(super) struct Perceived {
    agent: i32,
    updated: Vec<i32>,
    deleted: Vec<i32>,
    heard: Vec<Command>,
}

impl Perceived {
    pub(super) fn new(perception: Perception) -> Self {
        let Perception { agent, visible, heard, .. } = perception;
        let updated = visible.changed.iter().map(|change| change.entity.id).collect();
        Self { agent, updated, deleted: visible.deleted, heard }
    }

    /// Memory it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let said = |command: &Command| match &command.action {
            message::Action::Say { message }
            | message::Action::Tell { message, .. }
            | message::Action::Speak { message, .. } => message.len(),
            message::Action::Move { path: ids, .. } | message::Action::Subscribe { channels: ids } => {
                size_of_val(ids.as_slice())
            }
            message::Action::Rest
            | message::Action::Load { .. }
            | message::Action::Unload
            | message::Action::Extinguish { .. }
            | message::Action::Rescue { .. }
            | message::Action::Clear { .. }
            | message::Action::ClearArea { .. } => 0,
        };
        size_of::<Self>()
            + size_of::<i32>() * (self.updated.len() + self.deleted.len())
            + self.heard.iter().map(|command| size_of::<Command>() + said(command)).sum::<usize>()
    }
}

/// Bytes that an entity of a recording takes beside itself: its place in the tree and its lists.
const REPLAY_OVERHEAD: usize = 160;

/// The world of a provider.
#[derive(Debug, Default)]
pub(super) enum ProviderWorld {
    /// Nothing has come yet.
    #[default]
    Empty,
    /// A kernel's world.
    Kernel(World),
    /// The world of a recording.
    Replay(BTreeMap<i32, Entity<'static>>),
}

impl ProviderWorld {
    /// The world section.
    pub(super) fn encode_world(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Empty => {}
            Self::Kernel(world) => section::world(&mut out, world.iter().map(|entity| whole(world, entity))),
            Self::Replay(entities) => section::world(&mut out, entities.values().map(Entity::borrowed)),
        }
        out
    }

    /// The score, as it stands in a record; nothing before there is a world.
    pub(super) fn encode_score(&self) -> Vec<u8> {
        let (mut out, mut score) = (Vec::new(), Score::default());
        match self {
            Self::Empty => return out,
            Self::Kernel(world) => {
                let civilians = world.iter().filter(|entity| entity.kind == EntityKind::Civilian);
                civilians.filter_map(|found| found.properties.number(PropertyKind::Hp)).for_each(|hp| score.add(hp));
            }
            Self::Replay(world) => {
                let civilians = world.values().filter(|entity| entity.kind == Some(EntityType::Civilian));
                civilians.filter_map(|found| found.properties.get(Property::Hp)).for_each(|hp| score.add(hp));
            }
        }
        section::score(&mut out, score.value());
        out
    }

    /// Makes a bounded piece of the map section; answers whether it is whole.
    pub(super) fn encode_map(&self, draft: &mut MapDraft) -> bool {
        let Self::Kernel(world) = self else { return true };
        let areas = || world.iter().filter(|entity| entity.kind.is_area());
        if draft.out.is_empty() {
            let corner = |(x, y): (i32, i32)| [f64::from(x), f64::from(y)];
            let corners = world.bounds().map(|bounds| (corner(bounds.low), corner(bounds.high)));
            let (low, high) = corners.unwrap_or_default();
            section::map_begin(&mut draft.out, low, high, areas().count());
        }
        let mut made = 0;
        for entity in areas().skip(draft.areas).take(AREAS_PER_PIECE) {
            section::map_area(&mut draft.out, &area(entity));
            made += 1;
        }
        draft.areas += made;
        made < AREAS_PER_PIECE
    }

    /// Memory it takes, about.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Kernel(world) => world.bytes(),
            Self::Replay(world) => world.len() * (size_of::<Entity<'_>>() + REPLAY_OVERHEAD),
        }
    }

    /// Applies a timestep and encodes its sections.
    pub(super) fn apply(&mut self, raw: Raw) -> Result<Timestep, String> {
        match raw {
            Raw::Kernel { time, commands, perceptions, changes } => {
                let Self::Kernel(world) = self else { return Err("a step came before the world".to_owned()) };
                let difference = world.apply(changes).map_err(|error| error.to_string())?;
                let mut step = Timestep { time, ..Timestep::default() };
                section::commands(&mut step.commands, commands.iter().map(action));
                encode_changes(&mut step.changes, world, &difference);
                if !perceptions.is_empty() {
                    encode_perceptions(&mut step.perceptions, &perceptions);
                }
                step.score = self.encode_score();
                Ok(step)
            }
            Raw::Replay { time, bytes } => self.apply_replay(time, &bytes),
            Raw::Fed { time, record } => Ok(self.apply_fed(time, &record)),
        }
    }

    /// The timestep that tells how the world was put right at `time`.
    pub(super) fn corrected(&self, time: i32, difference: &Difference) -> Timestep {
        let mut step = Timestep { time, score: self.encode_score(), ..Timestep::default() };
        if let Self::Kernel(world) = self {
            encode_changes(&mut step.changes, world, difference);
        }
        step
    }

    fn apply_replay(&mut self, time: i32, bytes: &[u8]) -> Result<Timestep, String> {
        let record = ReplayRecord::read(bytes).map_err(|error| error.to_string())?;
        if let Some(world) = record.section(Section::World) {
            let entities = replay::entities(world).map_err(|error| error.to_string())?;
            *self = Self::Replay(entities.into_iter().map(|entity| (entity.id, entity.standing())).collect());
        }
        if matches!(self, Self::Empty) {
            *self = Self::Replay(BTreeMap::new());
        }
        if let (Some(changes), Self::Replay(world)) = (record.section(Section::Changes), &mut *self) {
            // A record with a world has its changes in it already; applying them again changes nothing.
            replay::entities(changes)
                .map_err(|error| error.to_string())?
                .iter()
                .for_each(|change| apply(world, change));
            if world.len() > RECORD_ITEMS_MAX {
                return Err("the recording's world has too many entities".to_owned());
            }
        }
        Ok(self.step_of(time, |section| record.section(section)))
    }

    /// Applies the changes of a feed's timestep, for which there is room.
    fn apply_fed(&mut self, time: i32, record: &Reading) -> Timestep {
        if let Self::Replay(world) = self {
            record.changes().iter().for_each(|change| apply(world, change));
        }
        self.step_of(time, |section| record.section(section))
    }

    /// A timestep as it was told, with the score behind it.
    fn step_of<'a>(&self, time: i32, told: impl Fn(Section) -> Option<&'a [u8]>) -> Timestep {
        let mut step = Timestep { time, score: self.encode_score(), ..Timestep::default() };
        for (wanted, out) in [
            (Section::Commands, &mut step.commands),
            (Section::Changes, &mut step.changes),
            (Section::Perceptions, &mut step.perceptions),
        ] {
            if let Some(value) = told(wanted) {
                section::raw(out, wanted, value);
            }
        }
        step
    }

    /// Whether the changes of a feed's timestep leave it small enough.
    pub(super) fn has_room_for(&self, record: &Reading) -> bool {
        let Self::Replay(world) = self else { return true };
        let news = record.changes().iter().filter(|change| !change.deleted && !world.contains_key(&change.id));
        world.len() + news.count() <= FEED_ENTITIES_MAX
    }
}

/// Applies what changes of one entity.
fn apply(world: &mut BTreeMap<i32, Entity<'static>>, change: &Entity<'_>) {
    if change.deleted {
        world.remove(&change.id);
    } else {
        world.entry(change.id).or_insert_with(|| Entity { id: change.id, ..Entity::default() }).apply(change);
    }
}

/// The config section.
pub(super) fn encode_config(config: &Config) -> Vec<u8> {
    let mut out = Vec::new();
    let pairs: Vec<(&str, &str)> = config.iter().collect();
    section::config(&mut out, pairs.into_iter());
    out
}

const fn kind_of(kind: EntityKind) -> EntityType {
    match kind {
        EntityKind::World => EntityType::Unknown,
        EntityKind::Road => EntityType::Road,
        EntityKind::Blockade => EntityType::Blockade,
        EntityKind::Building => EntityType::Building,
        EntityKind::Refuge => EntityType::Refuge,
        EntityKind::Hydrant => EntityType::Hydrant,
        EntityKind::GasStation => EntityType::GasStation,
        EntityKind::FireStation => EntityType::ControlFire,
        EntityKind::AmbulanceCentre => EntityType::ControlAmbulance,
        EntityKind::PoliceOffice => EntityType::ControlPolice,
        EntityKind::Civilian => EntityType::Civilian,
        EntityKind::FireBrigade => EntityType::TacticsFire,
        EntityKind::AmbulanceTeam => EntityType::TacticsAmbulance,
        EntityKind::PoliceForce => EntityType::TacticsPolice,
    }
}

/// The kernel's property behind a field of the viewer protocol.
const FIELDS: [(Property, PropertyKind); 21] = [
    (Property::X, PropertyKind::X),
    (Property::Y, PropertyKind::Y),
    (Property::Position, PropertyKind::Position),
    (Property::Damage, PropertyKind::Damage),
    (Property::Buried, PropertyKind::Buriedness),
    (Property::Hp, PropertyKind::Hp),
    (Property::Travel, PropertyKind::TravelDistance),
    (Property::Water, PropertyKind::WaterQuantity),
    (Property::Temp, PropertyKind::Temperature),
    (Property::Broken, PropertyKind::Brokenness),
    (Property::Fiery, PropertyKind::Fieryness),
    (Property::RepairCost, PropertyKind::RepairCost),
    (Property::Floors, PropertyKind::Floors),
    (Property::Ignition, PropertyKind::Ignition),
    (Property::Importance, PropertyKind::Importance),
    (Property::Stamina, PropertyKind::Stamina),
    (Property::Direction, PropertyKind::Direction),
    (Property::BedCapacity, PropertyKind::BedCapacity),
    (Property::OccupiedBeds, PropertyKind::OccupiedBeds),
    (Property::WaitingListSize, PropertyKind::WaitingListSize),
    (Property::RefillCapacity, PropertyKind::RefillCapacity),
];

/// Whether a field belongs to an entity of this kind: areas have their place in the map.
const fn shows(kind: EntityKind, property: Property) -> bool {
    !(kind.is_area() && matches!(property, Property::X | Property::Y))
}

/// An entity with everything that is defined.
fn whole<'a>(world: &World, entity: &'a KernelEntity) -> Entity<'a> {
    let mut properties = Properties::default();
    for (property, source) in FIELDS {
        if shows(entity.kind, property) {
            properties.set(property, entity.properties.number(source));
        }
    }
    if entity.kind == EntityKind::AmbulanceTeam {
        properties.set(Property::Board, world.passenger(entity.id));
    }
    let list = |property| entity.properties.list(property).map(Cow::Borrowed);
    Entity {
        id: entity.id,
        kind: Some(kind_of(entity.kind)),
        created: false,
        deleted: false,
        properties,
        history: list(PropertyKind::PositionHistory),
        blockades: list(PropertyKind::Blockades).filter(|ids| !ids.is_empty()),
        apexes: list(PropertyKind::Apexes),
    }
}

/// Sets a property of a change; without a value it has become undefined.
fn tell(properties: &mut Properties, property: Property, value: Option<i32>) {
    match value {
        Some(_) => properties.set(property, value),
        None => properties.undefine(property),
    }
}

/// What is told of an entity of which these properties have other values now, or none any more.
fn differing(entity: &KernelEntity, wanted: PropertySet) -> Entity<'_> {
    let mut properties = Properties::default();
    for (property, source) in FIELDS {
        if wanted.contains(source) && shows(entity.kind, property) {
            tell(&mut properties, property, entity.properties.number(source));
        }
    }
    let list = |property| {
        let items = || Cow::Borrowed(entity.properties.list(property).unwrap_or_default());
        wanted.contains(property).then(items)
    };
    Entity {
        id: entity.id,
        kind: Some(kind_of(entity.kind)),
        created: false,
        deleted: false,
        properties,
        history: list(PropertyKind::PositionHistory),
        blockades: list(PropertyKind::Blockades),
        apexes: list(PropertyKind::Apexes),
    }
}

/// What is told of an entity that is another under an id that is known: everything, and of what it has not that there is none.
fn anew<'a>(world: &World, entity: &'a KernelEntity) -> Entity<'a> {
    let mut told = whole(world, entity);
    for property in FIELDS.map(|(property, _)| property).into_iter().chain([Property::Board]) {
        let value = told.properties.get(property);
        tell(&mut told.properties, property, value);
    }
    for list in [&mut told.blockades, &mut told.history, &mut told.apexes] {
        list.get_or_insert_default();
    }
    told
}

fn encode_changes(out: &mut Vec<u8>, world: &World, difference: &Difference) {
    let created = difference.created.iter().filter_map(|id| {
        let entity = world.get(*id)?;
        Some(Entity { created: true, ..whole(world, entity) })
    });
    let boarded = |id: i32| difference.boarded.iter().find(|(team, _)| *team == id).map(|(_, civilian)| *civilian);
    let changed = difference.changed.iter().filter_map(|(id, wanted)| {
        let mut change = differing(world.get(*id)?, *wanted);
        if let Some(civilian) = boarded(*id) {
            tell(&mut change.properties, Property::Board, civilian);
        }
        (!change.is_silent()).then_some(change)
    });
    // Teams whose passenger changed although nothing of themselves did.
    let boarding = difference.boarded.iter().filter_map(|(team, civilian)| {
        let known = difference.changed.iter().any(|(id, _)| id == team)
            || difference.created.contains(team)
            || difference.replaced.contains(team);
        let entity = world.get(*team).filter(|_| !known)?;
        let mut properties = Properties::default();
        tell(&mut properties, Property::Board, *civilian);
        Some(Entity { id: *team, kind: Some(kind_of(entity.kind)), properties, ..Entity::default() })
    });
    let deleted = difference.deleted.iter().map(|(id, kind)| Entity {
        id: *id,
        kind: Some(kind_of(*kind)),
        deleted: true,
        ..Entity::default()
    });
    let replaced = difference.replaced.iter().filter_map(|id| Some(anew(world, world.get(*id)?)));
    section::changes(out, created.chain(changed).chain(replaced).chain(boarding).chain(deleted));
}

fn area(entity: &KernelEntity) -> AreaInfo<'_> {
    let point = |(x, y)| Point { x, y };
    let mut neighbours = Vec::new();
    let edges: Vec<Edge> = entity
        .properties
        .edges()
        .map(|edge| {
            if let Some(neighbour) = edge.neighbour
                && !neighbours.contains(&neighbour)
            {
                neighbours.push(neighbour);
            }
            Edge { start: point(edge.start), end: point(edge.end), adjacent: edge.neighbour }
        })
        .collect();
    let number = |kind| entity.properties.number(kind).unwrap_or(0);
    AreaInfo {
        id: entity.id,
        kind: kind_of(entity.kind),
        centre: point((number(PropertyKind::X), number(PropertyKind::Y))),
        edges: edges.into(),
        neighbours: neighbours.into(),
    }
}

fn action(command: &Command) -> Action<'_> {
    let plain = |kind| Action::new(command.agent, kind);
    let saying = |kind, channel, message| {
        let message_size = i32::try_from(<[u8]>::len(message)).ok();
        Action { channel, message_size, message: Some(Cow::Borrowed(message)), ..plain(kind) }
    };
    match &command.action {
        message::Action::Rest => plain(ActionType::Rest),
        message::Action::Move { path, x, y } => Action::moving(command.agent, Cow::Borrowed(path), *x, *y),
        message::Action::Load { target } => Action { target: Some(*target), ..plain(ActionType::Load) },
        message::Action::Unload => plain(ActionType::Unload),
        message::Action::Say { message } => saying(ActionType::Voice, None, message),
        message::Action::Tell { message, channel } => saying(ActionType::Tell, Some(*channel), message),
        message::Action::Extinguish { target, water } => {
            Action { target: Some(*target), water: Some(*water), ..plain(ActionType::Extinguish) }
        }
        message::Action::Rescue { target } => Action { target: Some(*target), ..plain(ActionType::Rescue) },
        message::Action::Clear { target } => Action { target: Some(*target), ..plain(ActionType::LClear) },
        message::Action::ClearArea { x, y } => Action { x: Some(*x), y: Some(*y), ..plain(ActionType::Clear) },
        message::Action::Subscribe { channels } => {
            Action { channels: Some(Cow::Borrowed(channels)), ..plain(ActionType::Subscribe) }
        }
        message::Action::Speak { channel, message } => saying(ActionType::Radio, Some(*channel), message),
    }
}

/// What an agent has heard: by whom it was said, and when. All that was said is told once, with the commands of that time.
fn heard(command: &Command) -> Action<'_> {
    Action { message: None, time: Some(command.time), ..action(command) }
}

fn encode_perceptions(out: &mut Vec<u8>, perceptions: &[Perceived]) {
    let heard: Vec<Vec<Action<'_>>> =
        perceptions.iter().map(|perceived| perceived.heard.iter().map(heard).collect()).collect();
    let agents = perceptions.iter().zip(&heard).map(|(perceived, heard)| section::Perception {
        id: perceived.agent,
        updated: &perceived.updated,
        deleted: &perceived.deleted,
        heard,
    });
    section::perceptions(out, agents);
}
