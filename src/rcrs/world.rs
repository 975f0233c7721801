//! The state of a simulation after some step.
//!
//! Owns the entities, who is aboard of what, and the score. Must not know how it comes to be another one, nor what a viewer is sent.

use core::ops::Bound;
use std::collections::{BTreeMap, BTreeSet};

use super::entity::{Change, Entity};
use super::score::Score;
use super::urn::{EntityKind, PropertyKind, PropertySet};

/// Bytes that an entity takes beside itself and its values: its places in the trees, the ends of its vectors, its lists.
const ENTITY_OVERHEAD: usize = 96;

/// All entities by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    entities: BTreeMap<i32, Entity>,
    values: usize,
    /// Place and id of every civilian whose place is known.
    aboard: BTreeSet<(i32, i32)>,
    score: Score,
}

/// What a change set really did, against the world before it; each list by rising id but `deleted`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Entities that are new.
    pub created: Vec<i32>,
    /// Entities that stayed, each with the properties that have another value, or none any more. Never empty sets.
    pub changed: Vec<(i32, PropertySet)>,
    /// Entities of which the id alone has stayed: they are of another kind. No timestep tells such a thing, but a world that is taken over may.
    pub replaced: Vec<i32>,
    /// Entities that are gone, with what they were.
    pub deleted: Vec<(i32, EntityKind)>,
    /// Ambulance teams with another civilian aboard than before, or none any more.
    pub boarded: Vec<(i32, Option<i32>)>,
}

impl Difference {
    /// How many items there are in all lists.
    #[must_use]
    pub const fn items(&self) -> usize {
        self.created.len() + self.changed.len() + self.replaced.len() + self.deleted.len() + self.boarded.len()
    }

    /// Whether nothing really changed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.items() == 0
    }
}

/// The rectangle that holds everything, in millimetres, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Lowest x and y. A map need not begin at zero.
    pub low: (i32, i32),
    /// Highest x and y.
    pub high: (i32, i32),
}

impl Bounds {
    /// Widens the rectangle, if there is one yet, so that it holds the edges of an entity, its apexes if it is a blockade, and where it is if it is a person.
    pub fn widen(bounds: &mut Option<Self>, entity: &Entity) {
        let mut take = |(x, y): (i32, i32)| {
            *bounds = Some(bounds.map_or(Self { low: (x, y), high: (x, y) }, |held| Self {
                low: (held.low.0.min(x), held.low.1.min(y)),
                high: (held.high.0.max(x), held.high.1.max(y)),
            }));
        };
        let properties = &entity.properties;
        properties.edges().for_each(|edge| {
            take(edge.start);
            take(edge.end);
        });
        properties.points(PropertyKind::Apexes).for_each(&mut take);
        if entity.kind.is_human()
            && let (Some(x), Some(y)) = (properties.number(PropertyKind::X), properties.number(PropertyKind::Y))
        {
            take((x, y));
        }
    }
}

impl World {
    /// How many entities there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    /// Memory it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.entities.len() * (size_of::<Entity>() + ENTITY_OVERHEAD) + self.values * size_of::<i32>()
    }

    /// Whether there is no entity.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    /// One entity.
    #[must_use]
    pub fn get(&self, id: i32) -> Option<&Entity> {
        self.entities.get(&id)
    }

    /// All entities by rising id.
    pub fn iter(&self) -> impl Iterator<Item = &Entity> {
        self.entities.values()
    }

    /// 32-bit values of all properties.
    #[must_use]
    pub const fn values(&self) -> usize {
        self.values
    }

    /// The living and their health, as the league scores them.
    #[must_use]
    pub const fn score(&self) -> Score {
        self.score
    }

    /// The civilian aboard an ambulance team: the first whose position is that team.
    #[must_use]
    pub fn passenger(&self, team: i32) -> Option<i32> {
        self.aboard.range((team, i32::MIN)..=(team, i32::MAX)).next().map(|(_, civilian)| *civilian)
    }

    /// The rectangle around all edges, blockades and people; `None` for a world without any.
    #[must_use]
    pub fn bounds(&self) -> Option<Bounds> {
        let mut bounds = None;
        self.iter().for_each(|entity| Bounds::widen(&mut bounds, entity));
        bounds
    }

    /// Takes an entity out, if there is one: a world that nobody needs any more is let go of one by one. Who was aboard, and the score, stay as
    /// they were.
    pub(super) fn pop(&mut self) -> Option<Entity> {
        let (_, entity) = self.entities.pop_first()?;
        self.values = self.values.saturating_sub(entity.properties.values());
        Some(entity)
    }

    // ---- One entity ----

    /// Puts an entity in, in the place of one with its id.
    pub(super) fn put(&mut self, entity: Entity) {
        self.take(entity.id);
        self.values += entity.properties.values();
        self.count(standing(&entity), true);
        self.entities.insert(entity.id, entity);
    }

    /// Takes an entity out.
    pub(super) fn take(&mut self, id: i32) -> Option<Entity> {
        let entity = self.entities.remove(&id)?;
        self.values = self.values.saturating_sub(entity.properties.values());
        self.count(standing(&entity), false);
        Some(entity)
    }

    /// Merges a change into an entity that there is; says which of its properties differ now.
    pub(super) fn merge(&mut self, id: i32, change: Change) -> PropertySet {
        let Some(entity) = self.entities.get_mut(&id) else { return PropertySet::EMPTY };
        let (values, was) = (entity.properties.values(), standing(entity));
        let differing = entity.merge(change);
        let (values_now, now) = (entity.properties.values(), standing(entity));
        self.values = self.values.saturating_sub(values) + values_now;
        if was != now {
            self.count(was, false);
            self.count(now, true);
        }
        differing
    }

    /// Whether there is an ambulance team of this id.
    pub(super) fn is_team(&self, id: i32) -> bool {
        self.get(id).is_some_and(|entity| entity.kind == EntityKind::AmbulanceTeam)
    }

    /// The entity of the next higher id; behind `None` that of the lowest.
    #[must_use]
    pub fn next_behind(&self, id: Option<i32>) -> Option<&Entity> {
        let from = id.map_or(Bound::Unbounded, Bound::Excluded);
        self.entities.range((from, Bound::Unbounded)).next().map(|(_, entity)| entity)
    }

    /// Counts a civilian in, or out.
    fn count(&mut self, civilian: Option<Standing>, is_there: bool) {
        let Some(Standing { id, place, hp }) = civilian else { return };
        if let Some(place) = place {
            if is_there {
                self.aboard.insert((place, id));
            } else {
                self.aboard.remove(&(place, id));
            }
        }
        if let Some(hp) = hp {
            if is_there {
                self.score.add(hp);
            } else {
                self.score.take(hp);
            }
        }
    }
}

/// What of a civilian is counted over all, where it is known.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Standing {
    id: i32,
    place: Option<i32>,
    hp: Option<i32>,
}

fn standing(entity: &Entity) -> Option<Standing> {
    let number = |property| entity.properties.number(property);
    let standing = || Standing { id: entity.id, place: place(entity), hp: number(PropertyKind::Hp) };
    (entity.kind == EntityKind::Civilian).then(standing)
}

/// Where a civilian is: an area, or the ambulance team that carries it.
pub(super) fn place(entity: &Entity) -> Option<i32> {
    (entity.kind == EntityKind::Civilian).then(|| entity.properties.number(PropertyKind::Position))?
}
