//! Work on a whole world, in pieces: the first list of its entities, a step, and another world that takes its place.
//!
//! Owns how far each of them has come, the merge rules of the kernel's own model, and the true differences they make. Must not know where
//! change sets come from, nor how long a piece may take: it is told how much to do, in entities and values.
//!
//! Rules: a change of an unknown id creates the entity; each given property is set; one marked undefined loses its
//! value; then the deletions are made, so an id in both lists ends deleted. Deleting an unknown id is no error: a viewer
//! that joined a running simulation late sees such deletions.

use std::collections::{BTreeMap, BTreeSet};
use std::vec;

use super::Error;
use super::entity::{Change, Entity};
use super::message::ChangeSet;
use super::urn::{EntityKind, PropertyKind, PropertySet};
use super::world::{Difference, World, place};
use crate::limits::{RCRS_ENTITIES_MAX, RCRS_VALUES_MAX};

/// Values of an entity that take as long as the entity itself.
pub const VALUES_OF_ONE: usize = 32;

/// What an entity takes, beside others.
fn work(entity: &Entity) -> usize {
    1 + entity.properties.values() / VALUES_OF_ONE
}

/// Uses up what a thing takes; nothing is left where it is more than there was.
const fn spend(left: &mut usize, work: usize) {
    *left = left.saturating_sub(work);
}

/// Drops what comes, until nothing does or so much has been done; answers whether nothing comes any more.
fn let_go(left: &mut usize, mut next: impl FnMut() -> Option<Entity>) -> bool {
    while *left > 0 {
        let Some(entity) = next() else { return true };
        spend(left, work(&entity));
    }
    false
}

impl World {
    /// The world of a starting list; of two entities with one id the later counts.
    ///
    /// # Errors
    /// [`Error::TooLarge`] over the bounds on entities and values.
    pub fn new(entities: Vec<Entity>) -> Result<Self, Error> {
        let mut arrival = Arrival::new(entities)?;
        arrival.go_on(usize::MAX)?;
        Ok(arrival.into_world())
    }

    /// Lets go of so many entities, less of those with many values; answers whether those were all. It is a world no more from then on.
    pub fn let_go(&mut self, left: &mut usize) -> bool {
        let_go(left, || self.pop())
    }

    /// Merges one step.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the world could outgrow its bounds; nothing is changed then.
    pub fn apply(&mut self, changes: ChangeSet) -> Result<Difference, Error> {
        let mut merge = Merge::new(self, changes)?;
        let mut most = usize::MAX;
        merge.go_on(self, &mut most)?;
        Ok(merge.finish())
    }
}

/// A world whose first entities are being taken in.
#[derive(Debug)]
pub struct Arrival {
    world: World,
    rest: vec::IntoIter<Entity>,
}

impl Arrival {
    /// Begins with a starting list; of two entities with one id the later counts.
    ///
    /// # Errors
    /// [`Error::TooLarge`] over the bound on entities.
    pub fn new(entities: Vec<Entity>) -> Result<Self, Error> {
        if entities.len() > RCRS_ENTITIES_MAX {
            return Err(Error::TooLarge("the number of entities in the world"));
        }
        Ok(Self { world: World::default(), rest: entities.into_iter() })
    }

    /// Takes in so many of them, less of those with many values; answers whether those were all.
    ///
    /// # Errors
    /// [`Error::TooLarge`] over the bound on values.
    pub fn go_on(&mut self, most: usize) -> Result<bool, Error> {
        let mut left = most;
        while left > 0 {
            let Some(entity) = self.rest.next() else { return Ok(true) };
            spend(&mut left, work(&entity));
            self.world.put(entity);
            if self.world.values() > RCRS_VALUES_MAX {
                return Err(Error::TooLarge("the properties in the world"));
            }
        }
        Ok(self.rest.as_slice().is_empty())
    }

    /// The world, as far as it has come.
    #[must_use]
    pub fn into_world(self) -> World {
        self.world
    }

    /// Lets go of so many entities, less of those with many values; answers whether those were all.
    pub fn let_go(&mut self, left: &mut usize) -> bool {
        let_go(left, || self.rest.next()) && self.world.let_go(left)
    }

    /// Memory it takes, about; values of what has not been taken in are not counted.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.world.bytes() + size_of_val(self.rest.as_slice())
    }
}

/// A step that is being merged into a world, which must not be changed otherwise meanwhile.
#[derive(Debug)]
pub struct Merge {
    changed: vec::IntoIter<Change>,
    deleted: vec::IntoIter<i32>,
    /// How many of the changes, before any of them is made, are yet to be looked at whether there is room for them; and how many are of unknown ids.
    unseen: usize,
    unknown: usize,
    created: BTreeSet<i32>,
    differing: BTreeMap<i32, PropertySet>,
    /// Who was aboard of each place that a civilian has left or reached, and of each team that is new.
    before: BTreeMap<i32, Option<i32>>,
    difference: Difference,
}

impl Merge {
    /// Begins with what a step changes.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the world could outgrow its bound on values.
    pub fn new(world: &World, changes: ChangeSet) -> Result<Self, Error> {
        let ChangeSet { changed, deleted, .. } = changes;
        let values: usize = changed.iter().map(|change| change.entity.properties.values()).sum();
        if world.values() + values > RCRS_VALUES_MAX {
            return Err(Error::TooLarge("the properties in the world"));
        }
        // Where all of them may be new nobody needs to know which are.
        let may_all_be_new = world.len() + changed.len() <= RCRS_ENTITIES_MAX;
        Ok(Self {
            unseen: if may_all_be_new { 0 } else { changed.len() },
            unknown: 0,
            changed: changed.into_iter(),
            deleted: deleted.into_iter(),
            created: BTreeSet::new(),
            differing: BTreeMap::new(),
            before: BTreeMap::new(),
            difference: Difference::default(),
        })
    }

    /// Looks whether there is room, merges so many changes, less of those with many values, and then looks who has boarded; `most` is what is left
    /// of it. Answers whether that is all.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the world could outgrow its bound on entities; nothing has been merged then.
    pub fn go_on(&mut self, world: &mut World, most: &mut usize) -> Result<bool, Error> {
        while *most > 0 {
            if let Some(left) = self.unseen.checked_sub(1) {
                let change = self.changed.as_slice().get(left);
                self.unknown += usize::from(change.is_some_and(|change| world.get(change.entity.id).is_none()));
                if world.len() + self.unknown > RCRS_ENTITIES_MAX {
                    return Err(Error::TooLarge("the number of entities in the world"));
                }
                self.unseen = left;
                spend(most, 1);
            } else if let Some(change) = self.changed.next() {
                spend(most, work(&change.entity));
                self.change(world, change);
            } else if let Some(id) = self.deleted.next() {
                spend(most, 1);
                self.delete(world, id);
            } else if let Some((place, before)) = self.before.pop_first() {
                spend(most, 1);
                if world.is_team(place) && world.passenger(place) != before {
                    self.difference.boarded.push((place, world.passenger(place)));
                }
            } else if let Some(id) = self.created.pop_first() {
                spend(most, 1);
                self.difference.created.push(id);
            } else if let Some(changed) = self.differing.pop_first() {
                spend(most, 1);
                self.difference.changed.push(changed);
            } else {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Says what it has done. All of it must have been merged.
    #[must_use]
    pub fn finish(self) -> Difference {
        self.difference
    }

    fn change(&mut self, world: &mut World, change: Change) {
        let id = change.entity.id;
        let Some(known) = world.get(id) else {
            self.note_aboard(world, place(&change.entity));
            if change.entity.kind == EntityKind::AmbulanceTeam {
                self.before.entry(id).or_default();
            }
            world.put(change.entity);
            self.created.insert(id);
            return;
        };
        // What an entity is counts as the world has it: a change may say otherwise, and means nothing by it.
        if known.kind == EntityKind::Civilian {
            let leaves = place(known);
            let reaches = change.entity.properties.number(PropertyKind::Position);
            self.note_aboard(world, leaves);
            self.note_aboard(world, reaches);
        }
        let differing = world.merge(id, change);
        if !differing.is_empty() && !self.created.contains(&id) {
            let all = self.differing.entry(id).or_default();
            *all = all.union(differing);
        }
    }

    fn delete(&mut self, world: &mut World, id: i32) {
        self.note_aboard(world, world.get(id).and_then(place));
        let Some(entity) = world.take(id) else { return };
        self.differing.remove(&id);
        // What came and went within one step was never there for anybody.
        if !self.created.remove(&id) {
            self.difference.deleted.push((id, entity.kind));
        }
    }

    /// Notes who is aboard of a place before that is changed for the first time.
    fn note_aboard(&mut self, world: &World, place: Option<i32>) {
        if let Some(place) = place {
            let aboard = || if world.is_team(place) { world.passenger(place) } else { None };
            self.before.entry(place).or_insert_with(aboard);
        }
    }
}

/// Another world, which is compared with one whose place it is to take. Neither may be changed meanwhile.
#[derive(Debug)]
pub struct Exchange {
    newer: World,
    /// Behind which id it goes on, in the newer world and then in the other.
    behind: Option<i32>,
    has_seen_newer: bool,
    difference: Difference,
}

impl Exchange {
    /// Begins with the world that is to take another's place.
    #[must_use]
    pub fn new(newer: World) -> Self {
        Self { newer, behind: None, has_seen_newer: false, difference: Difference::default() }
    }

    /// Compares so many entities, less of those with many values; answers whether those were all.
    pub fn go_on(&mut self, before: &World, most: usize) -> bool {
        let mut left = most;
        while left > 0 {
            let of = if self.has_seen_newer { before } else { &self.newer };
            let Some(entity) = of.next_behind(self.behind) else {
                if self.has_seen_newer {
                    return true;
                }
                (self.has_seen_newer, self.behind) = (true, None);
                continue;
            };
            spend(&mut left, work(entity));
            self.behind = Some(entity.id);
            if !self.has_seen_newer {
                note_newer(&mut self.difference, [before, &self.newer], entity);
            } else if self.newer.get(entity.id).is_none() {
                self.difference.deleted.push((entity.id, entity.kind));
            }
        }
        false
    }

    /// The newer world takes its place; says what is different, and gives the world that was there. All of it must have been compared.
    pub fn finish(self, world: &mut World) -> (Difference, World) {
        let Self { newer, difference, .. } = self;
        (difference, core::mem::replace(world, newer))
    }

    /// The world that was to take another's place, and is not any more.
    #[must_use]
    pub fn into_world(self) -> World {
        self.newer
    }

    /// Memory it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.newer.bytes()
    }
}

/// Notes what is different with an entity of the newer of two worlds.
fn note_newer(difference: &mut Difference, [before, newer]: [&World; 2], entity: &Entity) {
    let id = entity.id;
    if entity.kind == EntityKind::AmbulanceTeam {
        let was = if before.is_team(id) { before.passenger(id) } else { None };
        let now = newer.passenger(id);
        if was != now {
            difference.boarded.push((id, now));
        }
    }
    let Some(known) = before.get(id) else { return difference.created.push(id) };
    if entity.kind != known.kind {
        return difference.replaced.push(id);
    }
    let differing = entity.properties.differing(&known.properties);
    if !differing.is_empty() {
        difference.changed.push((id, differing));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rcrs::entity::Properties;
    use crate::rcrs::score::Score;
    use crate::rcrs::world::Bounds;

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

    fn replace(world: &mut World, newer: World) -> Difference {
        let mut exchange = Exchange::new(newer);
        assert!(exchange.go_on(world, usize::MAX));
        exchange.finish(world).0
    }

    #[test]
    fn another_world_taken_over_says_what_is_different() {
        let civilian = |place| entity(5, EntityKind::Civilian, &[(PropertyKind::Position, place)]);
        let team = || entity(7, EntityKind::AmbulanceTeam, &[]);
        let road = |x| entity(1, EntityKind::Road, &[(PropertyKind::X, x)]);
        let mut world = World::new(vec![road(1), civilian(1), team(), entity(8, EntityKind::Blockade, &[])]).unwrap();
        let newer = World::new(vec![road(1), civilian(7), team(), entity(9, EntityKind::Blockade, &[])]).unwrap();
        let difference = replace(&mut world, newer.clone());
        assert_eq!(world, newer);
        assert_eq!(difference.created, [9]);
        assert_eq!(difference.changed, [(5, PropertySet::EMPTY.with(PropertyKind::Position))]);
        assert_eq!(difference.deleted, [(8, EntityKind::Blockade)]);
        assert_eq!(difference.boarded, [(7, Some(5))]);
        assert!(replace(&mut world, newer).is_empty());
        let bare = World::new(vec![entity(1, EntityKind::Building, &[])]).unwrap();
        let difference = replace(&mut world, bare);
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

    /// A source of numbers below `most`, the same at every run.
    fn numbers() -> impl FnMut(i32) -> i32 {
        let mut seed = 7u32;
        move |most| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            i32::try_from(seed >> 8).unwrap() % most
        }
    }

    /// One of few ids, so that what is done meets: areas, teams, civilians and one that is now this and now that.
    fn some(below: &mut impl FnMut(i32) -> i32) -> Entity {
        let id = below(24);
        let kind = match id {
            0..8 => EntityKind::Road,
            8..12 => EntityKind::AmbulanceTeam,
            _ => EntityKind::Civilian,
        };
        let mut given = Vec::new();
        for (property, most) in [(PropertyKind::Position, 12), (PropertyKind::Hp, 3), (PropertyKind::X, 4)] {
            if below(2) == 0 {
                given.push((property, below(most)));
            }
        }
        entity(id, kind, &given)
    }

    fn some_changes(below: &mut impl FnMut(i32) -> i32) -> ChangeSet {
        let count = below(9);
        let changed = (0..count).map(|_| Change {
            entity: some(below),
            undefined: if below(5) == 0 { PropertySet::EMPTY.with(PropertyKind::Position) } else { PropertySet::EMPTY },
        });
        let changed = changed.collect();
        let deleted = (0..below(4)).map(|_| below(24)).collect();
        changes(changed, deleted)
    }

    /// Passengers and score by looking at all entities.
    fn seen(world: &World) -> (Vec<(i32, Option<i32>)>, Score) {
        let teams = world.iter().filter(|entity| entity.kind == EntityKind::AmbulanceTeam).map(|entity| entity.id);
        let aboard = |team| world.iter().find(|entity| place(entity) == Some(team)).map(|entity| entity.id);
        let mut score = Score::default();
        let civilians = world.iter().filter(|entity| entity.kind == EntityKind::Civilian);
        civilians.filter_map(|entity| entity.properties.number(PropertyKind::Hp)).for_each(|hp| score.add(hp));
        (teams.map(|team| (team, aboard(team))).collect(), score)
    }

    fn check(world: &World) {
        let (aboard, score) = seen(world);
        assert_eq!(world.score(), score);
        assert_eq!(world.values(), world.iter().map(|entity| entity.properties.values()).sum::<usize>());
        assert!(aboard.into_iter().all(|(team, civilian)| world.passenger(team) == civilian));
    }

    #[test]
    fn in_pieces_the_same_comes_of_it_as_in_one_go_and_who_is_aboard_as_by_looking_at_all() {
        let mut below = numbers();
        for _ in 0..300 {
            let first: Vec<_> = (0..below(30)).map(|_| some(&mut below)).collect();
            let mut arrival = Arrival::new(first.clone()).unwrap();
            while !arrival.go_on(1).unwrap() {}
            let (mut whole, mut pieces) = (World::new(first).unwrap(), arrival.into_world());
            assert_eq!(whole, pieces);
            for _ in 0..8 {
                let (changes, before) = (some_changes(&mut below), whole.clone());
                let difference = whole.apply(changes.clone()).unwrap();
                let mut merge = Merge::new(&pieces, changes).unwrap();
                while !merge.go_on(&mut pieces, &mut { 1 }).unwrap() {}
                assert_eq!((merge.finish(), &pieces), (difference.clone(), &whole));
                check(&whole);
                let (was, now) = (seen(&before).0, seen(&whole).0);
                let aboard =
                    |all: &[(i32, Option<i32>)], id| all.iter().find(|(team, _)| *team == id).and_then(|it| it.1);
                let boarded: Vec<_> = now.iter().filter(|(team, now)| aboard(&was, *team) != *now).copied().collect();
                assert_eq!(difference.boarded, boarded);
                let mut exchange = Exchange::new(whole.clone());
                let mut other = before.clone();
                while !exchange.go_on(&other, 1) {}
                let (exchanged, left) = exchange.finish(&mut other);
                assert_eq!(left, before);
                assert_eq!(other, whole);
                assert_eq!((&exchanged.boarded, exchanged.replaced.len()), (&boarded, 0));
                let ids = |one: &World, other: &World| {
                    let only = one.iter().filter(|entity| other.get(entity.id).is_none());
                    only.map(|entity| entity.id).collect::<Vec<_>>()
                };
                let deleted: Vec<_> = exchanged.deleted.iter().map(|(id, _)| *id).collect();
                assert_eq!((exchanged.created, deleted), (ids(&whole, &before), ids(&before, &whole)));
            }
        }
    }
}
