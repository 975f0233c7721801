//! A world as records tell it: its entities by their ids, and how much they hold.
//!
//! Owns the entities, and the count of what is in their lists. Must not know where a record comes from, what a score is, nor who is shown a world.

use core::ops::Bound;
use std::collections::BTreeMap;

use super::record::Entity;

/// Bytes that an entity takes beside itself and what is in its lists: its place in the tree, and what lies around its lists.
const ENTITY_OVERHEAD: usize = 160;

/// A world of which records tell.
#[derive(Debug, Default)]
pub struct ToldWorld {
    entities: BTreeMap<i32, Entity<'static>>,
    values: usize,
}

impl ToldWorld {
    /// How many entities there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    /// 32-bit values in the lists of all of them.
    #[must_use]
    pub const fn values(&self) -> usize {
        self.values
    }

    /// Memory it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.len() * (size_of::<Entity<'_>>() + ENTITY_OVERHEAD) + self.values * size_of::<i32>()
    }

    /// One entity.
    #[must_use]
    pub fn get(&self, id: i32) -> Option<&Entity<'static>> {
        self.entities.get(&id)
    }

    /// All entities by rising id.
    pub fn iter(&self) -> impl Iterator<Item = &Entity<'static>> {
        self.entities.values()
    }

    /// The entity of the next higher id; behind `None` that of the lowest.
    #[must_use]
    pub fn next_behind(&self, id: Option<i32>) -> Option<&Entity<'static>> {
        let from = id.map_or(Bound::Unbounded, Bound::Excluded);
        self.entities.range((from, Bound::Unbounded)).next().map(|(_, entity)| entity)
    }

    /// Takes an entity out, if there is one: the world is let go of one by one.
    pub fn pop(&mut self) -> Option<Entity<'static>> {
        let (_, entity) = self.entities.pop_first()?;
        self.values -= entity.list_values();
        Some(entity)
    }

    /// Puts in an entity as it stands there, in the place of one with its id.
    pub(super) fn put(&mut self, entity: Entity<'static>) {
        self.values += entity.list_values();
        let other = self.entities.insert(entity.id, entity);
        self.values -= other.map_or(0, |other| other.list_values());
    }

    /// Applies what changes of one entity, which may be new or be gone with it.
    pub fn apply(&mut self, change: &Entity<'_>) {
        if change.deleted {
            self.values -= self.entities.remove(&change.id).map_or(0, |gone| gone.list_values());
            return;
        }
        let entity = self.entities.entry(change.id).or_insert_with(|| Entity { id: change.id, ..Entity::default() });
        let before = entity.list_values();
        entity.apply(change);
        self.values = self.values - before + entity.list_values();
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn entity(id: i32, apexes: Option<usize>) -> Entity<'static> {
        Entity { id, apexes: apexes.map(|values| Cow::Owned(vec![1; values])), ..Entity::default() }
    }

    #[test]
    fn what_is_in_lists_is_counted_however_it_comes_and_goes() {
        let mut world = ToldWorld::default();
        let deleted = |id| Entity { deleted: true, ..entity(id, None) };
        let changes = [
            (entity(1, Some(10)), 10),
            (entity(2, None), 10),
            (entity(2, Some(5)), 15),
            (entity(1, None), 15),
            (entity(1, Some(4)), 9),
            (entity(2, Some(0)), 4),
            (deleted(3), 4),
            (deleted(1), 0),
        ];
        for (change, values) in changes {
            world.apply(&change);
            assert_eq!(world.values(), values, "{change:?}");
            assert_eq!(world.iter().map(Entity::list_values).sum::<usize>(), values);
        }
        world.put(entity(2, Some(7)));
        world.put(entity(2, Some(3)));
        assert_eq!((world.len(), world.values()), (1, 3));
        assert_eq!(world.bytes(), size_of::<Entity<'_>>() + ENTITY_OVERHEAD + 12);
    }

    #[test]
    fn entities_come_one_behind_the_other() {
        let mut world = ToldWorld::default();
        assert!(world.is_empty() && world.next_behind(None).is_none());
        [7, -3, 2].into_iter().for_each(|id| world.put(entity(id, None)));
        let (mut behind, mut ids) = (None, Vec::new());
        while let Some(entity) = world.next_behind(behind) {
            behind = Some(entity.id);
            ids.push(entity.id);
        }
        assert_eq!(ids, [-3, 2, 7]);
        assert_eq!(world.get(2).map(|entity| entity.id), Some(2));
        let popped: Vec<_> = core::iter::from_fn(|| world.pop().map(|entity| entity.id)).collect();
        assert_eq!((popped, world.is_empty()), (vec![-3, 2, 7], true));
    }
}
