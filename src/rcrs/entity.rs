//! One entity and its properties, packed tightly: a city has ten thousand of them and every session holds its own.
//!
//! Owns [`Properties`], [`Entity`] and [`Change`]. Must not know encodings.
//!
//! A property is either one number (flags are 0 or 1, a position is an entity id) or a list of numbers: apexes and the
//! position history are `x, y, x, y, ...`, edges five numbers each, blockades ids. So an entity needs a bit set of what
//! is defined and two arrays in the order of the property numbers: four bytes a number, no tag, no padding.

use super::urn::{EntityKind, PropertyKind, PropertySet};

/// Numbers of one edge in a list of edges.
pub const EDGE_VALUES: usize = 5;

/// One side of an area, in millimetres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Where it starts.
    pub start: (i32, i32),
    /// Where it ends.
    pub end: (i32, i32),
    /// The area one can pass into, if any.
    pub neighbour: Option<i32>,
}

/// The defined properties of an entity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    defined: PropertySet,
    numbers: Vec<i32>,
    lists: Vec<Box<[i32]>>,
}

impl Properties {
    /// Which properties have a value.
    #[must_use]
    pub const fn defined(&self) -> PropertySet {
        self.defined
    }

    /// The value of a one-number property; `None` if it is undefined or a list.
    #[must_use]
    pub fn number(&self, property: PropertyKind) -> Option<i32> {
        if PropertySet::LISTS.contains(property) || !self.defined.contains(property) {
            return None;
        }
        self.numbers.get(self.number_rank(property)).copied()
    }

    /// The value of a list property as it is on the wire; `None` if it is undefined or one number.
    #[must_use]
    pub fn list(&self, property: PropertyKind) -> Option<&[i32]> {
        if !PropertySet::LISTS.contains(property) || !self.defined.contains(property) {
            return None;
        }
        self.lists.get(self.list_rank(property)).map(|list| &**list)
    }

    /// A list of points (apexes, position history); empty if undefined.
    pub fn points(&self, property: PropertyKind) -> impl Iterator<Item = (i32, i32)> {
        self.list(property).unwrap_or_default().as_chunks().0.iter().map(|&[x, y]| (x, y))
    }

    /// The edges of an area; empty if undefined.
    pub fn edges(&self) -> impl Iterator<Item = Edge> {
        let list = self.list(PropertyKind::Edges).unwrap_or_default();
        list.as_chunks::<EDGE_VALUES>().0.iter().map(|&[start_x, start_y, end_x, end_y, neighbour]| Edge {
            start: (start_x, start_y),
            end: (end_x, end_y),
            neighbour: (neighbour != 0).then_some(neighbour),
        })
    }

    /// How many 32-bit values are held.
    #[must_use]
    pub fn values(&self) -> usize {
        self.numbers.len() + self.lists.iter().map(|list| list.len()).sum::<usize>()
    }

    /// Defines a one-number property; says whether that is a difference. A list property stays as it is.
    pub fn set_number(&mut self, property: PropertyKind, value: i32) -> bool {
        if PropertySet::LISTS.contains(property) {
            return false;
        }
        let rank = self.number_rank(property);
        if !self.defined.contains(property) {
            self.numbers.insert(rank, value);
            self.defined = self.defined.with(property);
            return true;
        }
        self.numbers.get_mut(rank).is_some_and(|held| core::mem::replace(held, value) != value)
    }

    /// Defines a list property; says whether that is a difference. A one-number property stays as it is.
    pub fn set_list(&mut self, property: PropertyKind, value: Box<[i32]>) -> bool {
        if !PropertySet::LISTS.contains(property) {
            return false;
        }
        let rank = self.list_rank(property);
        if !self.defined.contains(property) {
            self.lists.insert(rank, value);
            self.defined = self.defined.with(property);
            return true;
        }
        self.lists.get_mut(rank).is_some_and(|held| {
            let differs = *held != value;
            *held = value;
            differs
        })
    }

    /// Takes a property's value away; says whether it had one.
    pub fn undefine(&mut self, property: PropertyKind) -> bool {
        if !self.defined.contains(property) {
            return false;
        }
        if PropertySet::LISTS.contains(property) {
            let rank = self.list_rank(property);
            self.lists.remove(rank);
        } else {
            let rank = self.number_rank(property);
            self.numbers.remove(rank);
        }
        self.defined = self.defined.without(property);
        true
    }

    /// The properties that have another value in `other`, or one here or there alone.
    #[must_use]
    pub fn differing(&self, other: &Self) -> PropertySet {
        let differs = |property: &PropertyKind| {
            self.number(*property) != other.number(*property) || self.list(*property) != other.list(*property)
        };
        self.defined.union(other.defined).iter().filter(differs).fold(PropertySet::EMPTY, PropertySet::with)
    }

    /// Gives back memory that growing left over.
    pub fn shrink(&mut self) {
        self.numbers.shrink_to_fit();
        self.lists.shrink_to_fit();
    }

    /// Takes over every value of `newer`; says which of them are differences.
    fn take(&mut self, newer: Self) -> PropertySet {
        let mut differing = PropertySet::EMPTY;
        let single = newer.defined.minus(PropertySet::LISTS);
        for (property, value) in single.iter().zip(newer.numbers) {
            if self.set_number(property, value) {
                differing = differing.with(property);
            }
        }
        let lists = newer.defined.common(PropertySet::LISTS);
        for (property, value) in lists.iter().zip(newer.lists) {
            if self.set_list(property, value) {
                differing = differing.with(property);
            }
        }
        differing
    }

    const fn number_rank(&self, property: PropertyKind) -> usize {
        self.defined.minus(PropertySet::LISTS).rank(property)
    }

    const fn list_rank(&self, property: PropertyKind) -> usize {
        self.defined.common(PropertySet::LISTS).rank(property)
    }
}

/// One thing in the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// Its id: positive in practice, unique among the living.
    pub id: i32,
    /// What it is.
    pub kind: EntityKind,
    /// Its defined properties.
    pub properties: Properties,
}

/// What a change set says about one entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The entity with only the properties that are set; it is created from this if it is unknown.
    pub entity: Entity,
    /// The properties that lose their value.
    pub undefined: PropertySet,
}

impl Entity {
    /// Makes a change real; says which properties really differ now.
    pub(super) fn merge(&mut self, change: Change) -> PropertySet {
        let mut differing = self.properties.take(change.entity.properties);
        for property in change.undefined.iter() {
            if self.properties.undefine(property) {
                differing = differing.with(property);
            }
        }
        differing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PropertyKind::{Apexes, Blockades, Edges, Hp, Position, X, Y};

    #[test]
    fn properties_keep_their_values_in_any_order_of_setting() {
        let mut properties = Properties::default();
        assert!(properties.set_number(Hp, 3));
        assert!(properties.set_list(Edges, Box::new([1, 2, 3, 4, 0, 5, 6, 7, 8, 9])));
        assert!(properties.set_number(X, -1));
        assert!(properties.set_list(Blockades, Box::new([])));
        assert!(properties.set_number(Position, 2));
        let numbers: Vec<_> = [X, Position, Hp].iter().map(|&property| properties.number(property)).collect();
        assert_eq!(numbers, [Some(-1), Some(2), Some(3)]);
        assert_eq!(properties.list(Blockades), Some(&[][..]));
        let neighbours: Vec<_> = properties.edges().map(|edge| edge.neighbour).collect();
        assert_eq!(neighbours, [None, Some(9)]);
        assert_eq!(properties.values(), 13);
    }

    #[test]
    fn only_a_real_difference_is_one() {
        let mut properties = Properties::default();
        assert!(properties.set_number(X, 1));
        assert!(!properties.set_number(X, 1));
        assert!(properties.set_number(X, 2));
        assert!(properties.set_list(Apexes, Box::new([1, 2])));
        assert!(!properties.set_list(Apexes, Box::new([1, 2])));
        assert!(properties.set_list(Apexes, Box::new([1, 3])));
        assert!(properties.undefine(X));
        assert!(!properties.undefine(X));
        assert!(!properties.undefine(Y));
        assert_eq!(properties.number(X), None);
        assert_eq!(properties.list(Apexes), Some(&[1, 3][..]));
    }

    #[test]
    fn a_value_of_the_wrong_shape_is_not_taken() {
        let mut properties = Properties::default();
        assert!(!properties.set_number(Apexes, 1));
        assert!(!properties.set_list(X, Box::new([1])));
        assert!(properties.defined().is_empty());
    }

    #[test]
    fn a_half_point_or_half_edge_is_left_out() {
        let mut properties = Properties::default();
        properties.set_list(Apexes, Box::new([1, 2, 3]));
        properties.set_list(Edges, Box::new([1, 2, 3, 4]));
        assert_eq!(properties.points(Apexes).collect::<Vec<_>>(), [(1, 2)]);
        assert_eq!(properties.edges().count(), 0);
    }

    #[test]
    fn an_entity_is_small() {
        assert!(size_of::<Entity>() <= 64, "{}", size_of::<Entity>());
    }
}
