//! A small town after an earthquake, as a recording of viewers: for the page of the demonstration, which wants something to draw.
//!
//! Streets lie in a grid. People walk from crossing to crossing; police forces clear what lies in their way, fire brigades put out what burns at their
//! corner, ambulances dig out who is buried there and carry them to the refuge. All of it is decided by a small sequence of numbers, the same each time.

use std::borrow::Cow;
use std::collections::BTreeMap;

use instep::control::record::{Action, ActionType, AreaInfo, Edge, Entity, EntityType, Point, Property};
use instep::control::{section, vlog};

/// Milliseconds of one timestep.
const STEP_MS: u32 = 500;
/// Crossings from west to east, and from south to north.
const COLUMNS: i32 = 8;
const ROWS: i32 = 6;
/// Millimetres.
const STREET: i32 = 8_000;
const BLOCK: i32 = 40_000;
const PITCH: i32 = STREET + BLOCK;
const HOUSE: i32 = 17_000;
const FIRST_PERSON: i32 = 1000;
const FIRST_BLOCKADE: i32 = 2000;

/// A crossing.
type Crossing = [i32; 2];

const fn crossing([x, y]: Crossing) -> i32 {
    1 + y * COLUMNS + x
}

/// The street from a crossing to the east.
const fn eastward([x, y]: Crossing) -> i32 {
    101 + y * COLUMNS + x
}

/// The street from a crossing to the north.
const fn northward([x, y]: Crossing) -> i32 {
    201 + y * COLUMNS + x
}

/// One of the four houses of the block north-east of a crossing; the first is at that crossing, then east, north and both.
const fn house([x, y]: Crossing, corner: i32) -> i32 {
    301 + 4 * (y * COLUMNS + x) + corner
}

/// The street between two crossings next to each other.
fn between(a: Crossing, b: Crossing) -> i32 {
    let west = a.min(b);
    if a[1] == b[1] { eastward(west) } else { northward(west) }
}

/// The houses at the corners of a crossing; some of them are outside of the town.
const fn corners([x, y]: Crossing) -> [i32; 4] {
    [house([x, y], 0), house([x - 1, y], 1), house([x, y - 1], 2), house([x - 1, y - 1], 3)]
}

const fn middle([x, y]: Crossing) -> Point {
    Point { x: x * PITCH + STREET / 2, y: y * PITCH + STREET / 2 }
}

/// A rectangle whose sides lead, from the south on against the clock, to these areas.
fn area(id: i32, kind: EntityType, [x, y]: [i32; 2], [width, height]: [i32; 2], gates: [i32; 4]) -> AreaInfo<'static> {
    let corners = [[0, 0], [width, 0], [width, height], [0, height]].map(|[dx, dy]| Point { x: x + dx, y: y + dy });
    let ends = corners.iter().cycle().skip(1);
    let edges: Vec<Edge> = (corners.iter().zip(ends).zip(gates))
        .map(|((start, end), gate)| Edge { start: *start, end: *end, adjacent: (gate > 0).then_some(gate) })
        .collect();
    let neighbours: Vec<i32> = gates.into_iter().filter(|gate| *gate > 0).collect();
    let centre = Point { x: x + width / 2, y: y + height / 2 };
    AreaInfo { id, kind, centre, edges: Cow::Owned(edges), neighbours: Cow::Owned(neighbours) }
}

fn kind_of_house(at: Crossing, corner: i32) -> EntityType {
    match (at, corner) {
        ([0, 0], 0) => EntityType::Refuge,
        ([3, 2], 1) => EntityType::ControlFire,
        ([4, 3], 0) => EntityType::ControlPolice,
        ([1, 3], 2) => EntityType::ControlAmbulance,
        ([5, 1], 3) => EntityType::GasStation,
        _ => EntityType::Building,
    }
}

/// All areas of the town.
fn areas() -> Vec<AreaInfo<'static>> {
    let mut areas = Vec::new();
    for at @ [x, y] in crossings() {
        let [west, south] = [x * PITCH, y * PITCH];
        let (is_east, is_north) = (x == COLUMNS - 1, y == ROWS - 1);
        let gate = |is_there: bool, id: i32| if is_there { id } else { 0 };
        let gates = [
            gate(y > 0, northward([x, y - 1])),
            gate(!is_east, eastward(at)),
            gate(!is_north, northward(at)),
            gate(x > 0, eastward([x - 1, y])),
        ];
        let kind = if (x + 2 * y) % 7 == 3 { EntityType::Hydrant } else { EntityType::Road };
        areas.push(area(crossing(at), kind, [west, south], [STREET, STREET], gates));
        if !is_east {
            let gates = [0, crossing([x + 1, y]), 0, crossing(at)];
            areas.push(area(eastward(at), EntityType::Road, [west + STREET, south], [BLOCK, STREET], gates));
        }
        if !is_north {
            let gates = [crossing(at), 0, crossing([x, y + 1]), 0];
            areas.push(area(northward(at), EntityType::Road, [west, south + STREET], [STREET, BLOCK], gates));
        }
        if is_east || is_north {
            continue;
        }
        for corner in 0..4 {
            let [dx, dy] = [corner % 2, corner / 2].map(|far| STREET + 2_000 + far * (HOUSE + 2_000));
            let size = [HOUSE - (x * 7 + y * 3 + corner) % 4 * 1_000, HOUSE - (x * 5 + y + corner) % 5 * 1_000];
            areas.push(area(house(at, corner), kind_of_house(at, corner), [west + dx, south + dy], size, [0; 4]));
        }
    }
    areas
}

fn crossings() -> impl Iterator<Item = Crossing> {
    (0..ROWS).flat_map(|y| (0..COLUMNS).map(move |x| [x, y]))
}

/// The recording of so many timesteps.
pub(super) fn recording(steps: u32) -> Vec<u8> {
    let areas = areas();
    let mut town = Town::new(&areas);
    let (mut map, mut config, mut world) = (Vec::new(), Vec::new(), Vec::new());
    let size = [COLUMNS, ROWS].map(|count| f64::from(count * PITCH - BLOCK));
    section::map(&mut map, [0.0; 2], size, areas);
    let steps_words = [steps, STEP_MS].map(|number| number.to_string());
    let keys = ["kernel.timesteps", "kernel.agents.think-time"];
    section::config(
        &mut config,
        keys.into_iter().zip(steps_words.iter().map(String::as_str)).collect::<Vec<_>>().into_iter(),
    );
    section::world(&mut world, town.entities.values().cloned());
    let mut out = Vec::new();
    let heading = vlog::Heading { max_time_step: i64::from(steps), map_name: "town", map: &map, config: &config };
    vlog::write_heading(&mut out, heading);
    let mut add = |time: u32, sections: &[&[u8]]| {
        vlog::write_prelude(&mut out, i64::from(time), sections);
        sections.iter().for_each(|section| out.extend_from_slice(section));
    };
    add(0, &[&world]);
    for step in 1..=steps {
        let before = town.entities.clone();
        let done = town.step();
        let (mut commands, mut changes) = (Vec::new(), Vec::new());
        section::commands(&mut commands, done);
        section::changes(&mut changes, town.since(&before));
        add(step, &[&commands, &changes]);
    }
    out
}

/// The town as it is, and whoever walks in it.
struct Town {
    chance: u32,
    entities: BTreeMap<i32, Entity<'static>>,
    walkers: BTreeMap<i32, Crossing>,
}

impl Town {
    fn new(areas: &[AreaInfo<'_>]) -> Self {
        let mut town = Self { chance: 12, entities: BTreeMap::new(), walkers: BTreeMap::new() };
        for area in areas {
            let mut entity = Entity { id: area.id, kind: Some(area.kind), ..Entity::default() };
            if area.id > house([0, 0], 0) {
                let broken = i32::try_from(town.next(4)).unwrap_or(0) * 25;
                entity.properties.set(Property::Broken, Some(broken));
                entity.properties.set(Property::Fiery, Some(i32::from(town.next(14) == 0)));
            }
            town.entities.insert(area.id, entity);
        }
        town.people(areas);
        for (n, at) in (0..).zip(crossings().filter(|[x, y]| *x < COLUMNS - 1 && (x * 3 + y * 5) % 4 == 1)) {
            town.block(FIRST_BLOCKADE + n, at);
        }
        town
    }

    fn people(&mut self, areas: &[AreaInfo<'_>]) {
        use EntityType::{Civilian, TacticsAmbulance, TacticsFire, TacticsPolice};
        let kinds = [(Civilian, 30), (TacticsFire, 6), (TacticsPolice, 5), (TacticsAmbulance, 5)];
        let kinds = kinds.into_iter().flat_map(|(kind, count)| std::iter::repeat_n(kind, count));
        let houses: Vec<_> = areas.iter().filter(|area| area.kind == EntityType::Building).collect();
        for (n, kind) in (0..).zip(kinds) {
            let id = FIRST_PERSON + n;
            let mut entity = Entity { id, kind: Some(kind), ..Entity::default() };
            let at = [self.below(COLUMNS), self.below(ROWS)];
            let (mut place, mut position, mut buried) = (middle(at), crossing(at), 0);
            let under = usize::try_from(n * 11 + 5).unwrap_or(0) % houses.len().max(1);
            match houses.get(under) {
                Some(house) if kind == Civilian && n % 2 == 0 => {
                    (place, position, buried) = (house.centre, house.id, 30 + n);
                }
                _ => drop(self.walkers.insert(id, at)),
            }
            let hp = if buried > 0 { 9_000 - n * 150 } else { 10_000 };
            let water = (kind == TacticsFire).then_some(15_000);
            for (property, value) in [
                (Property::X, Some(place.x)),
                (Property::Y, Some(place.y)),
                (Property::Position, Some(position)),
                (Property::Hp, Some(hp)),
                (Property::Buried, Some(buried)),
                (Property::Water, water),
            ] {
                entity.properties.set(property, value);
            }
            self.entities.insert(id, entity);
        }
    }

    /// Lets rubble lie on the street to the east of a crossing.
    fn block(&mut self, id: i32, at: Crossing) {
        let street = eastward(at);
        let [x, y] = [at[0] * PITCH + STREET + self.below(BLOCK / 2), at[1] * PITCH];
        let apexes = [[0, 0], [9_000, 500], [12_000, 5_000], [4_000, STREET - 200], [-1_000, 4_000]];
        let apexes = apexes.iter().flat_map(|[dx, dy]| [x + dx, y + dy]).collect();
        let mut entity =
            Entity { id, kind: Some(EntityType::Blockade), apexes: Some(Cow::Owned(apexes)), ..Entity::default() };
        entity.properties.set(Property::Position, Some(street));
        entity.properties.set(Property::RepairCost, Some(40));
        self.entities.insert(id, entity);
        if let Some(road) = self.entities.get_mut(&street) {
            road.blockades = Some(Cow::Owned(vec![id]));
        }
    }

    // ---- One timestep ----

    /// What everybody does in a timestep, and what comes of it.
    fn step(&mut self) -> Vec<Action<'static>> {
        let walkers: Vec<_> = self.walkers.iter().map(|(id, at)| (*id, *at)).collect();
        let done = walkers.into_iter().map(|(id, at)| self.act(id, at)).collect();
        self.burn();
        for entity in self.entities.values_mut() {
            let (hp, buried) = (entity.properties.get(Property::Hp), entity.properties.get(Property::Buried));
            if let (Some(hp @ 1..), Some(1..)) = (hp, buried) {
                entity.properties.set(Property::Hp, Some((hp - 25).max(0)));
            }
        }
        done
    }

    fn act(&mut self, id: i32, at: Crossing) -> Action<'static> {
        if let Some(entity) = self.entities.get_mut(&id) {
            entity.history = None;
        }
        let kind = self.entities.get(&id).and_then(|entity| entity.kind);
        let action = match kind {
            Some(EntityType::TacticsFire) => self.extinguish(id, at),
            Some(EntityType::TacticsAmbulance) => self.rescue(id, at),
            _ => None,
        };
        action.unwrap_or_else(|| self.walk(id, at))
    }

    fn extinguish(&mut self, id: i32, at: Crossing) -> Option<Action<'static>> {
        let target = corners(at).into_iter().find(|house| matches!(self.get(*house, Property::Fiery), 1..=3))?;
        let fiery = self.get(target, Property::Fiery);
        let water = (self.get(id, Property::Water) - 500).max(500);
        self.set(target, Property::Fiery, fiery + 4);
        self.set(id, Property::Water, water);
        Some(Action { target: Some(target), water: Some(500), ..Action::new(id, ActionType::Extinguish) })
    }

    fn rescue(&mut self, id: i32, at: Crossing) -> Option<Action<'static>> {
        let aboard = self.get(id, Property::Board);
        if aboard > 0 {
            if at != [0, 0] {
                return None;
            }
            let refuge = house(at, 0);
            self.entities.get_mut(&id)?.properties.set(Property::Board, None);
            let place = Point { x: STREET + 4_000 + self.below(10_000), y: STREET + 4_000 + self.below(10_000) };
            for (property, value) in [(Property::Position, refuge), (Property::X, place.x), (Property::Y, place.y)] {
                self.set(aboard, property, value);
            }
            return Some(Action { target: Some(aboard), ..Action::new(id, ActionType::Unload) });
        }
        let houses = corners(at);
        let is_here = |person: &&Entity<'_>| {
            person.kind == Some(EntityType::Civilian)
                && person.properties.get(Property::Position).is_some_and(|house| houses.contains(&house))
                && person.properties.get(Property::Hp) > Some(0)
                && person.properties.get(Property::Position) != Some(house([0, 0], 0))
        };
        let target = self.entities.range(FIRST_PERSON..FIRST_BLOCKADE).map(|(_, person)| person).find(is_here)?.id;
        let buried = self.get(target, Property::Buried);
        if buried > 0 {
            self.set(target, Property::Buried, (buried - 10).max(0));
            return Some(Action { target: Some(target), ..Action::new(id, ActionType::Rescue) });
        }
        self.set(target, Property::Position, id);
        self.set(id, Property::Board, target);
        Some(Action { target: Some(target), ..Action::new(id, ActionType::Load) })
    }

    /// To a crossing next to this one, if the street is free; the police clears it.
    fn walk(&mut self, id: i32, at: Crossing) -> Action<'static> {
        let to = if self.get(id, Property::Board) > 0 { homeward(at) } else { self.anywhere(at) };
        let street = between(at, to);
        let rubble = self.entities.get(&street).and_then(|road| road.blockades.as_ref()?.first().copied());
        if let Some(rubble) = rubble {
            if self.entities.get(&id).and_then(|entity| entity.kind) != Some(EntityType::TacticsPolice) {
                return Action::new(id, ActionType::Rest);
            }
            let cost = self.get(rubble, Property::RepairCost) - 20;
            self.set(rubble, Property::RepairCost, cost);
            if cost <= 0 {
                self.entities.remove(&rubble);
                if let Some(road) = self.entities.get_mut(&street) {
                    road.blockades = None;
                }
            }
            let aim = middle(to);
            return Action { x: Some(aim.x), y: Some(aim.y), ..Action::new(id, ActionType::Clear) };
        }
        let (from, end) = (middle(at), middle(to));
        let stray = [self.below(4_000) - 2_000, self.below(4_000) - 2_000];
        self.walkers.insert(id, to);
        for (property, value) in [
            (Property::X, end.x + stray[0]),
            (Property::Y, end.y + stray[1]),
            (Property::Position, crossing(to)),
            (Property::Travel, PITCH),
        ] {
            self.set(id, property, value);
        }
        if let Some(entity) = self.entities.get_mut(&id) {
            entity.history = Some(Cow::Owned(vec![from.x, from.y, end.x, end.y]));
        }
        Action::moving(id, Cow::Owned(vec![crossing(at), street, crossing(to)]), -1, -1)
    }

    /// Fires grow, and jump to the next house of their block.
    fn burn(&mut self) {
        let fires: Vec<i32> =
            self.entities.keys().copied().filter(|id| matches!(self.get(*id, Property::Fiery), 1..=3)).collect();
        for id in fires {
            let fiery = self.get(id, Property::Fiery);
            if self.next(30) == 0 {
                self.set(id, Property::Fiery, if fiery == 3 { 8 } else { fiery + 1 });
            }
            let next = id - (id - house([0, 0], 0)) % 4 + self.below(4);
            let may_burn = self.entities.contains_key(&next) && self.get(next, Property::Fiery) == 0;
            if fiery > 1 && may_burn && self.next(60) == 0 {
                self.set(next, Property::Fiery, 1);
            }
        }
    }

    // ---- Small things ----

    /// What has changed, with what is gone.
    fn since(&self, before: &BTreeMap<i32, Entity<'static>>) -> Vec<Entity<'static>> {
        let gone = before.keys().filter(|id| !self.entities.contains_key(id));
        let gone =
            gone.map(|id| Entity { id: *id, kind: Some(EntityType::Blockade), deleted: true, ..Entity::default() });
        let changed = self.entities.values().filter_map(|now| {
            let was = before.get(&now.id)?;
            let list = |now: &Option<Cow<'static, [i32]>>, was: &Option<Cow<'static, [i32]>>| {
                (now != was).then(|| now.clone().unwrap_or_default())
            };
            let change = Entity {
                id: now.id,
                kind: now.kind,
                properties: now.properties.since(&was.properties),
                history: list(&now.history, &was.history),
                blockades: list(&now.blockades, &was.blockades),
                ..Entity::default()
            };
            (!change.is_silent()).then_some(change)
        });
        changed.chain(gone).collect()
    }

    fn anywhere(&mut self, [x, y]: Crossing) -> Crossing {
        let ways = [[x + 1, y], [x - 1, y], [x, y + 1], [x, y - 1]];
        let inside = |[x, y]: &Crossing| (0..COLUMNS).contains(x) && (0..ROWS).contains(y);
        let ways: Vec<_> = ways.into_iter().filter(inside).collect();
        let chosen = usize::try_from(self.next(u32::try_from(ways.len()).unwrap_or(1))).unwrap_or(0);
        ways.get(chosen).copied().unwrap_or([0, 0])
    }

    /// The value of a property, or zero.
    fn get(&self, id: i32, property: Property) -> i32 {
        self.entities.get(&id).and_then(|entity| entity.properties.get(property)).unwrap_or(0)
    }

    fn set(&mut self, id: i32, property: Property, value: i32) {
        if let Some(entity) = self.entities.get_mut(&id) {
            entity.properties.set(property, Some(value));
        }
    }

    fn below(&mut self, bound: i32) -> i32 {
        u32::try_from(bound).ok().and_then(|bound| i32::try_from(self.next(bound)).ok()).unwrap_or(0)
    }

    /// The next number below this one.
    fn next(&mut self, bound: u32) -> u32 {
        self.chance = self.chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.chance >> 8) % bound.max(1)
    }
}

/// The next crossing on the way to the refuge.
const fn homeward([x, y]: Crossing) -> Crossing {
    if x > 0 { [x - 1, y] } else { [x, y - 1] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use instep::control::vlog::{Item, Player, Progress};

    #[test]
    fn the_town_is_a_recording_in_which_all_trades_have_something_to_do() {
        let bytes = recording(200);
        let (mut player, mut rest, mut records) = (Player::new(), &bytes[..], 0);
        while !rest.is_empty() {
            let Progress::Took(n, item) = player.step(rest).unwrap() else { panic!("cut") };
            records += u32::from(matches!(item, Item::Record { .. }));
            rest = &rest[n..];
        }
        assert_eq!(records, 201);
        let areas = areas();
        let mut town = Town::new(&areas);
        let done: Vec<_> = (0..200).flat_map(|_| town.step()).map(|action| action.kind).collect();
        for kind in [
            ActionType::Move,
            ActionType::Extinguish,
            ActionType::Clear,
            ActionType::Rescue,
            ActionType::Load,
            ActionType::Unload,
        ] {
            assert!(done.contains(&kind), "{kind:?}");
        }
    }
}
