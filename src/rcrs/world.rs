//! The state of a simulation after some step.
//!
//! Owns the merge rules of the kernel's own model and the true differences they make. Must not know where change sets
//! come from, nor what a viewer is sent.
//!
//! Rules: a change of an unknown id creates the entity; each given property is set; one marked undefined loses its
//! value; then the deletions are made, so an id in both lists ends deleted. Deleting an unknown id is no error: a viewer
//! that joined a running simulation late sees such deletions.

use std::collections::{BTreeMap, BTreeSet};

use super::Error;
use super::entity::{Change, Entity};
use super::message::ChangeSet;
use super::urn::{EntityKind, PropertyKind, PropertySet};
use crate::limits::{RCRS_ENTITIES_MAX, RCRS_VALUES_MAX};
use crate::store::order;

/// Bytes that an entity takes beside itself and its values: its place in the tree, the ends of its vectors, its lists.
const ENTITY_OVERHEAD: usize = 96;

/// All entities by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    entities: BTreeMap<i32, Entity>,
    values: usize,
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
    /// Whether nothing really changed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.created.is_empty()
            && self.changed.is_empty()
            && self.replaced.is_empty()
            && self.deleted.is_empty()
            && self.boarded.is_empty()
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

impl World {
    /// The world of a starting list; of two entities with one id the later counts.
    ///
    /// # Errors
    /// [`Error::TooLarge`] over the bounds on entities and values.
    pub fn new(entities: Vec<Entity>) -> Result<Self, Error> {
        let mut world = Self::default();
        if entities.len() > RCRS_ENTITIES_MAX {
            return Err(Error::TooLarge("the number of entities in the world"));
        }
        for entity in entities {
            world.values += entity.properties.values();
            if let Some(earlier) = world.entities.insert(entity.id, entity) {
                world.values -= earlier.properties.values();
            }
        }
        if world.values > RCRS_VALUES_MAX {
            return Err(Error::TooLarge("the properties in the world"));
        }
        Ok(world)
    }

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

    /// Merges one step.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the world could outgrow its bounds; nothing is changed then.
    pub fn apply(&mut self, changes: ChangeSet) -> Result<Difference, Error> {
        self.check_room(&changes)?;
        let places = self.places_in_question(&changes);
        let aboard_before = self.aboard(&places);
        let mut created = BTreeSet::new();
        let mut changed: BTreeMap<i32, PropertySet> = BTreeMap::new();
        let mut deleted = Vec::new();

        for change in changes.changed {
            let id = change.entity.id;
            let Some(entity) = self.entities.get_mut(&id) else {
                self.values += change.entity.properties.values();
                self.entities.insert(id, change.entity);
                created.insert(id);
                continue;
            };
            self.values = self.values.saturating_sub(entity.properties.values());
            let differing = entity.merge(change);
            self.values += entity.properties.values();
            if !differing.is_empty() && !created.contains(&id) {
                let all = changed.entry(id).or_default();
                *all = all.union(differing);
            }
        }

        for id in changes.deleted {
            let Some(entity) = self.entities.remove(&id) else { continue };
            self.values = self.values.saturating_sub(entity.properties.values());
            changed.remove(&id);
            // What came and went within one step was never there for anybody.
            if !created.remove(&id) {
                deleted.push((id, entity.kind));
            }
        }

        let mut boarded = self.aboard(&places);
        boarded.retain(|team, civilian| aboard_before.get(team).copied().flatten() != *civilian);
        debug_assert!(self.entities.len() <= RCRS_ENTITIES_MAX, "room was checked before");
        Ok(Difference {
            created: created.into_iter().collect(),
            changed: changed.into_iter().collect(),
            replaced: Vec::new(),
            deleted,
            boarded: boarded.into_iter().collect(),
        })
    }

    /// Takes over another world as a whole; says what is different.
    pub fn replace(&mut self, newer: Self) -> Difference {
        let before = core::mem::replace(self, newer);
        let mut difference = Difference::default();
        for entity in self.iter() {
            let Some(known) = before.get(entity.id) else {
                difference.created.push(entity.id);
                continue;
            };
            if entity.kind != known.kind {
                difference.replaced.push(entity.id);
                continue;
            }
            let differing = entity.properties.differing(&known.properties);
            if !differing.is_empty() {
                difference.changed.push((entity.id, differing));
            }
        }
        let gone = before.iter().filter(|entity| self.get(entity.id).is_none());
        difference.deleted = gone.map(|entity| (entity.id, entity.kind)).collect();
        let teams =
            self.iter().filter(|entity| entity.kind == EntityKind::AmbulanceTeam).map(|entity| entity.id).collect();
        let aboard_before = before.aboard(&teams);
        let mut boarded = self.aboard(&teams);
        boarded.retain(|team, civilian| aboard_before.get(team).copied().flatten() != *civilian);
        difference.boarded = boarded.into_iter().collect();
        difference
    }

    /// The civilian aboard an ambulance team: the first whose position is that team.
    #[must_use]
    pub fn passenger(&self, team: i32) -> Option<i32> {
        self.iter().find(|entity| place(entity) == Some(team)).map(|entity| entity.id)
    }

    /// The rectangle around all edges, blockades and people; `None` for a world without any.
    #[must_use]
    pub fn bounds(&self) -> Option<Bounds> {
        let mut bounds: Option<Bounds> = None;
        let mut take = |(x, y): (i32, i32)| {
            bounds = Some(bounds.map_or(Bounds { low: (x, y), high: (x, y) }, |held| Bounds {
                low: (held.low.0.min(x), held.low.1.min(y)),
                high: (held.high.0.max(x), held.high.1.max(y)),
            }));
        };
        for entity in self.iter() {
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
        bounds
    }

    fn check_room(&self, changes: &ChangeSet) -> Result<(), Error> {
        let unknown = changes.changed.iter().filter(|change| !self.entities.contains_key(&change.entity.id)).count();
        if self.entities.len() + unknown > RCRS_ENTITIES_MAX {
            return Err(Error::TooLarge("the number of entities in the world"));
        }
        let values: usize = changes.changed.iter().map(|change| change.entity.properties.values()).sum();
        if self.values + values > RCRS_VALUES_MAX {
            return Err(Error::TooLarge("the properties in the world"));
        }
        Ok(())
    }

    /// Every place a civilian leaves or reaches by these changes, and every team that comes with them. What an entity is counts as the
    /// world has it: a change may say otherwise, and means nothing by it.
    fn places_in_question(&self, changes: &ChangeSet) -> BTreeSet<i32> {
        let mut places = BTreeSet::new();
        for Change { entity, undefined } in &changes.changed {
            if entity.kind == EntityKind::AmbulanceTeam {
                places.insert(entity.id);
            }
            if entity.properties.defined().union(*undefined).contains(PropertyKind::Position) {
                places.extend(self.get(entity.id).and_then(place));
                places.extend(entity.properties.number(PropertyKind::Position));
            }
        }
        places.extend(changes.deleted.iter().filter_map(|&id| self.get(id)).filter_map(place));
        places
    }

    /// Who is aboard, for those of the ids that are ambulance teams: at most one pass over the world for all of them.
    fn aboard(&self, places: &BTreeSet<i32>) -> BTreeMap<i32, Option<i32>> {
        let is_team = |id: &i32| self.get(*id).is_some_and(|entity| entity.kind == EntityKind::AmbulanceTeam);
        let mut aboard: BTreeMap<_, _> = order::filled(places.iter().copied().filter(is_team).map(|team| (team, None)));
        if aboard.is_empty() {
            return aboard;
        }
        for entity in self.iter() {
            if let Some(passenger) = place(entity).and_then(|place| aboard.get_mut(&place)) {
                passenger.get_or_insert(entity.id);
            }
        }
        aboard
    }
}

/// Where a civilian is: an area, or the ambulance team that carries it.
fn place(entity: &Entity) -> Option<i32> {
    (entity.kind == EntityKind::Civilian).then(|| entity.properties.number(PropertyKind::Position))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rcrs::entity::Properties;

    fn entity(id: i32, kind: EntityKind, numbers: &[(PropertyKind, i32)]) -> Entity {
        let mut properties = Properties::default();
        for &(property, value) in numbers {
            properties.set_number(property, value);
        }
        Entity { id, kind, properties }
    }

    fn change(entity: Entity) -> Change {
        Change { entity, undefined: PropertySet::EMPTY }
    }

    fn changes(changed: Vec<Change>, deleted: Vec<i32>) -> ChangeSet {
        ChangeSet { changed, deleted, skipped: 0 }
    }

    fn roads(ids: &[i32]) -> World {
        World::new(ids.iter().map(|&id| entity(id, EntityKind::Road, &[(PropertyKind::X, 1)])).collect()).unwrap()
    }

    #[test]
    fn repeated_values_are_no_difference() {
        let mut world = roads(&[1, 2]);
        let same = change(entity(1, EntityKind::Road, &[(PropertyKind::X, 1)]));
        assert!(world.apply(changes(vec![same], vec![])).unwrap().is_empty());
        let other = change(entity(1, EntityKind::Road, &[(PropertyKind::X, 2), (PropertyKind::Y, 3)]));
        let difference = world.apply(changes(vec![other], vec![])).unwrap();
        let x_and_y = PropertySet::EMPTY.with(PropertyKind::X).with(PropertyKind::Y);
        assert_eq!(difference.changed, [(1, x_and_y)]);
    }

    #[test]
    fn an_unknown_id_is_created_and_a_known_one_deleted() {
        let mut world = roads(&[1, 2]);
        let new = change(entity(9, EntityKind::Blockade, &[(PropertyKind::RepairCost, 5)]));
        let difference = world.apply(changes(vec![new], vec![2, 77])).unwrap();
        assert_eq!(difference.created, [9]);
        assert_eq!(difference.deleted, [(2, EntityKind::Road)]);
        assert!(difference.changed.is_empty());
        assert_eq!(world.iter().map(|entity| entity.id).collect::<Vec<_>>(), [1, 9]);
    }

    #[test]
    fn an_id_in_both_lists_ends_deleted() {
        let mut world = roads(&[1]);
        let known = change(entity(1, EntityKind::Road, &[(PropertyKind::X, 8)]));
        let fresh = change(entity(2, EntityKind::Road, &[]));
        let difference = world.apply(changes(vec![known, fresh], vec![2, 1])).unwrap();
        assert_eq!(difference.deleted, [(1, EntityKind::Road)]);
        assert!(difference.created.is_empty() && difference.changed.is_empty());
        assert!(world.is_empty());
    }

    #[test]
    fn an_undefined_property_loses_its_value() {
        let mut world = roads(&[1]);
        let undefined = PropertySet::EMPTY.with(PropertyKind::X).with(PropertyKind::Y);
        let gone = Change { entity: entity(1, EntityKind::Road, &[]), undefined };
        let difference = world.apply(changes(vec![gone], vec![])).unwrap();
        assert_eq!(difference.changed, [(1, PropertySet::EMPTY.with(PropertyKind::X))]);
        assert_eq!(world.get(1).unwrap().properties, Properties::default());
    }

    #[test]
    fn a_team_that_loads_and_unloads_is_reported() {
        let civilian = |place| change(entity(5, EntityKind::Civilian, &[(PropertyKind::Position, place)]));
        let mut world = roads(&[1]);
        let team = change(entity(7, EntityKind::AmbulanceTeam, &[]));
        let first = world.apply(changes(vec![team, civilian(1)], vec![])).unwrap();
        assert!(first.boarded.is_empty(), "nobody is aboard a new team");
        assert_eq!(world.apply(changes(vec![civilian(7)], vec![])).unwrap().boarded, [(7, Some(5))]);
        assert_eq!(world.passenger(7), Some(5));
        assert!(world.apply(changes(vec![civilian(7)], vec![])).unwrap().boarded.is_empty());
        assert_eq!(world.apply(changes(vec![civilian(1)], vec![])).unwrap().boarded, [(7, None)]);
        world.apply(changes(vec![civilian(7)], vec![])).unwrap();
        assert_eq!(world.apply(changes(vec![], vec![5])).unwrap().boarded, [(7, None)]);
        assert_eq!(world.passenger(7), None);
    }

    #[test]
    fn another_world_taken_over_says_what_is_different() {
        let civilian = |place| entity(5, EntityKind::Civilian, &[(PropertyKind::Position, place)]);
        let team = || entity(7, EntityKind::AmbulanceTeam, &[]);
        let road = |x| entity(1, EntityKind::Road, &[(PropertyKind::X, x)]);
        let mut world = World::new(vec![road(1), civilian(1), team(), entity(8, EntityKind::Blockade, &[])]).unwrap();
        let newer = World::new(vec![road(1), civilian(7), team(), entity(9, EntityKind::Blockade, &[])]).unwrap();
        let difference = world.replace(newer.clone());
        assert_eq!(world, newer);
        assert_eq!(difference.created, [9]);
        assert_eq!(difference.changed, [(5, PropertySet::EMPTY.with(PropertyKind::Position))]);
        assert_eq!(difference.deleted, [(8, EntityKind::Blockade)]);
        assert_eq!(difference.boarded, [(7, Some(5))]);
        assert!(world.replace(newer).is_empty());
        let bare = World::new(vec![entity(1, EntityKind::Building, &[])]).unwrap();
        let difference = world.replace(bare);
        assert_eq!((difference.replaced, difference.changed), (vec![1], vec![]));
    }

    #[test]
    fn a_world_that_is_full_refuses_and_stays_as_it_was() {
        let count = i32::try_from(RCRS_ENTITIES_MAX).unwrap();
        let mut world = roads(&(0..count).collect::<Vec<_>>());
        let before = world.clone();
        let one_more = change(entity(count, EntityKind::Road, &[]));
        let known = change(entity(0, EntityKind::Road, &[(PropertyKind::X, 5)]));
        let refused = world.apply(changes(vec![known, one_more], vec![]));
        assert_eq!(refused, Err(Error::TooLarge("the number of entities in the world")));
        assert!(world == before);
        let too_many = (0..=count).map(|id| entity(id, EntityKind::Road, &[])).collect();
        assert!(World::new(too_many).is_err());
    }

    #[test]
    fn bounds_hold_edges_blockades_and_people() {
        assert_eq!(World::default().bounds(), None);
        let mut building = entity(1, EntityKind::Building, &[(PropertyKind::X, -999), (PropertyKind::Y, 0)]);
        building.properties.set_list(PropertyKind::Edges, Box::new([10, 20, 30, 5, 0]));
        let human = entity(2, EntityKind::Civilian, &[(PropertyKind::X, 40), (PropertyKind::Y, -7)]);
        let aboard = entity(3, EntityKind::Civilian, &[]);
        let world = World::new(vec![building, human, aboard]).unwrap();
        assert_eq!(world.bounds(), Some(Bounds { low: (10, -7), high: (40, 20) }));
    }
}
