//! Sections: the parts of a record, each encoded once per timestep and shared by every viewer that selected it.
//!
//! Owns the encoding of a section as its key followed by its value, so that a record is a map head, the time and any sections laid
//! behind one another, byte for byte. Must not know which viewer wants what.
//!
//! | section | selected by | value |
//! |---|---|---|
//! | [`Section::Map`] | MAP | `{width, height, x, y, entities: [AreaInfo]}` |
//! | [`Section::World`] | WORLD | `[Entity]` |
//! | [`Section::Commands`] | ACTION | `[Action]` |
//! | [`Section::Changes`] | UPDATE | `[Entity]`, what differs only: nil, or an empty list, where there is no value any more |
//! | [`Section::Config`] | CONFIG | map of text to text |
//! | [`Section::Perceptions`] | PERCEPTION | map of agent id to `{id, updated, deleted, heard}`; of kernel logs only |
//!
//! Beside them a record that shows how things stand has its [`score`].

use super::pack::{Counted, Pack};
use super::record::{Action, AreaInfo, Edge, Entity, Point};

/// The key of the score in a record.
pub(super) const SCORE: &str = "score";

/// The parts of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// The areas, which do not change.
    Map,
    /// Every entity as it is.
    World,
    /// What agents did.
    Commands,
    /// What changed of entities.
    Changes,
    /// The configuration of the run, which does not change.
    Config,
    /// What agents saw and heard.
    Perceptions,
}

impl Section {
    /// Every section, in the order a record has them.
    pub const ALL: [Self; 6] = [Self::Map, Self::World, Self::Commands, Self::Changes, Self::Config, Self::Perceptions];

    /// The key in the record.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Map => "map",
            Self::World => "world",
            Self::Commands => "commands",
            Self::Changes => "changes",
            Self::Config => "config",
            Self::Perceptions => "perceptions",
        }
    }

    /// The section of a key.
    #[must_use]
    pub fn of_key(key: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|section| section.key().as_bytes() == key)
    }
}

/// What one agent saw and heard in a step.
#[derive(Clone, Copy, Debug)]
pub struct Perception<'a> {
    /// Id of the agent.
    pub id: i32,
    /// Ids of the entities it saw a change of.
    pub updated: &'a [i32],
    /// Ids of the entities it saw gone.
    pub deleted: &'a [i32],
    /// What it heard.
    pub heard: &'a [Action<'a>],
}

/// Appends the beginning of the map section for so many areas, which must follow one by one with [`map_area`]: a large map need
/// not be made in one go. It lies between its least and its greatest x and y.
pub fn map_begin(out: &mut Vec<u8>, [x, y]: [f64; 2], [east, north]: [f64; 2], areas: usize) {
    out.text(Section::Map.key());
    out.map(5);
    for (key, value) in [("width", east - x), ("height", north - y), ("x", x), ("y", y)] {
        out.text(key);
        out.double(value);
    }
    out.text("entities");
    out.array(areas);
}

/// Appends one area of a map section.
pub fn map_area(out: &mut Vec<u8>, info: &AreaInfo<'_>) {
    area(out, info);
}

/// Appends the map section.
pub fn map<'a, I>(out: &mut Vec<u8>, low: [f64; 2], high: [f64; 2], areas: I)
where
    I: IntoIterator<Item = AreaInfo<'a>, IntoIter: ExactSizeIterator>,
{
    let areas = areas.into_iter();
    map_begin(out, low, high, areas.len());
    for info in areas {
        map_area(out, &info);
    }
}

/// Appends the world section: whole entities.
pub fn world<'a>(out: &mut Vec<u8>, entities: impl IntoIterator<Item = Entity<'a>>) {
    let mut list = Growing::new(out, Section::World);
    for info in entities {
        // Both flags belong to changes alone.
        list.entity(out, &Entity { created: false, deleted: false, ..info });
    }
}

/// Appends the commands section.
pub fn commands<'a>(out: &mut Vec<u8>, actions: impl IntoIterator<Item = Action<'a>>) {
    let mut list = Growing::new(out, Section::Commands);
    actions.into_iter().for_each(|info| list.action(out, &info));
}

/// Appends the changes section: of each entity that changed, id, type and what differs; nil for what has become undefined.
pub fn changes<'a>(out: &mut Vec<u8>, entities: impl IntoIterator<Item = Entity<'a>>) {
    let mut list = Growing::new(out, Section::Changes);
    entities.into_iter().for_each(|info| list.entity(out, &info));
}

/// Appends the config section. `entries` must not name a key twice.
pub fn config<'a>(out: &mut Vec<u8>, entries: impl ExactSizeIterator<Item = (&'a str, &'a str)>) {
    out.text(Section::Config.key());
    out.map(entries.len());
    for (key, value) in entries {
        out.text(key);
        out.text(value);
    }
}

/// Appends the beginning of the perceptions section of so many agents, which must follow one by one with [`perception`].
pub fn perceptions_begin(out: &mut Vec<u8>, agents: usize) {
    out.text(Section::Perceptions.key());
    out.map(agents);
}

/// Appends what one agent perceived. Agent ids are text where they are keys, and none may come twice.
pub fn perception(out: &mut Vec<u8>, agent: &Perception<'_>) {
    out.text(&agent.id.to_string());
    out.map(4);
    pair(out, "id", agent.id);
    out.text("updated");
    out.ints(agent.updated);
    out.text("deleted");
    out.ints(agent.deleted);
    out.text("heard");
    out.array(agent.heard.len());
    for heard in agent.heard {
        action(out, heard);
    }
}

/// A section that is a list and gets its items one by one: it is whole whenever none of them is being added.
#[derive(Debug)]
pub struct Growing(Counted);

impl Growing {
    /// Appends such a section, which has nothing in it.
    pub fn new(out: &mut Vec<u8>, section: Section) -> Self {
        out.text(section.key());
        Self(Counted::new(out))
    }

    /// Adds an entity to a section of changes, or of a world, which must be the last thing of `out`.
    pub fn entity(&mut self, out: &mut Vec<u8>, info: &Entity<'_>) {
        entity(out, info);
        self.0.add(out);
    }

    /// Adds an action to a section of commands, which must be the last thing of `out`.
    pub fn action(&mut self, out: &mut Vec<u8>, info: &Action<'_>) {
        action(out, info);
        self.0.add(out);
    }
}

/// Appends the score of a timestep: no section that is selected, but a pair of every record that shows how things stand.
pub fn score(out: &mut Vec<u8>, score: f64) {
    out.text(SCORE);
    out.double(score);
}

/// Appends a section whose value has already been encoded, such as one from a recording.
pub fn raw(out: &mut Vec<u8>, section: Section, value: &[u8]) {
    out.text(section.key());
    out.extend_from_slice(value);
}

/// Appends the head of a record and its time, the first of its pairs; `sections` of them follow. The one place that knows how a
/// record begins.
pub(super) fn record_head(out: &mut Vec<u8>, time: i64, sections: usize) {
    out.map(1 + sections);
    out.text("time");
    out.int(time);
}

fn entity(out: &mut Vec<u8>, info: &Entity<'_>) {
    let lists = [&info.history, &info.blockades, &info.apexes].into_iter().filter(|list| list.is_some()).count();
    let flags = usize::from(info.kind.is_some()) + usize::from(info.created) + usize::from(info.deleted);
    out.map(1 + flags + info.properties.iter().count() + info.properties.undefined().count() + lists);
    pair(out, "id", info.id);
    if let Some(kind) = info.kind {
        out.text("type");
        out.text(kind.word());
    }
    for (flag, key) in [(info.created, "created"), (info.deleted, "deleted")] {
        if flag {
            out.text(key);
            out.bool(true);
        }
    }
    for (property, value) in info.properties.iter() {
        pair(out, property.key(), value);
    }
    for property in info.properties.undefined() {
        out.text(property.key());
        out.nil();
    }
    if let Some(history) = &info.history {
        out.text("history");
        points(out, history);
    }
    if let Some(blockades) = &info.blockades {
        out.text("blockades");
        out.ints(blockades);
    }
    if let Some(apexes) = &info.apexes {
        out.text("apexes");
        points(out, apexes);
    }
}

fn action(out: &mut Vec<u8>, info: &Action<'_>) {
    let numbers = [
        ("x", info.x),
        ("y", info.y),
        ("channel", info.channel),
        ("target", info.target),
        ("water", info.water),
        ("messageSize", info.message_size),
        ("time", info.time),
    ];
    let lists = [("path", &info.path), ("channels", &info.channels)];
    let there = numbers.iter().filter(|(_, value)| value.is_some()).count()
        + lists.iter().filter(|(_, list)| list.is_some()).count();
    out.map(2 + there + usize::from(info.message.is_some()));
    pair(out, "id", info.id);
    out.text("type");
    out.text(info.kind.word());
    for (key, list) in lists {
        if let Some(list) = list {
            out.text(key);
            out.ints(list);
        }
    }
    for (key, value) in numbers {
        if let Some(value) = value {
            pair(out, key, value);
        }
    }
    if let Some(message) = &info.message {
        said(out, message);
    }
}

/// What somebody says: as text where it is some, and in hexadecimal digits otherwise.
fn said(out: &mut Vec<u8>, message: &[u8]) {
    let is_text = |text: &&str| text.chars().all(|letter| !letter.is_control() || matches!(letter, '\n' | '\r' | '\t'));
    if let Some(text) = core::str::from_utf8(message).ok().filter(is_text) {
        out.text("message");
        out.text(text);
    } else {
        let digits: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
        out.text("messageHex");
        out.text(&digits);
    }
}

fn area(out: &mut Vec<u8>, info: &AreaInfo<'_>) {
    out.map(6);
    pair(out, "id", info.id);
    out.text("type");
    out.text(info.kind.word());
    pair(out, "x", info.centre.x);
    pair(out, "y", info.centre.y);
    out.text("edges");
    out.array(info.edges.len());
    for side in info.edges.iter() {
        edge(out, side);
    }
    out.text("neighbours");
    out.ints(&info.neighbours);
}

fn edge(out: &mut Vec<u8>, side: &Edge) {
    out.map(2 + usize::from(side.adjacent.is_some()));
    out.text("start");
    point(out, side.start);
    out.text("end");
    point(out, side.end);
    if let Some(adjacent) = side.adjacent {
        pair(out, "adjacent", adjacent);
    }
}

/// A list of points from x, y, x, y ...; a last number without its partner is dropped.
fn points(out: &mut Vec<u8>, flat: &[i32]) {
    let (pairs, _) = flat.as_chunks::<2>();
    out.array(pairs.len());
    for &[x, y] in pairs {
        point(out, Point { x, y });
    }
}

fn point(out: &mut Vec<u8>, at: Point) {
    out.map(2);
    pair(out, "x", at.x);
    pair(out, "y", at.y);
}

fn pair(out: &mut Vec<u8>, key: &str, value: i32) {
    out.text(key);
    out.int(i64::from(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_has_the_place_of_its_number_and_is_found_by_its_key() {
        assert!(Section::ALL.iter().enumerate().all(|(n, section)| n == *section as usize));
        assert!(Section::ALL.iter().all(|section| Section::of_key(section.key().as_bytes()) == Some(*section)));
        assert_eq!(Section::of_key(b"score"), None);
    }
}
