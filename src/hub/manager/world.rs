//! A provider's world, and how it becomes what viewers are sent.
//!
//! The kernel's entities and properties are translated into those of the viewer protocol here, and nowhere else: `rcrs` and
//! `control` do not know each other. A step's sections are encoded once, whoever wants them.

use std::borrow::Cow;

use crate::control::reading::Reading;
use crate::control::record::{Action, ActionType, AreaInfo, Edge, Entity, EntityType, Point, Properties, Property};
use crate::control::section::{self, Growing, Section};
use crate::control::told::ToldWorld;
use crate::limits::WORLD_PIECE;
use crate::rcrs::entity::Entity as KernelEntity;
use crate::rcrs::merge::{Arrival, VALUES_OF_ONE};
use crate::rcrs::message::{self, ChangeSet, Command, Config, Perception};
use crate::rcrs::score::Score;
use crate::rcrs::urn::{EntityKind, PropertyKind, PropertySet};
use crate::rcrs::world::{Bounds, Difference, World};

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

/// Values of a world whose section is made in one piece.
const VALUES_AT_ONCE: usize = 1 << 16;

/// A map section in the making. The world must stay as it is meanwhile.
#[derive(Clone, Debug, Default)]
pub(super) struct MapDraft {
    pub(super) out: Vec<u8>,
    /// What its head tells, of the entities that were looked at.
    bounds: Option<Bounds>,
    areas: usize,
    /// The last entity that was looked at, for that or to be written down.
    behind: Option<i32>,
}

/// A world section in the making. The world must stay as it is meanwhile.
#[derive(Debug, Default)]
pub(super) struct WorldDraft {
    pub(super) out: Vec<u8>,
    list: Option<Growing>,
    /// The last entity that is in it.
    behind: Option<i32>,
}

impl WorldDraft {
    /// Writes down so many entities, less of those with many values; answers whether those were all.
    pub(super) fn go_on(&mut self, world: &ProviderWorld, left: &mut usize) -> bool {
        let Self { out, list, behind } = self;
        if matches!(world, ProviderWorld::Empty | ProviderWorld::Coming(_)) {
            return true;
        }
        let list = list.get_or_insert_with(|| Growing::new(out, Section::World));
        write_on(out, left, |out| {
            let Some(entity) = world.entity_behind(*behind) else { return false };
            list.entity(out, &entity);
            *behind = Some(entity.id);
            true
        })
    }
}

/// Bytes that are written down in the time that one entity takes.
const BYTES_OF_ONE: usize = 256;

/// Writes one item after the other, until `next` says that there was none or so much has been done; answers whether there was none.
pub(super) fn write_on(out: &mut Vec<u8>, left: &mut usize, mut next: impl FnMut(&mut Vec<u8>) -> bool) -> bool {
    while *left > 0 {
        let before = out.len();
        if !next(out) {
            return true;
        }
        *left = left.saturating_sub(1 + (out.len() - before) / BYTES_OF_ONE);
    }
    false
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

/// The world of a provider.
#[derive(Debug, Default)]
pub(super) enum ProviderWorld {
    /// Nothing has come yet.
    #[default]
    Empty,
    /// A kernel's world of which not all has been taken in.
    Coming(Box<Arrival>),
    /// A kernel's world.
    Kernel(World),
    /// The world of a recording, or of a feed.
    Told(ToldWorld),
}

impl ProviderWorld {
    /// A kernel's world of these entities, none of which has been taken in.
    ///
    /// # Errors
    /// They are too many, in words.
    pub(super) fn coming(entities: Vec<KernelEntity>) -> Result<Self, String> {
        Arrival::new(entities).map(|arrival| Self::Coming(Box::new(arrival))).map_err(|error| error.to_string())
    }

    /// Takes in some of a kernel's world that is coming; answers whether nothing is coming any more.
    ///
    /// # Errors
    /// They have too many values, in words.
    pub(super) fn take_in(&mut self) -> Result<bool, String> {
        let Self::Coming(arrival) = self else { return Ok(true) };
        if arrival.go_on(WORLD_PIECE).map_err(|error| error.to_string())?
            && let Self::Coming(arrival) = core::mem::take(self)
        {
            *self = Self::Kernel(arrival.into_world());
        }
        Ok(false)
    }

    /// The world section.
    pub(super) fn encode_world(&self) -> Vec<u8> {
        let mut draft = WorldDraft::default();
        draft.go_on(self, &mut { usize::MAX });
        draft.out
    }

    /// The world, if records tell of it.
    pub(super) const fn told(&self) -> Option<&ToldWorld> {
        if let Self::Told(world) = self { Some(world) } else { None }
    }

    /// Lets go of so many entities, less of those with many values; answers whether those were all. It is a world no more from then on.
    pub(super) fn let_go(&mut self, left: &mut usize) -> bool {
        match self {
            Self::Empty => true,
            Self::Coming(arrival) => arrival.let_go(left),
            Self::Kernel(world) => world.let_go(left),
            Self::Told(world) => {
                while *left > 0 {
                    let Some(entity) = world.pop() else { return true };
                    *left = left.saturating_sub(1 + entity.list_values() / VALUES_OF_ONE);
                }
                false
            }
        }
    }

    /// Whether its section takes so long that it is made in pieces.
    pub(super) fn is_large(&self) -> bool {
        let (entities, values) = match self {
            Self::Empty | Self::Coming(_) => (0, 0),
            Self::Kernel(world) => (world.len(), world.values()),
            Self::Told(world) => (world.len(), world.values()),
        };
        entities > 2 * WORLD_PIECE || values > VALUES_AT_ONCE
    }

    /// The entity of the next higher id, as viewers are told it.
    fn entity_behind(&self, id: Option<i32>) -> Option<Entity<'_>> {
        match self {
            Self::Empty | Self::Coming(_) => None,
            Self::Kernel(world) => world.next_behind(id).map(|entity| whole(world, entity)),
            Self::Told(world) => {
                world.next_behind(id).map(|entity| Entity { created: false, deleted: false, ..entity.borrowed() })
            }
        }
    }

    /// The score, as it stands in a record; nothing before there is a world.
    pub(super) fn encode_score(&self) -> Vec<u8> {
        let (mut out, mut score) = (Vec::new(), Score::default());
        match self {
            Self::Empty | Self::Coming(_) => return out,
            Self::Kernel(world) => score = world.score(),
            Self::Told(world) => {
                let civilians = world.iter().filter(|entity| entity.kind == Some(EntityType::Civilian));
                civilians.filter_map(|found| found.properties.get(Property::Hp)).for_each(|hp| score.add(hp));
            }
        }
        section::score(&mut out, score.value());
        out
    }

    /// Makes a bounded piece of the map section; answers whether it is whole.
    pub(super) fn encode_map(&self, draft: &mut MapDraft) -> bool {
        let Self::Kernel(world) = self else { return true };
        let MapDraft { out, bounds, areas, behind } = draft;
        let mut left = WORLD_PIECE;
        if out.is_empty() {
            // Its head says how large it is.
            while let Some(entity) = world.next_behind(*behind) {
                if left == 0 {
                    return false;
                }
                Bounds::widen(bounds, entity);
                *areas += usize::from(entity.kind.is_area());
                *behind = Some(entity.id);
                left = left.saturating_sub(1 + entity.properties.values() / VALUES_OF_ONE);
            }
            let corner = |(x, y): (i32, i32)| [f64::from(x), f64::from(y)];
            let corners = bounds.map(|bounds| (corner(bounds.low), corner(bounds.high)));
            let (low, high) = corners.unwrap_or_default();
            section::map_begin(out, low, high, *areas);
            *behind = None;
        }
        write_on(out, &mut left, |out| {
            let Some(entity) = world.next_behind(*behind) else { return false };
            if entity.kind.is_area() {
                section::map_area(out, &area(entity));
            }
            *behind = Some(entity.id);
            true
        })
    }

    /// Memory it takes, about.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Coming(arrival) => arrival.bytes(),
            Self::Kernel(world) => world.bytes(),
            Self::Told(world) => world.bytes(),
        }
    }

    /// A timestep as it was told, with the score behind it.
    pub(super) fn step_of(&self, time: i32, record: &Reading) -> Timestep {
        let mut step = Timestep { time, score: self.encode_score(), ..Timestep::default() };
        for (wanted, out) in [
            (Section::Commands, &mut step.commands),
            (Section::Changes, &mut step.changes),
            (Section::Perceptions, &mut step.perceptions),
        ] {
            if let Some(value) = record.section(wanted) {
                section::raw(out, wanted, value);
            }
        }
        step
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

/// What is told of the item of this number in a difference, if anything is.
pub(super) fn difference_entity<'a>(world: &'a World, difference: &Difference, number: usize) -> Option<Entity<'a>> {
    let Difference { created, changed, replaced, boarded, deleted } = difference;
    let mut at = number;
    if let Some(id) = created.get(at) {
        return world.get(*id).map(|entity| Entity { created: true, ..whole(world, entity) });
    }
    at -= created.len();
    if let Some((id, wanted)) = changed.get(at) {
        let mut change = differing(world.get(*id)?, *wanted);
        if let Ok(found) = boarded.binary_search_by_key(id, |(team, _)| *team)
            && let Some((_, civilian)) = boarded.get(found)
        {
            tell(&mut change.properties, Property::Board, *civilian);
        }
        return Some(change).filter(|change| !change.is_silent());
    }
    at -= changed.len();
    if let Some(id) = replaced.get(at) {
        return world.get(*id).map(|entity| anew(world, entity));
    }
    at -= replaced.len();
    if let Some((team, civilian)) = boarded.get(at) {
        // Teams whose passenger changed although nothing of themselves did.
        let is_known = changed.binary_search_by_key(team, |(id, _)| *id).is_ok()
            || created.binary_search(team).is_ok()
            || replaced.binary_search(team).is_ok();
        let entity = world.get(*team).filter(|_| !is_known)?;
        let mut properties = Properties::default();
        tell(&mut properties, Property::Board, *civilian);
        return Some(Entity { id: *team, kind: Some(kind_of(entity.kind)), properties, ..Entity::default() });
    }
    at -= boarded.len();
    let (id, kind) = deleted.get(at)?;
    Some(Entity { id: *id, kind: Some(kind_of(*kind)), deleted: true, ..Entity::default() })
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

pub(super) fn action(command: &Command) -> Action<'_> {
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

/// Appends what an agent perceived.
pub(super) fn perceived(out: &mut Vec<u8>, perceived: &Perceived) {
    let heard: Vec<Action<'_>> = perceived.heard.iter().map(heard).collect();
    let Perceived { agent: id, updated, deleted, .. } = perceived;
    section::perception(out, &section::Perception { id: *id, updated, deleted, heard: &heard });
}
