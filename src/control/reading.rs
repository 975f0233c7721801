//! A record, pushed by a program or read from a recording, piece by piece: no piece takes long, and nothing of it counts before all has been read.
//!
//! Owns the bytes, how far they have been read, and what is to be put into a world. Must not know which world that is, nor whose turn it is.

use super::Error;
use super::record::Entity;
use super::replay::{self, Budget};
use super::section::{SCORE, Section};
use super::told::ToldWorld;
use super::value::{ENDS_EARLY, Reader, Skim, Token};
use crate::limits::{
    FEED_CHANGES_MAX, FEED_ENTITIES_MAX, FEED_ITEM_BYTES_MAX, RECORD_ENTITIES_MAX, RECORD_ITEM_BYTES_MAX,
    RECORD_VALUES_MAX,
};
use core::ops::Range;

/// What is being read, and how many members or items of it come still.
#[derive(Clone, Copy, Debug)]
struct Open {
    list: List,
    left: u32,
}

/// What a record is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    /// The record itself.
    Record,
    /// The value of a section.
    Section(Section),
    /// The areas of the map.
    Areas,
}

impl List {
    const fn section(self) -> Option<Section> {
        match self {
            Self::Section(section) => Some(section),
            Self::Record | Self::Areas => None,
        }
    }
}

/// Nobody sees or hears anything in a feed.
const NO_PERCEPTIONS: Error =
    Error::BadField { field: Section::Perceptions.key(), problem: "are not taken from a feed" };

/// Where a record comes from, by which it may have more or less in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// A program pushes it: all of it is looked into.
    Feed,
    /// A recording: what viewers are sent as it stands there is not.
    Recording,
}

impl Origin {
    const fn is_feed(self) -> bool {
        matches!(self, Self::Feed)
    }

    const fn item_bytes_max(self) -> usize {
        if self.is_feed() { FEED_ITEM_BYTES_MAX } else { RECORD_ITEM_BYTES_MAX }
    }
}

/// A record on its way in.
#[derive(Debug)]
pub struct Reading {
    origin: Origin,
    bytes: Vec<u8>,
    at: usize,
    /// What is open, the innermost last; `None` before the first byte.
    open: Option<Vec<Open>>,
    values: [Option<Range<usize>>; Section::ALL.len()],
    time: Option<i64>,
    world: ToldWorld,
    changes: Vec<Entity<'static>>,
    /// Values in the lists of what changes.
    change_values: usize,
}

impl Reading {
    /// Begins with a record that a program pushes, of which nothing has been read.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self::of(Origin::Feed, bytes)
    }

    /// Begins with a record of a recording.
    #[must_use]
    pub fn recorded(bytes: Vec<u8>) -> Self {
        Self::of(Origin::Recording, bytes)
    }

    fn of(origin: Origin, bytes: Vec<u8>) -> Self {
        Self {
            origin,
            bytes,
            at: 0,
            open: None,
            values: [const { None }; Section::ALL.len()],
            time: None,
            world: ToldWorld::default(),
            changes: Vec::new(),
            change_values: 0,
        }
    }

    /// Reads on, so many bytes and the rest of what begins in them; answers whether that was all.
    ///
    /// # Errors
    /// It is no record, in words that name the member, or has too much in it.
    pub fn go_on(&mut self, bytes: usize) -> Result<bool, String> {
        let until = self.at.saturating_add(bytes);
        let all = core::mem::take(&mut self.bytes);
        let read = self.read(&all, until);
        self.bytes = all;
        read
    }

    /// The timestep that it says it is.
    #[must_use]
    pub const fn time(&self) -> Option<i64> {
        self.time
    }

    /// The value of a section; `None` where there is none. Of what has been read.
    #[must_use]
    pub fn section(&self, wanted: Section) -> Option<&[u8]> {
        self.bytes.get(self.values.get(wanted as usize)?.clone()?)
    }

    /// Its world, which is empty where it tells of none.
    #[must_use]
    pub const fn world(&self) -> &ToldWorld {
        &self.world
    }

    /// Takes its world, once.
    pub fn take_world(&mut self) -> ToldWorld {
        core::mem::take(&mut self.world)
    }

    /// What changes in a timestep.
    #[must_use]
    pub fn changes(&self) -> &[Entity<'static>] {
        &self.changes
    }

    /// 32-bit values in the lists of what changes.
    #[must_use]
    pub const fn change_values(&self) -> usize {
        self.change_values
    }

    /// Bytes of the record.
    #[must_use]
    pub const fn record_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Memory it takes, about.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let changes = self.changes.len() * size_of::<Entity<'_>>() + self.change_values * size_of::<i32>();
        self.bytes.len() + self.world.bytes() + changes
    }

    fn read(&mut self, all: &[u8], until: usize) -> Result<bool, String> {
        while self.at < until {
            let has_more = self.step(all).map_err(|error| match self.open_section() {
                Some(section) => format!("{}: {error}", section.key()),
                None => error.to_string(),
            })?;
            if !has_more {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn open_section(&self) -> Option<Section> {
        self.open.iter().flatten().find_map(|open| open.list.section())
    }

    /// Reads the next member or item of a record, of which these are all bytes; answers whether there may be more.
    fn step(&mut self, all: &[u8]) -> Result<bool, Error> {
        let mut reader = Reader::new(all.get(self.at..).unwrap_or_default());
        let open = self.open.get_or_insert_default();
        let begun = match open.last_mut() {
            None if self.at == 0 => {
                let left = reader.map()?.ok_or(Error::Malformed("is not a map"))?;
                Some(Open { list: List::Record, left })
            }
            None if reader.is_empty() => return Ok(false),
            None => return Err(Error::Malformed("has bytes behind the record")),
            Some(top) => match top.left.checked_sub(1) {
                Some(left) => {
                    top.left = left;
                    let list = top.list;
                    self.take(list, &mut reader, all.len())?
                }
                None => {
                    self.close();
                    None
                }
            },
        };
        self.at = all.len() - reader.rest().len();
        self.open.get_or_insert_default().extend(begun);
        Ok(true)
    }

    /// What was open the innermost is whole.
    fn close(&mut self) {
        let ended = self.open.get_or_insert_default().pop().and_then(|open| open.list.section());
        if let Some(Some(value)) = ended.and_then(|section| self.values.get_mut(section as usize)) {
            value.end = self.at;
        }
    }

    /// Takes the next member or item of what is open; answers what begins with it.
    fn take(&mut self, list: List, reader: &mut Reader<'_>, len: usize) -> Result<Option<Open>, Error> {
        let most = self.origin.item_bytes_max();
        match list {
            List::Record => return self.member(reader, len),
            List::Section(Section::World) => {
                let entity = replay::entity(&mut Reader::new(item(reader, most)?))?;
                self.world.put(entity.standing());
            }
            List::Section(Section::Changes) => {
                let change = replay::entity(&mut Reader::new(item(reader, most)?))?;
                self.change_values += change.list_values();
                self.changes.push(change);
            }
            List::Section(Section::Config | Section::Perceptions | Section::Map) if !self.origin.is_feed() => {
                item(reader, most)?;
                item(reader, most)?;
            }
            List::Section(Section::Commands) | List::Areas if !self.origin.is_feed() => drop(item(reader, most)?),
            List::Section(Section::Map) => return map_member(reader, most),
            List::Section(Section::Commands) => drop(replay::action(&mut Reader::new(item(reader, most)?))?),
            List::Areas => drop(replay::area(&mut Reader::new(item(reader, most)?), &mut Budget::full())?),
            List::Section(Section::Config) => {
                let mut both = *reader;
                item(reader, most)?;
                item(reader, most)?;
                replay::pair(&mut both).map(drop)?;
            }
            List::Section(Section::Perceptions) => return Err(NO_PERCEPTIONS),
        }
        let many = |problem| Err(Error::BadField { field: "entities", problem });
        match self.origin {
            Origin::Feed if self.world.len() > FEED_ENTITIES_MAX => many("are more than 16,384"),
            Origin::Feed if self.changes.len() > FEED_CHANGES_MAX => many("are more than 8,192 in one timestep"),
            Origin::Recording if self.world.len().max(self.changes.len()) > RECORD_ENTITIES_MAX => {
                many("are more than 65,536")
            }
            _ if self.world.values() + self.change_values > RECORD_VALUES_MAX => {
                many("have more than 2,097,152 values in lists")
            }
            Origin::Feed | Origin::Recording => Ok(None),
        }
    }

    /// Takes a member of the record itself.
    fn member(&mut self, reader: &mut Reader<'_>, len: usize) -> Result<Option<Open>, Error> {
        let most = self.origin.item_bytes_max();
        let Some(key) = key(reader, most)? else { return item(reader, most).map(|_| None) };
        let Some(section) = Section::of_key(key) else {
            match key {
                b"time" => self.time = reader.int().map_err(|error| error.in_field("time"))?,
                _ if key == SCORE.as_bytes() => drop(reader.number().map_err(|error| error.in_field(SCORE))?),
                _ => drop(item(reader, most)?),
            }
            return Ok(None);
        };
        let start = len - reader.rest().len();
        let field = section.key();
        if reader.peek()? == Token::Nil {
            return reader.pull().map(|_| None);
        }
        let left = match section {
            Section::Map | Section::Config => reader.map(),
            Section::World | Section::Changes | Section::Commands => reader.array(),
            Section::Perceptions if self.origin.is_feed() => return Err(NO_PERCEPTIONS),
            Section::Perceptions => reader.map(),
        };
        let left = left.map_err(|error| error.in_field(field))?.unwrap_or(0);
        match self.values.get_mut(section as usize) {
            Some(value) if value.is_none() => *value = Some(start..start),
            _ => return Err(Error::BadField { field, problem: "comes twice" }),
        }
        Ok(Some(Open { list: List::Section(section), left }))
    }
}

/// Takes a member of the map.
fn map_member(reader: &mut Reader<'_>, most: usize) -> Result<Option<Open>, Error> {
    const NUMBERS: [&str; 4] = ["x", "y", "width", "height"];
    let Some(key) = key(reader, most)? else { return item(reader, most).map(|_| None) };
    if let Some(field) = NUMBERS.into_iter().find(|name| name.as_bytes() == key) {
        return reader.number().map(|_| None).map_err(|error| error.in_field(field));
    }
    if key != b"entities" {
        return item(reader, most).map(|_| None);
    }
    let left = reader.array().map_err(|error| error.in_field("entities"))?;
    Ok(left.map(|left| Open { list: List::Areas, left }))
}

/// The key of a member; `None` where it is no text, and has been skipped.
fn key<'a>(reader: &mut Reader<'a>, most: usize) -> Result<Option<&'a [u8]>, Error> {
    if let Token::Text(key) = reader.peek()? {
        return reader.pull().map(|_| Some(key));
    }
    item(reader, most).map(|_| None)
}

/// The bytes of the next value; a list or map must be short enough to be read at once.
fn item<'a>(reader: &mut Reader<'a>, most: usize) -> Result<&'a [u8], Error> {
    let rest = reader.rest();
    let mut ahead = *reader;
    if !matches!(ahead.pull()?, Token::Array(_) | Token::Map(_)) {
        *reader = ahead;
        return rest.get(..rest.len() - ahead.rest().len()).ok_or(Error::Malformed(ENDS_EARLY));
    }
    let head = rest.get(..most).unwrap_or(rest);
    let Some(len) = Skim::new().run(head)? else {
        let is_long = head.len() < rest.len();
        let problem = match is_long {
            false => ENDS_EARLY,
            true if most == FEED_ITEM_BYTES_MAX => "has an item of more than 64 KiB",
            true => "has an item of more than 1 MiB",
        };
        return Err(Error::Malformed(problem));
    };
    let (value, rest) = rest.split_at_checked(len).ok_or(Error::Malformed(ENDS_EARLY))?;
    *reader = Reader::new(rest);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::control::json::write;
    use crate::control::record::Property;

    fn packed(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, value);
        out
    }

    fn read(bytes: Vec<u8>, piece: usize) -> Result<Reading, String> {
        let mut reading = Reading::new(bytes);
        // The end is noticed one piece later where a piece ends with it.
        for _ in 0..=reading.record_bytes() + 1 {
            if reading.go_on(piece)? {
                return Ok(reading);
            }
        }
        panic!("it does not end");
    }

    fn record() -> Value {
        let at = |x: i32| json!({"x": x, "y": 2});
        json!({
            "time": 7, "score": 1.5, "unknown": [{"a": [1, 2]}, null], "perceptions": null,
            "map": {"x": 0, "y": 0, "width": 10, "height": 2.5, "more": {}, "entities": [
                {"id": 1, "type": "Road", "edges": [{"start": at(0), "end": at(1)}], "neighbours": [2]},
                {"id": 2, "type": "Road", "edges": []},
            ]},
            "config": {"a": "b", "c": null},
            "world": [{"id": 1, "type": "Road"}, {"id": 9, "type": "Civilian", "hp": 100, "history": [at(5)]}],
            "changes": [{"id": 9, "hp": 90}, {"id": 8, "created": true}, {"id": 1, "deleted": true}],
            "commands": [{"id": 9, "type": "Rest"}],
        })
    }

    #[test]
    fn it_is_the_same_however_small_the_pieces_are() {
        let bytes = packed(&record());
        let whole = replay::Record::read(&bytes).unwrap();
        for piece in [1, 2, 3, 7, 50, usize::MAX] {
            let mut reading = read(bytes.clone(), piece).unwrap();
            assert_eq!((reading.time(), reading.record_bytes()), (Some(7), bytes.len()));
            for section in Section::ALL {
                assert_eq!(reading.section(section), whole.section(section), "{piece} {section:?}");
            }
            let changes = replay::entities(whole.section(Section::Changes).unwrap()).unwrap();
            assert_eq!(reading.changes(), changes);
            let world = reading.take_world();
            assert_eq!(world.iter().map(|entity| entity.id).collect::<Vec<_>>(), [1, 9]);
            assert_eq!(world.get(9).and_then(|civilian| civilian.properties.get(Property::Hp)), Some(100));
            assert!(reading.take_world().is_empty());
        }
    }

    #[test]
    fn a_piece_ends_soon_behind_its_bytes() {
        let entities: Vec<_> = (0..1000).map(|id| json!({"id": id, "x": 70_000})).collect();
        let mut reading = Reading::new(packed(&json!({"world": entities})));
        let (mut pieces, mut before) = (0, 0);
        while !reading.go_on(100).unwrap() {
            pieces += 1;
            assert!(reading.at - before <= 120, "an entity has fewer than twenty bytes");
            before = reading.at;
        }
        assert!(pieces >= 100);
    }

    #[test]
    fn every_cut_and_every_wrong_member_is_refused_by_name() {
        let bytes = packed(&record());
        for len in 0..bytes.len() {
            assert!(read(bytes.get(..len).unwrap().to_vec(), 5).is_err(), "{len}");
        }
        let refused = |value: Value| read(packed(&value), 9).unwrap_err();
        for (wrong, words) in [
            (json!([]), "not a map"),
            (json!({"time": "now"}), "time"),
            (json!({"score": "high"}), "score"),
            (json!({"perceptions": []}), "not taken from a feed"),
            (json!({"world": 1}), "world"),
            (json!({"world": [{"type": "Road"}]}), "world: "),
            (json!({"changes": [{"id": "one"}]}), "changes: "),
            (json!({"commands": [{}]}), "commands: "),
            (json!({"map": {"width": "far"}}), "map: "),
            (json!({"map": {"entities": [{"id": 1, "edges": [{}]}]}}), "map: "),
            (json!({"config": {"a": 1}}), "config: "),
        ] {
            let said = refused(wrong.clone());
            assert!(said.contains(words), "{wrong}: {said}");
        }
        let mut behind = bytes;
        behind.push(0);
        assert!(read(behind, 9).unwrap_err().contains("behind the record"));
        // {"world": [], "world": []}
        let twice = b"\x82\xa5world\x90\xa5world\x90".to_vec();
        assert!(read(twice, 9).unwrap_err().contains("twice"));
    }

    #[test]
    fn what_is_too_much_is_refused_before_it_is_kept() {
        let entities = |count: usize| (0..count).map(|id| json!({"id": id})).collect::<Vec<_>>();
        let most = |key: &str, count| read(packed(&json!({key: entities(count)})), 1 << 14);
        assert_eq!(most("world", FEED_ENTITIES_MAX).unwrap().world.len(), FEED_ENTITIES_MAX);
        assert!(most("world", FEED_ENTITIES_MAX + 1).unwrap_err().contains("more than 16,384"));
        assert_eq!(most("changes", FEED_CHANGES_MAX).unwrap().changes.len(), FEED_CHANGES_MAX);
        assert!(most("changes", FEED_CHANGES_MAX + 1).unwrap_err().contains("more than 8,192"));
        assert!(read(packed(&json!({"unknown": "x".repeat(1 << 20)})), 1 << 14).is_ok(), "nobody looks into it");
        for key in ["unknown", "map", "world", "config"] {
            let long = json!({"id": 1, "long": vec![0; FEED_ITEM_BYTES_MAX]});
            let value = match key {
                "world" => json!([long]),
                "config" => json!({"long": long}),
                _ => long,
            };
            assert!(read(packed(&json!({key: value})), 1 << 14).unwrap_err().contains("64 KiB"), "{key}");
        }
        // What is only announced costs nothing.
        assert!(read(b"\x81\xa7changes\xdd\xff\xff\xff\xff".to_vec(), 1 << 14).is_err());
    }
}
