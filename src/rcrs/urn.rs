//! The numbers and names of everything that crosses the wire.
//!
//! Owns the tables only. Today's kernels send numbers (a base per family plus a small offset), 1.x kernels and the binary
//! log spell the same things as URN strings (a prefix per family plus a word). Both are fixed: no log and no
//! handshake carries a map of its own.

macro_rules! family {
    ($(#[$about:meta])* $name:ident, $base:literal, $prefix:literal, $($variant:ident = $offset:literal $word:literal,)+) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name {
            $(#[doc = concat!("`", $word, "`")] $variant = $offset,)+
        }

        impl $name {
            /// All of the family, by rising number.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// What the string form begins with.
            pub const PREFIX: &str = $prefix;

            /// The number on the wire.
            #[must_use]
            pub const fn number(self) -> i32 {
                $base + self as i32
            }

            /// The last word of the string form.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// The member with this number.
            #[must_use]
            pub const fn from_number(number: i32) -> Option<Self> {
                match number.wrapping_sub($base) {
                    $($offset => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The member with this number; `short` ones lack the high byte, as kernels of 2021 wrote them into their logs.
            #[must_use]
            pub const fn from_log(number: i32, short: bool) -> Option<Self> {
                let is_short = short && number > 0 && number < 0x100;
                Self::from_number(if is_short { $base + number } else { number })
            }

            /// The member with this string form.
            #[must_use]
            pub fn from_urn(urn: &[u8]) -> Option<Self> {
                let word = urn.strip_prefix(Self::PREFIX.as_bytes())?;
                Self::ALL.iter().copied().find(|member| member.word().as_bytes() == word)
            }

            /// The string form.
            #[must_use]
            pub fn urn(self) -> String {
                [Self::PREFIX, self.word()].concat()
            }
        }
    };
}

family! {
    /// A control message: who connects, who is told what.
    Control, 0x0100, "urn:rescuecore2:messages.control:",
    KgConnect = 1 "kg_connect", KgAcknowledge = 2 "kg_acknowledge",
    GkConnectOk = 3 "gk_connect_ok", GkConnectError = 4 "gk_connect_error",
    SkConnect = 5 "sk_connect", SkAcknowledge = 6 "sk_acknowledge", SkUpdate = 7 "sk_update",
    KsConnectOk = 8 "ks_connect_ok", KsConnectError = 9 "ks_connect_error", KsUpdate = 10 "ks_update",
    KsCommands = 11 "ks_commands", KsAftershocksInfo = 12 "ks_aftershocks_info",
    VkConnect = 13 "vk_connect", VkAcknowledge = 14 "vk_acknowledge",
    KvConnectOk = 15 "kv_connect_ok", KvConnectError = 16 "kv_connect_error", KvTimestep = 17 "kv_timestep",
    AkConnect = 18 "ak_connect", AkAcknowledge = 19 "ak_acknowledge",
    KaConnectOk = 20 "ka_connect_ok", KaConnectError = 21 "ka_connect_error", KaSense = 22 "ka_sense",
    Shutdown = 23 "shutdown", EntityIdRequest = 24 "entity_id_request", EntityIdResponse = 25 "entity_id_response",
}

family! {
    /// A part of a control message. The 1.x encoding writes parts in a fixed order without names, so the words are labels.
    ControlPart, 0x0200, "",
    RequestId = 1 "request id", AgentId = 2 "agent id", Version = 3 "version", Name = 4 "name",
    RequestedEntityTypes = 5 "requested entity types", SimulatorId = 6 "simulator id", RequestNumber = 7 "request number",
    NumberOfIds = 8 "number of ids", NewEntityIds = 9 "new entity ids", Reason = 10 "reason", Entities = 11 "entities",
    ViewerId = 12 "viewer id", AgentConfig = 13 "agent config", Time = 14 "time", Updates = 15 "updates",
    Hearing = 16 "hearing", Intensities = 17 "intensities", Times = 18 "times", Id = 19 "id", Commands = 20 "commands",
    SimulatorConfig = 21 "simulator config", Changes = 22 "changes",
}

family! {
    /// What an entity is.
    EntityKind, 0x1100, "urn:rescuecore2.standard:entity:",
    World = 1 "world", Road = 2 "road", Blockade = 3 "blockade", Building = 4 "building", Refuge = 5 "refuge",
    Hydrant = 6 "hydrant", GasStation = 7 "gasstation", FireStation = 8 "firestation",
    AmbulanceCentre = 9 "ambulancecentre", PoliceOffice = 10 "policeoffice", Civilian = 11 "civilian",
    FireBrigade = 12 "firebrigade", AmbulanceTeam = 13 "ambulanceteam", PoliceForce = 14 "policeforce",
}

impl EntityKind {
    /// Whether it lies on the map for good and has edges: a road, a hydrant or any building.
    #[must_use]
    pub const fn is_area(self) -> bool {
        matches!(self, Self::Road | Self::Hydrant) || self.is_building()
    }

    /// Whether it is a building of any sort.
    #[must_use]
    pub const fn is_building(self) -> bool {
        match self {
            Self::Building
            | Self::Refuge
            | Self::GasStation
            | Self::FireStation
            | Self::AmbulanceCentre
            | Self::PoliceOffice => true,
            Self::World
            | Self::Road
            | Self::Blockade
            | Self::Hydrant
            | Self::Civilian
            | Self::FireBrigade
            | Self::AmbulanceTeam
            | Self::PoliceForce => false,
        }
    }

    /// Whether it is a person or a vehicle with its crew.
    #[must_use]
    pub const fn is_human(self) -> bool {
        matches!(self, Self::Civilian | Self::FireBrigade | Self::AmbulanceTeam | Self::PoliceForce)
    }
}

family! {
    /// A property of an entity. The kernel itself misspells the word of the last one.
    PropertyKind, 0x1200, "urn:rescuecore2.standard:property:",
    StartTime = 1 "starttime", Longitude = 2 "longitude", Latitude = 3 "latitude", WindForce = 4 "windforce",
    WindDirection = 5 "winddirection", X = 6 "x", Y = 7 "y", Blockades = 8 "blockades", RepairCost = 9 "repaircost",
    Floors = 10 "floors", BuildingAttributes = 11 "buildingattributes", Ignition = 12 "ignition",
    Fieryness = 13 "fieryness", Brokenness = 14 "brokenness", BuildingCode = 15 "buildingcode",
    BuildingAreaGround = 16 "buildingareaground", BuildingAreaTotal = 17 "buildingareatotal", Apexes = 18 "apexes",
    Edges = 19 "edges", Position = 20 "position", Direction = 21 "direction", PositionHistory = 22 "positionhistory",
    Stamina = 23 "stamina", Hp = 24 "hp", Damage = 25 "damage", Buriedness = 26 "buriedness",
    TravelDistance = 27 "traveldistance", WaterQuantity = 28 "waterquantity", Temperature = 29 "temperature",
    Importance = 30 "importance", Capacity = 31 "capacity", BedCapacity = 32 "bedcapacity",
    OccupiedBeds = 33 "occupiedbeds", RefillCapacity = 34 "refillcapacity", WaitingListSize = 35 "waitinglistlize",
}

family! {
    /// An agent's command.
    CommandKind, 0x1300, "urn:rescuecore2.standard:message:",
    Rest = 1 "rest", Move = 2 "move", Load = 3 "load", Unload = 4 "unload", Say = 5 "say", Tell = 6 "tell",
    Extinguish = 7 "extinguish", Rescue = 8 "rescue", Clear = 9 "clear", ClearArea = 10 "clear_area",
    Subscribe = 11 "subscribe", Speak = 12 "speak",
}

family! {
    /// A part of a command; as with [`ControlPart`] the words are labels.
    CommandPart, 0x1400, "",
    Target = 1 "target", DestinationX = 2 "destination x", DestinationY = 3 "destination y", Water = 4 "water",
    Path = 5 "path", Message = 6 "message", Channel = 7 "channel", Channels = 8 "channels",
}

/// A set of properties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PropertySet(u64);

impl PropertySet {
    /// No property.
    pub const EMPTY: Self = Self(0);

    /// The properties whose value is a list of numbers; all others are one number.
    pub const LISTS: Self = Self::EMPTY
        .with(PropertyKind::Blockades)
        .with(PropertyKind::Apexes)
        .with(PropertyKind::Edges)
        .with(PropertyKind::PositionHistory);

    /// This set and one more property.
    #[must_use]
    pub const fn with(self, property: PropertyKind) -> Self {
        Self(self.0 | Self::bit(property))
    }

    /// This set without a property.
    #[must_use]
    pub const fn without(self, property: PropertyKind) -> Self {
        Self(self.0 & !Self::bit(property))
    }

    /// What either set has.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What both sets have.
    #[must_use]
    pub const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What only this set has.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the property is in the set.
    #[must_use]
    pub const fn contains(self, property: PropertyKind) -> bool {
        self.0 & Self::bit(property) != 0
    }

    /// Whether the set has no property.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many members have a lower number than this property.
    #[must_use]
    pub const fn rank(self, property: PropertyKind) -> usize {
        (self.0 & (Self::bit(property) - 1)).count_ones() as usize
    }

    /// The members by rising number.
    pub fn iter(self) -> impl Iterator<Item = PropertyKind> {
        PropertyKind::ALL.iter().copied().filter(move |&property| self.contains(property))
    }

    const fn bit(property: PropertyKind) -> u64 {
        1 << (property as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_simulators() {
        assert_eq!(Control::VkConnect.number(), 269);
        assert_eq!(Control::KvTimestep.number(), 273);
        assert_eq!(Control::Shutdown.number(), 279);
        assert_eq!(ControlPart::RequestId.number(), 513);
        assert_eq!(ControlPart::Changes.number(), 534);
        assert_eq!(EntityKind::Road.number(), 4354);
        assert_eq!(PropertyKind::Edges.number(), 4627);
        assert_eq!(CommandKind::Speak.number(), 4876);
        assert_eq!(CommandPart::Path.number(), 5125);
    }

    #[test]
    fn every_member_is_found_again_by_number_and_by_name() {
        for &kind in EntityKind::ALL {
            assert_eq!(EntityKind::from_number(kind.number()), Some(kind));
            assert_eq!(EntityKind::from_urn(kind.urn().as_bytes()), Some(kind));
        }
        for &kind in PropertyKind::ALL {
            assert_eq!(PropertyKind::from_number(kind.number()), Some(kind));
            assert_eq!(PropertyKind::from_urn(kind.urn().as_bytes()), Some(kind));
        }
        for &kind in CommandKind::ALL {
            assert_eq!(CommandKind::from_urn(kind.urn().as_bytes()), Some(kind));
        }
        assert_eq!((EntityKind::ALL.len(), PropertyKind::ALL.len(), CommandKind::ALL.len()), (14, 35, 12));
    }

    #[test]
    fn numbers_without_their_high_byte_are_read_in_logs() {
        assert_eq!(EntityKind::from_log(2, true), Some(EntityKind::Road));
        assert_eq!(EntityKind::from_log(2, false), None);
        assert_eq!(PropertyKind::from_log(0x13, true), Some(PropertyKind::Edges));
        assert_eq!(CommandKind::from_log(12, true), Some(CommandKind::Speak));
        for number in [0, -1, 15, 0x101, 0x1100] {
            assert_eq!(EntityKind::from_log(number, true), None, "{number}");
        }
        assert!(EntityKind::ALL.iter().all(|kind| EntityKind::from_log(kind.number(), true) == Some(*kind)));
    }

    #[test]
    fn unknown_numbers_and_names_are_no_members() {
        for number in [0, -1, i32::MIN, i32::MAX, EntityKind::World.number() - 1, EntityKind::PoliceForce.number() + 1]
        {
            assert_eq!(EntityKind::from_number(number), None);
        }
        assert_eq!(PropertyKind::from_urn(b"urn:rescuecore2.standard:property:"), None);
        assert_eq!(PropertyKind::from_urn(b"urn:rescuecore2.standard:entity:road"), None);
        assert_eq!(Control::from_urn(b""), None);
    }

    #[test]
    fn a_property_set_ranks_its_members() {
        let set = PropertySet::EMPTY.with(PropertyKind::X).with(PropertyKind::WaitingListSize).with(PropertyKind::Hp);
        assert_eq!(set.rank(PropertyKind::X), 0);
        assert_eq!(set.rank(PropertyKind::Hp), 1);
        assert_eq!(set.rank(PropertyKind::WaitingListSize), 2);
        let members: Vec<_> = set.without(PropertyKind::Hp).iter().collect();
        assert_eq!(members, [PropertyKind::X, PropertyKind::WaitingListSize]);
    }
}
