//! Reading records back: from a result on the viewer's side, or from a recording to be played again.
//!
//! Owns the way from section bytes to plain, owned data. A [`Record`] only points at its sections, so that they can be
//! passed on as they are; each is decoded on its own when someone needs to look inside.
//!
//! Old recordings were written by other hands: unknown keys are skipped, nil counts as absent but in changes, where it says what has become
//! undefined, an unknown type is `Unknown`. What makes an item useless (an entity without id, a point without x) is an error.

use std::borrow::Cow;

use super::Error;
use super::record::{Action, ActionType, AreaInfo, Edge, Entity, EntityType, MapInfo, Point, Property};
use super::section::{SCORE, Section};
use super::value::Reader;
use crate::limits::RECORD_ITEMS_MAX;

/// Config entries in the order they were written.
pub type Config = Vec<(String, String)>;

/// A record taken apart into its sections, none of them looked into.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The timestep; `None` when the record does not say (some recordings tell it only by where the record lies).
    pub time: Option<i64>,
    /// The score behind it, if the record says.
    pub score: Option<f64>,
    sections: [Option<&'a [u8]>; Section::ALL.len()],
}

impl<'a> Record<'a> {
    /// Finds time and sections of a record, which must be all of `bytes`.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is not one map, [`Error::BadField`] when `time` is no integer.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut record = Self { time: None, score: None, sections: [None; Section::ALL.len()] };
        let mut reader = Reader::new(bytes);
        let is_map = reader.fields(|key, value| {
            if key == b"time" {
                return value.int().map(|time| record.time = time).map_err(|error| error.in_field("time"));
            }
            if key == SCORE.as_bytes() {
                return value.number().map(|score| record.score = score).map_err(|error| error.in_field(SCORE));
            }
            let span = value.span()?;
            if let Some(slot) = Section::of_key(key).and_then(|section| record.sections.get_mut(section as usize)) {
                *slot = Some(span).filter(|span| *span != [0xc0]);
            }
            Ok(())
        })?;
        if !is_map {
            return Err(Error::Malformed("is not a map"));
        }
        if !reader.is_empty() {
            return Err(Error::Malformed("has bytes behind the record"));
        }
        Ok(record)
    }

    /// The value of a section, without its key; `None` when it is absent or nil. [`super::section::raw`] makes it a section again.
    #[must_use]
    pub fn section(&self, wanted: Section) -> Option<&'a [u8]> {
        self.sections.get(wanted as usize).copied().flatten()
    }
}

/// Decodes the value of a world or changes section. In changes nil says that a property has become undefined; in a world no more than
/// its absence would, see [`Entity::standing`].
///
/// # Errors
/// [`Error::BadField`] with the first field that cannot be used, or when there are more than [`RECORD_ITEMS_MAX`].
pub fn entities(value: &[u8]) -> Result<Vec<Entity<'static>>, Error> {
    list("entities", &mut Reader::new(value), &mut Budget::full(), |reader, _| entity(reader))
}

/// Decodes the value of a commands section.
///
/// # Errors
/// As [`entities`].
pub fn actions(value: &[u8]) -> Result<Vec<Action<'static>>, Error> {
    list("commands", &mut Reader::new(value), &mut Budget::full(), |reader, _| action(reader))
}

/// Decodes the value of a map section.
///
/// # Errors
/// As [`entities`], areas and edges counted together.
pub fn map(value: &[u8]) -> Result<MapInfo<'static>, Error> {
    let mut budget = Budget::full();
    let mut map = MapInfo::default();
    let (mut x, mut y) = (None, None);
    Reader::new(value).fields(|key, value| {
        match key {
            b"x" => x = named("x", value.number())?,
            b"y" => y = named("y", value.number())?,
            b"width" => map.width = named("width", value.number())?.unwrap_or(0.0),
            b"height" => map.height = named("height", value.number())?.unwrap_or(0.0),
            b"entities" => map.areas = list("entities", value, &mut budget, area)?,
            _ => value.skip()?,
        }
        Ok(())
    })?;
    map.origin = x.zip(y).map(|(x, y)| [x, y]);
    Ok(map)
}

/// Decodes the value of a config section. A nil value is empty text; a number or boolean is not taken.
///
/// # Errors
/// As [`entities`].
pub fn config(value: &[u8]) -> Result<Config, Error> {
    let mut budget = Budget::full();
    let mut config = Vec::new();
    let mut reader = Reader::new(value);
    for _ in 0..reader.map()?.unwrap_or(0) {
        budget.take("config")?;
        config.extend(pair(&mut reader)?.map(|(key, text)| (key.to_owned(), text.to_owned())));
    }
    Ok(config)
}

/// Decodes a pair of a config section; `None` where its key is no text.
pub(super) fn pair<'a>(reader: &mut Reader<'a>) -> Result<Option<(&'a str, &'a str)>, Error> {
    let Some(key) = reader.key()? else { return reader.skip().map(|()| None) };
    let problem = "has a key that is not UTF-8";
    let key = core::str::from_utf8(key).map_err(|_| Error::BadField { field: "config", problem })?;
    Ok(Some((key, named("config", reader.text())?.unwrap_or(""))))
}

/// How many more items may be decoded: a byte on the wire can become two hundred in memory.
pub(super) struct Budget(usize);

impl Budget {
    pub(super) const fn full() -> Self {
        Self(RECORD_ITEMS_MAX)
    }

    fn take(&mut self, field: &'static str) -> Result<(), Error> {
        self.0 = self.0.checked_sub(1).ok_or(Error::BadField { field, problem: "has too many items" })?;
        Ok(())
    }
}

fn named<T>(field: &'static str, read: Result<T, Error>) -> Result<T, Error> {
    read.map_err(|error| error.in_field(field))
}

fn list<T>(
    field: &'static str,
    reader: &mut Reader<'_>,
    budget: &mut Budget,
    mut item: impl FnMut(&mut Reader<'_>, &mut Budget) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let count = named(field, reader.array())?.unwrap_or(0);
    // Grown item by item: the count is only what was announced.
    let mut items = Vec::new();
    for _ in 0..count {
        budget.take(field)?;
        items.push(item(reader, budget)?);
    }
    Ok(items)
}

fn required<T>(field: &'static str, value: Option<T>) -> Result<T, Error> {
    value.ok_or(Error::BadField { field, problem: "is missing" })
}

/// Decodes an entity.
pub(super) fn entity(reader: &mut Reader<'_>) -> Result<Entity<'static>, Error> {
    let mut id = None;
    let mut entity = Entity::default();
    reader.fields(|key, value| {
        if let Some(property) = Property::ALL.into_iter().find(|property| property.key().as_bytes() == key) {
            match named(property.key(), value.int32())? {
                Some(number) => entity.properties.set(property, Some(number)),
                None => entity.properties.undefine(property),
            }
            return Ok(());
        }
        match key {
            b"id" => id = named("id", value.int32())?,
            b"type" => entity.kind = named("type", value.text())?.map(EntityType::of_word),
            b"created" => entity.created = named("created", value.bool())?.unwrap_or(false),
            b"deleted" => entity.deleted = named("deleted", value.bool())?.unwrap_or(false),
            b"history" => entity.history = undefined_is_empty(points("history", value)?),
            b"blockades" => entity.blockades = undefined_is_empty(ints("blockades", value)?),
            b"apexes" => entity.apexes = undefined_is_empty(points("apexes", value)?),
            _ => value.skip()?,
        }
        Ok(())
    })?;
    entity.id = required("id", id)?;
    Ok(entity)
}

/// A list of an entity that is there as nil is one that has become undefined.
fn undefined_is_empty(list: Option<Vec<i32>>) -> Option<Cow<'static, [i32]>> {
    Some(Cow::Owned(list.unwrap_or_default()))
}

/// Decodes an action.
pub(super) fn action(reader: &mut Reader<'_>) -> Result<Action<'static>, Error> {
    let mut id = None;
    let mut action = Action::new(0, ActionType::Unknown);
    reader.fields(|key, value| {
        match key {
            b"id" => id = named("id", value.int32())?,
            b"type" => action.kind = named("type", value.text())?.map_or(ActionType::Unknown, ActionType::of_word),
            b"path" => action.path = ints("path", value)?.map(Cow::Owned),
            b"x" => action.x = named("x", value.int32())?,
            b"y" => action.y = named("y", value.int32())?,
            b"channel" => action.channel = named("channel", value.int32())?,
            b"target" => action.target = named("target", value.int32())?,
            b"water" => action.water = named("water", value.int32())?,
            b"messageSize" => action.message_size = named("messageSize", value.int32())?,
            b"message" => {
                action.message = named("message", value.text())?.map(|text| Cow::Owned(text.as_bytes().to_vec()));
            }
            b"messageHex" => action.message = hex(value)?.map(Cow::Owned),
            b"channels" => action.channels = ints("channels", value)?.map(Cow::Owned),
            b"time" => action.time = named("time", value.int32())?,
            _ => value.skip()?,
        }
        Ok(())
    })?;
    action.id = required("id", id)?;
    Ok(action)
}

/// Bytes from pairs of hexadecimal digits.
fn hex(reader: &mut Reader<'_>) -> Result<Option<Vec<u8>>, Error> {
    let Some(digits) = named("messageHex", reader.text())? else { return Ok(None) };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |two: &[u8]| if let [high, low] = *two { Some(digit(high)? << 4 | digit(low)?) } else { None };
    let bytes = digits.as_bytes().chunks(2).map(pair).collect::<Option<Vec<u8>>>();
    bytes.map(Some).ok_or(Error::BadField { field: "messageHex", problem: "is not hexadecimal" })
}

/// Decodes an area.
pub(super) fn area(reader: &mut Reader<'_>, budget: &mut Budget) -> Result<AreaInfo<'static>, Error> {
    let mut id = None;
    let (mut kind, mut centre, mut edges, mut neighbours) = (EntityType::Unknown, Point::default(), Vec::new(), None);
    reader.fields(|key, value| {
        match key {
            b"id" => id = named("id", value.int32())?,
            b"type" => kind = named("type", value.text())?.map_or(EntityType::Unknown, EntityType::of_word),
            b"x" => centre.x = named("x", value.int32())?.unwrap_or(0),
            b"y" => centre.y = named("y", value.int32())?.unwrap_or(0),
            b"edges" => edges = list("edges", value, budget, edge)?,
            b"neighbours" => neighbours = ints("neighbours", value)?,
            _ => value.skip()?,
        }
        Ok(())
    })?;
    let neighbours = Cow::Owned(neighbours.unwrap_or_default());
    Ok(AreaInfo { id: required("id", id)?, kind, centre, edges: Cow::Owned(edges), neighbours })
}

fn edge(reader: &mut Reader<'_>, _: &mut Budget) -> Result<Edge, Error> {
    let (mut start, mut end, mut adjacent) = (None, None, None);
    reader.fields(|key, value| {
        match key {
            b"start" => start = Some(point("start", value)?),
            b"end" => end = Some(point("end", value)?),
            // The simulator has 0 for "none".
            b"adjacent" => adjacent = named("adjacent", value.int32())?.filter(|id| *id != 0),
            _ => value.skip()?,
        }
        Ok(())
    })?;
    Ok(Edge { start: required("start", start)?, end: required("end", end)?, adjacent })
}

fn point(field: &'static str, reader: &mut Reader<'_>) -> Result<Point, Error> {
    let (mut x, mut y) = (None, None);
    named(
        field,
        reader.fields(|key, value| {
            match key {
                b"x" => x = value.int32()?,
                b"y" => y = value.int32()?,
                _ => value.skip()?,
            }
            Ok(())
        }),
    )?;
    Ok(Point { x: required(field, x)?, y: required(field, y)? })
}

/// A list of points as x, y, x, y ...
fn points(field: &'static str, reader: &mut Reader<'_>) -> Result<Option<Vec<i32>>, Error> {
    let Some(count) = named(field, reader.array())? else {
        return Ok(None);
    };
    let mut flat = Vec::new();
    for _ in 0..count {
        let Point { x, y } = point(field, reader)?;
        flat.extend([x, y]);
    }
    Ok(Some(flat))
}

fn ints(field: &'static str, reader: &mut Reader<'_>) -> Result<Option<Vec<i32>>, Error> {
    let Some(count) = named(field, reader.array())? else {
        return Ok(None);
    };
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(required(field, named(field, reader.int32())?)?);
    }
    Ok(Some(items))
}
