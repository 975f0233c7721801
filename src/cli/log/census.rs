//! What is looked at in the world of each timestep: how well the run goes, and the entities that somebody wants to know of.

use std::collections::BTreeMap;

use instep::rcrs::score::Score;
use instep::store::order;
use serde_json::{Map, Value};

/// How a run stands after a timestep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    pub(super) score: Score,
    /// Living humans under rubble, civilians and others.
    pub(super) buried: usize,
    /// Agents that are dead.
    pub(super) agents_dead: usize,
    /// Buildings on fire.
    pub(super) burning: usize,
    pub(super) blockades: usize,
}

/// One entity as far as a census goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counted {
    Civilian { hp: Option<i32>, buried: Option<i32> },
    Agent { hp: Option<i32>, buried: Option<i32> },
    Building { fiery: Option<i32> },
    Blockade,
    Other,
}

impl Census {
    pub(super) fn of(entities: impl Iterator<Item = Counted>) -> Self {
        let mut census = Self::default();
        for entity in entities {
            match entity {
                Counted::Civilian { hp, buried } => {
                    hp.into_iter().for_each(|hp| census.score.add(hp));
                    census.buried += usize::from(is_buried(hp, buried));
                }
                Counted::Agent { hp, buried } => {
                    census.agents_dead += usize::from(hp.is_some_and(|hp| hp <= 0));
                    census.buried += usize::from(is_buried(hp, buried));
                }
                // Heating, burning, inferno; from 4 on it is out.
                Counted::Building { fiery } => {
                    census.burning += usize::from(fiery.is_some_and(|fiery| matches!(fiery, 1..=3)))
                }
                Counted::Blockade => census.blockades += 1,
                Counted::Other => {}
            }
        }
        census
    }
}

fn is_buried(hp: Option<i32>, buried: Option<i32>) -> bool {
    hp.is_some_and(|hp| hp > 0) && buried.is_some_and(|depth| depth > 0)
}

/// An entity at a time, its properties by name; `None` where there is none.
type Properties = Option<Map<String, Value>>;

/// By entity, what has changed of it, in the order of time.
pub(super) type History = BTreeMap<i32, Vec<(i64, Map<String, Value>)>>;

/// What is wanted of a log beside its numbers.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Of these entities what they are after the last timestep, and what changes of them in each.
    pub(super) entities: Vec<i32>,
    /// How the run stands after each timestep.
    pub(super) scores: bool,
    /// This timestep alone.
    pub(super) time: Option<i64>,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    wanted: Wanted,
    pub(super) scores: BTreeMap<i64, Box<Census>>,
    /// The wanted entities as they were seen last.
    last: BTreeMap<i32, Properties>,
    /// What has changed of them: nil where a property has no value any more.
    pub(super) history: History,
}

impl Seen {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// Whether the worlds behind this timestep are not wanted.
    fn is_past(&self, time: i64) -> bool {
        self.wanted.time.is_some_and(|wanted| time > wanted)
    }

    /// The world after a timestep, of which 0 is that before the first.
    pub(super) fn look(&mut self, time: i64, census: impl FnOnce() -> Census, about: impl Fn(i32) -> Properties) {
        if self.is_past(time) {
            return;
        }
        if self.wanted.scores {
            self.scores.insert(time, Box::new(census()));
        }
        for id in &self.wanted.entities {
            let now = about(*id);
            let before = self.last.get(id).and_then(Option::as_ref);
            let changed = changes(before, now.as_ref());
            if !changed.is_empty() {
                self.history.entry(*id).or_default().push((time, changed));
            }
            self.last.insert(*id, now);
        }
    }

    /// The wanted entities in the order in which they were asked for.
    pub(super) fn entities(&self) -> Vec<(i32, Properties)> {
        self.wanted.entities.iter().map(|id| (*id, self.last.get(id).cloned().flatten())).collect()
    }
}

/// What of an entity is another than before.
fn changes(before: Option<&Map<String, Value>>, now: Option<&Map<String, Value>>) -> Map<String, Value> {
    let none = Map::new();
    let (was, is) = (before.unwrap_or(&none), now.unwrap_or(&none));
    let newer =
        is.iter().filter(|(key, value)| was.get(*key) != Some(value)).map(|(key, value)| (key.clone(), value.clone()));
    let gone = was.keys().filter(|key| !is.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    order::filled(newer.chain(gone))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_census_counts_the_living_the_buried_and_what_burns() {
        let person = |hp, buried| (Some(hp), Some(buried));
        let civilian = |(hp, buried)| Counted::Civilian { hp, buried };
        let agent = |(hp, buried)| Counted::Agent { hp, buried };
        let entities = [
            civilian(person(10_000, 0)),
            civilian(person(4000, 30)),
            civilian(person(0, 30)),
            Counted::Civilian { hp: None, buried: None },
            agent(person(0, 0)),
            agent(person(10_000, 5)),
            Counted::Blockade,
            Counted::Other,
        ];
        let buildings = [None, Some(0), Some(1), Some(3), Some(4), Some(8)].map(|fiery| Counted::Building { fiery });
        let census = Census::of(entities.into_iter().chain(buildings));
        assert_eq!((census.score.civilians, census.score.living, census.score.health), (3, 2, 14_000));
        assert_eq!((census.buried, census.agents_dead, census.burning, census.blockades), (2, 1, 2, 1));
    }

    #[test]
    fn the_history_of_an_entity_is_what_changes_of_it() {
        let wanted = |time| Wanted { entities: vec![7, 8], scores: true, time };
        let about = |time: i64| {
            move |id: i32| (id == 7 && time < 3).then(|| Map::from_iter([("x".to_owned(), json!(time / 2))]))
        };
        for (time, last, steps) in [(None, None, vec![0, 2, 3]), (Some(1), Some(json!({"x": 0})), vec![0])] {
            let mut seen = Seen::new(wanted(time));
            (0..=4).for_each(|time| seen.look(time, Census::default, about(time)));
            let times: Vec<i64> = seen.history[&7].iter().map(|(time, _)| *time).collect();
            assert_eq!(times, steps);
            assert_eq!((seen.history.get(&8), seen.scores.len()), (None, time.map_or(5, |_| 2)));
            let entities = seen.entities();
            assert_eq!(entities[0].1.clone().map(Value::Object), last);
            assert_eq!(entities[1], (8, None));
        }
    }
}
