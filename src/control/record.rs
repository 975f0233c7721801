//! The data of a record: entities, actions, areas, points, as plain values.
//!
//! Owns their fields and the names of their types. Must not know any simulator: whoever has a simulator's world fills these in, and
//! the notes on each field say from what. Lists are borrowed or owned ([`Cow`]), so a world can be encoded without copying it and
//! a recording read back without holding its bytes.
//!
//! In a world, what an entity has no value of is left out. In changes, left out means unchanged: a property that has become undefined is
//! nil there, and a list an empty one. So the changes of every timestep lead from one world to the next and nothing lingers.

use std::borrow::Cow;

/// Declares an enum of types with their words on the wire. The first variant stands for every word not known.
macro_rules! types {
    ($(#[$about:meta])* $name:ident { $(#[$first_about:meta])* $first:ident, $($(#[$each_about:meta])* $each:ident),* $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $(#[$first_about])* $first, $($(#[$each_about])* $each),* }

        impl $name {
            /// Every type, in the order of the document.
            pub const ALL: &'static [Self] = &[Self::$first, $(Self::$each),*];

            /// The word on the wire.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    Self::$first => stringify!($first),
                    $(Self::$each => stringify!($each)),*
                }
            }

            /// Reads a word; one that is not known is [`Self::Unknown`].
            #[must_use]
            pub fn of_word(word: &str) -> Self {
                Self::ALL.iter().copied().find(|kind| kind.word() == word).unwrap_or(Self::$first)
            }
        }
    };
}

types! {
    /// The types of an entity and of an area.
    EntityType {
        /// None of the others.
        Unknown,
        /// An ambulance team.
        TacticsAmbulance,
        /// A fire brigade.
        TacticsFire,
        /// A police force.
        TacticsPolice,
        /// An ambulance centre.
        ControlAmbulance,
        /// A fire station.
        ControlFire,
        /// A police office.
        ControlPolice,
        /// A civilian.
        Civilian,
        /// A refuge.
        Refuge,
        /// Any other building.
        Building,
        /// A road.
        Road,
        /// A blockade on a road.
        Blockade,
        /// A gas station.
        GasStation,
        /// A hydrant.
        Hydrant,
        /// An area of no further type.
        Area,
    }
}

types! {
    /// The types of an action.
    ActionType {
        /// None of the others.
        Unknown,
        /// Along a path.
        Move,
        /// Doing nothing.
        Rest,
        /// A human into an ambulance.
        Load,
        /// A human out of an ambulance.
        Unload,
        /// A buried human.
        Rescue,
        /// A building with water.
        Extinguish,
        /// An area of a blockade (the simulator's `clear_area`).
        Clear,
        /// A whole blockade (the simulator's `clear`).
        LClear,
        /// On a radio channel (the simulator's `speak`).
        Radio,
        /// To those near (the simulator's `say`).
        Voice,
        /// To radio channels.
        Subscribe,
        /// The oldest form of radio.
        Tell,
    }
}

/// The properties of an entity that are one 32-bit integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Property {
    /// Where it is, in millimetres. Of humans and blockades; that of an area is in the map.
    X,
    /// Where it is, in millimetres. As [`Property::X`].
    Y,
    /// Id of the area, or of the ambulance, that it is in.
    Position,
    /// Health lost in a step.
    Damage,
    /// Depth under rubble (`buriedness`).
    Buried,
    /// Health left.
    Hp,
    /// Distance gone in the last step (`traveldistance`).
    Travel,
    /// Id of the civilian that an ambulance carries.
    Board,
    /// Water that a fire brigade has (`waterquantity`).
    Water,
    /// Temperature of a building.
    Temp,
    /// Brokenness of a building.
    Broken,
    /// Fieryness of a building.
    Fiery,
    /// What it costs to clear a blockade.
    RepairCost,
    // ---- What the document does not have ----
    /// Storeys of a building.
    Floors,
    /// 1 where a building was set on fire, 0 otherwise.
    Ignition,
    /// Importance of a building.
    Importance,
    /// Strength that a human has left.
    Stamina,
    /// Where a human faces, in seconds of arc.
    Direction,
    /// Beds of a refuge.
    BedCapacity,
    /// Beds of a refuge that are taken.
    OccupiedBeds,
    /// Humans who wait for a bed in a refuge.
    WaitingListSize,
    /// Water that a refuge gives out at once.
    RefillCapacity,
}

impl Property {
    /// Every property: those of the document in its order, then the others.
    pub const ALL: [Self; 22] = [
        Self::X,
        Self::Y,
        Self::Position,
        Self::Damage,
        Self::Buried,
        Self::Hp,
        Self::Travel,
        Self::Board,
        Self::Water,
        Self::Temp,
        Self::Broken,
        Self::Fiery,
        Self::RepairCost,
        Self::Floors,
        Self::Ignition,
        Self::Importance,
        Self::Stamina,
        Self::Direction,
        Self::BedCapacity,
        Self::OccupiedBeds,
        Self::WaitingListSize,
        Self::RefillCapacity,
    ];

    /// A bit of its own.
    const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// The key on the wire.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::X => "x",
            Self::Y => "y",
            Self::Position => "position",
            Self::Damage => "damage",
            Self::Buried => "buried",
            Self::Hp => "hp",
            Self::Travel => "travel",
            Self::Board => "board",
            Self::Water => "water",
            Self::Temp => "temp",
            Self::Broken => "broken",
            Self::Fiery => "fiery",
            Self::RepairCost => "repairCost",
            Self::Floors => "floors",
            Self::Ignition => "ignition",
            Self::Importance => "importance",
            Self::Stamina => "stamina",
            Self::Direction => "direction",
            Self::BedCapacity => "bedCapacity",
            Self::OccupiedBeds => "occupiedBeds",
            Self::WaitingListSize => "waitingListSize",
            Self::RefillCapacity => "refillCapacity",
        }
    }
}

/// The integer properties of one entity, each there or not; or, in a change, each with its new value, undefined now, or unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    values: [Option<i32>; Property::ALL.len()],
    /// A bit for each of [`Property::ALL`], set where the property has become undefined. Such a one has no value.
    undefined: u32,
}

const _: () = assert!(Property::ALL.len() <= 32, "every property has its bit");

impl Properties {
    /// The value of a property.
    #[must_use]
    pub fn get(&self, wanted: Property) -> Option<i32> {
        self.values.get(wanted as usize).copied().flatten()
    }

    /// Sets a property; `None` says nothing of it.
    pub fn set(&mut self, wanted: Property, value: Option<i32>) {
        self.put(wanted, value, false);
    }

    /// Says that a property has become undefined. In a change only.
    pub fn undefine(&mut self, wanted: Property) {
        self.put(wanted, None, true);
    }

    fn put(&mut self, wanted: Property, value: Option<i32>, undefined: bool) {
        let bit = wanted.bit();
        self.undefined = if undefined { self.undefined | bit } else { self.undefined & !bit };
        if let Some(slot) = self.values.get_mut(wanted as usize) {
            *slot = value;
        }
    }

    /// The properties that are there.
    pub fn iter(&self) -> impl Iterator<Item = (Property, i32)> + '_ {
        Property::ALL.into_iter().zip(self.values).filter_map(|(property, value)| Some((property, value?)))
    }

    /// The properties that have become undefined.
    pub fn undefined(&self) -> impl Iterator<Item = Property> + '_ {
        // Mostly none is.
        let all = (self.undefined != 0).then_some(Property::ALL).into_iter().flatten();
        all.filter(|property| self.undefined & property.bit() != 0)
    }

    /// Whether nothing is said of any property.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What a change from `earlier` is made of: the values that are others, and what has none any more.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut changed = Self::default();
        for ((property, now), before) in Property::ALL.into_iter().zip(self.values).zip(earlier.values) {
            if now != before {
                changed.put(property, now, now.is_none());
            }
        }
        changed
    }

    /// Takes over what a change says.
    fn apply(&mut self, change: &Self) {
        for (property, value) in change.iter() {
            self.put(property, Some(value), false);
        }
        for property in change.undefined() {
            self.put(property, None, false);
        }
    }
}

/// One entity of the world, or what changed of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entity<'a> {
    /// Its id.
    pub id: i32,
    /// Its type. Always sent; an old recording may lack it in a change.
    pub kind: Option<EntityType>,
    /// First seen in this step. In `changes` only.
    pub created: bool,
    /// Gone in this step. In `changes` only.
    pub deleted: bool,
    /// The integer properties.
    pub properties: Properties,
    /// Where it went in the last step, as x, y, x, y ... in millimetres (`positionhistory`). Of this list and the other two: an empty
    /// one means the same as none; a change that leaves none has it empty.
    pub history: Option<Cow<'a, [i32]>>,
    /// Ids of the blockades on a road.
    pub blockades: Option<Cow<'a, [i32]>>,
    /// The outline of a blockade, as x, y, x, y ... in millimetres.
    pub apexes: Option<Cow<'a, [i32]>>,
}

impl Entity<'_> {
    /// Takes over what `change` tells of this entity. Whether it was deleted is the caller's to act on.
    pub fn apply(&mut self, change: &Entity<'_>) {
        self.kind = change.kind.or(self.kind);
        self.properties.apply(&change.properties);
        let lists = [
            (&mut self.history, &change.history),
            (&mut self.blockades, &change.blockades),
            (&mut self.apexes, &change.apexes),
        ];
        for (held, newer) in lists {
            if let Some(items) = newer.as_deref() {
                *held = (!items.is_empty()).then(|| Cow::Owned(items.to_vec()));
            }
        }
    }

    /// 32-bit values in its lists.
    #[must_use]
    pub fn list_values(&self) -> usize {
        [&self.history, &self.blockades, &self.apexes].into_iter().flatten().map(|list| list.len()).sum()
    }

    /// The same, whose lists are another's.
    #[must_use]
    pub fn borrowed(&self) -> Entity<'_> {
        Entity {
            id: self.id,
            kind: self.kind,
            created: self.created,
            deleted: self.deleted,
            properties: self.properties,
            history: self.history.as_deref().map(Cow::Borrowed),
            blockades: self.blockades.as_deref().map(Cow::Borrowed),
            apexes: self.apexes.as_deref().map(Cow::Borrowed),
        }
    }

    /// Whether a change says nothing but whose it is.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        let says = self.created || self.deleted || !self.properties.is_empty();
        !says && self.history.is_none() && self.blockades.is_none() && self.apexes.is_none()
    }

    /// What is said of it, as it stands in a world: there nobody asks what has become undefined.
    #[must_use]
    pub fn standing(self) -> Self {
        let mut whole = Self { id: self.id, ..Self::default() };
        whole.apply(&self);
        whole
    }
}

/// What an agent did, or said, in a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action<'a> {
    /// Id of the agent.
    pub id: i32,
    /// What it did; the key is `type`.
    pub kind: ActionType,
    /// Ids of the areas it moves along.
    pub path: Option<Cow<'a, [i32]>>,
    /// The point it moves to or clears towards, in millimetres.
    pub x: Option<i32>,
    /// The point it moves to or clears towards, in millimetres.
    pub y: Option<i32>,
    /// The radio channel.
    pub channel: Option<i32>,
    /// Id of what it acts on.
    pub target: Option<i32>,
    /// Water used.
    pub water: Option<i32>,
    /// Bytes of what it says (`messageSize`, of Radio, Voice and Tell).
    pub message_size: Option<i32>,
    /// What it says: on the wire `message` where that is plain text, `messageHex` otherwise. Not of what is heard: it stands where it was said.
    pub message: Option<Cow<'a, [u8]>>,
    /// The channels that it listens to from now on (of Subscribe).
    pub channels: Option<Cow<'a, [i32]>>,
    /// The timestep in which it was said. Of what is heard only.
    pub time: Option<i32>,
}

impl<'a> Action<'a> {
    /// An action with no more than agent and type.
    #[must_use]
    pub const fn new(id: i32, kind: ActionType) -> Self {
        Self {
            id,
            kind,
            path: None,
            x: None,
            y: None,
            channel: None,
            target: None,
            water: None,
            message_size: None,
            message: None,
            channels: None,
            time: None,
        }
    }

    /// A move. A negative `x` or `y` means no exact point and is left out; the target is the last area of the path.
    #[must_use]
    pub fn moving(id: i32, path: Cow<'a, [i32]>, x: i32, y: i32) -> Self {
        let exact = |at: i32| (at >= 0).then_some(at);
        let target = path.last().copied();
        Self { x: exact(x), y: exact(y), target, path: Some(path), ..Self::new(id, ActionType::Move) }
    }
}

/// A point in millimetres.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// East.
    pub x: i32,
    /// North.
    pub y: i32,
}

/// One side of an area.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// Where it begins.
    pub start: Point,
    /// Where it ends.
    pub end: Point,
    /// Id of the area one can pass to; left out on the wire when there is none.
    pub adjacent: Option<i32>,
}

/// One area of the map. The map does not change in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AreaInfo<'a> {
    /// Its id.
    pub id: i32,
    /// Its type; the key is `type`.
    pub kind: EntityType,
    /// Its centre.
    pub centre: Point,
    /// Its sides.
    pub edges: Cow<'a, [Edge]>,
    /// Ids of the areas next to it.
    pub neighbours: Cow<'a, [i32]>,
}

/// The map: where it lies, what it measures and the areas it is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MapInfo<'a> {
    /// The least coordinates, `x` and `y` on the wire, in millimetres: a map need not begin at zero. Recordings of before do not say.
    pub origin: Option<[f64; 2]>,
    /// East to west, in millimetres. A float on the wire, as the original had it.
    pub width: f64,
    /// North to south, in millimetres.
    pub height: f64,
    /// Its areas.
    pub areas: Vec<AreaInfo<'a>>,
}

impl MapInfo<'_> {
    /// West, south, east and north of everything, in millimetres. Where the map does not say where it lies, its areas do.
    #[must_use]
    pub fn bounds(&self) -> [f64; 4] {
        let corners = || self.areas.iter().flat_map(|area| area.edges.iter()).flat_map(|edge| [edge.start, edge.end]);
        let least = |of: fn(Point) -> i32| corners().map(of).min().map_or(0.0, f64::from);
        let [x, y] = self.origin.unwrap_or_else(|| [least(|at| at.x), least(|at| at.y)]);
        [x, y, x + self.width, y + self.height]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_types_lead_back_to_them_and_strangers_are_unknown() {
        for kind in EntityType::ALL {
            assert_eq!(EntityType::of_word(kind.word()), *kind);
        }
        for kind in ActionType::ALL {
            assert_eq!(ActionType::of_word(kind.word()), *kind);
        }
        assert_eq!((EntityType::ALL.len(), ActionType::ALL.len()), (15, 13));
        assert_eq!((EntityType::of_word("road"), ActionType::of_word("")), (EntityType::Unknown, ActionType::Unknown));
    }

    #[test]
    fn every_property_has_the_place_of_its_number() {
        assert!(Property::ALL.iter().enumerate().all(|(n, property)| n == *property as usize));
    }

    #[test]
    fn a_change_applied_to_the_earlier_entity_gives_the_later_one() {
        let mut earlier =
            Entity { id: 4, kind: Some(EntityType::Road), blockades: Some(Cow::Borrowed(&[1])), ..Entity::default() };
        earlier.properties.set(Property::Hp, Some(100));
        earlier.properties.set(Property::X, Some(7));
        let mut later = earlier.clone();
        later.properties.set(Property::Hp, Some(90));
        later.properties.set(Property::Temp, Some(0));
        later.properties.set(Property::X, None);
        let change = Entity {
            id: 4,
            properties: later.properties.since(&earlier.properties),
            blockades: Some(Cow::Borrowed(&[])),
            ..Entity::default()
        };
        assert_eq!(change.properties.iter().collect::<Vec<_>>(), [(Property::Hp, 90), (Property::Temp, 0)]);
        assert_eq!(change.properties.undefined().collect::<Vec<_>>(), [Property::X]);
        later.blockades = None;
        earlier.apply(&change);
        assert_eq!(earlier, later);
    }

    #[test]
    fn a_move_without_exact_point_has_none_and_its_target_ends_its_path() {
        let vague = Action::moving(1, Cow::Borrowed(&[5, 6]), -1, 3);
        assert_eq!((vague.x, vague.y, vague.target), (None, Some(3), Some(6)));
        assert_eq!(Action::moving(1, Cow::Borrowed(&[]), 0, 0).target, None);
    }
}
